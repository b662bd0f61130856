"""Trained agents."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from . import burn_pg_native
from .arguments import whole
from .hosting import causes, hosted
from .interpreter import prefer_this_one
from .spaces import flat_rows


@dataclass(frozen=True)
class Evaluation:
    """The episodes of an evaluation."""

    returns: np.ndarray
    """The undiscounted return of each episode."""
    lengths: np.ndarray
    """The length of each episode, in steps."""

    @property
    def mean(self) -> float:
        """The mean return."""
        return float(self.returns.mean())

    @property
    def std(self) -> float:
        """The standard deviation of the returns, as NumPy's `std`."""
        return float(self.returns.std())

    def __repr__(self) -> str:
        return f"Evaluation(episodes={len(self.returns)}, mean={self.mean:.2f}, std={self.std:.2f})"


@dataclass(frozen=True, repr=False)
class Agent:
    """A trained policy with everything that it needs to act: the normaliser, and the bounds of actions.

    `train` and `Agent.load` make agents.
    """

    _native: Any
    run: Path
    """The directory of its run."""
    summary: dict[str, Any] = field(default_factory=dict)
    """The outcome of the run: its steps, and the returns of its evaluation."""

    @classmethod
    def load(
        cls, run: str | os.PathLike[str], at: int | str | None = None, device: str = "auto", env: Any = None
    ) -> Agent:
        """Loads the agent of a run directory, which `train` or the command line has written.

        `at` chooses a checkpoint: the number of an update, or `"best"`. Default: the policy at the end of the run. `env` is
        needed to evaluate an agent that was trained with your own environment: the function that makes it.
        """
        prefer_this_one()
        native = burn_pg_native.Agent.load(run, None if at is None else str(at), device)
        if env is not None:
            hosted(env, json.loads(native.spec())["id"])
        summary = Path(run) / "summary.json"
        return cls(native, Path(run), json.loads(summary.read_text()) if summary.exists() else {})

    @cached_property
    def spec(self) -> dict[str, Any]:
        """The specification of the environment: its name, and its spaces."""
        return json.loads(self._native.spec())

    def predict(
        self,
        observation: Any,
        state: np.ndarray | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
        action_masks: np.ndarray | None = None,
        seed: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Returns the actions for a batch of observations, or the action for one, as the environment takes them.

        Observations are the environment's own: images with channels first or last, frames of images, dictionaries and
        tuples. A discrete one is a whole number that counts from 0, or flags, one for each value; one of `MultiDiscrete` is
        flags. A dictionary needs only the parts that the actor sees (`network.actor_inputs`).

        The starts and shapes of `MultiDiscrete` and `MultiBinary` actions, and the structure of `Dict` and `Tuple` actions,
        are not stored: these come as one row for each observation, counted from 0.

        Also returns the recurrent state, which is `None` unless the policy is recurrent: pass it on with the next
        observation, and say with `episode_start` (shape `[batch]`) which episodes have just begun. With
        `deterministic=False`, actions are drawn; `seed` begins the random stream of these draws. The interface is that of
        Stable-Baselines3.
        """
        spec = self.spec
        seed = None if seed is None else whole("seed", seed)
        rows, single = flat_rows(spec["observation_space"], observation, self._native.inputs())
        if len(rows) == 0:
            raise ValueError("there are no observations")
        masks = None
        if action_masks is not None:
            masks = np.ascontiguousarray(action_masks, np.bool_)
            expected = (len(rows), mask_length(spec["action_space"]))
            if masks.size != expected[0] * expected[1]:
                raise ValueError(f"action_masks has the shape {masks.shape}; it must be {expected}")
            masks = masks.reshape(expected)
        if not deterministic:
            if self._native.state_len():
                raise ValueError("a recurrent policy predicts with deterministic=True only")
            actions, state = self._native.sample(rows, masks, seed), None
        else:
            if state is not None:
                state = np.array(state, np.float32)
                expected = (len(rows), self._native.state_len())
                if state.size != expected[0] * expected[1]:
                    raise ValueError(f"state has the shape {state.shape}; it must be {expected}")
                state = state.reshape(expected)
                if episode_start is not None:
                    state[np.asarray(episode_start, np.bool_).reshape(-1)] = 0
            actions, state = self._native.decide(rows, masks, state)
        space = spec["action_space"]
        if space["kind"] == "discrete":
            actions = actions + space["start"]
        elif space["kind"] == "box":
            actions = actions.reshape(len(rows), *space["shape"])
        return (actions[0] if single else actions), state

    def evaluate(self, episodes: int = 100, seed: int = 1, deterministic: bool = True, threads: int = 0) -> Evaluation:
        """Plays `episodes` new episodes, which share no seeds with training. `threads=0` is one for each core."""
        prefer_this_one()
        if episodes < 1:
            raise ValueError(f"episodes is {episodes}; it must be 1 or more")
        seed = whole("seed", seed)
        with causes():
            returns, lengths = self._native.evaluate(episodes, seed, not deterministic, threads)
        return Evaluation(np.array(returns), np.array(lengths, np.int64))

    def export(self, path: str | os.PathLike[str], format: str | None = None, force: bool = False) -> None:
        """Writes the policy to a file: `onnx`, which onnxruntime runs, or `safetensors`, which PyTorch loads.

        The default is the suffix of the path. A file that exists is replaced only with `force=True`.
        """
        self._native.export(path, format or Path(path).suffix.lstrip("."), force)

    def __repr__(self) -> str:
        return f"Agent({self.spec['id']!r}, run={str(self.run)!r})"


def mask_length(space: dict[str, Any]) -> int:
    """Returns the number of flags for one observation."""
    return int(sum(space["sizes"]) if space["kind"] == "multi_discrete" else space.get("n", 0))
