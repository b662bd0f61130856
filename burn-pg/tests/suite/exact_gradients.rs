//! Sampled policy gradients, compared with the exact ones of small tabular decision processes.
//!
//! Environments, rollouts, losses and gradients are the library's. Like nearly all programs, it leaves out the factor
//! `gamma^t` of step `t`; these tests multiply it back in. With it, the mean over many trajectories must be the gradient of
//! the expected return; without it, it must not be.

use std::{iter, sync::Arc};

use burn::{
    module::{Module, Param},
    tensor::{Device, Int, Tensor, TensorData},
};
use burn_pg::{
    Learner,
    advantage::{AdvantageEstimator, Bootstrap, Gae, RewardToGo, Targets},
    distribution::Categorical,
    envs::{Env, EnvRng, EnvSpec, Space, Step, VecEnv},
    loss::{LossTerm, Objective, PolicyGradient, PpoClip},
    optim::OptimiserSpec,
    policy::{Observation, Policy, Prediction},
    source::{Batch, Collector, RolloutLength},
};
use serde::Deserialize;

use crate::{
    golden::golden,
    policy_with_learner::PolicyWithLearner,
    precision::{open_devices, values},
};

/// Trajectories that the library averages, and how often that is repeated to estimate the standard error.
const TRAJECTORIES: usize = 4000;
const REPETITIONS: usize = 50;

#[derive(Deserialize)]
struct File {
    cases: Vec<Process>,
}

/// A decision process that ends after `horizon` steps, with a policy and exact results for it.
#[derive(Deserialize)]
struct Process {
    name: String,
    states: usize,
    actions: usize,
    horizon: usize,
    gamma: f64,
    /// By state, action, and state that follows.
    transition: Vec<Vec<Vec<f64>>>,
    /// By state and action.
    reward: Vec<Vec<f64>>,
    start: Vec<f64>,
    /// Logits, by state and action.
    theta: Vec<Vec<f64>>,
    expected: Expected,
}

#[derive(Deserialize)]
#[allow(non_snake_case)] // as recorded
struct Expected {
    J: f64,
    grad_theta: Vec<Vec<f64>>,
    V_by_steps_to_go: Vec<Vec<f64>>,
}

/// The process as an environment. Observes the state and the remaining steps.
struct Tabular {
    process: Arc<Process>,
    state: usize,
    steps_to_go: usize,
}

impl Tabular {
    fn observe(&self, observation: &mut [f32]) {
        observation.copy_from_slice(&[self.state as f32, self.steps_to_go as f32]);
    }
}

impl Env for Tabular {
    type Action = u32;
    type State = (usize, usize);

    fn spec(&self) -> EnvSpec {
        EnvSpec::new(
            "Tabular",
            Space::symmetric(&[self.process.states as f32, self.process.horizon as f32]),
            Space::discrete(self.process.actions.try_into().unwrap()),
        )
    }

    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.state = draw(&self.process.start, rng);
        self.steps_to_go = self.process.horizon;
        self.observe(observation);
    }

    fn step(&mut self, action: u32, rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        let (state, action) = (self.state, action as usize);
        self.state = draw(&self.process.transition[state][action], rng);
        self.steps_to_go -= 1;
        self.observe(observation);
        let terminated = self.steps_to_go == 0;
        Step { reward: self.process.reward[state][action], terminated, truncated: false }
    }

    fn state(&self) -> (usize, usize) {
        (self.state, self.steps_to_go)
    }

    fn set_state(&mut self, (state, steps_to_go): (usize, usize)) {
        (self.state, self.steps_to_go) = (state, steps_to_go);
    }
}

fn draw(probabilities: &[f64], rng: &mut EnvRng) -> usize {
    let mut left = rng.next_f64();
    let last = probabilities.len() - 1;
    let drawn = probabilities[..last].iter().position(|probability| {
        left -= probability;
        left < 0.0
    });
    drawn.unwrap_or(last)
}

/// A table of logits, and a table of the exact values of that policy.
#[derive(Module, Debug)]
struct Tables {
    /// Shape `[states, actions]`.
    theta: Param<Tensor<2>>,
    /// By remaining steps (0 included) and state. Shape `[(horizon + 1) * states]`.
    values: Param<Tensor<1>>,
    states: usize,
}

impl Tables {
    fn new(process: &Process, device: &Device) -> Self {
        let (states, actions, horizon) = (process.states, process.actions, process.horizon);
        let values = [vec![0.0; states], process.expected.V_by_steps_to_go.concat()].concat();
        let theta = TensorData::new(process.theta.concat(), [states, actions]).convert::<f32>();
        let values = TensorData::new(values, [(horizon + 1) * states]).convert::<f32>();
        Self { theta: Param::from_data(theta, device), values: Param::from_data(values, device), states }
    }
}

impl Policy for Tables {
    type Observation = Observation;
    type Dist = Categorical;

    fn forward(&self, observation: Observation) -> Prediction<Categorical> {
        let (state, steps_to_go) = (column(&observation, 0), column(&observation, 1));
        let distribution = Categorical::new(self.theta.val().select(0, state.clone()));
        let row = steps_to_go.mul_scalar(i64::try_from(self.states).unwrap()) + state;
        Prediction::new(distribution).with_values(self.values.val().select(0, row))
    }
}

fn column(observation: &Observation, index: usize) -> Tensor<1, Int> {
    observation.vector().clone().narrow(1, index, 1).squeeze_dim::<1>(1).int()
}

/// A way to estimate the policy gradient.
struct Route {
    name: &'static str,
    estimator: Box<dyn AdvantageEstimator>,
    learner: PolicyWithLearner<Tables>,
    /// The gradients of all repetitions.
    gradients: Vec<Vec<f64>>,
    /// The same, without the factor `gamma^t`.
    undiscounted: Vec<Vec<f64>>,
}

impl Route {
    fn new(
        name: &'static str,
        estimator: impl AdvantageEstimator + 'static,
        term: impl LossTerm + 'static,
        policy: &Tables,
    ) -> Self {
        let learner = Learner {
            max_grad_norm: f64::INFINITY,
            normalize_advantages: false,
            ..Learner::new(Objective::new().with(1.0, term), OptimiserSpec::default().build())
        };
        let learner = PolicyWithLearner { policy: policy.clone(), learner };
        Self { name, estimator: Box::new(estimator), learner, gradients: Vec::new(), undiscounted: Vec::new() }
    }

    fn all(process: &Process, policy: &Tables) -> Vec<Self> {
        let gamma = process.gamma;
        let clip = PpoClip::new(0.2);
        let reinforce = RewardToGo { gamma, baseline: false, bootstrap: Bootstrap::Zero };
        // With exact values, the estimate is unbiased for any lambda.
        let (gae, one_step) = (Gae { gamma, lambda: 0.9 }, Gae { gamma, lambda: 0.0 });
        vec![
            Self::new("reward-to-go, policy gradient", reinforce, PolicyGradient, policy),
            Self::new("gae, policy gradient", gae, PolicyGradient, policy),
            Self::new("one-step gae, clipped surrogate", one_step, clip, policy),
        ]
    }

    /// Returns the gradient of the return of a rollout, per trajectory. (The loss is minimised, and a mean over steps.)
    fn ascent(&self, batch: Batch, process: &Process) -> Vec<f64> {
        let (gradient, _) = self.learner.gradient(batch);
        let per_trajectory = |derivative: &f64| -derivative * process.horizon as f64;
        values(gradient)[..process.states * process.actions].iter().map(per_trajectory).collect()
    }
}

/// Returns mean and standard error of each column.
fn moments(rows: &[Vec<f64>]) -> Vec<(f64, f64)> {
    let count = rows.len() as f64;
    let column = |index: usize| {
        let mean = rows.iter().map(|row| row[index]).sum::<f64>() / count;
        let variance = rows.iter().map(|row| (row[index] - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, (variance / count).sqrt())
    };
    (0..rows[0].len()).map(column).collect()
}

/// Returns the largest distance of a column from the expected value, in standard errors.
fn farthest(rows: &[Vec<f64>], expected: &[f64]) -> f64 {
    let distances = moments(rows).into_iter().zip(expected).map(|((mean, error), exact)| (mean - exact).abs() / error);
    distances.fold(0.0, f64::max)
}

/// Compares each route with the exact gradient. Returns the largest distance of the routes without the factor `gamma^t`, in
/// standard errors.
fn check(process: Process, device: &Device) -> f64 {
    let process = Arc::new(process);
    let copy = || Tabular { process: Arc::clone(&process), state: 0, steps_to_go: 0 };
    let envs = VecEnv::from_envs(iter::repeat_with(copy).take(TRAJECTORIES).collect()).unwrap();
    let policy = Tables::new(&process, &device.clone().autodiff());
    let mut collector = Collector::new(Box::new(envs), RolloutLength::Steps(process.horizon), 0, device).unwrap();
    let (mut routes, mut returns) = (Route::all(&process, &policy), Vec::new());
    for _ in 0..REPETITIONS {
        let rollout = collector.collect(&policy.valid()).unwrap();
        for route in &mut routes {
            let targets = route.estimator.estimate(&rollout.trajectory());
            // The factor gamma^t of step t.
            let discounts = (0..).map(|row| process.gamma.powi(row / i32::try_from(TRAJECTORIES).unwrap()));
            let advantages = targets.advantages.iter().zip(discounts).map(|(advantage, discount)| advantage * discount);
            let discounted = Targets { advantages: advantages.collect(), returns: targets.returns.clone() };
            let batch = |targets: &Targets| {
                let mut rollout = rollout.clone();
                rollout.set_targets(targets);
                Batch::upload(&mut rollout, &device.clone().autodiff())
            };
            route.gradients.push(route.ascent(batch(&discounted), &process));
            if process.gamma < 1.0 {
                route.undiscounted.push(route.ascent(batch(&targets), &process));
            }
        }
        let all = RewardToGo { gamma: process.gamma, baseline: false, bootstrap: Bootstrap::Zero };
        let first = &all.estimate(&rollout.trajectory()).returns[..TRAJECTORIES];
        returns.push(vec![first.iter().sum::<f64>() / TRAJECTORIES as f64]);
    }

    let distance = farthest(&returns, &[process.expected.J]);
    assert!(distance < 5.0, "{}, expected return: {distance} standard errors", process.name);
    let exact = process.expected.grad_theta.concat();
    let mut without_discount = 0.0_f64;
    for route in &routes {
        let distance = farthest(&route.gradients, &exact);
        assert!(distance < 5.0, "{}, {}: {distance} standard errors", process.name, route.name);
        if process.gamma < 1.0 {
            without_discount = without_discount.max(farthest(&route.undiscounted, &exact));
        }
    }
    without_discount
}

#[test]
fn sampled_gradients_average_to_the_exact_ones() {
    // The gradients of single samples on GPUs are tested elsewhere; a software driver takes minutes for so many.
    for open in open_devices().into_iter().filter(|open| open.backend.is_cpu()) {
        let file: File = golden("loss/exact_policy_gradient.json");
        let discounted = |process: &Process| process.gamma < 1.0;
        assert!(file.cases.iter().any(discounted) && !file.cases.iter().all(discounted));
        let distances = file.cases.into_iter().map(|process| check(process, &open.device));
        let farthest = distances.fold(0.0, f64::max);
        assert!(farthest > 10.0, "the missing discount must show, but is {farthest} standard errors away");
    }
}
