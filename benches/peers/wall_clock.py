"""Times PPO of burn-pg and of Stable-Baselines3 in the same environments of Python with the same hyperparameters, in turns.

    pip install burn_pg-*.whl stable-baselines3 sb3-contrib 'gymnasium[box2d,mujoco]'
    python benches/peers/wall_clock.py LunarLander-v3 HalfCheetah-v5

Prints environment steps per second of wall-clock time, the median of the rounds, and how the time is divided between the
rollouts and the updates. Stable-Baselines3 runs with `DummyVecEnv`, its default, and with `SubprocVecEnv`, each with as many
threads of PyTorch as it takes by itself; burn-pg with its presets, which have the same hyperparameters.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

STEPS = 65_536
ROUNDS = 3


def of_burn_pg(env_id: str, steps: int) -> dict[str, float]:
    import burn_pg

    agent = burn_pg.train(f"gym:{env_id}", total_steps=steps, evaluation_episodes=0, out=None)
    done = agent.summary["env_steps"]
    return {"steps_per_second": done / agent.summary["train_seconds"]}


def of_sb3(env_id: str, steps: int, subprocesses: bool) -> dict[str, float]:
    from results import ZOO, linear_schedule
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecNormalize

    kwargs = dict(ZOO["ppo"].get(env_id) or ZOO["ppo-mujoco"][env_id])
    kwargs.pop("n_timesteps")
    kind = SubprocVecEnv if subprocesses else DummyVecEnv
    env = make_vec_env(env_id, n_envs=kwargs.pop("n_envs"), seed=1, vec_env_cls=kind)
    if kwargs.pop("normalize", False):
        env = VecNormalize(env, gamma=kwargs["gamma"])
    if isinstance(kwargs.get("learning_rate"), str):
        kwargs["learning_rate"] = linear_schedule(3e-4)
    model = PPO("MlpPolicy", env, seed=1, device="cpu", **kwargs)
    collecting = 0.0
    collect = model.collect_rollouts

    def timed(*args, **kwargs):
        nonlocal collecting
        start = time.perf_counter()
        result = collect(*args, **kwargs)
        collecting += time.perf_counter() - start
        return result

    model.collect_rollouts = timed
    start = time.perf_counter()
    model.learn(steps)
    seconds = time.perf_counter() - start
    env.close()
    return {"steps_per_second": model.num_timesteps / seconds, "rollouts": collecting / seconds}


MEASURED = {
    "burn-pg": of_burn_pg,
    "SB3, DummyVecEnv": lambda env_id, steps: of_sb3(env_id, steps, False),
    "SB3, SubprocVecEnv": lambda env_id, steps: of_sb3(env_id, steps, True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Time PPO of burn-pg and of Stable-Baselines3 in turns.")
    parser.add_argument("envs", nargs="+", metavar="ENV", help="environments such as LunarLander-v3")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"environment steps of a run (default: {STEPS:,})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds (default: {ROUNDS})")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(MEASURED[args.one](args.envs[0], args.steps)))
        return
    for env_id in args.envs:
        rounds = {name: [] for name in MEASURED}
        for _ in range(args.rounds):
            for name in MEASURED:
                command = [sys.executable, Path(__file__).resolve(), env_id, "--steps", str(args.steps), "--one", name]
                with tempfile.TemporaryDirectory() as folder:
                    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=folder).stdout
                rounds[name].append(json.loads(out.splitlines()[-1]))
        ours = [one["steps_per_second"] for one in rounds["burn-pg"]]
        for name, all_rounds in rounds.items():
            rates = [one["steps_per_second"] for one in all_rounds]
            ratio = median(own / rate for own, rate in zip(ours, rates))
            split = [one["rollouts"] for one in all_rounds if "rollouts" in one]
            shown = f", {median(split):.0%} of it rollouts" if split else ""
            print(f"{env_id}: {name}: {median(rates):,.0f} steps/s{shown}; burn-pg is {ratio:.1f} times as fast", flush=True)


if __name__ == "__main__":
    main()
