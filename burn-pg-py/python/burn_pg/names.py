"""What can be named: environments, presets and settings."""

from __future__ import annotations

import json
from typing import Any

from . import burn_pg_native
from .arguments import arguments_of


def environments() -> list[str]:
    """Returns the names of the environments that are built in.

    Those of Gymnasium, EnvPool and ALE have names such as `gym:LunarLander-v3`, `envpool:Pong-v5` and `ale:pong`.
    """
    return [spec["id"] for spec in json.loads(burn_pg_native.specs())]


def presets() -> dict[str, str]:
    """Returns the names of the presets, with what each is for."""
    return dict(burn_pg_native.presets())


def configuration(config: Any = None, **settings: Any) -> str:
    """Returns all settings that `train` would use with the same arguments, as TOML."""
    arguments, given = arguments_of(config, settings)
    return burn_pg_native.configure(arguments, given)
