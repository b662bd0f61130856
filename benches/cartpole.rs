//! The time of the parts of a PPO run on CartPole-v1, except the environment.
//!
//! `cargo bench -p burn-pg-benches --bench cartpole`
#![forbid(unsafe_code)]

use std::hint::black_box;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use burn_pg::{
    Learner,
    device::{self, DeviceChoice},
    distribution::{ActionTensor, Distribution},
    envs::{EnvRng, make},
    loss::{Entropy, Objective, PpoClip, Value, ValueClip},
    optim::{Adam, AdamSpec},
    policy::{Activation, ActorCritic, NetworkSpec, Policy, Prediction},
    source::Batch,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn networks(activation: Activation, device: &Device) -> ActorCritic {
    let envs = make("CartPole-v1", 1).expect("a registered environment");
    let rng = &mut EnvRng::new(0);
    let shape = NetworkSpec { activation, ..NetworkSpec::default() };
    ActorCritic::new(envs.spec(), &shape, rng, device).expect("observations in a box")
}

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    let mut rng = EnvRng::new(1);
    let len = shape.iter().product();
    let values: Vec<f64> = (0..len).map(|_| rng.normal()).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// One forward pass of actor and critic for a batch of 8, read back.
fn inference(criterion: &mut Criterion, device: &Device) {
    let mut group = criterion.benchmark_group("forward, batch 8");
    for activation in [Activation::Tanh, Activation::Relu] {
        let policy = networks(activation, device).valid();
        let observations = random([8, 4], device);
        group.bench_function(format!("{activation:?}"), |bencher| {
            bencher.iter(|| {
                let Prediction { distribution, values, .. } = policy.forward(observations.clone().into());
                black_box((distribution.parameters().into_data(), values.map(Tensor::into_data)))
            });
        });
    }
    group.finish();
}

/// Forward, backward, clipping and Adam for one minibatch.
fn learning(criterion: &mut Criterion, device: &Device) {
    let device = device.clone().autodiff();
    let mut group = criterion.benchmark_group("PPO minibatch");
    group.sample_size(50);
    for size in [256_usize, 2048] {
        group.throughput(Throughput::Elements(size as u64));
        for activation in [Activation::Tanh, Activation::Relu] {
            let policy = networks(activation, &device);
            let mut learner = Learner {
                max_grad_norm: 0.5,
                normalize_advantages: true,
                ..Learner::new(
                    Objective::new()
                        .with(1.0, PpoClip::new(0.2))
                        .with(0.5, Value { clip: ValueClip::Pessimistic { range: 0.2.into() } })
                        .with(0.01, Entropy),
                    Box::new(Adam::new(AdamSpec::default())),
                )
            };
            let actions = ActionTensor::Discrete(random([size], &device).greater_elem(0.0).int());
            let log_probs = random([size], &device).mul_scalar(0.1).sub_scalar(0.7);
            let batch = Batch {
                values: Some(random([size], &device)),
                advantages: Some(random([size], &device)),
                returns: Some(random([size], &device)),
                ..Batch::new(random([size, 4], &device).into(), actions, log_probs)
            };
            group.bench_function(BenchmarkId::new(format!("{activation:?}"), size), |bencher| {
                bencher.iter(|| black_box(learner.step(&policy, batch.clone(), 2.5e-4)));
            });
        }
    }
    group.finish();
}

fn benches(criterion: &mut Criterion) {
    let device = device::open(DeviceChoice::Auto).expect("a device").device;
    inference(criterion, &device);
    learning(criterion, &device);
}

criterion_group!(cartpole, benches);
criterion_main!(cartpole);
