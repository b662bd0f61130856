//! Runs a policy in a batch of environments.

use std::mem;

use burn::tensor::Device;
use burn_pg_envs::{
    ActionBuffer, EnvError, EnvSpec, VectorEnv,
    wrapper::{EpisodeStats, ObservationNormalizer},
};

use super::{
    History, RecurrentState, RolloutLength, SequenceSpec,
    block::{BlockRecord, default_block_size},
    copy::copy_on_host,
    endings::Endings,
};
use crate::{
    Error,
    distribution::{ActionStream, Distribution},
    policy::{HostPolicy, Observation, Policy, Prediction},
    profile::{Phase, during},
    ranks::Ranks,
    source::{Episode, Rollout, observe, streams},
};

/// Runs a policy in a batch of environments and records rollouts.
pub struct Collector {
    pub(super) envs: Box<dyn VectorEnv>,
    pub(super) seed: u64,
    pub(super) episodes: EpisodeStats,
    /// Episodes that ended in the last rollout.
    pub(super) ended: Vec<Episode>,
    /// One stream per environment, to sample its actions from.
    pub(super) streams: Vec<ActionStream>,
    pub(super) length: RolloutLength,
    pub(super) sequences: SequenceSpec,
    /// The recurrent state; none before the first rollout.
    pub(super) recurrent: Option<RecurrentState>,
    pub(super) device: Device,
    /// The last actions, as the environments take them.
    pub(super) taken: ActionBuffer,
    pub(super) rollout: Rollout,
    /// Environments that one thread steps through a rollout, if the policy acts on the host.
    pub(super) block_size: usize,
    /// Records of the blocks.
    pub(super) blocks: Vec<BlockRecord>,
    /// True if the last rollout is complete. A failed one is not, and its columns may differ in length.
    pub(super) is_complete: bool,
    /// Number of restarts of environments after failures, each with a new stream.
    pub(super) restarts: u32,
    pub(super) env_steps: u64,
    /// The ranks of the run, and the number of the environments of the ranks before this one.
    pub(super) ranks: Ranks,
    pub(super) first: usize,
    /// False if a policy on a GPU has no copy that acts on the host.
    is_copied: bool,
}

impl Collector {
    /// Creates a collector of rollouts of the given length, and resets `envs` with `seed`. The policy runs on `device`.
    /// The autoreset mode of `envs` stays: under [`Autoreset::NextStep`](burn_pg_envs::Autoreset::NextStep), rows that
    /// reset an environment are recorded, and not learnt from.
    ///
    /// # Errors
    /// [`EnvError::Failed`] if an environment cannot be reset; [`EnvError::BatchLen`] or [`EnvError::Spec`] if custom
    /// environments break their contract.
    pub fn new(envs: Box<dyn VectorEnv>, length: RolloutLength, seed: u64, device: &Device) -> Result<Self, EnvError> {
        Self::on_rank(&Ranks::default(), envs, length, seed, device)
    }

    /// Creates the collector of one of several `ranks`, which all have as many environments: those of this rank follow
    /// those of the ranks before it, and have the seeds and the random streams that they would have in one batch. Steps and
    /// episodes are those of all ranks; statistics of observations and rewards are combined after each rollout.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn on_rank(
        ranks: &Ranks,
        mut envs: Box<dyn VectorEnv>,
        length: RolloutLength,
        seed: u64,
        device: &Device,
    ) -> Result<Self, EnvError> {
        let first = ranks.rank() * envs.num_envs();
        envs.spec().check()?;
        envs.reset(seed.wrapping_add(first as u64))?;
        envs.checked_batch()?;
        let actions = ActionBuffer::new(&envs.spec().action_space);
        Ok(Self {
            streams: streams::actions(seed, first, envs.num_envs()),
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
            is_complete: true,
            restarts: 0,
            device: device.clone().without_autodiff(),
            env_steps: 0,
            ranks: ranks.clone(),
            first,
            is_copied: true,
        })
    }

    /// Sets how rollouts are cut into sequences, if the policy is recurrent. Default: one sequence per environment,
    /// without burn-in.
    ///
    /// # Panics
    /// If `sequences` does not fit the rollouts (see [`SequenceSpec`]), or a rollout has already been collected.
    #[must_use]
    pub fn with_sequences(mut self, sequences: SequenceSpec) -> Self {
        assert!(self.recurrent.is_none(), "sequences must be set before the first rollout is collected");
        self.sequences = sequences.within(self.length);
        self
    }

    /// Sets the block size: the number of environments, at least 1, that one thread steps through a whole rollout. It
    /// is used if the policy has a copy [on the host](Policy::on_host). Results do not depend on it, except after a
    /// failed rollout, in which the other blocks still take all their steps. Default: a sixteenth of the environments,
    /// but at least 4 and at most 64.
    ///
    /// # Panics
    /// If `size` is 0.
    #[must_use]
    pub fn with_block_size(mut self, size: usize) -> Self {
        assert!(size > 0, "a block needs at least one environment");
        self.block_size = size;
        self
    }

    /// Specification of the environments.
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

    /// Largest number of environment steps of a rollout, over all environments of all ranks; `None` if rollouts are whole episodes
    /// without a time limit.
    #[must_use]
    pub fn longest_rollout(&self) -> Option<u64> {
        let steps = match self.length {
            RolloutLength::Steps(steps) => steps as u64,
            RolloutLength::Episodes => self.envs.spec().max_episode_steps?.into(),
        };
        Some(steps * (self.envs.num_envs() * self.ranks.count()) as u64)
    }

    /// The normaliser of the observations, if they are normalised.
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

    /// Runs `policy`, which must be without autodiff, on the current observations, and checks that its prediction fits
    /// the environments. Returns true if it has a critic.
    ///
    /// # Errors
    /// [`Error::ActionMisfit`] or [`Error::Prediction`] if the prediction does not fit.
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

    /// Collects the next rollout with `policy`, which must be without autodiff. After an error the recorded steps are
    /// lost, and the next rollout begins with new episodes.
    ///
    /// # Errors
    /// [`Error::Env`] if an environment fails, [`Error::Observation`] or [`Error::ImageValue`] if an observation is
    /// invalid, [`Error::Policy`] if the policy's output is not a distribution, [`Error::Execution`] if the device
    /// fails. These errors do not name the update: [`EnvSource`](crate::source::EnvSource) adds it.
    pub fn collect<P: Policy<Observation = Observation>>(&mut self, policy: &P) -> Result<&mut Rollout, Error> {
        let (before, mut endings) = (self.env_steps, Endings::default());
        let recorded = self.record(policy, &mut endings);
        // Episodes that ended in a rollout that fails also count.
        self.exchange(before, &endings.ended);
        recorded?;
        Ok(&mut self.rollout)
    }

    /// Records the next rollout, and the episodes that end in it.
    fn record<P: Policy<Observation = Observation>>(&mut self, policy: &P, endings: &mut Endings) -> Result<(), Error> {
        if self.recurrent.is_none() {
            self.begin(policy.state_len());
        }
        if !mem::take(&mut self.is_complete) {
            self.begin_after_failure(policy.state_len())?;
        }
        self.rollout.clear();
        self.streams.iter_mut().for_each(ActionStream::begin_rollout);
        if self.length == RolloutLength::Episodes {
            self.begin_episodes()?;
            self.recurrent().begins.fill(true);
        }
        let on_host = self.host_policy(policy);
        match &on_host {
            Some(on_host) => self.play_on_host(on_host, endings)?,
            None => self.play_on_device(policy, endings)?,
        }
        let values = match on_host {
            None => during(Phase::Inference, || self.values_of_unseen(policy, endings))?,
            Some(on_host) => {
                let unseen = self.unseen(endings)?;
                during(Phase::Inference, || {
                    self.rollout.values = on_host.values(&self.rollout.observations.flat()).unwrap_or_default();
                    on_host.values(&unseen)
                })
            }
        };
        self.bootstrap(values, endings);
        self.is_complete = true;
        Ok(())
    }

    /// Returns a copy of the policy that acts without tensors, if there is one.
    fn host_policy<P: Policy>(&mut self, policy: &P) -> Option<HostPolicy<P::Dist>> {
        let mut on_host = policy.on_host();
        if on_host.is_none() && self.is_copied {
            on_host = copy_on_host(policy).and_then(|copy| copy.on_host());
            self.is_copied = on_host.is_some();
        }
        on_host
    }

    /// The last rollout that [`collect`](Self::collect) recorded, to set its advantages and to upload it.
    pub fn rollout_mut(&mut self) -> &mut Rollout {
        &mut self.rollout
    }

    /// Restarts a failed environment, with a new stream of random numbers; its episode is lost. If the environment
    /// cannot be reset, the next rollout returns the error.
    ///
    /// # Panics
    /// If there is no environment `env`.
    pub fn restart(&mut self, env: usize) {
        self.restarts += 1;
        // The error can be ignored: the next rollout resets the environment, and returns an error if that fails.
        let _ = self.envs.restart(env, streams::restart_seed(self.own_seed(), self.restarts));
        self.is_complete = false;
    }

    /// The seed of the first environment of this rank.
    fn own_seed(&self) -> u64 {
        self.seed.wrapping_add(self.first as u64)
    }

    /// Creates the recurrent state, of `state_len` elements per environment, and the history.
    pub(super) fn begin(&mut self, state_len: usize) {
        let num_envs = self.envs.num_envs();
        self.recurrent = Some(RecurrentState::new(num_envs, state_len, &self.device));
        let space = &self.envs.spec().observation_space;
        self.rollout.history = (state_len > 0).then(|| History::new(state_len, self.sequences, num_envs, space));
    }

    /// Begins new episodes after a failed rollout: an environment may need a reset, and the recurrent states of the old
    /// episodes do not belong to any sequence of the next rollout.
    fn begin_after_failure(&mut self, state_len: usize) -> Result<(), Error> {
        let num_envs = self.envs.num_envs();
        self.begin_episodes()?;
        self.rollout = Rollout::of_spec(num_envs, self.envs.spec());
        self.begin(state_len);
        Ok(())
    }

    /// Starts new episodes in all environments, which continue their random streams if they support that.
    fn begin_episodes(&mut self) -> Result<(), EnvError> {
        let all = vec![true; self.envs.num_envs()];
        if let Err(EnvError::Unsupported { .. }) = self.envs.reset_where(&all).map(|_| ()) {
            self.envs.reset(streams::episodes_seed(self.own_seed(), self.env_steps, self.restarts))?;
        }
        self.envs.checked_batch().map(|_| ())
    }

    pub(super) fn recurrent(&mut self) -> &mut RecurrentState {
        self.recurrent.as_mut().expect("the recurrent state is created before the first step")
    }
}
