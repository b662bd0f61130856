"""PPO of rejax with the shape of `--preset ppo-cleanrl`: the same networks, rollouts, passes and minibatches. (Its learning rate
is constant, and it clips each gradient element by itself.) Compilation and imports are not counted in `steps_per_second`.

    pip install jax rejax 'gymnax<1'
    python benches/peers/rejax_ppo.py [NUM_ENVS NUM_MINIBATCHES TOTAL_STEPS [SEED]]
"""

import json
import sys
import time

import jax
import rejax

num_envs, num_minibatches, total_steps, seed = [int(arg) for arg in sys.argv[1:]] + [8, 4, 499_712, 0][len(sys.argv) - 1 :]
ppo = rejax.get_algo("ppo").create(
    env="CartPole-v1",
    num_envs=num_envs,
    num_steps=128,
    num_epochs=4,
    num_minibatches=num_minibatches,
    total_timesteps=total_steps,
    learning_rate=2.5e-4,
    gamma=0.99,
    gae_lambda=0.95,
    clip_eps=0.2,
    ent_coef=0.01,
    vf_coef=0.5,
    max_grad_norm=0.5,
    agent_kwargs={"activation": "tanh", "hidden_layer_sizes": (64, 64)},
    eval_freq=total_steps,
    skip_initial_evaluation=True,
).replace(eval_callback=lambda *_: ())

key = jax.random.PRNGKey(seed)
start = time.perf_counter()
train = jax.jit(ppo.train).lower(key).compile()
compiled = time.perf_counter()
jax.block_until_ready(train(key))
trained = time.perf_counter()
seconds = {"compile_seconds": compiled - start, "train_seconds": trained - compiled}
print(json.dumps({"seed": seed, "steps_per_second": total_steps / (trained - compiled), "jax": jax.__version__, **seconds}))
