//! Environment steps per second, with actions drawn beforehand, on one and on two threads.
//!
//! `cargo bench -p burn-pg-benches --bench environments`
#![forbid(unsafe_code)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use burn_pg::envs::{ActionBuffer, Env, EnvRng, classic::CartPole, make, specs};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn environments(criterion: &mut Criterion) {
    for spec in specs() {
        let mut group = criterion.benchmark_group(&spec.id);
        group.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
        for num_envs in [1_usize, 8, 64, 256, 1024, 8192] {
            let mut rng = EnvRng::new(0);
            // Several batches in turn: with a single one, each environment would repeat one action.
            let drawn: Vec<_> = (0..16).map(|_| ActionBuffer::random(&spec.action_space, num_envs, &mut rng)).collect();
            group.throughput(Throughput::Elements(num_envs as u64));
            for threads in [1, 2] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
                let mut envs = make(&spec.id, num_envs).expect("a registered environment");
                group.bench_function(BenchmarkId::new(format!("{threads} threads"), num_envs), |bencher| {
                    bencher.iter_custom(|iterations| {
                        pool.install(|| {
                            let start = Instant::now();
                            for (_, drawn) in (0..iterations).zip(drawn.iter().cycle()) {
                                let actions = drawn.as_actions();
                                black_box(envs.step(actions).expect("actions in range").rewards[0]);
                            }
                            start.elapsed()
                        })
                    });
                });
            }
        }
        group.finish();
    }
}

/// One environment in a plain loop with resets and a time limit. The difference to a batch of 1 is the batch's cost.
fn plain_loop(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("CartPole-v1");
    group.throughput(Throughput::Elements(1));
    group.bench_function("plain loop/1", |bencher| {
        let (mut env, mut rng, mut observation, mut steps) = (CartPole::default(), EnvRng::new(0), [0.0; 4], 0);
        env.reset(&mut rng, &mut observation);
        let drawn: Vec<u32> = (0..16).map(|_| rng.below(2)).collect();
        let mut actions = drawn.iter().cycle();
        bencher.iter(|| {
            let action = actions.next().copied().unwrap_or_default();
            let step = env.step(black_box(action), &mut rng, &mut observation);
            steps += 1;
            if step.terminated || steps >= 500 {
                steps = 0;
                env.reset(&mut rng, &mut observation);
            }
            black_box(observation[0])
        });
    });
    group.finish();
}

criterion_group!(benches, plain_loop, environments);
criterion_main!(benches);
