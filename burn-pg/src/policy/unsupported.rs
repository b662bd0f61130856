//! The error for networks that do not fit the observations.

/// The networks of a policy do not fit the observations of an environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsupportedSpace {
    /// No policy supports this observation space.
    #[error("environment `{env}` has the observation space {space}, for which there is no policy yet")]
    Observation {
        /// The environment.
        env: String,
        /// The space.
        space: String,
    },
    /// The observations contain an image, but there are no convolutions: a perceptron would see it as one long vector.
    #[error(
        "environment `{env}` observes {space}, and an image needs convolutions: set \
         `network = {{ kind = \"cnn\", layers = [{{ channels = 16, kernel = 3 }}] }}`"
    )]
    Image {
        /// The environment.
        env: String,
        /// The space.
        space: String,
    },
    /// There are convolutions, but the observations contain no image.
    #[error(
        "environment `{env}` observes {space}, which has no image, but `network.kind = \"cnn\"` needs one: set it to \
         \"mlp\""
    )]
    NoImage {
        /// The environment.
        env: String,
        /// The space.
        space: String,
    },
    /// A network is to see a part of the observation that does not exist.
    #[error(
        "`network.actor_inputs` or `network.critic_inputs` names `{name}`, but environment `{env}` observes {space}: they take \
         the names of the parts of a dictionary"
    )]
    Input {
        /// The environment.
        env: String,
        /// The name that was given.
        name: String,
        /// The observation space.
        space: String,
    },
    /// An image is too small for the convolutions.
    #[error(
        "layer {layer} of `network.layers` has a kernel of {kernel}x{kernel}, but {height}x{width} pixels arrive there \
         (environment `{env}`): use smaller kernels, smaller strides, or fewer layers"
    )]
    TooSmall {
        /// The environment.
        env: String,
        /// The layer, counted from 1.
        layer: usize,
        /// Height of the layer's input.
        height: usize,
        /// Width of the layer's input.
        width: usize,
        /// Height and width of the kernel.
        kernel: usize,
    },
}
