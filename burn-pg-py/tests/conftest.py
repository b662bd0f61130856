"""Environments for the tests."""

import gymnasium
import numpy as np
import pytest


class Sign(gymnasium.Env):
    """Shows a sign; the action that names it gives 1. Episodes have ten steps."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def show(self):
        self.sign = float(self.np_random.integers(0, 2) * 2 - 1)
        return np.array([self.sign], np.float32)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.show(), {}

    def step(self, action):
        self.steps += 1
        reward = float((self.sign > 0) == (action == 1))
        return self.show(), reward, False, self.steps == 10, {}


@pytest.fixture
def sign():
    return Sign


@pytest.fixture(autouse=True)
def in_a_new_folder(tmp_path, monkeypatch):
    """Runs go into the folder in which Python runs."""
    monkeypatch.chdir(tmp_path)
