"""Environments that one object steps together: EnvPool, and the Atari environments of `ale_py`.

They have an autoreset mode of their own. In `NextStep`, an environment whose episode has ended ignores the next action and is
reset; burn-pg marks the row. If burn-pg asks for a reset in the same step, the last observation is kept, and then only
this environment is reset.
"""

import gymnasium
import numpy as np
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv

from .single import MAKE_ANEW, NOTHING, RESET_SEEDED, STEP, STEP_AND_RESET
from .spaces import Actions, Masks, Observations, Unsupported

# The names of Gymnasium's autoreset modes, and those that burn-pg reads.
MODES = {"SameStep": "same_step", "NextStep": "next_step", "Disabled": "disabled"}


class EnvPool:
    """`envpool.make`; seeds are given when environments are made."""

    autoreset, resets_rows = "NextStep", True

    def __init__(self, setup):
        self.setup = setup
        self.envs = self.make(0)
        self.observation_space, self.action_space = self.envs.observation_space, self.envs.action_space
        config = self.envs.spec.config
        self.limit = getattr(config, "max_episode_steps", None)
        self.threshold = getattr(config, "reward_threshold", None)

    def make(self, seed):
        import envpool

        # Without a mode, there are no pictures; making them costs time only when they are asked for.
        mode = {"render_mode": "rgb_array"} if self.setup["render"] else {}
        kwargs = {"env_type": "gymnasium", **mode, **self.setup["kwargs"]}
        return envpool.make(self.setup["id"], num_envs=self.setup["envs"], seed=seed, **kwargs)

    def reset_all(self, seeds):
        self.envs.close()
        self.envs = self.make(seeds.tolist())
        return self.envs.reset()[0], {}

    def reset(self, rows):
        return self.envs.reset(rows.astype(np.int32))[0], {}

    def render(self, row):
        try:
            return self.envs.render(env_ids=[row])[0]
        except (NotImplementedError, RuntimeError):
            return None

    def close(self):
        self.envs.close()


class Atari:
    """`ale_py.vector_env.AtariVectorEnv`, for a game such as `pong`."""

    autoreset, resets_rows = "NextStep", True

    def __init__(self, setup):
        from ale_py.vector_env import AtariVectorEnv

        kwargs = {**setup["kwargs"], "autoreset_mode": self.autoreset}
        self.envs = AtariVectorEnv(setup["id"], setup["envs"], **kwargs)
        self.observation_space = self.envs.single_observation_space
        self.action_space = self.envs.single_action_space
        self.limit, self.threshold = None, None

    def reset_all(self, seeds):
        return self.envs.reset(seed=seeds.astype(np.int64))[0], {}

    def reset(self, rows):
        mask = np.zeros(self.envs.num_envs, np.bool_)
        mask[rows] = True
        return self.envs.reset(options={"reset_mask": mask})[0][rows], {}

    def render(self, row):
        return None

    def close(self):
        self.envs.close()


class Batch:
    """A `gymnasium.vector.VectorEnv` of the program in which this worker runs, in any autoreset mode."""

    def __init__(self, envs):
        self.envs = envs
        self.observation_space, self.action_space = envs.single_observation_space, envs.single_action_space
        spec = getattr(envs, "spec", None)
        self.limit, self.threshold = getattr(spec, "max_episode_steps", None), getattr(spec, "reward_threshold", None)
        mode = envs.metadata.get("autoreset_mode")
        self.autoreset = getattr(mode, "value", mode)
        own = envs.unwrapped
        if self.autoreset not in MODES:
            raise Unsupported(
                f"a {type(own).__name__} does not say when it resets an environment: its `metadata` needs an `autoreset_mode`"
            )
        takes_masks = isinstance(own, (SyncVectorEnv, AsyncVectorEnv)) or getattr(own, "takes_reset_mask", False)
        self.resets_rows = takes_masks or self.autoreset == "Disabled"

    def has_masks(self):
        return "action_mask" in self.envs.reset(seed=0)[1]

    def reset_all(self, seeds):
        seeds = seeds.tolist()
        try:
            return self.envs.reset(seed=seeds)
        except (TypeError, gymnasium.error.Error):
            # Gymnasium's interface also allows one number only.
            return self.envs.reset(seed=seeds[0])

    def reset(self, rows):
        if len(rows) == self.envs.num_envs:
            return self.envs.reset()
        mask = np.zeros(self.envs.num_envs, np.bool_)
        mask[rows] = True
        observations, info = self.envs.reset(options={"reset_mask": mask})
        return batch_rows(observations, rows), info

    def render(self, row):
        return None

    def close(self):
        """Leaves the batch open: it is the caller's."""


def batch_rows(batch, rows):
    """Returns some rows of a batch, which may be a dictionary or a tuple of batches."""
    if isinstance(batch, dict):
        return {key: batch_rows(inner, rows) for key, inner in batch.items()}
    if isinstance(batch, tuple):
        return tuple(batch_rows(inner, rows) for inner in batch)
    return np.asarray(batch)[rows]


def check_column(name, values, kinds, column):
    """Refuses values of a step that are not one for each environment, or of another kind."""
    values = np.asarray(values)
    if values.shape != column.shape or values.dtype.kind not in kinds:
        what = f"the shape {values.shape} and the type {values.dtype}"
        raise TypeError(f"`{name}` of a step has {what}; it must have the shape {column.shape} and the type {column.dtype}")


class Environments:
    """All environments, each with a row in the shared columns."""

    def __init__(self, setup, envs=None):
        """`envs` is the batch; the default is what `setup` names."""
        if setup["wrappers"]:
            raise Unsupported("wrappers are for environments of `gym:`; those of `envpool:` and `ale:` take `kwargs`")
        self.envs = envs or {"envpool": EnvPool, "ale": Atari}[setup["kind"]](setup)
        self.observations, self.actions = Observations(self.envs.observation_space), Actions(self.envs.action_space)
        self.actions.refuse_structure()
        self.masks = None

    def spec(self):
        if self.actions.can_be_masked() and isinstance(self.envs, Batch) and self.envs.has_masks():
            self.masks = Masks(self.actions)
        return {
            "observation_space": self.observations.to_rust(),
            "action_space": self.actions.to_rust(),
            "max_episode_steps": self.envs.limit,
            "reward_threshold": self.envs.threshold,
            "masks_actions": self.masks is not None,
            "together": {"autoreset": MODES[self.envs.autoreset], "resets_rows": self.envs.resets_rows},
        }

    def map(self, columns):
        self.columns = columns

    def step_all(self):
        """Steps all environments, and resets those whose episode ends. Returns the failures, by row."""
        final_observation = self.columns.final_observation
        try:
            observations, ended, info = self.step()
            if ended.size and self.envs.autoreset == "SameStep":
                for row in ended:
                    final_observation(row, info["final_obs"][row])
            elif ended.size:
                for row in ended:
                    final_observation(row, observations, row)
                self.reset(ended)
        except BaseException as error:
            return self.failures(error)
        return None

    def step(self):
        """Steps all environments. Returns the observations, the rows whose episode has ended, and what else is known."""
        columns = self.columns
        actions = self.actions.read_all(columns.actions)
        observations, rewards, terminated, truncated, info = self.envs.envs.step(actions)
        check_column("rewards", rewards, "iuf", columns.rewards)
        check_column("terminated", terminated, "b", columns.terminated)
        check_column("truncated", truncated, "b", columns.truncated)
        columns.rewards[...], columns.terminated[...], columns.truncated[...] = rewards, terminated, truncated
        columns.all_observations(observations)
        self.write_masks(info)
        return observations, np.flatnonzero(terminated | truncated), info

    def failures(self, error):
        """Nobody knows which environment has failed, and none of them has a row that holds."""
        return {row: error for row in range(len(self.columns.todo))}

    def reset(self, rows):
        first, info = self.envs.reset(rows)
        for i, row in enumerate(rows):
            self.columns.observation(row, first, i)
        self.write_masks(info)

    def write_masks(self, info):
        """Writes the masks that are in `info`, whose rows Gymnasium marks."""
        if self.masks is not None and "action_mask" in info:
            marks = info.get("_action_mask", np.ones(len(self.columns.todo), np.bool_))
            for row in np.flatnonzero(marks):
                self.masks.write(self.columns.masks[row], {"action_mask": info["action_mask"][row]})

    def do_each(self):
        """Does with each environment what the column `todo` says."""
        todo, columns = self.columns.todo, self.columns
        try:
            # Environments that are to be reset in place of a step do it themselves.
            if (todo == STEP_AND_RESET).any():
                return self.step_all()
            if (todo == STEP).any():
                self.step()
            elif np.isin(todo, (RESET_SEEDED, MAKE_ANEW)).all():
                observations, info = self.envs.reset_all(columns.seeds)
                columns.all_observations(observations)
                self.write_masks(info)
            else:
                # One environment cannot be made anew or seeded alone: it continues its own random stream.
                self.reset(np.flatnonzero(todo != NOTHING))
        except BaseException as error:
            return self.failures(error)
        return None

    def render(self, row):
        picture = self.envs.render(row)
        return self.screen(row) if picture is None else picture

    def screen(self, row):
        """Returns the newest frame of an observation that is an image of pixels, in grey or in colours."""
        image = self.columns.image(row)
        if image is None:
            return None
        frame = image[-3:] if len(image) == 3 else image[-1:]
        return np.broadcast_to(frame.transpose(1, 2, 0), (*frame.shape[1:], 3))

    def close(self):
        self.envs.close()
