//! Objectives: what they refuse and report, and the state of their terms; alone and in training.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{Arc, Mutex},
};

use burn_pg::{
    Config, Error, Learner, Parts, Trainer, UpdateStats,
    advantage::Gae,
    config::PpoConfig,
    envs::{EnvRng, make},
    loss::{
        ContextPart, Entropy, KlEstimator, KlPenalty, KlToReference, LossContext, LossTerm, Objective, ObjectiveError,
        ObjectiveOutput, ObjectiveState, PerSample, PolicyGradient, PpoClip, TermState, Value, ValueClip,
    },
    optim::{Adam, AdamSpec},
    policy::{ActorCritic, NetworkSpec},
    source::{Collector, EnvSource, RolloutLength},
    update::Epochs,
};

use crate::helpers::flex;
use crate::{
    precision::{Precision, assert_close, values},
    samples::{Samples, mean, means},
};

fn refusal(weight: f64, term: impl LossTerm + 'static) -> String {
    match Objective::new().with(1.0, Entropy).try_with(weight, term) {
        Ok(_) => panic!("accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn weights_and_hyperparameters_out_of_range_are_refused() {
    for (weight, written) in
        [(-0.5, "-0.5"), (f64::NAN, "NaN"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf"), (-1e-300, "-0.000")]
    {
        let message = refusal(weight, PolicyGradient);
        assert!(message.starts_with(&format!("the weight of the term `policy_loss` is {written}")), "{message}");
    }
    assert_eq!(refusal(1.0, Entropy), "the objective has two terms called `entropy_loss`");
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let expected = |what: &str| format!("{what} is {bad}; it must be more than 0");
        let expected_of_range = |what: &str| format!("{}, and at the end 0 or more", expected(what));
        assert_eq!(refusal(1.0, PpoClip::new(bad)), expected_of_range("`clip_range` of the term `policy_loss`"));
        let target = KlPenalty { target: bad, ..KlPenalty::default() };
        assert_eq!(refusal(1.0, target), expected("`target` of the term `policy_loss`"));
        for clip in [ValueClip::Pessimistic { range: bad.into() }, ValueClip::Hard { range: bad.into() }] {
            assert_eq!(refusal(1.0, Value { clip }), expected_of_range("`clip range` of the term `value_loss`"));
        }
        let message = refusal(1.0, KlPenalty { weight: bad, ..KlPenalty::default() });
        assert_eq!(message, format!("`weight` of the term `policy_loss` is {bad}; it must be between 1e-6 and 1e6"));
    }
    for weight in [0.0, -0.0, 1e300] {
        let objective = Objective::new().try_with(weight, Entropy).unwrap_or_else(|error| panic!("{error}"));
        assert!(objective.terms().eq(["entropy_loss"]));
    }
}

#[test]
fn each_loss_is_reported_under_the_name_of_its_term() {
    let samples = Samples::random(5, &mut EnvRng::new(1));
    let precision = &Precision::all()[0];
    let (penalty, value) = (KlPenalty::default(), Value::default());
    let k2 = KlToReference { estimator: KlEstimator::K2 };
    let weights = [1.0, 0.5, 0.0, 2.0];
    let losses = [&penalty as &dyn LossTerm, &value, &Entropy, &k2].map(|term| samples.loss(term, precision));
    let objective = Objective::new()
        .with(weights[0], penalty)
        .with(weights[1], value)
        .with(weights[2], Entropy)
        .with(weights[3], k2);
    let output = objective.compute(&samples.context(precision));
    let names: Vec<_> = output.metrics.iter().map(|&(name, _)| name).collect();
    let expected = [
        "policy_loss",
        "value_loss",
        "entropy_loss",
        "reference_kl_loss",
        "loss",
        "approx_kl",
        "kl_weight",
        "entropy",
        "reference_kl",
    ];
    assert_eq!(names, expected);
    let metrics: BTreeMap<_, _> = output.metrics.into_iter().map(|(name, value)| (name, values(value)[0])).collect();
    for (name, loss) in objective.terms().zip(losses) {
        assert_close(&[metrics[name]], &[loss], 1e-6, name);
    }
    let sum: f64 = weights.iter().zip(losses).map(|(weight, loss)| weight * loss).sum();
    assert_close(&[metrics["loss"]], &[sum], 1e-6, "the sum");
    // Some backends divide by multiplying with the reciprocal, so the two sums differ by rounding.
    assert_close(&[metrics["entropy"]], &[-metrics["entropy_loss"]], 1e-6, "entropy");
}

/// A loss whose gradient is infinite where log-probabilities are 0.
struct Steep;

impl LossTerm for Steep {
    fn name(&self) -> &'static str {
        "steep"
    }

    fn compute(&self, context: &LossContext<'_>) -> PerSample {
        PerSample::new(context.log_probs().abs().sqrt())
    }
}

#[test]
fn a_term_of_weight_zero_is_reported_and_adds_nothing_even_if_its_gradient_is_infinite() {
    let (mut samples, precision) = (Samples::random(3, &mut EnvRng::new(1)), &Precision::all()[0]);
    samples.log_probs[1] = 0.0;
    let outcome = |objective: &Objective| {
        let context = samples.context(precision);
        let ObjectiveOutput { loss, metrics } = objective.compute(&context);
        let names: Vec<_> = metrics.into_iter().map(|(name, _)| name).collect();
        (values(context.log_probs().grad(&loss.clone().backward()).unwrap()), values(loss), names)
    };
    let without = outcome(&Objective::new().with(1.0, PolicyGradient));
    let with = outcome(&Objective::new().with(1.0, PolicyGradient).with(0.0, Steep));
    assert_eq!((&with.0, &with.1), (&without.0, &without.1));
    assert!(with.2.contains(&"steep"));
    let nothing = outcome(&Objective::new().with(0.0, Steep));
    assert_eq!(nothing, (vec![0.0; 3], vec![0.0], vec!["steep", "loss"]));
}

fn measured(kl: f64) -> BTreeMap<String, f64> {
    BTreeMap::from([("approx_kl".to_owned(), kl)])
}

#[test]
fn the_kl_weight_doubles_above_the_target_and_halves_below_it() {
    let mut penalty = KlPenalty { target: 0.01, weight: 1.0 };
    for (kl, weight) in [
        (0.0151, 2.0),
        (0.0149, 2.0),
        (0.01, 2.0),
        (0.0067, 2.0),
        (0.0066, 1.0),
        (0.0, 0.5),
        (f64::INFINITY, 1.0),
        (f64::NAN, 1.0),
    ] {
        penalty.after_update(&measured(kl));
        assert_eq!(penalty.weight, weight, "{kl}");
    }
    penalty.after_update(&BTreeMap::new());
    assert_eq!(penalty.weight, 1.0, "nothing was measured");
    for (kl, bound) in [(1.0, 1e6), (0.0, 1e-6)] {
        for _ in 0..100 {
            penalty.after_update(&measured(kl));
        }
        assert_eq!(penalty.weight, bound);
        penalty.validate().unwrap();
    }
}

#[test]
fn the_state_of_terms_is_saved_and_restored() {
    let objective = || Objective::new().with(1.0, KlPenalty::default()).with(0.5, Value::default());
    let mut ours = objective();
    ours.after_update(&measured(1.0));
    let state = ours.state();
    assert_eq!(state, ObjectiveState::from([("policy_loss".into(), TermState::from([("weight".into(), 2.0)]))]));

    let text = serde_json::to_string(&state).unwrap();
    let mut other = objective();
    other.set_state(&serde_json::from_str(&text).unwrap()).unwrap();
    assert_eq!(other.state(), state);

    let refused = |other: &mut Objective, text: &str| {
        let error = other.set_state(&serde_json::from_str(text).unwrap()).unwrap_err();
        assert_eq!(other.state(), state, "as it was");
        error.to_string()
    };
    for (text, message) in [
        ("{}", "the state for the objective is made of []; it must be made of [\"policy_loss\"]"),
        (r#"{"policy_loss": {}}"#, "the state for policy_loss is made of []; it must be made of [\"weight\"]"),
        (
            r#"{"policy_loss": {"weight": 2, "other": 2}}"#,
            "the state for policy_loss is made of [\"other\", \"weight\"]; it must be made of [\"weight\"]",
        ),
        (
            r#"{"policy_loss": {"weight": 0}}"#,
            "`weight` of the term `policy_loss` is 0; it must be between 1e-6 and 1e6",
        ),
        (
            r#"{"policy_loss": {"weight": 2}, "value_loss": {"weight": 2}}"#,
            "the state for the objective is made of [\"policy_loss\", \"value_loss\"]; it must be made of \
             [\"policy_loss\"]",
        ),
    ] {
        assert_eq!(refused(&mut other, text), message);
    }
    let mut none = Objective::new().with(1.0, Entropy);
    assert!(none.state().is_empty());
    none.set_state(&ObjectiveState::new()).unwrap();
    Entropy.set_state(&TermState::new()).unwrap();
    Entropy.set_state(&TermState::from([("weight".into(), 1.0)])).unwrap_err();
}

#[test]
fn the_kl_penalty_is_its_weight_times_the_kl_divergence() {
    let samples = Samples::random(7, &mut EnvRng::new(2));
    for precision in Precision::all() {
        let [none, some] = [1e-6, 3.0].map(|weight| {
            let term = KlPenalty { weight, ..KlPenalty::default() };
            let output = term.compute(&samples.context(&precision));
            let (loss, metrics) = (mean(output.loss.clone()), means(output));
            assert_close(&[metrics["kl_weight"]], &[weight], 1e-7, "weight");
            (loss, metrics["approx_kl"])
        });
        assert_eq!(none.1, some.1);
        assert_close(&[some.0 - none.0], &[(3.0 - 1e-6) * some.1], 1e-5, "loss");
        let log_ratios = samples.log_probs.iter().zip(&samples.old_log_probs).map(|(new, old)| new - old);
        let kl = log_ratios.map(|log_ratio| log_ratio.exp() - 1.0 - log_ratio).sum::<f64>() / 7.0;
        assert_close(&[some.1], &[kl], 1e-6, "KL divergence");
    }
}

fn trainer(objective: Objective) -> Result<Trainer<ActorCritic>, Error> {
    let config = Config::default().with(|config| {
        config.run.total_steps = 64;
        config.env.num_envs = 2;
        config.rollout.num_steps = 16;
        config.algorithm = PpoConfig { num_epochs: 2, num_minibatches: 2, ..PpoConfig::default() }.into();
    });
    let config = config.validate().unwrap();
    let device = flex();
    let envs = make(&config.env.name, config.env.num_envs).unwrap();
    let rng = &mut EnvRng::new(4);
    let shape = NetworkSpec { hidden_sizes: vec![8], ..NetworkSpec::default() };
    let policy = ActorCritic::new(envs.spec(), &shape, rng, &device.clone().autodiff()).unwrap();
    let learner = Learner {
        max_grad_norm: 0.5,
        normalize_advantages: true,
        ..Learner::new(objective, Box::new(Adam::new(AdamSpec::default())))
    };
    let collector =
        Collector::new(envs, RolloutLength::Steps(config.rollout.num_steps), config.run.seed, &device).unwrap();
    let estimator = Box::new(Gae { gamma: 0.99, lambda: 0.95 });
    let epochs = Epochs {
        learner,
        learning_rate: 1e-3.into(),
        adapted: None,
        num_epochs: 2,
        num_minibatches: 2,
        target_kl: f64::INFINITY,
        shuffle: EnvRng::new(5),
    };
    let parts = Parts { policy, source: EnvSource::new(collector, estimator), update: Box::new(epochs) };
    Trainer::new(parts, &config, &device)
}

fn run(objective: Objective) -> Result<Vec<BTreeMap<String, f64>>, Error> {
    let mut losses = Vec::new();
    let mut trainer = trainer(objective)?;
    trainer.run(&mut |stats: &UpdateStats| {
        losses.push(stats.losses.clone());
        ControlFlow::Continue(())
    })?;
    Ok(losses)
}

#[test]
fn terms_adapt_after_each_update() {
    // Four small steps stay far below this target.
    let halving = KlPenalty { target: 10.0, weight: 4.0 };
    let losses = run(Objective::new().with(1.0, halving).with(0.5, Value::default())).unwrap();
    let weights: Vec<f64> = losses.iter().map(|losses| losses["kl_weight"]).collect();
    assert_eq!(weights, [4.0, 2.0]);
    assert!(losses.iter().all(|losses| losses["approx_kl"] > 0.0));

    let doubling = KlPenalty { target: 1e-12, weight: 4.0 };
    let losses = run(Objective::new().with(1.0, doubling)).unwrap();
    let weights: Vec<f64> = losses.iter().map(|losses| losses["kl_weight"]).collect();
    assert_eq!(weights, [4.0, 8.0]);
}

#[test]
fn a_term_without_its_reference_is_refused_before_training() {
    let objective =
        || Objective::new().with(1.0, PolicyGradient).with(0.1, KlToReference { estimator: KlEstimator::K2 });
    let given = [&ContextPart::ALWAYS[..], &[ContextPart::ReferenceLogProbs]].concat();
    objective().check_needs(&given).unwrap();
    let error = trainer(objective()).map(|_| ()).unwrap_err();
    let missing = ObjectiveError::Missing { term: "reference_kl_loss", part: ContextPart::ReferenceLogProbs };
    assert!(matches!(&error, Error::Objective(error) if *error == missing), "{error}");
    let message =
        "the term `reference_kl_loss` needs log-probabilities under a reference policy, and there are none here";
    assert_eq!(error.to_string(), message);
}

/// A loss that is infinite the second time.
struct Breaks(Arc<Mutex<u32>>);

impl LossTerm for Breaks {
    fn name(&self) -> &'static str {
        "breaks"
    }

    fn compute(&self, context: &LossContext<'_>) -> PerSample {
        let mut calls = self.0.lock().unwrap();
        *calls += 1;
        let factor = if *calls == 2 { f64::INFINITY } else { 1.0 };
        PerSample::new(context.log_probs().mul_scalar(factor))
    }
}

#[test]
fn a_failed_update_names_the_term_that_failed_first() {
    let calls = Arc::default();
    let objective = Objective::new().with(1.0, PolicyGradient).with(1.0, Breaks(Arc::clone(&calls)));
    // In the third and fourth minibatches the policy loss, which is computed first, is NaN as well.
    let error = run(objective).unwrap_err();
    let Error::NonFinite { update: 1, metric: "breaks", value, term: Some("breaks"), env: None } = error else {
        panic!("{error}");
    };
    assert_eq!(value, f64::NEG_INFINITY);
    assert_eq!(error.to_string(), "update 1: `breaks` is -inf");
    // Four minibatches, and then one epoch again with the weights before the update, in which all values are finite.
    assert_eq!(*calls.lock().unwrap(), 4 + 2);
}

/// Returns a mean instead of one value per sample.
struct Averages;

impl LossTerm for Averages {
    fn name(&self) -> &'static str {
        "averages"
    }

    fn compute(&self, context: &LossContext<'_>) -> PerSample {
        PerSample::new(context.log_probs().mean())
    }
}

#[test]
#[should_panic(expected = "`averages` has 1 values for 3 samples: a term gives one per sample")]
fn a_term_that_returns_a_mean_is_named() {
    let samples = Samples::random(3, &mut EnvRng::new(1));
    let _ = Objective::new().with(1.0, Averages).compute(&samples.context(&Precision::all()[0]));
}
