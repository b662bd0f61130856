"""Trains every algorithm in every environment that it is tuned for, and prints the table of docs/results.md.

    cargo build --release
    python benches/results.py target/release/burn-pg [JOBS]

Ten seeds each (0 to 9), the default preset of the pair, greedy evaluation over 100 fresh episodes, JOBS runs at a time (2 by
default). A row has the interquartile mean over the seeds with its bootstrap 95 % interval (10,000 resamples of the
seeds), the worst seed, and the environment steps of a run. Takes about twenty minutes on two cores.
"""

import json
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

BINARY = sys.argv[1]
JOBS = int(sys.argv[2]) if len(sys.argv) > 2 else 2
SEEDS = range(10)

# Algorithm, environment, target, and the most steps it may take.
PAIRS = [
    ("ppo", "CartPole-v1", 475, 100_000),
    ("ppo", "Acrobot-v1", -85, 1_000_000),
    ("ppo", "MountainCar-v0", -115, 1_000_000),
    ("ppo", "MountainCarContinuous-v0", 90, 100_000),
    ("ppo", "Pendulum-v1", -200, 100_000),
    ("a2c", "CartPole-v1", 475, 500_000),
    ("a2c", "Acrobot-v1", -90, 500_000),
    ("a2c", "MountainCar-v0", -115, 1_000_000),
    ("a2c", "MountainCarContinuous-v0", 90, 100_000),
    ("a2c", "Pendulum-v1", -200, 1_000_000),
    ("trpo", "CartPole-v1", 475, 100_000),
    ("trpo", "Acrobot-v1", -90, 100_000),
    ("trpo", "MountainCar-v0", -110, 250_000),
    ("trpo", "MountainCarContinuous-v0", 90, 30_000),
    ("trpo", "Pendulum-v1", -200, 100_000),
    ("reinforce", "CartPole-v1", 475, 500_000),
    ("reinforce", "Acrobot-v1", -90, 1_000_000),
]


def run(job):
    algo, env, seed = job
    with tempfile.TemporaryDirectory() as folder:
        options = ["--algo", algo, "--seed", str(seed), "--threads", "1", "--quiet", "--json", "--out", f"{folder}/run"]
        return json.loads(subprocess.check_output([BINARY, "train", env, *options]))


def interquartile_mean(values):
    """Returns the mean of the middle half; values that lie across a quartile count in part."""
    values, size = sorted(values), len(values)
    low, high = size / 4, 3 * size / 4
    weights = [max(0.0, min(high, i + 1) - max(low, i)) for i in range(size)]
    return sum(w * v for w, v in zip(weights, values)) / sum(weights)


def interval(values):
    rng = random.Random(0)
    means = sorted(interquartile_mean(rng.choices(values, k=len(values))) for _ in range(10_000))
    return means[250], means[9749]


print("| algorithm | environment | target | interquartile mean | 95 % interval | worst seed | steps | seconds a run |")
print("| --- | --- | --- | --- | --- | --- | --- | --- |")
with ThreadPoolExecutor(JOBS) as pool:
    for algo, env, target, budget in PAIRS:
        outcomes = list(pool.map(run, [(algo, env, seed) for seed in SEEDS]))
        returns = [outcome["eval_return_mean"] for outcome in outcomes]
        steps = max(outcome["env_steps"] for outcome in outcomes)
        assert steps <= budget, (algo, env, steps)
        low, high = interval(returns)
        seconds = sum(outcome["train_seconds"] for outcome in outcomes) / len(outcomes)
        print(
            f"| {algo} | {env} | {target} | {interquartile_mean(returns):.1f} | {low:.1f} to {high:.1f} | {min(returns):.1f} |"
            f" {steps:,} | {seconds:.0f} |",
            flush=True,
        )
