//! Clipped and rescaled actions.

use serde::{Deserialize, Serialize};

use crate::{
    Actions, Autoreset, EnvBlock, EnvError, EnvSpec, Gather, SavedEnvs, Space, StepBatch, StepView, VectorEnv,
    normalizer::ObservationNormalizer, render::Scene, space::bounds,
};

/// A transform of continuous actions with K components, applied before an environment takes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ActionTransform {
    /// Clips each component to its bounds.
    Clip {
        /// Lower bounds. Shape `[K]`.
        #[serde(with = "bounds")]
        low: Vec<f32>,
        /// Upper bounds. Shape `[K]`.
        #[serde(with = "bounds")]
        high: Vec<f32>,
    },
    /// Maps the range `-1..=1` to `low..=high`: `low + (a + 1) (high - low) / 2`. Values beyond -1 or 1 are mapped
    /// beyond `low` or `high`.
    Rescale {
        /// The action that -1 maps to. Shape `[K]`.
        low: Vec<f32>,
        /// The action that 1 maps to. Shape `[K]`.
        high: Vec<f32>,
    },
}

impl ActionTransform {
    /// Creates a transform that clips to the bounds of `space`.
    ///
    /// # Errors
    /// [`EnvError::Unsuited`] if it is not a box.
    pub fn clip(space: &Space) -> Result<Self, EnvError> {
        match space {
            Space::Box { low, high, .. } => Ok(Self::Clip { low: low.clone(), high: high.clone() }),
            _ => Err(EnvError::Unsuited {
                what: "clipped actions",
                need: "a box",
                of: "action",
                space: space.to_string(),
            }),
        }
    }

    /// Creates a transform that rescales `-1..=1` to the bounds of `space`.
    ///
    /// # Errors
    /// [`EnvError::Unsuited`] if it is not a box with finite bounds.
    pub fn rescale(space: &Space) -> Result<Self, EnvError> {
        match space {
            Space::Box { low, high, .. } if low.iter().zip(high).all(|(low, high)| (high - low).is_finite()) => {
                Ok(Self::Rescale { low: low.clone(), high: high.clone() })
            }
            _ => {
                let need = "a box with finite bounds";
                Err(EnvError::Unsuited { what: "rescaled actions", need, of: "action", space: space.to_string() })
            }
        }
    }

    /// Transforms actions of shape `[N, K]` in place.
    pub fn apply(&self, actions: &mut [f32]) {
        let (Self::Clip { low, high } | Self::Rescale { low, high }) = self;
        for row in actions.chunks_exact_mut(low.len()) {
            for ((number, low), high) in row.iter_mut().zip(low).zip(high) {
                *number = match self {
                    Self::Clip { .. } => number.clamp(*low, *high),
                    Self::Rescale { .. } => low + (*number + 1.0) * 0.5 * (high - low),
                };
            }
        }
    }

    /// Returns the transformed actions, stored in `memory`, which is reused between calls.
    fn applied<'a>(&self, actions: Actions<'_>, memory: &'a mut Vec<f32>) -> Actions<'a> {
        memory.clear();
        if let Actions::Continuous(given) = actions {
            memory.extend_from_slice(given);
        }
        self.apply(memory);
        Actions::Continuous(memory)
    }

    /// Returns the space of actions before the transform: a box of `shape`.
    fn space(&self, shape: &[usize]) -> Space {
        let (bound, len) = match self {
            Self::Clip { low, .. } => (f32::INFINITY, low.len()),
            Self::Rescale { low, .. } => (1.0, low.len()),
        };
        Space::Box { low: vec![-bound; len], high: vec![bound; len], shape: shape.to_vec() }
    }
}

/// A batch of environments whose continuous actions are transformed first. Its specification has the action space
/// before the transform: unbounded if it clips, `-1..=1` if it rescales.
pub struct TransformActions<V> {
    inner: V,
    transform: ActionTransform,
    spec: EnvSpec,
    actions: Vec<f32>,
}

impl<V: VectorEnv> TransformActions<V> {
    /// Wraps `inner`.
    ///
    /// # Errors
    /// [`EnvError::Unsuited`] if its action space is not a box with as many components as `transform`, or the bounds of
    /// `transform` are not in order (or not finite, to rescale).
    pub fn new(inner: V, transform: ActionTransform) -> Result<Self, EnvError> {
        let mut spec = inner.spec().clone();
        spec.action_space = transformed(&spec.action_space, &transform)?;
        Ok(Self { inner, transform, spec, actions: Vec::new() })
    }

    /// Returns the transform of the actions.
    #[must_use]
    pub fn transform(&self) -> &ActionTransform {
        &self.transform
    }
}

/// Returns the space of actions before `transform`, if `space` is the one after it.
fn transformed(space: &Space, transform: &ActionTransform) -> Result<Space, EnvError> {
    let (ActionTransform::Clip { low, high } | ActionTransform::Rescale { low, high }) = transform;
    match space {
        Space::Box { low: bounds, shape, .. }
            if bounds.len() == low.len()
                && low.len() == high.len()
                && low.iter().zip(high).all(|(low, high)| low <= high)
                && (matches!(transform, ActionTransform::Clip { .. })
                    || low.iter().zip(high).all(|(low, high)| (high - low).is_finite())) =>
        {
            Ok(transform.space(shape))
        }
        _ => {
            let need = "a box of as many numbers, and bounds in order (finite ones, to rescale)";
            Err(EnvError::Unsuited { what: "transformed actions", need, of: "action", space: space.to_string() })
        }
    }
}

/// A block of [`TransformActions`].
struct Block<'a> {
    inner: Box<dyn EnvBlock + 'a>,
    transform: &'a ActionTransform,
    space: &'a Space,
    actions: Vec<f32>,
}

impl EnvBlock for Block<'_> {
    fn first(&self) -> usize {
        self.inner.first()
    }

    fn view(&self) -> StepView<'_> {
        self.inner.view()
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<(), EnvError> {
        actions.check_in_block(self.space, self.inner.view().rewards.len(), self.inner.first())?;
        self.inner.step(self.transform.applied(actions, &mut self.actions))
    }
}

impl<V: VectorEnv> VectorEnv for TransformActions<V> {
    delegate::delegate! {
        to self.inner {
            fn num_envs(&self) -> usize;
            fn batch(&self) -> &StepBatch;
            fn observation_normalizer(&self) -> Option<&ObservationNormalizer>;
            fn render(&self, env: usize) -> Option<Scene>;
            fn set_autoreset(&mut self, autoreset: Autoreset) -> Result<(), EnvError>;
            fn exchange_statistics(&mut self, gather: &mut Gather<'_>);
            fn reset(&mut self, seed: u64) -> Result<&StepBatch, EnvError>;
            fn reset_each(&mut self, seeds: &[u64]) -> Result<&StepBatch, EnvError>;
            fn reset_where(&mut self, mask: &[bool]) -> Result<&StepBatch, EnvError>;
            fn restart(&mut self, env: usize, seed: u64) -> Result<&StepBatch, EnvError>;
        }
    }

    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn set_time_limit(&mut self, steps: Option<u32>) -> Result<(), EnvError> {
        self.inner.set_time_limit(steps)?;
        self.spec.max_episode_steps = steps;
        Ok(())
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<&StepBatch, EnvError> {
        actions.check(&self.spec.action_space, self.inner.num_envs())?;
        self.inner.step(self.transform.applied(actions, &mut self.actions))
    }

    fn blocks(&mut self, size: usize) -> Option<Vec<Box<dyn EnvBlock + '_>>> {
        let (transform, space) = (&self.transform, &self.spec.action_space);
        let wrap = |inner| -> Box<dyn EnvBlock> { Box::new(Block { inner, transform, space, actions: Vec::new() }) };
        Some(self.inner.blocks(size)?.into_iter().map(wrap).collect())
    }

    fn save(&self) -> Result<SavedEnvs, EnvError> {
        self.inner.save()?.wrapped(&self.transform)
    }

    fn load(&mut self, saved: &SavedEnvs) -> Result<(), EnvError> {
        let (inner, transform) = saved.unwrapped()?;
        let mut spec = self.inner.spec().clone();
        spec.action_space = transformed(&spec.action_space, &transform)?;
        self.inner.load(&inner)?;
        spec.max_episode_steps = self.inner.spec().max_episode_steps;
        (self.spec, self.transform) = (spec, transform);
        Ok(())
    }
}
