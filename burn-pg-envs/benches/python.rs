//! How fast environments of Python are stepped, beside their own loops in Python, in turns.
//!
//!     BURN_PG_PYTHON=.venv/bin/python cargo bench -p burn-pg-envs --features python --bench python
//!
//! Needs a Python with `gymnasium[classic-control]` and `envpool`. Prints environment steps per second, the median of the
//! rounds, and the ratio of each round's two figures. An argument chooses the lines whose name contains it.

use std::{
    env,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use burn_pg_envs::{ActionBuffer, EnvOptions, EnvRng, VectorEnv, python::PythonEnvs};

const ROUNDS: usize = 7;
const SECONDS: f64 = 1.5;

/// One line of the table: an environment, how many of it, and with how many workers.
struct Line {
    name: &'static str,
    num_envs: usize,
    workers: usize,
}

const LINES: [Line; 8] = [
    Line { name: "gym:benches.idle:Idle-v0", num_envs: 1, workers: 1 },
    Line { name: "gym:benches.idle:Idle-v0", num_envs: 8, workers: 1 },
    Line { name: "gym:CartPole-v1", num_envs: 8, workers: 1 },
    Line { name: "gym:CartPole-v1", num_envs: 8, workers: 2 },
    Line { name: "gym:CartPole-v1", num_envs: 64, workers: 1 },
    Line { name: "gym:CartPole-v1", num_envs: 64, workers: 2 },
    Line { name: "envpool:CartPole-v1", num_envs: 256, workers: 1 },
    Line { name: "envpool:Pong-v5", num_envs: 16, workers: 1 },
];

fn main() {
    let python = env::var("BURN_PG_PYTHON").unwrap_or_else(|_| "python3".into());
    println!(
        "{:<28} {:>5} {:>8} {:>12} {:>12} {:>7}  ratio of each round",
        "name", "envs", "workers", "ours", "Python's", "ratio"
    );
    let only = env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    for line in LINES.into_iter().filter(|line| line.name.contains(&only)) {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push((ours(&line), theirs(&line, &python)));
        }
        let median = |mut all: Vec<f64>| {
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        };
        let ratios: Vec<f64> = rounds.iter().map(|(ours, theirs)| ours / theirs).collect();
        let [ours, theirs] =
            [median(rounds.iter().map(|r| r.0).collect()), median(rounds.iter().map(|r| r.1).collect())];
        let each: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        let Line { name, num_envs, workers } = line;
        let ratio = median(ratios);
        println!("{name:<28} {num_envs:>5} {workers:>8} {ours:>12.0} {theirs:>12.0} {ratio:>7.2}  {}", each.join(" "));
        if name.contains("Idle") {
            let batch = 1e6 * num_envs as f64;
            println!("{:<28} {:.2} us a batch more than Python's loop", "", batch / ours - batch / theirs);
        }
    }
}

/// Steps per second of `PythonEnvs`.
fn ours(line: &Line) -> f64 {
    let options = EnvOptions { workers: Some(line.workers), ..EnvOptions::default() };
    let mut envs = PythonEnvs::new(line.name, line.num_envs, &options).expect("the environments can be made");
    let (space, mut rng) = (envs.spec().action_space.clone(), EnvRng::new(1));
    let actions: Vec<_> = (0..64).map(|_| ActionBuffer::random(&space, line.num_envs, &mut rng)).collect();
    envs.reset(1).expect("the environments can be reset");
    let (begin, mut start, mut steps) = (Instant::now(), None, 0_usize);
    // The first steps warm everything up.
    for i in 0.. {
        envs.step(actions[i % actions.len()].as_actions()).expect("the environments can be stepped");
        match start {
            None if begin.elapsed() > Duration::from_millis(200) => start = Some(Instant::now()),
            None => {}
            Some(_) => steps += line.num_envs,
        }
        if start.is_some_and(|start: Instant| start.elapsed().as_secs_f64() > SECONDS) {
            break;
        }
    }
    steps as f64 / start.expect("the measurement has begun").elapsed().as_secs_f64()
}

/// Steps per second of the loop in Python.
fn theirs(line: &Line, python: &str) -> f64 {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/own_loop.py");
    let arguments = [line.name.to_owned(), line.num_envs.to_string(), SECONDS.to_string()];
    let out = Command::new(python).arg(script).args(arguments).output().expect("Python can be started");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim().parse().expect("the script prints a number")
}
