//! Numbers that are not finite end a run before the weights change, with an error that says where they come from.

use std::collections::BTreeMap;

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use burn_pg::{
    Agent, Config, DeviceChoice, Error, StepQuantity, Trainer,
    advantage::Targets,
    algorithm::Recipe,
    config::{Algo, CheckedConfig, Memory, Recurrence},
    device::{self, Backend},
    distribution::{Categorical, DistributionError},
    envs::{ActionBuffer, Env, EnvError, EnvRng, EnvSpec, Space, Step, VecEnv, VectorEnv},
    evaluate,
    loss::{ContextPart, LossContext, LossTerm, PerSample},
    optim::flatten_parameters,
    policy::{Observation, Policy, Prediction},
    source::{Observations, Rollout},
};
use serde::Deserialize;

use crate::{
    golden::{Number, golden},
    precision::values,
};

/// An environment of episodes of four steps. One of them is as written here, from beginning to end; in the others every
/// observation is 1 and every reward 0.
struct Script {
    observations: [f32; 5],
    rewards: [f64; 4],
    episode: u32,
    step: usize,
}

/// The episode in which a [`Script`] is followed: one passes while environments are made, and one with each update.
const FOLLOWED: u32 = 3;

impl Script {
    fn new(observations: [f32; 5], rewards: [f64; 4]) -> Self {
        Self { observations, rewards, episode: 0, step: 0 }
    }
}

impl Env for Script {
    type Action = u32;
    type State = (u32, usize);

    fn spec(&self) -> EnvSpec {
        EnvSpec {
            id: "Script".into(),
            observation_space: Space::symmetric(&[1.0]),
            action_space: Space::discrete(2),
            max_episode_steps: Some(4),
            reward_threshold: None,
            masks_actions: false,
        }
    }

    fn reset(&mut self, _: &mut EnvRng, observation: &mut [f32]) {
        (self.episode, self.step) = (self.episode + 1, 0);
        observation[0] = if self.episode == FOLLOWED { self.observations[0] } else { 1.0 };
    }

    fn step(&mut self, _: u32, _: &mut EnvRng, observation: &mut [f32]) -> Step {
        self.step += 1;
        let followed = self.episode == FOLLOWED;
        observation[0] = if followed { self.observations[self.step] } else { 1.0 };
        let reward = if followed { self.rewards[self.step - 1] } else { 0.0 };
        Step { reward, terminated: false, truncated: false }
    }

    fn state(&self) -> (u32, usize) {
        (self.episode, self.step)
    }

    fn set_state(&mut self, (episode, step): (u32, usize)) {
        (self.episode, self.step) = (episode, step);
    }
}

/// What a [`Probe`] divides by the observation.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Divides {
    Nothing,
    Values,
    Logits,
}

/// The value of an observation is a multiple of it.
#[derive(Module, Debug)]
struct Probe {
    weight: Param<Tensor<1>>,
    #[module(skip)]
    divides: Divides,
}

impl Policy for Probe {
    type Observation = Observation;
    type Dist = Categorical;

    fn forward(&self, observation: Observation) -> Prediction<Categorical> {
        let (weight, observed) = (self.weight.val().unsqueeze::<2>(), observation.vector());
        let (multiple, quotient) = (observed.clone() * weight.clone(), observed.recip() * weight);
        let pick = |divided| if self.divides == divided { quotient.clone() } else { multiple.clone() };
        let logits = pick(Divides::Logits);
        let logits = Tensor::cat(vec![logits.zeros_like(), logits], 1);
        Prediction::new(Categorical::new(logits)).with_values(pick(Divides::Values).squeeze_dim(1))
    }
}

fn config() -> CheckedConfig {
    let config = Config {
        total_steps: 64,
        num_envs: 2,
        num_steps: 4,
        num_epochs: 2,
        num_minibatches: 2,
        hidden_sizes: vec![4],
        ..Config::default()
    };
    config.validate().unwrap()
}

/// The error of the second update. The second of two environments follows a script.
fn second_update<P: Policy<Observation = Observation>>(
    script: Script,
    build: impl FnOnce(Box<VecEnv<Script>>, &burn::tensor::Device) -> Result<Trainer<P>, Error>,
) -> Error {
    let device = device::open(DeviceChoice::Backend(Backend::Flex)).unwrap().device;
    let envs = VecEnv::from_envs(vec![Script::new([1.0; 5], [0.0; 4]), script]).unwrap();
    let mut trainer = build(Box::new(envs), &device).unwrap();
    trainer.update().unwrap();
    let before = values(flatten_parameters(trainer.policy()));
    let error = trainer.update().unwrap_err();
    assert_eq!(values(flatten_parameters(trainer.policy())), before, "the weights are as they were");
    assert_eq!(trainer.updates(), 2);
    error
}

fn probed(script: Script, divides: Divides, config: &CheckedConfig, recipe: Recipe) -> Error {
    second_update(script, |envs, device| {
        recipe.build_with(envs, config, device, |_, _, device| Probe {
            weight: Param::from_tensor(Tensor::from_floats([0.5], device)),
            divides,
        })
    })
}

fn ppo() -> Recipe {
    Recipe::ppo(&config()).unwrap()
}

#[test]
fn a_value_that_is_not_finite_is_told_with_its_environment_and_step() {
    let acted_on = Script::new([1.0, 1.0, 0.0, 1.0, 1.0], [0.0; 4]);
    let error = probed(acted_on, Divides::Values, &config(), ppo());
    assert_eq!(error.to_string(), "update 2: the value of environment 1 in step 2 of the rollout is inf");

    let only_final = Script::new([1.0, 1.0, 1.0, 1.0, 0.0], [0.0; 4]);
    let error = probed(only_final, Divides::Values, &config(), ppo());
    assert_eq!(error.to_string(), "update 2: the next value of environment 1 in step 3 of the rollout is inf");
}

#[test]
fn a_policy_that_is_no_distribution_is_told_with_its_environment() {
    let script = Script::new([1.0, 1.0, 0.0, 1.0, 1.0], [0.0; 4]);
    let error = probed(script, Divides::Logits, &config(), ppo());
    let Error::Policy { update: Some(2), env_steps: 12, source } = &error else { panic!("{error}") };
    assert_eq!(*source, DistributionError::NotANumber { row: 1, index: 1, value: f32::INFINITY });
    assert_eq!(
        error.to_string(),
        "update 2: the policy gave environment 1 an impossible distribution after 12 environment steps"
    );
    assert_eq!(source.to_string(), "parameter 1 is inf");
}

#[test]
fn a_policy_that_is_no_distribution_in_an_evaluation_is_told_without_an_update() {
    let device = device::open(DeviceChoice::Backend(Backend::Flex)).unwrap().device;
    let envs = VecEnv::from_envs(vec![Still(vec![1.0]), Still(vec![0.0])]).unwrap();
    let policy = Probe { weight: Param::from_tensor(Tensor::from_floats([0.5], &device)), divides: Divides::Logits };
    let agent = Agent::new(policy, envs.spec().clone(), None, false).unwrap();
    let error = evaluate(&agent, Box::new(envs), 0, false).unwrap_err();
    assert_eq!(error.to_string(), "the policy gave environment 1 an impossible distribution after 0 environment steps");
}

#[test]
fn rewards_that_add_up_beyond_single_precision_are_told_with_their_environment_and_step() {
    let script = Script::new([1.0; 5], [0.0, 3e38, 3e38, 0.0]);
    let error = probed(script, Divides::Nothing, &config(), ppo());
    let Error::Step { update: 2, quantity: StepQuantity::Advantage, env: 1, step: 0, value } = error else {
        panic!("{error}");
    };
    assert!(value.is_finite() && value > f64::from(f32::MAX), "{value}");
}

#[test]
fn a_loss_that_overflows_is_blamed_on_the_environment_whose_return_does_it() {
    let script = || Script::new([1.0; 5], [0.0, 1e30, 0.0, 0.0]);
    let error = probed(script(), Divides::Nothing, &config(), ppo());
    assert_eq!(error.to_string(), "update 2: `value_loss` is inf, because of samples of environment 1");

    // In sequences too, of which there are two of each environment.
    let memory = Memory { size: 4, sequence_steps: 2, burn_in: 1 };
    let config = Config { recurrence: Recurrence::Gru(memory), ..(*config()).clone() }.validate().unwrap();
    let error = second_update(script(), |envs, device| Recipe::ppo(&config)?.build(envs, &config, device));
    let term = Some("value_loss");
    assert!(
        matches!(error, Error::NonFinite { metric: "value_loss", term: t, env: Some(1), .. } if t == term),
        "{error}"
    );
}

/// The root of the size of the values, whose slope is infinite at 0.
struct Root;

impl LossTerm for Root {
    fn name(&self) -> &'static str {
        "root"
    }

    fn compute(&self, context: &LossContext<'_>) -> PerSample {
        PerSample::new(context.values().abs().sqrt())
    }

    fn needs(&self) -> &'static [ContextPart] {
        &[ContextPart::Values]
    }
}

#[test]
fn a_gradient_that_is_not_finite_is_blamed_on_term_and_environment_though_the_loss_is_finite() {
    let script = Script::new([1.0, 1.0, 1.0, 0.0, 1.0], [0.0; 4]);
    let error = probed(script, Divides::Nothing, &config(), ppo().with(1.0, Root));
    let Error::NonFinite { update: 2, metric: "grad_norm", term: Some("root"), env: Some(1), .. } = error else {
        panic!("{error}");
    };
    let message = "update 2: `grad_norm` is NaN, because of the term `root` for samples of environment 1";
    assert_eq!(error.to_string(), message);
}

/// The root of what entropies lack to that of two equally likely actions, whose slope is infinite there.
struct LogRoot;

impl LossTerm for LogRoot {
    fn name(&self) -> &'static str {
        "log_root"
    }

    fn compute(&self, context: &LossContext<'_>) -> PerSample {
        PerSample::new(context.entropies().sub_scalar(std::f32::consts::LN_2).abs().sqrt())
    }
}

#[test]
fn the_step_within_a_trust_region_is_blamed_on_term_and_environment_too() {
    let config = Config { algo: Algo::Trpo, ..(*config()).clone() }.validate().unwrap();
    let script = || Script::new([1.0, 1.0, 1.0, 0.0, 1.0], [0.0; 4]);
    let recipe = || Recipe::trpo(&config).unwrap();
    let error = probed(script(), Divides::Nothing, &config, recipe().with(1.0, LogRoot));
    let Error::NonFinite { update: 2, metric: "policy_grad_norm", term: Some("log_root"), env: Some(1), .. } = error
    else {
        panic!("{error}");
    };
    // The critic is looked at too.
    let error = probed(script(), Divides::Nothing, &config, recipe().with(1.0, Root).with(0.0, LogRoot));
    let Error::NonFinite { update: 2, metric: "grad_norm", term: Some("root"), env: Some(1), .. } = error else {
        panic!("{error}");
    };
}

#[test]
fn a_step_to_weights_that_are_not_finite_is_not_taken_and_no_environment_is_blamed() {
    let config = Config { learning_rate: 1e39.into(), num_epochs: 1, num_minibatches: 1, ..(*config()).clone() };
    let config = config.validate().unwrap();
    let device = device::open(DeviceChoice::Backend(Backend::Flex)).unwrap().device;
    let mut trainer = burn_pg::algorithm::ppo(&config, &device).unwrap();
    let before = values(flatten_parameters(trainer.policy()));
    let error = trainer.update().unwrap_err();
    assert_eq!(error.to_string(), "update 1: `weights` is NaN");
    assert!(matches!(error, Error::NonFinite { env: None, .. }));
    assert_eq!(values(flatten_parameters(trainer.policy())), before);
}

/// Two steps of three environments.
fn rollout() -> Rollout {
    let (numbers, flags) = (vec![0.5; 6], vec![false; 6]);
    Rollout {
        log_probs: numbers.clone(),
        values: numbers.clone(),
        next_values: numbers.clone(),
        rewards: numbers,
        terminated: flags.clone(),
        truncated: flags,
        ..Rollout::new(3, Observations::default(), ActionBuffer::Discrete(vec![0; 6]))
    }
}

type Column = fn(&mut Rollout) -> &mut Vec<f32>;

#[test]
fn every_number_of_a_step_is_looked_at() {
    rollout().check_rewards(1, 0).unwrap();
    rollout().check_predictions(1).unwrap();
    let of: [(StepQuantity, Column); 3] = [
        (StepQuantity::LogProb, |rollout| &mut rollout.log_probs),
        (StepQuantity::Value, |rollout| &mut rollout.values),
        (StepQuantity::NextValue, |rollout| &mut rollout.next_values),
    ];
    let refused = |result: Result<(), Error>, expected: StepQuantity, row: usize, bad: f64| {
        let error = result.unwrap_err();
        let Error::Step { update: 7, quantity, env, step, value } = error else { panic!("{error}") };
        assert_eq!((quantity, env, step), (expected, row % 3, row / 3), "{error}");
        assert!(value == bad || value.is_nan() && bad.is_nan(), "{error}");
    };
    for row in 0..6 {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for (quantity, column) in of {
                let mut rollout = rollout();
                column(&mut rollout)[row] = bad;
                refused(rollout.check_predictions(7), quantity, row, f64::from(bad));
            }
        }
        // Of the last, which is finite, single precision makes infinity.
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e39] {
            let good = Targets { advantages: vec![0.5; 6], returns: vec![0.5; 6] };
            rollout().check_targets(&good, 7).unwrap();
            let (mut advantages, mut returns) = (good.clone(), good);
            advantages.advantages[row] = bad;
            returns.returns[row] = bad;
            refused(rollout().check_targets(&advantages, 7), StepQuantity::Advantage, row, bad);
            refused(rollout().check_targets(&returns, 7), StepQuantity::Return, row, bad);
        }
    }
}

#[derive(Deserialize)]
struct Minibatches {
    cases: Vec<BTreeMap<String, serde_json::Value>>,
}

#[derive(Deserialize)]
struct Minibatch {
    obs: Vec<Vec<Number>>,
    advantages: Vec<Number>,
}

/// Goes nowhere.
struct Still(Vec<f32>);

impl Env for Still {
    type Action = u32;
    type State = ();

    fn spec(&self) -> EnvSpec {
        EnvSpec {
            id: "Still".into(),
            observation_space: Space::symmetric(&vec![1.0; self.0.len()]),
            ..Script::new([0.0; 5], [0.0; 4]).spec()
        }
    }

    fn reset(&mut self, _: &mut EnvRng, observation: &mut [f32]) {
        observation.copy_from_slice(&self.0);
    }

    fn step(&mut self, _: u32, _: &mut EnvRng, _: &mut [f32]) -> Step {
        Step { reward: 0.0, terminated: false, truncated: false }
    }

    fn state(&self) {}

    fn set_state(&mut self, (): ()) {}
}

/// The environment, of one for each row, whose observation is refused.
#[allow(clippy::cast_possible_truncation)] // recorded in single precision
fn refused_observation(rows: &[Vec<Number>]) -> usize {
    let envs = rows.iter().map(|row| Still(row.iter().map(|number| number.0 as f32).collect())).collect();
    match VecEnv::from_envs(envs) {
        Err(EnvError::Failed { env, .. }) => env,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("accepted"),
    }
}

/// CleanRL trains on these minibatches, and has NaN for weights then.
#[test]
fn recorded_minibatches_that_spoil_the_weights_are_refused() {
    let file: Minibatches = golden("loss/ppo.json");
    let (mut observations_refused, mut advantages_refused) = (0, 0);
    for mut case in file.cases.into_iter().filter(|case| case["expected"].is_null()) {
        let name = case["name"].as_str().unwrap().to_owned();
        let batch: Minibatch = serde_json::from_value(case.remove("batch").unwrap()).unwrap();
        let bad_row = |rows: &[Vec<Number>]| rows.iter().position(|row| row.iter().any(|n| !n.0.is_finite()));
        if let Some(row) = bad_row(&batch.obs) {
            assert_eq!(refused_observation(&batch.obs), row, "{name}");
            observations_refused += 1;
        } else {
            let advantages: Vec<f64> = batch.advantages.iter().map(|number| number.0).collect();
            let row = advantages.iter().position(|advantage| !advantage.is_finite()).unwrap();
            // A step of so many environments.
            let rollout = Rollout::new(advantages.len(), Observations::default(), ActionBuffer::Discrete(Vec::new()));
            let error = rollout.check_targets(&Targets { advantages, returns: Vec::new() }, 1).unwrap_err();
            let told =
                matches!(error, Error::Step { quantity: StepQuantity::Advantage, env, step: 0, .. } if env == row);
            assert!(told, "{name}: {error}");
            advantages_refused += 1;
        }
    }
    assert!(observations_refused > 0 && advantages_refused > 0);
}
