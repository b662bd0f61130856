//! How large environments, and what they give, are.

use burn_pg_envs::{EnvSpec, Space};

use super::bytes::Bytes;
use crate::{
    config::{Algo, CheckedConfig},
    distribution::ActionStream,
    source::default_block_size,
};

/// State, random numbers and progress of one environment: 96 to 112 bytes in those of classic control.
const ENV: Bytes = Bytes(112);
/// What a checkpoint holds of one environment, but for its state.
const SAVED_SLOT: Bytes = Bytes(96);
/// A number in JSON, in single and in double precision, and what follows it.
const SINGLE: u64 = 11;
const DOUBLE: u64 = 20;
/// An episode that has ended.
const ENDED: u64 = 32;
/// Steps of an episode, of which there may be more.
const SHORT_EPISODE: u64 = 16;

/// What a rollout is made of.
pub(super) struct Samples {
    /// Environments, N.
    pub envs: u64,
    /// Steps of each, T.
    pub steps: u64,
    /// All of them, T * N.
    pub rows: u64,
    /// Those of one sequence, if they stay together.
    pub unit: u64,
    /// Steps before each sequence.
    burn_in: u64,
    /// Numbers of an observation, D.
    observed: u64,
    /// Numbers of an action, and bytes of each in a rollout.
    action: u64,
    action_bytes: u64,
    /// Those that are brought within their bounds in memory of their own.
    bounded: u64,
    /// Environments of a block.
    block: u64,
    /// Numbers that are remembered, M.
    memory_len: u64,
    has_values: bool,
    /// Numbers of each sample besides: log-probability, advantage, return, and the value and another log-probability if there are.
    vectors: u64,
    normalized: bool,
    /// Numbers of held noise.
    held: u64,
    /// Do the ends of episodes decide how long a rollout is?
    whole_episodes: bool,
}

impl Samples {
    /// `memory_len` and `features` are those of the policy.
    pub fn new(config: &CheckedConfig, spec: &EnvSpec, memory_len: u64, features: u64, has_reference: bool) -> Self {
        let whole_episodes = config.algo == Algo::Reinforce;
        let num_steps = config.num_steps as u64;
        let steps = if whole_episodes { spec.max_episode_steps.map_or(num_steps, u64::from) } else { num_steps };
        let envs = config.num_envs as u64;
        let sequences = config.recurrence.sequences();
        let unit = match (memory_len > 0, whole_episodes || sequences.steps == 0) {
            (false, _) => 1,
            (true, true) => steps,
            (true, false) => sequences.steps as u64,
        };
        let normalized = config.normalize_observations || config.normalize_rewards;
        let block = config.block_size.unwrap_or_else(|| default_block_size(config.num_envs)) as u64;
        let action = spec.action_space.flat_len() as u64;
        Self {
            envs,
            steps,
            rows: envs.saturating_mul(steps),
            unit,
            burn_in: if whole_episodes { 0 } else { sequences.burn_in as u64 },
            observed: spec.observation_space.flat_len() as u64,
            action,
            action_bytes: if matches!(spec.action_space, Space::MultiBinary { .. }) { 1 } else { 4 },
            bounded: if matches!(spec.action_space, Space::Box { .. }) { action } else { 0 },
            block: if normalized || whole_episodes { envs } else { block.min(envs) },
            memory_len,
            has_values: config.has_critic(),
            vectors: 3 + u64::from(config.has_critic()) + u64::from(has_reference),
            normalized,
            held: if config.exploration.sde.is_some() { features.saturating_mul(action) } else { 0 },
            whole_episodes,
        }
    }

    /// All environments, and what a step of them produces.
    pub fn environments(&self) -> Bytes {
        let unnormalized = if self.normalized { Bytes(4 * self.observed + 16) * self.envs } else { Bytes(0) };
        self.waiting(self.envs) + unnormalized
    }

    /// The streams that actions are drawn from, and what is remembered.
    pub fn streams(&self) -> Bytes {
        (Bytes(size_of::<ActionStream>() as u64) + Bytes(8) * self.held + Bytes::floats(self.memory_len) + Bytes(1))
            * self.envs
    }

    /// What a checkpoint holds of environments and streams besides tensors: in JSON's values where it does not know what they are,
    /// the states of environments and of wrappers. `room` is the length of the memory for so many numbers.
    fn saved(&self, room: impl Fn(u64) -> u64) -> Bytes {
        let (each, rows) = (room(self.envs), room(self.envs.saturating_mul(self.observed)));
        let value = Bytes(size_of::<serde_json::Value>() as u64);
        let states = value * self.observed.max(4) * self.envs;
        let wrappers = if self.normalized { value * (2 * rows + 9 * each) } else { Bytes(0) };
        let streams = Bytes(size_of::<ActionStream>() as u64 + 1) * each + Bytes(8) * self.held * self.envs;
        SAVED_SLOT * each + states + Bytes(8) * rows + Bytes(31) * each + wrappers + streams
    }

    /// The same as it is written.
    fn text(&self) -> Bytes {
        let numbers = self.held + self.observed + if self.normalized { 2 * (self.observed + 1) } else { 0 };
        let batch = Bytes(2 * SINGLE) * self.observed;
        let wrapper = Bytes(if self.normalized { 60 } else { 0 });
        (Bytes(354) + Bytes(DOUBLE) * numbers + batch + wrapper) * self.envs
    }

    /// What a checkpoint takes while it is written, but for tensors: what it holds, its text, and what is made of that to see that it
    /// can be read, in memory that is doubled until it is enough.
    pub fn checkpoint(&self) -> Bytes {
        self.saved(|numbers| numbers) + self.text() + self.saved(u64::next_power_of_two)
    }

    /// The tensors of a checkpoint that are not those of networks: what is remembered, now and at the joints before the next rollout,
    /// and the observations since.
    pub fn remembered(&self) -> Bytes {
        if self.memory_len == 0 {
            return Bytes(0);
        }
        let memories = Bytes::floats(self.memory_len) * (1 + self.burn_in.div_ceil(self.unit));
        (memories + Bytes::floats(self.observed) * self.burn_in) * self.envs
    }

    /// Environments of an evaluation over `count` episodes.
    pub fn waiting(&self, count: u64) -> Bytes {
        let step = Bytes(8 * self.observed + 31);
        let steps = if self.normalized { step * 2 } else { step };
        (ENV + steps + Bytes::floats(self.bounded)) * count
    }

    /// What it takes besides: outcomes, streams, what is remembered, the `outputs` of networks twice, numbers on the way there, and
    /// actions.
    pub fn evaluating(&self, count: u64, outputs: u64, on_the_way: u64) -> Bytes {
        let remembered = Bytes::floats(self.memory_len) * 2 + Bytes(1);
        let acting = Bytes::floats((2 * outputs).saturating_add(on_the_way).saturating_add(self.action));
        (Bytes(12 + size_of::<ActionStream>() as u64) + remembered + acting) * count
    }

    /// Columns of rollouts, of which `by` environments are recorded at a time: their memory is doubled until it is enough.
    fn columns(&self, by: u64, rows: u64) -> Bytes {
        let room = by.saturating_mul(rows.div_ceil(by).next_power_of_two());
        let row = Bytes(4 * self.observed + 8 + 3) + Bytes(self.action_bytes) * self.action;
        row * room
    }

    /// The rollout, with values, their successors and what is valid.
    pub fn rollout(&self, on_host: bool) -> Bytes {
        let by = if on_host { self.block } else { self.envs };
        let doubled = self.envs.saturating_mul(self.steps.next_power_of_two());
        let values = if on_host { self.rows } else { doubled };
        let next_values = self.rows.max(2 * (self.rows - self.envs));
        let values = if self.has_values { Bytes::floats(values) + Bytes::floats(next_values) } else { Bytes(0) };
        let valid = Bytes(if self.whole_episodes { doubled } else { self.rows });
        let joints = self.steps.div_ceil(self.unit) + self.burn_in.div_ceil(self.unit);
        let history = if self.memory_len == 0 {
            Bytes(0)
        } else {
            let memories = Bytes::floats(self.memory_len) * joints.next_power_of_two();
            (memories + Bytes(4 * self.observed + 1) * self.burn_in) * self.envs
        };
        self.columns(by, self.rows) + values + valid + history
    }

    /// What each block of environments has recorded before it is put together, and the memory that it acts in.
    pub fn blocks(&self, on_host: bool, widest: u64, outputs: u64) -> Bytes {
        if !on_host {
            return Bytes(0);
        }
        let blocks = self.envs.div_ceil(self.block);
        let per_block = self.block.saturating_mul(self.steps);
        let ended = Bytes(ENDED) * (per_block / SHORT_EPISODE);
        let acting = if self.block > 256 { 0 } else { widest.saturating_mul(2) };
        let acting = Bytes::floats(acting.saturating_add(outputs).saturating_add(self.action)) * self.block;
        (self.columns(self.block, per_block) + ended + acting) * blocks
    }

    /// Values of all observations, beside those of the rollout before, which are in their place until they are known; and the
    /// observations that nobody has acted on yet.
    pub fn values(&self, on_host: bool) -> Bytes {
        let values = if on_host && self.has_values { Bytes::floats(self.rows) } else { Bytes(0) };
        values + Bytes::floats(self.observed) * self.envs
    }

    /// Advantages and returns.
    pub fn targets(&self) -> Bytes {
        Bytes(16) * self.rows
    }

    /// Values and returns once more, to see how well the ones explain the others: their memory is doubled until it is enough,
    /// and while it is doubled, the half is there too.
    pub fn explained(&self) -> Bytes {
        if self.has_values { Bytes(16) * self.rows.next_power_of_two() } else { Bytes(0) }
    }

    /// All samples on the device.
    pub fn batch(&self) -> Bytes {
        let row = Bytes::floats(self.observed.saturating_add(self.action).saturating_add(self.vectors));
        row * self.rows + self.sequences()
    }

    fn sequences(&self) -> Bytes {
        if self.memory_len == 0 {
            return Bytes(0);
        }
        let sequences = self.rows.div_ceil(self.unit);
        let memories = Bytes::floats(self.memory_len) * sequences;
        let burn_in = (Bytes(4 * self.observed + 1) * self.burn_in + Bytes::floats(self.memory_len)) * sequences;
        let burn_in = if self.burn_in == 0 { Bytes(0) } else { burn_in };
        memories + Bytes(self.rows) + burn_in
    }

    /// What it takes to put `rows` samples in order: their indices in three forms.
    pub fn order(&self) -> Bytes {
        let (whole, of_units) = if self.memory_len == 0 { (12, 4) } else { (20, 4) };
        Bytes(whole) * self.rows + Bytes(of_units) * self.rows.div_ceil(self.unit)
    }

    /// Does the policy remember?
    pub fn remembers(&self) -> bool {
        self.memory_len > 0
    }
}
