"""Compares exported policies with `burn-pg act`, and imported ones with Stable-Baselines3.

    python benches/check_exports.py target/release/burn-pg

trains small policies of every kind with the binary, exports them to both formats, and compares onnxruntime and PyTorch with
the binary on 10,000 observations each, with extreme values among them. Then it saves policies of Stable-Baselines3, imports
them, and compares `model.predict` and the values on 1,000 observations. It also compares the policy of lesson 8, which sees
images, on 2,000 images; build it before with `cargo build --release --example 08_images`. Needs numpy, onnx, onnxruntime,
torch, safetensors, gymnasium and stable_baselines3. Ends with exit code 1 if anything differs by more than 1e-5.

    python benches/check_exports.py target/release/burn-pg --record burn-pg/tests/recorded/exports

writes five such policies and that of lesson 8, their exports, and the outputs of onnxruntime and PyTorch for 10,000
observations (500 images). Tests compare policies and exports with them. Run it again when exports change.
"""

import json
import shutil
import subprocess
import sys
import tempfile

import gymnasium
import numpy as np
import onnx
import onnxruntime
import torch
from exported_policy import ExportedPolicy
from pathlib import Path
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file

BINARY = sys.argv[1]
TOLERANCE = 1e-5
ROWS = 10_000
EPISODE = 100

SHORT = ["num_envs=4", "total_steps=1024", "evaluation.episodes=1"]
PPO = ["num_steps=64", "num_minibatches=4", "num_epochs=4", "learning_rate=3e-3"]
NORMAL = "normalize_observations=true"
# Name, environment, algorithm, settings.
CASES = [
    ("discrete, tanh", "CartPole-v1", "ppo", PPO),
    ("discrete, normalised", "CartPole-v1", "ppo", [*PPO, NORMAL]),
    ("discrete, relu, shared", "CartPole-v1", "ppo", [*PPO, NORMAL, "activation=relu", "shared_layers=true"]),
    ("discrete, relu, raw", "CartPole-v1", "ppo", [*PPO, "activation=relu"]),
    ("discrete, silu", "Acrobot-v1", "ppo", [*PPO, NORMAL, "activation=silu", "hidden_sizes=[40,24,8]"]),
    ("discrete, silu, raw", "Acrobot-v1", "ppo", [*PPO, "activation=silu"]),
    ("discrete, linear", "MountainCar-v0", "ppo", [*PPO, NORMAL, "hidden_sizes=[]"]),
    ("discrete, no critic", "CartPole-v1", "reinforce", ["total_steps=4000"]),
    ("clipped", "Pendulum-v1", "ppo", PPO),
    ("clipped, far beyond the bounds", "MountainCarContinuous-v0", "ppo", [*PPO, "activation=relu"]),
    ("clipped, normalised", "Pendulum-v1", "ppo", [*PPO, NORMAL]),
    ("clipped, relu", "MountainCarContinuous-v0", "ppo", [*PPO, NORMAL, "activation=relu"]),
    ("squashed", "Pendulum-v1", "ppo", [*PPO, "exploration={squash=true}"]),
    ("squashed, normalised", "Pendulum-v1", "ppo", [*PPO, NORMAL, "exploration={squash=true}"]),
    (
        "standard deviations from the network",
        "Pendulum-v1",
        "ppo",
        [*PPO, NORMAL, "exploration={state_dependent=true,log_std=-0.5}"],
    ),
    ("gSDE noise, squashed", "Pendulum-v1", "ppo", [*PPO, NORMAL, "exploration={squash=true,sde={}}"]),
    ("GRU", "Pendulum-v1", "ppo", [*PPO, NORMAL, 'recurrence={cell="gru",size=16}']),
    ("LSTM", "CartPole-v1", "ppo", [*PPO, 'recurrence={cell="lstm",size=16}']),
    ("LSTM, shared", "CartPole-v1", "ppo", [*PPO, NORMAL, "shared_layers=true", 'recurrence={cell="lstm",size=16}']),
]

SMALL = "hidden_sizes=[24,16]"
# The same for recorded policies. The name is the name of a folder.
RECORDED = [
    ("discrete", "CartPole-v1", "ppo", [*PPO, SMALL]),
    ("discrete-normalised", "Acrobot-v1", "ppo", [*PPO, SMALL, NORMAL, "activation=silu", "shared_layers=true"]),
    ("clipped", "MountainCarContinuous-v0", "ppo", [*PPO, SMALL, "activation=relu"]),
    ("squashed-normalised", "Pendulum-v1", "ppo", [*PPO, SMALL, NORMAL, "exploration={squash=true}"]),
    ("lstm", "CartPole-v1", "ppo", [*PPO, SMALL, NORMAL, 'recurrence={cell="lstm",size=8}']),
]


def observations(env, rows, rng):
    """Returns observations of every size from 1e-6 to 1e3, and extreme ones: zeros, denormals, a million, and the bounds."""
    space = gymnasium.make(env).observation_space
    width = space.shape[0]
    sizes = 10.0 ** rng.uniform(-6, 3, (rows, 1))
    some = rng.normal(size=(rows, width)) * np.where(rng.random((rows, 1)) < 0.5, 1.0, sizes)
    extremes = [0.0, -0.0, 1e-45, -1e-40, 1.17e-38, 1e6, -1e6, 1.0, -1.0]
    special = [np.full(width, number) for number in extremes]
    special += [rng.choice(extremes, width) for _ in range(1000)]
    within = lambda bounds: np.where(np.abs(bounds) < 1e6, bounds, 1e6 * np.sign(bounds))
    low, high = within(space.low), within(space.high)
    special += [low, high] + [np.where(rng.random(width) < 0.5, low, high) for _ in range(20)]
    some[: len(special)] = special
    return rng.permutation(some.astype(np.float32))


def act(run, rows, episode=None):
    """Returns the output of `burn-pg act` as arrays. An empty line begins an episode."""
    lines = [json.dumps(list(map(float, row))) for row in rows]
    if episode:
        lines = [("\n" if i % episode == 0 else "") + line for i, line in enumerate(lines)]
    answer = subprocess.run([BINARY, "act", run], input="\n".join(lines), capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in answer.stdout.splitlines()]
    return {name: np.array([answer[name] for answer in answers]) for name in answers[0]}


def run_onnx(path, rows, episode=None):
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    if not episode:
        return dict(zip(names, session.run(None, {"observation": rows})))
    width = next(given.shape[1] for given in session.get_inputs() if given.name == "memory")
    steps = []
    for i, row in enumerate(rows):
        memory = np.zeros((1, width), np.float32) if i % episode == 0 else steps[-1]["memory_out"]
        steps.append(dict(zip(names, session.run(None, {"observation": row[None], "memory": memory}))))
    return {name: np.concatenate([step[name] for step in steps]) for name in names}


@torch.no_grad()
def run_torch(path, rows, episode=None):
    policy = ExportedPolicy.load(path)
    if not episode:
        return {name: tensor.detach().numpy() for name, tensor in policy(torch.from_numpy(rows)).items()}
    steps = []
    for i, row in enumerate(torch.from_numpy(rows)):
        steps.append(policy(row[None], None if i % episode == 0 else steps[-1]["memory_out"]))
    return {name: torch.cat([step[name] for step in steps]).detach().numpy() for name in steps[0]}


@torch.no_grad()
def conditions(path, rows, rng):
    """Returns the uncertainty of each output in single precision, shape `[N]` each: the largest change in eight draws, in double
    precision, when each value of the observation and each weight changes by two units in the last place of single precision, up or
    down. Results in single precision are no more accurate than that, whatever the order of sums: a sum of values of a million, for
    example, is accurate to a tenth."""
    policy = ExportedPolicy.load(path).double()
    rows = torch.from_numpy(rows).double()
    exact = policy(rows)
    perturbed = lambda tensor: tensor * (1 + 2.0**-22 * torch.from_numpy(rng.choice([-1.0, 1.0], tuple(tensor.shape))))
    weights = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    moved = []
    for _ in range(8):
        policy.load_state_dict({name: perturbed(of) if name.endswith("weight") else of for name, of in weights.items()})
        # Normalised observations are not perturbed, because they are computed in double precision.
        moved.append(policy(rows if hasattr(policy, "normalizer") else perturbed(rows)))
    largest = lambda name: max_of([(other[name] - exact[name]).abs().reshape(len(rows), -1).numpy() for other in moved])
    return {name: largest(name) for name in exact if name != "action" or exact[name].is_floating_point()}


def max_of(arrays):
    return np.max([array.max(1) for array in arrays], 0)


def compare(ours, theirs, uncertain={}):
    """Returns the largest difference of each output. It is relative to the larger of 1 and the largest value of the row, because a
    small value that is the sum of large ones has their rounding errors. Discrete actions must be equal where the logits are clearly
    apart; those that differ elsewhere are only counted. Rows with an output, except an action, that is uncertain by more than the
    tolerance are counted separately; there the difference is measured in units of the uncertainty."""
    found = {}
    for name in ours.keys() & theirs.keys():
        expected, got = ours[name], theirs[name]
        assert expected.shape == got.shape, (name, expected.shape, got.shape)
        if name == "action" and "logits" in ours:
            top = np.sort(ours["logits"], 1)
            scale = np.maximum(1, np.abs(ours["logits"]).max(1))
            clear = top[:, -1] - top[:, -2] > 2 * TOLERANCE * scale
            found["actions that differ"] = int((expected != got)[clear].sum())
            found["actions with close logits"] = int((~clear).sum())
            found["of these differ"] = int((expected != got)[~clear].sum())
            continue
        scale = np.abs(expected).reshape(len(expected), -1).max(1)
        difference = np.abs(expected - got).reshape(len(expected), -1).max(1) / np.maximum(1, scale)
        assert np.isfinite(difference).all(), name
        unclear = uncertain.get(name, 0 * scale) > TOLERANCE * np.maximum(1, scale)
        unclear &= name != "action"
        found[name] = float(difference[~unclear].max())
        if unclear.any():
            ratio = difference[unclear] * np.maximum(1, scale[unclear]) / uncertain[name][unclear]
            found[f"(uncertain {name})"] = int(unclear.sum())
            found[f"(in units of the uncertainty)"] = max(
                float(ratio.max()), found.get("(in units of the uncertainty)", 0.0)
            )
    return found


def report(what, found):
    bad = found.get("actions that differ", 0) > 0 or any(
        number > (1 if name.startswith("(") else TOLERANCE)
        for name, number in found.items()
        if isinstance(number, float)
    )
    shown = ", ".join(
        f"{name} {number:.1e}" if isinstance(number, float) else f"{name} {number}"
        for name, number in sorted(found.items())
    )
    print(f"{'FAILED ' if bad else ''}{what}: {shown}", flush=True)
    return bad


def train_and_export(run, env, algo, settings):
    preset = {"ppo": "ppo-cleanrl"}.get(algo, algo)
    options = ["--algo", algo, "--preset", preset, "--device", "flex", "--quiet", "--out", run]
    subprocess.run([BINARY, "train", env, *options, "--set", *SHORT, *settings], check=True)
    export_both(run)


def export_both(run):
    for kind in ("onnx", "safetensors"):
        export = [BINARY, "export", run, "--format", kind, "--out", f"{run}.{kind}"]
        subprocess.run(export, check=True, stdout=subprocess.DEVNULL)


def train_on_images(run):
    """Trains the policy of lesson 8 and exports it."""
    subprocess.run([Path(BINARY).parent / "examples/08_images", run], check=True, stdout=subprocess.DEVNULL)
    export_both(run)


def some_images(count, rng):
    """Returns images of 4 planes of 10 x 10 flags, of which a few, many, none or all are set. Shape `[count, 400]`."""
    return (rng.random((count, 400)) < rng.choice([0, 0.01, 0.5, 1], (count, 1))).astype(np.uint8)


def copy_run(run, target):
    """Copies the files that the tests need into an empty folder."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for file in ("config.toml", "environment.json", "policy.safetensors", "normalizer.json"):
        if Path(run, file).exists():
            shutil.copy(Path(run, file), target)
    for kind in ("onnx", "safetensors"):
        shutil.copy(f"{run}.{kind}", target / f"exported.{kind}")


def save_outputs(target, outputs):
    arrays = {
        f"{program}.{output}": array.astype(np.uint8 if array.dtype == np.int64 else np.float32)
        for program, found in outputs.items()
        for output, array in found.items()
        # `log_std` is a parameter of the policy, and errors of the recurrent state show in the later outputs.
        if output not in ("log_std", "memory_out") and (program, output) != ("uncertain", "action")
    }
    save_arrays({name: np.ascontiguousarray(array) for name, array in arrays.items()}, target / "outputs.safetensors")


def record_images(target):
    with tempfile.TemporaryDirectory() as temporary:
        train_on_images(f"{temporary}/run")
        copy_run(f"{temporary}/run", target)
    rows = some_images(500, np.random.default_rng(0))
    save_arrays({"observation": rows}, target / "observations.safetensors")
    seen = rows.reshape(-1, 4, 10, 10)
    outputs = {
        "onnxruntime": run_onnx(str(target / "exported.onnx"), seen),
        "pytorch": run_torch(target / "exported.safetensors", seen),
    }
    save_outputs(target, outputs)


def record(folder):
    """Writes a folder for each policy, with its run, exports and outputs, and the observations that all policies without images
    share: each environment uses the first values of a row."""
    folder = Path(folder)
    rows = observations("Acrobot-v1", ROWS, np.random.default_rng(0))
    folder.mkdir(parents=True, exist_ok=True)
    save_arrays({"observation": rows}, folder / "observations.safetensors")
    for i, (name, env, algo, settings) in enumerate(RECORDED):
        target, episode = folder / name, EPISODE if "recurrence" in str(settings) else None
        with tempfile.TemporaryDirectory() as temporary:
            train_and_export(f"{temporary}/run", env, algo, settings)
            copy_run(f"{temporary}/run", target)
        seen = rows[:, : gymnasium.make(env).observation_space.shape[0]]
        outputs = {
            "onnxruntime": run_onnx(str(target / "exported.onnx"), seen, episode),
            "pytorch": run_torch(target / "exported.safetensors", seen, episode),
        }
        if NORMAL not in settings:
            outputs["uncertain"] = conditions(target / "exported.safetensors", seen, np.random.default_rng(i))
        save_outputs(target, outputs)
    record_images(folder / "images")
    versions = {"onnxruntime": onnxruntime.__version__, "pytorch": torch.__version__}
    (folder / "versions.json").write_text(json.dumps(versions) + "\n")


def exports(folder):
    failed = False
    for i, (name, env, algo, settings) in enumerate(CASES):
        run = f"{folder}/{i}"
        train_and_export(run, env, algo, settings)
        rows = observations(env, ROWS, np.random.default_rng(i))
        episode = EPISODE if "recurrence" in str(settings) else None
        ours = act(run, rows, episode)
        outputs = {
            "onnxruntime": run_onnx(f"{run}.onnx", rows, episode),
            "PyTorch": run_torch(f"{run}.safetensors", rows, episode),
        }
        uncertain = {} if episode else conditions(f"{run}.safetensors", rows, np.random.default_rng(i))
        assert "far beyond" not in name or (ours["mean"] != ours["action"]).mean() > 0.05, "nothing was clipped"
        for program, theirs in outputs.items():
            # The standard deviation of gSDE noise is not an output of exports.
            assert ours.keys() - theirs.keys() <= {"log_std"}, (ours.keys(), theirs.keys())
            failed |= report(f"{name}, {env}, {program}", compare(ours, theirs, uncertain))
    return failed


def images(folder):
    """Compares the exports of the policy of lesson 8."""
    run = f"{folder}/catch"
    train_on_images(run)
    rows = some_images(2000, np.random.default_rng(0))
    seen, ours = rows.reshape(-1, 4, 10, 10), act(run, rows)
    outputs = {
        "onnxruntime": run_onnx(f"{run}.onnx", seen),
        "PyTorch": run_torch(f"{run}.safetensors", seen),
    }
    return any([report(f"images, lesson 8, {program}", compare(ours, theirs)) for program, theirs in outputs.items()])


def imports(folder):
    from stable_baselines3 import A2C, PPO as Sb3Ppo
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    failed = False
    cases = [
        ("PPO", Sb3Ppo, "CartPole-v1", {}, False, []),
        (
            "A2C, relu",
            A2C,
            "Acrobot-v1",
            {"activation_fn": torch.nn.ReLU, "net_arch": [32, 16, 8]},
            False,
            ["--activation", "relu"],
        ),
        ("PPO", Sb3Ppo, "Pendulum-v1", {}, False, []),
        ("PPO, VecNormalize", Sb3Ppo, "Pendulum-v1", {}, True, ["--normalizer", f"{folder}/statistics.json"]),
    ]
    for i, (name, algorithm, env, policy, normalized, options) in enumerate(cases):
        envs = DummyVecEnv([lambda: gymnasium.make(env)])
        envs = VecNormalize(envs, norm_reward=False) if normalized else envs
        model = algorithm(
            "MlpPolicy",
            envs,
            policy_kwargs=policy,
            seed=i,
            device="cpu",
            **({"n_steps": 256} if algorithm is Sb3Ppo else {}),
        )
        model.learn(2048)
        save_file(model.policy.state_dict(), f"{folder}/sb3.safetensors")
        if normalized:
            seen = envs.obs_rms
            moments = {"mean": list(seen.mean), "variance": list(seen.var), "count": float(seen.count)}
            with open(f"{folder}/statistics.json", "w") as file:
                json.dump({"moments": moments, "clip": envs.clip_obs}, file)
        run = f"{folder}/imported-{i}"
        subprocess.run(
            [BINARY, "import", f"{folder}/sb3.safetensors", "--env", env, "--out", run, *options],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        subprocess.run([BINARY, "eval", run, "--episodes", "2"], check=True, stdout=subprocess.DEVNULL)
        rows = observations(env, 2000, np.random.default_rng(i))[:1000]
        ours = act(run, rows)
        given = envs.normalize_obs(rows) if normalized else rows
        tensor = torch.as_tensor(given, dtype=torch.float32)
        with torch.no_grad():
            distribution = model.policy.get_distribution(tensor).distribution
            theirs = {
                "action": model.predict(given, deterministic=True)[0],
                "value": model.policy.predict_values(tensor).squeeze(1).numpy(),
            }
            name_of = "logits" if "logits" in ours else "mean"
            theirs[name_of] = (distribution.logits if name_of == "logits" else distribution.mean).numpy()
        if name_of == "logits":
            # The logits of a PyTorch distribution are log-probabilities.
            shift = lambda logits: torch.log_softmax(torch.as_tensor(logits, dtype=torch.float64), 1).numpy()
            ours, theirs = ({**numbers, "logits": shift(numbers["logits"])} for numbers in (ours, theirs))
        failed |= report(f"import of {name}, {env}", compare(ours, theirs))
    return failed


if __name__ == "__main__":
    if sys.argv[2:3] == ["--record"]:
        sys.exit(record(sys.argv[3]))
    with tempfile.TemporaryDirectory() as temporary:
        outcomes = [exports(temporary), images(temporary), imports(temporary)]
    sys.exit(any(outcomes))
