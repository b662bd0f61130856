"""Writes inputs to begin with into fuzz/corpus: small runs, their checkpoints and their metrics, and the presets.

    python fuzz/seeds.py target/release/burn-pg
    cargo +nightly fuzz run checkpoint -- -max_total_time=300
"""

import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SMALL = ["hidden_sizes=[2]", "num_envs=1", "eval_episodes=1"]
PPO = [*SMALL, "num_steps=8", "num_minibatches=1"]
RUNS = [
    ("CartPole-v1", "ppo", "64", PPO),
    ("Pendulum-v1", "ppo", "64", [*PPO, "normalize_observations=true", "normalize_rewards=true", "exploration={sde={}}"]),
    ("CartPole-v1", "ppo", "64", [*PPO, 'recurrence={cell="gru",size=2}']),
    ("Acrobot-v1", "reinforce", "2000", SMALL),
]


def in_one(checkpoint):
    """As the target takes it apart again: the last part has what is left, and lengths of the others are at the end."""
    names = ("tensors.safetensors", "state.json", "source.json", "update.json", "config.toml")
    parts = [(checkpoint / name).read_bytes() for name in names]
    assert sum(map(len, parts)) < 65_000, "a length has two bytes"
    return b"".join(parts) + struct.pack(">HHHH", *(len(part) for part in reversed(parts[:-1])))


def main(binary):
    def seed(target, name, content):
        folder = ROOT / "fuzz/corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)

    with tempfile.TemporaryDirectory() as temporary:
        for i, (env, algo, steps, settings) in enumerate(RUNS):
            run = Path(temporary, str(i))
            options = ["--algo", algo, "--preset", {"ppo": "ppo-cleanrl"}.get(algo, algo), "--device", "flex", "--quiet"]
            subprocess.run(
                [binary, "train", env, *options, "--total-steps", steps, "--out", run, "--set", *settings], check=True
            )
            for checkpoint in (run / "checkpoints").glob("update-*"):
                seed("checkpoint", str(i), in_one(checkpoint))
            seed("config", f"run-{i}", (run / "config.toml").read_bytes())
            seed("metrics", str(i), b"".join((run / "metrics.jsonl").read_bytes().splitlines(True)[:3]))
    for preset in (ROOT / "burn-pg-cli/presets").glob("*.toml"):
        seed("config", preset.stem, preset.read_bytes())


if __name__ == "__main__":
    main(sys.argv[1])
