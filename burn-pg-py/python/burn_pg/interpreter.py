"""The Python that runs this package."""

import os
import sys

from .burn_pg_native import Error

_state = {"used": False, "forked": False}


def prefer_this_one() -> None:
    """Lets worker processes run this interpreter, unless `BURN_PG_PYTHON` or a setting names another.

    Raises an error in a process that was forked after threads of Rust had begun: they are not there, and would be waited for.
    """
    if _state["forked"]:
        raise Error(
            "this process was forked from one that has used burn_pg, whose threads do not exist here; start processes "
            'with multiprocessing.get_context("spawn")'
        )
    _state["used"] = True
    os.environ.setdefault("BURN_PG_PYTHON", sys.executable)


def _forked() -> None:
    _state["forked"] = _state["used"]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
