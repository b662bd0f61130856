"""The two shapes in which training is timed, and a function that runs one."""

import json
import subprocess

# Name, environments, minibatches, total steps.
SHAPES = [
    ("8 environments, minibatches of 256", 8, 4, 499_712),
    ("2,048 environments, minibatches of 32,768", 2_048, 8, 1_048_576),
]


def output(*command):
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def train(binary, envs, minibatches, steps, *options):
    """Returns the report of `bench train` in a shape."""
    shape = ["--total-steps", str(steps), "--set", f"num_envs={envs}", f"num_minibatches={minibatches}"]
    return output(binary, "bench", "train", "--repeat", "1", "--json", *options, *shape)
