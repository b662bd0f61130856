"""`burn_pg.VectorEnv` beside Gymnasium's own."""

import burn_pg
import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

TASKS = ["CartPole-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"]


def gymnasiums(id, num_envs, mode):
    return SyncVectorEnv([lambda: gymnasium.make(id)] * num_envs, autoreset_mode=mode)


@pytest.mark.parametrize("id", TASKS)
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_every_step_is_that_of_gymnasium(id, mode):
    ours, theirs = burn_pg.VectorEnv(id, 3, autoreset_mode=mode), gymnasiums(id, 3, mode)
    assert ours.observation_space == theirs.observation_space and ours.action_space == theirs.action_space
    assert ours.single_observation_space == theirs.single_observation_space
    np.testing.assert_array_equal(ours.reset(seed=5)[0], theirs.reset(seed=5)[0])
    theirs.action_space.seed(1)
    episodes = 0
    for _ in range(1_100):
        actions = theirs.action_space.sample()
        *got, info = ours.step(actions)
        *expected, their_info = theirs.step(actions)
        for values, own in zip(expected, got):
            if id == "Pendulum-v1" and values.dtype == np.float64:
                # Gymnasium squares the action in another order of operations (docs/gymnasium-parity.md).
                np.testing.assert_allclose(own, values, rtol=0, atol=1e-9)
            else:
                np.testing.assert_array_equal(own, values)
            assert own.dtype == values.dtype
        ended = got[2] | got[3]
        episodes += ended.sum()
        if mode == AutoresetMode.SAME_STEP and ended.any():
            np.testing.assert_array_equal(info["_final_obs"], ended)
            for row in np.flatnonzero(ended):
                np.testing.assert_array_equal(info["final_obs"][row], their_info["final_obs"][row])
        if mode == AutoresetMode.DISABLED and ended.any():
            options = {"reset_mask": ended}
            np.testing.assert_array_equal(ours.reset(options=options)[0], theirs.reset(options={**options})[0])
    assert episodes > 0


def test_arrays_belong_to_the_caller():
    env = burn_pg.VectorEnv("CartPole-v1", 2)
    first, _ = env.reset(seed=0)
    kept = first.copy()
    env.step(np.array([0, 1]))
    np.testing.assert_array_equal(first, kept)
    first[:] = 0


def test_episodes_are_counted():
    env = burn_pg.VectorEnv("CartPole-v1", 2, autoreset_mode="SameStep")
    env.reset(seed=0)
    steps = 0
    while True:
        info = env.step(np.array([0, 0]))[-1]
        steps += 1
        if "episode_length" in info:
            row = int(np.flatnonzero(info["_episode_length"])[0])
            assert info["episode_length"][row] == info["episode_return"][row] == steps
            break


def test_wrappers_of_gymnasium_fit():
    env = gymnasium.wrappers.vector.RecordEpisodeStatistics(burn_pg.VectorEnv("CartPole-v1", 4))
    env.reset(seed=0)
    returns = [r for _ in range(60) for r in env.step(np.zeros(4, np.int64))[-1].get("episode", {}).get("r", [])]
    assert any(returns)


def test_environments_of_python_are_stepped_by_processes():
    env = burn_pg.VectorEnv("gym:CartPole-v1", 3, workers=2, kwargs={"sutton_barto_reward": True})
    theirs = gymnasium.make_vec("CartPole-v1", 3, vectorization_mode="sync", sutton_barto_reward=True)
    np.testing.assert_array_equal(env.reset(seed=2)[0], theirs.reset(seed=2)[0])
    for _ in range(50):
        actions = theirs.action_space.sample()
        for ours, expected in zip(env.step(actions)[:4], theirs.step(actions)[:4]):
            np.testing.assert_array_equal(ours, expected)
    env.close()


def test_what_is_wrong_is_said():
    with pytest.raises(burn_pg.Error, match="did you mean `CartPole-v1`"):
        burn_pg.VectorEnv("CartPloe-v1", 2)
    env = burn_pg.VectorEnv("CartPole-v1", 2)
    with pytest.raises(burn_pg.Error, match="call `reset` before `step`"):
        env.step(np.array([0, 0]))
    for seed in (-1, 1.5, 2**64, [1, -1], [None, 1], "1"):
        with pytest.raises(ValueError, match=r"seed is .*; it must be a whole number from 0 to 2\^64 - 1"):
            env.reset(seed=seed)
    with pytest.raises(ValueError, match="`mask` is no option of reset; the only one is `reset_mask`"):
        env.reset(options={"mask": [True, True]})
    for num_envs in (-1, 0, 1.5):
        with pytest.raises(ValueError, match=f"num_envs is {num_envs}; it must be a whole number from 1"):
            burn_pg.VectorEnv("CartPole-v1", num_envs)
    env.reset(seed=2**64 - 1)
    env.reset(seed=np.arange(2))
    env.reset(seed=0)
    for actions in [[0], [0, 1, 1]]:
        with pytest.raises(burn_pg.Error, match=f"{len(actions)}.* 2|2.* {len(actions)}"):
            env.step(np.array(actions))
    with pytest.raises(ValueError, match="outside its space"):
        env.step(np.array([0, -1]))
    with pytest.raises(TypeError, match="float64"):
        env.step(np.array([0.5, 1.0]))
    with pytest.raises(ValueError, match="workers is 0"):
        burn_pg.VectorEnv("gym:CartPole-v1", 2, workers=0)
    with pytest.raises(burn_pg.Error, match="action"):
        env.step(np.array([0, 2]))
    # Nothing was stepped.
    assert env.step(np.array([0, 1]))[0].shape == (2, 4)
    env.close()
    with pytest.raises(burn_pg.Error, match="the environments are closed"):
        env.step(np.array([0, 1]))
