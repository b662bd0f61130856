"""Prints the environment steps per second of a loop in Python: Gymnasium's `SyncVectorEnv`, EnvPool, or, for an environment
that does nothing, only its `step`.

usage: own_loop.py NAME ENVS SECONDS
"""

import os
import sys
import time

import numpy as np

sys.path.insert(0, os.getcwd())
name, num_envs, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
maker, id = name.split(":", 1)
if maker == "envpool":
    import envpool

    envs = envpool.make(id, env_type="gymnasium", num_envs=num_envs, seed=1)
    envs.reset()
    sample = envs.action_space.sample
    actions = [np.array([sample() for _ in range(num_envs)]) for _ in range(64)]
else:
    import gymnasium

    # As the worker makes them.
    make = lambda: gymnasium.make(id, disable_env_checker=True)
    envs = gymnasium.vector.SyncVectorEnv([make] * num_envs)
    if "Idle" in id:
        singles = [env for env in envs.envs]
        envs.step = lambda actions: [env.step(action) for env, action in zip(singles, actions)]
    envs.reset(seed=1)
    actions = [envs.action_space.sample() for _ in range(64)]

begin, start, steps = time.perf_counter(), None, 0
while True:
    for action in actions:
        envs.step(action)
    now = time.perf_counter()
    if start is None:
        if now - begin > 0.2:
            start = time.perf_counter()
        continue
    steps += len(actions) * num_envs
    if now - start > seconds:
        break
print(steps / (time.perf_counter() - start))
