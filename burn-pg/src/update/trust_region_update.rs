//! A step of the policy within a trust region, then a fit of the critic.

use super::{Epochs, Improved, TrustRegion, Update, UpdateContext, attribute::attribute, metric_log::MetricLog};
use crate::{
    Error,
    loss::ContextPart,
    policy::Policy,
    source::Batch,
    storage::{Misfit, Saved},
};

/// The update of trust-region policy optimisation: one step of the policy on all samples, then epochs that fit the critic.
pub struct TrustRegionUpdate {
    /// The step of the policy.
    pub region: TrustRegion,
    /// The epochs that fit the critic.
    pub critic: Epochs,
}

impl<P: Policy> Update<P, Batch<P::Observation>> for TrustRegionUpdate {
    fn check(&self, given: &[ContextPart]) -> Result<(), Error> {
        self.critic.learner.objective.check_needs(given)?;
        // The trust region gets no values: fitting a critic that shares layers with the policy would move the policy
        // out of the region.
        let given: Vec<ContextPart> = given.iter().copied().filter(|&part| part != ContextPart::Values).collect();
        Ok(self.region.objective.check_needs(&given)?)
    }

    fn improve(
        &mut self,
        policy: &P,
        samples: Batch<P::Observation>,
        context: UpdateContext,
    ) -> Result<Improved<P>, Error> {
        let Self { region, critic } = self;
        let (stepped, metrics) = region.step(policy.clone(), samples.clone())?;
        let mut log = MetricLog::default();
        log.push(metrics);
        let improved = critic.passes(stepped, &samples, context, log).map_err(|error| {
            // The step of the policy differentiates all samples at once.
            let of_region = (&region.objective, region.normalize_advantages, samples.num_rows());
            attribute(error, policy, &samples, &[of_region, critic.differentiated(samples.num_rows())])
        })?;
        region.objective.after_update(&improved.metrics);
        Ok(improved)
    }

    fn save(&self) -> Result<Saved, Misfit> {
        self.critic.save_with(self.region.objective.state())
    }

    fn load(&mut self, saved: Saved, policy: &P) -> Result<(), Misfit> {
        let state = self.critic.load_from(saved, policy)?;
        Ok(self.region.objective.set_state(&state)?)
    }
}
