"""Checks that TensorBoard reads the event files of a run, and that they agree with its metrics.jsonl.

    pip install tensorboard
    burn-pg train CartPole-v1 --set log.tensorboard=true checkpoint.episodes=5 --out run
    python benches/check_tensorboard.py run
"""

import json
import math
import pathlib
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

# The name in TensorBoard, the field of metrics.jsonl, and the factor between them.
SCALARS = [
    ("rollout/ep_rew_mean", "episode_return_mean", 1),
    ("rollout/ep_len_mean", "episode_length_mean", 1),
    ("time/fps", "steps_per_second", 1),
    ("time/total_timesteps", "env_steps", 1),
    ("train/learning_rate", "learning_rate", 1),
    ("train/explained_variance", "explained_variance", 1),
    ("train/approx_kl", "approx_kl", 1),
    ("train/clip_fraction", "clip_fraction", 1),
    ("train/policy_gradient_loss", "policy_loss", 1),
    ("train/value_loss", "value_loss", 2),
    ("train/loss", "loss", 1),
]


def main(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "histograms": 0})
    events.Reload()
    tags = events.Tags()
    for name, field, factor in SCALARS:
        expected = [(line["env_steps"], factor * line[field]) for line in lines if line.get(field) is not None]
        found = [(event.step, event.value) for event in events.Scalars(name)]
        assert [step for step, _ in found] == [step for step, _ in expected], f"{name}: other steps"
        for (step, ours), (_, theirs) in zip(expected, found):
            assert math.isclose(ours, theirs, rel_tol=1e-6, abs_tol=1e-30), f"{name} at step {step}: {ours}, {theirs}"
    assert "eval/mean_reward" in tags["scalars"], "no evaluations"
    episodes = sum(event.histogram_value.num for event in events.Histograms("rollout/ep_rew"))
    assert episodes == lines[-1]["episodes"], f"{episodes} episodes in histograms, not {lines[-1]['episodes']}"
    print(f"TensorBoard reads {len(tags['scalars'])} scalars and {len(tags['histograms'])} histograms of {len(lines)} updates")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
