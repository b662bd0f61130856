"""Measures burn-pg and its peers, in turns, and prints the table of docs/performance.md.

    cargo build --release
    python benches/performance.py target/release/burn-pg [PYTHON] [ROUNDS]

PYTHON is a Python with rejax and stable-baselines3, by default the one that runs this script. Each round runs burn-pg and rejax
one after the other, so that both run under the same conditions; the figures are medians over the rounds, 5 by default.
Stable-Baselines3 runs once.
"""

import statistics
import sys
import time
from pathlib import Path

from shapes import SHAPES, output, train

BINARY = sys.argv[1]
PYTHON = sys.argv[2] if len(sys.argv) > 2 else sys.executable
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 5
PEERS = Path(__file__).parent / "peers"


def solved(seed):
    """Returns the seconds from the start of the process to a mean return of 475 over 100 episodes, and the steps."""
    start = time.perf_counter()
    command = ["bench", "train", "CartPole-v1", "--preset", "cartpole-v1-ppo-fast", "--repeat", "1", "--json", "--seed", str(seed)]
    report = output(BINARY, *command)
    assert report["train_return_mean"] >= 475
    return time.perf_counter() - start, report["env_steps"]


print("| shape | burn-pg, steps/s | on one thread | rejax, steps/s | ratio |")
print("| --- | --- | --- | --- | --- |")
for name, envs, minibatches, steps in SHAPES:
    shape = (envs, minibatches, steps)
    rounds = []
    for _ in range(ROUNDS):
        both = train(BINARY, *shape)["steps_per_second"]
        one = train(BINARY, *shape, "--threads", "1")["steps_per_second"]
        peer = output(PYTHON, str(PEERS / "rejax_ppo.py"), *map(str, shape))["steps_per_second"]
        rounds.append((both, one, peer, both / peer))
    both, one, peer, ratio = map(statistics.median, zip(*rounds))
    print(f"| {name} | {both:,.0f} | {one:,.0f} | {peer:,.0f} | {ratio:.2f} |", flush=True)

peer = output(PYTHON, str(PEERS / "sb3_ppo.py"), "0")["steps_per_second"]
own = train(BINARY, *SHAPES[0][1:])["steps_per_second"]
print(f"\nStable-Baselines3: {peer:,.0f} steps/s, burn-pg {own / peer:.1f} times that in the run after it")

seconds, steps = zip(*(solved(seed) for seed in range(10)))
print(f"solved: median {statistics.median(seconds):.2f} s, {min(seconds):.2f} to {max(seconds):.2f}; {statistics.median(steps):,.0f} steps")
