//! Whole updates compared with `train` of Stable-Baselines3's PPO and A2C: advantages, every logged value, weights and the
//! state of the optimiser.

use std::collections::BTreeMap;

use burn_pg::{
    Learner,
    advantage::{AdvantageEstimator, Gae, Targets, explained_variance},
    loss::{Entropy, Objective, PolicyGradient, PpoClip, Value, ValueClip},
    optim::{AdamSpec, OptimiserSpec, OptimiserState, RmsPropSpec},
    policy::ActorCritic,
    source::Batch,
};
use serde::Deserialize;

use crate::{
    golden::{Array, golden},
    network::{RecordedActions, Weights, actor_critic, flat, recorded},
    policy_with_learner::PolicyWithLearner,
    precision::{Precision, assert_close, assert_relative, values},
    trajectory::{Exact, rounded},
};

/// Stable-Baselines3 computes in single precision.
const TOLERANCE: f64 = 5e-6;

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    algorithm: Algorithm,
    hyper: Hyper,
    weights_before: Weights,
    obs: Vec<Vec<Vec<f64>>>,
    actions: Vec<Vec<Vec<f64>>>,
    rewards: Vec<Vec<f64>>,
    episode_starts: Vec<Vec<f64>>,
    values: Vec<Vec<f64>>,
    old_log_probs: Vec<Vec<f64>>,
    last_values: Vec<f64>,
    last_dones: Vec<bool>,
    permutations: Vec<Vec<usize>>,
    #[serde(rename = "expected_f32")]
    expected: Expected,
}

#[derive(Deserialize, PartialEq)]
enum Algorithm {
    #[serde(rename = "PPO")]
    Ppo,
    A2C,
}

#[derive(Deserialize)]
struct Hyper {
    n_epochs: usize,
    batch_size: usize,
    gamma: f64,
    gae_lambda: f64,
    ent_coef: f64,
    vf_coef: f64,
    max_grad_norm: f64,
    normalize_advantage: bool,
    clip_range: Option<f64>,
    clip_range_vf: Option<f64>,
    target_kl: Option<f64>,
    learning_rate: f64,
    #[serde(flatten)]
    optimizer: Optimizer,
}

#[derive(Deserialize)]
#[serde(tag = "optimizer", content = "optimizer_defaults")]
enum Optimizer {
    Adam { betas: [f64; 2], eps: f64, weight_decay: f64 },
    RMSprop { alpha: f64, eps: f64, momentum: f64, centered: bool, weight_decay: f64 },
}

impl Optimizer {
    fn spec(&self) -> OptimiserSpec {
        match *self {
            Self::Adam { betas: [beta_1, beta_2], eps: epsilon, weight_decay } => {
                OptimiserSpec::Adam(AdamSpec { beta_1, beta_2, epsilon, weight_decay })
            }
            Self::RMSprop { alpha, eps: epsilon, momentum, centered, weight_decay } => {
                OptimiserSpec::RmsProp(RmsPropSpec { alpha, epsilon, momentum, centered, weight_decay })
            }
        }
    }

    /// Our names of the tensors in its state, and theirs.
    fn state_tensors(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Adam { .. } => &[("first_moment", "exp_avg"), ("second_moment", "exp_avg_sq")],
            Self::RMSprop { .. } => &[("square_average", "square_avg")],
        }
    }
}

#[derive(Deserialize)]
struct Expected {
    advantages: Vec<Vec<f64>>,
    returns: Vec<Vec<f64>>,
    weights_after: Weights,
    /// By tensor; empty if no step was taken.
    optimizer_state_in_parameter_order: Vec<BTreeMap<String, StateEntry>>,
    parameter_order: Vec<String>,
    log: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum StateEntry {
    Step(f64),
    Tensor(Array),
}

#[test]
fn whole_updates_match_stable_baselines3() {
    let file: File = golden("update/sb3_train.json");
    for algorithm in [Algorithm::Ppo, Algorithm::A2C] {
        assert!(file.cases.iter().any(|case| case.algorithm == algorithm));
    }
    assert!(file.cases.iter().any(|case| case.hyper.target_kl.is_some()));
    for (i, case) in file.cases.iter().enumerate() {
        // A software driver of a GPU takes long for whole updates.
        let precisions = if i == 0 { Precision::all() } else { Precision::on_cpus() };
        for precision in &precisions {
            case.check(precision);
        }
    }
}

impl Case {
    fn check(&self, precision: &Precision) {
        let what = |part: &str| format!("{} {:?} {:?} {part}", self.name, precision.backend, precision.dtype);
        let targets = self.estimate();
        assert_close(&targets.advantages, &self.expected.advantages.concat(), TOLERANCE, &what("advantages"));
        assert_close(&targets.returns, &self.expected.returns.concat(), TOLERANCE, &what("returns"));

        let mut learner = self.learner(precision);
        let training = self.train(&mut learner, &self.batch(precision));
        for (key, &logged) in &self.expected.log {
            let ours = self.logged(key, &training, &learner.policy);
            assert_close(&[ours], &[logged], TOLERANCE, &what(key));
        }
        let expected = cleanrls(&self.expected.weights_after);
        for (name, weights) in recorded(&learner.policy, None) {
            assert_close(&weights, &expected[&name].transposed().flat(), TOLERANCE, &what(&name));
        }
        self.check_optimiser(&learner, training.steps, &what("optimiser"));
    }

    fn estimate(&self) -> Targets {
        let last_dones: Vec<f64> = self.last_dones.iter().map(|&done| f64::from(u8::from(done))).collect();
        let trajectory =
            Exact::of_one_flag((&self.rewards, &self.values), &self.last_values, &self.episode_starts, &last_dones)
                .rounded();
        Gae { gamma: self.hyper.gamma, lambda: self.hyper.gae_lambda }.estimate(&trajectory.view())
    }

    fn learner(&self, precision: &Precision) -> PolicyWithLearner {
        let Hyper { clip_range, clip_range_vf, vf_coef, ent_coef, .. } = self.hyper;
        let objective = match self.algorithm {
            Algorithm::Ppo => Objective::new().with(1.0, PpoClip::new(clip_range.unwrap())),
            Algorithm::A2C => Objective::new().with(1.0, PolicyGradient),
        };
        let clip = clip_range_vf.map_or(ValueClip::Off, |range| ValueClip::Hard { range: range.into() });
        // Their squared error has no factor of 1/2.
        let objective = objective.with(2.0 * vf_coef, Value { clip }).with(ent_coef, Entropy);
        let learner = Learner {
            max_grad_norm: self.hyper.max_grad_norm,
            normalize_advantages: self.hyper.normalize_advantage,
            ..Learner::new(objective, self.hyper.optimizer.spec().build())
        };
        PolicyWithLearner { policy: actor_critic(&cleanrls(&self.weights_before), precision), learner }
    }

    fn batch(&self, precision: &Precision) -> Batch {
        let actions = self.actions.concat();
        let actions = match self.weights_before.contains_key("log_std") {
            true => RecordedActions::Continuous(actions),
            #[allow(clippy::cast_possible_truncation)] // whole numbers
            false => RecordedActions::Discrete(actions.concat().into_iter().map(|action| action as i64).collect()),
        };
        let observations = precision.matrix(&self.obs.concat()).into();
        let log_probs = precision.vector(&self.old_log_probs.concat());
        Batch {
            values: Some(precision.vector(&self.values.concat())),
            advantages: Some(precision.vector(&self.expected.advantages.concat())),
            returns: Some(precision.vector(&self.expected.returns.concat())),
            ..Batch::new(observations, actions.tensor(precision), log_probs)
        }
    }

    /// Trains on the recorded permutations with their rule for the target KL divergence, which is not ours: they check
    /// before each step, and if it exceeds 1.5 times the target, they skip this step and all later ones.
    fn train(&self, learner: &mut PolicyWithLearner, batch: &Batch) -> Training {
        let mut training = Training::default();
        for permutation in &self.permutations {
            assert!(!training.stopped, "{}: they went on", self.name);
            training.epochs.push(Vec::new());
            let order: Vec<u32> = permutation.iter().map(|&index| self.row(index)).collect();
            for minibatch in batch.select(&order).minibatches(self.hyper.batch_size) {
                let (_, metrics) = learner.gradient(minibatch.clone());
                let metrics: Metrics = metrics.into_iter().map(|(name, value)| (name, values(value)[0])).collect();
                training.stopped = self.hyper.target_kl.is_some_and(|target_kl| metrics["approx_kl"] > 1.5 * target_kl);
                training.epochs.last_mut().unwrap().push(metrics);
                if training.stopped {
                    break;
                }
                let _ = learner.step(minibatch, self.hyper.learning_rate);
                training.steps += 1;
            }
        }
        assert!(training.stopped || training.epochs.len() == self.hyper.n_epochs, "{}: they stopped", self.name);
        training
    }

    /// Their samples are ordered by environment.
    fn row(&self, index: usize) -> u32 {
        let (steps, num_envs) = (self.rewards.len(), self.rewards[0].len());
        let (env, step) = (index / steps, index % steps);
        (step * num_envs + env).try_into().unwrap()
    }

    /// Returns our value for a name that they log.
    fn logged(&self, key: &str, training: &Training, policy: &ActorCritic) -> f64 {
        match key {
            "train/policy_gradient_loss" | "train/policy_loss" => training.mean("policy_loss"),
            "train/value_loss" => 2.0 * training.mean("value_loss"),
            "train/entropy_loss" => training.mean("entropy_loss"),
            "train/clip_fraction" => training.mean("clip_fraction"),
            // They log the mean of the last epoch only,
            "train/approx_kl" => mean(training.epochs.last().unwrap(), "approx_kl"),
            // and here the value of the last minibatch.
            "train/loss" => training.epochs.last().unwrap().last().unwrap()["loss"],
            "train/explained_variance" => {
                explained_variance(&rounded(&self.values), &self.expected.returns.concat()).unwrap()
            }
            "train/std" => {
                let deviations =
                    &recorded(policy, None).into_iter().find(|(name, _)| name == "actor_logstd").unwrap().1;
                deviations.iter().map(|log_std| log_std.exp()).sum::<f64>() / deviations.len() as f64
            }
            "train/n_updates" => training.epochs.len() as f64,
            "train/learning_rate" => self.hyper.learning_rate,
            "train/clip_range" => self.hyper.clip_range.unwrap(),
            "train/clip_range_vf" => self.hyper.clip_range_vf.unwrap(),
            other => panic!("{other} is logged, and not compared"),
        }
    }

    fn check_optimiser(&self, learner: &PolicyWithLearner, taken: u64, what: &str) {
        let OptimiserState { steps, tensors } = learner.optimiser.state();
        assert_eq!(steps, taken, "{what}");
        let theirs = &self.expected.optimizer_state_in_parameter_order;
        assert_eq!(theirs.len(), self.expected.parameter_order.len(), "{what}");
        if taken == 0 {
            assert!(theirs.iter().all(BTreeMap::is_empty) && tensors.is_empty(), "{what}");
            return;
        }
        let names = self.hyper.optimizer.state_tensors();
        assert_eq!(tensors.len(), names.len(), "{what}");
        for &(ours, name) in names {
            let parameters = self.expected.parameter_order.iter().zip(theirs);
            let arrays: Weights = parameters
                .map(|(parameter, state)| {
                    assert_eq!(state.len(), 1 + names.len(), "{what} {parameter}");
                    let (StateEntry::Step(step), StateEntry::Tensor(array)) = (&state["step"], &state[name]) else {
                        panic!("{what} {parameter}");
                    };
                    assert_close(&[*step], &[taken as f64], 0.0, &format!("{what} {parameter}"));
                    (parameter.clone(), array.clone())
                })
                .collect();
            let expected = flat(&learner.policy, &cleanrls(&arrays));
            // Squares are far below 1, so the bound is relative. Those of biases are squares of small differences of sums
            // with another order of summation: the largest difference seen was 5.7e-6 of the largest value.
            assert_relative(&values(tensors[ours].clone()), &expected, 4.0 * TOLERANCE, &format!("{what} {ours}"));
        }
    }
}

type Metrics = BTreeMap<&'static str, f64>;

/// The metrics before each step, and before the step that was not taken.
#[derive(Default)]
struct Training {
    epochs: Vec<Vec<Metrics>>,
    steps: u64,
    stopped: bool,
}

impl Training {
    fn mean(&self, metric: &str) -> f64 {
        mean(&self.epochs.concat(), metric)
    }
}

fn mean(minibatches: &[Metrics], metric: &str) -> f64 {
    minibatches.iter().map(|metrics| metrics[metric]).sum::<f64>() / minibatches.len() as f64
}

/// Renames their tensors to CleanRL's names.
fn cleanrls(weights: &Weights) -> Weights {
    let actor = if weights.contains_key("log_std") { "actor_mean" } else { "actor" };
    // Every other layer is an activation, so the index of the output layer is twice the number of hidden layers.
    let hidden = |network: &str| weights.keys().filter(|key| key.contains(network) && key.ends_with("weight")).count();
    let name = |name: &str| match name.split('.').collect::<Vec<_>>()[..] {
        ["log_std"] => "actor_logstd".into(),
        ["mlp_extractor", "policy_net", layer, kind] => format!("{actor}.{layer}.{kind}"),
        ["mlp_extractor", "value_net", layer, kind] => format!("critic.{layer}.{kind}"),
        ["action_net", kind] => format!("{actor}.{}.{kind}", 2 * hidden("policy_net")),
        ["value_net", kind] => format!("critic.{}.{kind}", 2 * hidden("mlp_extractor.value_net")),
        _ => panic!("{name}"),
    };
    weights.iter().map(|(theirs, array)| (name(theirs), array.clone())).collect()
}
