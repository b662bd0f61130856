"""The command line: `burn-pg`, or `python -m burn_pg`."""

import os
import signal
import sys

from . import burn_pg_native


def main() -> None:
    """Runs the command line with the arguments of this process."""
    # The program handles Ctrl-C itself.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if "VIRTUAL_ENV" not in os.environ:
        # The environments of Python are those of this interpreter, unless another one is active.
        os.environ.setdefault("BURN_PG_PYTHON", sys.executable)
    burn_pg_native.main(["burn-pg", *sys.argv[1:]], [sys.executable, "-m", "burn_pg"])


if __name__ == "__main__":
    main()
