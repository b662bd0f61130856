//! The values of a rollout.

use cubecl::{client::Client, prelude::*};

use super::{
    buffer::Buffer,
    dense::{forward, stage},
    network::{DeviceNetwork, Tile, odd},
    rollout::{Recorded, Steps, TRUNCATED, workgroups},
};

/// Most workgroups of one launch. Each takes tiles until none is left, so that its weights are copied once.
pub(super) const MOST_WORKGROUPS: u32 = 512;

/// Most tiles that a workgroup takes in one launch, so that none takes so long that a watchdog of the system ends it.
const TILES_OF_LAUNCH: usize = 64;

/// Computes the values of all observations (shape `[T * N]`), and those of the observations that follow the steps after which
/// the rollout does not go on (shape `[T * N]`, elsewhere not written).
pub(crate) fn values(
    client: &Client,
    parameters: &Buffer,
    recorded: &Recorded,
    [values, next_values]: [&Buffer; 2],
    steps: Steps,
    critic: &DeviceNetwork,
    tile: Tile,
) {
    let tiles = workgroups(steps.num_envs * steps.total, tile.rows as u32);
    let parts = tiles.min(MOST_WORKGROUPS);
    let tiles = tiles as usize;
    for first in (0..tiles).step_by(parts as usize * TILES_OF_LAUNCH) {
        value_rows::launch(
            client,
            CubeCount::Static(parts, 1, 1),
            CubeDim::new_1d(tile.threads as u32),
            parameters.arg(),
            recorded.observations.arg(),
            recorded.finals.arg(),
            recorded.outcomes.arg(),
            values.arg(),
            next_values.arg(),
            steps.num_envs,
            steps.total,
            first,
            tiles.min(first + parts as usize * TILES_OF_LAUNCH),
            critic.clone(),
            tile,
        );
    }
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn value_rows(
    parameters: &[f32],
    observations: &[f32],
    finals: &[f32],
    outcomes: &[f32],
    values: &mut [f32],
    next_values: &mut [f32],
    num_envs: usize,
    total: usize,
    first_tile: usize,
    tiles: usize,
    #[comptime] critic: DeviceNetwork,
    #[comptime] tile: Tile,
) {
    let rows = num_envs * total;
    let mut memory = Shared::<[f32]>::new_slice(comptime!(critic.memory));
    let mut follows = Shared::<[u32]>::new_slice(comptime!(tile.rows));
    let mut weights = Shared::<[f32]>::new_slice(comptime!(if tile.staged { critic.stage } else { 1 }));
    stage(parameters, &mut weights, comptime!(critic.clone()), tile);
    let unit = UNIT_POS as usize;
    let outputs_at = comptime!(critic.last().output_at);
    let mut at = first_tile + CUBE_POS;
    while at < tiles {
        let first = at * comptime!(tile.rows);
        load(observations, &mut memory, first, rows, comptime!(critic.inputs()), tile);
        let row = first + unit;
        if unit < comptime!(tile.rows) {
            follows[unit] = select(
                row < rows,
                u32::cast_from(goes_on_elsewhere(outcomes, min(row, rows - 1), num_envs, rows)),
                0u32,
            );
        }
        sync_cube();
        forward(parameters, &weights, &mut memory, comptime!(critic.clone()), tile);
        if unit < comptime!(tile.rows) && row < rows {
            values[row] = memory[outputs_at + unit * comptime!(odd(1))];
        }
        let mut any = u32::new(0);
        for i in 0..comptime!(tile.rows) {
            any += follows[i];
        }
        if any > 0 {
            sync_cube();
            load(finals, &mut memory, first, rows, comptime!(critic.inputs()), tile);
            sync_cube();
            forward(parameters, &weights, &mut memory, comptime!(critic.clone()), tile);
            if unit < comptime!(tile.rows) && row < rows {
                next_values[row] = memory[outputs_at + unit * comptime!(odd(1))];
            }
        }
        sync_cube();
        at += CUBE_COUNT;
    }
}

/// Copies the rows of a tile into workgroup memory. Rows beyond the last one repeat it.
#[cube]
fn load(
    from: &[f32],
    memory: &mut [f32],
    first: usize,
    rows: usize,
    #[comptime] inputs: usize,
    #[comptime] tile: Tile,
) {
    let mut i = UNIT_POS as usize;
    while i < comptime!(tile.rows * inputs) {
        let (row, column) = (i / inputs, i % inputs);
        memory[row * comptime!(odd(inputs)) + column] = from[min(first + row, rows - 1) * inputs + column];
        i += comptime!(tile.threads);
    }
}

/// True if the observation after a step of the rollout is not the next one of its environment, but still has a value: if the
/// step was truncated, or is the last one.
#[cube]
pub(super) fn goes_on_elsewhere(outcomes: &[f32], row: usize, num_envs: usize, rows: usize) -> bool {
    let flags = u32::cast_from(outcomes[rows + row]);
    flags == TRUNCATED || (flags == 0 && row + num_envs >= rows)
}
