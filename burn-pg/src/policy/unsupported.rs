//! Networks that do not fit observations.

/// The networks of a policy do not fit the observations of an environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsupportedSpace {
    /// There is no policy for such observations.
    #[error("environment `{env}` has the observation space {space}, for which there is no policy yet")]
    Observation {
        /// The environment.
        env: String,
        /// The space.
        space: String,
    },
    /// An image would go into a perceptron as one long vector.
    #[error(
        "environment `{env}` observes {space}, and an image needs convolutions: set \
         `encoder = {{ kind = \"cnn\", layers = [{{ channels = 16, kernel = 3 }}] }}`"
    )]
    Image {
        /// The environment.
        env: String,
        /// The space.
        space: String,
    },
    /// There is no image for convolutions.
    #[error(
        "environment `{env}` observes {space}, in which there is no image for `encoder = {{ kind = \"cnn\" }}`: leave \
         `encoder` out, and vectors go into the hidden layers as they are"
    )]
    NoImage {
        /// The environment.
        env: String,
        /// The space.
        space: String,
    },
    /// An image is too small for the convolutions.
    #[error(
        "layer {layer} of `encoder` has a kernel of {kernel}x{kernel}, but {height}x{width} pixels arrive there \
         (environment `{env}`): use smaller kernels, smaller strides, or fewer layers"
    )]
    TooSmall {
        /// The environment.
        env: String,
        /// The layer, counted from 1.
        layer: usize,
        /// Height of what arrives.
        height: usize,
        /// Width of what arrives.
        width: usize,
        /// Height and width of the kernel.
        kernel: usize,
    },
}
