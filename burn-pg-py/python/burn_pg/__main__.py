"""The command line: `burn-pg`, or `python -m burn_pg`."""

import os
import signal
import sys

from . import burn_pg_native
from .interpreter import prefer_this_one


def main() -> None:
    """Runs the command line with the arguments of this process."""
    # The program handles Ctrl-C itself.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if "VIRTUAL_ENV" not in os.environ:
        prefer_this_one()
    burn_pg_native.main(["burn-pg", *sys.argv[1:]], [sys.executable, "-m", "burn_pg"])


if __name__ == "__main__":
    main()
