//! Reference policies: log-probabilities of a rollout, resuming, and failed rollouts.

use burn::module::Module as _;
use burn_pg::{
    Config, Error, StepQuantity,
    advantage::Gae,
    algorithm::Recipe,
    config::{PpoConfig, Recurrence, RecurrentSpec},
    envs::{Env, EnvRng, EnvSpec, Space, Step, VecEnv, VectorEnv, make},
    policy::{ActorCritic, CellKind, NetworkSpec},
    source::{Batch, CollectContext, Collector, EnvSource, Reference, RolloutLength, SequenceSpec, Source as _},
};

use crate::helpers::ignore;
use crate::precision::{assert_close, open_devices, values};

const ENVS: usize = 3;

/// Collects `total / steps` rollouts of `steps` steps in sequences of `length` with another policy. Returns the
/// log-probabilities under the reference, time-major.
fn reference_log_probs(device: &burn::tensor::Device, steps: usize, length: usize, micro_batch: usize) -> Vec<f64> {
    let (spec, total) = (burn_pg::envs::spec("CartPole-v1").unwrap(), 32);
    let shape = NetworkSpec { recurrence: Some((CellKind::Gru, 4)), ..NetworkSpec::default() };
    let autodiff = device.clone().autodiff();
    let policy = |seed| ActorCritic::new(&spec, &shape, &mut EnvRng::new(seed), &autodiff).unwrap();
    let (acting, reference) = (policy(1).valid(), policy(2));
    let collector = Collector::new(make("CartPole-v1", ENVS).unwrap(), RolloutLength::Steps(steps), 0, device)
        .unwrap()
        .with_sequences(SequenceSpec { steps: length, burn_in: 0 });
    let reference = Reference::new(&reference).with_micro_batch(micro_batch);
    let mut source =
        EnvSource::new(collector, Box::new(Gae { gamma: 0.99, lambda: 0.95 })).with_reference(Some(reference));
    let mut all = Vec::new();
    for update in 0..(total / steps) as u64 {
        let context = CollectContext { update, progress: 0.0, device: &autodiff };
        let samples: Batch = source.collect(&acting, &context).unwrap().samples;
        // From sequence-major to time-major order.
        let of_batch = values(samples.reference_log_probs.unwrap());
        for step in 0..steps {
            let row = |env| ((step / length) * ENVS + env) * length + step % length;
            all.extend((0..ENVS).map(|env| of_batch[row(env)]));
        }
    }
    all
}

#[test]
fn a_recurrent_reference_keeps_its_own_recurrent_state() {
    for open in open_devices() {
        let whole = reference_log_probs(&open.device, 32, 32, usize::MAX);
        for (steps, length, micro_batch) in [(32, 8, usize::MAX), (16, 16, usize::MAX), (8, 4, 5), (16, 8, 1)] {
            let what = format!("rollouts of {steps} in sequences of {length}");
            assert_close(&reference_log_probs(&open.device, steps, length, micro_batch), &whole, 1e-5, &what);
        }
    }
}

#[test]
fn a_resumed_run_with_a_recurrent_reference_equals_the_uninterrupted_one() {
    // Only CPUs repeat to the bit: a GPU may add in another order from run to run.
    for open in open_devices().into_iter().filter(|open| open.backend.is_cpu()) {
        let config = Config::default().with(|config| {
            config.run.total_steps = 2_048;
            config.env.num_envs = 4;
            config.rollout.num_steps = 64;
            config.network.recurrence = Recurrence::Gru(RecurrentSpec { size: 4, sequence_steps: 16, burn_in: 0 });
            config.algorithm = PpoConfig { kl_in_reward: 0.1, ..PpoConfig::default() }.into();
        });
        let config = config.validate().unwrap();
        let trainer = || {
            let envs = make(&config.env.name, config.env.num_envs).unwrap();
            Recipe::of(&config).unwrap().build(envs, &config, &open.device).unwrap()
        };
        let mut run = trainer();
        (0..3).for_each(|_| drop(run.update().unwrap()));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("three");
        run.checkpoint().unwrap().write(&path).unwrap();
        let mut resumed = trainer();
        resumed.restore(burn_pg::run::checkpoint::Checkpoint::read(&path).unwrap()).unwrap();
        for _ in 0..2 {
            let (expected, found) = (run.update().unwrap(), resumed.update().unwrap());
            assert_eq!(found, expected);
            assert!(expected.losses.contains_key("kl_in_reward"));
        }
    }
}

#[test]
fn a_penalty_that_overflows_is_named() {
    let config = Config::default()
        .with(|config| {
            config.run.total_steps = 4_096;
            config.algorithm = PpoConfig { kl_in_reward: 1e300, ..PpoConfig::default() }.into();
        })
        .validate()
        .unwrap();
    let device = &open_devices()[0].device;
    let envs = make(&config.env.name, config.env.num_envs).unwrap();
    let mut trainer = Recipe::of(&config).unwrap().build(envs, &config, device).unwrap();
    let error = trainer.run(&mut ignore).unwrap_err();
    assert!(matches!(error, Error::Step { quantity: StepQuantity::ShapedReward, .. }), "{error}");
    assert!(error.to_string().contains("`kl_in_reward`"), "{error}");
}

/// Observes the number of its steps. If `spoilt`, the reward of step 10 is too large for single precision.
struct Drift {
    steps: u32,
    spoilt: bool,
}

impl Env for Drift {
    type Action = u32;
    type State = u32;

    fn spec(&self) -> EnvSpec {
        let spec = EnvSpec::new("Drift-v0", Space::symmetric(&[1.0]), Space::discrete(2));
        EnvSpec { max_episode_steps: Some(100), ..spec }
    }

    fn reset(&mut self, _: &mut EnvRng, observation: &mut [f32]) {
        self.steps = 0;
        observation[0] = 0.0;
    }

    fn step(&mut self, _: u32, _: &mut EnvRng, observation: &mut [f32]) -> Step {
        self.steps += 1;
        observation[0] = (self.steps as f32).sin();
        let reward = if self.spoilt && self.steps == 10 { 1e300 } else { 1.0 };
        Step { reward, terminated: false, truncated: false }
    }

    fn state(&self) -> u32 {
        self.steps
    }

    fn set_state(&mut self, steps: u32) {
        self.steps = steps;
    }
}

#[test]
fn the_reference_follows_a_rollout_that_is_given_up() {
    let device = &open_devices()[0].device;
    let autodiff = device.clone().autodiff();
    let of_rollouts = |spoilt: bool| {
        let envs = VecEnv::from_fn(ENVS, move |_| Drift { steps: 0, spoilt }).unwrap();
        let shape = NetworkSpec { recurrence: Some((CellKind::Gru, 4)), ..NetworkSpec::default() };
        let policy = |seed| ActorCritic::new(envs.spec(), &shape, &mut EnvRng::new(seed), &autodiff).unwrap();
        let (acting, reference) = (policy(1).valid(), policy(2));
        let collector = Collector::new(Box::new(envs), RolloutLength::Steps(8), 0, device).unwrap();
        let estimator = Box::new(Gae { gamma: 0.99, lambda: 0.95 });
        let mut source = EnvSource::new(collector, estimator).with_reference(Some(Reference::new(&reference)));
        let rollouts = (1..5).map(|update| {
            let context = CollectContext { update, progress: 0.0, device: &autodiff };
            let experience = source.collect(&acting, &context)?;
            Ok(values(experience.samples.reference_log_probs.unwrap()))
        });
        rollouts.collect::<Vec<Result<Vec<f64>, Error>>>()
    };
    let (whole, spoilt) = (of_rollouts(false), of_rollouts(true));
    assert!(matches!(&spoilt[1], Err(Error::Reward { update: 2, .. })), "{:?}", spoilt[1]);
    for rollout in [0, 2, 3] {
        assert_eq!(spoilt[rollout].as_ref().unwrap(), whole[rollout].as_ref().unwrap(), "rollout {rollout}");
    }
}
