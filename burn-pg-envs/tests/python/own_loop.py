"""Steps EnvPool or ALE in their own autoreset mode, and writes the transitions of each environment.

usage: own_loop.py NAME ENVS TRANSITIONS TRACE
"""

import sys

import numpy as np

name, num_envs, transitions = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
maker, game = name.split(":")
seeds = [21 + env for env in range(num_envs)]
if maker == "envpool":
    import envpool

    envs = envpool.make(game, env_type="gymnasium", num_envs=num_envs, seed=seeds)
    observations, _ = envs.reset()
    n = envs.action_space.n
else:
    from ale_py.vector_env import AtariVectorEnv

    envs = AtariVectorEnv(game, num_envs)
    observations, _ = envs.reset(seed=np.array(seeds))
    n = envs.single_action_space.n


def sums(rows):
    return rows.reshape(num_envs, -1).astype(np.float64).sum(1)


rows = [[] for _ in range(num_envs)]
ended = np.zeros(num_envs, bool)
before = sums(observations)
while min(map(len, rows)) < transitions:
    actions = np.array([(len(rows[env]) * 7 + env * 3) // 5 % n for env in range(num_envs)])
    observations, rewards, terminated, truncated, _ = envs.step(actions)
    after = sums(observations)
    for env in np.flatnonzero(~ended):
        rows[env].append((before[env], after[env], float(rewards[env]), bool(terminated[env]), bool(truncated[env])))
    before, ended = after, terminated | truncated
with open(sys.argv[4], "wb") as trace:
    for own in rows:
        for *numbers, terminated, truncated in own[:transitions]:
            trace.write(np.array(numbers).tobytes() + bytes([terminated, truncated]))
