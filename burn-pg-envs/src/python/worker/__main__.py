"""A worker process of burn-pg: `python FOLDER [ADDRESS]`."""

import os
import signal
import sys

# Ctrl-C is for the program, which ends its workers.
signal.signal(signal.SIGINT, signal.SIG_IGN)
# Modules of the folder in which the program runs can be imported, as by `python -m`.
sys.path.insert(1, os.getcwd())

from burn_pg_worker.serve import serve  # noqa: E402

if not serve(sys.argv[1] if len(sys.argv) > 1 else None):
    raise SystemExit(1)
