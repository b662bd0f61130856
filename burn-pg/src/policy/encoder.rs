//! Encoders of observations, before the other layers of a policy: convolutions for images.

use std::fmt;

use burn::{
    module::{Module, Param},
    nn::{PaddingConfig2d, conv::Conv2d},
    tensor::{Device, Tensor, TensorData},
};
use burn_pg_envs::{EnvSpec, Space};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Activation, Observation, UnsupportedSpace, init::Initial, mlp::HIDDEN_GAIN};

/// The encoder of the observations, before all other layers.
///
/// ```
/// use burn_pg::policy::{ConvSpec, EncoderSpec};
///
/// let spec: EncoderSpec = toml::from_str("kind = 'cnn'\nlayers = [{ channels = 16, kernel = 3 }]")?;
/// assert_eq!(spec, EncoderSpec::minatar());
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum EncoderSpec {
    /// Perceptrons alone, for vectors; images are refused.
    #[serde(rename = "mlp")]
    None {},
    /// Each image goes through convolutions, with the activation of the network after each of them, and is flattened;
    /// vectors are taken as they are. An image is a [`Space::Image`], whose values are scaled to the range 0 to 1, or a
    /// box of three dimensions.
    Cnn {
        /// The convolutions, 1 to 16 of them. Default: one of 16 channels, kernel 3 and stride 1.
        #[serde(default = "minatar_layers")]
        layers: Vec<ConvSpec>,
    },
}

/// A convolution without padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConvSpec {
    /// Output channels, 1 to 4,096.
    pub channels: usize,
    /// Height and width of the kernel, 1 to 64.
    pub kernel: usize,
    /// Stride in pixels, vertically and horizontally, 1 to 64. Default 1.
    #[serde(default = "one")]
    pub stride: usize,
}

fn one() -> usize {
    1
}

/// Formats it as in a configuration.
impl fmt::Display for ConvSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channels, kernel, stride } = self;
        write!(f, "{{ channels = {channels}, kernel = {kernel}, stride = {stride} }}")
    }
}

fn minatar_layers() -> Vec<ConvSpec> {
    vec![ConvSpec { channels: 16, kernel: 3, stride: 1 }]
}

impl Default for EncoderSpec {
    fn default() -> Self {
        Self::None {}
    }
}

impl EncoderSpec {
    /// The names of the kinds.
    pub const KINDS: [&str; 2] = ["mlp", "cnn"];

    /// The name of the kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None {} => Self::KINDS[0],
            Self::Cnn { .. } => Self::KINDS[1],
        }
    }

    /// The convolutions of Atari agents, for images of 84x84: 32 channels of 8x8 at stride 4, 64 of 4x4 at stride 2, 64
    /// of 3x3. A hidden layer of 512 with ReLU follows.
    ///
    /// Source: V. Mnih and others, *Human-level control through deep reinforcement learning* (2015).
    #[must_use]
    pub fn nature() -> Self {
        let conv = |(channels, kernel, stride)| ConvSpec { channels, kernel, stride };
        Self::Cnn { layers: [(32, 8, 4), (64, 4, 2), (64, 3, 1)].map(conv).to_vec() }
    }

    /// The convolution of MinAtar agents, for images of 10x10: 16 channels of 3x3. A hidden layer of 128 with ReLU
    /// follows.
    ///
    /// Source: K. Young, T. Tian, *MinAtar* (2019).
    #[must_use]
    pub fn minatar() -> Self {
        Self::Cnn { layers: minatar_layers() }
    }

    /// Returns the layers as text, and their range, if they are out of range.
    pub(crate) fn out_of_range(&self) -> Option<(String, &'static str)> {
        let Self::Cnn { layers } = self else { return None };
        let is_sound = |layer: &ConvSpec| {
            let sizes = [layer.kernel, layer.stride].into_iter().all(|size| (1..=64).contains(&size));
            sizes && (1..=4096).contains(&layer.channels)
        };
        let listed: Vec<String> = layers.iter().map(ToString::to_string).collect();
        let range = "1 to 16 layers of 1 to 4096 channels, with kernels and strides of 1 to 64";
        let all_sound = (1..=16).contains(&layers.len()) && layers.iter().all(is_sound);
        (!all_sound).then(|| (format!("[{}]", listed.join(", ")), range))
    }

    /// Checks that the layers fit the observations of an environment.
    ///
    /// # Errors
    /// [`UnsupportedSpace`] if there are convolutions but no image, an image but no convolutions, an image that is too
    /// small for them, or a part of the observation that is neither a box nor an image.
    pub fn check(&self, spec: &EnvSpec) -> Result<(), UnsupportedSpace> {
        let all: Vec<usize> = (0..spec.observation_space.parts().len()).collect();
        self.parts(spec, &all).map(|_| ())
    }

    /// Returns the layers for the parts of the observations of an environment at `places`.
    ///
    /// # Errors
    /// See [`check`](Self::check).
    pub(crate) fn parts(&self, spec: &EnvSpec, places: &[usize]) -> Result<Vec<PartLayers>, UnsupportedSpace> {
        let (env, space) = (spec.id.clone(), spec.observation_space.to_string());
        let parts = spec.observation_space.parts();
        let parts: Vec<&Space> = places.iter().map(|&place| parts[place]).collect();
        let is_box_or_image = |part: &&Space| matches!(part, Space::Box { .. } | Space::Image { .. });
        if !parts.iter().all(is_box_or_image) {
            return Err(UnsupportedSpace::Observation { env, space });
        }
        let has_image = parts.iter().any(|part| image(part).is_some());
        let layers: &[ConvSpec] = match self {
            Self::None {} if has_image => return Err(UnsupportedSpace::Image { env, space }),
            Self::Cnn { .. } if !has_image => return Err(UnsupportedSpace::NoImage { env, space }),
            Self::None {} => &[],
            Self::Cnn { layers } => layers,
        };
        parts.into_iter().map(|part| PartLayers::new(part, layers, &env)).collect()
    }
}

/// The layers of an encoder for one part of an observation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PartLayers {
    /// A vector is taken as it is.
    Vector { len: usize },
    /// An image goes through convolutions.
    Image {
        /// The factor that pixels are multiplied with first.
        scale: f64,
        /// Channels, height and width of the image, then of the output of each layer.
        shapes: Vec<[usize; 3]>,
        layers: Vec<ConvSpec>,
    },
}

/// Returns channels, height and width of an image, and the factor for its pixels; none for any other space.
fn image(space: &Space) -> Option<([usize; 3], f64)> {
    match space {
        Space::Image { shape, high } => Some((*shape, 1.0 / f64::from(*high))),
        Space::Box { shape, .. } => Some((shape.as_slice().try_into().ok()?, 1.0)),
        _ => None,
    }
}

impl PartLayers {
    fn new(space: &Space, layers: &[ConvSpec], env: &str) -> Result<Self, UnsupportedSpace> {
        let Some((shape, scale)) = image(space) else { return Ok(Self::Vector { len: space.flat_len() }) };
        let mut shapes = vec![shape];
        for (layer, &ConvSpec { channels, kernel, stride }) in layers.iter().enumerate() {
            let [_, height, width] = shapes[layer];
            if height < kernel || width < kernel {
                let env = env.to_owned();
                return Err(UnsupportedSpace::TooSmall { env, layer: layer + 1, height, width, kernel });
            }
            shapes.push([channels, (height - kernel) / stride + 1, (width - kernel) / stride + 1]);
        }
        Ok(Self::Image { scale, shapes, layers: layers.to_vec() })
    }

    /// The convolutions, if the part is an image.
    pub fn convolutions(&self) -> Option<&[ConvSpec]> {
        match self {
            Self::Vector { .. } => None,
            Self::Image { layers, .. } => Some(layers),
        }
    }

    /// Values of the flattened output.
    pub fn features(&self) -> usize {
        match self {
            Self::Vector { len } => *len,
            Self::Image { shapes, .. } => shapes.last().map_or(0, |shape| shape.iter().product()),
        }
    }

    /// Elements of one sample that the forward pass keeps: the image as floats, and for each layer its output before
    /// and after the activation.
    pub fn kept(&self) -> u64 {
        let Self::Image { shapes, .. } = self else { return 0 };
        let elements = |shape: &[usize; 3]| shape.iter().product::<usize>() as u64;
        elements(&shapes[0]) + 2 * shapes[1..].iter().map(elements).sum::<u64>()
    }

    /// Most temporary elements of one sample that a layer needs beyond those that are [`kept`](Self::kept): its patches
    /// as the rows of a matrix, and its outputs; in the backward pass the gradients of its outputs and inputs. The
    /// elements that this and later layers keep are subtracted, because they are not allocated yet, or already free.
    pub fn temporary(&self, backward: bool) -> u64 {
        let Self::Image { shapes, layers, .. } = self else { return 0 };
        let elements: Vec<u64> = shapes.iter().map(|shape| shape.iter().product::<usize>() as u64).collect();
        let of = |(i, layer): (usize, &ConvSpec)| {
            let patches = (shapes[i][0] * layer.kernel * layer.kernel) as u64 * elements[i + 1] / layer.channels as u64;
            let into = if backward && i > 0 { elements[i] } else { 0 };
            (patches + elements[i + 1] + into).saturating_sub(2 * elements[i + 1..].iter().sum::<u64>())
        };
        layers.iter().enumerate().map(of).max().unwrap_or_default()
    }

    /// Number of weights and biases.
    pub fn parameters(&self) -> u64 {
        let Self::Image { shapes, layers, .. } = self else { return 0 };
        let of = |([inputs, ..], layer): (&[usize; 3], &ConvSpec)| {
            let ConvSpec { channels, kernel, .. } = *layer;
            (inputs * kernel * kernel + 1) as u64 * channels as u64
        };
        shapes.iter().zip(layers).map(of).sum()
    }
}

/// The parts of an observation that a network sees: their places in the observation, and their layers.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Inputs {
    pub places: Vec<usize>,
    pub parts: Vec<PartLayers>,
}

impl Inputs {
    /// Number of values of the encoded parts.
    pub fn features(&self) -> usize {
        self.parts.iter().map(PartLayers::features).sum()
    }
}

/// An encoder: concatenates the features of images, after convolutions, and vectors as they are. It may see some parts of an
/// observation only.
#[derive(Module, Debug)]
pub struct Encoder {
    /// The convolutions of each image, in the order of the parts.
    pub(crate) images: Vec<Convolutions>,
    #[module(skip)]
    pub(crate) inputs: Inputs,
}

/// A sequence of convolutions, with an activation after each.
#[derive(Module, Debug)]
pub struct Convolutions {
    pub(crate) layers: Vec<Conv2d>,
    #[module(skip)]
    pub(crate) activation: Activation,
}

impl Encoder {
    pub(super) fn with(inputs: &Inputs, activation: Activation, initial: &mut Initial<'_>, device: &Device) -> Self {
        let images = inputs.parts.iter().filter_map(|part| {
            let PartLayers::Image { shapes, layers, .. } = part else { return None };
            let layers = shapes.iter().zip(layers).map(|([inputs, ..], layer)| conv(*inputs, *layer, initial, device));
            Some(Convolutions { layers: layers.collect(), activation })
        });
        Self { images: images.collect(), inputs: inputs.clone() }
    }

    /// Returns the features of B observations. Shape `[B, F]`.
    ///
    /// # Panics
    /// If the observations do not have the parts that the encoder was made for.
    #[must_use]
    pub fn forward(&self, observation: &Observation) -> Tensor<2> {
        let mut images = self.images.iter();
        let mut features: Vec<Tensor<2>> = Vec::new();
        let Inputs { places, parts } = &self.inputs;
        for (&place, part) in places.iter().zip(parts) {
            let input = observation.inputs.get(place).expect("one input for each part of the observation space");
            features.push(match part {
                PartLayers::Vector { .. } => input.floats(),
                PartLayers::Image { scale, shapes, .. } => {
                    let [channels, height, width] = shapes[0];
                    let pixels = input.floats().mul_scalar(*scale).reshape([input.len(), channels, height, width]);
                    images.next().expect("convolutions for each image").forward(pixels).flatten(1, 3)
                }
            });
        }
        if features.len() == 1 { features.remove(0) } else { Tensor::cat(features, 1) }
    }
}

impl Convolutions {
    /// Returns the output of the last layer for images of shape `[B, C, H, W]`.
    #[must_use]
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        self.layers.iter().fold(images, |images, layer| self.activation.apply(layer.forward(images)))
    }
}

fn conv(inputs: usize, spec: ConvSpec, initial: &mut Initial<'_>, device: &Device) -> Conv2d {
    let ConvSpec { channels, kernel, stride } = spec;
    let weight = initial.matrix(channels, inputs * kernel * kernel, HIDDEN_GAIN);
    Conv2d {
        weight: Param::from_data(TensorData::new(weight, [channels, inputs, kernel, kernel]), device),
        bias: Some(Param::from_data(TensorData::new(vec![0.0_f32; channels], [channels]), device)),
        stride: [stride; 2],
        kernel_size: [kernel; 2],
        dilation: [1; 2],
        groups: 1,
        padding: PaddingConfig2d::Valid,
    }
}
