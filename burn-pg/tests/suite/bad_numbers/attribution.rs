//! The error of a run names the environment, the step and the term of the loss.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use burn_pg::{
    Agent, Config, Error, StepQuantity, Trainer,
    algorithm::Recipe,
    config::{CheckedConfig, PpoConfig, Recurrence, RecurrentSpec, TrpoConfig},
    distribution::{Categorical, DistributionError},
    envs::{VecEnv, VectorEnv},
    evaluate,
    loss::{ContextPart, LossContext, LossTerm, PerSample},
    policy::{Observation, Policy, Prediction},
};

use super::{Script, Still};
use crate::helpers::{flex, parameters};
use crate::settings::ppo_of;

/// The output that a [`Probe`] divides by the observation.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Divides {
    Nothing,
    Values,
    Logits,
}

/// A policy whose value is a multiple of the observation.
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
    let config = Config::default().with(|config| {
        config.run.total_steps = 64;
        config.env.num_envs = 2;
        config.rollout.num_steps = 4;
        config.network.hidden_sizes = vec![4];
        config.algorithm = PpoConfig { num_epochs: 2, num_minibatches: 2, ..PpoConfig::default() }.into();
    });
    config.validate().unwrap()
}

/// Returns the error of the second update. The second of two environments follows a script.
fn second_update<P: Policy<Observation = Observation>>(
    script: Script,
    build: impl FnOnce(Box<VecEnv<Script>>, &burn::tensor::Device) -> Result<Trainer<P>, Error>,
) -> Error {
    let device = flex();
    let envs = VecEnv::from_envs(vec![Script::new([1.0; 5], [0.0; 4]), script]).unwrap();
    let mut trainer = build(Box::new(envs), &device).unwrap();
    trainer.update().unwrap();
    let before = parameters(trainer.policy());
    let error = trainer.update().unwrap_err();
    assert_eq!(parameters(trainer.policy()), before, "the weights are as they were");
    assert_eq!(trainer.updates(), 2);
    error
}

fn probed(script: Script, divides: Divides, config: &CheckedConfig, recipe: Recipe) -> Error {
    second_update(script, |envs, device| {
        recipe.build_with(envs, config, device, |_, _, device| {
            let weight = Param::from_tensor(Tensor::from_floats([0.5], device));
            Ok(Probe { weight, divides })
        })
    })
}

fn ppo() -> Recipe {
    Recipe::of(&config()).unwrap()
}

#[test]
fn a_nonfinite_value_is_reported_with_its_environment_and_step() {
    let acted_on = Script::new([1.0, 1.0, 0.0, 1.0, 1.0], [0.0; 4]);
    let error = probed(acted_on, Divides::Values, &config(), ppo());
    assert_eq!(error.to_string(), "update 2: the value of environment 1 in step 2 of the rollout is inf");

    let only_final = Script::new([1.0, 1.0, 1.0, 1.0, 0.0], [0.0; 4]);
    let error = probed(only_final, Divides::Values, &config(), ppo());
    assert_eq!(error.to_string(), "update 2: the next value of environment 1 in step 3 of the rollout is inf");
}

#[test]
fn invalid_distribution_parameters_are_reported_with_their_environment() {
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
fn invalid_distribution_parameters_in_an_evaluation_are_reported_without_an_update() {
    let device = flex();
    let envs = VecEnv::from_envs(vec![Still(vec![1.0]), Still(vec![0.0])]).unwrap();
    let policy = Probe { weight: Param::from_tensor(Tensor::from_floats([0.5], &device)), divides: Divides::Logits };
    let agent = Agent::new(policy, envs.spec().clone(), None).unwrap();
    let error = evaluate(&agent, Box::new(envs), 0, false).unwrap_err();
    assert_eq!(error.to_string(), "the policy gave environment 1 an impossible distribution after 0 environment steps");
}

#[test]
fn returns_beyond_single_precision_are_reported_with_their_environment_and_step() {
    let script = Script::new([1.0; 5], [0.0, 3e38, 3e38, 0.0]);
    let error = probed(script, Divides::Nothing, &config(), ppo());
    let Error::Step { update: 2, quantity: StepQuantity::Advantage, env: 1, step: 0, value } = error else {
        panic!("{error}");
    };
    assert!(value.is_finite() && value > f64::from(f32::MAX), "{value}");
}

#[test]
fn a_loss_that_overflows_is_attributed_to_the_environment_with_the_large_return() {
    let script = || Script::new([1.0; 5], [0.0, 1e30, 0.0, 0.0]);
    let error = probed(script(), Divides::Nothing, &config(), ppo());
    assert_eq!(error.to_string(), "update 2: `value_loss` is inf, because of samples of environment 1");

    // The same with sequences, two per environment.
    let recurrence = RecurrentSpec { size: 4, sequence_steps: 2, burn_in: 1 };
    let config =
        (*config()).clone().with(|config| config.network.recurrence = Recurrence::Gru(recurrence)).validate().unwrap();
    let error = second_update(script(), |envs, device| Recipe::of(&config)?.build(envs, &config, device));
    let term = Some("value_loss");
    assert!(
        matches!(error, Error::NonFinite { metric: "value_loss", term: t, env: Some(1), .. } if t == term),
        "{error}"
    );
}

/// The square root of the absolute values. Its gradient is infinite at 0.
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
fn a_nonfinite_gradient_of_a_finite_loss_is_attributed_to_term_and_environment() {
    let script = Script::new([1.0, 1.0, 1.0, 0.0, 1.0], [0.0; 4]);
    let error = probed(script, Divides::Nothing, &config(), ppo().with(1.0, Root));
    let Error::NonFinite { update: 2, metric: "grad_norm", term: Some("root"), env: Some(1), .. } = error else {
        panic!("{error}");
    };
    let message = "update 2: `grad_norm` is NaN, because of the term `root` for samples of environment 1";
    assert_eq!(error.to_string(), message);
}

/// The square root of the distance of an entropy from that of two equally likely actions, where its gradient is infinite.
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
fn a_nonfinite_trust_region_step_is_attributed_to_term_and_environment() {
    let config = (*config()).clone().with(|config| config.algorithm = TrpoConfig::default().into()).validate().unwrap();
    let script = || Script::new([1.0, 1.0, 1.0, 0.0, 1.0], [0.0; 4]);
    let recipe = || Recipe::of(&config).unwrap();
    let error = probed(script(), Divides::Nothing, &config, recipe().with(1.0, LogRoot));
    let Error::NonFinite { update: 2, metric: "policy_grad_norm", term: Some("log_root"), env: Some(1), .. } = error
    else {
        panic!("{error}");
    };
    // The critic is checked too.
    let error = probed(script(), Divides::Nothing, &config, recipe().with(1.0, Root).with(0.0, LogRoot));
    let Error::NonFinite { update: 2, metric: "grad_norm", term: Some("root"), env: Some(1), .. } = error else {
        panic!("{error}");
    };
}

#[test]
fn a_step_to_nonfinite_weights_is_not_taken_and_not_attributed_to_an_environment() {
    let config = (*config()).clone().with(|config| {
        config.optimiser.learning_rate = 1e39.into();
        (ppo_of(config).num_epochs, ppo_of(config).num_minibatches) = (1, 1);
    });
    let config = config.validate().unwrap();
    let device = flex();
    let mut trainer = burn_pg::Trainer::of(&config, &device).unwrap();
    let before = parameters(trainer.policy());
    let error = trainer.update().unwrap_err();
    assert_eq!(error.to_string(), "update 1: `weights` is NaN");
    assert!(matches!(error, Error::NonFinite { env: None, .. }));
    assert_eq!(parameters(trainer.policy()), before);
}
