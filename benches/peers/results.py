"""Trains peers with their published hyperparameters on several seeds, for the comparison in docs/results.md.

    python -m venv sb3 && sb3/bin/pip install sb3-contrib
    sb3/bin/python benches/peers/results.py sb3-ppo sb3-trpo sb3-a2c --seeds 10 --out peers.json

    git clone https://github.com/vwxyzjn/cleanrl
    python -m venv old && old/bin/pip install gymnasium==0.29.1 'numpy<2' torch tensorboard tyro
    old/bin/python benches/peers/results.py cleanrl-ppo --seeds 10 --out peers.json --cleanrl cleanrl

Needs Python 3.11 or later. CleanRL needs a virtual environment of its own: its `ppo.py` relies on the vector environments of
Gymnasium 0.29, which reset an environment in the step that ends the episode.

`sb3-*` is Stable-Baselines3 (TRPO: sb3-contrib) with the tuned hyperparameters of RL Baselines3 Zoo, applied as the zoo does.
`cleanrl-ppo` runs `cleanrl/ppo.py` of the checkout, unchanged and with its defaults. Training has the seeds 0, 1, ... and one
thread. The final policy is evaluated greedily over 100 episodes, whose seeds no training uses.

Each finished run is added to FILE.json at once. Started again, the script skips the runs that FILE.json has. At the end it prints
a Markdown table of the groups whose seeds are all finished.
"""

import argparse
import contextlib
import json
import os
import runpy
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch

# Those of CleanRL's ppo_continuous_action.py, with 8 environments in place of 1, as in the presets of burn-pg. CleanRL halves the
# squared error of a value, and Stable-Baselines3 does not.
PPO_MUJOCO: dict[str, Any] = {
    "n_timesteps": 1_000_000,
    "normalize": True,
    "n_envs": 8,
    "n_steps": 256,
    "batch_size": 64,
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "n_epochs": 10,
    "ent_coef": 0.0,
    "vf_coef": 0.25,
    "clip_range": 0.2,
    "clip_range_vf": 0.2,
    "learning_rate": "lin_3e-4",
}

# From hyperparams/{ppo,trpo,a2c}.yml of github.com/DLR-RM/rl-baselines3-zoo, commit 22e3ff2 of 23 April 2026.
# "lin_0.001" is a linear schedule from 0.001 to 0. What is not given here is the default of Stable-Baselines3.
ZOO: dict[str, dict[str, dict[str, Any]]] = {
    "ppo": {
        "CartPole-v1": {
            "n_timesteps": 100_000,
            "n_envs": 8,
            "n_steps": 32,
            "batch_size": 256,
            "gae_lambda": 0.8,
            "gamma": 0.98,
            "n_epochs": 20,
            "ent_coef": 0.0,
            "learning_rate": "lin_0.001",
            "clip_range": "lin_0.2",
        },
        "Acrobot-v1": {
            "n_timesteps": 1_000_000,
            "normalize": True,
            "n_envs": 16,
            "n_steps": 256,
            "gae_lambda": 0.94,
            "gamma": 0.99,
            "n_epochs": 4,
            "ent_coef": 0.0,
        },
        "MountainCar-v0": {
            "n_timesteps": 1_000_000,
            "normalize": True,
            "n_envs": 16,
            "n_steps": 16,
            "gae_lambda": 0.98,
            "gamma": 0.99,
            "n_epochs": 4,
            "ent_coef": 0.0,
        },
        "MountainCarContinuous-v0": {
            "n_timesteps": 20_000,
            "normalize": True,
            "n_envs": 1,
            "n_steps": 8,
            "batch_size": 256,
            "gamma": 0.9999,
            "learning_rate": 7.77e-5,
            "ent_coef": 0.00429,
            "clip_range": 0.1,
            "n_epochs": 10,
            "gae_lambda": 0.9,
            "max_grad_norm": 5,
            "vf_coef": 0.19,
            "use_sde": True,
            "policy_kwargs": {"log_std_init": -3.29, "ortho_init": False},
        },
        "Pendulum-v1": {
            "n_timesteps": 100_000,
            "n_envs": 4,
            "n_steps": 1024,
            "gae_lambda": 0.95,
            "gamma": 0.9,
            "n_epochs": 10,
            "ent_coef": 0.0,
            "learning_rate": 1e-3,
            "clip_range": 0.2,
            "use_sde": True,
            "sde_sample_freq": 4,
        },
        "LunarLander-v3": {
            "n_timesteps": 1_000_000,
            "n_envs": 16,
            "n_steps": 1024,
            "batch_size": 64,
            "gae_lambda": 0.98,
            "gamma": 0.999,
            "n_epochs": 4,
            "ent_coef": 0.01,
        },
    },
    "ppo-mujoco": {env_id: PPO_MUJOCO for env_id in ("HalfCheetah-v5", "Hopper-v5", "Walker2d-v5")},
    "trpo": {
        "CartPole-v1": {
            "n_timesteps": 100_000,
            "n_envs": 2,
            "n_steps": 512,
            "batch_size": 512,
            "cg_damping": 1e-3,
            "gae_lambda": 0.98,
            "gamma": 0.99,
            "learning_rate": 1e-3,
            "n_critic_updates": 20,
        },
        "Acrobot-v1": {"n_timesteps": 100_000, "normalize": True, "n_envs": 2, "n_steps": 1024},
        "MountainCar-v0": {
            "n_timesteps": 100_000,
            "normalize": True,
            "n_envs": 2,
            "n_steps": 1024,
            "n_critic_updates": 20,
        },
        "MountainCarContinuous-v0": {
            "n_timesteps": 50_000,
            "normalize": True,
            "n_envs": 2,
            "use_sde": True,
            "sde_sample_freq": 4,
        },
        "Pendulum-v1": {
            "n_timesteps": 100_000,
            "n_envs": 2,
            "n_steps": 1024,
            "gamma": 0.9,
            "n_critic_updates": 15,
            "use_sde": True,
            "sde_sample_freq": 4,
        },
    },
    "a2c": {
        "CartPole-v1": {"n_timesteps": 500_000, "n_envs": 8, "ent_coef": 0.0},
        "Acrobot-v1": {"n_timesteps": 500_000, "normalize": True, "n_envs": 16, "ent_coef": 0.0},
        "MountainCar-v0": {"n_timesteps": 1_000_000, "normalize": True, "n_envs": 16, "ent_coef": 0.0},
        "MountainCarContinuous-v0": {
            "n_timesteps": 100_000,
            "normalize": True,
            "n_envs": 4,
            "n_steps": 100,
            "ent_coef": 0.0,
            "use_sde": True,
            "sde_sample_freq": 16,
            "policy_kwargs": {"log_std_init": 0.0, "ortho_init": False},
        },
        "Pendulum-v1": {
            "n_timesteps": 1_000_000,
            "normalize": True,
            "n_envs": 8,
            "n_steps": 8,
            "ent_coef": 0.0,
            "max_grad_norm": 0.5,
            "gae_lambda": 0.9,
            "vf_coef": 0.4,
            "gamma": 0.9,
            "use_rms_prop": True,
            "normalize_advantage": False,
            "learning_rate": "lin_7e-4",
            "use_sde": True,
            "policy_kwargs": {"log_std_init": -2, "ortho_init": False},
        },
    },
}
CLEANRL_STEPS = {"CartPole-v1": 500_000, "Acrobot-v1": 500_000}
ENVS = [*ZOO["ppo"], *ZOO["ppo-mujoco"]]
PEERS = [*(f"sb3-{algo}" for algo in ZOO), "cleanrl-ppo"]

EPISODES = 100
EVALUATION_SEED = 1_000_000  # of the first evaluation episode of training seed 0
RESAMPLES = 20_000  # as in burn-pg

Policy = Callable[[np.ndarray], np.ndarray]  # from a batch of observations to their greedy actions


def train_sb3(algo: str, env_id: str, seed: int) -> tuple[Policy, int]:
    """Returns the trained policy and the number of training steps."""
    from sb3_contrib import TRPO
    from stable_baselines3 import A2C, PPO
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import VecNormalize

    kwargs = dict(ZOO[algo][env_id])
    total_steps = kwargs.pop("n_timesteps")
    env = make_vec_env(env_id, n_envs=kwargs.pop("n_envs"), seed=seed)
    if kwargs.pop("normalize", False):
        env = VecNormalize(env, gamma=kwargs.get("gamma", 0.99))
    for key in ("learning_rate", "clip_range"):
        if isinstance(kwargs.get(key), str):
            kwargs[key] = linear_schedule(float(kwargs[key].removeprefix("lin_")))
    model = {"ppo": PPO, "trpo": TRPO, "a2c": A2C}[algo.split("-")[0]]("MlpPolicy", env, seed=seed, device="cpu", **kwargs)
    model.learn(total_steps)

    def act(observations: np.ndarray) -> np.ndarray:
        inputs = env.normalize_obs(observations) if isinstance(env, VecNormalize) else observations
        return model.predict(inputs, deterministic=True)[0]

    return act, model.num_timesteps


def linear_schedule(initial: float) -> Callable[[float], float]:
    return lambda remaining: initial * remaining


def train_cleanrl(checkout: Path, env_id: str, seed: int) -> tuple[Policy, int]:
    """Runs `cleanrl/ppo.py` as a program in this process. Its variables at the end hold the agent, which it does not save."""
    options = {"env-id": env_id, "seed": seed, "total-timesteps": CLEANRL_STEPS[env_id]}
    script = str(checkout.resolve() / "cleanrl" / "ppo.py")
    arguments, sys.argv = sys.argv, [script, "--no-cuda", *(f"--{key}={value}" for key, value in options.items())]
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            contextlib.chdir(folder),
            open(os.devnull, "w") as nowhere,
            contextlib.redirect_stdout(nowhere),
        ):
            variables = runpy.run_path(script, run_name="__main__")
    finally:
        sys.argv = arguments
    actor = variables["agent"].actor

    def act(observations: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return actor(torch.as_tensor(observations, dtype=torch.float32)).argmax(1).numpy()

    return act, variables["global_step"]


def evaluate(act: Policy, env_id: str, seed: int) -> list[float]:
    """Returns the return of each of `EPISODES` episodes. They run side by side, so that the policy acts on a batch."""
    envs = [gym.make(env_id) for _ in range(EPISODES)]
    first = EVALUATION_SEED + seed * EPISODES
    observations = np.stack([env.reset(seed=first + i)[0] for i, env in enumerate(envs)])
    returns = [0.0] * EPISODES
    running = list(range(EPISODES))
    while running:
        still_running = []
        for i, action in zip(running, act(observations[running])):
            observations[i], reward, terminated, truncated, _ = envs[i].step(action)
            returns[i] += float(reward)
            if not (terminated or truncated):
                still_running.append(i)
        running = still_running
    return returns


def versions(library: str) -> dict[str, str]:
    packages = ["gymnasium", "numpy", "torch"]
    if library == "sb3":
        packages += ["stable_baselines3", "sb3_contrib"]
    return {"python": sys.version.split()[0], **{package: version(package) for package in packages}}


def run(peer: str, env_id: str, seed: int, cleanrl: Path | None) -> dict[str, Any]:
    library, algo = peer.split("-", 1)
    start = time.process_time()
    if library == "sb3":
        act, steps = train_sb3(algo, env_id, seed)
    else:
        assert cleanrl is not None
        act, steps = train_cleanrl(cleanrl, env_id, seed)
    seconds = time.process_time() - start
    returns = evaluate(act, env_id, seed)
    return {
        "peer": peer,
        "env": env_id,
        "seed": seed,
        "steps": steps,
        "mean_return": float(np.mean(returns)),
        "returns": returns,
        "cpu_seconds": seconds,
        "versions": versions(library),
    }


def interquartile_mean(values: np.ndarray) -> np.ndarray:
    """Returns the mean of the middle half along the last axis, as `scipy.stats.trim_mean(values, 0.25)` does."""
    count = values.shape[-1]
    cut = count // 4
    return np.sort(values)[..., cut : count - cut].mean(-1)


def table(runs: list[dict[str, Any]], seeds: int) -> str:
    """Returns the Markdown table of the groups of which all seeds have finished."""
    lines = [
        "| library | algorithm | environment | steps | interquartile mean | 95 % interval | worst seed | CPU seconds a run |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    libraries = {"sb3": "Stable-Baselines3", "cleanrl": "CleanRL"}
    for peer in PEERS:
        for env_id in environments(peer):
            group = [r for r in runs if (r["peer"], r["env"]) == (peer, env_id) and r["seed"] < seeds]
            if len(group) < seeds:
                continue
            means = np.array([r["mean_return"] for r in group])
            resampled = np.random.default_rng(0).choice(means, (RESAMPLES, seeds))
            low, high = np.percentile(interquartile_mean(resampled), [2.5, 97.5])
            library, algo = peer.split("-", 1)
            seconds = np.mean([r["cpu_seconds"] for r in group])
            lines.append(
                f"| {libraries[library]} | {algo} | {env_id} | {group[0]['steps']:,} | {interquartile_mean(means):.1f} "
                f"| {low:.1f} to {high:.1f} | {means.min():.1f} | {seconds:.0f} |"
            )
    lines += ["", "CPU seconds: of training, on shared cores; they show the order of magnitude and are not a timing.", ""]
    return "\n".join(lines)


def environments(peer: str) -> list[str]:
    library, algo = peer.split("-", 1)
    return list(ZOO[algo]) if library == "sb3" else list(CLEANRL_STEPS)


def missing(runs: list[dict[str, Any]], peers: list[str], envs: list[str], seeds: int) -> Iterator[tuple[str, str, int]]:
    """Yields the runs still to do, all seeds of a group before the next group."""
    done = {(r["peer"], r["env"], r["seed"]) for r in runs}
    for peer in peers:
        for env_id in (env_id for env_id in envs if env_id in environments(peer)):
            for seed in range(seeds):
                if (peer, env_id, seed) not in done:
                    yield peer, env_id, seed


def main() -> None:
    parser = argparse.ArgumentParser(description="Train peers on several seeds and print a table of their returns.")
    parser.add_argument("peers", nargs="+", choices=PEERS, metavar="PEER", help=", ".join(PEERS))
    parser.add_argument("--envs", nargs="+", choices=ENVS, default=ENVS, metavar="ENV", help="environments (default: all)")
    parser.add_argument("--seeds", type=int, default=10, help="number of seeds of each group (default: 10)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.json", help="finished runs, read and extended")
    parser.add_argument("--table", type=Path, metavar="FILE.md", help="write the table here too, after each run")
    parser.add_argument("--cleanrl", type=Path, metavar="DIR", help="checkout of CleanRL, needed for cleanrl-ppo")
    parser.add_argument("--pause-file", type=Path, metavar="PATH", help="start no run while this file exists")
    args = parser.parse_args()
    if "cleanrl-ppo" in args.peers and args.cleanrl is None:
        parser.error("cleanrl-ppo needs --cleanrl DIR, a checkout of github.com/vwxyzjn/cleanrl")

    torch.set_num_threads(1)
    runs: list[dict[str, Any]] = json.loads(args.out.read_text()) if args.out.exists() else []
    for peer, env_id, seed in list(missing(runs, args.peers, args.envs, args.seeds)):
        while args.pause_file and args.pause_file.exists():
            time.sleep(5)
        result = run(peer, env_id, seed, args.cleanrl)
        runs.append(result)
        unfinished = args.out.with_suffix(".tmp")
        unfinished.write_text(json.dumps(runs))
        unfinished.replace(args.out)
        print(f"{peer} {env_id} seed {seed}: {result['mean_return']:.1f}, {result['cpu_seconds']:.0f} s", file=sys.stderr)
        if args.table:
            args.table.write_text(table(runs, args.seeds))
    print(table(runs, args.seeds))


if __name__ == "__main__":
    main()
