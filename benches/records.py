"""How fast each classic task is solved: the rows of docs/records.md. Needs only Python.

    cargo build --release
    python benches/records.py target/release/burn-pg                                     # all tasks, ten seeds each
    python benches/records.py target/release/burn-pg --only CartPole-v1 --preset mine.toml

A run counts from the start of training to the update at which the mean return of the last 100 episodes reaches the threshold; time
between updates does not count. A run that never reaches it counts as infinitely slow. Prints, for each task, the medians over seeds, and
whether they beat the record in docs/records.json: a one-sided permutation test of the means of log seconds (of log steps) over seeds,
with p < 0.01. `--keep` writes docs/records.json.

Seconds are compared only between runs of one machine: with `--against OLD_BINARY`, the seconds of the record are measured again, in
turns with the new ones.
"""

import argparse
import datetime
import json
import math
import pathlib
import random
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).parent.parent
RECORDS = ROOT / "docs/records.json"
# Mean return of 100 episodes at which a task counts as solved; Gymnasium has none for Pendulum-v1.
TASKS = {
    "CartPole-v1": 475,
    "Acrobot-v1": -100,
    "MountainCar-v0": -110,
    "MountainCarContinuous-v0": 90,
    "Pendulum-v1": -200,
}
# The steps and the seconds of a run that did not solve its task.
NEVER = [1e12, 1e12]
DRAWS = 20_000
LEVEL = 0.01


def solve(program, task, preset, seed):
    """Returns the steps and the seconds of training until the task was solved."""
    settings = ["--config", preset] if preset.endswith(".toml") else ["--preset", preset]
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / "run"
        command = [program, "train", task, *settings, "--seed", str(seed), "--out", str(run), "--quiet"]
        command += ["--set", "evaluation.episodes=1"]
        if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
            return NEVER
        for line in map(json.loads, (run / "metrics.jsonl").open()):
            mean = line["episode_return_mean"]
            if line["episodes"] >= 100 and mean is not None and mean >= TASKS[task]:
                return [line["env_steps"], line["elapsed_seconds"]]
    return NEVER


def p_value(new, old):
    """Returns the chance that values that do not differ would be as much lower as the new ones are."""
    logs = [math.log(value) for value in [*new, *old]]
    observed = sum(logs[: len(new)])
    draws = random.Random(0)
    lower = sum(sum(draws.sample(logs, len(new))) <= observed for _ in range(DRAWS))
    return (1 + lower) / (1 + DRAWS)


def medians(runs):
    return [statistics.median(values) for values in zip(*runs)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--only", choices=TASKS)
    parser.add_argument("--preset", help="a preset, or a file of settings [default: that of the record, or PPO's of the task]")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--against", metavar="OLD_BINARY", help="measure the record again with this binary")
    parser.add_argument("--keep", action="store_true", help="write new records to docs/records.json")
    options = parser.parse_args()
    records = json.loads(RECORDS.read_text()) if RECORDS.exists() else {}
    git = subprocess.run(["git", "rev-parse", "--short=10", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)

    print("| date | task | preset | commit | seeds solved | steps | seconds | better than the record? |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for task in [options.only] if options.only else TASKS:
        record = records.get(task)
        preset = options.preset or (record or {}).get("preset") or f"{task.lower()}-ppo"
        new, old = [], []
        for seed in range(options.seeds):
            new.append(solve(options.program, task, preset, seed))
            if record and options.against:
                old.append(solve(options.against, task, record["preset"], seed))
        verdicts = []
        for index, what in enumerate(["steps", "seconds"]):
            before = old or (record["runs"] if record and what == "steps" else [])
            if before:
                p = p_value([run[index] for run in new], [run[index] for run in before])
                verdicts.append(f"{what}: {'yes' if p < LEVEL else 'no'} (p = {p:.4f})")
        steps, seconds = medians(new)
        steps, seconds = (f"{steps:,.0f}", f"{seconds:.2f}") if steps < NEVER[0] / 2 else ("never", "never")
        solved = sum(run != NEVER for run in new)
        date = datetime.date.today().isoformat()
        print(
            f"| {date} | {task} | {preset} | {git.stdout.strip()} | {solved} of {len(new)} | {steps} | {seconds} "
            f"| {', '.join(verdicts) or 'first'} |"
        )
        if not record or any("yes" in verdict for verdict in verdicts):
            records[task] = {"date": date, "preset": preset, "commit": git.stdout.strip(), "runs": new}
    if options.keep:
        RECORDS.write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    main()
