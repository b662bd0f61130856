"""Record what PyTorch's optimisers do with options that `tests/golden/update/optimizers.json` leaves at their defaults.

    pip install torch
    python burn-pg/tests/recorded/optimizer_options.py > burn-pg/tests/recorded/optimizer_options.json

The last gradients are all alike, so that the variance of a centred RMSprop comes close to 0.
"""

import json

import torch

ADAM = {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-6}
CASES = [
    {"kind": "adam", **ADAM, "weight_decay": 0.1},
    {"kind": "adamw", **ADAM, "weight_decay": 0.1},
    {"kind": "rmsprop", "weight_decay": 0.1},
    {"kind": "rmsprop", "alpha": 0.9, "momentum": 0.9},
    {"kind": "rmsprop", "alpha": 0.5, "epsilon": 1e-3, "centered": True},
    {"kind": "rmsprop", "alpha": 0.9, "momentum": 0.5, "centered": True, "weight_decay": 0.1},
    {"kind": "sgd", "weight_decay": 0.1},
    {"kind": "sgd", "momentum": 0.9, "dampening": 0.5},
    {"kind": "sgd", "momentum": 0.9, "nesterov": True},
    {"kind": "sgd", "momentum": 0.5, "nesterov": True, "weight_decay": 0.1},
]
CLASSES = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}


def numbers(count):
    """Random numbers that single precision represents exactly."""
    return torch.randn(count, dtype=torch.float32, generator=generator).double()


def record(spec):
    options = {{"epsilon": "eps"}.get(name, name): value for name, value in spec.items() if name != "kind"}
    if "beta_1" in options:
        options["betas"] = (options.pop("beta_1"), options.pop("beta_2"))
    weights = torch.nn.Parameter(numbers(5))
    case = {"spec": spec, "weights_before": weights.tolist(), "steps": []}
    optimizer = CLASSES[spec["kind"]]([weights], lr=0.01, **options)
    same = numbers(5)
    for step in range(10):
        learning_rate = 0.01 * 0.8**step
        optimizer.param_groups[0]["lr"] = learning_rate
        weights.grad = numbers(5) if step < 6 else same
        optimizer.step()
        case["steps"].append(
            {"learning_rate": learning_rate, "gradient": weights.grad.tolist(), "weights_after": weights.tolist()}
        )
    return case


generator = torch.Generator().manual_seed(0)
cases = [record(spec) for spec in CASES]
print(f'{{"meta": {json.dumps({"torch": torch.__version__})}, "cases": [')
print(",\n".join(json.dumps(case) for case in cases))
print("]}")
