//! Heads, which turn the outputs of a network into a distribution over actions.

use std::num::NonZeroU32;

use burn::{
    module::{Module, Param},
    tensor::{DType, Device, Tensor, TensorData},
};
use burn_pg_envs::Space;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Observation;
use crate::{
    distribution::{
        AnyDistribution, Bernoulli, Beta, Categorical, Gaussian, MultiCategorical, SquashedGaussian,
        StateDependentGaussian, impossible_logit,
    },
    kernel::{
        formula::{self, Dual},
        on_host,
    },
    storage::optional,
};

/// Bounds of log standard deviations that are outputs of a network, as in soft actor-critic.
pub(crate) const LOG_STD: (f64, f64) = (-20.0, 2.0);

/// The distribution over continuous actions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ActionDistribution {
    /// [`Gaussian`], or one of its forms.
    #[default]
    Gaussian,
    /// [`Beta`], for actions with finite bounds. Its concentrations are outputs of the network.
    Beta,
}

impl ActionDistribution {
    /// Returns the name in settings and exports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gaussian => "gaussian",
            Self::Beta => "beta",
        }
    }
}

/// How a policy over continuous actions explores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Exploration {
    /// Distribution over actions: `gaussian`, or `beta` for actions with finite bounds, within which all samples are. The
    /// other settings of this table are for `gaussian`. Default `gaussian`.
    pub distribution: ActionDistribution,
    /// True to squash actions with tanh, so that they are strictly within their bounds. Default false: they are
    /// clipped.
    pub squash: bool,
    /// True if standard deviations are outputs of the network. Default false: they are separate parameters.
    pub state_dependent: bool,
    /// Initial log standard deviation. Default 0.
    pub log_std: f64,
    /// gSDE: noise that is a function of the state and is held over several steps. Not together with `state_dependent`.
    /// Default: none, each action has independent noise.
    #[serde(with = "optional")]
    #[schemars(with = "Option<GsdeNoise>")]
    pub sde: Option<GsdeNoise>,
}

/// Generalised state-dependent exploration (gSDE), [`StateDependentGaussian`], with the outputs of the actor's last
/// hidden layer as features. `log_std` then applies to the noise of each feature: the initial standard deviation of an
/// action is `exp(log_std)` times the norm of the features, which is of the order of the square root of their number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GsdeNoise {
    /// Steps for which the noise is held, at least 1. Default: none, which holds it for a whole rollout.
    #[serde(with = "optional")]
    #[schemars(with = "Option<NonZeroU32>")]
    pub resample_every: Option<NonZeroU32>,
    /// True to also train the network through the features in the standard deviations. Default false: only through the
    /// means. (`trpo` requires true.)
    pub learn_features: bool,
}

impl Exploration {
    /// True if standard deviations would depend on the observation in two ways at once.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.state_dependent && self.sde.is_some()
    }

    /// True if a Beta distribution takes the place of a Gaussian.
    pub(crate) fn is_beta(&self) -> bool {
        self.distribution == ActionDistribution::Beta
    }

    /// True if sampled actions are within ±1, to be rescaled to the bounds of the environment.
    pub(crate) fn is_bounded(&self) -> bool {
        self.squash || self.is_beta()
    }
}

/// The last part of an actor: turns outputs of a network into a distribution of the kind that fits an action space.
#[derive(Module, Debug)]
pub struct Head {
    /// Log standard deviations that do not depend on the observation. Shape `[K]`.
    pub(crate) log_std: Option<Param<Tensor<1>>>,
    /// Log standard deviations of gSDE noise. Shape `[F, K]`.
    pub(crate) sde_log_std: Option<Param<Tensor<2>>>,
    #[module(skip)]
    pub(crate) kind: Kind,
}

/// The kind of a distribution.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Categorical,
    MultiCategorical(Vec<usize>),
    Bernoulli,
    Gaussian { len: usize, exploration: Exploration },
    Beta { len: usize },
}

/// How outputs of a network on the host become parameters of a distribution.
#[derive(Debug, Clone)]
pub(super) enum HostHead {
    /// The outputs are the parameters.
    Unchanged,
    /// The outputs are logits; those of masked actions are replaced by -1e38.
    Logits,
    /// The outputs are means; constant log standard deviations are appended.
    Means { log_std: Vec<f32> },
    /// The outputs are means and log standard deviations; an offset is added to the latter, which are then clamped to
    /// [`LOG_STD`].
    Moments { offset: f32 },
    /// The outputs become concentrations of Beta distributions, `1 + softplus(output)`.
    Concentrations,
}

impl HostHead {
    /// Replaces `parameters` with the parameters that follow from `outputs` (shape `[B, width]`). `action_masks` is
    /// empty if there are no masks.
    ///
    /// # Panics
    /// If the parameters are logits and there are masks, but not one flag for each output.
    pub fn parameters(&self, outputs: &[f32], width: usize, action_masks: &[bool], parameters: &mut Vec<f32>) {
        parameters.clear();
        if let Self::Means { log_std } = self {
            for means in outputs.chunks_exact(width) {
                parameters.extend_from_slice(means);
                parameters.extend_from_slice(log_std);
            }
            return;
        }
        parameters.extend_from_slice(outputs);
        match self {
            Self::Logits if !action_masks.is_empty() => {
                assert_eq!(action_masks.len(), outputs.len(), "one flag for each action");
                for (logit, &possible) in parameters.iter_mut().zip(action_masks) {
                    *logit = if possible { *logit } else { impossible_logit(DType::F32) };
                }
            }
            Self::Moments { offset } => {
                #[allow(clippy::cast_possible_truncation)] // they are small integers
                let (low, high) = (LOG_STD.0 as f32, LOG_STD.1 as f32);
                for log_std in parameters.chunks_exact_mut(width).flat_map(|row| &mut row[width / 2..]) {
                    *log_std = (*log_std + offset).clamp(low, high);
                }
            }
            Self::Concentrations => {
                for output in parameters {
                    *output = formula::concentration(&Dual::<f32, 0>::constant(*output)).value;
                }
            }
            Self::Unchanged | Self::Logits | Self::Means { .. } => {}
        }
    }
}

impl Head {
    /// Creates the head for actions of `space`. `features` is the number of outputs of the last hidden layer.
    ///
    /// # Panics
    /// If the exploration has both `state_dependent` and `sde`, or `space` is an image or a dictionary.
    #[must_use]
    pub fn new(space: &Space, exploration: Exploration, features: usize, device: &Device) -> Self {
        assert!(!exploration.is_ambiguous(), "`state_dependent` and `sde` cannot be combined");
        let kind = match space {
            Space::Discrete { .. } => Kind::Categorical,
            Space::MultiDiscrete { sizes } => Kind::MultiCategorical(sizes.iter().map(|&n| n as usize).collect()),
            Space::MultiBinary { .. } => Kind::Bernoulli,
            Space::Box { low, .. } if exploration.is_beta() => Kind::Beta { len: low.len() },
            Space::Box { low, .. } => Kind::Gaussian { len: low.len(), exploration },
            Space::Image { .. } | Space::Dict { .. } => panic!("{space} cannot be an action space"),
        };
        let (mut log_std, mut sde_log_std) = (None, None);
        if let Kind::Gaussian { len, exploration } = &kind {
            #[allow(clippy::cast_possible_truncation)] // parameters are single precision
            let first = |count: usize| vec![exploration.log_std as f32; count];
            if exploration.sde.is_some() {
                let values = TensorData::new(first(features * len), [features, *len]);
                sde_log_std = Some(Param::from_data(values, device));
            } else if !exploration.state_dependent {
                log_std = Some(Param::from_data(TensorData::new(first(*len), [*len]), device));
            }
        }
        Self { log_std, sde_log_std, kind }
    }

    /// Number of outputs that the network before the head must have.
    #[must_use]
    pub fn inputs(&self, space: &Space) -> usize {
        match &self.kind {
            Kind::Categorical | Kind::MultiCategorical(_) => space.mask_len(),
            Kind::Gaussian { len, exploration } if exploration.state_dependent => 2 * len,
            Kind::Beta { len } => 2 * len,
            _ => space.flat_len(),
        }
    }

    /// True if the distribution also depends on the inputs of the last layer, as with gSDE noise.
    #[must_use]
    pub fn needs_features(&self) -> bool {
        self.sde_log_std.is_some()
    }

    /// Returns the distribution for `outputs` (shape `[B, inputs]`) of the last layer, without masked actions.
    /// `features` (shape `[B, F]`) are the inputs of the last layer.
    ///
    /// # Panics
    /// If the distribution [depends on features](Self::needs_features), but `features` is `None`.
    #[must_use]
    pub fn distribution(
        &self,
        outputs: Tensor<2>,
        features: Option<Tensor<2>>,
        observation: &Observation,
    ) -> AnyDistribution {
        match (&self.kind, observation.action_mask.clone()) {
            (Kind::Categorical, None) => AnyDistribution::Categorical(Categorical::new(outputs)),
            (Kind::Categorical, Some(mask)) => AnyDistribution::Categorical(Categorical::masked(outputs, mask)),
            (Kind::MultiCategorical(sizes), None) => {
                AnyDistribution::MultiCategorical(MultiCategorical::new(outputs, sizes))
            }
            (Kind::MultiCategorical(sizes), Some(mask)) => {
                AnyDistribution::MultiCategorical(MultiCategorical::masked(outputs, sizes, mask))
            }
            (Kind::Bernoulli, _) => AnyDistribution::Bernoulli(Bernoulli::new(outputs)),
            (Kind::Beta { .. }, _) => AnyDistribution::Beta(Beta::of_outputs(&outputs)),
            (Kind::Gaussian { len, exploration }, _) => match (&self.sde_log_std, exploration.sde) {
                (Some(log_std), Some(noise)) => {
                    let features = features.expect("gSDE noise needs the features");
                    let features = if noise.learn_features { features } else { features.detach() };
                    let gaussian = StateDependentGaussian::new(outputs, features, log_std.val(), noise.resample_every);
                    match exploration.squash {
                        true => AnyDistribution::SquashedStateDependentGaussian(gaussian.into()),
                        false => AnyDistribution::StateDependentGaussian(gaussian),
                    }
                }
                _ => {
                    let (mean, log_std) = self.moments(outputs, *len, *exploration);
                    match exploration.squash {
                        true => AnyDistribution::SquashedGaussian(SquashedGaussian::new(mean, log_std)),
                        false => AnyDistribution::Gaussian(Gaussian::new(mean, log_std)),
                    }
                }
            },
        }
    }

    /// Returns how outputs of a network on the host become parameters of the distribution; `None` for gSDE noise, or if
    /// the parameters are not on the host.
    pub(super) fn on_host(&self) -> Option<HostHead> {
        match (&self.kind, &self.log_std) {
            (Kind::Categorical | Kind::MultiCategorical(_), _) => Some(HostHead::Logits),
            (Kind::Bernoulli, _) => Some(HostHead::Unchanged),
            (Kind::Beta { .. }, _) => Some(HostHead::Concentrations),
            (Kind::Gaussian { .. }, Some(log_std)) => Some(HostHead::Means { log_std: on_host(log_std.val())? }),
            (Kind::Gaussian { exploration, .. }, None) if exploration.sde.is_none() => {
                #[allow(clippy::cast_possible_truncation)] // networks on the host are in single precision
                Some(HostHead::Moments { offset: exploration.log_std as f32 })
            }
            (Kind::Gaussian { .. }, None) => None,
        }
    }

    /// Returns means and log standard deviations. Shape `[B, K]` each.
    fn moments(&self, outputs: Tensor<2>, len: usize, exploration: Exploration) -> (Tensor<2>, Tensor<2>) {
        match &self.log_std {
            Some(log_std) => {
                let log_std = log_std.val().unsqueeze_dim::<2>(0).expand(outputs.dims());
                (outputs, log_std)
            }
            None => {
                let mean = outputs.clone().narrow(1, 0, len);
                let log_std = outputs.narrow(1, len, len).add_scalar(exploration.log_std);
                (mean, log_std.clamp(LOG_STD.0, LOG_STD.1))
            }
        }
    }
}
