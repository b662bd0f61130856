"""Which Python steps environments such as `gym:LunarLander-v3`."""

import os
import sys


def prefer_this_one() -> None:
    """Lets worker processes run this interpreter, unless `BURN_PG_PYTHON` or a setting names another."""
    os.environ.setdefault("BURN_PG_PYTHON", sys.executable)
