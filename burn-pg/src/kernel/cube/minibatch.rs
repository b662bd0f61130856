//! A minibatch: forward, loss terms and backward, in one launch.

use burn::tensor::DType;
use burn_pg_envs::device::single;
use cubecl::{client::Client, prelude::*};

use super::{
    buffer::Buffer,
    dense::{add_columns, backward, forward, stage},
    head::{DeviceHead, Evaluated, differentiate, evaluate},
    network::{DeviceNetwork, Limits, Tile, fit_tile, odd},
    order::{Pass, sample_at},
    rollout::workgroups,
    statistics::shift_and_scale,
    terms::{DeviceTerm, Sample, evaluate_terms},
};
use crate::{device::AdapterLimit, distribution::impossible_logit};

/// What a minibatch is compiled for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct MinibatchPlan {
    pub actor: DeviceNetwork,
    /// None if no term trains a critic.
    pub critic: Option<DeviceNetwork>,
    pub head: DeviceHead,
    pub terms: Vec<DeviceTerm>,
    /// Number of losses and metrics.
    pub reports: usize,
    /// Number of parameters, P.
    pub parameters: usize,
    pub tile: Tile,
    /// True if the advantages of each minibatch are normalised.
    pub normalized: bool,
    /// Which columns there are, in this order: old log-probabilities, advantages, returns, old values, log-probabilities under a
    /// reference.
    pub columns: [bool; 5],
    /// Number of columns that say which actions are possible, behind the others: one for each output of the actor, or none.
    pub masks: usize,
}

impl MinibatchPlan {
    /// Number of values that each workgroup adds up: the gradient, and the reports.
    pub fn sums(&self) -> usize {
        self.parameters + self.reports
    }

    /// Where a column begins, counted in columns; `None` if it is absent.
    fn column(&self, index: usize) -> Option<usize> {
        self.columns[index].then(|| self.columns[..index].iter().filter(|&&given| given).count())
    }

    /// Where the columns of possible actions begin, counted in columns.
    fn masks_at(&self) -> usize {
        self.columns.iter().filter(|&&given| given).count()
    }

    fn reads_entropies(&self) -> bool {
        self.terms.iter().any(|term| term.is_of_entropy())
    }

    fn memory(&self) -> usize {
        self.actor.memory.max(self.critic.as_ref().map_or(0, |critic| critic.memory))
    }

    fn weights(&self) -> usize {
        self.actor.stage.max(self.critic.as_ref().map_or(0, |critic| critic.stage))
    }
}

/// The buffers that minibatches are made from.
#[derive(Debug, Clone)]
pub(crate) struct SampleBuffers {
    /// Shape `[B, D]`.
    pub observations: Buffer,
    /// Shape `[B, K]`.
    pub actions: Buffer,
    /// True if actions are integers.
    pub integers: bool,
    /// The columns, and 1 or 0 for each action that is possible or not. Shape `[columns + masks, B]`.
    pub columns: Buffer,
    /// See [`advantage_statistics`](super::advantage_statistics).
    pub statistics: Buffer,
    /// The seed of the order of each pass. Empty orders do not exist: a seed of 0 keeps the samples in their order.
    pub seeds: Buffer,
    /// Weights and coefficients of the terms.
    pub coefficients: Buffer,
    /// Not 0 for passes that are left out. See [`StepBuffers`](super::StepBuffers).
    pub stopped: Buffer,
}

/// Most workgroups of a minibatch.
pub(crate) const MOST_WORKGROUPS: u32 = 256;

/// Returns how many workgroups take a minibatch of `size` rows.
pub(crate) fn workgroups_of(size: usize, tile: Tile) -> u32 {
    workgroups(size, tile.rows as u32).min(MOST_WORKGROUPS)
}

/// Most tiles that a workgroup takes in one launch, so that none takes so long that a watchdog of the system ends it.
const TILES_OF_LAUNCH: usize = 64;

/// Computes gradient and reports of minibatch number `index`, counted over all passes. Each of `parts` workgroups writes sums of
/// its own to `sums`, of shape `[parts, P + reports]`.
#[allow(clippy::too_many_arguments)]
pub(crate) fn minibatch(
    client: &Client,
    parameters: &Buffer,
    samples: &SampleBuffers,
    sums: &Buffer,
    pass: Pass,
    index: usize,
    parts: u32,
    inverse_mass: f32,
    plan: &MinibatchPlan,
) {
    let count = CubeCount::Static(parts, 1, 1);
    let dim = CubeDim::new_1d(plan.tile.threads as u32);
    macro_rules! launch {
        ($action:ty, $first:expr, $until:expr) => {
            differentiate_rows::launch::<$action>(
                client,
                count.clone(),
                dim,
                parameters.arg(),
                samples.observations.arg(),
                samples.actions.arg(),
                samples.columns.arg(),
                samples.statistics.arg(),
                samples.seeds.arg(),
                samples.coefficients.arg(),
                samples.stopped.arg(),
                sums.arg(),
                pass.rows,
                pass.size,
                pass.minibatches,
                pass.half_bits,
                index,
                $first,
                $until,
                inverse_mass,
                plan.clone(),
            )
        };
    }
    let tiles = pass.size.div_ceil(plan.tile.rows);
    for first in (0..tiles).step_by(parts as usize * TILES_OF_LAUNCH) {
        let until = tiles.min(first + parts as usize * TILES_OF_LAUNCH);
        match samples.integers {
            true => launch!(i32, first, until),
            false => launch!(f32, first, until),
        }
    }
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn differentiate_rows<A: Numeric>(
    parameters: &[f32],
    observations: &[f32],
    actions: &[A],
    columns: &[f32],
    statistics: &[f32],
    seeds: &[u32],
    coefficients: &[f32],
    stopped: &[f32],
    sums: &mut [f32],
    rows: usize,
    size: usize,
    minibatches: usize,
    half_bits: u32,
    index: usize,
    first_tile: usize,
    until_tile: usize,
    inverse_mass: f32,
    #[comptime] plan: MinibatchPlan,
) {
    if stopped[index / minibatches] != 0.0f32 {
        terminate!();
    }
    let tile = comptime!(plan.tile);
    let components = comptime!(plan.head.components());
    let log_stds = comptime!(plan.head.log_stds());
    let mut memory = Shared::<[f32]>::new_slice(comptime!(plan.memory()));
    let mut weights = Shared::<[f32]>::new_slice(comptime!(if tile.staged { plan.weights() } else { 1 }));
    let mut reports = Shared::<[f32]>::new_slice(comptime!(plan.reports * tile.rows));
    let mut of_log_stds = Shared::<[f32]>::new_slice(comptime!((log_stds * tile.rows).max(1)));
    let mut chosen = Shared::<[u32]>::new_slice(comptime!(tile.rows));

    let unit = UNIT_POS as usize;
    let sums_at = CUBE_POS * comptime!(plan.sums());
    let seed = seeds[index / minibatches];
    let start = index % minibatches * size;
    let end = min(start + size, rows);
    let tiles = min((end - start).div_ceil(comptime!(tile.rows)), until_tile);
    let mut mean = f32::new(0.0);
    let mut scale = f32::new(1.0);
    if comptime!(plan.normalized) {
        let shift = shift_and_scale(statistics, index);
        mean = shift.mean;
        scale = shift.scale;
    }

    let mut at = first_tile + CUBE_POS;
    while at < tiles {
        let fresh = at == CUBE_POS;
        let position = start + at * comptime!(tile.rows) + unit;
        let is_row = unit < comptime!(tile.rows);
        let counts = is_row && position < end;
        let row = sample_at(min(position, end - 1), rows, half_bits, seed);
        if is_row {
            chosen[unit] = row as u32;
        }
        sync_cube();
        let old_log_prob = column(columns, row, rows, comptime!(plan.column(0)));
        let advantage = (column(columns, row, rows, comptime!(plan.column(1))) - mean) * scale;
        let target = column(columns, row, rows, comptime!(plan.column(2)));
        let old_value = column(columns, row, rows, comptime!(plan.column(3)));
        let reference = column(columns, row, rows, comptime!(plan.column(4)));

        // Actor.
        let actor = comptime!(plan.actor.clone());
        load_rows(observations, &chosen, &mut memory, comptime!(actor.inputs()), tile);
        stage(parameters, &mut weights, comptime!(actor.clone()), tile);
        sync_cube();
        forward(parameters, &weights, &mut memory, comptime!(actor.clone()), tile);
        let last = comptime!(actor.last());
        if is_row {
            let mut action = Array::<f32>::new(components);
            #[unroll]
            for k in 0..components {
                action[k] = f32::cast_from(actions[row * components + k]);
            }
            let outputs_at = comptime!(last.output_at) + unit * comptime!(odd(last.outputs));
            for j in 0..comptime!(plan.masks) {
                if columns[(comptime!(plan.masks_at()) + j) * rows + row] == 0.0f32 {
                    memory[outputs_at + j] = single(comptime!(f64::from(impossible_logit(DType::F32))));
                }
            }
            let with_entropy = comptime!(plan.reads_entropies());
            let evaluated =
                evaluate(parameters, &memory, outputs_at, &action, comptime!(plan.head.clone()), with_entropy);
            let Evaluated { log_prob, entropy } = evaluated;
            let value = f32::new(0.0);
            let sample = Sample { log_prob, entropy, value, old_log_prob, advantage, target, old_value, reference };
            let derivatives = evaluate_terms(
                &sample,
                coefficients,
                &mut reports,
                unit,
                comptime!(plan.terms.clone()),
                false,
                comptime!(tile.rows),
            );
            let outer = Evaluated {
                log_prob: derivatives.log_prob * inverse_mass,
                entropy: derivatives.entropy * inverse_mass,
            };
            differentiate(
                parameters,
                &mut memory,
                outputs_at,
                &mut of_log_stds,
                unit * log_stds,
                &action,
                outer,
                comptime!(plan.head.clone()),
                with_entropy,
            );
            if !counts {
                for j in 0..comptime!(last.outputs) {
                    memory[outputs_at + j] = 0.0f32;
                }
                for j in 0..log_stds {
                    of_log_stds[unit * log_stds + j] = 0.0f32;
                }
            }
        }
        sync_cube();
        if comptime!(log_stds > 0) {
            let place = sums_at + comptime!(plan.head.log_stds_at());
            add_columns(&of_log_stds, sums, place, fresh, 0usize, log_stds, log_stds, tile);
        }
        backward(parameters, &weights, &mut memory, sums, sums_at, fresh, comptime!(actor.clone()), tile);

        // Critic.
        if comptime!(plan.critic.is_some()) {
            let critic = comptime!(plan.critic.clone().expect("there is a critic"));
            load_rows(observations, &chosen, &mut memory, comptime!(critic.inputs()), tile);
            stage(parameters, &mut weights, comptime!(critic.clone()), tile);
            sync_cube();
            forward(parameters, &weights, &mut memory, comptime!(critic.clone()), tile);
            if is_row {
                let output_at = comptime!(critic.last().output_at) + unit * comptime!(odd(1));
                let (value, log_prob, entropy) = (memory[output_at], f32::new(0.0), f32::new(0.0));
                let sample = Sample { log_prob, entropy, value, old_log_prob, advantage, target, old_value, reference };
                let derivatives = evaluate_terms(
                    &sample,
                    coefficients,
                    &mut reports,
                    unit,
                    comptime!(plan.terms.clone()),
                    true,
                    comptime!(tile.rows),
                );
                memory[output_at] = select(counts, derivatives.value * inverse_mass, 0.0f32);
            }
            sync_cube();
            backward(parameters, &weights, &mut memory, sums, sums_at, fresh, comptime!(critic.clone()), tile);
        }

        // Losses and metrics.
        if unit < comptime!(plan.reports) {
            let mut sum = f32::new(0.0);
            let count = min(end - start - at * comptime!(tile.rows), tile.rows);
            for i in 0..count {
                sum += reports[unit * comptime!(tile.rows) + i];
            }
            let place = sums_at + comptime!(plan.parameters) + unit;
            if fresh {
                sums[place] = sum;
            } else {
                sums[place] += sum;
            }
        }
        sync_cube();
        at += CUBE_COUNT;
    }
}

/// Returns the element of a column; 0 if there is none.
#[cube]
fn column(columns: &[f32], row: usize, rows: usize, #[comptime] column: Option<usize>) -> f32 {
    match comptime!(column) {
        Some(column) => columns[column * rows + row],
        None => f32::new(0.0),
    }
}

/// Copies the observations of the chosen samples into workgroup memory.
#[cube]
fn load_rows(
    observations: &[f32],
    chosen: &[u32],
    memory: &mut [f32],
    #[comptime] inputs: usize,
    #[comptime] tile: Tile,
) {
    let mut i = UNIT_POS as usize;
    while i < comptime!(tile.rows * inputs) {
        let (row, column) = (i / inputs, i % inputs);
        memory[row * comptime!(odd(inputs)) + column] = observations[chosen[row] as usize * inputs + column];
        i += comptime!(tile.threads);
    }
}

/// Returns the plan whose memory fits into that of a workgroup: see [`fit`](super::fit).
pub(crate) fn fit_minibatch(
    client: &Client,
    plan: impl Fn(usize, Tile) -> MinibatchPlan,
) -> Result<MinibatchPlan, AdapterLimit> {
    fit_tile(Limits::of(client), |tile| {
        let plan = plan(tile.rows, tile);
        let weights = if tile.staged { plan.weights() } else { 1 };
        // At least one element for logarithms of standard deviations.
        let others = (plan.reports + plan.head.log_stds() + 1) * tile.rows + 1;
        (4 * (plan.memory() + weights + others), plan)
    })
}
