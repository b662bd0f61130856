"""Checks that the Windows binary, under Wine on Linux, keeps the promises of docs/reliability.md that depend on the system.

    rustup target add x86_64-pc-windows-gnu
    apt-get install wine64 wine gcc-mingw-w64-x86-64-win32
    cargo build --release --target x86_64-pc-windows-gnu -p burn-pg-cli
    python benches/check_windows.py target/x86_64-pc-windows-gnu/release/burn-pg.exe

Interrupts a run with Ctrl-C once and twice, kills runs at random moments, starts two in one folder, and compares their results
with those of an uninterrupted run. Ends with exit code 1 if a promise does not hold.
"""

import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

from pathlib import Path

SOURCES = Path(__file__).parent / "windows"
TIME_FIELDS = {"elapsed_seconds", "steps_per_second"}
UPDATES = 40
KILLS = 20
SHORT = ["num_envs=8", "num_steps=8", "hidden_sizes=[8]", "evaluation.episodes=3", "normalize_observations=true"]
SHORT += ["checkpoint={interval=1,keep=3,episodes=1}"]


def train(out, steps, settings=SHORT):
    run = ["train", "CartPole-v1", "--preset", "ppo-cleanrl", "--quiet", "--total-steps", str(steps), "--out", out]
    return [*run, "--set", *settings]


class Wine:
    def __init__(self, binary, folder):
        self.folder, self.binary = folder, folder / "burn-pg.exe"
        shutil.copy(binary, self.binary)
        compiler = ["x86_64-w64-mingw32-gcc", "-O1"]
        subprocess.run([*compiler, "-o", folder / "interrupt.exe", SOURCES / "interrupt.c"], check=True)
        library = ["-shared", "-o", folder / "bcryptprimitives.dll", SOURCES / "bcryptprimitives.c", "-ladvapi32"]
        subprocess.run([*compiler, *library], check=True)
        self.environment = {**os.environ, "WINEDEBUG": "-all", "WINEPREFIX": str(folder / "wine")}

    def start(self, *arguments, **streams):
        command = ["wine", str(self.binary), *arguments]
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, text=True, **streams)

    def run(self, *arguments, code=0, **streams):
        process = self.start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.PIPE)
        out, err = process.communicate(streams.get("input"), timeout=300)
        expect(process.returncode == code, f"{arguments[0]} ends with {process.returncode}, not {code}: {err}")
        return out, err

    def interrupt(self, once_there, times, *arguments):
        """Presses Ctrl-C in the console that `script` gives the run. Returns the exit code, the milliseconds until the exit, and
        the output, without spaces because the console breaks lines at any place."""
        command = ["wine", "interrupt.exe", once_there, str(times), "burn-pg.exe", *arguments]
        session = ["script", "-qec", shlex.join(command), "/dev/null"]
        told = subprocess.run(session, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300)
        # Remove the escape sequences that move the cursor and colour the text.
        told = squeezed(re.sub(r"\x1b(\[[0-9;?]*[a-zA-Z]|\].*?\x07)", "", told.stdout))
        outcome = re.search(r"exitcode(\d+)after(\d+)ms", told)
        expect(outcome, f"the run was not interrupted: {told}")
        return int(outcome[1]), int(outcome[2]), told

    def outcome(self, run):
        lines = (self.folder / run / "metrics.jsonl").read_text().splitlines()
        metrics = [{key: value for key, value in json.loads(line).items() if key not in TIME_FIELDS} for line in lines]
        return metrics, (self.folder / run / "policy.safetensors").read_bytes()


def squeezed(text):
    return "".join(text.split())


def expect(holds, otherwise):
    if not holds:
        sys.exit(f"error: {otherwise}")


def wait_for(path):
    start = time.monotonic()
    while not path.exists():
        expect(time.monotonic() - start < 60, f"{path} does not appear within 60 s")
        time.sleep(0.01)


def check(wine):
    steps = UPDATES * 64
    wine.run(*train("whole", steps))
    whole = wine.outcome("whole")
    expect(len(whole[0]) == UPDATES, f"the run has {len(whole[0])} updates, not {UPDATES}")

    code, _, told = wine.interrupt("once/checkpoints/update-000000002", 1, *train("once", 10**9))
    expect(code == 130, f"exit code {code} after Ctrl-C")
    advice = ("interrupted: saved after update", "go on with: burn-pg train --resume once")
    expect(all(squeezed(part) in told for part in advice), told)
    wine.run("eval", "once", "--episodes", "1")
    code, _, told = wine.interrupt("halves/checkpoints/update-000000002", 1, *train("halves", steps))
    expect(code == 130, f"exit code {code} after Ctrl-C: the run was over before, or failed: {told}")
    wine.run("train", "--resume", "halves", "--quiet")
    expect(wine.outcome("halves") == whole, "an interrupted run has another result")
    print("Ctrl-C saves, and the run resumes bit for bit")

    slow = ["num_envs=128", "num_steps=65536"]
    code, milliseconds, told = wine.interrupt("twice/metrics.jsonl", 2, *train("twice", 10**9, slow))
    expect(code == 130 and "saved" not in told, f"exit code {code}: {told}")
    expect(milliseconds < 5000, f"it ended only after {milliseconds} ms")
    print(f"a second Ctrl-C ends a run at once ({milliseconds} ms)")

    kills = runs = 0
    while kills < KILLS:
        expect(runs < 50, f"only {kills} kills within {runs} runs")
        runs, run, arguments = runs + 1, f"killed-{runs}", train(f"killed-{runs}", steps)
        while True:
            process = wine.start(*arguments, stderr=subprocess.PIPE)
            try:
                _, err = process.communicate(timeout=random.uniform(0.3, 1.5))
                expect(process.returncode == 0, err)
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                kills += 1
            if (wine.folder / run / "config.toml").exists():
                arguments = ["train", "--resume", run, "--quiet"]
        expect(wine.outcome(run) == whole, "a killed run has another result")
    print(f"{kills} kills, {runs} runs, all with the result of the uninterrupted run")

    first = wine.start(*train("shared", 10**9), stderr=subprocess.DEVNULL)
    wait_for(wine.folder / "shared" / "checkpoints" / "update-000000002")
    _, err = wine.run("train", "--resume", "shared", code=2)
    expect("another process is training in" in err, err)
    first.kill()
    first.communicate()
    second = wine.start("train", "--resume", "shared", "--quiet", stderr=subprocess.PIPE)
    try:
        _, err = second.communicate(timeout=3)
        sys.exit(f"error: the lock of a killed process still holds: {err}")
    except subprocess.TimeoutExpired:
        second.kill()
        second.communicate()
    print("two processes never train in one folder, and a killed process holds no lock")

    for export in ("safetensors", "onnx"):
        wine.run("export", "whole", "--format", export, "--out", f"policy.{export}")
    out, _ = wine.run("act", "whole", input="[0.01, 0.02, 0.03, 0.04]\n")
    expect(out.strip(), "act prints nothing")
    for arguments in (["plan", "CartPole-v1"], ["envs"], ["devices"]):
        wine.run(*arguments)
    print("export, act, plan, envs and devices run")


def main():
    with tempfile.TemporaryDirectory() as folder:
        wine = Wine(sys.argv[1], Path(folder))
        try:
            check(wine)
        finally:
            subprocess.run(["wineserver", "-k"], env=wine.environment)


main()
