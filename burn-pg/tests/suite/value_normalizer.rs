//! Normalised values: what a critic learns, and what advantages are computed from.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use burn_pg::{
    advantage::Gae,
    algorithm::Recipe,
    distribution::Categorical,
    envs::{Env, EnvRng, EnvSpec, Space, Step, VecEnv, wrapper::RunningMoments},
    policy::{Observation, Policy, Prediction},
    source::{Batch, CollectContext, Collector, Experience, HostSource, RolloutLength, Source, ValueNormalizer},
};

use crate::{
    collector::Clock,
    helpers::flex,
    precision::{assert_close, values},
    settings::valid,
};

/// A policy whose value is the observation, normalised with this mean and standard deviation. Its action is always 1.
#[derive(Module, Debug)]
struct Probe {
    logits: Param<Tensor<1>>,
    #[module(skip)]
    mean: f64,
    #[module(skip)]
    std: f64,
}

impl Policy for Probe {
    type Observation = Observation;
    type Dist = Categorical;

    fn forward(&self, observation: Observation) -> Prediction<Categorical> {
        let logits = self.logits.val().unsqueeze::<2>().repeat_dim(0, observation.len());
        let outputs = observation.vector().squeeze_dim(1).sub_scalar(self.mean).div_scalar(self.std);
        Prediction::new(Categorical::new(logits)).with_values(outputs)
    }
}

fn normalizer(mean: f64, std: f64, count: f64) -> ValueNormalizer {
    ValueNormalizer { moments: RunningMoments { mean: vec![mean], variance: vec![std * std], count } }
}

/// Collects a rollout of 4 steps of three environments: truncated after 3 steps, terminated after 2, both after 3.
fn collect([mean, std]: [f64; 2], normalizer: Option<ValueNormalizer>) -> (Experience<Batch>, Option<ValueNormalizer>) {
    let envs = VecEnv::from_envs([9, 2, 3].map(Clock::new).into()).unwrap();
    let collector = Collector::new(Box::new(envs), RolloutLength::Steps(4), 0, &flex()).unwrap();
    let gae = Box::new(Gae { gamma: 0.9, lambda: 0.8 });
    let mut source = HostSource::new(collector, gae).with_value_normalizer(normalizer);
    let logits = Param::from_tensor(Tensor::from_floats([-50.0, 50.0], &flex()));
    let device = flex().autodiff();
    let context = CollectContext { update: 1, progress: 0.0, device: &device };
    let experience = source.collect(&Probe { logits, mean, std }, &context).unwrap();
    (experience, source.value_normalizer().cloned())
}

#[test]
fn advantages_are_those_of_values_in_the_unit_of_rewards_and_targets_are_normalised() {
    let (plain, none) = collect([0.0, 1.0], None);
    assert_eq!(none, None);
    let before = normalizer(180.0, 40.0, 10.0);
    let (normalised, after) = collect([180.0, 40.0], Some(before.clone()));
    let (plain_of, of) = (plain.samples, normalised.samples);
    let column = |column: &Option<Tensor<1>>| values(column.clone().unwrap());
    assert_close(&column(&of.advantages), &column(&plain_of.advantages), 1e-5, "advantages");
    let [ours, expected] = [&normalised.explained_variance, &plain.explained_variance].map(|share| share.unwrap());
    assert_close(&[ours], &[expected], 1e-5, "explained variance");

    let returns = column(&plain_of.returns);
    let mut moments = before.moments;
    moments.update(&returns);
    let after = after.unwrap().moments;
    assert_close(&[after.mean[0], after.variance[0]], &[moments.mean[0], moments.variance[0]], 1e-5, "moments");
    assert_eq!(after.count, 22.0);
    let normal = |numbers: Vec<f64>| -> Vec<f64> {
        numbers.into_iter().map(|number| (number - moments.mean[0]) / moments.variance[0].sqrt()).collect()
    };
    assert_close(&column(&of.returns), &normal(returns), 1e-4, "targets");
    assert_close(&column(&of.values), &normal(column(&plain_of.values)), 1e-4, "values of the rollout");
}

#[test]
fn values_are_finite_while_all_returns_are_equal() {
    let mut normalizer = ValueNormalizer::default();
    normalizer.update(&vec![3.0; 1 << 20]);
    let mut returns = [3.0, 4.0];
    normalizer.normalize(&mut returns);
    assert!(returns[0].abs() < 1.0 && returns[1].is_finite(), "{returns:?}");
    normalizer.denormalize(&mut returns);
    assert_close(&returns.map(f64::from), &[3.0, 4.0], 1e-4, "there and back");
}

/// A point that moves left or right. Rewards are a multiple of its position.
struct Point {
    reward: f64,
    at: f32,
}

impl Env for Point {
    type Action = u32;
    type State = f32;

    fn spec(&self) -> EnvSpec {
        EnvSpec { max_episode_steps: Some(20), ..EnvSpec::new("Point", Space::symmetric(&[5.0]), Space::discrete(2)) }
    }

    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        #[allow(clippy::cast_possible_truncation)]
        let at = rng.uniform(-1.0, 1.0) as f32;
        self.at = at;
        observation[0] = at;
    }

    fn step(&mut self, action: u32, _: &mut EnvRng, observation: &mut [f32]) -> Step {
        self.at += if action == 1 { 0.1 } else { -0.1 };
        observation[0] = self.at;
        Step { reward: self.reward * (1.0 + f64::from(self.at)), terminated: false, truncated: false }
    }

    fn state(&self) -> f32 {
        self.at
    }

    fn set_state(&mut self, at: f32) {
        self.at = at;
    }
}

/// The first values of a critic are small compared with rewards of either scale.
#[test]
fn with_normalised_values_the_scale_of_rewards_changes_no_loss() {
    let losses = |scale: f64, normalize: bool| {
        let settings = format!(
            "total_steps = 2048\nnum_envs = 8\nnum_steps = 64\nhidden_sizes = [16]\nlearning_rate = 1e-3\nnormalize_values = {normalize}"
        );
        let envs = (0..8).map(|_| Point { reward: scale, at: 0.0 }).collect();
        let (config, envs) = (valid(&settings), VecEnv::from_envs(envs).unwrap());
        let mut trainer = Recipe::of(&config).unwrap().build(Box::new(envs), &config, &flex()).unwrap();
        let mut losses = Vec::new();
        for _ in 0..4 {
            let stats = trainer.update().unwrap();
            losses.extend(["value_loss", "policy_loss", "approx_kl", "entropy_loss"].map(|name| stats.losses[name]));
            losses.push(stats.explained_variance.unwrap());
        }
        losses
    };
    let [small, large] = [1024.0, 1_048_576.0].map(|scale| losses(scale, true));
    assert_close(&small, &large, 1e-2, "losses");
    let [small, large] = [1024.0, 1_048_576.0].map(|scale| losses(scale, false)[0]);
    assert!(large > 1e5 * small, "{small} {large}");
}
