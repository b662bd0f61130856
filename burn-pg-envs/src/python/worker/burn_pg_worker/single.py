"""Environments that are stepped one by one: `gymnasium.make`, driven by hand.

Final observations, both flags and resets are then exact: an environment whose episode ends is reset right after its
last observation has been written.
"""

import importlib
import os

import gymnasium
import numpy as np

from . import channel
from .spaces import Actions, Masks, Observations, Unsupported

# What is to be done with one environment.
STEP, RESET_SEEDED, RESET, NOTHING, MAKE_ANEW, STEP_AND_RESET = range(6)


# The modules that register the environments of a namespace. Those of other modules are named `module:Namespace/Name`.
NAMESPACES = {"ALE": "ale_py", "MinAtar": "minatar.gym"}


def make_registered(name, **kwargs):
    """Makes an environment by its name."""
    try:
        return gymnasium.make(name, **kwargs)
    except gymnasium.error.NamespaceNotFound:
        namespace = name.rpartition(":")[2].partition("/")[0]
        if namespace not in NAMESPACES:
            raise
        module = importlib.import_module(NAMESPACES[namespace])
        getattr(module, "register_envs", lambda: None)()
        return gymnasium.make(name, **kwargs)


def number(reward):
    if isinstance(reward, (str, bytes)):
        raise TypeError(f"the reward is {reward!r}, which is no number")
    return float(reward)


def flag(name, value):
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    value = np.asarray(value)
    if value.ndim or not (value.dtype == np.bool_ or (value.dtype.kind in "iu" and value in (0, 1))):
        raise TypeError(f"`{name}` is {value!r}, which is no flag")
    return bool(value)


def outcome(reward, terminated, truncated):
    """Returns the reward and the flags of a step, or complains."""
    return number(reward), flag("terminated", terminated), flag("truncated", truncated)


def wrapper(entry):
    """Returns a wrapper's class and arguments; `entry` is a name, or a name with `kwargs`."""
    entry = {"name": entry} if isinstance(entry, str) else entry
    module, _, name = entry["name"].rpartition(":")
    owner = importlib.import_module(module or "gymnasium.wrappers")
    found = getattr(owner, name, None)
    # Settings must not call other functions than wrappers.
    if not (isinstance(found, type) and issubclass(found, gymnasium.Wrapper)):
        raise Unsupported(f"the module `{owner.__name__}` has no wrapper `{name}`")
    return found, entry.get("kwargs", {})


class Environments:
    """Some environments of one kind, each with a row in the shared columns."""

    def __init__(self, setup, factory=None):
        """`factory` makes one environment; the default is what `setup` names."""
        self.setup, self.factory = setup, factory or self.of_gymnasium
        self.wrappers = [wrapper(entry) for entry in setup["wrappers"]]
        self.envs = [self.make() for _ in range(setup["envs"])]
        env = self.envs[0]
        if len({id(env) for env in self.envs}) < len(self.envs):
            raise Unsupported("the function returned the same environment twice; it must make a new one each time")
        self.observations, self.actions = Observations(env.observation_space), Actions(env.action_space)
        self.masks = None

    def of_gymnasium(self):
        # The checker would warn in the log of the worker, and costs time in the first step only.
        kwargs = {"disable_env_checker": True, **self.setup["kwargs"]}
        if self.setup["render"] and "render_mode" not in kwargs:
            try:
                return make_registered(self.setup["id"], render_mode="rgb_array", **kwargs)
            except TypeError:
                # The environment knows no modes.
                pass
        return make_registered(self.setup["id"], **kwargs)

    def make(self):
        env = self.factory()
        for outer, arguments in self.wrappers:
            env = outer(env, **arguments)
        return env

    @staticmethod
    def has_masks(env):
        _, info = env.reset(seed=0)
        return "action_mask" in info

    def spec(self):
        if self.actions.can_be_masked() and self.has_masks(self.envs[0]):
            self.masks = Masks(self.actions)
        spec = self.envs[0].spec
        threshold = getattr(spec, "reward_threshold", None)
        return {
            "observation_space": self.observations.to_rust(),
            "action_space": self.actions.to_rust(),
            "max_episode_steps": getattr(spec, "max_episode_steps", None),
            "reward_threshold": None if threshold is None else float(threshold),
            "masks_actions": self.masks is not None,
            "together": None,
        }

    def map(self, columns):
        """Takes the shared columns: arrays by name, and functions that write observations."""
        self.columns = columns
        self.read = self.actions.read

    def write_mask(self, row, info):
        if self.masks is not None:
            self.masks.write(self.columns.masks[row], info)
        elif "action_mask" in info and self.actions.can_be_masked():
            raise ValueError("there is an `action_mask`, and the first info had none: it must be there from the first reset on")

    def step_all(self):
        """Steps every environment, and resets those whose episode ends. Returns the failures, by row."""
        columns, failures, read = self.columns, None, self.read
        actions, current = columns.actions, columns.current
        # Lists are filled faster than columns.
        observations, rewards, terminations, truncations = [], [], [], []
        for row, env in enumerate(self.envs):
            current[0] = row
            try:
                observation, reward, terminated, truncated, info = env.step(read(actions[row]))
                if channel.has_forked:
                    # The shared columns are those of the process that it was forked from.
                    os._exit(0)
                if terminated is not False or truncated is not False or type(reward) is not float:
                    reward, terminated, truncated = outcome(reward, terminated, truncated)
                if terminated or truncated:
                    columns.final_observation(row, observation)
                    observation, info = env.reset()
                if info or self.masks is not None:
                    self.write_mask(row, info)
            except BaseException as error:
                failures = {**(failures or {}), row: error}
                observation, reward, terminated, truncated = None, 0.0, False, False
            observations.append(observation)
            rewards.append(reward)
            terminations.append(terminated)
            truncations.append(truncated)
        if failures or not columns.usual_observations(observations):
            failures = self.write_each(observations, failures)
        columns.rewards[:], columns.terminated[:], columns.truncated[:] = rewards, terminations, truncations
        return failures

    def write_each(self, observations, failures):
        """Writes the observations of all rows that have not failed. Returns the failures, by row."""
        for row, observation in enumerate(observations):
            if failures is None or row not in failures:
                try:
                    self.columns.observation(row, observation)
                except BaseException as error:
                    failures = {**(failures or {}), row: error}
        return failures

    def do_each(self):
        """Does with each environment what the column `todo` says. Returns the failures, by row."""
        columns, failures = self.columns, None
        for row, todo in enumerate(columns.todo.tolist()):
            columns.current[0] = row
            try:
                if todo == NOTHING:
                    continue
                if todo in (STEP, STEP_AND_RESET):
                    observation, reward, terminated, truncated, info = self.envs[row].step(self.read(columns.actions[row]))
                    if channel.has_forked:
                        os._exit(0)
                    reward, terminated, truncated = outcome(reward, terminated, truncated)
                    columns.rewards[row] = reward
                    columns.terminated[row], columns.truncated[row] = terminated, truncated
                    if todo == STEP_AND_RESET and (terminated or truncated):
                        columns.final_observation(row, observation)
                        observation, info = self.envs[row].reset()
                else:
                    if todo == MAKE_ANEW:
                        self.anew(row)
                    seed = None if todo == RESET else int(columns.seeds[row])
                    observation, info = self.envs[row].reset(seed=seed)
                columns.observation(row, observation)
                self.write_mask(row, info)
            except BaseException as error:
                failures = {**(failures or {}), row: error}
        return failures

    def anew(self, row):
        """Makes an environment that has failed once more."""
        try:
            self.envs[row].close()
        except Exception:
            pass
        self.envs[row] = self.make()

    def render(self, row):
        return self.envs[row].render()

    def close(self):
        for env in self.envs:
            env.close()
