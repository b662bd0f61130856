"""A worker process of burn-pg: `python FOLDER [ADDRESS]`."""

import os
import shutil
import signal
import sys
import threading
import time

# Signals to all processes of a terminal or of a job are for the program, which saves its run and ends its workers.
for name in ("SIGINT", "SIGTERM", "SIGHUP"):
    if hasattr(signal, name):
        signal.signal(getattr(signal, name), signal.SIG_IGN)


parent = os.getppid()


def end_with_the_program():
    """Ends this process, even in the middle of a step, when the program is gone, which then cannot remove its folder."""
    while os.getppid() == parent:
        time.sleep(1)
    shutil.rmtree(os.path.dirname(os.path.abspath(__file__)), ignore_errors=True)
    os._exit(1)


watch = threading.Thread(target=end_with_the_program, daemon=True)
watch.start()
# Modules of the folder in which the program runs can be imported, as by `python -m`.
sys.path.insert(1, os.getcwd())

from burn_pg_worker.serve import serve  # noqa: E402

ending = serve(sys.argv[1] if len(sys.argv) > 1 else None)
if ending == "gone":
    # The program closes the connection before it is gone.
    watch.join()
raise SystemExit(ending == "refused")
