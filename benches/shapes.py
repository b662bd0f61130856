"""The shapes in which training is timed, and functions that run one."""

import json
import subprocess

# Name, environments, minibatches, total steps.
SHAPES = [
    ("8 environments, minibatches of 256", 8, 4, 499_712),
    ("2,048 environments, minibatches of 32,768", 2_048, 8, 1_048_576),
]

# The hyperparameters of PPO on Pendulum-v1, for burn-pg and for `peers/jax_ppo_device.py`.
PENDULUM = (
    "--algo ppo --total-steps 200000 --set num_envs=4 num_steps=1024 num_epochs=10 num_minibatches=64 gamma=0.9 gae_lambda=0.95 "
    "learning_rate.kind=linear learning_rate.start=2e-3 learning_rate.end=0 entropy_weight=0 clip_value=false clip_range=0.2 "
    "value_weight=0.5 max_grad_norm=0.5 normalize_observations=false normalize_rewards=false "
    "network.exploration.log_std=0 network.exploration.squash=false"
).split()
PENDULUM_JAX = (
    "--env Pendulum-v1 --envs 4 --steps 1024 --epochs 10 --minibatches 64 --lr 2e-3 --gamma 0.9 --entropy 0 --value-clip inf "
    "--total 200000"
).split()


def output(*command):
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def bench(binary, *options):
    """Returns the report of `bench train`."""
    return output(binary, "bench", "train", "--repeat", "1", "--json", *options)


def train(binary, envs, minibatches, steps, *options):
    """Returns the report of `bench train` in a shape."""
    shape = ["--total-steps", str(steps), "--set", f"num_envs={envs}", f"num_minibatches={minibatches}"]
    return bench(binary, *options, *shape)
