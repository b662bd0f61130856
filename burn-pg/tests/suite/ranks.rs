//! Several ranks, each with its share of the environments, do what one rank does with all of them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use burn::{module::Module, tensor::Device};
use burn_pg::{
    CheckedConfig, Config, Error, Learner, UpdateStats,
    advantage::{AdvantageEstimator, Gae},
    algorithm::Recipe,
    config::{A2cConfig, Faults, OnEnvironment, PpoConfig, ReinforceConfig},
    envs::{Env, EnvRng, EnvSpec, Step, VecEnv, VectorEnv, classic::CartPole},
    loss::{Entropy, Objective, PpoClip, Value},
    optim::{Adam, AdamSpec, flatten_parameters},
    policy::{ActorCritic, CellKind, NetworkSpec},
    ranks::{Ranks, SyncError, Threads},
    source::{Batch, Collector, Origins, RolloutLength, SequenceSpec},
    update::{Epochs, Improved, Update, UpdateContext},
};

use crate::{
    helpers::{Own, flex, parameters, without_time},
    precision::values,
};

const ENVS: usize = 8;
const STEPS: usize = 24;

/// A policy and a rollout of it in `ENVS` environments.
fn experience(network: &NetworkSpec, sequences: SequenceSpec, device: &Device) -> (ActorCritic, Batch) {
    let envs = VecEnv::<CartPole>::new(ENVS).unwrap();
    let policy = ActorCritic::new(envs.spec(), network, &mut EnvRng::new(3), &device.clone().autodiff()).unwrap();
    let mut collector =
        Collector::new(Box::new(envs), RolloutLength::Steps(STEPS), 0, device).unwrap().with_sequences(sequences);
    let rollout = collector.collect(&policy.valid()).unwrap();
    let targets = Gae { gamma: 0.99, lambda: 0.95 }.estimate(&rollout.trajectory());
    rollout.set_targets(&targets);
    let device = device.clone().autodiff();
    (policy, Batch::upload(rollout, &device))
}

/// Returns the samples of the environments of one rank.
fn share(batch: &Batch, rank: usize, ranks: usize) -> Batch {
    let (units, own) = (batch.num_rows() / batch.unit(), ENVS / ranks);
    let of_rank = |unit: &u32| (*unit as usize % ENVS) / own == rank;
    let selected: Vec<u32> = (0..).take(units).filter(of_rank).collect();
    Batch { origins: Origins::InTurn(own), ..batch.select(&selected) }
}

fn epochs(objective: Objective, ranks: Ranks, num_minibatches: usize, target_kl: f64) -> Epochs {
    let learner = Learner {
        max_grad_norm: 0.5,
        normalize_advantages: true,
        ranks,
        ..Learner::new(objective, Box::new(Adam::new(AdamSpec::default())))
    };
    Epochs { num_epochs: 3, num_minibatches, target_kl, shuffle: EnvRng::new(8), ..Epochs::once(learner, 1e-3) }
}

fn objective(is_fused: bool) -> Objective {
    let objective = Objective::new().with(1.0, PpoClip::new(0.2)).with(0.5, Value::default()).with(0.01, Entropy);
    // A term of the program's own has no closed form.
    if is_fused { objective } else { objective.with(0.0, Own) }
}

/// Runs one update on each rank, and returns the outcomes.
fn on_ranks(
    ranks: usize,
    update: impl Fn(Ranks, usize) -> Result<Improved<ActorCritic>, Error> + Sync,
) -> Vec<Result<Improved<ActorCritic>, Error>> {
    let update = &update;
    std::thread::scope(|scope| {
        let threads: Vec<_> = Threads::new(ranks)
            .into_iter()
            .enumerate()
            .map(|(rank, sync)| scope.spawn(move || update(Ranks::new(sync), rank)))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Checks that 2 and 4 ranks give the weights and the metrics of one.
fn check(network: &NetworkSpec, sequences: SequenceSpec, is_fused: bool, num_minibatches: usize) {
    let (policy, batch) = experience(network, sequences, &flex());
    let context = UpdateContext { update: 1, progress: 0.0 };
    let mut alone = epochs(objective(is_fused), Ranks::default(), num_minibatches, f64::INFINITY);
    let alone = alone.improve(&policy, batch.clone(), context).unwrap();
    assert_eq!(alone.unfused.is_none(), is_fused);
    let expected = values(flatten_parameters(&alone.policy));
    for ranks in [2, 4] {
        let outcomes = on_ranks(ranks, |of_rank, rank| {
            let samples = share(&batch, rank, ranks);
            epochs(objective(is_fused), of_rank, num_minibatches, f64::INFINITY).improve(&policy, samples, context)
        });
        let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
        let first = values(flatten_parameters(&outcomes[0].policy));
        for outcome in &outcomes {
            assert_eq!(values(flatten_parameters(&outcome.policy)), first, "equal to the bit on all ranks");
            assert_eq!(outcome.metrics, outcomes[0].metrics);
            assert_eq!(outcome.unfused.is_none(), is_fused);
        }
        for (ours, expected) in first.iter().zip(&expected) {
            // The order of sums differs, and Adam divides small numbers by each other.
            assert!((ours - expected).abs() < 2e-5, "{ranks} ranks: {ours} {expected}");
        }
        for (name, expected) in &alone.metrics {
            let ours = outcomes[0].metrics[name];
            assert!((ours - expected).abs() <= 2e-5 * expected.abs().max(1.0), "{name}: {ours} {expected}");
        }
    }
}

const WHOLE: SequenceSpec = SequenceSpec { steps: 0, burn_in: 0 };

#[test]
fn several_ranks_take_the_steps_of_one() {
    let network = NetworkSpec { hidden_sizes: vec![16], ..NetworkSpec::default() };
    for is_fused in [true, false] {
        check(&network, WHOLE, is_fused, 4);
    }
    let shared = NetworkSpec { shared: true, ..network };
    check(&shared, WHOLE, true, 3);
}

#[test]
fn a_rank_may_have_no_sample_of_a_minibatch() {
    let network = NetworkSpec { hidden_sizes: vec![16], ..NetworkSpec::default() };
    for is_fused in [true, false] {
        check(&network, WHOLE, is_fused, 64);
    }
}

#[test]
fn sequences_are_shared_too() {
    let network = NetworkSpec { recurrence: Some((CellKind::Gru, 8)), hidden_sizes: vec![8], ..NetworkSpec::default() };
    check(&network, SequenceSpec { steps: 8, burn_in: 0 }, false, 3);
}

#[test]
fn gradients_of_several_ranks_are_that_of_one() {
    let network = NetworkSpec { hidden_sizes: vec![16], ..NetworkSpec::default() };
    let (policy, batch) = experience(&network, WHOLE, &flex());
    for is_fused in [true, false] {
        let gradient = |ranks: Ranks, samples: Batch| {
            let learner = epochs(objective(is_fused), ranks, 1, f64::INFINITY).learner;
            values(learner.gradient(&policy, samples).0)
        };
        let expected = gradient(Ranks::default(), batch.clone());
        let norm = expected.iter().map(|value| value * value).sum::<f64>().sqrt();
        for ranks in [2, 4] {
            let all = std::thread::scope(|scope| {
                let (batch, gradient) = (&batch, &gradient);
                let threads: Vec<_> = Threads::new(ranks)
                    .into_iter()
                    .enumerate()
                    .map(|(rank, sync)| scope.spawn(move || gradient(Ranks::new(sync), share(batch, rank, ranks))))
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
            });
            for ours in all {
                let distance = ours.iter().zip(&expected).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                assert!(distance < 1e-6 * norm, "{ranks} ranks: {}", distance / norm);
            }
        }
    }
}

#[test]
fn all_ranks_stop_at_the_same_divergence() {
    let network = NetworkSpec { hidden_sizes: vec![16], ..NetworkSpec::default() };
    let (policy, batch) = experience(&network, WHOLE, &flex());
    let outcomes = on_ranks(2, |ranks, rank| {
        let context = UpdateContext { update: 1, progress: 0.0 };
        epochs(objective(true), ranks, 4, 1e-6).improve(&policy, share(&batch, rank, 2), context)
    });
    assert!(outcomes.into_iter().all(|outcome| outcome.unwrap().epochs == 1));
}

#[test]
fn a_rank_that_is_lost_ends_the_update_of_the_others() {
    let network = NetworkSpec { hidden_sizes: vec![16], ..NetworkSpec::default() };
    let (policy, batch) = experience(&network, WHOLE, &flex());
    let outcomes = on_ranks(2, |ranks, rank| {
        if rank == 1 {
            return Err(Error::EmptyRollouts { name: "lost".into() });
        }
        let context = UpdateContext { update: 1, progress: 0.0 };
        epochs(objective(true), ranks, 4, f64::INFINITY).improve(&policy, share(&batch, rank, 2), context)
    });
    assert!(matches!(outcomes[0], Err(Error::Ranks(SyncError::Lost { rank: 1 }))), "{:?}", outcomes[0]);
}

#[test]
fn an_error_of_one_rank_is_one_of_all() {
    let network = NetworkSpec { hidden_sizes: vec![16], ..NetworkSpec::default() };
    let (policy, batch) = experience(&network, WHOLE, &flex());
    let outcomes = on_ranks(2, |ranks, rank| {
        let mut samples = share(&batch, rank, 2);
        if rank == 1 {
            samples.returns = samples.returns.map(|returns| returns.mul_scalar(f32::INFINITY));
        }
        let context = UpdateContext { update: 1, progress: 0.0 };
        epochs(objective(true), ranks, 4, f64::INFINITY).improve(&policy, samples, context)
    });
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(Error::NonFinite { .. }))), "{outcomes:?}");
}

/// What a rank has after training.
struct Trained {
    stats: Vec<UpdateStats>,
    weights: Vec<f64>,
    outcome: Result<(), Error>,
    normalizer: Option<Vec<f64>>,
}

/// Trains on each rank, in environments that `envs` makes: so many, for this rank.
fn train(
    config: &CheckedConfig,
    ranks: usize,
    envs: impl Fn(usize, usize) -> Box<dyn VectorEnv> + Sync,
) -> Vec<Trained> {
    let envs = &envs;
    let train = move |rank, sync: Threads| {
        let recipe = Recipe { ranks: Ranks::new(sync), ..Recipe::of(config).unwrap() };
        let mut trainer = recipe.build(envs(config.env.num_envs / ranks, rank), config, &flex()).unwrap();
        let mut stats = Vec::new();
        let outcome = trainer.run(&mut |of_update: &UpdateStats| {
            stats.push(without_time(of_update));
            // Only the last rank wants to stop.
            match of_update.update == 6 && rank + 1 == ranks {
                true => std::ops::ControlFlow::Break(()),
                false => std::ops::ControlFlow::Continue(()),
            }
        });
        let normalizer = trainer.observation_normalizer().map(|normalizer| normalizer.moments.mean.clone());
        Trained { stats, weights: parameters(trainer.policy()), outcome, normalizer }
    };
    std::thread::scope(|scope| {
        let threads = Threads::new(ranks).into_iter().enumerate();
        let threads: Vec<_> = threads.map(|(rank, sync)| scope.spawn(move || train(rank, sync))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn config(algorithm: impl Into<burn_pg::config::AlgorithmConfig>) -> Config {
    Config::default().with(|config| {
        config.algorithm = algorithm.into();
        config.env.num_envs = ENVS;
        config.rollout.num_steps = 32;
        config.run.total_steps = 100_000;
        config.network.hidden_sizes = vec![16];
    })
}

#[test]
fn a_run_on_several_ranks_is_that_on_one() {
    let ppo = config(PpoConfig { num_minibatches: 4, normalize_values: true, ..PpoConfig::default() });
    for config in [ppo, config(A2cConfig::default())] {
        let config = config.validate().unwrap();
        let make = |envs, _| burn_pg::envs::make("CartPole-v1", envs).unwrap();
        let alone = train(&config, 1, make).remove(0);
        assert_eq!(alone.stats.len(), 6);
        for ranks in [2, 4] {
            let all = train(&config, ranks, make);
            for trained in &all {
                assert!(trained.outcome.is_ok(), "all ranks end when one of them wants to");
                assert_eq!(trained.weights, all[0].weights);
                assert_eq!(trained.stats.len(), 6);
                for (ours, expected) in trained.stats.iter().zip(&alone.stats) {
                    let of = |stats: &UpdateStats| {
                        (stats.env_steps, stats.episodes, stats.episode_return_mean, stats.episode_length_mean)
                    };
                    assert_eq!(of(ours), of(expected), "{ranks} ranks");
                }
            }
            let furthest = all[0].weights.iter().zip(&alone.weights).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(furthest < 1e-4, "{ranks} ranks: {furthest}");
        }
    }
}

#[test]
fn rollouts_of_whole_episodes_may_differ_in_length() {
    let config = config(ReinforceConfig::default()).validate().unwrap();
    let all = train(&config, 4, |envs, _| burn_pg::envs::make("CartPole-v1", envs).unwrap());
    for trained in &all {
        assert!(trained.outcome.is_ok());
        assert_eq!((&trained.weights, &trained.stats), (&all[0].weights, &all[0].stats));
    }
}

#[test]
fn statistics_of_observations_and_rewards_are_those_of_all_ranks() {
    let config = config(PpoConfig { num_minibatches: 4, ..PpoConfig::default() }).with(|config| {
        config.env.normalize_observations = true;
        config.env.normalize_rewards = true;
    });
    let config = config.validate().unwrap();
    let make = |envs, _| burn_pg::envs::make("CartPole-v1", envs).unwrap();
    let (alone, all) = (train(&config, 1, make).remove(0), train(&config, 2, make));
    assert_eq!(all[0].weights, all[1].weights);
    assert_eq!(all[0].normalizer, all[1].normalizer);
    // Within a rollout, a rank knows only its own observations, so that the runs differ a little.
    let (ours, expected) = (all[0].normalizer.as_ref().unwrap(), alone.normalizer.as_ref().unwrap());
    for (ours, expected) in ours.iter().zip(expected) {
        assert!((ours - expected).abs() < 0.05, "{ours} {expected}");
    }
}

#[test]
fn a_rank_that_skips_an_update_does_not_leave_the_others_waiting() {
    let config = config(A2cConfig::default());
    let lenient = config.clone().with(|config| {
        config.faults = Faults { environment: OnEnvironment::Restart, limit: 3, ..Faults::default() };
    });
    let fails = |envs: usize, rank| -> Box<dyn VectorEnv> {
        match rank {
            0 => burn_pg::envs::make("CartPole-v1", envs).unwrap(),
            _ => {
                let has_failed = Arc::<AtomicBool>::default();
                let env = |_| Fails { inner: CartPole::default(), steps: 0, has_failed: Arc::clone(&has_failed) };
                Box::new(VecEnv::from_envs((0..envs).map(env).collect()).unwrap())
            }
        }
    };
    let all = train(&lenient.validate().unwrap(), 2, fails);
    assert_eq!(all[0].weights, all[1].weights);
    let faults = all.iter().map(|trained| trained.stats.last().unwrap().faults).collect::<Vec<_>>();
    assert_eq!(faults, [1, 1]);
    assert!(all.iter().all(|trained| trained.outcome.is_ok()));
    // Without leave to go on, both runs end.
    let all = train(&config.validate().unwrap(), 2, fails);
    assert!(matches!(all[0].outcome, Err(Error::OtherRank { rank: 1, goes_on: false, .. })), "{:?}", all[0].outcome);
    assert!(matches!(all[1].outcome, Err(Error::EnvInUpdate { .. })), "{:?}", all[1].outcome);
}

#[test]
fn what_ranks_cannot_do_is_refused() {
    let refused = |config: Config, ranks| {
        let config = config.validate().unwrap();
        let sync = Threads::new(ranks).swap_remove(0);
        let recipe = Recipe { ranks: Ranks::new(sync), ..Recipe::of(&config).unwrap() };
        let envs = burn_pg::envs::make("CartPole-v1", ENVS / ranks).unwrap();
        recipe.build(envs, &config, &flex()).map(drop).unwrap_err().to_string()
    };
    let message = refused(config(A2cConfig::default()), 3);
    assert!(message.contains("`env.num_envs` is 8; it must be a multiple of the 3 ranks"), "{message}");
    let message = refused(config(burn_pg::config::TrpoConfig::default()), 2);
    assert!(message.contains("several ranks cannot train with a trust region"), "{message}");
}

/// `CartPole`, but the 40th step of the first one that takes so many panics.
struct Fails {
    inner: CartPole,
    steps: u32,
    has_failed: Arc<AtomicBool>,
}

impl Env for Fails {
    type Action = u32;
    type State = <CartPole as Env>::State;

    fn spec(&self) -> EnvSpec {
        self.inner.spec()
    }

    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.inner.reset(rng, observation);
    }

    fn step(&mut self, action: u32, rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        self.steps += 1;
        assert!(self.steps != 40 || self.has_failed.swap(true, Ordering::Relaxed), "no more");
        self.inner.step(action, rng, observation)
    }

    fn state(&self) -> Self::State {
        self.inner.state()
    }

    fn set_state(&mut self, state: Self::State) {
        self.inner.set_state(state);
    }
}
