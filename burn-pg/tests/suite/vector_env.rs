//! Vector environments that are implemented outside `burn-pg-envs`.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use burn_pg::{
    Config, Error, Trainer, UpdateStats,
    algorithm::Recipe,
    config::{Algo, CheckedConfig, Faults, OnEnvironment, PpoConfig},
    distribution::Categorical,
    envs::{Actions, EnvError, EnvSpec, Fault, StepBatch, VecEnv, VectorEnv, classic::CartPole},
    policy::{Observation, Policy, Prediction},
    source::Source,
    storage::Misfit,
};

use crate::helpers::{flex, ignore};

type Shorten = fn(&mut StepBatch);

/// `CartPole` with the five required methods only. It can give vectors of a wrong length from some step on.
struct Bare {
    inner: VecEnv<CartPole>,
    batch: StepBatch,
    steps: usize,
    /// Steps in which an environment fails.
    fails: &'static [usize],
    shorten: Option<(usize, Shorten)>,
}

impl Bare {
    fn new(num_envs: usize, shorten: Option<(usize, Shorten)>) -> Box<Self> {
        let inner = VecEnv::<CartPole>::new(num_envs).unwrap();
        Box::new(Self { batch: inner.batch().clone(), inner, steps: 0, fails: &[], shorten })
    }
}

impl VectorEnv for Bare {
    fn spec(&self) -> &EnvSpec {
        self.inner.spec()
    }

    fn num_envs(&self) -> usize {
        self.inner.num_envs()
    }

    fn batch(&self) -> &StepBatch {
        &self.batch
    }

    fn reset_each(&mut self, seeds: &[u64]) -> Result<&StepBatch, EnvError> {
        self.batch.clone_from(self.inner.reset_each(seeds)?);
        Ok(&self.batch)
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<&StepBatch, EnvError> {
        self.batch.clone_from(self.inner.step(actions)?);
        self.steps += 1;
        if self.fails.contains(&self.steps) {
            let fault = Fault::Reported { message: "the simulator has stopped".into() };
            return Err(EnvError::Failed { env: 2, seed: 0, steps: self.steps as u64, fault });
        }
        if let Some((_, shorten)) = self.shorten.filter(|(from, _)| self.steps >= *from) {
            shorten(&mut self.batch);
        }
        Ok(&self.batch)
    }
}

fn config(algo: Algo) -> CheckedConfig {
    let total_steps = if algo == Algo::Ppo { 2_000 } else { 50_000 };
    let config = Config::default().with(|config| {
        config.env.num_envs = 8;
        config.rollout.num_steps = 32;
        config.run.total_steps = total_steps;
        config.algorithm = algo.into();
    });
    let ppo = PpoConfig { num_minibatches: 2, ..PpoConfig::default() };
    config
        .with(|config| {
            if algo == Algo::Ppo {
                config.algorithm = ppo.into();
            }
        })
        .validate()
        .unwrap()
}

fn updates<P: Policy, S: Source<P>>(mut trainer: Trainer<P, S>) -> Vec<UpdateStats> {
    (0..5).map(|_| trainer.update().unwrap()).collect()
}

#[test]
fn the_five_required_methods_train_exactly_as_a_full_implementation() {
    let (config, device) = (config(Algo::Ppo), flex());
    let build = |envs| Recipe::of(&config).unwrap().build(envs, &config, &device).unwrap();
    let whole = updates(build(Box::new(VecEnv::<CartPole>::new(8).unwrap())));
    assert_eq!(updates(build(Bare::new(8, None))), whole);
}

#[test]
fn rollouts_of_whole_episodes_need_no_partial_resets() {
    let (config, device) = (config(Algo::Reinforce), flex());
    let build = || Recipe::of(&config).unwrap().build(Bare::new(8, None), &config, &device).unwrap();
    let history = updates(build());
    assert_eq!(updates(build()), history, "a seed gives the same run");
    let steps: Vec<u64> = history.iter().map(|stats| stats.env_steps).collect();
    assert!(steps.windows(2).any(|pair| pair[1] != 2 * pair[0]), "episodes have their own starts: {steps:?}");
}

#[test]
fn checkpointing_environments_that_cannot_be_saved_is_a_typed_error() {
    let (config, device) = (config(Algo::Ppo), flex());
    let mut trainer = Recipe::of(&config).unwrap().build(Bare::new(8, None), &config, &device).unwrap();
    trainer.update().unwrap();
    let error = trainer.checkpoint().unwrap_err();
    assert_eq!(error.to_string(), "`CartPole-v1` does not implement `VectorEnv::save`: a checkpoint needs it");
    assert!(matches!(error, Error::Misfit(Misfit::Envs(EnvError::Unsupported { method: "save", .. }))), "{error:?}");
    trainer.update().unwrap();
}

#[test]
fn a_run_survives_an_environment_that_fails_and_cannot_restart_alone() {
    let faults = Faults { environment: OnEnvironment::Restart, limit: 2, ..Faults::default() };
    let config = (*config(Algo::Ppo)).clone().with(|config| config.faults = faults).validate().unwrap();
    let recipe = || Recipe::of(&config).unwrap();
    let failing = |fails| Box::new(Bare { fails, ..*Bare::new(8, None) });
    // The third step, and a step after the reset of all environments that follows.
    let mut trainer = recipe().build(failing(&[3, 40]), &config, &flex()).unwrap();
    trainer.run(&mut ignore).unwrap();
    assert_eq!(trainer.faults(), 2);

    let mut trainer = recipe().build(failing(&[3]), &config, &flex()).unwrap();
    let error = trainer.update().unwrap_err();
    let is_reported = matches!(&error, Error::EnvInUpdate { source: EnvError::Failed { env: 2, fault, .. }, .. }
        if fault.to_string() == "the simulator has stopped");
    assert!(is_reported, "{error:?}");
}

/// A policy that acts on the device, because it has no copy on the host.
#[derive(Module, Debug)]
struct OnDevice {
    logits: Param<Tensor<1>>,
}

impl Policy for OnDevice {
    type Observation = Observation;
    type Dist = Categorical;

    fn forward(&self, observation: Observation) -> Prediction<Categorical> {
        let logits = self.logits.val().unsqueeze::<2>().repeat_dim(0, observation.len());
        let values = observation.vector().mean_dim(1).squeeze_dim(1);
        Prediction::new(Categorical::new(logits)).with_values(values)
    }
}

#[test]
fn a_vector_of_a_wrong_length_is_named_on_the_host_and_on_the_device() {
    let (config, device) = (config(Algo::Ppo), flex());
    let shorten: [(&str, Shorten); 6] = [
        ("observations` of `CartPole-v1` has 31 elements; 8 environments need 32", |batch| {
            batch.observations.truncate(31);
        }),
        ("rewards` of `CartPole-v1` has 9 elements; 8 environments need 8", |batch| batch.rewards.push(0.0)),
        ("terminated` of `CartPole-v1` has 0 elements; 8", |batch| batch.terminated.clear()),
        ("final_observations` of `CartPole-v1` has 4 elements; 8", |batch| batch.final_observations.truncate(4)),
        ("action_masks` of `CartPole-v1` has 16 elements; 8 environments need 0", |batch| {
            batch.action_masks = vec![true; 16];
        }),
        ("episode_lengths` of `CartPole-v1` has 7 elements; 8", |batch| batch.episode_lengths.truncate(7)),
    ];
    for (named, shorten) in shorten {
        // In the first step, in the middle of a rollout, and in the first step of the second one.
        for from in [1, 20, 33] {
            let recipe = || Recipe::of(&config).unwrap();
            let on_host = recipe().build(Bare::new(8, Some((from, shorten))), &config, &device).unwrap();
            let on_device =
                recipe().build_with(Bare::new(8, Some((from, shorten))), &config, &device, |_, _, device| {
                    Ok(OnDevice { logits: Param::from_tensor(Tensor::zeros([2], device)) })
                });
            for error in [first_error(on_host), first_error(on_device.unwrap())] {
                assert!(error.contains(named), "{named}: {error}");
            }
        }
    }
}

fn first_error<P: Policy, S: Source<P>>(mut trainer: Trainer<P, S>) -> String {
    let error = (0..3).find_map(|_| trainer.update().err()).unwrap();
    let causes: Vec<String> = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
        .map(ToString::to_string)
        .collect();
    causes.join(": ")
}
