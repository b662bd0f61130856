"""PPO of Stable-Baselines3 with the hyperparameters of `--preset ppo-cleanrl`, timed the way `burn-pg train` times itself.

    pip install stable-baselines3
    python benches/peers/sb3_ppo.py [SEED]
"""

import json
import sys
import time

import stable_baselines3
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

TOTAL_STEPS = 499_712  # 488 rollouts of 8 x 128, as burn-pg rounds 500,000

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
model = PPO(
    "MlpPolicy",
    make_vec_env("CartPole-v1", n_envs=8, seed=seed),
    learning_rate=lambda remaining: 2.5e-4 * remaining,
    n_steps=128,
    batch_size=256,
    n_epochs=4,
    gamma=0.99,
    gae_lambda=0.95,
    clip_range=0.2,
    clip_range_vf=0.2,
    ent_coef=0.01,
    vf_coef=0.5,
    max_grad_norm=0.5,
    device="cpu",
    seed=seed,
)
start = time.perf_counter()
model.learn(TOTAL_STEPS)
seconds = time.perf_counter() - start
versions = {"stable_baselines3": stable_baselines3.__version__, "torch": torch.__version__}
print(json.dumps({"seed": seed, "train_seconds": seconds, "steps_per_second": TOTAL_STEPS / seconds, **versions}))
