"""Policy-gradient reinforcement learning in Rust, from Python.

    import burn_pg

    agent = burn_pg.train("CartPole-v1")
    print(agent.evaluate(episodes=100).mean)
    action, _ = agent.predict([0.01, -0.02, 0.03, 0.04])

`train` takes the name of an environment, a file of settings, or your own environment. `VectorEnv` steps many copies of an
environment at once, with the interface of `gymnasium.vector.VectorEnv`.
"""

from . import burn_pg_native as _native
from .agent import Agent, Evaluation
from .burn_pg_native import Error, __version__
from .names import configuration, environments, presets
from .training import train

__all__ = [
    "Agent",
    "Error",
    "Evaluation",
    "VectorEnv",
    "__version__",
    "configuration",
    "environments",
    "presets",
    "train",
]


def __getattr__(name):
    # Gymnasium is imported only by those who use its interface.
    if name == "VectorEnv":
        from .vector import VectorEnv

        return VectorEnv
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
