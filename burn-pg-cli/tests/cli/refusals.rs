//! Arguments and configurations that are refused, with what is wrong and a fix.

use super::refused;

/// Like [`refused`], for options of `train CartPole-v1`.
#[track_caller]
fn train_refused(options: &[&str], parts: &[&str]) {
    let mut arguments = vec!["train", "CartPole-v1"];
    arguments.extend(options);
    refused(&arguments, parts);
}

#[test]
fn an_unknown_environment_is_refused() {
    refused(
        &["train", "Acrobat", "--total-steps", "1"],
        &["unknown environment `Acrobat` (did you mean `Acrobot-v1`?)"],
    );
    for command in [&["train"][..], &["plan", "--seed", "3"]] {
        let name = command[0];
        let message = format!(
            "no environment was given; type for example `burn-pg {name} CartPole-v1`; `burn-pg envs` lists the environments, \
             and `burn-pg {name} --help` the options\n"
        );
        refused(command, &[&message]);
    }
    refused(&["train", "CartPole-v0"], &["unknown environment `CartPole-v0` (did you mean `CartPole-v1`?)"]);
    for stranger in ["LunarLander-v3", "HalfCheetah-v5", "foo", "ALE/Pong-v5"] {
        let unknown = format!("unknown environment `{stranger}`; known are: ");
        refused(&["train", stranger], &[&unknown, "It is not built in: if Gymnasium has it, its name is `gym:"]);
    }
}

#[test]
fn an_unknown_algorithm_is_refused() {
    train_refused(&["--algo", "pppo"], &["unknown algorithm `pppo` (did you mean `ppo`?)"]);
    train_refused(
        &["--set", "algorithm.kind=pppo"],
        &["`algorithm.kind` is \"pppo\"; it must be \"ppo\", \"a2c\"", "(--set)"],
    );
}

#[test]
fn an_unknown_preset_is_refused() {
    train_refused(
        &["--preset", "ppo-clean"],
        &["unknown preset `ppo-clean` (did you mean `ppo-cleanrl`?); `burn-pg presets` lists those that exist"],
    );
}

#[cfg(unix)]
#[test]
fn a_message_names_the_program_that_runs() {
    use std::os::unix::process::CommandExt;

    use super::{command, text};

    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path(), ["train", "CartPole-v1", "--preset", "fast"]).arg0("coins").output().unwrap();
    assert_eq!(text(&output.stderr), "error: unknown preset `fast`; `coins presets` lists those that exist\n");
}

#[test]
fn an_unknown_key_is_refused() {
    train_refused(
        &["--set", "gama=0.9"],
        &["--set gama=0.9: there is no setting `gama`; did you mean `algorithm.gamma`?"],
    );
    train_refused(&["--set", "lr=0.9"], &["there is no setting `lr`; did you mean `optimiser.learning_rate`?"]);
    train_refused(&["--set", "kind=sgd"], &["`kind` may be `algorithm.kind`, `network.kind` or `optimiser.kind`"]);
    train_refused(
        &["--config", "typo.toml"],
        &["there is no setting `gama`; did you mean `algorithm.gamma`? (typo.toml, line 1)"],
    );
}

#[test]
fn a_value_out_of_range_is_refused() {
    for (setting, message) in [
        ("gamma=1.5", "`algorithm.gamma` is 1.5; it must be between 0 and 1"),
        ("clip_range=-0.2", "`algorithm.clip_range` is -0.2; it must be more than 0"),
        ("num_envs=0", "`env.num_envs` is 0; it must be between 1 and 1048576"),
        ("num_minibatches=3", "`algorithm.num_minibatches` is 3, which does not divide the"),
        ("num_envs=many", "`env.num_envs` is \"many\"; it must be a whole number"),
        ("activation=tahn", "is \"tahn\"; it must be \"tanh\", \"relu\" or \"silu\""),
    ] {
        train_refused(&["--set", setting], &[message]);
    }
    train_refused(&["--total-steps", "10"], &["`run.total_steps` is 10, which is less than"]);
    train_refused(&["--total-steps", "-5"], &["--total-steps", "expected a whole number"]);
    train_refused(&["--threads", "60000"], &["--threads", "expected a whole number from 0 to 1024, such as 2"]);
    train_refused(&["--set", "hidden_sizes=[1000000000]"], &["`network.hidden_sizes` is [1000000000]; it must be"]);
    train_refused(&["--seed", "18446744073709551615"], &["expected a whole number from 0 to 2^63 - 1, such as 7"]);
    train_refused(&["--set", "gamma"], &["--set gamma: expected KEY=VALUE"]);
    refused(&["train", "--set", "CartPole-v1", "gamma"], &["--set gamma: expected KEY=VALUE"]);
    // A wrong value is refused even if another layer overrides it.
    train_refused(&["--seed", "3", "--set", "seed=-1"], &["`run.seed` is -1; it must be a whole number, 0 or more"]);
}

#[test]
fn settings_that_nothing_reads_are_refused_with_the_reason() {
    let reinforce = |setting: &'static str| ["--algo", "reinforce", "--set", setting];
    train_refused(
        &reinforce("num_steps=32"),
        &["`rollout.num_steps` is not read: the rollouts of reinforce are whole episodes"],
    );
    train_refused(
        &reinforce("num_epochs=2"),
        &["`algorithm.num_epochs` is not read: `reinforce` has no such setting, only `ppo` and `trpo` have"],
    );
    train_refused(
        &["--set", "max_kl=0.1"],
        &["`algorithm.trust_region` is not read: `ppo` has no such setting, only `trpo` has"],
    );
    train_refused(
        &["--set", "log_std=1"],
        &["`network.exploration.log_std` is not read: it is for continuous actions"],
    );
    train_refused(
        &["--set", "estimator={kind='n_step',n=5}", "gae_lambda=0.9"],
        &["`algorithm.gae_lambda` is not read: the estimator is `algorithm.estimator` (--set)"],
    );
    train_refused(
        &["--set", "optimiser.kind=sgd", "dampening=0.5"],
        &["`optimiser.dampening` is not read: it is for `optimiser.momentum`, which is 0"],
    );
    train_refused(
        &["--set", "faults.limit=3"],
        &["`faults.limit` is not read: no update is skipped, unless `faults.numbers` is \"skip\" or"],
    );
}

#[test]
fn all_errors_of_a_file_are_reported_at_once_with_their_lines() {
    train_refused(
        &["--config", "three.toml"],
        &[
            "3 settings are wrong:\n",
            "  `algorithm.gamma` is \"high\"; it must be a number (three.toml, line 3)\n",
            "  `env.num_envs` is -1; it must be a whole number, 0 or more (three.toml, line 5)\n",
            "  there is no setting `env.frobnicate` (three.toml, line 6)",
        ],
    );
    train_refused(
        &[
            "--set",
            "num_minibatches=3",
            "total_steps=4",
            "gamma=2",
            "faults.limit=3",
            "network.exploration.squash=true",
        ],
        &["5 settings are wrong:\n"],
    );
    // Without an environment, too.
    refused(
        &["train", "--set", "env.name=5", "gamma=high"],
        &["2 settings are wrong:\n  ", "`env.name` is 5; it must be a text (--set)", "`algorithm.gamma` is \"high\""],
    );
    train_refused(
        &["--set", "loss=[{weight=1,term={kind=\"ppo_clip\",clip_range=0.2}}]"],
        &["`algorithm.loss` has no term that trains the critic, and ppo needs one"],
    );
    train_refused(
        &["--preset", "pendulum-v1-ppo-sde"],
        &["`network.exploration.sde` is not read: it is for continuous actions", "(preset pendulum-v1-ppo-sde)"],
    );
    train_refused(&["--gamma", "0.9"], &["`--gamma` is a setting: --set gamma=VALUE"]);
    train_refused(&["--num-envs", "8"], &["`--num-envs` is a setting: --set num_envs=VALUE"]);
    train_refused(&["--set", "optimiser.kind=lion"], &["error: `optimiser.kind` is \"lion\"; it must be \"adam\""]);
    train_refused(
        &["--set", "device=tpu", "gamma=2"],
        &["2 settings are wrong:\n  `run.device`: unknown device `tpu`; known are: ", "`algorithm.gamma` is 2"],
    );
    train_refused(&["--set", "clip_range.kind=linear"], &["`algorithm.clip_range.start` is missing", "(--set)"]);
    // Errors of the file come first, in the order of its lines.
    train_refused(
        &["--config", "by-line.toml", "--set", "gamma=high"],
        &["4 settings are wrong:\n  `run.seed` is -1; it must be a whole number, 0 or more (by-line.toml, line 2)\n  \
           `env.num_envs` is 0; it must be between 1 and 1048576 (by-line.toml, line 4)\n  \
           `algorithm.num_epochs` is 0; it must be between 1 and 1000000 (by-line.toml, line 7)\n  \
           `algorithm.gamma` is \"high\"; it must be a number (--set)\n"],
    );
}

#[test]
fn a_network_that_does_not_fit_the_environment_is_refused() {
    let fix = "set it to \"mlp\"";
    train_refused(&["--set", "network.kind=cnn"], &["observes Box[4], which has no image", fix]);
    train_refused(&["--preset", "ppo-nature"], &["environment `CartPole-v1` observes Box[4]", fix]);
    train_refused(
        &["--set", "network={kind=\"cnn\",layers=[]}"],
        &["`network.layers` is []; it must be 1 to 16 layers"],
    );
    train_refused(&["--set", "network.kind=rnn"], &["`network.kind` is \"rnn\"; it must be \"mlp\" or \"cnn\""]);
}

#[test]
fn unreadable_and_contradictory_configurations_are_refused() {
    train_refused(&["--config", "none.toml"], &["none.toml cannot be read"]);
    train_refused(&["--config", "broken.toml"], &["broken.toml is not valid TOML"]);
    train_refused(
        &["--config", "pendulum.toml"],
        &["two environments: `CartPole-v1` on the command line, and `Pendulum-v1` in pendulum.toml"],
    );
    train_refused(
        &["--set", "env.name=Pendulum-v1"],
        &["two environments: `CartPole-v1` on the command line, and `Pendulum-v1` in --set"],
    );
}

#[test]
fn two_algorithms_are_refused() {
    for (options, message) in [
        (
            &["--preset", "ppo-cleanrl", "--config", "a2c.toml"][..],
            "two algorithms: `ppo` from preset ppo-cleanrl, and `a2c` from a2c.toml; leave out one of them",
        ),
        (
            &["--config", "a2c.toml", "--algo", "trpo"],
            "two algorithms: `a2c` from a2c.toml, and `trpo` from the command line; leave out one of them",
        ),
        (
            &["--algo", "trpo", "--set", "algorithm.kind=a2c"],
            "two algorithms: `a2c` from --set, and `trpo` from the command line; leave out one of them",
        ),
        (&["--preset", "reinforce", "--algo", "ppo"], "two algorithms: `reinforce` from preset reinforce, and `ppo`"),
    ] {
        train_refused(options, &[message]);
    }
}

#[test]
fn an_output_folder_that_is_used_or_unwritable_is_refused() {
    train_refused(&["--out", "used"], &["used is already used"]);
    train_refused(&["--out", "a-file/run"], &["a-file/run cannot be written"]);
    train_refused(&["--out", "a-file"], &["a-file cannot be written"]);
}

#[test]
fn an_invalid_number_is_refused_with_the_expected_range() {
    for (arguments, message) in [
        (&["eval", "run", "--episodes", "0"][..], "expected a whole number from 1 to 1048576, such as 100"),
        (&["eval", "run", "--episodes", "-1"], "expected a whole number from 1 to 1048576, such as 100"),
        (&["eval", "run", "--episodes", "4000000000"], "expected a whole number from 1 to 1048576, such as 100"),
        (&["eval", "run", "--seed", "-1"], "expected a whole number from 0 to 2^64 - 1, such as 7"),
        (&["eval", "run", "--at", "last"], "expected the number of an update, such as 120, or `best`"),
        (&["act", "run", "--at", "-3"], "expected the number of an update, such as 120, or `best`"),
        (&["train", "--resume", "run", "--at", "best"], "expected a whole number from 0 to 2^64 - 1, such as 120"),
        (&["bench", "train", "--repeat", "0"], "expected a whole number from 1 to 2^64 - 1, such as 3"),
        (&["env-trace", "CartPole-v1", "--seed", "1.5"], "expected a whole number from 0 to 2^64 - 1, such as 7"),
        (&["env-trace", "CartPole-v1", "--steps", "-5"], "expected a whole number from 0 to 2^64 - 1, such as 200"),
    ] {
        let [.., option, value] = arguments else { unreachable!() };
        refused(arguments, &[&format!("error: invalid value '{value}' for '{option} <"), message]);
    }
}

#[test]
fn a_path_without_a_run_is_refused_with_what_is_missing() {
    let without_run = [
        ("none", "none is not a run directory: it does not exist"),
        ("a-file", "a-file is not a run directory: it is not a folder"),
        ("used", "used is not a run directory: it has neither config.toml nor checkpoints"),
    ];
    for (path, message) in without_run {
        for command in [
            &["eval", path][..],
            &["eval", path, "--at", "3"],
            &["eval", path, "--at", "best"],
            &["act", path],
            &["export", path, "--format", "onnx", "--out", "policy.onnx"],
            &["train", "--resume", path],
        ] {
            refused(command, &[message]);
        }
    }
    let no_policy = "only-settings has no policy yet: policy.safetensors is written at the end of a run, and there is no \
                     checkpoint; train to its end with: burn-pg train --resume only-settings";
    refused(&["eval", "only-settings"], &[no_policy]);
}

#[test]
fn a_device_that_is_unknown_or_not_compiled_in_is_refused() {
    train_refused(&["--device", "gpu"], &["unknown device `gpu`", "auto, cuda"]);
    if !cfg!(feature = "cuda") {
        train_refused(&["--device", "cuda"], &["device `cuda` is not compiled in; this build has: ", "flex"]);
    }
}
