"""Environments of burn-pg with the interface of Gymnasium."""

from __future__ import annotations

import json
import secrets
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv as GymnasiumVectorEnv
from gymnasium.vector.utils import batch_space

from . import burn_pg_native
from .arguments import plain, whole
from .interpreter import prefer_this_one
from .spaces import elements, is_flat, to_gymnasium

MODES = {
    AutoresetMode.NEXT_STEP: "next_step",
    AutoresetMode.SAME_STEP: "same_step",
    AutoresetMode.DISABLED: "disabled",
}


class VectorEnv(GymnasiumVectorEnv):
    """Many copies of one environment, stepped by Rust on all cores.

    The interface is that of `gymnasium.vector.VectorEnv`. Every reset and step returns new arrays, which are the caller's.
    Episodes that end report `info["episode_return"]` and `info["episode_length"]`; `info["_episode_return"]` marks them.
    """

    takes_reset_mask = True

    def __init__(
        self,
        id: str,
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        kwargs: dict[str, Any] | None = None,
        wrappers: list[Any] | None = None,
        python: str | None = None,
        workers: int | None = None,
        timeout: float | None = None,
    ):
        """Makes `num_envs` copies of the environment `id`, such as `"CartPole-v1"` or `"gym:LunarLander-v3"`.

        `autoreset_mode` is one of Gymnasium's. The other arguments are for environments of Python, which worker processes
        step: `kwargs` of the environment, `wrappers`, the interpreter, the number of processes, and the seconds after which
        a step counts as hanging.
        """
        prefer_this_one()
        mode, num_envs = AutoresetMode(autoreset_mode), whole("num_envs", num_envs, least=1, bits=31)
        if workers is not None and workers < 1:
            raise ValueError(f"workers is {workers}; it must be 1 or more")
        options = {"kwargs": kwargs or {}, "wrappers": wrappers or [], "python": python, "workers": workers}
        if timeout is not None:
            options["timeout"] = timeout
        self._native = burn_pg_native.Envs(id, num_envs, json.dumps(plain(options)), MODES[mode])
        spec = json.loads(self._native.spec())
        self._space, actions = spec["observation_space"], spec["action_space"]
        self._start = actions["start"] if actions["kind"] == "discrete" else 0
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": mode, "render_modes": []}
        self.render_mode = None
        self.spec = None
        self.single_observation_space, self.single_action_space = to_gymnasium(self._space), to_gymnasium(actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._dtype = {"box": np.float32, "multi_binary": np.bool_}.get(actions["kind"], np.int64)
        self._is_flat, self._is_seeded = is_flat(self._space), False

    def reset(
        self, *, seed: int | list[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts new episodes, in the environments of `options["reset_mask"]`, the only option, or in all.

        Environment i gets the seed `seed + i`, or the i-th of a list. Without a seed, the random streams continue. Seeds are
        whole numbers from 0 to 2^64 - 1.
        """
        unknown = sorted(set(options or {}) - {"reset_mask"})
        if unknown:
            raise ValueError(f"`{unknown[0]}` is no option of reset; the only one is `reset_mask`")
        if isinstance(seed, (list, tuple, np.ndarray)):
            seed = [whole("seed", each) for each in seed]
        elif seed is not None:
            seed = whole("seed", seed)
        mask = (options or {}).get("reset_mask")
        if mask is not None:
            observations, info = self._native.reset(mask=np.asarray(mask, np.bool_).tolist())
        elif isinstance(seed, list):
            observations, info = self._native.reset(seeds=seed)
        elif seed is None and self._is_seeded:
            observations, info = self._native.reset()
        else:
            observations, info = self._native.reset(seed=secrets.randbits(32) if seed is None else seed)
        self._is_seeded = True
        return elements(self._space, observations), info

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Takes a step in each environment. Returns observations, rewards, terminated, truncated and an info.

        With the mode `SAME_STEP`, `info["final_obs"]` holds the last observations of the episodes that ended, which
        `info["_final_obs"]` marks.
        """
        actions = np.asarray(actions)
        if actions.dtype != self._dtype:
            if not np.can_cast(actions.dtype, self._dtype, "same_kind"):
                raise TypeError(f"actions have the type {actions.dtype}; it must be {np.dtype(self._dtype)}")
            actions = actions.astype(self._dtype)
        if self._start:
            actions = actions - self._start
        result = self._native.step(actions)
        if self._is_flat:
            return result
        observations, rewards, terminated, truncated, info = result
        if "final_obs" in info:
            info["final_obs"] = elements(self._space, info["final_obs"])
        return elements(self._space, observations), rewards, terminated, truncated, info

    def close_extras(self, **kwargs: Any) -> None:
        """Ends the worker processes, if there are any."""
        self._native = _Closed()


class _Closed:
    """Stands for environments that are closed."""

    def __getattr__(self, name: str) -> Any:
        raise burn_pg_native.Error("the environments are closed")
