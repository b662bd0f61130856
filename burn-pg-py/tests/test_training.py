"""Training, agents, and their errors."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import burn_pg
import gymnasium
import numpy as np
import pytest

SMALL = {"total_steps": 4_096, "num_envs": 4, "num_steps": 128, "evaluation_episodes": 5}


def metrics(run):
    """The metrics of a run, without the times."""
    lines = (Path(run) / "metrics.jsonl").read_text().splitlines()
    import json

    return [{k: v for k, v in json.loads(line).items() if "second" not in k} for line in lines]


def test_five_lines():
    agent = burn_pg.train("CartPole-v1")
    assert agent.evaluate(episodes=20).mean > 450
    action, state = agent.predict([0.01, -0.02, 0.03, 0.04])
    assert action in (0, 1) and state is None
    agent.export("policy.onnx")
    assert Path("policy.onnx").stat().st_size > 1_000


def test_the_command_line_and_python_train_the_same():
    burn_pg.train("CartPole-v1", out="python", seed=3, **SMALL)
    command = ["train", "CartPole-v1", "--seed", "3", "--total-steps", "4096", "--out", "command", "--quiet"]
    settings = ["--set", "num_envs=4", "num_steps=128"]
    subprocess.run([sys.executable, "-m", "burn_pg", *command, *settings], check=True)
    assert metrics("python") == metrics("command")


def test_settings_come_from_names_files_and_dictionaries():
    Path("run.toml").write_text(burn_pg.configuration("CartPole-v1", gamma=0.9, total_steps=4_096))
    assert "gamma = 0.9" in Path("run.toml").read_text()
    tables = {"env": {"name": "CartPole-v1", "num_envs": np.int64(4)}, "algorithm": {"kind": "a2c", "gamma": 0.9}}
    text = burn_pg.configuration(tables)
    assert 'kind = "a2c"' in text and "num_envs = 4" in text
    agent = burn_pg.train("run.toml", out="run", evaluation_episodes=2)
    assert agent.summary["env_steps"] <= 4_096


def test_the_callback_sees_every_update_and_can_end_the_run():
    seen = []
    agent = burn_pg.train("CartPole-v1", callback=lambda m: seen.append((m, threading.current_thread())), **SMALL)
    assert [m["update"] for m, _ in seen] == list(range(1, 9))
    assert all(thread is threading.main_thread() for _, thread in seen)
    assert agent.summary["env_steps"] == seen[-1][0]["env_steps"] == 4_096

    agent = burn_pg.train("CartPole-v1", callback=lambda m: np.float64(m["update"]) < 3, **SMALL)
    assert agent.summary["env_steps"] == 3 * 512


def test_an_exception_in_the_callback_saves_the_run_and_is_raised():
    def callback(values):
        if values["update"] == 2:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        burn_pg.train("CartPole-v1", callback=callback, out="run", **SMALL)
    whole = burn_pg.train("CartPole-v1", out="whole", **SMALL)
    resumed = burn_pg.train(resume="run", evaluation_episodes=5)
    assert metrics("run") == metrics("whole")
    assert resumed.summary["eval_return_mean"] == whole.summary["eval_return_mean"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_saves_the_run_and_is_raised():
    script = """
import burn_pg, os, signal, threading
# A job in the background of a shell ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    burn_pg.train("CartPole-v1", total_steps=100_000_000, out="run")
except KeyboardInterrupt:
    print("interrupted", burn_pg.Agent.load("run").evaluate(2))
"""
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert out.stdout.startswith("interrupted Evaluation("), out


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_ends_an_evaluation():
    script = """
import burn_pg, os, signal, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)
agent = burn_pg.train("Pendulum-v1", total_steps=4096, evaluation_episodes=0)
threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
start = time.monotonic()
try:
    agent.evaluate(20_000)
except KeyboardInterrupt:
    print("interrupted", time.monotonic() - start)
"""
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    word, seconds = out.stdout.split()
    assert word == "interrupted" and float(seconds) < 2, out


def test_own_environments_are_trained(sign):
    agent = burn_pg.train(env=sign, preset="ppo-cleanrl", total_steps=20_000, out="own")
    assert agent.summary["eval_return_mean"] > 9
    action, _ = agent.predict(np.array([1.0]))
    assert action == 1
    script = """
import burn_pg
try:
    burn_pg.Agent.load("own").evaluate(4)
except burn_pg.Error as error:
    print(error)
"""
    # Another program does not know the environment.
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "burn_pg.Agent.load(run, env=...)" in out.stdout, out
    assert burn_pg.Agent.load("own", env=sign).evaluate(4).mean > 9


@pytest.mark.parametrize("mode", list(gymnasium.vector.AutoresetMode))
def test_a_batch_of_gymnasium_is_trained_as_its_environments_are(mode, sign):
    # For rewards to be normalised, environments are reset in the same step in each mode.
    small = {**SMALL, "seed": 4, "preset": "ppo-cleanrl", "env.normalize_rewards": True}
    burn_pg.train(env=sign, out="each", **small)
    env = gymnasium.vector.SyncVectorEnv([sign] * 4, autoreset_mode=mode)
    burn_pg.train(env=env, out="batch", **{**small, "evaluation_episodes": None})
    assert metrics("each") == metrics("batch")


@pytest.mark.parametrize("kind", [gymnasium.vector.SyncVectorEnv, gymnasium.vector.AsyncVectorEnv, burn_pg.VectorEnv])
def test_a_batch_stays_open_and_is_the_callers(kind):
    env = kind("CartPole-v1", 4) if kind is burn_pg.VectorEnv else kind([lambda: gymnasium.make("CartPole-v1")] * 4)
    agent = burn_pg.train(env=env, **{**SMALL, "evaluation_episodes": None})
    assert agent.summary["env_steps"] == 4_096
    observations, _ = env.reset(seed=1)
    env.step(agent.predict(observations)[0])
    with pytest.raises(burn_pg.Error, match="the batch is already used"):
        agent.evaluate(4)
    with pytest.raises(ValueError, match="leave out `evaluation_episodes`"):
        burn_pg.train(env=env, **SMALL)
    env.close()


def test_a_batch_that_cannot_reset_one_environment_is_trained_in_its_own_mode():
    def make():
        return gymnasium.make_vec("CartPole-v1", 4, vectorization_mode="vector_entry_point")

    settings = {**SMALL, "evaluation_episodes": None, "env.normalize_observations": False, "env.normalize_rewards": False}
    agent = burn_pg.train(env=make(), **settings)
    assert agent.summary["env_steps"] == 4_096
    with pytest.raises(burn_pg.Error, match="make it with AutoresetMode.SAME_STEP"):
        burn_pg.train(env=make(), **{**settings, "env.normalize_observations": True})
    with pytest.raises(burn_pg.Error, match="needs an `autoreset_mode`"):
        env = make()
        env.metadata = {}
        burn_pg.train(env=env, **settings)


def test_masks_of_batches_are_used():
    class Masked(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
        action_space = gymnasium.spaces.Discrete(3)

        def info(self):
            self.possible = self.steps % 3
            return {"action_mask": np.arange(3) == self.possible}

        def reset(self, seed=None, options=None):
            self.steps = 0
            return np.zeros(1, np.float32), self.info()

        def step(self, action):
            assert action == self.possible
            self.steps += 1
            return np.zeros(1, np.float32), 1.0, self.steps == 7, False, self.info()

    for mode in gymnasium.vector.AutoresetMode:
        env = gymnasium.vector.SyncVectorEnv([Masked] * 4, autoreset_mode=mode)
        agent = burn_pg.train(env=env, preset="ppo-cleanrl", **{**SMALL, "evaluation_episodes": None})
        assert agent.spec["masks_actions"] and agent.summary["train_return_mean"] == 7


def test_environments_of_two_functions_are_two(sign):
    def make(bonus):
        class Other(sign):
            def step(self, action):
                observation, _, *rest = super().step(action)
                return observation, bonus, *rest

        return lambda: Other()

    first, second = (burn_pg.train(env=make(bonus), preset="ppo-cleanrl", **SMALL) for bonus in (1.0, -1.0))
    assert (first.evaluate(4).mean, second.evaluate(4).mean) == (10, -10)
    burn_pg.train("CartPole-v1", out="built-in", **SMALL)
    with pytest.raises(burn_pg.Error, match="leave out `env`"):
        burn_pg.Agent.load("built-in", env=sign)


def test_a_function_must_make_a_new_environment_each_time(sign):
    one = sign()
    with pytest.raises(burn_pg.Error, match="returned the same environment twice"):
        burn_pg.train(env=lambda: one, **SMALL)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_that_was_forked_is_told_so():
    script = """
import os, burn_pg
burn_pg.train("CartPole-v1", total_steps=2048, evaluation_episodes=0)
if os.fork() == 0:
    try:
        burn_pg.train("CartPole-v1", total_steps=2048)
    except burn_pg.Error as error:
        print(error)
    os._exit(0)
os.wait()
"""
    out = subprocess.run([sys.executable, "-u", "-c", script], capture_output=True, text=True, timeout=60)
    assert "spawn" in out.stdout, out


def test_threads_of_python_share_an_agent():
    agent = burn_pg.train("CartPole-v1", **SMALL)
    env = burn_pg.VectorEnv("CartPole-v1", 64)
    env.reset(seed=0)
    errors = []

    def work():
        try:
            for _ in range(200):
                agent.predict(np.zeros((64, 4), np.float32))
                env.step(np.zeros(64, np.int64))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads) and not errors


def test_checkpoints_are_evaluated():
    burn_pg.train("CartPole-v1", out="run", **{"checkpoint.episodes": 3, "checkpoint.interval": 2}, **SMALL)
    assert burn_pg.Agent.load("run", at="best").evaluate(2).mean > 0


def test_an_own_environment_that_fails_is_named():
    class Broken(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
        action_space = gymnasium.spaces.Discrete(2)

        def reset(self, seed=None, options=None):
            return np.zeros(1, np.float32), {}

        def step(self, action):
            raise RuntimeError("the arm is loose")

    with pytest.raises(burn_pg.Error, match="the arm is loose") as raised:
        burn_pg.train(env=Broken, **SMALL)
    assert isinstance(raised.value.__cause__, RuntimeError)
    assert raised.value.__cause__.__traceback__.tb_next is not None, "its own traceback is there"
    with pytest.raises(TypeError, match="pass a function that makes one"):
        burn_pg.train(env=Broken())


def test_a_dictionary_of_observations_is_learned_from():
    class Parts(gymnasium.Env):
        observation_space = gymnasium.spaces.Dict(
            {
                "picture": gymnasium.spaces.Box(0, 255, (10, 10, 3), np.uint8),
                "speed": gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32),
            }
        )
        action_space = gymnasium.spaces.Box(-2.0, 2.0, (3,), np.float32)

        def reset(self, seed=None, options=None):
            super().reset(seed=seed)
            self.steps = 0
            return self.observation_space.sample(), {}

        def step(self, action):
            assert self.action_space.contains(action)
            self.steps += 1
            return self.observation_space.sample(), 1.0, self.steps == 5, False, {}

    agent = burn_pg.train(env=Parts, preset="ppo-minatar", **SMALL)
    space = agent.spec["observation_space"]
    assert [part["name"] for part in space["parts"]] == ["picture", "speed"]
    batch = {"picture": np.zeros((2, 3, 10, 10)), "speed": np.zeros((2, 2))}
    assert agent.predict(batch)[0].shape == (2, 3)
    as_given = {**batch, "picture": np.zeros((2, 10, 10, 3), np.uint8)}
    np.testing.assert_array_equal(agent.predict(as_given)[0], agent.predict(batch)[0])
    single = {name: part[0] for name, part in batch.items()}
    assert agent.predict(single)[0].shape == (3,)
    with pytest.raises(ValueError, match="no `speed`"):
        agent.predict({"picture": batch["picture"]})
    # What only the critic sees is not needed.
    seen = {"network.actor_inputs": ["speed"], "network.shared_layers": False}
    agent = burn_pg.train(env=Parts, preset="ppo-minatar", **seen, **SMALL)
    np.testing.assert_array_equal(agent.predict({"speed": batch["speed"]})[0], agent.predict(batch)[0])
    with pytest.raises(ValueError, match="no `speed`"):
        agent.predict({"picture": batch["picture"]})


def test_an_agent_takes_what_its_environment_returns():
    class Nested(gymnasium.Env):
        observation_space = gymnasium.spaces.Tuple(
            [
                gymnasium.spaces.Dict(room=gymnasium.spaces.Discrete(3), clock=gymnasium.spaces.Box(0.0, 9.0, ())),
                gymnasium.spaces.Box(0, 255, (2, 8, 8, 3), np.uint8),
            ]
        )
        action_space = gymnasium.spaces.Discrete(3, start=5)

        def reset(self, seed=None, options=None):
            super().reset(seed=seed)
            self.steps = 0
            return self.observation_space.sample(), {}

        def step(self, action):
            assert self.action_space.contains(action)
            self.steps += 1
            return self.observation_space.sample(), 1.0, self.steps == 5, False, {}

    agent = burn_pg.train(env=Nested, preset="ppo-minatar", **SMALL)
    envs = gymnasium.vector.SyncVectorEnv([Nested] * 3)
    batch, _ = envs.reset(seed=1)
    actions, _ = agent.predict(batch)
    envs.step(actions)
    for row, (inner, pictures) in enumerate(gymnasium.vector.utils.iterate(envs.observation_space, batch)):
        action, _ = agent.predict((inner, pictures))
        assert action == actions[row]
        assert Nested.action_space.contains(action)


def test_a_recurrent_policy_returns_its_state():
    agent = burn_pg.train("CartPole-v1", **{"network.recurrence": {"cell": "gru", "size": 8}}, **SMALL)
    observations = np.zeros((3, 4), np.float32)
    _, state = agent.predict(observations)
    assert state.shape[0] == 3
    _, further = agent.predict(observations, state)
    assert not np.array_equal(state, further)
    with pytest.raises(ValueError, match=r"state has the shape \(3, 2\)"):
        agent.predict(observations, np.zeros((3, 2)))
    _, fresh = agent.predict(observations, state, episode_start=np.ones(3, bool))
    np.testing.assert_array_equal(fresh, state)


def test_drawn_actions_can_be_repeated():
    agent = burn_pg.train("Pendulum-v1", **SMALL)
    observations = np.zeros((5, 3), np.float32)
    first, _ = agent.predict(observations, deterministic=False, seed=1)
    second, _ = agent.predict(observations, deterministic=False)
    again, _ = agent.predict(observations, deterministic=False, seed=1)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second) and np.abs(first).max() <= 2
    # Also if the size of the batch changes in between.
    drawn = [agent.predict(observations[:n], deterministic=False)[0][0].item() for n in (1, 2, 1, 2, 1)]
    assert len(set(drawn)) == 5


def test_what_is_wrong_is_said():
    with pytest.raises(burn_pg.Error, match="did you mean `algorithm.gamma`"):
        burn_pg.train("CartPole-v1", gama=0.9)
    with pytest.raises(burn_pg.Error, match="is not a run directory"):
        burn_pg.Agent.load("nowhere")
    with pytest.raises(TypeError, match="config is a int"):
        burn_pg.train(3)
    with pytest.raises(ValueError, match="leave out `config`, `out`, `evaluation`; `total_steps`"):
        burn_pg.train("CartPole-v1", resume="run", evaluation={"episodes": 3})
    agent = burn_pg.train("CartPole-v1", out="run", **SMALL)
    with pytest.raises(burn_pg.Error, match="go on with the run in it|is not empty|already"):
        burn_pg.train("CartPole-v1", out="run", **SMALL)
    with pytest.raises(ValueError, match=r"shape \(3,\); it must be \(4,\)"):
        agent.predict([0.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="it must be 1 or more"):
        agent.evaluate(episodes=0)
    with pytest.raises(ValueError, match=r"seed is -1; it must be a whole number from 0 to 2\^64 - 1"):
        agent.evaluate(episodes=2, seed=-1)
    for seed in (-1, 1.5, 2**63):
        with pytest.raises(ValueError, match=rf"seed is {seed}; it must be a whole number from 0 to 2\^63 - 1"):
            burn_pg.train("CartPole-v1", seed=seed)
    with pytest.raises(ValueError, match="no observations"):
        agent.predict(np.zeros((0, 4)))
    with pytest.raises(ValueError, match=r"action_masks has the shape \(1,\); it must be \(2, 2\)"):
        agent.predict(np.zeros((2, 4)), action_masks=[True])
    with pytest.raises(burn_pg.Error, match="type for example `burn-pg train CartPole-v1`"):
        burn_pg.train()
    with pytest.raises(burn_pg.Error, match="onnx"):
        agent.export("policy.txt")
