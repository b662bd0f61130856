"""Measures burn-pg beside the strongest peers that we know, in turns, and prints the tables of docs/performance.md.

    cargo build --release && cargo build --release -p burn-pg-benches
    python benches/performance.py target/release/burn-pg [--python PYTHON] [--old OLD_BINARY] [--rounds ROUNDS]

PYTHON is a Python with jax and stable-baselines3, by default the one that runs this script. OLD_BINARY is an earlier build to
compare with. In each round, everything that is compared runs one after the other, so that all run under the same conditions;
figures are medians over the rounds, 7 by default. Run it on a quiet machine.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from shapes import PENDULUM, PENDULUM_JAX, SHAPES, bench, output, train

parser = argparse.ArgumentParser()
parser.add_argument("binary")
parser.add_argument("--python", default=sys.executable)
parser.add_argument("--old")
parser.add_argument("--rounds", type=int, default=7)
args = parser.parse_args()
PEERS = Path(__file__).parent / "peers"
LIMIT = Path(args.binary).parent / "product_limit"
# Floating-point operations of an environment step of two networks 64x64 in CartPole-v1: once forward, four times forward and backward.
FLOP = 2 * ((4 * 64 + 64 * 64 + 64 * 2) + (4 * 64 + 64 * 64 + 64) + 4 * (26_176))


def jax(*options):
    """Returns the steps per second of the loop on JAX; compilation is left out."""
    report = output(args.python, str(PEERS / "jax_ppo_device.py"), "--json", *options)
    return report["steps_per_second_median"]


def medians(*runs, rounds=args.rounds):
    """Returns the median over the rounds of what each function returns. In a round, one runs after the other."""
    figures = [[run() for run in runs] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*figures)]


def speed(report):
    return report["steps_per_second"]


def solved(binary, seed):
    """Returns the seconds from the start of the process to a mean return of 475 over 100 episodes, and the steps."""
    start = time.perf_counter()
    report = bench(binary, "CartPole-v1", "--preset", "cartpole-v1-ppo-fast", "--seed", str(seed))
    assert report["train_return_mean"] >= 475
    return time.perf_counter() - start, report["env_steps"]


processor = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
print(f"{processor}; medians of {args.rounds} rounds\n")
print("| PPO | ratio to JAX | burn-pg, steps/s | JAX, steps/s | one thread | two threads to one |")
print("| --- | --- | --- | --- | --- | --- |")
for name, envs, minibatches, steps in SHAPES:
    shape = (envs, minibatches, steps)
    peer_shape = ["--envs", str(envs), "--minibatches", str(minibatches), "--total", str(steps)]
    ours, one, peer = medians(
        lambda: speed(train(args.binary, *shape)),
        lambda: speed(train(args.binary, *shape, "--threads", "1")),
        lambda: jax(*peer_shape),
    )
    print(f"| {name} | {ours / peer:.2f} | {ours:,.0f} | {peer:,.0f} | {one:,.0f} | {ours / one:.2f} |", flush=True)
ours, one, peer = medians(
    lambda: speed(bench(args.binary, "Pendulum-v1", *PENDULUM)),
    lambda: speed(bench(args.binary, "Pendulum-v1", "--threads", "1", *PENDULUM)),
    lambda: jax(*PENDULUM_JAX),
)
print(f"| Pendulum-v1, minibatches of 64 | {ours / peer:.2f} | {ours:,.0f} | {peer:,.0f} | {one:,.0f} | {ours / one:.2f} |", flush=True)

ours, peer = medians(
    lambda: speed(train(args.binary, *SHAPES[0][1:])),
    lambda: output(args.python, str(PEERS / "sb3_ppo.py"), "0")["steps_per_second"],
    rounds=min(args.rounds, 3),  # a run takes a minute
)
print(f"\nStable-Baselines3, first shape: {peer:,.0f} steps/s; burn-pg {ours / peer:.1f} times that")

if args.old:
    larger = ["--total-steps", "49152", "--set", "hidden_sizes=[256,256]"]
    trpo = ["CartPole-v1", "--preset", "cartpole-v1-trpo", "--total-steps", "100000"]
    print("\n| against the earlier build | ratio | steps/s | before |")
    print("| --- | --- | --- | --- |")
    for name, options in (("PPO, networks 256x256, 8 environments", larger), ("TRPO on CartPole-v1, the same settings", trpo)):
        new, old = medians(lambda: speed(bench(args.binary, *options)), lambda: speed(bench(args.old, *options)))
        print(f"| {name} | {new / old:.2f} | {new:,.0f} | {old:,.0f} |", flush=True)

seconds, steps = zip(*(solved(args.binary, seed) for seed in range(10)))
print(f"\nsolved: median {statistics.median(seconds):.2f} s, {min(seconds):.2f} to {max(seconds):.2f}; {statistics.median(steps):,.0f} steps")

if LIMIT.exists():
    for threads in ("1", "2"):
        for name, *shape in SHAPES:
            limit, ours = medians(
                lambda: float(subprocess.run([str(LIMIT), threads], capture_output=True, check=True).stdout),
                lambda: speed(train(args.binary, *shape, "--threads", threads)) * FLOP / 1e9,
            )
            print(f"{threads} threads, {name}: {ours:.0f} GFLOP/s of {limit:.0f}, {100 * ours / limit:.0f} %", flush=True)
