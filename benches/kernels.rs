//! The time of each kernel, next to its reference implementation, the functions of the standard library, or the matrix
//! products that it contains.
//!
//! `cargo bench -p burn-pg-benches --bench kernels`
#![forbid(unsafe_code)]

use std::{hint::black_box, num::NonZeroUsize};

use burn::{
    nn::{Linear, LinearConfig},
    tensor::{Device, Int, Tensor, TensorData},
};
use burn_pg::{
    device::{self, Backend, DeviceChoice},
    distribution::{ActionTensor, Categorical, Distribution, Gaussian},
    envs::{EnvRng, make},
    kernel::{Activation, perceptron, perceptron_reference, vector},
    loss::{ContextPart, LossContext, LossTerm, PpoClip, Value, ValueClip, normalize},
    optim::{Adam, AdamSpec, Optimiser, clip_global_norm},
    policy::{ActorCritic, HostWorkspace, NetworkSpec, Policy},
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Parameters of an actor and a critic with two hidden layers of 64 for CartPole-v1.
const PARAMETERS: usize = 9_155;

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    let mut rng = EnvRng::new(1);
    let len = shape.iter().product();
    let values: Vec<f64> = (0..len).map(|_| rng.normal()).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn layers(device: &Device) -> Vec<Linear> {
    [(4, 64), (64, 64), (64, 2)].map(|(inputs, outputs)| LinearConfig::new(inputs, outputs).init(device)).into()
}

type Perceptron = fn(Tensor<2>, &[Linear], Activation, bool) -> Tensor<2>;

/// The perceptron 4-64-64-2 with tanh: the forward pass, the forward and backward pass, and its matrix products alone.
fn perceptrons(criterion: &mut Criterion, device: &Device) {
    for rows in [256, 4_096] {
        let mut group = criterion.benchmark_group(format!("perceptron, {rows} rows"));
        group.throughput(Throughput::Elements(rows as u64));
        let both: [(&str, Perceptron); 2] = [("kernel", perceptron), ("reference", perceptron_reference)];
        for (name, run) in both {
            let (layers, input) = (layers(device), random([rows, 4], device));
            group.bench_function(BenchmarkId::new("forward", name), |bencher| {
                bencher.iter(|| black_box(run(input.clone(), &layers, Activation::Tanh, false)));
            });
            let device = device.clone().autodiff();
            let (layers, input) = (self::layers(&device), random([rows, 4], &device));
            group.bench_function(BenchmarkId::new("forward and backward", name), |bencher| {
                bencher.iter(|| black_box(run(input.clone(), &layers, Activation::Tanh, false).sum().backward()));
            });
        }
        group.bench_function(BenchmarkId::new("forward and backward", "products alone"), |bencher| {
            let products = Products::new(rows, device);
            bencher.iter(|| products.multiply());
        });
        group.finish();
    }
}

/// The matrix products of a forward and a backward pass, computed with the `gemm` crate, as in the backend.
struct Products(Vec<[Tensor<2>; 3]>);

impl Products {
    fn new(rows: usize, device: &Device) -> Self {
        let layer = |(inputs, outputs)| {
            [random([rows, inputs], device), random([inputs, outputs], device), random([rows, outputs], device)]
        };
        Self([(4, 64), (64, 64), (64, 2)].map(layer).into())
    }

    fn multiply(&self) {
        for [input, weight, gradient] in &self.0 {
            black_box(input.clone().matmul(weight.clone()));
            black_box(input.clone().transpose().matmul(gradient.clone()));
            black_box(gradient.clone().matmul(weight.clone().transpose()));
        }
    }
}

/// A name, a function of a slice, and the same function of one value.
type Function = (&'static str, fn(&mut [f32]), fn(f32) -> f32);

/// Functions of 4,096 values at once.
fn functions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("functions");
    let mut rng = EnvRng::new(2);
    #[allow(clippy::cast_possible_truncation)]
    let values: Vec<f32> = (0..4_096).map(|_| rng.uniform(0.01, 3.0) as f32).collect();
    group.throughput(Throughput::Elements(values.len() as u64));
    let functions: [Function; 2] = [("tanh", vector::tanh, f32::tanh), ("exp", vector::exp, f32::exp)];
    for (name, of_all, of_one) in functions {
        let mut result = values.clone();
        group.bench_function(BenchmarkId::new(name, "kernel"), |bencher| {
            bencher.iter(|| {
                result.copy_from_slice(&values);
                of_all(black_box(&mut result));
            });
        });
        group.bench_function(BenchmarkId::new(name, "standard library"), |bencher| {
            bencher.iter(|| {
                for (to, &from) in black_box(&mut result).iter_mut().zip(&values) {
                    *to = of_one(from);
                }
            });
        });
    }
    group.finish();
}

/// The forward and backward pass of distributions and losses, for 256 samples.
fn losses(criterion: &mut Criterion, device: &Device) {
    const ROWS: usize = 256;
    let mut group = criterion.benchmark_group("losses, 256 samples, forward and backward");
    let device = device.clone().autodiff();
    let actions: Vec<i64> = (0..).map(|row| row % 2).take(ROWS).collect();
    let actions = ActionTensor::Discrete(Tensor::<1, Int>::from_data(TensorData::new(actions, [ROWS]), &device));
    let logits = || random([ROWS, 2], &device).require_grad();
    group.bench_function("categorical log-probability and entropy", |bencher| {
        bencher.iter(|| {
            let distribution = Categorical::new(logits());
            black_box((distribution.log_prob(&actions) + distribution.entropy()).sum().backward())
        });
    });
    let continuous = ActionTensor::Continuous(random([ROWS, 2], &device));
    group.bench_function("Gaussian log-probability and entropy", |bencher| {
        bencher.iter(|| {
            let distribution = Gaussian::new(logits(), random([ROWS, 2], &device).require_grad());
            black_box((distribution.log_prob(&continuous) + distribution.entropy()).sum().backward())
        });
    });
    let vector = || random([ROWS], &device);
    let known = [ContextPart::OldLogProbs, ContextPart::OldValues, ContextPart::Advantages, ContextPart::Returns];
    let context = known
        .into_iter()
        .fold(LossContext::new(ROWS as f64, 0.0), |context, part| context.with_tensor(part, vector()))
        .with_tensor(ContextPart::LogProbs, vector().require_grad())
        .with_tensor(ContextPart::Values, vector().require_grad());
    let clip = PpoClip::new(0.2);
    group.bench_function("surrogate of PPO", |bencher| {
        bencher.iter(|| black_box(clip.compute(&context).loss.sum().backward()));
    });
    let value = Value { clip: ValueClip::Pessimistic { range: 0.2.into() } };
    group.bench_function("value", |bencher| bencher.iter(|| black_box(value.compute(&context).loss.sum().backward())));
    group.bench_function("normalised advantages, forward alone", |bencher| {
        bencher.iter(|| black_box(normalize(context.advantages())));
    });
    group.finish();
}

/// The gradient norm and the step over all parameters.
fn optimisers(criterion: &mut Criterion, device: &Device) {
    let mut group = criterion.benchmark_group("optimiser, 9,155 parameters");
    let (gradient, mut parameters) = (random([PARAMETERS], device), random([PARAMETERS], device));
    group.bench_function("global norm", |bencher| {
        bencher.iter(|| black_box(clip_global_norm(gradient.clone(), 0.5)));
    });
    let mut adam = Adam::new(AdamSpec::default());
    group.bench_function("Adam", |bencher| {
        bencher.iter(|| parameters = adam.step(1e-9, parameters.clone(), gradient.clone()));
    });
    group.finish();
}

/// The most probable action for observations of CartPole-v1.
fn acting(criterion: &mut Criterion, device: &Device) {
    let mut group = criterion.benchmark_group("act");
    for rows in [1, 4, 64].map(|rows| NonZeroUsize::new(rows).expect("not 0")) {
        let mut envs = make("CartPole-v1", rows.get()).expect("a registered environment");
        let policy = ActorCritic::new(envs.spec(), &NetworkSpec::default(), &mut EnvRng::new(0), device);
        let policy = policy.expect("observations in a box");
        let on_host = policy.on_host().expect("a copy on the host");
        let mut workspace = HostWorkspace::new(&envs.spec().action_space);
        let observations = envs.reset(0).expect("a first observation").observations.clone();
        group.throughput(Throughput::Elements(rows.get() as u64));
        group.bench_function(BenchmarkId::new("on the host", rows), |bencher| {
            bencher.iter(|| {
                black_box(on_host.act(black_box(&observations), &[], &mut workspace).is_ok());
            });
        });
        let width = observations.len() / rows;
        let tensor: Tensor<2> = Tensor::from_data(TensorData::new(observations.clone(), [rows.get(), width]), device);
        group.bench_function(BenchmarkId::new("with tensors", rows), |bencher| {
            bencher.iter(|| black_box(policy.forward(tensor.clone().into()).distribution.parameters().into_data()));
        });
    }
    group.finish();
}

fn benches(criterion: &mut Criterion) {
    let device = device::open(DeviceChoice::Backend(Backend::Flex)).expect("a CPU").device;
    perceptrons(criterion, &device);
    functions(criterion);
    losses(criterion, &device);
    optimisers(criterion, &device);
    acting(criterion, &device);
}

criterion_group!(kernels, benches);
criterion_main!(kernels);
