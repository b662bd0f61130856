//! Owned batches of actions.

use std::ops::Range;

use crate::{Actions, EnvRng, Space};

/// Flattened actions in the order in which they were taken; the owned form of [`Actions`].
#[derive(Debug, Clone, PartialEq)]
pub enum ActionBuffer {
    /// For [`Space::Discrete`], counted from 0.
    Discrete(Vec<u32>),
    /// For [`Space::MultiDiscrete`], each component counted from 0.
    MultiDiscrete(Vec<u32>),
    /// For [`Space::MultiBinary`].
    MultiBinary(Vec<bool>),
    /// For [`Space::Box`].
    Continuous(Vec<f32>),
}

impl Default for ActionBuffer {
    /// Returns an empty buffer for discrete actions.
    fn default() -> Self {
        Self::Discrete(Vec::new())
    }
}

impl ActionBuffer {
    /// Creates an empty buffer for actions of `space`.
    ///
    /// # Panics
    /// If `space` is an image or a dictionary, which are for observations only;
    /// [`EnvSpec::check`](crate::EnvSpec::check) refuses them.
    #[must_use]
    pub fn new(space: &Space) -> Self {
        match space {
            Space::Discrete { .. } => Self::Discrete(Vec::new()),
            Space::MultiDiscrete { .. } => Self::MultiDiscrete(Vec::new()),
            Space::MultiBinary { .. } => Self::MultiBinary(Vec::new()),
            Space::Box { .. } => Self::Continuous(Vec::new()),
            Space::Image { .. } | Space::Dict { .. } => panic!("{space} cannot be an action space"),
        }
    }

    /// Draws `envs` random actions from `space`: uniform between two bounds, normal without bounds, exponential from a
    /// single bound. The distributions are those of Gymnasium's `Space.sample`; the random numbers are not.
    ///
    /// # Panics
    /// If `space` is an image or a dictionary.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // actions are single precision
    pub fn random(space: &Space, envs: usize, rng: &mut EnvRng) -> Self {
        let count = envs * space.flat_len();
        match space {
            Space::Discrete { n, .. } => Self::Discrete((0..count).map(|_| rng.below(*n)).collect()),
            Space::MultiDiscrete { sizes } => {
                Self::MultiDiscrete(sizes.iter().cycle().take(count).map(|&size| rng.below(size)).collect())
            }
            Space::MultiBinary { .. } => Self::MultiBinary((0..count).map(|_| rng.below(2) == 1).collect()),
            Space::Box { low, high, .. } => {
                let bounds = low.iter().zip(high).cycle().take(count);
                let mut draw = |low: f64, high: f64| match (low.is_finite(), high.is_finite()) {
                    (true, true) => rng.uniform(low, high),
                    (false, false) => rng.normal(),
                    (true, false) => low - (1.0 - rng.next_f64()).ln(),
                    (false, true) => high + (1.0 - rng.next_f64()).ln(),
                };
                Self::Continuous(bounds.map(|(&low, &high)| draw(low.into(), high.into()) as f32).collect())
            }
            Space::Image { .. } | Space::Dict { .. } => Self::new(space),
        }
    }

    /// Replaces all actions by `actions`, in the same memory if the kind is the same.
    pub fn set(&mut self, actions: Actions<'_>) {
        fn refill<T: Copy>(own: &mut Vec<T>, new: &[T]) {
            own.clear();
            own.extend_from_slice(new);
        }
        match (self, actions) {
            (Self::Discrete(own), Actions::Discrete(new)) | (Self::MultiDiscrete(own), Actions::MultiDiscrete(new)) => {
                refill(own, new);
            }
            (Self::MultiBinary(own), Actions::MultiBinary(new)) => refill(own, new),
            (Self::Continuous(own), Actions::Continuous(new)) => refill(own, new),
            (other, Actions::Discrete(new)) => *other = Self::Discrete(new.to_vec()),
            (other, Actions::MultiDiscrete(new)) => *other = Self::MultiDiscrete(new.to_vec()),
            (other, Actions::MultiBinary(new)) => *other = Self::MultiBinary(new.to_vec()),
            (other, Actions::Continuous(new)) => *other = Self::Continuous(new.to_vec()),
        }
    }

    /// Returns the number of components of all actions: N times the flat length of the action space.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Discrete(actions) | Self::MultiDiscrete(actions) => actions.len(),
            Self::MultiBinary(actions) => actions.len(),
            Self::Continuous(actions) => actions.len(),
        }
    }

    /// True if there are no actions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the components in the range `numbers` of another buffer.
    ///
    /// # Panics
    /// If `other` has actions of another kind, or fewer components.
    pub fn extend_from(&mut self, other: &Self, numbers: Range<usize>) {
        match (self, other) {
            (Self::Discrete(own), Self::Discrete(other)) | (Self::MultiDiscrete(own), Self::MultiDiscrete(other)) => {
                own.extend_from_slice(&other[numbers]);
            }
            (Self::MultiBinary(own), Self::MultiBinary(other)) => own.extend_from_slice(&other[numbers]),
            (Self::Continuous(own), Self::Continuous(other)) => own.extend_from_slice(&other[numbers]),
            _ => panic!("actions of two kinds in one buffer"),
        }
    }

    /// Removes all actions and keeps the memory.
    pub fn clear(&mut self) {
        match self {
            Self::Discrete(actions) | Self::MultiDiscrete(actions) => actions.clear(),
            Self::MultiBinary(actions) => actions.clear(),
            Self::Continuous(actions) => actions.clear(),
        }
    }

    /// Returns all actions in the form that environments take.
    #[must_use]
    pub fn as_actions(&self) -> Actions<'_> {
        match self {
            Self::Discrete(actions) => Actions::Discrete(actions),
            Self::MultiDiscrete(actions) => Actions::MultiDiscrete(actions),
            Self::MultiBinary(actions) => Actions::MultiBinary(actions),
            Self::Continuous(actions) => Actions::Continuous(actions),
        }
    }

    /// Returns the last `numbers` components (N times the flat length of the action space) in the form that
    /// environments take.
    ///
    /// # Panics
    /// If there are fewer.
    #[must_use]
    pub fn last(&self, numbers: usize) -> Actions<'_> {
        fn tail<T>(actions: &[T], numbers: usize) -> &[T] {
            &actions[actions.len() - numbers..]
        }
        match self {
            Self::Discrete(actions) => Actions::Discrete(tail(actions, numbers)),
            Self::MultiDiscrete(actions) => Actions::MultiDiscrete(tail(actions, numbers)),
            Self::MultiBinary(actions) => Actions::MultiBinary(tail(actions, numbers)),
            Self::Continuous(actions) => Actions::Continuous(tail(actions, numbers)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_actions_lie_in_their_space() {
        let mut rng = EnvRng::new(0);
        let spaces = [
            Space::Discrete { n: 3, start: -1 },
            Space::MultiDiscrete { sizes: vec![2, 5] },
            Space::MultiBinary { n: 4 },
            Space::Box {
                low: vec![-2.0, f32::NEG_INFINITY, 1.0, f32::NEG_INFINITY],
                high: vec![3.0, f32::INFINITY, f32::INFINITY, -1.0],
                shape: vec![2, 2],
            },
        ];
        for space in spaces {
            let buffer = ActionBuffer::random(&space, 500, &mut rng);
            assert_eq!(buffer.as_actions().check(&space, 500), Ok(()));
            assert_eq!(buffer.last(500 * space.flat_len()), buffer.as_actions());
            if let (ActionBuffer::Continuous(numbers), Space::Box { low, high, .. }) = (&buffer, &space) {
                let bounds = low.iter().zip(high).cycle();
                assert!(numbers.iter().zip(bounds).all(|(number, (low, high))| (low..=high).contains(&number)));
                // The unbounded component has values on both sides of its centre, 0.
                let normal = || numbers.iter().skip(1).step_by(4);
                assert!(normal().any(|&number| number > 1.0) && normal().any(|&number| number < -1.0));
            }
            let mut empty = buffer;
            empty.clear();
            assert_eq!(empty, ActionBuffer::new(&space));
        }
    }
}
