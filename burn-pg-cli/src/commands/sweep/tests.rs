//! Whole sweeps, with a shell script in place of the program.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, anyhow};
use tempfile::TempDir;

use super::{
    Folder, Progress, Runner, Stopped, Sweep, SweepFile, markdown,
    plan::{Facts, Plan},
    results::{Comparison, Results},
};

/// Writes `summary.json` with the score `score * 1000 + seed`, and all its arguments to `calls`. The setting `gamma` of `--set`
/// decides: `crash` fails, `gone` ends by a signal, `refused` has exit code 2, `slow` waits for a signal.
const PROGRAM: &str = r#"
echo "$@" >> CALLS
while [ $# -gt 0 ]; do
    case "$1" in
        --out) dir=$2; mkdir -p "$dir"; touch "$dir/.lock";;
        --resume) dir=$2; seed=$(cat "$dir/config.toml"); resumed=1;;
        --seed) seed=$2;;
        --set) case "$2" in gamma=*) gamma=$(echo "${2#gamma=}" | tr -d '"');; esac;;
    esac
    shift
done
[ -n "$resumed" ] && gamma=0
echo "$seed" > "$dir/config.toml"; touch "$dir/begun"
case "$gamma" in
    crash) echo "error: NaN in the loss" >&2; exit 1;;
    gone) kill -SEGV $$;;
    refused) echo "error: no memory" >&2; exit 2;;
    slow) trap 'exit 143' TERM; while true; do sleep 0.01; done;;
esac
score=$(echo "$gamma $seed" | awk '{ print $1 * 1000 + $2 }')
echo '{"env": "CartPole-v1", "seed": '$seed', "eval_return_mean": '$score', "env_steps": 5, "train_seconds": 1, "steps_per_second": 5}' > "$dir/summary.json"
"#;

/// A sweep with the script, in a temporary folder.
struct Lab {
    folder: TempDir,
    plan: Plan,
    text: String,
    /// The sweep is interrupted once all of these files exist.
    interrupted_at: Option<Vec<PathBuf>>,
}

impl Lab {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("program");
        fs::write(&script, PROGRAM.replace("CALLS", &folder.path().join("calls").display().to_string())).unwrap();
        let plan = plan(folder.path(), text).unwrap();
        Self { folder, plan, text: text.into(), interrupted_at: None }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("sweep")
    }

    fn open(&self) -> Result<Folder> {
        Folder::open(&self.out(), &self.plan, &self.text)
    }

    fn run(&self) -> Result<Results<'_>, Stopped> {
        let folder = self.open()?;
        let interrupted_at = &self.interrupted_at;
        let interrupted =
            || interrupted_at.as_ref().and_then(|files| files.iter().all(|file| file.exists()).then_some(130));
        let script = self.folder.path().join("program");
        // Run by `sh`: a file that was just written may not be executable while another thread starts a process.
        let program = || {
            let mut command = Command::new("sh");
            command.arg(&script);
            command
        };
        let progress = Progress::new(self.plan.size(), true);
        let runner = Runner { program: &program, jobs: 2, interrupted: &interrupted };
        Sweep { plan: &self.plan, folder: &folder, runner, progress: &progress }.run()
    }

    /// Returns the arguments of each start of the program.
    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        calls.lines().map(Into::into).collect()
    }

    fn error(&self) -> String {
        match self.run() {
            Err(Stopped::Error(error)) => format!("{error:#}"),
            Err(Stopped::Interrupted(code)) => panic!("interrupted: {code}"),
            Ok(_) => panic!("it ran to its end"),
        }
    }
}

fn plan(folder: &Path, text: &str) -> Result<Plan> {
    let path = folder.join("lab.toml");
    fs::write(&path, text).unwrap();
    let facts = Facts { env: "CartPole-v1".into(), algo: "ppo".into(), total_steps: 100 };
    Plan::of(SweepFile::read(&path)?.0, &|_| Ok(facts.clone()))
}

/// Returns the trials of a comparison, the best one first.
fn order(comparison: &Comparison) -> Vec<usize> {
    comparison.standings.iter().map(|standing| standing.trial).collect()
}

#[test]
fn every_trial_runs_with_every_seed_and_is_ranked() {
    let lab = Lab::new(
        "env = 'CartPole-v1'\nalgo = 'a2c'\nseeds = 2\nset = { num_envs = 4 }\ngrid = { gamma = [0.25, 0.75, 0.5] }",
    );
    let results = lab.run().unwrap();
    assert_eq!(order(&results.comparisons[0]), [2, 3, 1]);
    assert_eq!(results.comparisons[0].standings[0].scores, [Some(750.0), Some(751.0)]);
    let mut calls = lab.calls();
    calls.sort();
    let out = lab.out();
    let expected = format!(
        "train CartPole-v1 --algo a2c --set num_envs=4 --set gamma=0.25 --seed 0 --out {}/trial-1/seed0 --threads 1 --json \
         --quiet",
        out.display()
    );
    assert_eq!((calls.len(), &calls[0]), (6, &expected));
    // What has ended is not run again.
    assert_eq!(order(&lab.run().unwrap().comparisons[0]), [2, 3, 1]);
    assert_eq!(lab.calls().len(), 6);
}

#[test]
fn a_crash_counts_as_the_lowest_score_and_is_not_repeated() {
    let lab = Lab::new("env = 'x'\nseeds = 1\ngrid = { gamma = [0.5, 'crash', 'gone', 0.25] }");
    let results = lab.run().unwrap();
    let standings = &results.comparisons[0].standings;
    assert_eq!(order(&results.comparisons[0]), [1, 2, 3, 4]);
    assert_eq!(standings.iter().map(|standing| standing.failed).collect::<Vec<_>>(), [0, 1, 1, 0]);
    assert_eq!(standings[1].scores, [Some(250.0)]);
    let why = |trial: &str| fs::read_to_string(lab.out().join(trial).join("seed0.failed")).unwrap();
    assert_eq!(why("trial-2"), "exit status: 1: NaN in the loss\n");
    assert!(why("trial-3").starts_with("signal: 11"));
    lab.run().unwrap();
    assert_eq!(lab.calls().len(), 4);
    // Without the file, it is tried again.
    fs::remove_file(lab.out().join("trial-2/seed0.failed")).unwrap();
    lab.run().unwrap();
    let last = lab.calls().pop().unwrap();
    assert!(last.starts_with("train --resume ") && last.contains("trial-2/seed0 --threads 1"), "{last}");
}

#[test]
fn a_run_that_was_cut_off_is_resumed() {
    let lab = Lab::new("env = 'x'\nseeds = 1\ngrid = { gamma = [0.5] }");
    let run = lab.out().join("trial-1/seed0");
    drop(lab.open().unwrap());
    fs::create_dir_all(&run).unwrap();
    fs::write(run.join("config.toml"), "0").unwrap();
    lab.run().unwrap();
    assert_eq!(lab.calls(), [format!("train --resume {} --threads 1 --json --quiet", run.display())]);
}

#[test]
fn an_interrupted_sweep_asks_its_runs_to_save_and_goes_on() {
    let mut lab = Lab::new("env = 'x'\nseeds = 2\ngrid = { gamma = ['slow'] }");
    lab.interrupted_at = Some(["seed0", "seed1"].map(|seed| lab.out().join("trial-1").join(seed).join("begun")).into());
    assert!(matches!(lab.run(), Err(Stopped::Interrupted(130))));
    assert_eq!(lab.calls().len(), 2);
    lab.interrupted_at = None;
    let results = lab.run().unwrap();
    assert_eq!(results.comparisons[0].standings[0].failed, 0);
    assert!(lab.calls()[2..].iter().all(|call| call.starts_with("train --resume")));
    // Nothing is begun after a signal.
    let mut lab = Lab::new("env = 'x'\nseeds = 2");
    lab.interrupted_at = Some(Vec::new());
    assert!(matches!(lab.run(), Err(Stopped::Interrupted(130))));
    assert!(lab.calls().is_empty());
}

#[test]
fn a_run_that_is_refused_stops_the_sweep() {
    let lab = Lab::new("env = 'x'\nseeds = 1\ngrid = { gamma = ['refused', 'slow'] }");
    let error = lab.error();
    assert!(error.contains("trial-1/seed0: exit status: 2: no memory; the sweep stops"), "{error}");
    assert!(!lab.out().join("trial-1/seed0.failed").exists());
}

#[test]
fn halving_gives_the_best_trials_more_steps() {
    let text = "env = 'CartPole-v1'\nseeds = 3\nset = { total_steps = 1000 }\ngrid = { gamma = [0.1, 0.4, 0.3, 'crash', 0.2] }\n\
                halving = { factor = 2, first_steps = 200, first_seeds = 1 }";
    let lab = Lab::new(text);
    assert_eq!(lab.plan.size(), (5 + 3 + 2 + 3, 5 * 200 + 3 * 400 + 2 * 800 + 3 * 1000));
    let results = lab.run().unwrap();
    let orders: Vec<_> = results.comparisons.iter().map(order).collect();
    assert_eq!(orders, [vec![2], vec![2, 3], vec![2, 3, 5], vec![2, 3, 5, 1, 4]]);
    assert_eq!(lab.calls().len(), 13);
    let last = lab.calls().pop().unwrap();
    assert!(last.contains("--total-steps 1000") && last.contains("/rung-4/trial-2/"), "{last}");
    // The same decisions again, from the files.
    assert_eq!(lab.run().unwrap().comparisons.iter().map(order).collect::<Vec<_>>(), orders);
    assert_eq!(lab.calls().len(), 13);
}

#[test]
fn only_the_same_sweep_goes_on_in_a_folder() {
    let text = "env = 'x'\nseeds = 2\ngrid = { gamma = [0.5, 0.25] }";
    let mut lab = Lab::new(text);
    let folder = lab.open().unwrap();
    let error = lab.open().err().unwrap().to_string();
    assert!(error.starts_with("another sweep is running in "), "{error}");
    drop(folder);
    // Comments and the number of jobs are no part of the plan.
    lab.plan = plan(lab.folder.path(), &format!("# mine\njobs = 7\n{text}")).unwrap();
    drop(lab.open().unwrap());
    for (other, told) in [
        (text.replace("0.25", "0.125"), "`trials[1].settings.gamma` is now 0.125, and was 0.25; choose another folder"),
        (text.replace(", 0.25", ""), "`trials` is now a list of 1, and was a list of 2; choose"),
        (text.replace("seeds = 2", "seeds = 3"), "`rungs[0].seeds` is now [0,1,2], and was [0,1]; choose"),
        (format!("set = {{ num_envs = 4 }}\n{text}"), "`set.num_envs` is now 4, and was not given; choose"),
        (format!("algo = 'a2c'\n{text}"), "`trials[0].base.algo` is now \"a2c\", and was not given; choose"),
    ] {
        lab.plan = plan(lab.folder.path(), &other).unwrap();
        let error = lab.error();
        assert!(error.contains(told), "{error}");
    }
    let others = lab.folder.path().join("others");
    fs::create_dir(&others).unwrap();
    fs::write(others.join("thesis.txt"), "").unwrap();
    let error = Folder::open(&others, &lab.plan, text).err().unwrap().to_string();
    assert!(error.contains("contains thesis.txt, and is not the folder of a sweep"), "{error}");
    assert_eq!(fs::read_dir(&others).unwrap().count(), 1);
}

#[test]
fn all_trials_are_checked_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lab.toml");
    fs::write(&path, "env = 'x'\nseeds = 1\nset = { num_envs = 4 }\ngrid = { gamma = [0.5, 1.5] }").unwrap();
    let check = |arguments: &[String]| match arguments.last().unwrap().as_str() {
        "gamma=1.5" => Err(anyhow!("`gamma` is 1.5")),
        _ => Ok(Facts { env: "x".into(), algo: "ppo".into(), total_steps: 5 }),
    };
    let error = Plan::of(SweepFile::read(&path).unwrap().0, &check).err().unwrap();
    assert_eq!(format!("{error:#}"), "trial 2 (gamma=1.5): `gamma` is 1.5");
}

#[test]
fn results_are_a_table_that_is_aligned() {
    let lab = Lab::new("env = 'CartPole-v1'\nseeds = [0, 1000]\ngrid = { gamma = [0.5, 'crash'] }");
    let results = lab.run().unwrap();
    let text = markdown::render(&results, None);
    let table: Vec<_> = text.lines().take(6).collect();
    assert_eq!(
        table,
        [
            "## CartPole-v1",
            "",
            "| rank | trial | gamma | seeds | failed |   mean |    IQM |   95 % interval | worst | steps/s |",
            "| ---: | ----: | ----: | ----: | -----: | -----: | -----: | --------------: | ----: | ------: |",
            "|    1 |     1 |   0.5 |     2 |      0 | 1000.0 | 1000.0 | 500.0 to 1500.0 | 500.0 |       5 |",
            "|    2 |     2 | crash |     2 |      2 |  500.0 |  500.0 |  500.0 to 500.0 | 500.0 |       - |",
        ]
    );
    assert!(text.contains("Trial 1 is not clearly better than trial 2: their 95 % intervals overlap."), "{text}");
    assert!(text.contains(" train CartPole-v1 --set gamma=0.5 --seed 0"), "{text}");
    assert!(text.contains("Failed runs count with the lowest score of the table."), "{text}");
    assert!(text.contains("Tune on seeds 1000 and up"), "{text}");
    let json = results.to_json();
    let best = &json["comparisons"][0]["standings"][0];
    assert_eq!((&best["rank"], &best["settings"]["gamma"], &best["mean"]), (&1.into(), &0.5.into(), &1000.0.into()));
}
