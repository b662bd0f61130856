//! Parts that do not fit together are refused before training.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use burn_pg::{
    Config, Error, Learner, Parts, Trainer,
    advantage::{AdvantageEstimator, Bootstrap, Gae, RewardToGo},
    algorithm::Recipe,
    config::{Algo, ConfigError},
    distribution::{
        ActionMisfit, AnyDistribution, Bernoulli, Categorical, Distribution, Gaussian, MultiCategorical,
        SquashedGaussian, StateDependentGaussian,
    },
    envs::{
        EnvRng, Space, VectorEnv, make,
        wrapper::{ActionTransform, TransformActions},
    },
    loss::{ContextPart, Objective, ObjectiveError, PolicyGradient, Value},
    optim::{Sgd, SgdSpec, flatten_parameters},
    policy::{Observation, Policy, Prediction},
    source::{Collector, EnvSource, RolloutLength},
    update::Epochs,
};

use crate::helpers::flex;
use crate::settings::valid;

/// The distribution that a policy returns.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Categorical(usize),
    MultiCategorical,
    Bernoulli,
    Gaussian(usize),
    Squashed(usize),
    /// One component, with gSDE noise.
    SquashedHeld,
}

#[derive(Module, Debug)]
struct Fixed {
    weight: Param<Tensor<1>>,
    #[module(skip)]
    kind: Kind,
    /// Values for this many times the number of rows.
    #[module(skip)]
    values: Option<usize>,
}

impl Policy for Fixed {
    type Observation = Observation;
    type Dist = AnyDistribution;

    fn forward(&self, observation: Observation) -> Prediction<AnyDistribution> {
        let rows = observation.len();
        let outputs = |width: usize| self.weight.val().unsqueeze::<2>().expand([rows, width]);
        let prediction = Prediction::new(match self.kind {
            Kind::Categorical(n) => AnyDistribution::Categorical(Categorical::new(outputs(n))),
            Kind::MultiCategorical => AnyDistribution::MultiCategorical(MultiCategorical::new(outputs(2), &[2])),
            Kind::Bernoulli => AnyDistribution::Bernoulli(Bernoulli::new(outputs(2))),
            Kind::Gaussian(n) => AnyDistribution::Gaussian(Gaussian::new(outputs(n), outputs(n))),
            Kind::Squashed(n) => AnyDistribution::SquashedGaussian(SquashedGaussian::new(outputs(n), outputs(n))),
            Kind::SquashedHeld => {
                let log_std = Tensor::zeros([2, 1], &self.weight.device());
                let held = StateDependentGaussian::new(outputs(1), outputs(2), log_std, None);
                AnyDistribution::SquashedStateDependentGaussian(held.into())
            }
        });
        match self.values {
            None => prediction,
            Some(times) => prediction.with_values(self.weight.val().expand([times * rows])),
        }
    }
}

/// Returns the error of creating a trainer with such a policy.
fn refusal(
    env: &str,
    kind: Kind,
    values: Option<usize>,
    objective: Objective,
    estimator: Box<dyn AdvantageEstimator>,
) -> Option<Error> {
    refusal_in(make(env, 3).unwrap(), kind, values, objective, estimator)
}

/// Like [`refusal`], in these environments.
fn refusal_in(
    envs: Box<dyn VectorEnv>,
    kind: Kind,
    values: Option<usize>,
    objective: Objective,
    estimator: Box<dyn AdvantageEstimator>,
) -> Option<Error> {
    let config = Config::default().with(|config| config.env.name.clone_from(&envs.spec().id)).validate().unwrap();
    let weight = Param::from_tensor(Tensor::from_floats([0.0], &flex().autodiff()));
    let epochs = Epochs {
        learner: Learner {
            max_grad_norm: 0.5,
            normalize_advantages: true,
            ..Learner::new(objective, Box::new(Sgd::new(SgdSpec::default())))
        },
        learning_rate: 1e-3.into(),
        adapted: None,
        num_epochs: 1,
        num_minibatches: 1,
        target_kl: f64::INFINITY,
        shuffle: EnvRng::new(0),
    };
    let collector = Collector::new(envs, RolloutLength::Steps(8), 0, &flex()).unwrap();
    let parts = Parts {
        policy: Fixed { weight, kind, values },
        source: EnvSource::new(collector, estimator),
        update: Box::new(epochs),
    };
    Trainer::new(parts, &config, &flex()).err()
}

fn rewards() -> Box<dyn AdvantageEstimator> {
    Box::new(RewardToGo { gamma: 0.99, baseline: false, bootstrap: Bootstrap::Zero })
}

fn plain() -> Objective {
    Objective::new().with(1.0, PolicyGradient)
}

#[test]
fn a_policy_for_other_actions_is_refused() {
    let (cart, swing) = ("CartPole-v1", "Pendulum-v1");
    for (env, kind, distribution) in [
        (cart, Kind::Categorical(3), "one of 3 actions"),
        (swing, Kind::Categorical(2), "one of 2 actions"),
        (cart, Kind::MultiCategorical, "components of [2] actions"),
        (cart, Kind::Bernoulli, "2 components that are true or false"),
        (cart, Kind::Gaussian(1), "1 continuous numbers"),
        (swing, Kind::Gaussian(2), "2 continuous numbers"),
        (swing, Kind::Squashed(3), "3 continuous numbers"),
    ] {
        let error = refusal(env, kind, None, plain(), rewards()).unwrap();
        let Error::ActionMisfit(ActionMisfit { distribution: given, .. }) = &error else { panic!("{error}") };
        assert_eq!(given, distribution);
        let message = format!("the policy gives {distribution}, but the environment's actions are of the space ");
        assert!(error.to_string().starts_with(&message), "{error}");
    }
    for (env, kind) in [(cart, Kind::Categorical(2)), (swing, Kind::Gaussian(1))] {
        assert!(refusal(env, kind, None, plain(), rewards()).is_none(), "{kind:?}");
    }
}

#[test]
fn squashed_actions_are_refused_if_the_bounds_are_not_one() {
    for kind in [Kind::Squashed(1), Kind::SquashedHeld] {
        let error = refusal("Pendulum-v1", kind, None, plain(), rewards()).unwrap();
        assert_eq!(
            error.to_string(),
            "the policy gives 1 continuous numbers within ±1, but the environment's actions are of the space Box[1] \
             from [-2.0] to [2.0]"
        );
        // A transform gives the policy the bounds that it expects.
        let envs = make("Pendulum-v1", 3).unwrap();
        let rescaled = ActionTransform::rescale(&envs.spec().action_space).unwrap();
        let envs = TransformActions::new(envs, rescaled).unwrap();
        assert!(refusal_in(Box::new(envs), kind, None, plain(), rewards()).is_none(), "{kind:?}");
    }
    let (ones, zeros) = (|| vec![1.0; 2], || vec![0.0; 2]);
    let squashed = SquashedGaussian::new(Tensor::zeros([1, 2], &flex()), Tensor::zeros([1, 2], &flex()));
    let fits = |low, high| squashed.check_space(&Space::Box { low, high, shape: vec![2] }).is_ok();
    assert!(fits(vec![-1.0; 2], ones()));
    assert!(
        !fits(zeros(), ones()) && !fits(vec![-1.0; 2], vec![1.0, f32::INFINITY]) && !fits(vec![-1.0, -2.0], ones())
    );
}

#[test]
fn a_critic_must_give_one_value_per_observation() {
    let error = refusal("CartPole-v1", Kind::Categorical(2), Some(2), plain(), rewards()).unwrap();
    assert!(matches!(error, Error::Prediction { observations: 3, rows: 3, values: Some(6) }), "{error}");
}

#[test]
fn terms_and_estimators_that_need_a_critic_are_refused_without_one() {
    let fitted = || plain().with(0.5, Value::default());
    let refusal =
        |values, objective, estimator| refusal("CartPole-v1", Kind::Categorical(2), values, objective, estimator);
    let error = refusal(None, fitted(), rewards()).unwrap();
    let missing = ObjectiveError::Missing { term: "value_loss", part: ContextPart::Values };
    assert!(matches!(&error, Error::Objective(error) if *error == missing), "{error}");
    let critics: [fn() -> Box<dyn AdvantageEstimator>; 3] = [
        || Box::new(Gae { gamma: 0.99, lambda: 0.95 }),
        || Box::new(RewardToGo { gamma: 0.99, baseline: true, bootstrap: Bootstrap::Zero }),
        || Box::new(RewardToGo { gamma: 0.99, baseline: false, bootstrap: Bootstrap::NextValues }),
    ];
    for estimator in critics {
        let error = refusal(None, plain(), estimator()).unwrap();
        assert!(matches!(error, Error::NoCritic), "{error}");
        assert!(refusal(Some(1), fitted(), estimator()).is_none());
    }
}

#[test]
fn reinforce_has_no_critic() {
    let config = |text: &str| {
        let table = format!("algorithm.kind = 'reinforce'\n{text}");
        valid(&table)
    };
    let parameters = |text: &str| {
        let trainer = Trainer::of(&config(text), &flex()).unwrap();
        assert_eq!(config(text).algorithm.algo(), Algo::Reinforce);
        let [count] = flatten_parameters(trainer.policy()).dims();
        count
    };
    let actor = 4 * 64 + 64 + 64 * 64 + 64 + 64 * 2 + 2;
    assert_eq!(parameters(""), actor);
    // It has a critic if a term trains one.
    let value =
        "[[loss]]\nweight = 1\nterm = { kind = 'policy_gradient' }\n[[loss]]\nweight = 1\nterm = { kind = 'value' }";
    assert_eq!(parameters(value), 2 * actor - 64 - 1);
}

#[test]
fn whole_episodes_are_refused_without_a_time_limit_or_with_too_few_steps() {
    let refusal = |limit: Option<u32>, total_steps: u64| {
        let text = format!("algorithm.kind = 'reinforce'\ntotal_steps = {total_steps}");
        let config = valid(&text);
        let mut envs = make("CartPole-v1", config.env.num_envs).unwrap();
        envs.set_time_limit(limit).unwrap();
        Recipe::of(&config).unwrap().build(envs, &config, &flex()).map(|_| ())
    };
    let error = refusal(None, 100_000).unwrap_err();
    assert!(matches!(&error, Error::NoTimeLimit { env } if env == "CartPole-v1"), "{error}");
    let error = refusal(Some(10), 79).unwrap_err();
    let too_short = ConfigError::ShorterThanRollout { total_steps: 79, longest: 80 };
    assert!(matches!(&error, Error::Config(error) if *error == too_short), "{error}");
    refusal(Some(10), 80).unwrap();
}
