"""Prints the first observations of `Sampler-v0` as flat rows, with images as channels, height and width."""

import json
import sys

sys.path.insert(0, ".")
import gymnasium
import numpy as np

import tests.python.envs as envs

name = sys.argv[1]
space = envs.SPACES[name]


def flat(value):
    match name:
        case "discrete":
            return np.eye(4)[value + 1]
        case "multi_discrete":
            return np.concatenate([np.eye(2)[value[0]], np.eye(3)[value[1]]])
        case "rows_last" | "planes":
            return np.moveaxis(value, 2, 0).ravel()
        case "frames":
            return np.concatenate([np.moveaxis(frame, 2, 0).ravel() for frame in value])
        case "dictionary":
            inner = value["inner"]
            parts = np.eye(3)[inner["gear"]], inner["speed"], np.moveaxis(value["picture"], 2, 0).ravel()
            return np.concatenate(parts)
        case "tuple":
            return np.concatenate([np.moveaxis(value[0], 2, 0).ravel(), value[1]])
    return np.asarray(value, np.float32).ravel()


env = gymnasium.make("Sampler-v0", observation=name, disable_env_checker=True)
observation, _ = env.reset(seed=5)
rows = []
for _ in range(12):
    rows.append(np.asarray(flat(observation), np.float32).tolist())
    observation, _, _, ended, _ = env.step(0)
    if ended:
        observation, _ = env.reset()
json.dump(rows, sys.stdout)
