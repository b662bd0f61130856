"""Environments that one object steps together: EnvPool, and the Atari environments of `ale_py`.

An episode that ends is reset in the same step: its last observation is kept, and then only its environment is reset.
"""

import numpy as np

from .single import NOTHING, RESET_SEEDED, STEP, STEP_AND_RESET
from .spaces import Actions, Observations

# Both libraries take seeds below this number.
SEEDS = 1 << 31


class EnvPool:
    """`envpool.make`; seeds are given when environments are made."""

    def __init__(self, setup):
        self.setup = setup
        self.envs = self.make(0)
        self.observation_space, self.action_space = self.envs.observation_space, self.envs.action_space
        config = self.envs.spec.config
        self.limit = getattr(config, "max_episode_steps", None)
        self.threshold = getattr(config, "reward_threshold", None)

    def make(self, seed):
        import envpool

        kwargs = {"env_type": "gymnasium", **self.setup["kwargs"]}
        return envpool.make(self.setup["id"], num_envs=self.setup["envs"], seed=seed, **kwargs)

    def reset_all(self, seeds):
        self.envs.close()
        self.envs = self.make([int(seed) for seed in seeds % SEEDS])
        return self.envs.reset()[0]

    def reset(self, rows):
        return self.envs.reset(rows.astype(np.int32))[0]


class Atari:
    """`ale_py.vector_env.AtariVectorEnv`, for a game such as `pong`."""

    def __init__(self, setup):
        from ale_py.vector_env import AtariVectorEnv

        # Its own reset would come with the next step; `reset` below comes first.
        kwargs = {**setup["kwargs"], "autoreset_mode": "NextStep"}
        self.envs = AtariVectorEnv(setup["id"], setup["envs"], **kwargs)
        self.observation_space = self.envs.single_observation_space
        self.action_space = self.envs.single_action_space
        self.limit, self.threshold = None, None

    def reset_all(self, seeds):
        return self.envs.reset(seed=(seeds % SEEDS).astype(np.int64))[0]

    def reset(self, rows):
        mask = np.zeros(self.envs.num_envs, np.bool_)
        mask[rows] = True
        return self.envs.reset(options={"reset_mask": mask})[0][rows]


class Environments:
    """All environments, each with a row in the shared columns."""

    def __init__(self, setup):
        if setup["wrappers"]:
            raise RuntimeError("wrappers are for environments of `gym:`; those of `envpool:` and `ale:` take `kwargs`")
        self.envs = {"envpool": EnvPool, "ale": Atari}[setup["kind"]](setup)
        self.observations, self.actions = Observations(self.envs.observation_space), Actions(self.envs.action_space)
        self.masks = None

    def spec(self):
        return {
            "observation_space": self.observations.to_rust(),
            "action_space": self.actions.to_rust(),
            "max_episode_steps": self.envs.limit,
            "reward_threshold": self.envs.threshold,
            "masks_actions": False,
        }

    def map(self, columns):
        self.columns = columns

    def step_all(self):
        """Steps all environments, and resets those whose episode ends. Returns the failures, by row."""
        columns = self.columns
        try:
            actions = self.actions.read_all(columns.actions)
            observations, rewards, terminated, truncated, _ = self.envs.envs.step(actions)
            columns.rewards[...], columns.terminated[...], columns.truncated[...] = rewards, terminated, truncated
            columns.all_observations(observations)
            ended = np.flatnonzero(terminated | truncated)
            if ended.size:
                for row in ended:
                    columns.final_observation(row, observations, row)
                self.reset(ended)
        except Exception as error:
            return {0: error}
        return None

    def reset(self, rows):
        first = self.envs.reset(rows)
        for i, row in enumerate(rows):
            self.columns.observation(row, first, i)

    def do_each(self):
        """Does with each environment what the column `todo` says: resets, or steps of all."""
        todo, columns = self.columns.todo, self.columns
        try:
            if np.isin(todo, (STEP, STEP_AND_RESET)).any():
                raise RuntimeError("these environments are stepped together, and reset in the same step")
            if (todo == RESET_SEEDED).all():
                columns.all_observations(self.envs.reset_all(columns.seeds))
            else:
                # One environment cannot be made anew or seeded alone: it continues its own random stream.
                self.reset(np.flatnonzero(todo != NOTHING))
        except Exception as error:
            return {0: error}
        return None

    def render(self, row):
        return None

    def close(self):
        self.envs.envs.close()
