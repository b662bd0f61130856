//! Recurrent layers, compared with Burn's own.

use burn::{
    module::Param,
    nn::{GateController, GruConfig, Initializer, Linear, LstmConfig, LstmState},
    tensor::{Bool, Device, Tensor, TensorData},
};
use burn_pg::{
    envs::EnvRng,
    optim::{flatten_gradients, flatten_parameters, replace_parameters},
    policy::{Cell, CellKind},
};

use crate::helpers::parameters;
use crate::precision::{Precision, assert_close, open_devices, values};

const KINDS: [CellKind; 2] = [CellKind::Gru, CellKind::Lstm];

/// Returns values between -1 and 1 that are exact in single precision.
#[allow(clippy::cast_possible_truncation)]
fn draw(count: usize, seed: u64) -> Vec<f64> {
    let mut rng = EnvRng::new(seed);
    (0..count).map(|_| f64::from((2.0 * rng.next_f64() - 1.0) as f32)).collect()
}

fn flags<const D: usize>(flags: &[bool], shape: [usize; D], device: &Device) -> Tensor<D, Bool> {
    Tensor::from_data(TensorData::new(flags.to_vec(), shape), device)
}

/// A layer from 3 numbers to 4 with random weights and biases, in the float type of `precision`.
fn cell(kind: CellKind, precision: &Precision) -> Cell {
    let cell = Cell::new(kind, 3, 4, &mut EnvRng::new(0), &precision.device);
    let [len] = flatten_parameters(&cell).dims();
    replace_parameters(cell, precision.vector(&draw(len, 1)).inner())
}

/// Returns a linear layer from a flat vector: columns `block * 4..block * 4 + 4` of a layer from `inputs` to `gates * 4`
/// outputs that begins at `start`.
fn block(flat: &[f64], start: usize, inputs: usize, gates: usize, block: usize, device: &Device) -> Linear {
    let row = |row: usize| &flat[start + (row * gates + block) * 4..][..4];
    let weight: Vec<f64> = (0..inputs).flat_map(row).copied().collect();
    let tensor = |data: Vec<f64>, shape: Vec<usize>| TensorData::new(data, shape).convert::<f32>();
    Linear {
        weight: Param::from_tensor(Tensor::from_data(tensor(weight, vec![inputs, 4]), device)),
        bias: Some(Param::from_tensor(Tensor::from_data(tensor(row(inputs).to_vec(), vec![4]), device))),
    }
}

/// Returns Burn's gate for our block `k`.
fn gate(flat: &[f64], gates: usize, k: usize, device: &Device) -> GateController {
    let mut controller = GruConfig::new(3, 4, true).with_initializer(Initializer::Zeros).init(device).new_gate;
    controller.input_transform = block(flat, 0, 3, gates, k, device);
    controller.hidden_transform = block(flat, 4 * 4 * gates, 4, gates, k, device);
    controller
}

#[test]
fn layers_match_burns_own() {
    for open in open_devices() {
        let precision = Precision {
            backend: open.backend,
            device: open.device.clone().autodiff(),
            dtype: burn::tensor::DType::F32,
        };
        let device = &precision.device;
        let inputs: Tensor<2> = precision.tensor(draw(2 * 5 * 3, 2), [10, 3]);
        let begins = flags(&[false; 10], [2, 5], device);
        let batched = inputs.clone().reshape([2, 5, 3]);
        for kind in KINDS {
            let cell = cell(kind, &precision);
            let flat = parameters(&cell);
            let state: Tensor<2> = precision.tensor(draw(2 * cell.state_len(), 3), [2, cell.state_len()]);
            let theirs = match kind {
                CellKind::Gru => {
                    let mut gru = GruConfig::new(3, 4, true).with_initializer(Initializer::Zeros).init(device);
                    gru.reset_gate = gate(&flat, 3, 0, device);
                    gru.update_gate = gate(&flat, 3, 1, device);
                    gru.new_gate = gate(&flat, 3, 2, device);
                    gru.forward(batched.clone(), Some(state.clone()))
                }
                CellKind::Lstm => {
                    let mut lstm = LstmConfig::new(3, 4, true).with_initializer(Initializer::Zeros).init(device);
                    lstm.input_gate = gate(&flat, 4, 0, device);
                    lstm.forget_gate = Some(gate(&flat, 4, 1, device));
                    lstm.cell_gate = gate(&flat, 4, 2, device);
                    lstm.output_gate = gate(&flat, 4, 3, device);
                    let half = |k: usize| state.clone().narrow(1, 4 * k, 4);
                    lstm.forward(batched.clone(), Some(LstmState::new(half(1), half(0)))).0
                }
            };
            let (ours, after) = cell.forward(inputs.clone(), state, &begins);
            let (ours, what) = (values(ours), format!("{kind:?} {precision:?}"));
            // Burn computes the logistic function in another way, and tanh on a GPU is off by a few 1e-6.
            assert_close(&ours, &values(theirs), 1e-5, &what);
            let last = values(after.narrow(1, 0, 4));
            assert_close(&last, &[&ours[16..20], &ours[36..40]].concat(), 0.0, &what);
        }
    }
}

#[test]
fn a_sequence_equals_its_steps_one_after_the_other() {
    for precision in Precision::all() {
        for kind in KINDS {
            let cell = cell(kind, &precision);
            let (inputs, width) = (draw(2 * 5 * 3, 2), cell.state_len());
            let begins = [false, false, true, false, false, true, false, false, false, true];
            let start = draw(2 * width, 3);
            let run = |inputs: &[f64], state: Tensor<2>, begins: &[bool], sequences: usize| {
                let rows = inputs.len() / 3;
                let begins = flags(begins, [sequences, rows / sequences], &precision.device);
                cell.forward(precision.tensor(inputs.to_vec(), [rows, 3]), state, &begins)
            };
            let whole = values(run(&inputs, precision.tensor(start.clone(), [2, width]), &begins, 2).0);
            for sequence in 0..2 {
                let mut state: Tensor<2> = precision.tensor(start[sequence * width..][..width].to_vec(), [1, width]);
                for step in sequence * 5..sequence * 5 + 5 {
                    if begins[step] {
                        // The start of an episode drops the hidden state, even if it is NaN.
                        state = state.full_like(f64::NAN);
                    }
                    let output;
                    (output, state) = run(&inputs[step * 3..][..3], state, &[begins[step]], 1);
                    let what = format!("{kind:?} {precision:?} {step}");
                    assert_close(&values(output), &whole[step * 4..][..4], 1e-5, &what);
                }
            }
        }
    }
}

#[test]
fn gradients_through_time_equal_finite_differences() {
    for precision in Precision::all().into_iter().filter(Precision::is_double) {
        for kind in KINDS {
            let cell = cell(kind, &precision);
            let width = cell.state_len();
            let begins = flags(&[false, false, true, false, false, false, false, false], [2, 4], &precision.device);
            let weights: Tensor<2> = precision.tensor(draw(32, 5), [8, 4]);
            let loss = |cell: &Cell| {
                let inputs = precision.tensor(draw(24, 6), [8, 3]);
                let state = precision.tensor(draw(2 * width, 7), [2, width]);
                (cell.forward(inputs, state, &begins).0 * weights.clone()).sum()
            };
            let gradient = values(flatten_gradients(&cell, &loss(&cell).backward()));
            let flat = parameters(&cell);
            for (i, &expected) in gradient.iter().enumerate() {
                let at = |shift: f64| {
                    let mut moved = flat.clone();
                    moved[i] += shift;
                    values(loss(&replace_parameters(cell.clone(), precision.vector(&moved).inner())))[0]
                };
                let derivative = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert_close(&[derivative], &[expected], 1e-8, &format!("{kind:?} {precision:?} {i}"));
            }
            assert!(gradient.iter().all(|derivative| derivative.abs() > 1e-6), "every weight matters");
        }
    }
}
