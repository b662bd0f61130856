"""Compares a step of `burn_pg.VectorEnv` with the same step in Rust, and with Gymnasium's and EnvPool's, in turns.

    pip install burn_pg-*.whl gymnasium envpool
    python benches/peers/vector_env.py

Prints microseconds for a batch of 1,024 CartPoles, the median of the rounds, and the ratio to Rust.
"""

import time

import burn_pg
import numpy as np

NUM_ENVS, ROUNDS, SECONDS = 1024, 15, 0.3


def per_step(step, actions):
    """Microseconds of a step."""
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        for action in actions:
            step(action)
        count += len(actions)
    return 1e6 * (time.perf_counter() - start) / count


def main():
    rng = np.random.default_rng(0)
    actions = rng.integers(0, 2, (64, NUM_ENVS))
    peers = {}
    for mode in ("NextStep", "SameStep"):
        envs = burn_pg.VectorEnv("CartPole-v1", NUM_ENVS, autoreset_mode=mode)
        envs.reset(seed=0)
        native = envs._native

        def in_rust(native=native):
            # As many different actions as in Python.
            count = 40
            seconds = sum(native.seconds_of_steps(action, count) for action in actions)
            return 1e6 * seconds / (count * len(actions))

        peers[f"Rust, {mode}"] = in_rust
        peers[f"burn_pg.VectorEnv, {mode}"] = lambda step=envs.step: per_step(step, actions)
    try:
        import envpool

        pool = envpool.make("CartPole-v1", env_type="gymnasium", num_envs=NUM_ENVS)
        pool.reset()
        peers["EnvPool"] = lambda: per_step(pool.step, actions)
    except ImportError:
        pass
    try:
        import gymnasium

        own = gymnasium.make_vec("CartPole-v1", NUM_ENVS, vectorization_mode="vector_entry_point")
        own.reset(seed=0)
        peers["Gymnasium's vectorised CartPole"] = lambda: per_step(own.step, actions)
    except ImportError:
        pass
    rounds = {name: [] for name in peers}
    for _ in range(ROUNDS):
        for name, measure in peers.items():
            rounds[name].append(measure())
    for name, values in rounds.items():
        mode = "Rust, SameStep" if "SameStep" in name else "Rust, NextStep"
        ratio = np.median(np.array(values) / np.array(rounds[mode]))
        print(f"{name:<34} {np.median(values):>9.1f} us  {ratio:>7.2f} times Rust")


if __name__ == "__main__":
    main()
