//! What environments, rollouts and batches take of memory.
//!
//! The columns say for themselves what a row of them takes; see `columns.rs`.

use burn_pg_envs::{ActionBuffer, Autoreset, EnvError, EnvRng, EnvSpec, Space, VectorEnv};
use serde_json::Value;

use super::{Rollout, RolloutLength, SequenceSpec, host::Ended, streams};
use crate::{distribution::ActionStream, policy::NetworkFootprint};

/// State, stream and progress of one environment: 96 to 112 bytes in those of classic control.
const ENV: u64 = 112;
/// Steps of an episode, of which there may be more.
const SHORT_EPISODE: u64 = 16;

/// What the memory of a source in environments depends on, beside the environments.
#[allow(clippy::struct_excessive_bools)] // four independent settings, none of them a state
pub(crate) struct EnvSourceShape {
    pub num_envs: usize,
    pub length: RolloutLength,
    /// Steps of the longest episode, for environments without a time limit.
    pub longest_episode: usize,
    pub sequences: SequenceSpec,
    pub block_size: usize,
    pub has_values: bool,
    pub has_reference: bool,
    pub is_normalized: bool,
}

/// What a source in environments takes, in bytes.
#[allow(clippy::struct_excessive_bools)] // four independent settings, none of them a state
pub(crate) struct SourceFootprint {
    /// Environments, N; steps of each, T; and all of them, T * N.
    envs: u64,
    steps: u64,
    pub rows: u64,
    /// Rows that stay together: the steps of a sequence, or 1.
    pub unit: u64,
    /// Steps before each sequence.
    burn_in: u64,
    /// Environments of a block.
    block: u64,
    /// A row of the columns that are recorded step by step, and of all columns.
    recorded: u64,
    row: u64,
    /// A row of actions, and a number for each row in `f32`.
    actions: u64,
    /// A row of observations, flat and as they are kept.
    flat: u64,
    observations: u64,
    /// A row on the device; and of all columns, once they are moved there.
    uploaded: u64,
    left: u64,
    /// A number for each action of each environment, and what brings it within bounds.
    action_len: u64,
    bounded: u64,
    state_len: u64,
    /// Elements of noise that each environment holds.
    noise: u64,
    has_values: bool,
    has_reference: bool,
    is_normalized: bool,
    acts_on_host: bool,
}

impl SourceFootprint {
    /// Returns that of a source in environments of a specification, in which a policy of these layers acts.
    pub fn new(shape: &EnvSourceShape, spec: &EnvSpec, layers: &NetworkFootprint) -> Self {
        let EnvSourceShape { sequences, has_values, has_reference, is_normalized, .. } = *shape;
        let (state_len, noise, acts_on_host) = (layers.state_len(), layers.held_noise(), layers.act_on_host());
        let (envs, block) = (shape.num_envs as u64, shape.block_size as u64);
        let (whole_episodes, steps) = match shape.length {
            RolloutLength::Episodes => (true, spec.max_episode_steps.map_or(shape.longest_episode as u64, u64::from)),
            RolloutLength::Steps(steps) => (false, steps as u64),
        };
        let unit = match (state_len > 0, whole_episodes || sequences.steps == 0) {
            (false, _) => 1,
            (true, true) => steps,
            (true, false) => sequences.steps as u64,
        };

        let mut row = Rollout::one_row(spec);
        row.action_masks = vec![true; spec.mask_len()];
        let masks = row.action_masks.len() as u64;
        // The optional columns that the collector fills.
        (row.advantages, row.returns) = (vec![0.0], vec![0.0]);
        match has_values {
            true => row.values = vec![0.0],
            false => row.next_values = Vec::new(),
        }
        if has_reference {
            row.reference_log_probs = vec![0.0];
        }
        let [uploaded, stays] = row.uploaded_row_bytes().map(|bytes| bytes as u64);
        let all = row.row_bytes() as u64;
        let observations = row.observations.row_bytes() as u64 + masks;
        // Rows are put into another order, and copied, where sequences or steps to learn from are picked.
        let is_moved = state_len == 0 && !whole_episodes;
        let moved: u64 = if is_moved { uploaded + observations } else { 0 };
        let actions = stays;
        let left = if is_moved { all + 4 * row.actions.len() as u64 - moved } else { all };
        let mut recorded = row;
        (recorded.advantages, recorded.returns, recorded.reference_log_probs) = Default::default();
        if acts_on_host {
            (recorded.values, recorded.next_values, recorded.valid) = Default::default();
        }
        let action_len = spec.action_space.flat_len() as u64;
        Self {
            envs,
            steps,
            rows: envs.saturating_mul(steps),
            unit,
            burn_in: if whole_episodes { 0 } else { sequences.burn_in as u64 },
            block: if is_normalized || whole_episodes { envs } else { block.min(envs) },
            recorded: recorded.row_bytes() as u64,
            row: all,
            actions,
            flat: 4 * spec.observation_space.flat_len() as u64,
            observations,
            uploaded: uploaded + observations,
            left,
            action_len,
            bounded: if matches!(spec.action_space, Space::Box { .. }) { action_len } else { 0 },
            state_len,
            noise,
            has_values,
            has_reference,
            is_normalized,
            acts_on_host,
        }
    }

    /// Environments, what a step of them produces, the recurrent state of a reference, and the streams that actions are drawn
    /// from.
    pub fn environments(&self) -> u64 {
        let unnormalized = if self.is_normalized { 2 * self.flat + 47 } else { 0 };
        let stream = size_of::<ActionStream>() as u64 + 8 * self.noise + 4 * self.state_len + 1;
        let of_reference = if self.has_reference { 4 * self.state_len } else { 0 };
        self.envs * (of_reference + self.fresh_env() + unnormalized + 4 * self.bounded + stream)
    }

    /// An environment as it is made.
    pub fn fresh_env(&self) -> u64 {
        ENV + 2 * self.flat + 31
    }

    /// What an environment of an evaluation takes besides: its outcome, the observation, parameters of distributions, actions and
    /// recurrent states.
    pub fn evaluated_env(&self, outputs: u64) -> u64 {
        let parameters = outputs * if self.acts_on_host { 1 } else { 2 } + self.bounded;
        13 + self.flat + 4 * (parameters + 2 * self.action_len + 2 * self.state_len)
    }

    /// Memory that is doubled until it is enough for all rows, of which `by` environments add theirs at a time.
    fn doubled(&self, by: u64) -> u64 {
        by * self.rows.div_ceil(by).next_power_of_two()
    }

    /// What a rollout takes before it is moved to the device. With room for the whole of it made at once, only actions and next
    /// values are doubled; where it grows step by step, everything is.
    pub fn rollout(&self) -> u64 {
        let history = self.envs * (self.observations + 1) * self.burn_in;
        let starts = (self.steps.div_ceil(self.unit) + self.burn_in.div_ceil(self.unit)).next_power_of_two();
        let history = if self.state_len > 0 { history + 4 * self.state_len * starts * self.envs } else { 0 };
        let grown = match self.acts_on_host {
            true => self.actions * (self.doubled(self.block) - self.rows) + (self.row - self.later()) * self.rows,
            false => self.recorded * self.doubled(self.envs),
        };
        grown + self.next_values() + history
    }

    /// What of it is there between an update and the next rollout.
    pub fn kept_rollout(&self) -> u64 {
        if self.left == self.row {
            return self.rollout() + self.later() * self.rows;
        }
        let grown = if self.acts_on_host { self.rows } else { self.doubled(self.envs) };
        let actions = self.actions * (self.doubled(if self.acts_on_host { self.block } else { self.envs }) - grown);
        let next_values = if self.has_values { 4 } else { 0 };
        (self.left - next_values) * grown + actions + self.next_values()
    }

    fn next_values(&self) -> u64 {
        if self.has_values { 4 * self.rows.max(2 * (self.rows - self.envs)) - 4 * self.rows } else { 0 }
    }

    /// A row of the columns that are estimated after the rollout.
    fn later(&self) -> u64 {
        8 + 4 * u64::from(self.has_reference)
    }

    /// What each block of environments has recorded before it is put together, and the memory that it acts in: for layers of which
    /// the widest has `widest` outputs, and the last `outputs`.
    pub fn blocks(&self, widest: u64, outputs: u64) -> u64 {
        if !self.acts_on_host {
            return 0;
        }
        let per_block = self.block * self.steps;
        let ended = size_of::<Ended>() as u64 * (per_block / SHORT_EPISODE);
        let acting = if self.block > 256 { 0 } else { 2 * widest };
        let acting = 4 * (acting + outputs + self.action_len) * self.block;
        let recorded = self.recorded * self.block * self.steps.next_power_of_two();
        (recorded + ended + acting) * self.envs.div_ceil(self.block)
    }

    /// The observations that nobody has acted on yet, at the end of a rollout.
    pub fn unseen(&self) -> u64 {
        self.flat * self.envs
    }

    /// Advantages and returns in double precision, and in single precision.
    pub fn targets(&self) -> [u64; 2] {
        [16 * self.rows, 8 * self.rows]
    }

    /// Values and returns once more, to see how well the ones explain the others: their memory is doubled until it is enough,
    /// and while it is doubled, the half is there too.
    pub fn explained(&self) -> u64 {
        if self.has_values { 16 * self.rows.next_power_of_two() } else { 0 }
    }

    /// All samples on the device, and the columns among them that are copies: all of them, unless they are moved.
    pub fn batch(&self) -> u64 {
        self.uploaded * self.rows + self.sequences()
    }

    /// What is on the device before advantages are estimated.
    pub fn observed(&self) -> u64 {
        if self.left == self.row { self.observations * self.rows + self.sequences() } else { 0 }
    }

    /// Actions as integers of the host, on their way to the device.
    pub fn uploading(&self) -> u64 {
        8 * self.action_len * self.rows
    }

    fn sequences(&self) -> u64 {
        if self.state_len == 0 {
            return 0;
        }
        let sequences = self.rows.div_ceil(self.unit);
        let burn_in = (self.observations + 1) * self.burn_in + 4 * self.state_len;
        let burn_in = if self.burn_in == 0 { 0 } else { burn_in };
        (4 * self.state_len + burn_in) * sequences + self.rows
    }

    /// What it takes to put the rows in order: their indices in three forms. The first number is for a moment.
    pub fn order(&self) -> [u64; 2] {
        let rows = if self.state_len == 0 { 12 } else { 20 };
        [rows * self.rows, 4 * self.rows.div_ceil(self.unit)]
    }

    /// Tensors of a checkpoint: recurrent states, now and at the starts of burn-ins before the next rollout, and the observations since.
    pub fn saved_tensors(&self) -> u64 {
        if self.state_len == 0 {
            return 0;
        }
        let states = 4 * self.state_len * (1 + self.burn_in.div_ceil(self.unit));
        (states + self.flat * self.burn_in) * self.envs
    }

    /// A checkpoint of the environments: as values, and as text.
    pub fn saved(&self, each: SavedSize) -> [u64; 2] {
        let stream = size_of::<ActionStream>() as u64 + 8 * self.noise + 1;
        let values = each.values + 2 * self.flat + 31 + stream;
        [values * self.envs, (each.text + DOUBLE * self.noise) * self.envs]
    }
}

/// A number of double precision in JSON, and what follows it.
const DOUBLE: u64 = 20;

/// What saving one environment takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SavedSize {
    /// Bytes of its state as JSON's values in memory.
    values: u64,
    /// Bytes of the text.
    text: u64,
}

impl SavedSize {
    /// Saves environments after a few steps, and says what one more of them takes. `make` makes as many as it is told.
    pub fn measure(make: impl Fn(usize) -> Result<Box<dyn VectorEnv>, EnvError>) -> Result<Self, EnvError> {
        let ([one, three], streams) = ([of_saved(make(1)?)?, of_saved(make(3)?)?], streams::actions(0, 1));
        let stream = serde_json::to_string(&streams[0]).map_or(0, |text| text.len()) as u64;
        let [values, text] = [0, 1].map(|i| three[i].saturating_sub(one[i]) / 2);
        Ok(Self { values, text: text + stream + 1 })
    }

    /// An estimate for environments that cannot be made here: numbers for the observation and twice as many for the state.
    pub fn estimate(spec: &EnvSpec) -> Self {
        let numbers = spec.observation_space.flat_len() as u64;
        Self { values: 2 * NODE + 2 * 32 * numbers, text: 350 + 3 * DOUBLE * numbers }
    }
}

/// Bytes of the state of environments as JSON's values in memory, and of all that is saved of them as text.
fn of_saved(mut envs: Box<dyn VectorEnv>) -> Result<[u64; 2], EnvError> {
    let (count, rng) = (envs.num_envs(), &mut EnvRng::new(0));
    envs.set_autoreset(Autoreset::SameStep)?;
    envs.reset(0)?;
    for _ in 0..3 {
        let actions = ActionBuffer::random(&envs.spec().action_space, count, rng);
        envs.step(actions.as_actions())?;
    }
    let saved = serde_json::to_value(envs.save()?).map_err(|error| EnvError::State { reason: error.to_string() })?;
    let values = ["state", "wrappers"].into_iter().map(|key| heap(&saved[key])).sum();
    Ok([values, saved.to_string().len() as u64])
}

/// A node of a map of JSON's values: eleven names, values and some links.
const NODE: u64 = 11 * (size_of::<String>() + size_of::<Value>()) as u64 + 16;

/// Bytes of memory behind a value.
fn heap(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len() as u64,
        Value::Array(values) => (values.len() * size_of::<Value>()) as u64 + values.iter().map(heap).sum::<u64>(),
        Value::Object(map) => {
            let entries = map.iter().map(|(name, value)| name.len() as u64 + heap(value)).sum::<u64>();
            NODE * (map.len() as u64).div_ceil(11) + entries
        }
    }
}
