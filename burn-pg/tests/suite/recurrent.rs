//! Policies that remember: recurrent layers against Burn's own, and what is remembered across steps, episodes,
//! sequences, rollouts and updates.

use std::ops::ControlFlow;

use burn::{
    module::{Module, Param},
    nn::{GateController, GruConfig, Initializer, Linear, LstmConfig, LstmState},
    tensor::{Bool, Device, Tensor, TensorData},
};
use burn_pg::{
    Config, Error, Learner, UpdateStats,
    advantage::{AdvantageEstimator, Gae},
    algorithm::Recipe,
    config::{Algo, Memory, Recurrence},
    device::{self, Backend, DeviceChoice},
    distribution::{Categorical, Distribution},
    envs::{Env, EnvError, EnvRng, EnvSpec, Space, Step, VecEnv},
    evaluate,
    loss::{Objective, PpoClip, Value},
    optim::{Schedule, Sgd, SgdSpec, flatten_gradients, flatten_parameters, replace_parameters},
    policy::{ActorCritic, Cell, CellKind, NetworkSpec, Observation, Policy, Prediction, Rows, Sequences},
    source::{Batch, Collector, Rollout, RolloutLength, SequenceSpec},
};

use crate::{
    collector::Clock,
    precision::{Precision, assert_close, open_devices, values},
    pupil::shuffled,
};

const KINDS: [CellKind; 2] = [CellKind::Gru, CellKind::Lstm];

/// Numbers between -1 and 1, the same in single and in double precision.
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

/// A linear layer out of a flat vector: columns `block * 4..block * 4 + 4` of a layer to `gates * 4` outputs from
/// `inputs` that begins at `start`.
fn block(flat: &[f64], start: usize, inputs: usize, gates: usize, block: usize, device: &Device) -> Linear {
    let row = |row: usize| &flat[start + (row * gates + block) * 4..][..4];
    let weight: Vec<f64> = (0..inputs).flat_map(row).copied().collect();
    let tensor = |data: Vec<f64>, shape: Vec<usize>| TensorData::new(data, shape).convert::<f32>();
    Linear {
        weight: Param::from_tensor(Tensor::from_data(tensor(weight, vec![inputs, 4]), device)),
        bias: Some(Param::from_tensor(Tensor::from_data(tensor(row(inputs).to_vec(), vec![4]), device))),
    }
}

/// The gate of Burn's that is block `k` of ours.
fn gate(flat: &[f64], gates: usize, k: usize, device: &Device) -> GateController {
    let mut controller = GruConfig::new(3, 4, true).with_initializer(Initializer::Zeros).init(device).new_gate;
    controller.input_transform = block(flat, 0, 3, gates, k, device);
    controller.hidden_transform = block(flat, 4 * 4 * gates, 4, gates, k, device);
    controller
}

#[test]
fn a_layer_is_burns_own() {
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
            let flat = values(flatten_parameters(&cell));
            let memory: Tensor<2> = precision.tensor(draw(2 * cell.memory_len(), 3), [2, cell.memory_len()]);
            let theirs = match kind {
                CellKind::Gru => {
                    let mut gru = GruConfig::new(3, 4, true).with_initializer(Initializer::Zeros).init(device);
                    gru.reset_gate = gate(&flat, 3, 0, device);
                    gru.update_gate = gate(&flat, 3, 1, device);
                    gru.new_gate = gate(&flat, 3, 2, device);
                    gru.forward(batched.clone(), Some(memory.clone()))
                }
                CellKind::Lstm => {
                    let mut lstm = LstmConfig::new(3, 4, true).with_initializer(Initializer::Zeros).init(device);
                    lstm.input_gate = gate(&flat, 4, 0, device);
                    lstm.forget_gate = Some(gate(&flat, 4, 1, device));
                    lstm.cell_gate = gate(&flat, 4, 2, device);
                    lstm.output_gate = gate(&flat, 4, 3, device);
                    let half = |k: usize| memory.clone().narrow(1, 4 * k, 4);
                    lstm.forward(batched.clone(), Some(LstmState::new(half(1), half(0)))).0
                }
            };
            let (ours, after) = cell.forward(inputs.clone(), memory, &begins);
            let (ours, what) = (values(ours), format!("{kind:?} {precision:?}"));
            // They take the logistic function in another way, and a GPU's tangent is off by a few 1e-6.
            assert_close(&ours, &values(theirs), 1e-5, &what);
            let last = values(after.narrow(1, 0, 4));
            assert_close(&last, &[&ours[16..20], &ours[36..40]].concat(), 0.0, &what);
        }
    }
}

#[test]
fn sequences_are_steps_one_after_the_other() {
    for precision in Precision::all() {
        for kind in KINDS {
            let cell = cell(kind, &precision);
            let (inputs, width) = (draw(2 * 5 * 3, 2), cell.memory_len());
            let begins = [false, false, true, false, false, true, false, false, false, true];
            let start = draw(2 * width, 3);
            let run = |inputs: &[f64], memory: Tensor<2>, begins: &[bool], sequences: usize| {
                let rows = inputs.len() / 3;
                let begins = flags(begins, [sequences, rows / sequences], &precision.device);
                cell.forward(precision.tensor(inputs.to_vec(), [rows, 3]), memory, &begins)
            };
            let whole = values(run(&inputs, precision.tensor(start.clone(), [2, width]), &begins, 2).0);
            for sequence in 0..2 {
                let mut memory: Tensor<2> = precision.tensor(start[sequence * width..][..width].to_vec(), [1, width]);
                for step in sequence * 5..sequence * 5 + 5 {
                    if begins[step] {
                        // Whatever was remembered, NaN too.
                        memory = memory.full_like(f64::NAN);
                    }
                    let output;
                    (output, memory) = run(&inputs[step * 3..][..3], memory, &[begins[step]], 1);
                    let what = format!("{kind:?} {precision:?} {step}");
                    assert_close(&values(output), &whole[step * 4..][..4], 1e-5, &what);
                }
            }
        }
    }
}

#[test]
fn gradients_through_time_are_slopes() {
    for precision in Precision::all().into_iter().filter(Precision::is_double) {
        for kind in KINDS {
            let cell = cell(kind, &precision);
            let width = cell.memory_len();
            let begins = flags(&[false, false, true, false, false, false, false, false], [2, 4], &precision.device);
            let weights: Tensor<2> = precision.tensor(draw(32, 5), [8, 4]);
            let loss = |cell: &Cell| {
                let inputs = precision.tensor(draw(24, 6), [8, 3]);
                let memory = precision.tensor(draw(2 * width, 7), [2, width]);
                (cell.forward(inputs, memory, &begins).0 * weights.clone()).sum()
            };
            let gradient = values(flatten_gradients(&cell, &loss(&cell).backward()));
            let flat = values(flatten_parameters(&cell));
            for (i, &expected) in gradient.iter().enumerate() {
                let at = |shift: f64| {
                    let mut moved = flat.clone();
                    moved[i] += shift;
                    values(loss(&replace_parameters(cell.clone(), precision.vector(&moved).inner())))[0]
                };
                let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert_close(&[slope], &[expected], 1e-8, &format!("{kind:?} {precision:?} {i}"));
            }
            assert!(gradient.iter().all(|slope| slope.abs() > 1e-6), "every weight matters");
        }
    }
}

/// Remembers a fading sum of what it has observed, and values an observation by it: `m = scale * m + observation`.
#[derive(Module, Debug)]
struct Tally {
    scale: Param<Tensor<1>>,
}

impl Policy for Tally {
    type Observation = Observation;
    type Dist = Categorical;

    fn forward(&self, observation: Observation) -> Prediction<Categorical> {
        let Sequences { mut memory, begins, .. } = observation.sequences.clone().expect("it remembers");
        let [sequences, steps] = begins.dims();
        let observed = observation.vector().reshape([sequences, steps]);
        let mut sums = Vec::new();
        for step in 0..steps {
            let before = memory.mask_fill(begins.clone().narrow(1, step, 1), 0) * self.scale.val().unsqueeze();
            memory = before + observed.clone().narrow(1, step, 1);
            sums.push(memory.clone());
        }
        let sums = Tensor::cat(sums, 1).reshape([sequences * steps, 1]);
        let logits = Tensor::cat(vec![sums.clone().mul_scalar(0).sub_scalar(50), sums.clone().mul_scalar(0)], 1);
        Prediction::new(Categorical::new(logits)).with_values(sums.squeeze_dim(1)).with_memory(memory)
    }

    fn memory_len(&self) -> usize {
        1
    }
}

fn device() -> Device {
    device::open(DeviceChoice::Backend(Backend::Flex)).unwrap().device
}

fn tally(scale: f32) -> Tally {
    Tally { scale: Param::from_tensor(Tensor::from_floats([scale], &device().autodiff())) }
}

/// Episodes that are cut off at 3, terminate at 2, and do both at 3.
fn clocks(steps: usize, sequences: SequenceSpec) -> Collector {
    let envs = VecEnv::from_envs([9, 2, 3].map(Clock::new).into()).unwrap();
    let length = RolloutLength::Steps(steps);
    Collector::new(Box::new(envs), length, 0, &device()).unwrap().with_sequences(sequences)
}

/// The value of each observation of three environments, in turn, for a memory that is carried over from call to call.
fn sums(rollout: &Rollout, memory: &mut [f32; 3]) -> Vec<f32> {
    let observations = rollout.observations.flat();
    let rows = observations.iter().zip(&rollout.begins).enumerate();
    rows.map(|(row, (&observed, &begins))| {
        let before = if begins { 0.0 } else { 0.5 * memory[row % 3] };
        memory[row % 3] = before + observed;
        memory[row % 3]
    })
    .collect()
}

#[test]
fn what_is_remembered_ends_with_the_episode_and_goes_on_from_rollout_to_rollout() {
    let mut collector = clocks(4, SequenceSpec { steps: 0, burn_in: 0 });
    let mut memory = [0.0; 3];
    for _ in 0..5 {
        let rollout = collector.collect(&tally(0.5).valid()).unwrap().clone();
        assert_eq!(rollout.values, sums(&rollout, &mut memory));
        assert!(rollout.begins.iter().filter(|&&begins| begins).count() >= 4);
        for row in 0..rollout.len() {
            // The final observation, and the one after the rollout, follow the last one by 1.
            let followed = 0.5 * rollout.values[row] + rollout.observations.flat()[row] + 1.0;
            let next = rollout.values.get(row + 3).copied();
            let expected = match (rollout.terminated[row], rollout.truncated[row]) {
                (true, _) => 0.0,
                (false, true) => followed,
                (false, false) => next.unwrap_or(followed),
            };
            assert_eq!(rollout.next_values[row], expected, "row {row}");
        }
    }
}

/// Observes how often it was stepped, and panics in its sixth step.
#[derive(Default)]
struct Stumbles(u8);

impl Env for Stumbles {
    type Action = u32;
    type State = u8;

    fn spec(&self) -> EnvSpec {
        EnvSpec { id: "Stumbles".into(), max_episode_steps: None, ..Clock::new(0).spec() }
    }

    fn reset(&mut self, _: &mut EnvRng, observation: &mut [f32]) {
        observation[0] = f32::from(self.0);
    }

    fn step(&mut self, _: u32, _: &mut EnvRng, observation: &mut [f32]) -> Step {
        self.0 += 1;
        assert!(self.0 != 6, "told to");
        observation[0] = f32::from(self.0);
        Step { reward: 0.0, terminated: false, truncated: false }
    }

    fn state(&self) -> u8 {
        self.0
    }

    fn set_state(&mut self, state: u8) {
        self.0 = state;
    }
}

#[test]
fn after_a_rollout_that_failed_the_next_begins_with_new_episodes_and_nothing_remembered() {
    for burn_in in [0, 3, 4] {
        let envs = Box::new(VecEnv::from_envs((0..3).map(|_| Stumbles::default()).collect()).unwrap());
        let collector = Collector::new(envs, RolloutLength::Steps(4), 0, &device()).unwrap();
        let mut collector = collector.with_sequences(SequenceSpec { steps: 2, burn_in });
        let policy = tally(0.5);
        collector.collect(&policy.valid()).unwrap();
        let error = collector.collect(&policy.valid()).unwrap_err();
        assert!(matches!(error, Error::Env(EnvError::Failed { .. })), "{error}");
        assert_eq!(collector.env_steps(), 15);
        let mut memory = [0.0; 3];
        for begins in [true, false] {
            let rollout = collector.collect(&policy.valid()).unwrap().clone();
            assert_eq!((rollout.len(), &rollout.begins[..3]), (12, &[begins; 3][..]));
            assert_eq!(rollout.values, sums(&rollout, &mut memory));
            let batch = batch(&rollout);
            assert_eq!(look(&policy, &batch), values(batch.values.clone().unwrap()), "burn-in of {burn_in}");
        }
    }
}

fn batch(rollout: &Rollout) -> Batch {
    let mut rollout = rollout.clone();
    rollout.set_targets(&Gae { gamma: 0.9, lambda: 0.8 }.estimate(&rollout.trajectory()));
    Batch::upload(&mut rollout, &device().autodiff())
}

#[test]
fn the_same_weights_remember_the_same_in_every_cut_and_order() {
    for (steps, burn_in) in [(0, 0), (4, 0), (2, 0), (1, 0), (0, 3), (4, 8), (2, 1), (2, 5), (1, 8)] {
        let mut collector = clocks(8, SequenceSpec { steps, burn_in });
        let policy = tally(0.5);
        for _ in 0..3 {
            let rollout = collector.collect(&policy.valid()).unwrap().clone();
            let whole = batch(&rollout);
            let unit = if steps == 0 { 8 } else { steps };
            assert_eq!((whole.len(), whole.unit()), (24, unit));
            assert_eq!(whole.observations.sequences.as_ref().unwrap().burn_in.is_some(), burn_in > 0);
            let mut found = Vec::new();
            for minibatch in shuffled(&whole, &mut EnvRng::new(3)).minibatches(5) {
                assert_eq!(minibatch.len() % unit, 0, "sequences stay whole");
                let looked = look(&policy, &minibatch);
                let recorded = values(minibatch.values.clone().unwrap());
                assert_eq!(looked, recorded, "sequences of {steps}, {burn_in} before them");
                found.extend(recorded);
            }
            let mut expected: Vec<f64> = rollout.values.iter().copied().map(f64::from).collect();
            found.sort_by(f64::total_cmp);
            expected.sort_by(f64::total_cmp);
            assert_eq!(found, expected, "each sample once");
        }
    }
}

/// The values that `policy` gives to a minibatch in training.
fn look<P: Policy<Observation = Observation>>(policy: &P, minibatch: &Batch) -> Vec<f64> {
    values(policy.forward(minibatch.observations.shown_to(policy)).values.unwrap())
}

#[test]
fn a_burn_in_remembers_what_the_weights_of_now_would() {
    // Episodes of 9 steps, so that one is going on where the sequence begins.
    let mut collector = clocks(8, SequenceSpec { steps: 2, burn_in: 1 });
    let rollout = collector.collect(&tally(0.5).valid()).unwrap().clone();
    let batch = batch(&rollout);
    // Sequence by sequence: that of environment 0 which begins at step 4, in the second step of an episode.
    let row = 6 * 2;
    let observed = values(batch.observations.vector().clone().narrow(0, row, 1).squeeze_dim::<1>(1))[0];
    let [first, second] = [3, 4].map(|step| f64::from(rollout.observations.flat()[step * 3]));
    assert_eq!((observed, second - first), (second, 1.0));
    assert_eq!(look(&tally(0.5), &batch)[row], second + 0.5 * first);
    assert_eq!(look(&tally(0.25), &batch)[row], second + 0.25 * first, "not with what the old weights remembered");
}

/// Shows -1 or 1 at first, then zeros; in the last step the action must be the one that was shown. A third one is never
/// possible.
struct Cue {
    length: u32,
    shown: u32,
    step: u32,
}

impl Env for Cue {
    type Action = u32;
    type State = (u32, u32);

    fn spec(&self) -> EnvSpec {
        EnvSpec {
            id: "Cue".into(),
            observation_space: Space::symmetric(&[1.0]),
            action_space: Space::discrete(3),
            max_episode_steps: Some(20),
            reward_threshold: None,
            masks_actions: true,
        }
    }

    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        (self.shown, self.step) = (u32::from(rng.next_f64() < 0.5), 0);
        observation[0] = if self.shown == 1 { 1.0 } else { -1.0 };
    }

    fn step(&mut self, action: u32, _: &mut EnvRng, observation: &mut [f32]) -> Step {
        assert!(action < 2, "a masked action");
        self.step += 1;
        observation[0] = 0.0;
        let last = self.step == self.length;
        Step { reward: f64::from(u8::from(last && action == self.shown)), terminated: last, truncated: false }
    }

    fn action_mask(&self, mask: &mut [bool]) {
        mask.copy_from_slice(&[true, true, false]);
    }

    fn state(&self) -> (u32, u32) {
        (self.shown, self.step)
    }

    fn set_state(&mut self, (shown, step): (u32, u32)) {
        (self.shown, self.step) = (shown, step);
    }
}

fn cues_of(lengths: &[u32]) -> Box<VecEnv<Cue>> {
    Box::new(VecEnv::from_envs(lengths.iter().map(|&length| Cue { length, shown: 0, step: 0 }).collect()).unwrap())
}

fn cues(count: usize) -> Box<VecEnv<Cue>> {
    cues_of(&vec![6; count])
}

fn recurrent(cell: fn(Memory) -> Recurrence, sequence_steps: usize, burn_in: usize) -> Config {
    Config {
        total_steps: 20_480,
        num_envs: 16,
        num_steps: 32,
        learning_rate: Schedule::Linear { start: 5e-3, end: 0.0 },
        hidden_sizes: vec![16],
        recurrence: cell(Memory { size: 16, sequence_steps, burn_in }),
        ..Config::default()
    }
}

fn quiet(_: &UpdateStats) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The greedy return of a policy trained by such a configuration: half of the episodes are won by any policy that does
/// not remember.
fn trained(config: Config) -> f64 {
    let config = config.validate().unwrap();
    let mut trainer = Recipe::ppo(&config).unwrap().build(cues(config.num_envs), &config, &device()).unwrap();
    trainer.run(&mut quiet).unwrap();
    evaluate(&trainer.agent().unwrap(), cues(100), 7, false).unwrap().return_mean()
}

#[test]
fn a_policy_that_remembers_solves_what_no_other_can() {
    assert!(trained(recurrent(Recurrence::Gru, 0, 0)) > 0.95);
    assert!(trained(recurrent(Recurrence::Lstm, 16, 8)) > 0.95);
    assert!(trained(Config { shared_layers: true, ..recurrent(Recurrence::Gru, 8, 6) }) > 0.95);
    let forgetful = trained(Config { recurrence: Recurrence::default(), ..recurrent(Recurrence::Gru, 0, 0) });
    assert!((0.3..0.7).contains(&forgetful), "{forgetful}");
}

#[test]
fn the_first_ratio_is_one_for_every_sample_of_whole_episodes_too() {
    let shape = NetworkSpec { recurrence: Some((CellKind::Gru, 8)), hidden_sizes: vec![8], ..NetworkSpec::default() };
    for (length, sequences) in [
        (RolloutLength::Episodes, SequenceSpec { steps: 0, burn_in: 0 }),
        (RolloutLength::Steps(16), SequenceSpec { steps: 4, burn_in: 6 }),
    ] {
        let envs = cues_of(&[9, 2, 3]);
        let mut collector = Collector::new(envs, length, 0, &device()).unwrap().with_sequences(sequences);
        let policy = ActorCritic::new(
            &Cue { length: 2, shown: 0, step: 0 }.spec(),
            &shape,
            &mut EnvRng::new(5),
            &device().autodiff(),
        )
        .unwrap();
        for _ in 0..2 {
            let rollout = collector.collect(&policy.valid()).unwrap().clone();
            let batch = batch(&rollout);
            assert_eq!(batch.len(), rollout.valid.iter().filter(|&&valid| valid).count());
            assert_eq!(batch.len() < batch.num_rows(), length == RolloutLength::Episodes);
            let ours = policy.forward(batch.observations.shown_to(&policy)).distribution.log_prob(&batch.actions);
            assert_close(&values(ours), &values(batch.log_probs.clone()), 1e-6, "log-probabilities");

            // The metrics are those of the valid samples: at ratio 1 the surrogate is the mean of the normalised
            // advantages, which is 0.
            let mut learner = Learner {
                objective: Objective::new().with(1.0, PpoClip { clip_range: 0.2.into() }).with(0.5, Value::default()),
                optimiser: Box::new(Sgd::new(SgdSpec::default())),
                max_grad_norm: 0.5,
                normalize_advantages: true,
                micro_batch_size: None,
            };
            let (_, metrics) = learner.step(&policy, batch, 0.0);
            for name in ["policy_loss", "approx_kl", "clip_fraction"] {
                let metric = metrics.iter().find(|metric| metric.0 == name).unwrap().1.clone();
                assert_close(&values(metric), &[0.0], 1e-6, name);
            }
        }
    }
}

#[test]
fn reinforce_remembers_too() {
    let config = Config {
        algo: Algo::Reinforce,
        num_epochs: 1,
        num_minibatches: 1,
        total_steps: 2_000,
        // Neither fits `num_steps`, and neither is looked at.
        ..recurrent(Recurrence::Gru, 5, 40)
    };
    let config = config.validate().unwrap();
    let mut trainer = Recipe::reinforce(&config).unwrap().build(cues(config.num_envs), &config, &device()).unwrap();
    trainer.run(&mut quiet).unwrap();
    assert!(trainer.episodes().count() > 0);
}

#[test]
fn sequences_that_do_not_fit_a_rollout_are_refused() {
    for (sequence_steps, burn_in, num_minibatches, message) in [
        (5, 0, 4, "`recurrence.sequence_steps` is 5, but must be a divisor of `num_steps`, or 0"),
        (8, 33, 4, "`recurrence.burn_in` is 33, but must be at most `num_steps`"),
        (0, 0, 32, "`num_minibatches` is 32, but must be a divisor of the sequences of a rollout, which stay whole"),
    ] {
        let config = Config { num_minibatches, ..recurrent(Recurrence::Lstm, sequence_steps, burn_in) };
        assert_eq!(config.validate().unwrap_err().to_string(), message);
    }
}
