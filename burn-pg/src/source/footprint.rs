//! Memory of environments, rollouts and batches, in bytes.
//!
//! The size of a row follows from the columns; see `columns.rs`.

use burn_pg_envs::{ActionBuffer, Autoreset, EnvError, EnvRng, EnvSpec, Space, VectorEnv};
use serde_json::Value;

use super::{Rollout, RolloutLength, SequenceSpec, host::Ended, streams};
use crate::{distribution::ActionStream, policy::NetworkFootprint};

/// Bytes of the state, random stream and progress of one environment: 96 to 112 in classic control.
const ENV: u64 = 112;
/// Steps assumed per episode, to estimate how many episodes end in a block; most episodes are longer.
const SHORT_EPISODE: u64 = 16;

/// The settings that the memory of an [`EnvSource`](super::EnvSource) depends on, besides the environments.
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

/// The memory of an [`EnvSource`](super::EnvSource), in bytes.
pub(crate) struct SourceFootprint {
    shape: EnvSourceShape,
    /// Environments, N; steps of each environment, T; and rows, T * N.
    envs: u64,
    steps: u64,
    pub rows: u64,
    /// Steps, and rows, for which memory is reserved: more than the rollout has, if its length is not known in advance.
    block_steps: u64,
    capacity: u64,
    /// Rows that stay together: the steps of a sequence, or 1.
    pub unit: u64,
    /// Steps before each sequence.
    burn_in: u64,
    /// Environments per block.
    block: u64,
    /// Bytes of a row: in the columns that are recorded step by step, and in all columns.
    recorded: u64,
    row: u64,
    /// Bytes of a row of observations: flat, and as it is stored (with action masks).
    flat: u64,
    observations: u64,
    /// Bytes of a row: on the device, and on the host after the upload.
    uploaded: u64,
    left: u64,
    /// Values of an action, and how many of them are clipped or rescaled to bounds.
    action_len: u64,
    bounded: u64,
    state_len: u64,
    /// Elements of gSDE noise per environment.
    noise: u64,
    acts_on_host: bool,
}

impl SourceFootprint {
    /// Computes the footprint for environments of a specification, in which a policy of these layers acts.
    pub fn new(shape: EnvSourceShape, spec: &EnvSpec, layers: &NetworkFootprint) -> Self {
        let sequences = shape.sequences;
        let (state_len, noise, acts_on_host) = (layers.state_len(), layers.sde_noise(), layers.act_on_host());
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
        // The optional columns that the collector fills.
        (row.advantages, row.returns) = (vec![0.0], vec![0.0]);
        match shape.has_values {
            true => row.values = vec![0.0],
            false => row.next_values = Vec::new(),
        }
        if shape.has_reference {
            row.reference_log_probs = vec![0.0];
        }
        let uploaded = row.uploaded_row_bytes() as u64;
        let all = row.row_bytes() as u64;
        let observations = row.observations.row_bytes() as u64 + spec.mask_len() as u64;
        // Rows are moved to the device as they are, unless sequences or valid steps are selected, which copies them.
        let is_moved = state_len == 0 && !whole_episodes;
        let moved: u64 = if is_moved { uploaded + observations } else { 0 };
        let left = if is_moved { all + 4 * row.actions.len() as u64 - moved } else { all };
        let mut recorded = row;
        (recorded.advantages, recorded.returns, recorded.reference_log_probs) = Default::default();
        if acts_on_host {
            (recorded.values, recorded.next_values) = Default::default();
        }
        let action_len = spec.action_space.flat_len() as u64;
        // Vectors grow by doubling.
        let grown = if whole_episodes { steps.next_power_of_two() } else { steps };
        Self {
            envs,
            steps,
            rows: envs.saturating_mul(steps),
            block_steps: grown,
            capacity: envs.saturating_mul(if acts_on_host { steps } else { grown }),
            unit,
            burn_in: if whole_episodes { 0 } else { sequences.burn_in as u64 },
            block: if shape.is_normalized || whole_episodes { envs } else { block.min(envs) },
            recorded: recorded.row_bytes() as u64,
            row: all,
            flat: 4 * spec.observation_space.flat_len() as u64,
            observations,
            uploaded: uploaded + observations,
            left,
            action_len,
            bounded: if matches!(spec.action_space, Space::Box { .. }) { action_len } else { 0 },
            state_len,
            noise,
            acts_on_host,
            shape,
        }
    }

    /// Bytes of the environments, the results of a step, the recurrent state of a reference, and the streams that
    /// actions are sampled from.
    pub fn environments(&self) -> u64 {
        let unnormalized = if self.shape.is_normalized { 2 * self.flat + 47 } else { 0 };
        let stream = size_of::<ActionStream>() as u64 + 8 * self.noise + 4 * self.state_len + 1;
        let of_reference = if self.shape.has_reference { 4 * self.state_len } else { 0 };
        self.envs * (of_reference + self.fresh_env() + unnormalized + 4 * self.bounded + stream)
    }

    /// Bytes of an environment that was just created.
    pub fn fresh_env(&self) -> u64 {
        ENV + 2 * self.flat + 31
    }

    /// Additional bytes of an environment in an evaluation: its outcome, the observation, parameters of distributions,
    /// actions and recurrent states.
    pub fn evaluated_env(&self, outputs: u64) -> u64 {
        let parameters = outputs * if self.acts_on_host { 1 } else { 2 } + self.bounded;
        13 + self.flat + 4 * (parameters + 2 * self.action_len + 2 * self.state_len)
    }

    /// Bytes of a rollout before it is moved to the device.
    pub fn rollout(&self) -> u64 {
        let history = self.envs * (self.observations + 1) * self.burn_in;
        let starts = (self.steps.div_ceil(self.unit) + self.burn_in.div_ceil(self.unit)).next_power_of_two();
        let history = if self.state_len > 0 { history + 4 * self.state_len * starts * self.envs } else { 0 };
        (self.row - self.later()) * self.capacity + history
    }

    /// Bytes of the rollout that remain on the host from the upload to the next rollout.
    pub fn kept_rollout(&self) -> u64 {
        if self.left == self.row { self.rollout() + self.later() * self.rows } else { self.left * self.rows }
    }

    /// Bytes of a row in the columns that are computed after the rollout.
    fn later(&self) -> u64 {
        8 + 4 * u64::from(self.shape.has_reference)
    }

    /// Bytes of the records of all blocks before they are joined, and of their workspaces. The widest layer has
    /// `widest` outputs, and the last layer `outputs`.
    pub fn blocks(&self, widest: u64, outputs: u64) -> u64 {
        if !self.acts_on_host {
            return 0;
        }
        let per_block = self.block * self.steps;
        let ended = size_of::<Ended>() as u64 * (per_block / SHORT_EPISODE);
        let acting = if self.block > 256 { 0 } else { 2 * widest };
        let acting = 4 * (acting + outputs + self.action_len) * self.block;
        let recorded = self.recorded * self.block * self.block_steps;
        (recorded + ended + acting) * self.envs.div_ceil(self.block)
    }

    /// Bytes of the observations after the last step of a rollout.
    pub fn unseen(&self) -> u64 {
        self.flat * self.envs
    }

    /// Bytes of advantages and returns: in double precision, and in single precision.
    pub fn targets(&self) -> [u64; 2] {
        [16 * self.rows, 8 * self.rows]
    }

    /// Bytes of the copies of values and returns for the explained variance. They grow by doubling; while one grows,
    /// its old and its new memory exist together.
    pub fn explained(&self) -> u64 {
        if self.shape.has_values { 16 * self.rows.next_power_of_two() } else { 0 }
    }

    /// Bytes of all samples on the device.
    pub fn batch(&self) -> u64 {
        self.uploaded * self.rows + self.sequences()
    }

    /// Elements of an observation.
    pub fn observed_len(&self) -> u64 {
        self.flat / 4
    }

    /// Bytes on the device before advantages are estimated: 0 if the observations are moved, not copied.
    pub fn observed(&self) -> u64 {
        if self.left == self.row { self.observations * self.rows + self.sequences() } else { 0 }
    }

    /// Bytes of the actions as integers on the host, while they are uploaded.
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

    /// Bytes of the indices that put rows in order: those needed only while the rows are selected, and those that are
    /// kept.
    pub fn order(&self) -> [u64; 2] {
        let rows = if self.state_len == 0 { 12 } else { 20 };
        [rows * self.rows, 4 * self.rows.div_ceil(self.unit)]
    }

    /// Bytes of the tensors in a checkpoint: current recurrent states, those at the starts of burn-ins before the next
    /// rollout, and the observations since then.
    pub fn saved_tensors(&self) -> u64 {
        if self.state_len == 0 {
            return 0;
        }
        let of_reference = u64::from(self.shape.has_reference);
        let states = 4 * self.state_len * (1 + of_reference + self.burn_in.div_ceil(self.unit));
        (states + self.flat * self.burn_in) * self.envs
    }

    /// Bytes of a checkpoint of the environments: as JSON values in memory, and as text.
    pub fn saved(&self, each: SavedSize) -> [u64; 2] {
        let stream = size_of::<ActionStream>() as u64 + 8 * self.noise + 1;
        let values = each.values + 2 * self.flat + 31 + stream;
        [values * self.envs, (each.text + DOUBLE * self.noise) * self.envs]
    }
}

/// Bytes of a double-precision number in JSON, with its separator.
const DOUBLE: u64 = 20;

/// The memory that saving one environment takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SavedSize {
    /// Bytes of its state as JSON values in memory.
    values: u64,
    /// Bytes of its state as JSON text.
    text: u64,
}

impl SavedSize {
    /// Measures what saving one more environment takes: saves one and three environments after a few steps, and
    /// compares. `make` creates the given number of environments.
    pub fn measure(make: impl Fn(usize) -> Result<Box<dyn VectorEnv>, EnvError>) -> Result<Self, EnvError> {
        let ([one, three], streams) = ([of_saved(make(1)?)?, of_saved(make(3)?)?], streams::actions(0, 0, 1));
        let stream = serde_json::to_string(&streams[0]).map_or(0, |text| text.len()) as u64;
        let [values, text] = [0, 1].map(|i| three[i].saturating_sub(one[i]) / 2);
        Ok(Self { values, text: text + stream + 1 })
    }

    /// Estimates the memory for environments that cannot be created here. Assumes that a state has twice as many values
    /// as an observation.
    pub fn estimate(spec: &EnvSpec) -> Self {
        let len = spec.observation_space.flat_len() as u64;
        Self { values: 2 * NODE + 2 * 32 * len, text: 350 + 3 * DOUBLE * len }
    }
}

/// Saves environments after three steps. Returns the bytes of their state as JSON values in memory, and of all their
/// saved data as text.
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

/// Bytes of a B-tree node of a JSON object: eleven names, eleven values and some links.
const NODE: u64 = 11 * (size_of::<String>() + size_of::<Value>()) as u64 + 16;

/// Bytes of heap memory of a value.
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
