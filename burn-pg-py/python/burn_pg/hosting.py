"""Environments that are objects of this process: a thread steps them while Rust trains."""

from __future__ import annotations

import atexit
import contextlib
import shutil
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from . import burn_pg_native


# What the names of environments stand for.
_known: dict[str, Any] = {}
# What environments have raised of late.
_raised: deque[BaseException] = deque(maxlen=16)


def hosted(env: Any, name: str | None = None) -> tuple[str, int | None]:
    """Makes environments known to burn-pg, and returns their name, and their number if that is given.

    The default is a new name. Under a given name, other environments are replaced.
    """
    import gymnasium

    if isinstance(env, gymnasium.vector.VectorEnv):
        host, num_envs = Host(lambda setup: batch_of(env, setup)), env.num_envs
        spec = getattr(env, "spec", None)
        own = spec.id if spec is not None else type(env.unwrapped).__name__
    elif isinstance(env, gymnasium.Env):
        raise TypeError(
            "env is one environment, and training needs several: pass a function that makes one, such as "
            "`lambda: gymnasium.make(...)`, or a gymnasium.vector.VectorEnv"
        )
    elif callable(env):
        host, num_envs = Host(lambda setup: copies_of(env, setup)), None
        own = getattr(env, "__name__", type(env).__name__).replace("<lambda>", "Env")
    else:
        raise TypeError(
            f"env is a {type(env).__name__}; it must be a name, a function that makes a gymnasium.Env, or a "
            "gymnasium.vector.VectorEnv"
        )
    name = name or new_name("python:" + own.rsplit("/", 1)[-1].rsplit(":", 1)[-1], env)
    burn_pg_native.register(name, host, num_envs)
    _known[name] = env
    return name, num_envs


def new_name(base: str, env: Any) -> str:
    """Returns a name that no other environment has, so that agents keep theirs."""
    name, number = base, 1
    while _known.get(name, env) is not env:
        number += 1
        name = f"{base}-{number}"
    return name


class Host:
    """Starts a thread for each batch of environments that burn-pg makes."""

    def __init__(self, make: Callable[[dict[str, Any]], Any]):
        self.make = make

    def start(self, address: str) -> None:
        serve = worker().serve.serve
        threading.Thread(target=serve, args=(address, self.make, _raised.append), name="environments", daemon=True).start()


@contextlib.contextmanager
def causes() -> Iterator[None]:
    """Makes what an environment of this process has raised the `__cause__` of the error that burn-pg raises for it."""
    _raised.clear()
    try:
        yield
    except burn_pg_native.Error as error:
        found = (raised for raised in _raised if f"{type(raised).__name__}: {raised}" in str(error))
        error.__cause__ = next(found, error.__cause__)
        raise
    finally:
        _raised.clear()


def worker() -> Any:
    """Returns the package `burn_pg_worker`, which Rust writes."""
    if "burn_pg_worker" not in sys.modules:
        folder = tempfile.mkdtemp(prefix="burn-pg-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        burn_pg_native.write_worker(folder)
        sys.path.append(folder)
    import burn_pg_worker
    import burn_pg_worker.serve
    import burn_pg_worker.single
    import burn_pg_worker.vectorised

    return burn_pg_worker


def copies_of(make: Callable[[], Any], setup: dict[str, Any]) -> Any:
    """Returns environments that `make` returns, for the worker."""
    return worker().single.Environments(setup, make)


def batch_of(env: Any, setup: dict[str, Any]) -> Any:
    """Returns the environments of a batch, for the worker."""
    vectorised = worker().vectorised
    return vectorised.Environments(setup, vectorised.Batch(env))
