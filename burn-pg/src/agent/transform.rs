//! The transform from the actions of a policy to those of an environment.

use burn_pg_envs::{Space, wrapper::ActionTransform};

use crate::{Error, distribution::Distribution};

/// Returns the transform from the actions of `distribution` to those of `space`: none unless `space` is a box; clipping
/// if the distribution fits an unbounded box; rescaling if it only fits a box with the bounds ±1.
///
/// # Errors
/// [`Error::ActionMisfit`] if the distribution is for another space; [`Error::Env`] if actions must be rescaled to
/// infinite bounds.
pub(super) fn between<D: Distribution>(distribution: &D, space: &Space) -> Result<Option<ActionTransform>, Error> {
    let Space::Box { low, shape, .. } = space else {
        distribution.check_space(space)?;
        return Ok(None);
    };
    let within =
        |bound: f32| Space::Box { low: vec![-bound; low.len()], high: vec![bound; low.len()], shape: shape.clone() };
    if distribution.check_space(&within(f32::INFINITY)).is_ok() {
        return Ok(Some(ActionTransform::clip(space)?));
    }
    distribution.check_space(&within(1.0))?;
    Ok(Some(ActionTransform::rescale(space)?))
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};
    use burn_pg_envs::EnvError;

    use super::*;
    use crate::distribution::{Categorical, Gaussian, SquashedGaussian};

    fn zeros() -> Tensor<2> {
        Tensor::zeros([1, 2], &Device::default())
    }

    #[test]
    fn unbounded_actions_are_clipped_and_squashed_ones_rescaled() {
        let space = Space::symmetric(&[2.0, 3.0]);
        let clipped = between(&Gaussian::new(zeros(), zeros()), &space).unwrap();
        assert_eq!(clipped, Some(ActionTransform::clip(&space).unwrap()));
        let rescaled = between(&SquashedGaussian::new(zeros(), zeros()), &space).unwrap();
        assert_eq!(rescaled, Some(ActionTransform::rescale(&space).unwrap()));
        assert_eq!(between(&Categorical::new(zeros()), &Space::discrete(2)).unwrap(), None);
    }

    #[test]
    fn infinite_bounds_for_squashed_actions_and_other_action_spaces_are_refused() {
        let unbounded = Space::symmetric(&[f32::INFINITY, 1.0]);
        let squashed = SquashedGaussian::new(zeros(), zeros());
        assert!(matches!(between(&squashed, &unbounded), Err(Error::Env(EnvError::Unsuited { .. }))));
        for space in [unbounded, Space::discrete(3)] {
            assert!(matches!(between(&Categorical::new(zeros()), &space), Err(Error::ActionMisfit(_))));
        }
        assert!(matches!(between(&squashed, &Space::symmetric(&[1.0])), Err(Error::ActionMisfit(_))));
    }
}
