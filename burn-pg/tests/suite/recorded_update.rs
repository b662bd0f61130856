//! Whole updates, recorded from CleanRL.

use std::collections::BTreeMap;

use burn_pg::{
    Learner,
    advantage::Targets,
    envs::Space,
    loss::{Entropy, Objective, PpoClip, Value, ValueClip},
    optim::{Adam, AdamSpec},
    source::{self, Batch, Observations},
};
use serde::Deserialize;

use crate::{
    golden::{Array, golden},
    network::{RecordedActions, Weights, actor_critic},
    policy_with_learner::PolicyWithLearner,
    precision::Precision,
    trajectory::{Exact, Owned, rounded},
};

/// Returns the recording of this name.
pub fn recorded_update(name: &str) -> Case {
    let File { case } = golden(&format!("update/ppo_cleanrl_{name}.json"));
    assert!(!case.iterations.is_empty());
    case
}

#[derive(Deserialize)]
struct File {
    case: Case,
}

#[derive(Deserialize)]
pub struct Case {
    pub hyper: Hyper,
    pub iterations: Vec<Iteration>,
}

#[derive(Deserialize)]
pub struct Hyper {
    pub lr: f64,
    pub adam_eps: f64,
    pub gamma: f64,
    pub gae_lambda: f64,
    pub num_minibatches: usize,
    pub update_epochs: usize,
    pub clip_coef: f64,
    pub norm_adv: bool,
    pub clip_vloss: bool,
    pub ent_coef: f64,
    pub vf_coef: f64,
    pub max_grad_norm: f64,
    pub target_kl: Option<f64>,
}

#[derive(Deserialize)]
pub struct Iteration {
    pub weights_before: Weights,
    pub adam_before: Option<BTreeMap<String, Moments>>,
    pub rollout: Rollout,
    pub permutations: Vec<Vec<u32>>,
    pub expected: Expected,
}

#[derive(Deserialize)]
pub struct Moments {
    pub step: u64,
    pub exp_avg: Array,
    pub exp_avg_sq: Array,
}

#[derive(Deserialize)]
pub struct Rollout {
    pub obs: Vec<Vec<Vec<f64>>>,
    pub actions: Vec<RecordedActions>,
    pub log_probs: Vec<Vec<f64>>,
    pub values: Vec<Vec<f64>>,
    pub next_value: Vec<f64>,
    pub rewards: Vec<Vec<f64>>,
    pub dones_before_step: Vec<Vec<f64>>,
    pub next_done: Vec<f64>,
}

#[derive(Deserialize)]
pub struct Expected {
    pub advantages: Vec<Vec<f64>>,
    pub returns: Vec<Vec<f64>>,
    pub grad_norms_before_clip: Vec<f64>,
    pub losses_loss_pg_v_entropy_kl: Vec<[f64; 5]>,
    pub clip_fractions: Vec<f64>,
    pub epochs_run: usize,
    pub explained_variance: f64,
    pub weights_after: Weights,
    pub adam_after: Option<BTreeMap<String, Moments>>,
}

impl Hyper {
    /// Returns a policy with the recorded weights and a learner with CleanRL's hyperparameters.
    pub fn learner(&self, weights: &Weights, precision: &Precision) -> PolicyWithLearner {
        let clip_range = self.clip_coef;
        let clip = if self.clip_vloss { ValueClip::Pessimistic { range: clip_range.into() } } else { ValueClip::Off };
        let learner = Learner {
            max_grad_norm: self.max_grad_norm,
            normalize_advantages: self.norm_adv,
            ..Learner::new(
                Objective::new()
                    .with(1.0, PpoClip::new(clip_range))
                    .with(self.vf_coef, Value { clip })
                    .with(self.ent_coef, Entropy),
                Box::new(Adam::new(AdamSpec { epsilon: self.adam_eps, ..AdamSpec::default() })),
            )
        };
        PolicyWithLearner { policy: actor_critic(weights, precision), learner }
    }
}

impl Iteration {
    /// Returns the samples of the rollout, with the recorded advantages and returns.
    pub fn batch(&self, precision: &Precision) -> Batch {
        let Expected { advantages, returns, .. } = &self.expected;
        self.batch_with(&Targets { advantages: advantages.concat(), returns: returns.concat() }, precision)
    }

    /// Returns the samples of the rollout as recorded, in the precision of the device.
    pub fn batch_with(&self, targets: &Targets, precision: &Precision) -> Batch {
        let Rollout { obs, actions, log_probs, values, .. } = &self.rollout;
        let observations = precision.matrix(&obs.concat()).into();
        let actions = RecordedActions::concat(actions).tensor(precision);
        Batch {
            values: Some(precision.vector(&values.concat())),
            advantages: Some(precision.vector(&targets.advantages)),
            returns: Some(precision.vector(&targets.returns)),
            ..Batch::new(observations, actions, precision.vector(&log_probs.concat()))
        }
    }

    /// Returns the rollout in double precision, as CleanRL computed it.
    pub fn trajectory(&self) -> Exact {
        let Rollout { rewards, values, next_value, dones_before_step, next_done, .. } = &self.rollout;
        Exact::of_one_flag((rewards, values), next_value, dones_before_step, next_done)
    }

    /// Returns the rollout in single precision, as we store it.
    pub fn rollout(&self) -> source::Rollout {
        let Rollout { obs, actions, log_probs, dones_before_step, .. } = &self.rollout;
        let Owned { num_envs, rewards, values, next_values, terminated, truncated, .. } = self.trajectory().rounded();
        let steps = rewards.len();
        let mut observations = Observations::new(&Space::symmetric(&vec![1.0; obs[0][0].len()]));
        observations.extend(&rounded(&obs.concat()));
        source::Rollout {
            log_probs: rounded(log_probs),
            values,
            next_values,
            rewards,
            terminated,
            truncated,
            valid: vec![true; steps],
            begins: dones_before_step.iter().flatten().map(|&done| done > 0.5).collect(),
            ..source::Rollout::new(num_envs, observations, RecordedActions::concat(actions).buffer())
        }
    }
}
