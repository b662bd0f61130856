"""Record frames of Gymnasium's classic tasks, with which `tests/pictures.rs` compares ours.

    pip install "gymnasium[classic-control]" pillow
    python burn-pg-envs/tests/recorded/frames.py

It writes the frames and `frames.json`, which names the task and the state of each, into the folder `frames` beside this file.
The pendulum is drawn without its arrow, which is an image of Gymnasium's.
"""

import json
import math
import os
from pathlib import Path

os.environ["SDL_VIDEODRIVER"] = "dummy"

import gymnasium as gym
import numpy as np
from PIL import Image

FOLDER = Path(__file__).parent / "frames"
CASES = {
    "CartPole-v1": [[0.0, 0.0, 0.0, 0.0], [-1.3, 0.0, 0.15, 0.0], [2.35, 0.0, -0.2, 0.0]],
    "Acrobot-v1": [[0.0, 0.0, 0.0, 0.0], [0.7, -1.1, 0.0, 0.0], [2.6, 0.9, 0.0, 0.0]],
    "MountainCar-v0": [[-0.5236, 0.0], [-1.05, 0.0], [0.4, 0.0]],
    "MountainCarContinuous-v0": [[-0.45, 0.0], [0.3, 0.0]],
    "Pendulum-v1": [[0.0, 0.0], [2.0, 0.0], [-2.8, 0.0]],
}

FOLDER.mkdir(exist_ok=True)
frames = []
for task, states in CASES.items():
    env = gym.make(task, render_mode="rgb_array")
    for index, state in enumerate(states):
        env.reset(seed=0)
        env.unwrapped.state = np.array(state)
        image = Image.fromarray(env.render())
        file = f"{task.lower().rsplit('-', 1)[0]}-{index}.png"
        image.save(FOLDER / file, optimize=True)
        frames.append({"task": task, "state": state, "file": file})
lines = ",\n".join(json.dumps(frame) for frame in frames)
(FOLDER / "frames.json").write_text(f"[\n{lines}\n]\n")
