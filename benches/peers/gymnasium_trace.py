"""Compares `burn-pg env-trace` with Gymnasium, step by step.

    pip install gymnasium
    cargo build --release
    python benches/peers/gymnasium_trace.py target/release/burn-pg [SEEDS]

For each environment and seed, `burn-pg env-trace` records random actions. Gymnasium is reset with the same seed; before each
step it gets the recorded state (so that chaotic dynamics do not amplify rounding errors) and the same action. It must give the
same state, observation, reward and flags.
"""

import json
import subprocess
import sys

import gymnasium as gym
import numpy as np

BINARY = sys.argv[1]
SEEDS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
ENVS = ["CartPole-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"]

failed = False
for env_id in ENVS:
    env = gym.make(env_id)
    raw, limit = env.unwrapped, env.spec.max_episode_steps
    worst_state = worst_observation = worst_reward = 0.0
    steps = flags_differ = resets_differ = 0
    for seed in range(SEEDS):
        command = [BINARY, "env-trace", env_id, "--seed", str(seed), "--steps", str(limit)]
        lines = [json.loads(line) for line in subprocess.check_output(command).splitlines()]
        observation, _ = env.reset(seed=seed)
        resets_differ += not np.array_equal(np.asarray(raw.state, np.float64), np.asarray(lines[0]["state"]))
        worst_observation = max(worst_observation, np.abs(observation - np.array(lines[0]["observation"], np.float32)).max())
        for before, after in zip(lines, lines[1:]):
            first = before["step"] == 0
            single = env_id == "MountainCarContinuous-v0" and not first
            state = np.array(before["state"], np.float32 if single else np.float64)
            raw.state = tuple(state) if env_id in ("CartPole-v1", "MountainCar-v0") else state
            action = after["action"]
            action = np.array(action, np.float32) if isinstance(action, list) else action
            observation, reward, terminated, truncated, _ = env.step(action)
            steps += 1
            worst_state = max(worst_state, np.abs(np.asarray(raw.state, np.float64) - after["state"]).max())
            worst_observation = max(worst_observation, np.abs(observation - np.array(after["observation"], np.float32)).max())
            worst_reward = max(worst_reward, abs(float(reward) - after["reward"]))
            flags_differ += terminated != after["terminated"] or truncated != after["truncated"]
    print(
        f"| {env_id} | {SEEDS} | {steps} | {resets_differ} | {worst_state:.1e} | {worst_observation:.1e} |"
        f" {worst_reward:.1e} | {flags_differ} |"
    )
    failed |= bool(resets_differ or flags_differ) or worst_state > 1e-12 or worst_observation > 1e-6 or worst_reward > 3e-7
sys.exit(failed)
