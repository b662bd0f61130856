"""Environments for the tests of the bridge: every space, and every way to fail."""

import copy
import os
import sys
import time

import gymnasium
import numpy as np
from gymnasium import spaces

SPACES = {
    "discrete": spaces.Discrete(4, start=-1),
    "multi_discrete": spaces.MultiDiscrete([2, 3]),
    "multi_binary": spaces.MultiBinary(3),
    "number": spaces.Box(-1.0, 1.0, ()),
    "double": spaces.Box(-np.inf, np.inf, (2, 2), np.float64),
    "bytes": spaces.Box(0, 255, (3,), np.uint8),
    "rows_last": spaces.Box(0, 255, (5, 4, 3), np.uint8),
    "rows_first": spaces.Box(0, 255, (2, 5, 4), np.uint8),
    "grey": spaces.Box(0, 255, (5, 4), np.uint8),
    "frames": spaces.Box(0, 255, (2, 5, 4, 3), np.uint8),
    "planes": spaces.Box(0, 1, (5, 5, 3), np.bool_),
    "whole": spaces.Box(0, 3, (5, 4), np.int64),
    "dictionary": spaces.Dict(
        {
            "picture": spaces.Box(0, 255, (5, 4, 3), np.uint8),
            "inner": spaces.Dict({"speed": spaces.Box(-1.0, 1.0, (2,)), "gear": spaces.Discrete(3)}),
        }
    ),
    "tuple": spaces.Tuple((spaces.Box(0, 255, (3, 3, 1), np.uint8), spaces.Box(-1.0, 1.0, (2,)))),
    "text": spaces.Text(5),
    "two_tuple": spaces.Tuple((spaces.Discrete(3, start=5), spaces.MultiDiscrete([2, 2]))),
    "two_boxes": spaces.Dict({"arm": spaces.Box(-1.0, 1.0, (2,)), "leg": spaces.Box(-2.0, 2.0, (1,))}),
    "mixed": spaces.Tuple((spaces.Discrete(3), spaces.Box(-1.0, 1.0, (2,)))),
}


class Sampler(gymnasium.Env):
    """Observations are samples; the reward says that the action is in its space. Episodes have five steps."""

    def __init__(self, observation="double", action="discrete", masks=False):
        # A space has a random generator of its own, which environments must not share.
        self.observation_space, self.action_space = copy.deepcopy(SPACES[observation]), SPACES[action]
        self.masks = masks

    def info(self):
        mask = np.zeros(4, np.int8)
        mask[self.steps % 4] = 1
        return {"action_mask": mask} if self.masks else {}

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.steps = 0
        return self.observation_space.sample(), self.info()

    def step(self, action):
        self.steps += 1
        contained = self.action_space.contains(action)
        return self.observation_space.sample(), float(contained), False, self.steps == 5, self.info()


# What is no flag.
FLAGS = {"text_flag": "False", "array_flag": np.array([False]), "nan_flag": float("nan")}


class Silent(Exception):
    """Has no text."""

    def __str__(self):
        raise OSError


class Faulty(gymnasium.Env):
    """Does something wrong at one step."""

    observation_space = spaces.Box(-1.0, 1.0, (2,))
    action_space = spaces.Discrete(2)

    def __init__(self, fault, at=3, where="step"):
        self.fault, self.at, self.where, self.steps = fault, at, where, 0

    def wrong(self, observation, reward):
        match self.fault:
            case "raise":
                raise KeyError("a wheel is missing")
            case "unrelated":
                try:
                    import no_such_module  # noqa: F401
                except ImportError:
                    raise ValueError("the real reason") from None
            case "shape":
                observation = np.zeros(3, np.float32)
            case "dtype":
                observation = observation.astype(np.float64)
            case "nan":
                observation = np.full(2, np.nan, np.float32)
            case "text_reward":
                reward = "much"
            case "nan_reward":
                reward = float("nan")
            case "die":
                os.kill(os.getpid(), 9)
            case "exit":
                os._exit(5)
            case "leave":
                sys.exit(5)
            case "number_as_text":
                reward = "3.0"
            case "surrogate":
                raise ValueError("half a letter: \ud800")
            case "no_text":
                raise Silent
            case "fork_returns":
                if os.fork() == 0:
                    time.sleep(0.2)
                    observation = np.full(2, np.nan, np.float32)
                else:
                    time.sleep(0.5)
                    raise ValueError("the parent goes on")
            case "hang":
                time.sleep(1000)
            case "print":
                print("so much to say" * 10, flush=True)
                os.write(1, b"and straight to the file descriptor\n")
            case "fork":
                if os.fork() == 0:
                    time.sleep(30)
                    os._exit(0)
                os.kill(os.getpid(), 9)
            case "stdin":
                assert sys.stdin.read() == ""
        return observation, reward

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        observation = np.zeros(2, np.float32)
        if self.where == "reset" and self.steps >= self.at:
            observation, _ = self.wrong(observation, 0.0)
        return observation, {}

    def step(self, action):
        self.steps += 1
        observation, reward = np.full(2, 0.5, np.float32), 1.0
        truncated, info = False, {}
        if self.where == "step" and self.steps == self.at:
            observation, reward = self.wrong(observation, reward)
            truncated = FLAGS.get(self.fault, False)
            if self.fault == "late_mask":
                info = {"action_mask": np.ones(2, bool)}
        return observation, reward, self.steps % 10 == 0, truncated, info


class Painter(Sampler):
    """Has a picture."""

    metadata = {"render_modes": ["rgb_array"]}

    def __init__(self, render_mode=None, has_screen=True, **kwargs):
        super().__init__(**kwargs)
        self.render_mode, self.has_screen = render_mode, has_screen

    def render(self):
        if not self.has_screen:
            raise OSError("there is no screen")
        picture = np.zeros((4, 6, 3), np.uint8)
        picture[1, 2] = (10, 20, 30)
        return picture


class Numbers(gymnasium.Env):
    """A picture of whole numbers, one of which is too large after some steps. Seeds NumPy's old generator."""

    observation_space = spaces.Box(0, 3, (4, 4), np.int64)
    action_space = spaces.Discrete(2)

    def reset(self, seed=None, options=None):
        if seed is not None:
            np.random.seed(seed)
        self.steps = 0
        return np.zeros((4, 4), np.int64), {}

    def step(self, action):
        self.steps += 1
        return np.full((4, 4), min(self.steps, 3) if self.steps < 5 else 256), 0.0, False, False, {}


gymnasium.register("Numbers-v0", Numbers)
gymnasium.register("Sampler-v0", Sampler)
gymnasium.register("Faulty-v0", Faulty)
gymnasium.register("Painter-v0", Painter)
