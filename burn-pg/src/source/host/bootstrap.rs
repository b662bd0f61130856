//! Values of the next observations of a rollout.

use super::{Collector, endings::Endings};
use crate::{
    Error,
    device::readback::read,
    policy::{Observation, Policy},
    source::{Rollout, host::finite::check_observations, observe},
};

impl Collector {
    /// Returns the observations whose values are not known yet: those after the last step, then the final ones of
    /// truncated episodes.
    pub(super) fn unseen(&self, endings: &Endings) -> Result<Vec<f32>, Error> {
        let mut unseen = self.envs.checked_batch()?.observations.clone();
        check_observations(&unseen, &self.envs.spec().observation_space, self.env_steps)?;
        unseen.extend_from_slice(&endings.observations);
        Ok(unseen)
    }

    pub(super) fn values_of_unseen<P: Policy<Observation = Observation>>(
        &mut self,
        policy: &P,
        endings: &Endings,
    ) -> Result<Option<Vec<f32>>, Error> {
        // Values do not depend on action masks.
        let unseen = observe(&self.envs.spec().observation_space, self.unseen(endings)?, &[], &self.device);
        let Some(values) = policy.forward(self.recurrent().attach(unseen, &endings.states)).values else {
            return Ok(None);
        };
        let [values] = read([values])?;
        Ok(Some(values))
    }

    /// Fills in the values of the next observations, given the values of the [`unseen`](Self::unseen) ones.
    pub(super) fn bootstrap(&mut self, values: Option<Vec<f32>>, endings: &Endings) {
        let Some(of_unseen) = values else { return };
        let (last, finals) = of_unseen.split_at(self.rollout.num_envs);

        let Rollout { next_values, values, num_envs, terminated, .. } = &mut self.rollout;
        next_values.reserve_exact(values.len());
        next_values.extend_from_slice(&values[*num_envs..]);
        next_values.extend_from_slice(last);
        for (one, &value) in endings.ended.iter().filter(|one| one.truncated).zip(finals) {
            next_values[one.row] = value;
        }
        for (value, &terminated) in next_values.iter_mut().zip(&*terminated) {
            if terminated {
                *value = 0.0;
            }
        }
    }
}
