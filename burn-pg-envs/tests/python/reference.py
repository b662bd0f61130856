"""Steps Gymnasium's own `SyncVectorEnv` with given actions, and writes all that it returns.

usage: reference.py SETUP.json ACTIONS TRACE
"""

import json
import sys

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

setup = json.load(open(sys.argv[1]))
make = lambda: gymnasium.make(setup["id"], disable_env_checker=True, **setup["kwargs"])
envs = SyncVectorEnv([make] * setup["envs"], autoreset_mode=AutoresetMode(setup["mode"]))
actions = np.fromfile(sys.argv[2], setup["dtype"]).reshape(setup["steps"], setup["envs"], *envs.single_action_space.shape)
low, high = (getattr(envs.single_action_space, bound, None) for bound in ("low", "high"))
trace = open(sys.argv[3], "wb")


def write(*columns):
    for column in columns:
        column = np.asarray(column)
        trace.write(column.astype(np.float32 if column.dtype.kind == "f" and column.ndim > 1 else column.dtype).tobytes())


observations, _ = envs.reset(seed=setup["seed"])
write(observations)
for row in actions:
    if low is not None:
        row = np.clip(row, low, high)
    observations, rewards, terminated, truncated, info = envs.step(row)
    ended = terminated | truncated
    finals = np.zeros_like(observations)
    if setup["mode"] == "SameStep":
        for env in np.flatnonzero(ended):
            finals[env] = info["final_obs"][env]
    write(observations, finals, rewards.astype(np.float64), terminated, truncated)
    if setup["mode"] == "Disabled" and ended.any():
        observations, _ = envs.reset(options={"reset_mask": ended})
        write(observations)
