//! Batches of actions, and how an environment reads its own action from a batch.

mod buffer;

use crate::{EnvError, Space};

pub use buffer::ActionBuffer;

/// A batch of actions, one for each of N environments, in row-major order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Actions<'a> {
    /// For [`Space::Discrete`]: the index of the element, counted from 0. Shape `[N]`.
    Discrete(&'a [u32]),
    /// For [`Space::MultiDiscrete`]: the index of the element in each component, counted from 0. Shape `[N, K]`.
    MultiDiscrete(&'a [u32]),
    /// For [`Space::MultiBinary`]. Shape `[N, K]`.
    MultiBinary(&'a [bool]),
    /// For [`Space::Box`]. Values beyond the bounds are allowed; the environment clips them. Shape `[N, K]`.
    Continuous(&'a [f32]),
}

impl Actions<'_> {
    /// Checks kind, batch size and range before anything is stepped.
    ///
    /// # Errors
    /// [`EnvError::ActionKind`], [`EnvError::BatchSize`] or [`EnvError::InvalidAction`].
    #[inline]
    pub fn check(&self, space: &Space, envs: usize) -> Result<(), EnvError> {
        let valid = match (self, space) {
            (Self::Discrete(actions), Space::Discrete { n, .. }) => {
                actions.len() == envs && actions.iter().all(|action| action < n)
            }
            (Self::MultiDiscrete(actions), Space::MultiDiscrete { sizes }) => {
                actions.len() == envs * sizes.len()
                    && actions.iter().zip(sizes.iter().cycle()).all(|(action, size)| action < size)
            }
            (Self::MultiBinary(actions), Space::MultiBinary { n }) => actions.len() == envs * *n as usize,
            (Self::Continuous(actions), Space::Box { low, .. }) => {
                actions.len() == envs * low.len() && actions.iter().all(|action| action.is_finite())
            }
            _ => false,
        };
        if valid { Ok(()) } else { Err(self.refusal(space, envs)) }
    }

    /// [`check`](Self::check) for the actions of a block that begins with environment `first`.
    #[inline]
    pub(crate) fn check_in_block(&self, space: &Space, envs: usize, first: usize) -> Result<(), EnvError> {
        self.check(space, envs).map_err(|error| match error {
            EnvError::InvalidAction { env, index, value, space } => {
                EnvError::InvalidAction { env: first + env, index, value, space }
            }
            other => other,
        })
    }

    /// Returns the error of [`check`](Self::check).
    #[cold]
    fn refusal(&self, space: &Space, envs: usize) -> EnvError {
        let width = space.flat_len();
        let (numbers, invalid) = match (self, space) {
            (Self::Discrete(actions), Space::Discrete { n, .. }) => {
                (actions.len(), actions.iter().position(|action| action >= n))
            }
            (Self::MultiDiscrete(actions), Space::MultiDiscrete { sizes }) => {
                let mut bounded = actions.iter().zip(sizes.iter().cycle());
                (actions.len(), bounded.position(|(action, size)| action >= size))
            }
            (Self::MultiBinary(actions), Space::MultiBinary { .. }) => (actions.len(), None),
            (Self::Continuous(actions), Space::Box { .. }) => {
                (actions.len(), actions.iter().position(|action| !action.is_finite()))
            }
            _ => return EnvError::ActionKind { space: space.to_string(), given: self.kind() },
        };
        match invalid {
            Some(at) if numbers == envs * width => EnvError::InvalidAction {
                env: at / width,
                index: at % width,
                value: self.value(at),
                space: space.to_string(),
            },
            _ => EnvError::BatchSize { numbers, envs, width },
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Discrete(_) => "discrete",
            Self::MultiDiscrete(_) => "multi-discrete",
            Self::MultiBinary(_) => "multi-binary",
            Self::Continuous(_) => "continuous",
        }
    }

    fn value(&self, at: usize) -> f64 {
        match self {
            Self::Discrete(actions) | Self::MultiDiscrete(actions) => f64::from(actions[at]),
            Self::MultiBinary(actions) => f64::from(u8::from(actions[at])),
            Self::Continuous(actions) => f64::from(actions[at]),
        }
    }
}

/// The kind of action of one environment.
///
/// | kind | [`Env::step`](crate::Env::step) takes | space |
/// | --- | --- | --- |
/// | `u32` | `u32` | [`Space::Discrete`] |
/// | `[u32; K]` | `[u32; K]` | [`Space::MultiDiscrete`] of K components |
/// | `[bool; K]` | `[bool; K]` | [`Space::MultiBinary`] of K components |
/// | `[f32; K]` | `[f32; K]` | [`Space::Box`] of K elements |
/// | `[u32]`, `[bool]`, `[f32]` | `&[u32]`, `&[bool]`, `&[f32]` | the same, of any number of components |
pub trait EnvAction {
    /// One action as it is passed to the environment.
    type View<'a>;

    /// True if the actions of `space` are of this kind and have the same number of components.
    fn fits(space: &Space) -> bool;

    /// Reads the action of environment `index` from a batch that [`Actions::check`] has accepted. Each action has `len`
    /// components.
    ///
    /// # Panics
    /// If the batch is of another kind.
    fn read<'a>(actions: &Actions<'a>, index: usize, len: usize) -> Self::View<'a>;
}

impl EnvAction for u32 {
    type View<'a> = Self;

    fn fits(space: &Space) -> bool {
        matches!(space, Space::Discrete { .. })
    }

    #[inline]
    fn read(actions: &Actions<'_>, index: usize, _len: usize) -> Self {
        match actions {
            Actions::Discrete(actions) => actions[index],
            other => misfit(other),
        }
    }
}

/// Implements [`EnvAction`] for arrays and slices of one component type.
macro_rules! components {
    ($component:ty, $batch:ident, $space:pat => $len:expr) => {
        impl<const K: usize> EnvAction for [$component; K] {
            type View<'a> = Self;

            fn fits(space: &Space) -> bool {
                matches!(space, $space if $len == K)
            }

            #[inline]
            fn read(actions: &Actions<'_>, index: usize, _len: usize) -> Self {
                match actions {
                    Actions::$batch(actions) => std::array::from_fn(|k| actions[index * K + k]),
                    other => misfit(other),
                }
            }
        }

        impl EnvAction for [$component] {
            type View<'a> = &'a Self;

            #[allow(unused_variables)] // the length of the space
            fn fits(space: &Space) -> bool {
                matches!(space, $space)
            }

            #[inline]
            fn read<'a>(actions: &Actions<'a>, index: usize, len: usize) -> &'a Self {
                match *actions {
                    Actions::$batch(actions) => &actions[index * len..(index + 1) * len],
                    ref other => misfit(other),
                }
            }
        }
    };
}

components!(u32, MultiDiscrete, Space::MultiDiscrete { sizes } => sizes.len());
components!(bool, MultiBinary, Space::MultiBinary { n } => *n as usize);
components!(f32, Continuous, Space::Box { low, .. } => low.len());

fn misfit(actions: &Actions<'_>) -> ! {
    panic!("the environment's action type does not fit its action space, which takes {} actions", actions.kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(actions: Actions<'_>, space: &Space, envs: usize) -> String {
        actions.check(space, envs).unwrap_err().to_string()
    }

    #[test]
    fn actions_of_every_kind_are_checked_and_read() {
        let multi = Space::MultiDiscrete { sizes: vec![2, 5] };
        let actions = Actions::MultiDiscrete(&[1, 4, 0, 3]);
        assert_eq!(actions.check(&multi, 2), Ok(()));
        assert_eq!(<[u32; 2]>::read(&actions, 1, 2), [0, 3]);
        assert_eq!(<[u32]>::read(&actions, 1, 2), [0, 3]);
        assert_eq!(
            message(Actions::MultiDiscrete(&[1, 4, 2, 3]), &multi, 2),
            "environment 1: component 0 of the action is 2, which is outside MultiDiscrete[2, 5]"
        );

        let binary = Space::MultiBinary { n: 3 };
        let actions = Actions::MultiBinary(&[true, false, true]);
        assert_eq!(actions.check(&binary, 1), Ok(()));
        assert_eq!(<[bool; 3]>::read(&actions, 0, 3), [true, false, true]);
        assert_eq!(<[bool]>::read(&actions, 0, 3), [true, false, true]);

        let square = Space::symmetric(&[1.0, 1.0]);
        let actions = Actions::Continuous(&[0.5, -7.0]);
        assert_eq!(actions.check(&square, 1), Ok(()), "clipping is the environment's");
        assert_eq!(<[f32; 2]>::read(&actions, 0, 2), [0.5, -7.0]);
        assert_eq!(<[f32]>::read(&actions, 0, 2), [0.5, -7.0]);
        assert!(<[f32]>::fits(&square) && !<[f32]>::fits(&binary) && !<[f32; 3]>::fits(&square));
        for bad in [f32::NAN, f32::INFINITY] {
            assert_eq!(
                message(Actions::Continuous(&[0.0, 0.0, 0.0, bad]), &square, 2),
                format!("environment 1: component 1 of the action is {bad}, which is outside Box[2]")
            );
        }
        assert_eq!(
            message(Actions::Continuous(&[0.0; 3]), &square, 1),
            "3 numbers were given as actions of 1 environments, which take 2 each"
        );
        assert_eq!(
            message(Actions::Discrete(&[0]), &square, 1),
            "the action space is Box[2], but discrete actions were given"
        );
    }
}
