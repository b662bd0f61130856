"""How arguments of Python become those of the command line."""

from __future__ import annotations

import json
import math
import operator
import os
from collections.abc import Mapping
from typing import Any

# Arguments that are options of the command line, and not settings.
OPTIONS = ("algo", "preset", "device", "seed", "total_steps", "threads", "python", "workers")

# Tables of a configuration.
TABLES = ("run", "env", "rollout", "algorithm", "network", "optimiser", "checkpoint", "evaluation", "log", "faults")


def arguments_of(config: Any, settings: dict[str, Any]) -> tuple[list[str], str | None]:
    """Returns the arguments of `burn-pg train`, and the settings that remain, as JSON.

    `config` is the name of an environment, a path to a TOML file, or a dictionary of settings.
    """
    settings = {name: value for name, value in settings.items() if value is not None}
    arguments: list[str] = []
    tables: dict[str, Any] = {}
    if isinstance(config, Mapping):
        tables = plain(config)
    elif isinstance(config, os.PathLike) or (isinstance(config, str) and config.endswith(".toml")):
        arguments += ["--config", os.fspath(config)]
    elif isinstance(config, str):
        arguments.append(config)
    elif config is not None:
        raise TypeError(f"config is a {type(config).__name__}; it must be a name, a path, or a dictionary")
    if "seed" in settings:
        settings["seed"] = whole("seed", settings["seed"], bits=63)
    for name in OPTIONS:
        if name in settings:
            arguments += ["--" + name.replace("_", "-"), str(settings.pop(name))]
    changes = []
    for name, value in settings.items():
        if callable(value):
            raise TypeError(
                f"{name} is a function; what changes over a run is a table, such as {{'kind': 'linear', 'start': 3e-4, 'end': 0.0}}"
            )
        if isinstance(value, Mapping) and ("." in name or name in TABLES):
            merge(tables, name.split("."), plain(value))
        else:
            changes.append(f"{name}={toml(value)}")
    if changes:
        arguments += ["--set", *changes]
    return arguments, json.dumps(tables) if tables else None


def whole(name: str, value: Any, least: int = 0, bits: int = 64) -> int:
    """Returns an argument as an `int`; refuses all but whole numbers from `least` to `2^bits - 1`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if not least <= number < 2**bits:
        raise ValueError(f"{name} is {value}; it must be a whole number from {least} to 2^{bits} - 1")
    return number


def merge(tables: dict[str, Any], path: list[str], values: dict[str, Any]) -> None:
    """Adds values to the table at a path."""
    for name in path:
        tables = tables.setdefault(name, {})
    tables.update(values)


def plain(value: Any) -> Any:
    """Returns dictionaries, lists and numbers, also of NumPy, as JSON has them."""
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def toml(value: Any) -> str:
    """Returns a value as TOML."""
    value = plain(value)
    if isinstance(value, dict):
        inner = (f"{json.dumps(name)} = {toml(inner)}" for name, inner in value.items() if inner is not None)
        return "{ " + ", ".join(inner) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    # Words, numbers and flags are written as in JSON.
    return json.dumps(value)
