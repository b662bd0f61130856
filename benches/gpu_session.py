"""The runs of gpu_session.sh, the most important first. Each prints one line of JSON:

1. burn-pg and the peer, benches/peers/jax_ppo_device.py, train PPO on CartPole-v1: 4,096 and 65,536 environments of 128
   steps, 4 passes, 4 and 16 minibatches, two networks 64x64. burn-pg does so with each of its backends that finds a GPU, the
   peer with default precision of products (which may be TF32) and with single precision;
2. both at 16,384 and 262,144 environments, 4 minibatches: with 1, the time of an update by its size;
3. `burn-pg bench devices --quick`.

A line has "run" and "settings", which say what ran, and "report", which is what the program printed. Those of training have
"milliseconds_per_update", of the median round after compilation. What is left out for want of time has "skipped", and what
fails has "failed", each with the reason.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

STEPS, EPOCHS = 128, 4

parser = argparse.ArgumentParser()
parser.add_argument("folder", type=Path, help="a folder of its own, with the binary `burn-pg`")
parser.add_argument("--budget", type=float, required=True)
parser.add_argument("--shrink", type=int, required=True)
args = parser.parse_args()
BINARY, PEER = args.folder / "burn-pg", Path(__file__).parent / "peers" / "jax_ppo_device.py"
START = time.monotonic()
TRIAL = args.shrink > 1
# Seconds of one round of training with burn-pg.
ROUND = 0.1 if TRIAL else 1.5
ENVS = {envs: max(4, envs // args.shrink) for envs in (4096, 16384, 65536, 262144)}
# What JAX has compiled and tuned for one run serves the next; nothing from earlier sessions.
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(args.folder / "jax")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def left(share=1.0):
    """Returns the seconds until this share of the budget is spent."""
    return share * args.budget - (time.monotonic() - START)


class Failed(Exception):
    """Why a command has no result."""


def output(command, seconds):
    """Returns the JSON object that a command prints."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([str(part) for part in command], **pipes, text=True, start_new_session=True) as process:
        try:
            stdout, stderr = process.communicate(timeout=seconds)
        except BaseException as reason:
            # With its own child processes.
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(reason, subprocess.TimeoutExpired):
                raise Failed(f"not over after {seconds:.0f} s") from None
            raise
    if process.returncode:
        last = [line for line in stderr.splitlines() if line.strip()][-3:]
        raise Failed(f"status {process.returncode}: {' | '.join(last)}")
    try:
        return json.loads(stdout)
    except json.JSONDecodeError:
        raise Failed(f"no JSON on stdout: {stdout[:200]}") from None


def measure(run, settings, share, atleast, function):
    """Prints the line of a run. It may take until this share of the budget is spent, and is skipped with less than
    `atleast` seconds. Returns the result, or None."""
    line, seconds = {"run": run, "settings": settings}, left(share)
    result = None
    if seconds < atleast:
        line["skipped"] = f"{max(0, seconds):.0f} s are left, {atleast} are needed"
    else:
        try:
            result = function(seconds)
            line |= result
        except Failed as reason:
            line["failed"] = str(reason)
    print(json.dumps(line), flush=True)
    outcome = next((f"{name}: {line[name]}" for name in ("skipped", "failed") if name in line), "done")
    print(f"{time.monotonic() - START:5.0f} s  {run} {settings}  {outcome}", file=sys.stderr)
    return result


# The last known steps per second of each backend.
speeds = {}


def burn_pg(backend, envs, minibatches, share=1.0):
    """Trains with burn-pg. The first of three rounds compiles kernels, so it is not the median."""
    settings = {"backend": backend, "envs": envs, "steps": STEPS, "epochs": EPOCHS, "minibatches": minibatches}
    command = [BINARY, "bench", "train", "CartPole-v1", "--preset", "ppo-cleanrl", "--device", backend, "--json"]
    command += ["--set", f"num_envs={envs}", f"num_steps={STEPS}", f"num_epochs={EPOCHS}"]
    command += [f"num_minibatches={minibatches}", "hidden_sizes=[64,64]"]
    size = envs * STEPS

    def train(updates, rounds, end):
        options = ["--total-steps", updates * size, "--repeat", rounds]
        report = output([*command, *options], end - time.monotonic())
        speeds[backend] = max(report["steps_per_second_of_rounds"])
        return report

    def function(seconds):
        end = time.monotonic() + min(seconds, 120)
        if backend not in speeds:
            train(1, 2, end)
        updates = max(1, min(200, int(ROUND * speeds[backend] / size)))
        settings["updates"] = updates
        report = train(updates, 3, end)
        update = 1e3 * report["seconds"] / updates
        phases = {name: share * update for name, share in report["shares"].items()}
        return {"milliseconds_per_update": update, "milliseconds_of_phases": phases, "report": report}

    return measure("burn-pg", settings, share, 15, function)


forms = {}


def jax(envs, minibatches, precision, share=1.0):
    """Trains with JAX. The form of each part is chosen once for each number of environments."""
    settings = {"envs": envs, "steps": STEPS, "epochs": EPOCHS, "minibatches": minibatches, "precision": precision}
    command = [sys.executable, PEER, "--json", "--env", "CartPole-v1", "--envs", envs, "--steps", STEPS]
    command += ["--epochs", EPOCHS, "--minibatches", minibatches, "--matmul-precision", precision]

    def function(seconds):
        # Rounds of about a second on a large GPU.
        updates = 1 if TRIAL else max(2, min(100, 2**20 // (envs * 2)))
        settings["updates"] = updates
        form = forms.get(envs, [] if TRIAL else ["--tune"])
        report = output([*command, "--updates", updates, "--repeat", 1 if TRIAL else 3, *form], min(seconds, 90))
        forms[envs] = [f"--{name}={report[name]}" for name in ("thin", "unroll", "gae", "chunk")]
        update = 1e3 * STEPS * envs / report["steps_per_second_median"]
        return {"milliseconds_per_update": update, "report": report}

    return measure("jax", settings, share, 15, function)


def found():
    """Returns the backends of the binary that find a GPU, and the number of devices of all backends."""
    kinds = {"gpu", "software"} if TRIAL else {"gpu"}
    run = lambda seconds: {"report": output([BINARY, "devices", "--json"], min(seconds, 60))}
    report = (measure("burn-pg devices", {}, 1.0, 5, run) or {"report": {"backends": []}})["report"]
    adapters = {backend["backend"]: [adapter["kind"] for adapter in backend["adapters"]] for backend in report["backends"]}
    gpus = [backend for backend, of_backend in adapters.items() if kinds & set(of_backend)]
    if not gpus:
        print(json.dumps({"run": "burn-pg", "settings": {}, "failed": "no backend of the binary finds a GPU"}), flush=True)
    return gpus, sum(map(len, adapters.values()))


def devices(number):
    """Runs the benchmark of devices. It writes its report after each device, so a part of it is kept."""
    settings = {"quick": True}

    def function(seconds):
        file = args.folder / "devices.md"
        settings["seconds_per_device"] = int(min(40, max(5, (seconds - 10) / (1.5 * max(1, number)))))
        command = [BINARY, "bench", "devices", "--quick", "--json", "--seconds", settings["seconds_per_device"], "--out", file]
        try:
            return {"report": output(command, seconds)}
        except Failed as reason:
            partial = file.with_suffix(".json")
            if not partial.exists():
                raise
            return {"failed": str(reason), "report": json.loads(partial.read_text())}

    measure("burn-pg bench devices", settings, 1.0, 45, function)


def main():
    gpus, number = found()
    few, many = ENVS[4096], ENVS[65536]
    # The share of the budget is a limit: what one part leaves over goes to the next.
    for envs, minibatches in ((few, 4), (many, 4), (few, 16), (many, 16)):
        for backend in gpus:
            burn_pg(backend, envs, minibatches, share=0.4)
    for minibatches, precision in ((4, "highest"), (4, "default"), (16, "highest"), (16, "default")):
        for envs in (few, many):
            jax(envs, minibatches, precision, share=0.75)
    for size in (16384, 262144):
        for backend in gpus:
            burn_pg(backend, ENVS[size], 4, share=0.88)
        jax(ENVS[size], 4, "highest", share=0.88)
    devices(number)


main()
