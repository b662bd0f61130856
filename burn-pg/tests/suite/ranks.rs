//! Several ranks, each with its share of the environments, do what one rank does with all of them.

use burn::{module::Module, tensor::Device};
use burn_pg::{
    Error, Learner,
    advantage::{AdvantageEstimator, Gae},
    envs::{EnvRng, VecEnv, VectorEnv, classic::CartPole},
    loss::{Entropy, Objective, PpoClip, Value},
    optim::{Adam, AdamSpec, flatten_parameters},
    policy::{ActorCritic, CellKind, NetworkSpec},
    ranks::{Ranks, SyncError, Threads},
    source::{Batch, Collector, Origins, RolloutLength, SequenceSpec},
    update::{Epochs, Improved, Update, UpdateContext},
};

use crate::{
    helpers::{Own, flex},
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
