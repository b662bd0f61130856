//! Runs that go on from a checkpoint.

use std::{collections::BTreeMap, fs, ops::ControlFlow, path::Path};

use burn_pg::{
    CheckedConfig, DeviceChoice, Error, Trainer, UpdateStats,
    device::{self, Backend},
    optim::flatten_parameters,
    policy::ActorCritic,
    run::checkpoint::{Best, Checkpoint, CheckpointError, Checkpoints},
    storage::Misfit,
};

use sha2::{Digest, Sha256};

use crate::precision::{assert_close, open_devices, values};
use crate::settings::valid;

/// Six updates of four environments.
const COMMON: &str = "total_steps = 192\nnum_envs = 4\nhidden_sizes = [6]\n";

/// For algorithms that take several steps per rollout.
const PASSES: &str = "num_minibatches = 2\nnum_epochs = 2\n";

/// Every algorithm, kind of policy, optimiser, wrapper and term that remembers something.
const RUNS: [(&str, &str); 19] = [
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
    ("ppo, held noise", "name = 'Pendulum-v1'\nexploration = { sde = { resample_every = 3, learn_features = true } }"),
    ("ppo, acrobot", "name = 'Acrobot-v1'\ntarget_kl = 1e-4"),
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

fn config(settings: &str) -> CheckedConfig {
    let mut table: toml::Table = COMMON.parse().unwrap();
    if !settings.contains("'reinforce'") {
        table.insert("num_steps".into(), 8.into());
    }
    if !settings.contains("'a2c'") && !settings.contains("'reinforce'") {
        table.extend(PASSES.parse::<toml::Table>().unwrap());
    }
    table.extend(settings.parse::<toml::Table>().unwrap());
    valid(&table.to_string())
}

fn trainer(config: &CheckedConfig, backend: Backend) -> Trainer<ActorCritic> {
    Trainer::of(config, &device::open(DeviceChoice::Backend(backend)).unwrap().device).unwrap()
}

/// The lines of the metrics from here to the end, without time fields, and the weights at the end.
fn run_to_end(
    trainer: &mut Trainer<ActorCritic>,
    mut each: impl FnMut(&Trainer<ActorCritic>),
) -> (Vec<BTreeMap<String, serde_json::Value>>, Vec<f64>) {
    let mut lines = Vec::new();
    let outcome = trainer.run_with(|trainer, stats| {
        let mut line: BTreeMap<String, serde_json::Value> =
            serde_json::from_value(serde_json::to_value(stats.unwrap()).unwrap()).unwrap();
        for field in UpdateStats::TIME_FIELDS {
            line.remove(field).unwrap();
        }
        lines.push(line);
        each(trainer);
        ControlFlow::Continue(())
    });
    outcome.unwrap();
    (lines, values(flatten_parameters(trainer.policy())))
}

fn in_pool<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

#[test]
fn a_run_goes_on_to_the_bit_from_any_checkpoint_with_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    for backend in open_devices().into_iter().map(|open| open.backend).filter(|backend| backend.is_cpu()) {
        for (i, (name, settings)) in RUNS.into_iter().enumerate() {
            let config = config(settings);
            let path = |update: u64| folder.path().join(format!("{backend}-{i}-{update}"));
            let mut updates = Vec::new();
            let (lines, weights) = in_pool(2, || {
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
                let resumed = in_pool(threads, || {
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
fn on_a_gpu_a_run_goes_on_as_near_as_its_rounding() {
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
fn a_checkpoint_of_another_run_is_refused_for_what_differs() {
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
        ("", "optimiser = { kind = 'sgd', momentum = 0.5 }", "has no `first_moment`"),
        ("", "num_envs = 2", "it has 2 action streams, but 4 are needed"),
        ("", RUNS[8].1, "unexpected [actor.layers.0.bias, "),
        (RUNS[8].1, "", "missing [actor.layers.0.bias, "),
        (RUNS[7].1, "", "state"),
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

/// A checkpoint of a run with as little as there can be.
fn smallest(folder: &Path) -> std::path::PathBuf {
    let config = config("num_envs = 1\nnum_steps = 2\nnum_minibatches = 1\nhidden_sizes = []\ntotal_steps = 32");
    let mut trainer = trainer(&config, Backend::Flex);
    trainer.update().unwrap();
    let path = folder.join("smallest");
    trainer.checkpoint().unwrap().write(&path).unwrap();
    path
}

#[test]
fn a_checkpoint_with_any_byte_changed_or_any_file_cut_off_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = smallest(folder.path());
    Checkpoint::read(&path).unwrap();
    let mut flipped = 0;
    for file in Checkpoint::FILES.into_iter().chain(["SHA256SUMS"]) {
        let file = path.join(file);
        let whole = fs::read(&file).unwrap();
        let refused = |bytes: &[u8], what: &str| {
            fs::write(&file, bytes).unwrap();
            let error = Checkpoint::read(&path).unwrap_err();
            assert!(matches!(error, CheckpointError::Damaged { .. }), "{} {what}: {error}", file.display());
        };
        for i in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[i] ^= 1 << (i % 8);
            refused(&bytes, &format!("byte {i}"));
            flipped += 1;
        }
        for len in (0..whole.len()).step_by(7) {
            refused(&whole[..len], &format!("length {len}"));
        }
        refused(&[&whole[..], b"\n"].concat(), "one byte more");
        fs::remove_file(&file).unwrap();
        let error = Checkpoint::read(&path).unwrap_err().to_string();
        assert!(error.contains(" is missing"), "{error}");
        fs::write(&file, &whole).unwrap();
        Checkpoint::read(&path).unwrap();
    }
    assert!(flipped > 2_000, "{flipped}");
}

/// Lets the files of a checkpoint be other ones, with checksums that are right.
fn rewrite(path: &Path, name: &str, change: impl Fn(&str) -> String) {
    let text = change(&fs::read_to_string(path.join(name)).unwrap());
    fs::write(path.join(name), &text).unwrap();
    let sums = Checkpoint::FILES.map(|name| {
        let digest = Sha256::digest(fs::read(path.join(name)).unwrap());
        let hex = digest.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        format!("{hex}  {name}\n")
    });
    fs::write(path.join("SHA256SUMS"), sums.concat()).unwrap();
}

#[test]
fn checkpoints_of_other_versions_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = smallest(folder.path());
    let told = |change: &dyn Fn(&str) -> String| {
        rewrite(&path, "state.json", change);
        Checkpoint::read(&path).unwrap_err()
    };
    let newer = told(&|text| text.replacen("\"schema\":4", "\"schema\":5", 1).replacen("\"0.1.0\"", "\"9.8.7\"", 1));
    assert!(matches!(newer, CheckpointError::Newer { schema: 5, newest: 4, .. }), "{newer}");
    assert!(newer.to_string().contains("has schema 5 (of version 9.8.7), and this version knows schemas up to 4"));
    // Whatever else it holds.
    let newer = told(&|_| "{\"schema\":5,\"version\":\"9.9\",\"of\":[\"the future\"]}".into());
    assert!(matches!(newer, CheckpointError::Newer { schema: 5, .. }), "{newer}");
    let older = told(&|_| "{\"schema\":0,\"version\":\"0.0.1\"}".into());
    assert!(matches!(older, CheckpointError::Older { schema: 0, .. }), "{older}");
    // The first schema had fewer files.
    fs::remove_file(path.join("source.json")).unwrap();
    fs::write(path.join("state.json"), "{\"schema\":1,\"version\":\"0.1.0\",\"run\":{}}").unwrap();
    let older = Checkpoint::read(&path).unwrap_err();
    assert!(
        older.to_string().contains("has schema 1 (of version 0.1.0), which this version no longer reads"),
        "{older}"
    );
    let path = smallest(folder.path());
    let told = |change: &dyn Fn(&str) -> String| {
        rewrite(&path, "state.json", change);
        Checkpoint::read(&path).unwrap_err()
    };
    let damaged = told(&|_| "[".repeat(100_000));
    assert!(matches!(damaged, CheckpointError::Damaged { .. }), "{damaged}");
}

#[test]
fn the_newest_whole_checkpoint_is_found_and_the_damaged_ones_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::at(&folder.path().join("checkpoints"));
    assert!(checkpoints.newest().unwrap().is_none());
    assert!(matches!(checkpoints.load(1), Err(CheckpointError::Missing { update: 1, .. })));
    checkpoints.prepare().unwrap();
    let mut trainer = trainer(&config(""), Backend::Flex);
    for update in 1..=6 {
        trainer.update().unwrap();
        checkpoints.save(&trainer.checkpoint().unwrap()).unwrap();
        let return_mean = [1.0, 7.0, 3.0, 7.0, f64::NEG_INFINITY, f64::NAN][update - 1];
        let best = checkpoints.note(Best { update: update as u64, return_mean });
        assert_eq!(best.unwrap_or_default(), [1, 2, 4].contains(&update), "{update}");
        checkpoints.prune(3).unwrap();
    }
    // The last three; the best of all stays beside them, and of two as good the later one.
    assert_eq!(checkpoints.updates().unwrap(), [4, 5, 6]);
    assert_eq!(checkpoints.best().unwrap(), Some(Best { update: 4, return_mean: 7.0 }));
    checkpoints.prune(1).unwrap();
    assert_eq!(checkpoints.updates().unwrap(), [4, 6]);
    // What is not known to be worse stays.
    fs::write(folder.path().join("checkpoints/best.json"), "{").unwrap();
    assert!(matches!(checkpoints.prune(1), Err(CheckpointError::Damaged { .. })));
    assert_eq!(checkpoints.updates().unwrap(), [4, 6]);
    fs::remove_file(folder.path().join("checkpoints/best.json")).unwrap();

    let damage = |update: u64| fs::write(checkpoints.path_of(update).join("state.json"), "{}").unwrap();
    damage(6);
    let (checkpoint, damaged) = checkpoints.newest().unwrap().unwrap();
    assert_eq!((checkpoint.updates(), damaged.len()), (4, 1));
    let message = "update-000000006 is damaged: state.json does not match its checksum in SHA256SUMS";
    assert!(damaged[0].to_string().contains(message));
    damage(4);
    let error = checkpoints.newest().unwrap_err();
    assert!(error.to_string().starts_with("none of the 2 checkpoints in "), "{error}");
    // One that cannot be read at all may be whole.
    fs::remove_file(checkpoints.path_of(6).join("state.json")).unwrap();
    fs::create_dir(checkpoints.path_of(6).join("state.json")).unwrap();
    assert!(matches!(checkpoints.newest(), Err(CheckpointError::Read { .. })));
}

#[test]
fn going_back_moves_what_came_later() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (checkpoints, aside) = (Checkpoints::at(folder.path()), Checkpoints::at(other.path()));
    let mut trainer = trainer(&config(""), Backend::Flex);
    for update in 1..=4 {
        trainer.update().unwrap();
        checkpoints.save(&trainer.checkpoint().unwrap()).unwrap();
        if update == 3 {
            checkpoints.note(Best { update, return_mean: 5.0 }).unwrap();
        }
    }
    let kept = |of: &Checkpoints| (of.updates().unwrap(), of.best().unwrap().map(|best| best.update));
    checkpoints.move_after(3, &aside).unwrap();
    assert_eq!((kept(&checkpoints), kept(&aside)), ((vec![1, 2, 3], Some(3)), (vec![4], None)));
    checkpoints.move_after(2, &aside).unwrap();
    assert_eq!((kept(&checkpoints), kept(&aside)), ((vec![1, 2], None), (vec![3, 4], Some(3))));
    assert_eq!(aside.load(4).unwrap().updates(), 4);
    assert!(!folder.path().join("best.json").exists());
    // What is damaged is put aside, and they can be pruned again.
    fs::write(folder.path().join("best.json"), "{").unwrap();
    assert!(checkpoints.prune(2).is_err());
    checkpoints.set_aside_after(2).unwrap();
    assert_eq!(fs::read(folder.path().join("best.json.damaged")).unwrap(), b"{");
    checkpoints.prune(2).unwrap();
    // A crash on the way back may leave the best without its checkpoint. Then any other is better; with it, it stays.
    let worse = Best { update: 1, return_mean: 1.0 };
    checkpoints.note(Best { update: 2, return_mean: 5.0 }).unwrap();
    assert!(!checkpoints.note(worse).unwrap());
    fs::remove_dir_all(checkpoints.path_of(2)).unwrap();
    assert!(checkpoints.note(worse).unwrap());
    assert_eq!(checkpoints.best().unwrap(), Some(worse));
}

#[test]
fn counters_that_no_run_comes_to_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = smallest(folder.path());
    let config = Checkpoint::read(&path).unwrap().config().clone().validate().unwrap();
    let files = ["state.json", "source.json", "update.json"];
    let texts = files.map(|file| fs::read_to_string(path.join(file)).unwrap());
    let mut refused = 0;
    for (file, whole) in files.iter().zip(&texts) {
        for (start, _) in whole.match_indices(|letter: char| letter.is_ascii_digit()) {
            if whole.as_bytes()[start - 1] != b':' {
                continue;
            }
            let len = whole[start..].find(|letter: char| !letter.is_ascii_digit()).unwrap();
            for number in [u64::MAX, u64::from(u32::MAX), u64::MAX / 2] {
                rewrite(&path, file, |_| format!("{}{number}{}", &whole[..start], &whole[start + len..]));
                let Ok(checkpoint) = Checkpoint::read(&path) else {
                    refused += 1;
                    continue;
                };
                let mut trainer = trainer(&config, Backend::Flex);
                if trainer.restore(checkpoint).is_err() {
                    refused += 1;
                } else if !trainer.is_over() {
                    // No overflow, with checks for it too.
                    let _ = trainer.update();
                }
            }
        }
        rewrite(&path, file, |_| whole.clone());
    }
    assert!(refused > 10, "{refused}");

    // Those that the source has taken are those of the run.
    rewrite(&path, "source.json", |whole| whole.replacen("\"env_steps\":", "\"env_steps\":1", 1));
    let refusal = trainer(&config, Backend::Flex).restore(Checkpoint::read(&path).unwrap()).unwrap_err();
    assert!(refusal.to_string().contains("environment steps"), "{refusal}");
}

#[test]
fn what_a_crash_leaves_of_a_checkpoint_is_cleared_away_or_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::at(folder.path());
    let whole = smallest(folder.path());
    fs::rename(&whole, checkpoints.path_of(1)).unwrap();
    // Killed while it wrote, and while it put a new one in the place of an old one.
    fs::create_dir(folder.path().join("update-000000002.tmp")).unwrap();
    fs::write(folder.path().join("update-000000002.tmp/state.json"), "{\"sche").unwrap();
    fs::rename(checkpoints.path_of(1), folder.path().join("update-000000001.old")).unwrap();
    assert_eq!(Checkpoint::read(&checkpoints.path_of(1)).unwrap().updates(), 1);
    checkpoints.prepare().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(checkpoints.newest().unwrap().unwrap().0.updates(), 1);
    // The new one was in place already.
    fs::create_dir(folder.path().join("update-000000001.old")).unwrap();
    checkpoints.prepare().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(checkpoints.newest().unwrap().unwrap().0.updates(), 1);
}
