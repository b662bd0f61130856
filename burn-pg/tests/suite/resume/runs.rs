//! A resumed run equals the uninterrupted one.

use std::ops::ControlFlow;

use burn_pg::{
    Error, Trainer, UpdateStats, device::Backend, policy::ActorCritic, run::checkpoint::Checkpoint, storage::Misfit,
};

use super::{config, trainer};
use crate::helpers::{on_threads, parameters, without_time};
use crate::precision::{assert_close, open_devices};

/// Every algorithm, kind of policy, optimiser, wrapper and term that has state.
const RUNS: [(&str, &str); 25] = [
    ("ppo", ""),
    ("ppo, shared layers, relu, adamw", "shared_layers = true\nactivation = 'relu'\noptimiser = { kind = 'adamw' }"),
    ("ppo, rmsprop, in parts", "optimiser = { kind = 'rmsprop', momentum = 0.5 }\nmicro_batch_size = 5"),
    ("ppo, sgd", "optimiser = { kind = 'sgd', momentum = 0.9 }"),
    ("ppo, gru", "recurrence = { cell = 'gru', size = 3, sequence_steps = 4, burn_in = 6 }"),
    ("ppo, lstm", "recurrence = { cell = 'lstm', size = 3, sequence_steps = 2 }\nshared_layers = true"),
    ("ppo, normalised", "normalize_observations = true\nnormalize_rewards = true"),
    (
        "ppo, adaptive penalty",
        "[[loss]]\nweight = 1\nterm = { kind = 'kl_penalty', target = 1e-4 }\n[[loss]]\nweight = 0.5\nterm = { kind = 'value' }",
    ),
    (
        "ppo, near its start",
        "[[loss]]\nweight = 1\nterm = { kind = 'ppo_clip', clip_range = 0.2 }\n[[loss]]\nweight = 0.1\n\
         term = { kind = 'kl_to_reference', estimator = 'k3' }\n[[loss]]\nweight = 0.5\nterm = { kind = 'value' }",
    ),
    ("ppo, pendulum", "name = 'Pendulum-v1'\nlearning_rate = { kind = 'cosine', start = 1e-2, end = 0 }"),
    ("ppo, squashed", "name = 'MountainCarContinuous-v0'\nexploration = { squash = true, state_dependent = true }"),
    ("ppo, gsde noise", "name = 'Pendulum-v1'\nexploration = { sde = { resample_every = 3, learn_features = true } }"),
    ("ppo, acrobot", "name = 'Acrobot-v1'\ntarget_kl = 1e-4"),
    ("ppo, overlapping", "overlap = true\nnormalize_observations = true"),
    ("ppo, overlapping, gru", "overlap = true\nrecurrence = { cell = 'gru', size = 3, burn_in = 3 }"),
    ("ppo, rate of the KL divergence", "learning_rate = { kind = 'kl', start = 1e-3, desired_kl = 1e-3, max = 1 }"),
    ("ppo, normalised values", "name = 'Pendulum-v1'\nnormalize_values = true\nnormalize_rewards = true"),
    ("ppo, beta", "name = 'Pendulum-v1'\nexploration = { distribution = 'beta' }"),
    (
        "trpo, beta",
        "algorithm.kind = 'trpo'\nname = 'Pendulum-v1'\nexploration = { distribution = 'beta' }\nnum_minibatches = 1",
    ),
    ("a2c", "algorithm.kind = 'a2c'"),
    (
        "a2c, gru, normalised",
        "algorithm.kind = 'a2c'\nrecurrence = { cell = 'gru', size = 3 }\nnormalize_observations = true",
    ),
    ("trpo", "algorithm.kind = 'trpo'\nnum_minibatches = 1"),
    (
        "trpo, lstm",
        "algorithm.kind = 'trpo'\nnum_minibatches = 1\nrecurrence = { cell = 'lstm', size = 3, burn_in = 3 }",
    ),
    ("reinforce", "algorithm.kind = 'reinforce'\ntotal_steps = 2600"),
    ("reinforce, gru", "algorithm.kind = 'reinforce'\ntotal_steps = 2600\nrecurrence = { cell = 'gru', size = 3 }"),
];

/// Runs to the end. Returns the statistics of each update, without times, and the weights at the end.
fn run_to_end(
    trainer: &mut Trainer<ActorCritic>,
    mut each: impl FnMut(&Trainer<ActorCritic>),
) -> (Vec<UpdateStats>, Vec<f64>) {
    let mut history = Vec::new();
    let outcome = trainer.run_with(|trainer, stats| {
        history.push(without_time(stats.unwrap()));
        each(trainer);
        ControlFlow::Continue(())
    });
    outcome.unwrap();
    (history, parameters(trainer.policy()))
}

#[test]
fn a_resumed_run_equals_the_uninterrupted_one_from_any_checkpoint_with_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    for backend in open_devices().into_iter().map(|open| open.backend).filter(|backend| backend.is_cpu()) {
        for (i, (name, settings)) in RUNS.into_iter().enumerate() {
            let config = config(settings);
            let path = |update: u64| folder.path().join(format!("{backend}-{i}-{update}"));
            let mut updates = Vec::new();
            let (lines, weights) = on_threads(2, || {
                let mut trainer = trainer(&config, backend);
                trainer.checkpoint().unwrap().write(&path(0)).unwrap();
                updates.push(0);
                run_to_end(&mut trainer, |trainer| {
                    updates.push(trainer.updates());
                    trainer.checkpoint().unwrap().write(&path(trainer.updates())).unwrap();
                })
            });
            assert!(lines.len() >= 3, "{name}: {} updates", lines.len());
            for (threads, update) in (1..).zip(updates) {
                let resumed = on_threads(threads, || {
                    let mut trainer = trainer(&config, backend);
                    let checkpoint = Checkpoint::read(&path(update)).unwrap();
                    assert_eq!(*checkpoint.config(), *config);
                    trainer.restore(checkpoint).unwrap();
                    assert_eq!(trainer.updates(), update);
                    run_to_end(&mut trainer, |_| {})
                });
                let left = &lines[usize::try_from(update).unwrap()..];
                assert!(resumed.0 == left, "{name}, {backend}, from update {update}: {:?}\n{left:?}", resumed.0);
                assert!(resumed.1 == weights, "{name}, {backend}, from update {update}");
            }
        }
    }
}

#[test]
fn on_a_gpu_a_resumed_run_differs_by_rounding_only() {
    for backend in open_devices().into_iter().map(|open| open.backend).filter(|backend| !backend.is_cpu()) {
        let config = config("total_steps = 96");
        let mut first = trainer(&config, backend);
        first.update().unwrap();
        let checkpoint = first.checkpoint().unwrap();
        let (_, weights) = run_to_end(&mut first, |_| {});
        let mut second = trainer(&config, backend);
        second.restore(checkpoint).unwrap();
        assert_close(&run_to_end(&mut second, |_| {}).1, &weights, 1e-5, "weights");
    }
}

#[test]
fn a_checkpoint_that_does_not_fit_the_run_is_refused_with_the_difference() {
    let checkpoint = |settings: &str| {
        let mut trainer = trainer(&config(settings), Backend::Flex);
        trainer.update().unwrap();
        trainer.checkpoint().unwrap()
    };
    let refused = |settings: &str, checkpoint: Checkpoint| {
        let error = trainer(&config(settings), Backend::Flex).restore(checkpoint).unwrap_err();
        let Error::Misfit(misfit) = error else { panic!("{error}") };
        misfit
    };
    for (ours, theirs, expected) in [
        ("", "hidden_sizes = [5]", "tensor `actor.layers.0.bias` is F32[5], but the network needs F32[6]"),
        ("", "hidden_sizes = [6, 6]", "unexpected [actor.layers.2.bias, "),
        ("", "optimiser = { kind = 'sgd', momentum = 0.5 }", "the optimiser needs `first_moment`"),
        ("", "num_envs = 2", "it has 2 action streams, but 4 are needed"),
        ("", RUNS[8].1, "unexpected [actor.layers.0.bias, "),
        (RUNS[8].1, "", "missing [actor.layers.0.bias, "),
        (RUNS[7].1, "", "state"),
        ("", "normalize_values = true", "it has 1 normalisers of values, but 0 are needed"),
        ("normalize_values = true", "", "it has 0 normalisers of values, but 1 are needed"),
        ("", "normalize_observations = true", "wrapper"),
        ("normalize_observations = true", "", "wrapper"),
        (RUNS[4].1, "recurrence = { cell = 'gru', size = 3, sequence_steps = 4, burn_in = 5 }", "`before` is F32[80]"),
    ] {
        let misfit = refused(ours, checkpoint(theirs)).to_string();
        assert!(misfit.contains(expected), "{ours} from {theirs}: {misfit}");
    }
    let misfit = refused("name = 'Acrobot-v1'\nhidden_sizes = []", checkpoint("hidden_sizes = []"));
    assert!(matches!(misfit, Misfit::Tensors(_)), "{misfit}");
}
