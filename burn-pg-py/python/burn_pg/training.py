"""Training."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import burn_pg_native
from .agent import Agent
from .arguments import arguments_of
from .hosting import causes, hosted
from .interpreter import prefer_this_one

# Settings that may change when a run is resumed.
CHANGEABLE = ("total_steps", "device", "threads", "python", "workers")


def train(
    config: Any = None,
    *,
    env: Any = None,
    out: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    callback: Callable[[dict[str, Any]], bool | None] | None = None,
    evaluation_episodes: int | None = None,
    **settings: Any,
) -> Agent:
    """Trains an agent, and returns it.

    `config` is the name of an environment (`"CartPole-v1"`, `"gym:LunarLander-v3"`), the path of a TOML file of settings, or
    a dictionary with the same tables. `settings` are `algo`, `preset`, `device`, `seed`, `total_steps`, `threads`, `python`
    and `workers`, and any setting by its name, such as `gamma=0.98` or `num_envs=16`.

    `env` is the name of an environment, or your own: a function or class that returns a `gymnasium.Env`, of which as many are
    made as `num_envs` says, or a `gymnasium.vector.VectorEnv`. It is stepped in this process. What it raises is the
    `__cause__` of the `burn_pg.Error` that training then raises.

    `callback` is called after each update with its metrics, such as `episode_return_mean`, and ends the run if it returns
    `False`. At the end, the agent plays `evaluation_episodes` episodes (default: the setting `evaluation.episodes`, 100; 0 for
    none). Everything is kept in the directory `out`, which must be new (default: a new one in `runs`). `resume` is the
    directory of an earlier run: it continues from its newest checkpoint, as if it had never stopped.

    Ctrl-C, and an exception in `callback`, end the run after the update, save it, and are raised here.
    """
    prefer_this_one()
    if resume is not None:
        given = {name for name, value in settings.items() if value is not None and name not in CHANGEABLE}
        if config is not None or out is not None or given:
            also = ", ".join(f"`{name}`" for name in sorted(given))
            raise ValueError(
                f"a run is resumed with its own settings: leave out `config`, `out`{', ' + also if also else ''}; "
                f"{', '.join(f'`{name}`' for name in CHANGEABLE)} may change"
            )
    if isinstance(env, str):
        if resume is not None:
            raise ValueError("a run is resumed in its own environment: leave out `env`")
        settings["env.name"] = env
    elif env is not None:
        name, num_envs = hosted(env, None if resume is None else environment_of(resume))
        if resume is None:
            settings["env.name"] = name
        if num_envs is not None:
            if evaluation_episodes:
                raise ValueError("the batch that trains cannot evaluate too: leave out `evaluation_episodes`")
            evaluation_episodes = 0
            if resume is None and settings.setdefault("num_envs", num_envs) != num_envs:
                raise ValueError(f"num_envs is {settings['num_envs']}, but env holds {num_envs} environments")
    arguments, given = arguments_of(config, settings)
    paths = [None if path is None else Path(path) for path in (out, resume)]
    with causes():
        native, path, summary = burn_pg_native.train(arguments, given, *paths, callback, evaluation_episodes)
    return Agent(native, Path(path), json.loads(summary))


def environment_of(run: str | os.PathLike[str]) -> str | None:
    """Returns the name of the environment of a run, if it can be read."""
    try:
        settings = (Path(run) / "config.toml").read_text()
    except OSError:
        return None
    found = re.search(r'^\[env\]$.*?^name = (".*?")$', settings, re.MULTILINE | re.DOTALL)
    return json.loads(found[1]) if found else None
