//! Runs a policy in a batch of environments.

use std::mem;

use burn::tensor::Device;
use burn_pg_envs::{
    ActionBuffer, Autoreset, EnvError, EnvSpec, VectorEnv,
    wrapper::{EpisodeStats, ObservationNormalizer},
};

use super::{
    History, RecurrentState, RolloutLength, SequenceSpec, block::BlockRecord, bootstrap::Truncations,
    default_block_size,
};
use crate::{
    Error,
    distribution::{ActionStream, Distribution},
    policy::{Observation, Policy, Prediction},
    profile::{Phase, during},
    source::{Episode, Rollout, observe, streams},
};

/// Runs a policy in a batch of environments and records rollouts.
pub struct Collector {
    pub(super) envs: Box<dyn VectorEnv>,
    pub(super) seed: u64,
    pub(super) episodes: EpisodeStats,
    /// Those that ended in the last rollout.
    pub(super) ended: Vec<Episode>,
    /// One stream an environment, to sample its actions from.
    pub(super) streams: Vec<ActionStream>,
    pub(super) length: RolloutLength,
    pub(super) sequences: SequenceSpec,
    /// The recurrent state; from the first rollout on.
    pub(super) recurrent: Option<RecurrentState>,
    pub(super) device: Device,
    /// The last actions, as the environments take them.
    pub(super) taken: ActionBuffer,
    pub(super) rollout: Rollout,
    /// Environments that one thread takes through a rollout, if the policy acts on the host.
    pub(super) block_size: usize,
    /// What they have done.
    pub(super) blocks: Vec<BlockRecord>,
    /// Is the rollout as long as it was to become? One that failed is not, and may have columns of several lengths.
    pub(super) whole: bool,
    /// Environments that were given new streams after a failure.
    pub(super) restarts: u32,
    pub(super) env_steps: u64,
}

impl Collector {
    /// Resets `envs` with `seed` and prepares rollouts of the given length. The policy runs on `device`.
    ///
    /// # Errors
    /// [`EnvError::Failed`] if an environment cannot be reset, [`EnvError::BatchLen`] or [`EnvError::Spec`] if environments of
    /// one's own break their contract.
    pub fn new(
        mut envs: Box<dyn VectorEnv>,
        length: RolloutLength,
        seed: u64,
        device: &Device,
    ) -> Result<Self, EnvError> {
        envs.spec().check()?;
        envs.set_autoreset(Autoreset::SameStep)?;
        envs.reset(seed)?;
        envs.checked_batch()?;
        let actions = ActionBuffer::new(&envs.spec().action_space);
        Ok(Self {
            streams: streams::actions(seed, envs.num_envs()),
            taken: actions,
            rollout: Rollout::of_spec(envs.num_envs(), envs.spec()),
            block_size: default_block_size(envs.num_envs()),
            blocks: Vec::new(),
            envs,
            seed,
            episodes: EpisodeStats::default(),
            ended: Vec::new(),
            length,
            sequences: SequenceSpec { steps: 0, burn_in: 0 }.within(length),
            recurrent: None,
            whole: true,
            restarts: 0,
            device: device.clone().without_autodiff(),
            env_steps: 0,
        })
    }

    /// Cuts rollouts into such sequences, if the policy is recurrent. Without this each rollout is one
    /// sequence for each environment, without burn-in.
    ///
    /// # Panics
    /// If the sequences are not as [`SequenceSpec`] says, or the collector has begun.
    #[must_use]
    pub fn with_sequences(mut self, sequences: SequenceSpec) -> Self {
        assert!(self.recurrent.is_none(), "rollouts are cut in one way from the first to the last");
        self.sequences = sequences.within(self.length);
        self
    }

    /// Lets one thread take so many environments, at least 1, through a whole rollout, if the policy has a copy to act with
    /// [on the host](Policy::on_host). The numbers do not depend on it, but those after a rollout
    /// that failed: other blocks have gone on to its end. Default: a sixteenth of the environments, but no
    /// fewer than 4 and no more than 64.
    ///
    /// # Panics
    /// If `size` is 0.
    #[must_use]
    pub fn with_block_size(mut self, size: usize) -> Self {
        assert!(size > 0, "a block has an environment");
        self.block_size = size;
        self
    }

    /// What is known of the environments.
    #[must_use]
    pub fn spec(&self) -> &EnvSpec {
        self.envs.spec()
    }

    /// Number of environments, N.
    #[must_use]
    pub fn num_envs(&self) -> usize {
        self.envs.num_envs()
    }

    /// Environment steps taken so far.
    #[must_use]
    pub fn env_steps(&self) -> u64 {
        self.env_steps
    }

    /// Environment steps that a rollout takes at most, those of all environments together; `None` if rollouts are of
    /// whole episodes, and these have no time limit.
    #[must_use]
    pub fn longest_rollout(&self) -> Option<u64> {
        let steps = match self.length {
            RolloutLength::Steps(steps) => steps as u64,
            RolloutLength::Episodes => self.envs.spec().max_episode_steps?.into(),
        };
        Some(steps * self.envs.num_envs() as u64)
    }

    /// What observations are normalised with, if they are.
    #[must_use]
    pub fn observation_normalizer(&self) -> Option<&ObservationNormalizer> {
        self.envs.observation_normalizer()
    }

    /// Statistics of the episodes that have ended so far.
    #[must_use]
    pub fn episodes(&self) -> &EpisodeStats {
        &self.episodes
    }

    /// The episodes that ended in the last rollout, in the order of its steps.
    #[must_use]
    pub fn ended_episodes(&self) -> &[Episode] {
        &self.ended
    }

    /// Shows `policy`, which must be without autodiff, the present observations, and checks that what it makes of them
    /// is what the environments take. Tells whether it has a critic.
    ///
    /// # Errors
    /// [`Error::ActionMisfit`] or [`Error::Prediction`] if it is not.
    pub fn check<P: Policy<Observation = Observation>>(&self, policy: &P) -> Result<bool, Error> {
        let (batch, num_envs) = (self.envs.batch(), self.envs.num_envs());
        let space = &self.envs.spec().observation_space;
        let observation = observe(space, batch.observations.clone(), &batch.action_masks, &self.device);
        let nothing = RecurrentState::new(num_envs, policy.state_len(), &self.device);
        let Prediction { distribution, values, .. } = policy.forward(nothing.attach(observation, &[]));
        distribution.check_space(&self.envs.spec().action_space)?;
        let ([rows, _], values) = (distribution.parameters().dims(), values.map(|values| values.dims()[0]));
        match rows == num_envs && values.is_none_or(|values| values == num_envs) {
            true => Ok(values.is_some()),
            false => Err(Error::Prediction { observations: num_envs, rows, values }),
        }
    }

    /// Takes the next steps with `policy`, which must be without autodiff, and returns what happened. After an error
    /// what was recorded is lost, and the next rollout begins with new episodes.
    ///
    /// # Errors
    /// [`Error::Env`] if an environment fails, [`Error::Observation`] or [`Error::ImageValue`] if an observation is impossible,
    /// [`Error::Policy`] if the policy's output is not a distribution, [`Error::Execution`] if the device fails. None
    /// of them says in which update: that is for the [`Trainer`](crate::Trainer) to know.
    pub fn collect<P: Policy<Observation = Observation>>(&mut self, policy: &P) -> Result<&mut Rollout, Error> {
        self.ended.clear();
        if self.recurrent.is_none() {
            self.begin(policy.state_len());
        }
        if !mem::take(&mut self.whole) {
            self.begin_anew(policy.state_len())?;
        }
        self.rollout.clear();
        self.streams.iter_mut().for_each(ActionStream::begin_rollout);
        let mut truncations = Truncations::default();
        if self.length == RolloutLength::Episodes {
            self.begin_episodes()?;
            let num_envs = self.rollout.num_envs;
            self.recurrent().end_episodes(0..num_envs);
        }
        if let Some(policy) = policy.on_host() {
            self.play_on_host(&policy, &mut truncations)?;
            self.rollout.valid.resize(self.rollout.len(), true);
            let unseen = self.unseen(&truncations)?;
            let values = during(Phase::Inference, || {
                self.rollout.values = policy.values(&self.rollout.observations.flat()).unwrap_or_default();
                policy.values(&unseen)
            });
            self.bootstrap(values, &truncations);
        } else {
            self.play_on_device(policy, &mut truncations)?;
            self.rollout.valid.resize(self.rollout.len(), true);
            let values = during(Phase::Inference, || self.values_of_unseen(policy, &truncations))?;
            self.bootstrap(values, &truncations);
        }
        self.whole = true;
        Ok(&mut self.rollout)
    }

    /// What the last call of [`collect`](Self::collect) has recorded, to be scored and moved to a device.
    pub fn rollout_mut(&mut self) -> &mut Rollout {
        &mut self.rollout
    }

    /// Gives an environment that has failed a new stream of random numbers; its episode is lost. If it cannot even be reset, the
    /// next rollout says so.
    ///
    /// # Panics
    /// If there is no such environment.
    pub fn restart(&mut self, env: usize) {
        self.restarts += 1;
        // An error stays with the environment until it is reset, which the next rollout does.
        let _ = self.envs.restart(env, streams::restart_seed(self.seed, self.restarts));
        self.whole = false;
    }

    /// Prepares a recurrent state of `state_len` elements in each environment.
    pub(super) fn begin(&mut self, state_len: usize) {
        let num_envs = self.envs.num_envs();
        self.recurrent = Some(RecurrentState::new(num_envs, state_len, &self.device));
        let space = &self.envs.spec().observation_space;
        self.rollout.history = (state_len > 0).then(|| History::new(state_len, self.sequences, num_envs, space));
    }

    /// Leaves the episodes in which a rollout failed: an environment may have to be reset, and their recurrent states belong
    /// to no sequence of another rollout.
    fn begin_anew(&mut self, state_len: usize) -> Result<(), Error> {
        let num_envs = self.envs.num_envs();
        self.begin_episodes()?;
        self.rollout = Rollout::of_spec(num_envs, self.envs.spec());
        self.begin(state_len);
        Ok(())
    }

    /// Starts new episodes in all environments, in their streams as they are if they can do that.
    fn begin_episodes(&mut self) -> Result<(), EnvError> {
        let all = vec![true; self.envs.num_envs()];
        if let Err(EnvError::Unsupported { .. }) = self.envs.reset_where(&all).map(|_| ()) {
            self.envs.reset(streams::episodes_seed(self.seed, self.env_steps, self.restarts))?;
        }
        self.envs.checked_batch().map(|_| ())
    }

    /// Counts an episode that has ended.
    pub(super) fn push_episode(&mut self, episode: Episode) {
        self.episodes.push(episode.episode_return, episode.length);
        self.ended.push(episode);
    }

    pub(super) fn recurrent(&mut self) -> &mut RecurrentState {
        self.recurrent.as_mut().expect("it was made before the first step")
    }
}
