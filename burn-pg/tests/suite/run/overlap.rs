//! Rollouts that are collected while the policy is improved.

use burn::{module::Module, tensor::Device};
use burn_pg::{
    CheckedConfig, MemoryPlan, Parts, Trainer,
    advantage::Gae,
    algorithm::seeded,
    device::{Backend, DeviceChoice},
    envs::{EnvRng, make, spec},
    loss::{Objective, PpoClip, Value},
    optim::OptimiserSpec,
    plan::Part,
    policy::{ActorCritic, NetworkSpec},
    source::{Batch, CollectContext, Collector, EnvSource, RolloutLength, Source},
    update::{Epochs, Learner, UpdateContext},
};

use super::metrics;
use crate::helpers::{flex, open, parameters, small};
use crate::precision::{assert_close, open_devices};

fn parts(device: &Device) -> Parts<ActorCritic> {
    let (seed, spec) = (7, spec("CartPole-v1").unwrap());
    let policy = seeded(seed, device, || {
        ActorCritic::new(&spec, &NetworkSpec::default(), &mut EnvRng::new(seed), &device.clone().autodiff())
    });
    let envs = make("CartPole-v1", 4).unwrap();
    let collector = Collector::new(envs, RolloutLength::Steps(16), seed, device).unwrap();
    let objective = Objective::new().with(1.0, PpoClip::new(0.2)).with(0.5, Value::default());
    let learner = Learner::new(objective, OptimiserSpec::default().build());
    Parts {
        policy: policy.unwrap(),
        source: EnvSource::new(collector, Box::new(Gae { gamma: 0.99, lambda: 0.95 })),
        update: Box::new(Epochs::once(learner, 0.01)),
    }
}

fn overlapping(updates: u64) -> CheckedConfig {
    let config = small().with(|config| {
        config.rollout.overlap = true;
        config.env.num_envs = 4;
        config.run.total_steps = updates * 64;
    });
    config.validate().unwrap()
}

#[test]
fn a_rollout_is_made_by_the_policy_as_it_was_one_update_earlier() {
    const UPDATES: u64 = 4;
    let device = flex();
    let (config, device_with_autodiff) = (overlapping(UPDATES), device.clone().autodiff());
    let mut trainer = Trainer::new(parts(&device), &config, &device).unwrap();
    let history = metrics(&mut trainer);
    let steps: Vec<u64> = history.iter().map(|stats| stats.env_steps).collect();
    assert_eq!(steps, [64, 128, 192, 256]);
    assert_eq!(
        Source::<ActorCritic>::env_steps(trainer.source()),
        256,
        "nothing is collected for an update that never comes"
    );

    let Parts { mut policy, mut source, mut update } = parts(&device);
    let mut older: Option<ActorCritic> = None;
    for number in 1..=UPDATES {
        let context = CollectContext { update: number, progress: 0.0, device: &device_with_autodiff };
        let by = older.replace(policy.clone()).unwrap_or_else(|| policy.clone());
        let samples: Batch = source.collect(&by.valid(), &context).unwrap().samples;
        policy = update.improve(&policy, samples, UpdateContext { update: number, progress: 0.0 }).unwrap().policy;
    }
    assert_eq!(parameters(trainer.policy()), parameters(&policy));
}

#[test]
fn on_every_device_a_run_repeats_and_resumes_exactly() {
    let mut of_flex = Vec::new();
    for backend in open_devices().into_iter().map(|open| open.backend) {
        let run = |stop: Option<u64>| {
            let (config, device) = (overlapping(4), open(backend));
            let mut trainer = Trainer::of(&config, &device).unwrap();
            while !trainer.is_over() && stop != Some(trainer.updates()) {
                trainer.update().unwrap();
            }
            if stop.is_some() {
                let checkpoint = trainer.checkpoint().unwrap();
                trainer = Trainer::of(&config, &device).unwrap();
                trainer.restore(checkpoint).unwrap();
                metrics(&mut trainer);
            }
            assert_eq!((trainer.updates(), trainer.env_steps()), (4, 256));
            parameters(trainer.policy())
        };
        let whole = run(None);
        for stop in [None, Some(1), Some(2), Some(3)] {
            assert_eq!(run(stop), whole, "{backend}, {stop:?}");
        }
        match backend {
            Backend::Flex => of_flex = whole,
            // One minibatch, whose samples have the same order everywhere, would be needed to compare.
            backend if !backend.is_cpu() => {}
            _ => assert_close(&whole, &of_flex, 1e-3, "weights"),
        }
    }
}

#[test]
fn the_memory_plan_counts_the_rollout_that_is_being_collected() {
    let (mut config, spec) = (small(), spec("CartPole-v1").unwrap());
    config.env.num_envs = 512;
    config.run.total_steps = 100_000;
    let planned = |overlap: bool| {
        let config = config.clone().with(|config| {
            config.rollout.overlap = overlap;
            config.rollout.on_device = false;
            config.run.device = DeviceChoice::Backend(Backend::Cuda);
        });
        let config = config.validate().unwrap();
        MemoryPlan::of(&config, &spec)
    };
    let [without, with] = [false, true].map(planned);
    assert!(with.parts()[&Part::Batch] > without.parts()[&Part::Batch]);
    assert!(with.peak().total() > without.peak().total());
}
