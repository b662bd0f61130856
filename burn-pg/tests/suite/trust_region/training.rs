//! Runs of trust region policy optimisation, and configurations that are refused for them.

use burn::{module::Module, tensor::Tensor};
use burn_pg::{
    Error, StepQuantity, Trainer, TrustRegion, UpdateStats,
    advantage::{AdvantageEstimator, Targets, Trajectory},
    algorithm::Recipe,
    config::{Algo, CheckedConfig, ConfigError},
    distribution::Distribution,
    envs::make,
    loss::{ContextPart, LossContext, LossTerm, Objective, ObjectiveError, PerSample, Value},
    optim::flatten_parameters,
    policy::{ActorCritic, Policy},
};

use super::{exact, region};
use crate::helpers::{flex, parameters};
use crate::precision::values;
use crate::settings::settings;

fn config(text: &str) -> Result<CheckedConfig, ConfigError> {
    let small = "algorithm.kind = 'trpo'\ntotal_steps = 96\nnum_envs = 2\nnum_steps = 16\nnum_minibatches = 2\nhidden_sizes = [8]";
    settings(&format!("{small}\n{text}"))?.validate()
}

fn build(recipe: Recipe, config: &CheckedConfig) -> Result<Trainer<ActorCritic>, Error> {
    let device = flex();
    recipe.build(make(&config.env.name, config.env.num_envs).unwrap(), config, &device)
}

/// An estimator that gives every action this advantage, and every step a return of 1.
struct Fixed(f64);

impl AdvantageEstimator for Fixed {
    fn estimate(&self, trajectory: &Trajectory<'_>) -> Targets {
        Targets { advantages: vec![self.0; trajectory.len()], returns: vec![1.0; trajectory.len()] }
    }
}

fn with_advantages(advantage: f64) -> Trainer<ActorCritic> {
    let config = config("").unwrap();
    build(Recipe { estimator: Box::new(Fixed(advantage)), ..Recipe::of(&config).unwrap() }, &config).unwrap()
}

/// Returns the outputs of actor and critic for a few observations.
fn outputs(trainer: &Trainer<ActorCritic>) -> (Vec<f64>, Vec<f64>) {
    let policy = trainer.policy().valid();
    let device = flatten_parameters(trainer.policy()).device();
    let states = Tensor::<2>::from_floats([[0.1, -0.2, 0.05, 0.3], [-0.4, 0.6, 0.1, -0.7]], &device);
    let prediction = policy.forward(states.into());
    (values(prediction.distribution.parameters()), values(prediction.values.unwrap()))
}

#[test]
fn every_update_stays_within_the_region_and_fits_the_critic() {
    for recurrence in ["", "recurrence = { cell = 'gru', size = 4, sequence_steps = 8, burn_in = 4 }"] {
        let config = config(recurrence).unwrap();
        let mut trainer = build(Recipe::of(&config).unwrap(), &config).unwrap();
        for _ in 0..3 {
            let before = parameters(trainer.policy());
            let UpdateStats { losses, epochs, .. } = trainer.update().unwrap();
            let after = parameters(trainer.policy());
            assert!(losses["kl"] > 0.0 && losses["kl"] <= 0.01, "{losses:?}");
            // The logged value is an estimate from 32 samples.
            assert!(losses["approx_kl"] > 0.0 && losses["approx_kl"] < 0.03, "{losses:?}");
            assert!(losses["step_fraction"] > 0.0 && losses["policy_loss"] < 0.0, "{losses:?}");
            assert!((losses["loss"] - 0.5 * losses["value_loss"]).abs() < 1e-6, "the critic's alone: {losses:?}");
            assert!(losses.contains_key("entropy") && losses["policy_grad_norm"] > 0.0 && losses["grad_norm"] > 0.0);
            assert!(epochs == 4 && before != after);
        }
    }
}

#[test]
fn passes_that_fit_the_critic_leave_the_policy_unchanged() {
    let mut trainer = with_advantages(0.0);
    let before = outputs(&trainer);
    assert_eq!(trainer.update().unwrap().losses["step_fraction"], 0.0);
    let after = outputs(&trainer);
    assert_eq!(before.0, after.0);
    assert_ne!(before.1, after.1);
}

#[test]
fn nan_advantages_end_a_run_and_leave_the_weights_unchanged() {
    for advantage in [f64::NAN, f64::INFINITY] {
        let mut trainer = with_advantages(advantage);
        let before = parameters(trainer.policy());
        let error = trainer.update().unwrap_err();
        let named = matches!(error, Error::Step { update: 1, quantity: StepQuantity::Advantage, env: 0, step: 0, .. });
        assert!(named, "{error}");
        assert_eq!(parameters(trainer.policy()), before);
    }
}

#[test]
fn settings_and_objectives_that_trpo_cannot_use_are_refused() {
    for (text, message) in [
        ("shared_layers = true", "`network.shared_layers` is true; it must be false"),
        ("optimiser = { kind = 'adamw' }", "`optimiser.weight_decay` is 0.01; it must be 0"),
        ("target_kl = 0.02", "`algorithm.target_kl` is not read: `trpo` has no such setting, only `ppo` has"),
        (
            "trust_region = { max_kl = 0 }",
            "`algorithm.trust_region`: `max_kl` of trust_region is 0; it must be more than 0",
        ),
        ("trust_region = { damping = -1 }", "`damping` of trust_region is -1; it must be 0 or more"),
        ("trust_region = { cg_iterations = 0 }", "`cg_iterations` of trust_region is 0; it must be between 1 and 1000"),
        ("trust_region = { cg_tolerance = 1 }", "`cg_tolerance` of trust_region is 1; it must be 0 or more and less"),
        (
            "trust_region = { backtrack_factor = 1 }",
            "`backtrack_factor` of trust_region is 1; it must be 0 or more and",
        ),
        ("trust_region = { backtrack_factor = 0 }", "`backtrack_factor` of trust_region is 0; it must be more than 0"),
        (
            "trust_region = { max_backtracks = 1001 }",
            "`max_backtracks` of trust_region is 1001; it must be at most 1000",
        ),
        ("trust_region = { radius = 1 }", "there is no setting `algorithm.trust_region.radius`"),
        (
            "[[loss]]\nweight = 1\nterm = { kind = 'value' }",
            "`algorithm.loss` has no term that trains the policy, and trpo",
        ),
        (
            "[[loss]]\nweight = 1\nterm = { kind = 'surrogate' }",
            "`algorithm.loss` has no term that trains the critic, and trpo",
        ),
    ] {
        let error = config(text).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let config = config("").unwrap();
    let recipe = Recipe::of(&config).unwrap();
    let value_only = TrustRegion { objective: Objective::new().with(1.0, Value::default()), ..region(exact(0.01)) };
    let error = build(Recipe { trust_region: Some(value_only), ..recipe }, &config).err().unwrap();
    let missing = ObjectiveError::Missing { term: "value_loss", part: ContextPart::Values };
    assert!(matches!(&error, Error::Objective(error) if *error == missing), "{error}");
}

/// A user's own term.
struct Flat(&'static [ContextPart]);

impl LossTerm for Flat {
    fn name(&self) -> &'static str {
        "flat_loss"
    }

    fn compute(&self, context: &LossContext<'_>) -> PerSample {
        PerSample::new(context.log_probs().mul_scalar(0))
    }

    fn needs(&self) -> &'static [ContextPart] {
        self.0
    }
}

#[test]
fn terms_go_to_the_network_that_they_train() {
    let terms = |recipe: &Recipe| {
        let of = |objective: &Objective| objective.terms().collect::<Vec<_>>();
        (of(&recipe.trust_region.as_ref().unwrap().objective), of(&recipe.objective))
    };
    let recipe = || Recipe::of(&config("").unwrap()).unwrap();
    assert_eq!(terms(&recipe()), (vec!["policy_loss", "entropy_loss"], vec!["value_loss"]));
    let with = |needs| terms(&recipe().with(0.1, Flat(needs)));
    assert_eq!(with(&[]).0, ["policy_loss", "entropy_loss", "flat_loss"]);
    assert_eq!(with(&[ContextPart::Values]).1, ["value_loss", "flat_loss"]);

    let text = "
        [[loss]]
        weight = 2
        term = { kind = 'value', clip = { kind = 'hard', range = 0.2 } }
        [[loss]]
        weight = 0.1
        term = { kind = 'entropy' }
        [[loss]]
        weight = 1
        term = { kind = 'surrogate' }
    ";
    let config = config(text).unwrap();
    assert_eq!(config.algorithm.algo(), Algo::Trpo);
    let recipe = Recipe::of(&config).unwrap();
    assert_eq!(terms(&recipe), (vec!["entropy_loss", "policy_loss"], vec!["value_loss"]));
}
