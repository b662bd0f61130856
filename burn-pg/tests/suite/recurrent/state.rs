//! Recurrent state across steps, episodes, sequences and rollouts.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use burn_pg::{
    Error,
    distribution::Categorical,
    envs::{Env, EnvError, EnvRng, EnvSpec, Step, VecEnv},
    policy::{Observation, Policy, Prediction, Rows, Sequences},
    source::{Batch, Collector, Rollout, RolloutLength, SequenceSpec},
};

use super::batch;
use crate::helpers::flex;
use crate::{collector::Clock, policy_with_learner::shuffled, precision::values};

/// A recurrent policy whose state is a decaying sum of observations, `m = scale * m + observation`, and also its value.
#[derive(Module, Debug)]
struct Tally {
    scale: Param<Tensor<1>>,
}

impl Policy for Tally {
    type Observation = Observation;
    type Dist = Categorical;

    fn forward(&self, observation: Observation) -> Prediction<Categorical> {
        let Sequences { mut state, begins, .. } = observation.sequences.clone().expect("the policy is recurrent");
        let [sequences, steps] = begins.dims();
        let observed = observation.vector().reshape([sequences, steps]);
        let mut sums = Vec::new();
        for step in 0..steps {
            let before = state.mask_fill(begins.clone().narrow(1, step, 1), 0) * self.scale.val().unsqueeze();
            state = before + observed.clone().narrow(1, step, 1);
            sums.push(state.clone());
        }
        let sums = Tensor::cat(sums, 1).reshape([sequences * steps, 1]);
        let logits = Tensor::cat(vec![sums.clone().mul_scalar(0).sub_scalar(50), sums.clone().mul_scalar(0)], 1);
        Prediction::new(Categorical::new(logits)).with_values(sums.squeeze_dim(1)).with_state(state)
    }

    fn state_len(&self) -> usize {
        1
    }
}

fn tally(scale: f32) -> Tally {
    Tally { scale: Param::from_tensor(Tensor::from_floats([scale], &flex().autodiff())) }
}

/// A collector of three environments: episodes are truncated after 3 steps, terminate after 2, or both after 3.
fn clocks(steps: usize, sequences: SequenceSpec) -> Collector {
    let envs = VecEnv::from_envs([9, 2, 3].map(Clock::new).into()).unwrap();
    let length = RolloutLength::Steps(steps);
    Collector::new(Box::new(envs), length, 0, &flex()).unwrap().with_sequences(sequences)
}

/// Returns the expected value of each observation of three environments. `state` is carried over from call to call.
fn sums(rollout: &Rollout, state: &mut [f32; 3]) -> Vec<f32> {
    let observations = rollout.observations.flat();
    let rows = observations.iter().zip(&rollout.begins).enumerate();
    rows.map(|(row, (&observed, &begins))| {
        let before = if begins { 0.0 } else { 0.5 * state[row % 3] };
        state[row % 3] = before + observed;
        state[row % 3]
    })
    .collect()
}

#[test]
fn recurrent_state_ends_with_the_episode_and_continues_across_rollouts() {
    let mut collector = clocks(4, SequenceSpec { steps: 0, burn_in: 0 });
    let mut state = [0.0; 3];
    for _ in 0..5 {
        let rollout = collector.collect(&tally(0.5).valid()).unwrap().clone();
        assert_eq!(rollout.values, sums(&rollout, &mut state));
        assert!(rollout.begins.iter().filter(|&&begins| begins).count() >= 4);
        for row in 0..rollout.len() {
            // The final observation, and the one after the rollout, are the last one plus 1.
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

/// Observes the number of its steps, and panics in the sixth.
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
        assert!(self.0 != 6, "as scripted");
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
fn the_rollout_after_a_failed_one_begins_with_new_episodes_and_empty_recurrent_state() {
    for burn_in in [0, 3, 4] {
        let envs = Box::new(VecEnv::from_envs((0..3).map(|_| Stumbles::default()).collect()).unwrap());
        let collector = Collector::new(envs, RolloutLength::Steps(4), 0, &flex()).unwrap();
        let mut collector = collector.with_sequences(SequenceSpec { steps: 2, burn_in });
        let policy = tally(0.5);
        collector.collect(&policy.valid()).unwrap();
        let error = collector.collect(&policy.valid()).unwrap_err();
        assert!(matches!(error, Error::Env(EnvError::Failed { .. })), "{error}");
        assert_eq!(collector.env_steps(), 15);
        let mut state = [0.0; 3];
        for begins in [true, false] {
            let rollout = collector.collect(&policy.valid()).unwrap().clone();
            assert_eq!((rollout.len(), &rollout.begins[..3]), (12, &[begins; 3][..]));
            assert_eq!(rollout.values, sums(&rollout, &mut state));
            let batch = batch(&rollout);
            assert_eq!(values_of(&policy, &batch), values(batch.values.clone().unwrap()), "burn-in of {burn_in}");
        }
    }
}

#[test]
fn values_do_not_depend_on_the_length_and_order_of_sequences() {
    for (steps, burn_in) in [(0, 0), (4, 0), (2, 0), (1, 0), (0, 3), (4, 8), (2, 1), (2, 5), (1, 8)] {
        let mut collector = clocks(8, SequenceSpec { steps, burn_in });
        let policy = tally(0.5);
        for _ in 0..3 {
            let rollout = collector.collect(&policy.valid()).unwrap().clone();
            let whole = batch(&rollout);
            let unit = if steps == 0 { 8 } else { steps };
            assert_eq!((whole.len(), whole.unit()), (24, unit));
            assert_eq!(whole.observations.burn_in.is_some(), burn_in > 0);
            let mut found = Vec::new();
            for minibatch in shuffled(&whole, &mut EnvRng::new(3)).minibatches(5) {
                assert_eq!(minibatch.len() % unit, 0, "sequences stay whole");
                let computed = values_of(&policy, &minibatch);
                let recorded = values(minibatch.values.clone().unwrap());
                assert_eq!(computed, recorded, "sequences of {steps}, {burn_in} before them");
                found.extend(recorded);
            }
            let mut expected: Vec<f64> = rollout.values.iter().copied().map(f64::from).collect();
            found.sort_by(f64::total_cmp);
            expected.sort_by(f64::total_cmp);
            assert_eq!(found, expected, "each sample once");
        }
    }
}

/// Returns the values that `policy` gives to a minibatch in training.
fn values_of<P: Policy<Observation = Observation>>(policy: &P, minibatch: &Batch) -> Vec<f64> {
    values(policy.forward(minibatch.observations.shown_to(policy)).values.unwrap())
}

#[test]
fn burn_in_computes_the_recurrent_state_with_current_weights() {
    // Episodes of 9 steps, so that the sequence begins in the middle of one.
    let mut collector = clocks(8, SequenceSpec { steps: 2, burn_in: 1 });
    let rollout = collector.collect(&tally(0.5).valid()).unwrap().clone();
    let batch = batch(&rollout);
    // Rows are ordered by sequence. This one is of environment 0 and begins at step 4, the second step of an episode.
    let row = 6 * 2;
    let observed = values(batch.observations.vector().clone().narrow(0, row, 1).squeeze_dim::<1>(1))[0];
    let [first, second] = [3, 4].map(|step| f64::from(rollout.observations.flat()[step * 3]));
    assert_eq!((observed, second - first), (second, 1.0));
    assert_eq!(values_of(&tally(0.5), &batch)[row], second + 0.5 * first);
    assert_eq!(values_of(&tally(0.25), &batch)[row], second + 0.25 * first, "not the state of the old weights");
}
