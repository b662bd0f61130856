//! From the sums of workgroups to new parameters.

use cubecl::{client::Client, prelude::*};

use super::{
    buffer::Buffer,
    rollout::{is_finite, workgroups},
    rule::{RulePlan, SIZES, step_of},
};

/// Threads of a workgroup.
const THREADS: usize = 64;

/// Returns the number of norms that [`reduce`] writes for `sums` sums.
pub(crate) fn norms_of(sums: usize) -> usize {
    workgroups(sums, THREADS as u32) as usize
}

/// Adds up the sums of all workgroups (shape `[parts, P + reports]`) in their order. Writes the gradient, followed by the reports
/// (shape `[P + reports]`); and for each 64 of these the squared norm of the gradient, and whether an element is not finite
/// (shape `[2, norms]`).
#[allow(clippy::too_many_arguments)]
pub(crate) fn reduce(
    client: &Client,
    sums: &Buffer,
    total: &Buffer,
    norms: &Buffer,
    stopped: &Buffer,
    epoch: usize,
    parts: u32,
    [len, parameters]: [usize; 2],
) {
    add_parts::launch(
        client,
        CubeCount::Static(workgroups(len, THREADS as u32), 1, 1),
        CubeDim::new_1d(THREADS as u32),
        sums.arg(),
        total.arg(),
        norms.arg(),
        stopped.arg(),
        epoch,
        parts as usize,
        len,
        parameters,
    );
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn add_parts(
    sums: &[f32],
    total: &mut [f32],
    norms: &mut [f32],
    stopped: &[f32],
    epoch: usize,
    parts: usize,
    len: usize,
    parameters: usize,
) {
    if stopped[epoch] != 0.0f32 {
        terminate!();
    }
    let mut squares = Shared::<[f32]>::new_slice(THREADS);
    let mut unusable = Shared::<[f32]>::new_slice(THREADS);
    let (unit, i) = (UNIT_POS as usize, ABSOLUTE_POS);
    let mut sum = f32::new(0.0);
    if i < len {
        for part in 0..parts {
            sum += sums[part * len + i];
        }
        total[i] = sum;
    }
    let is_gradient = i < parameters;
    squares[unit] = select(is_gradient, sum * sum, 0.0f32);
    unusable[unit] = select(is_gradient && !is_finite(sum), 1.0f32, 0.0f32);
    sync_cube();
    if unit == 0 {
        let mut norm = f32::new(0.0);
        let mut any = f32::new(0.0);
        for k in 0..THREADS {
            norm += squares[k];
            any = max(any, unusable[k]);
        }
        norms[CUBE_POS] = norm;
        norms[CUBE_COUNT + CUBE_POS] = any;
    }
}

/// The buffers of a step.
#[derive(Debug, Clone)]
pub(crate) struct StepBuffers {
    /// Shape `[P]`.
    pub parameters: Buffer,
    /// The vectors of the state of the optimiser. Shapes `[P]`; of one element for those that it does not have.
    pub vectors: [Buffer; 3],
    /// [`SIZES`] numbers for each step. Shape `[steps, SIZES]`.
    pub sizes: Buffer,
    /// The reports of each step, and the norm of its gradient. Shape `[steps, reports + 1]`.
    pub metrics: Buffer,
    /// Not 0 for passes that are left out; behind them the number of steps taken, and 1 if a parameter is not finite. Shape
    /// `[passes + 3]`. A pass decides on the next one, so that no launch reads what it writes.
    pub stopped: Buffer,
}

/// One step of the optimiser.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeviceStep {
    pub parameters: usize,
    pub reports: usize,
    /// Number of the step in this update, and of its pass.
    pub index: usize,
    pub epoch: usize,
    /// Number of passes.
    pub epochs: usize,
    /// True for the last step of a pass.
    pub is_last: bool,
    /// Infinite for no clipping.
    pub max_norm: f64,
    /// The report of the KL divergence, and the sum over samples in the last minibatch of a pass above which no further pass
    /// begins.
    pub early_stop: Option<(usize, f64)>,
}

/// Takes a step of the optimiser on the gradient in `total`, and records its metrics.
pub(crate) fn take_step(
    client: &Client,
    total: &Buffer,
    norms: &Buffer,
    buffers: &StepBuffers,
    step: DeviceStep,
    rule: RulePlan,
) {
    let StepBuffers { parameters, vectors: [first, second, third], sizes, metrics, stopped } = buffers;
    #[allow(clippy::cast_possible_truncation)] // kernels use single precision
    let (max_norm, limit) =
        (step.max_norm.min(f32::MAX.into()) as f32, step.early_stop.map_or(0.0, |(_, limit)| limit as f32));
    step_rows::launch(
        client,
        CubeCount::Static(workgroups(step.parameters, THREADS as u32), 1, 1),
        CubeDim::new_1d(THREADS as u32),
        total.arg(),
        norms.arg(),
        parameters.arg(),
        first.arg(),
        second.arg(),
        third.arg(),
        sizes.arg(),
        metrics.arg(),
        stopped.arg(),
        step.parameters,
        step.reports,
        step.index,
        step.epoch,
        step.epochs,
        norms_of(step.parameters + step.reports),
        max_norm,
        limit,
        u32::from(step.is_last),
        step.max_norm.is_infinite(),
        step.early_stop.map(|(report, _)| report),
        rule,
    );
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn step_rows(
    total: &[f32],
    norms: &[f32],
    parameters: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
    third: &mut [f32],
    sizes: &[f32],
    metrics: &mut [f32],
    stopped: &mut [f32],
    len: usize,
    reports: usize,
    index: usize,
    epoch: usize,
    epochs: usize,
    parts: usize,
    max_norm: f32,
    limit: f32,
    is_last: u32,
    #[comptime] unclipped: bool,
    #[comptime] watched: Option<usize>,
    #[comptime] rule: RulePlan,
) {
    if stopped[epoch] != 0.0f32 {
        if ABSOLUTE_POS == 0 && is_last != 0 {
            stopped[epoch + 1] = 1.0f32;
        }
        terminate!();
    }
    let i = ABSOLUTE_POS;
    let mut square = f32::new(0.0);
    let mut unusable = f32::new(0.0);
    for part in 0..parts {
        square += norms[part];
        unusable = max(unusable, norms[parts + part]);
    }
    let norm = square.sqrt();
    let mut factor = f32::new(1.0);
    if comptime!(!unclipped) {
        factor = min(max_norm / (norm + 1e-6f32), 1.0f32);
    }
    if i < len {
        let at = index * SIZES;
        let [has_first, has_second, has_third] = comptime!(rule.vectors());
        let result = step_of(
            parameters[i] * sizes[at + 2],
            total[i] * factor,
            value_at(&*first, i, has_first),
            value_at(&*second, i, has_second),
            value_at(&*third, i, has_third),
            sizes[at],
            sizes[at + 1],
            rule,
        );
        parameters[i] = result.parameter;
        if comptime!(has_first) {
            first[i] = result.first;
        }
        if comptime!(has_second) {
            second[i] = result.second;
        }
        if comptime!(has_third) {
            third[i] = result.third;
        }
        if !is_finite(result.parameter) {
            stopped[epochs + 2] = 1.0f32;
        }
    }
    let row = index * (reports + 1);
    if i < reports {
        metrics[row + i] = total[len + i];
    }
    if i == 0 {
        // NaN, if an element of the gradient is not finite.
        metrics[row + reports] = f32::reinterpret(select(unusable > 0.0f32, 0x7FC0_0000u32, u32::reinterpret(norm)));
        stopped[epochs + 1] = f32::cast_from(index as u32 + 1);
        if comptime!(watched.is_some()) {
            let report = comptime!(watched.unwrap_or_default());
            if is_last != 0 && total[len + report] > limit {
                stopped[epoch + 1] = 1.0f32;
            }
        }
    }
}

/// Returns an element of a vector, or 0 if the vector does not exist.
#[cube]
fn value_at(vector: &[f32], i: usize, #[comptime] exists: bool) -> f32 {
    match comptime!(exists) {
        true => vector[i],
        false => f32::new(0.0),
    }
}
