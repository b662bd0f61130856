//! What people look at after a run: `watch`, `plot`, `report`, `runs`, and files for other programs.

use std::{fs, path::Path};

use serde_json::Value;

use super::{assert_contains, burn_pg, json, metrics, success, train_small, usage_error};

/// Trains small runs with these seeds, in folders named after them.
fn trained(seeds: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for seed in seeds {
        train_small(folder.path(), &format!("runs/{seed}"), &["--seed", seed]);
    }
    folder
}

#[test]
fn watch_plays_the_episodes_of_eval_and_writes_them() {
    let folder = trained(&["7"]);
    let run = |arguments: &[&str]| burn_pg(folder.path(), arguments);
    let gif = run(&["watch", "runs/7", "--gif", "a.gif", "--episodes", "3"]);
    let said = success(&gif);
    let returns: Vec<f64> =
        said.lines().filter_map(|line| line.split_once("return ")?.1.split(',').next()?.parse().ok()).collect();
    assert_eq!(returns.len(), 3, "{said}");
    let evaluated = json(&run(&["eval", "runs/7", "--episodes", "3", "--json"]));
    let mean = returns.iter().sum::<f64>() / 3.0;
    assert!((mean - evaluated["eval_return_mean"].as_f64().unwrap()).abs() < 1e-9, "{said} {evaluated}");

    assert!(fs::read(folder.path().join("a.gif")).unwrap().starts_with(b"GIF89a"));
    let message = usage_error(&run(&["watch", "runs/7", "--gif", "a.gif"])).to_owned();
    assert_contains(&message, "a.gif exists already; --force replaces it");
    success(&run(&["watch", "runs/7", "--gif", "a.gif", "--force", "--steps", "3"]));
    success(&run(&["watch", "runs/7", "--png", "a.png", "--stochastic"]));
    assert!(fs::read(folder.path().join("a.png")).unwrap().starts_with(b"\x89PNG"));
    assert_contains(usage_error(&run(&["watch", "runs/7"])), "stdout is not a terminal");
}

#[test]
fn plot_draws_runs_in_the_terminal_and_to_files() {
    let folder = trained(&["1", "2"]);
    let run = |arguments: &[&str]| burn_pg(folder.path(), arguments);
    let shown = run(&["plot", "runs/1", "--y", "loss"]);
    assert_contains(success(&shown), "CartPole-v1, ppo: loss\n");
    assert_contains(success(&shown), "environment steps");
    success(&run(&["plot", "runs/1", "runs/2", "--y", "approx_kl", "--out", "c.svg"]));
    let svg = fs::read_to_string(folder.path().join("c.svg")).unwrap();
    for part in ["<svg", "approx kl", "environment steps", "(2 runs)", "95 % interval of the mean"] {
        assert_contains(&svg, part);
    }
    success(&run(&["plot", "runs/1", "--y", "entropy", "--out", "c.png"]));
    success(&run(&["plot", "runs/1", "--y", "entropy", "--x", "time", "--out", "time.svg"]));
    assert_contains(&fs::read_to_string(folder.path().join("time.svg")).unwrap(), "seconds");
    assert!(fs::read(folder.path().join("c.png")).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn plot_and_report_take_a_folder_of_runs() {
    let folder = trained(&["1", "2"]);
    let run = |arguments: &[&str]| burn_pg(folder.path(), arguments);
    for seed in ["1", "2"] {
        success(&run(&["train", "--resume", &format!("runs/{seed}"), "--total-steps", "4096", "--quiet"]));
    }
    let plot = run(&["plot", "runs", "--y", "return"]);
    assert_contains(success(&plot), "CartPole-v1, ppo: mean return of the last 100 episodes\n");
    assert_contains(success(&plot), "(2 runs)");
    success(&run(&["report", "runs", "--out", "two.html"]));
    assert_contains(&fs::read_to_string(folder.path().join("two.html")).unwrap(), "runs/2");
    // A run that has just begun is no reason to see nothing of the others.
    fs::write(folder.path().join("runs/2/metrics.jsonl"), "").unwrap();
    let plot = run(&["plot", "runs"]);
    assert_contains(super::text(&plot.stderr), "warning: runs/2 has no metrics yet");
    assert!(!success(&plot).contains("(2 runs)"));
    // Files of the runs in the folder are not replaced.
    refused_with(&run(&["plot", "runs", "--out", "runs/1/checkpoints/a.svg"]), "belongs to the run itself");
}

#[track_caller]
fn refused_with(output: &std::process::Output, part: &str) {
    assert_contains(usage_error(output), part);
}

#[test]
fn plot_refuses_what_cannot_be_compared_or_read() {
    let folder = trained(&["1"]);
    let small = [
        "--set",
        "num_steps=4",
        "num_envs=2",
        "num_minibatches=1",
        "--total-steps",
        "64",
        "--quiet",
        "--device",
        "flex",
    ];
    success(&burn_pg(folder.path(), [&["train", "Acrobot-v1", "--out", "runs/other"][..], &small].concat()));
    let run = |arguments: &[&str]| burn_pg(folder.path(), arguments);
    let refused = |arguments: &[&str], part: &str| assert_contains(usage_error(&run(arguments)), part);
    refused(&["plot", "runs"], "runs/1 is a run on CartPole-v1, and runs/other one on Acrobot-v1");
    refused(&["plot", "runs/1", "runs/other"], "runs/1 is a run on CartPole-v1, and runs/other one on Acrobot-v1");
    refused(&["plot", "runs/1", "--y", "los"], "did you mean `loss`");
    refused(&["plot", "runs/1", "--y", "kl"], "known are: approx_kl, ");
    refused(&["plot", "runs/1", "--out", "c.pdf"], "c.pdf must end in .svg or .png");
    refused(&["plot", "runs/1", "--y", "evaluation"], "has no evaluations");
    fs::remove_dir_all(folder.path().join("runs/other")).unwrap();
    fs::write(folder.path().join("runs/1/metrics.jsonl"), "").unwrap();
    refused(&["plot", "runs/1"], "runs/1 has no metrics yet");
    fs::write(folder.path().join("runs/1/metrics.jsonl"), "{}\n").unwrap();
    refused(&["plot", "runs/1"], "line 1 of runs/1/metrics.jsonl is not valid");
    refused(&["plot", "runs"], "runs has no run with metrics");
    refused(&["plot", "no"], "no is not a run directory");
    fs::create_dir(folder.path().join("empty")).unwrap();
    refused(&["plot", "empty"], "empty is not a run directory");
    refused(&["watch", "runs/1", "--gif", "a.png"], "a.png must end in .gif");
    refused(&["report", "runs/1", "--out", "a.txt"], "a.txt must end in .html");
    refused(
        &["watch", "runs/1", "--gif", "nowhere/a.gif"],
        "nowhere is not a folder, so nowhere/a.gif cannot be written",
    );
}

#[test]
fn a_report_is_one_page_without_links() {
    let folder = trained(&["1", "2"]);
    let run = |arguments: &[&str]| burn_pg(folder.path(), arguments);
    // The small runs end before their first episodes do.
    success(&run(&["train", "--resume", "runs/1", "--total-steps", "4096", "--quiet"]));
    success(&run(&["train", "--resume", "runs/2", "--total-steps", "4096", "--quiet"]));
    success(&run(&["report", "runs/1", "runs/2", "--out", "report.html"]));
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    let parts = [
        "<title>CartPole-v1, ppo</title>",
        "data:image/gif;base64,R0lGODlh",
        "interquartile mean, 95 % interval",
        "<td>runs/2</td>",
        "train --config runs/1/config.toml --device flex",
        "entropy, nats",
        "total_steps = 4096",
        "logical cores",
    ];
    for part in parts {
        assert!(page.contains(part), "{part}");
    }
    for link in ["src=\"http", "href=", "<script", "url("] {
        assert!(!page.contains(link), "{link}");
    }
    assert_contains(usage_error(&run(&["report", "runs/1", "--out", "report.html"])), "exists already");
}

#[test]
fn runs_are_listed_also_if_one_is_damaged() {
    let folder = trained(&["1", "2"]);
    let run = |arguments: &[&str]| burn_pg(folder.path(), arguments);
    fs::remove_file(folder.path().join("runs/2/summary.json")).unwrap();
    fs::create_dir(folder.path().join("runs/3")).unwrap();
    fs::write(folder.path().join("runs/3/config.toml"), "env.name = 3").unwrap();
    let listed = run(&["runs"]);
    let lines: Vec<&str> = success(&listed).lines().collect();
    assert!(lines[0].starts_with("run  task"), "{lines:?}");
    assert!(lines[1].starts_with("1    CartPole-v1  ppo") && lines[1].ends_with("ended"), "{lines:?}");
    assert!(lines[2].starts_with("2 ") && lines[2].ends_with("stopped"), "{lines:?}");
    assert!(lines[3].starts_with("damaged: ") && lines[3].contains("runs/3/config.toml"), "{lines:?}");
    let all = json(&run(&["runs", "runs", "--json"]));
    let states: Vec<&Value> = all.as_array().unwrap().iter().map(|run| &run["state"]).collect();
    assert_eq!(states, ["ended", "stopped", "damaged"]);
}

#[test]
fn logs_for_other_programs_survive_a_resume() {
    let folder = tempfile::tempdir().unwrap();
    let log = ["--set", "log.csv=true", "log.tensorboard=true", "checkpoint.interval=1"];
    train_small(folder.path(), "whole", &log);
    train_small(folder.path(), "parts", &log);
    success(&burn_pg(folder.path(), ["train", "--resume", "parts", "--at", "1", "--quiet"]));
    assert!(folder.path().join("parts/aside-after-1/metrics.csv").exists(), "what came after it is kept");
    // A log that cannot be written is found before the outcome is removed.
    train_small(folder.path(), "blocked", &log);
    fs::remove_file(folder.path().join("blocked/metrics.csv")).unwrap();
    fs::create_dir(folder.path().join("blocked/metrics.csv")).unwrap();
    let more = ["train", "--resume", "blocked", "--total-steps", "128", "--quiet"];
    assert!(!burn_pg(folder.path(), more).status.success());
    assert!(folder.path().join("blocked/policy.safetensors").exists());
    let columns = |run: &str| {
        let text = fs::read_to_string(folder.path().join(run).join("metrics.csv")).unwrap();
        let lines: Vec<Vec<String>> = text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect();
        let time = burn_pg::UpdateStats::TIME_FIELDS;
        let kept: Vec<usize> = (0..lines[0].len()).filter(|&at| !time.contains(&lines[0][at].as_str())).collect();
        lines.iter().map(|line| kept.iter().map(|&at| line[at].clone()).collect()).collect::<Vec<Vec<String>>>()
    };
    assert_eq!(columns("whole").len(), 1 + metrics(&folder.path().join("whole")).len());
    assert_eq!(columns("whole"), columns("parts"));
    let events = |run: &str| fs::read_dir(folder.path().join(run).join("tensorboard")).unwrap().count();
    assert_eq!([events("whole"), events("parts")], [1, 2]);
}

#[test]
fn a_run_that_goes_back_evaluates_its_later_checkpoints_again() {
    let folder = tempfile::tempdir().unwrap();
    train_small(folder.path(), "run", &["--set", "checkpoint.interval=1", "checkpoint.episodes=2"]);
    let path = folder.path().join("run/evaluations.jsonl");
    let evaluated = || fs::read_to_string(&path).unwrap();
    let before = evaluated();
    let lines: Vec<&str> = before.lines().collect();
    let mut second: Value = serde_json::from_str(lines[1]).unwrap();
    second["return_mean"] = 12_345.0.into();
    fs::write(&path, format!("{}\n{second}\n", lines[0])).unwrap();
    success(&burn_pg(folder.path(), ["train", "--resume", "run", "--at", "1", "--quiet"]));
    assert_eq!(evaluated(), before);
}

#[test]
fn a_run_stops_at_the_evaluation_of_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let stop = ["checkpoint.interval=1", "checkpoint.episodes=2", "checkpoint.stop_return=1"];
    let arguments: Vec<&str> = stop.iter().flat_map(|setting| ["--set", setting]).collect();
    train_small(folder.path(), "run", &arguments);
    let read = |name: &str| fs::read_to_string(folder.path().join("run").join(name)).unwrap();
    assert_eq!(read("metrics.jsonl").lines().count(), 1);
    let evaluations = read("evaluations.jsonl");
    let evaluation: Value = serde_json::from_str(evaluations.trim()).unwrap();
    assert_eq!((&evaluation["update"], &evaluation["env_steps"]), (&1.into(), &32.into()));
    assert!(Path::new(&folder.path().join("run/summary.json")).exists());
    // It is still over when it is resumed.
    success(&burn_pg(folder.path(), ["train", "--resume", "run", "--quiet"]));
    assert_eq!(read("metrics.jsonl").lines().count(), 1);
    assert_eq!(read("evaluations.jsonl").lines().count(), 1);
    success(&burn_pg(folder.path(), ["plot", "run", "--y", "evaluation"]));
}

#[test]
fn a_sweep_ranks_its_trials_and_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = "env = 'CartPole-v1'\npreset = 'ppo-cleanrl'\nseeds = 2\n[set]\ntotal_steps = 64\nnum_steps = 4\n\
                evaluation.episodes = 2\ndevice = 'flex'\n[grid]\nnum_epochs = [1, 2]\n";
    fs::write(folder.path().join("small.toml"), file).unwrap();
    let sweep = |more: &[&str]| burn_pg(folder.path(), [&["sweep", "small.toml", "--quiet"], more].concat());
    let first = sweep(&[]);
    let table = success(&first);
    assert_eq!(table.lines().filter(|line| line.starts_with("|  ")).count(), 2, "{table}");
    let json = json(&sweep(&["--json"]));
    assert!(json.to_string().contains("num_epochs"), "{json}");
    assert!(folder.path().join("sweeps/small/results.md").exists());
    fs::write(folder.path().join("small.toml"), file.replace("[1, 2]", "[1, 3]")).unwrap();
    usage_error(&sweep(&[]));
    assert_contains(success(&burn_pg(folder.path(), ["runs", "sweeps"])), "CartPole-v1");
    // The runs of each trial are a curve.
    let plot = burn_pg(folder.path(), ["plot", "sweeps/small", "--y", "loss"]);
    for trial in ["num epochs 1 (2 runs)", "num epochs 2 (2 runs)"] {
        assert_contains(success(&plot), trial);
    }
}

#[test]
fn a_sweep_says_where_a_wrong_setting_stands() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |file: &str, part: &str| {
        fs::write(folder.path().join("small.toml"), file).unwrap();
        let output = burn_pg(folder.path(), ["sweep", "small.toml"]);
        let message = usage_error(&output);
        assert_contains(message, part);
        assert!(!message.contains("--set"), "{message}");
        assert!(!folder.path().join("sweeps").exists());
    };
    let begin = "env = 'CartPole-v1'\nseeds = 2\n";
    refused(
        &format!("{begin}[grid]\ngamma = [0.9,\n  1.5]\n"),
        "small.toml: trial 2 (gamma=1.5): `algorithm.gamma` is 1.5; it must be between 0 and 1 ([grid], line 4)",
    );
    refused(&format!("{begin}[set]\nnum_envs = 0\n"), "([set], line 4)");
    refused(
        &format!("{begin}[random]\ntrials = 1\n[random.settings]\ngamma = {{ choice = ['high'] }}\n"),
        "([random.settings], line 6)",
    );
    refused("env = 'CartPole-v1'\nsedes = 2\n", "unknown key `sedes` (did you mean `seeds`?)");
    refused("evn = 'CartPole-v1'\nseeds = 2\n", "unknown key `evn` (did you mean `env`?)");
    refused(&format!("{begin}[random]\ntrails = 2\n"), "unknown key `random.trails` (did you mean `trials`?)");
    refused(
        &format!("{begin}[halving]\nfirst_step = 2\n"),
        "unknown key `halving.first_step` (did you mean `first_steps`?)",
    );
}

#[test]
fn a_sweep_shows_its_progress_within_80_columns() {
    let folder = tempfile::tempdir().unwrap();
    let file = "env = 'CartPole-v1'\npreset = 'ppo-cleanrl'\nseeds = [1000, 1001]\n[set]\ntotal_steps = 64\nnum_steps = 4\n\
                evaluation.episodes = 2\ndevice = 'flex'\n[grid]\nnum_epochs = [1, 2]\nlearning_rate = [1e-3, 3e-4]\n\
                algorithm.gae_lambda = [0.95]\nhidden_sizes = [[8]]\n";
    fs::write(folder.path().join("small.toml"), file).unwrap();
    let sweep = burn_pg(folder.path(), ["sweep", "small.toml"]);
    let (shown, progress) = (success(&sweep), super::text(&sweep.stderr));
    assert!(progress.starts_with("4 trials, 8 runs, "), "{progress}");
    assert_contains(progress, "8 of 8: ");
    let table = |line: &&str| line.starts_with('|');
    for line in progress.lines().chain(shown.lines().filter(|line| !table(line))) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert_contains(shown, "--seed 1000");
    assert_contains(shown, "--set learning_rate=");
    assert!(fs::read_to_string(folder.path().join("sweeps/small/results.md")).unwrap().contains("| steps/s |"));
}

#[test]
fn completions_and_the_manual_page_name_the_commands() {
    let printed = |arguments: &[&str]| success(&burn_pg(Path::new("."), arguments)).to_owned();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert_contains(&printed(&["completions", shell]), "watch");
    }
    let man = printed(&["man"]);
    assert!(man.contains(".TH burn-pg 1") && man.contains("total\\-steps"), "{man}");
}
