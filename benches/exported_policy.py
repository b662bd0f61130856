"""A policy that `burn-pg export --format safetensors` has written, as a PyTorch module. To be copied.

policy = ExportedPolicy.load("policy.safetensors")
out = policy(torch.tensor([[0.01, -0.02, 0.03, 0.04]]))
out["action"], out["logits"], out["value"]
"""

import json

import torch
from safetensors import safe_open
from torch import nn

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "silu": nn.SiLU}
CELLS = {"gru": nn.GRUCell, "lstm": nn.LSTMCell}


class ExportedPolicy(nn.Module):
    """Its state dict has the names of the file, all of them and no others."""

    def __init__(self, shapes, about):
        super().__init__()
        self.about = about
        for part in ("trunk", "policy", "value"):
            weights = sorted(
                int(name.split(".")[1]) for name in shapes if name.startswith(f"{part}.") and name.endswith(".weight")
            )
            layers = []
            for i in weights:
                outputs, inputs = shapes[f"{part}.{i}.weight"]
                layers += [nn.Linear(inputs, outputs), ACTIVATIONS[about["activation"]]()]
            # The activation stands between layers, and behind the shared ones.
            setattr(self, part, nn.Sequential(*(layers if part == "trunk" else layers[:-1])) if layers else None)
        for part in ("memory", "value_memory"):
            shape = shapes.get(f"{part}.weight_ih")
            hidden = shape and shapes[f"{part}.weight_hh"][1]
            setattr(self, part, CELLS[about["memory"]](shape[1], hidden) if shape else None)
        for part, names in {"normalizer": ("mean", "std"), "action": ("low", "high")}.items():
            found = {name: shapes[f"{part}.{name}"] for name in names if f"{part}.{name}" in shapes}
            if found:
                module = nn.Module()
                for name, shape in found.items():
                    kind = torch.float64 if part == "normalizer" else torch.float32
                    module.register_buffer(name, torch.zeros(shape, dtype=kind))
                setattr(self, part, module)
        if "log_std" in shapes:
            self.log_std = nn.Parameter(torch.zeros(shapes["log_std"]))

    @classmethod
    def load(cls, path):
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            about = json.loads(file.metadata()["policy"])
        policy = cls({name: list(tensor.shape) for name, tensor in tensors.items()}, about)
        policy.load_state_dict(tensors)
        return policy

    def memory_len(self):
        cells = [cell for cell in (self.memory, self.value_memory) if cell]
        return sum(cell.hidden_size * (1 + isinstance(cell, nn.LSTMCell)) for cell in cells)

    def forward(self, observation, memory=None, action_mask=None):
        about, out = self.about, {}
        if "normalizer_clip" in about:
            # In double precision, as in training.
            clip = float(about["normalizer_clip"])
            normal = (observation.double() - self.normalizer.mean) / self.normalizer.std
            observation = normal.clamp(-clip, clip).to(self.policy[0].weight.dtype)
        actor = critic = observation
        if self.memory:
            if memory is None:
                memory = observation.new_zeros(len(observation), self.memory_len())
            after, outputs = [], []
            for cell in (cell for cell in (self.memory, self.value_memory) if cell):
                size = cell.hidden_size
                if isinstance(cell, nn.LSTMCell):
                    parts = cell(observation, (memory[:, :size], memory[:, size : 2 * size]))
                else:
                    parts = (cell(observation, memory[:, :size]),)
                memory = memory[:, size * len(parts) :]
                outputs.append(parts[0])
                after += parts
            out["memory_out"] = torch.cat(after, 1)
            actor, critic = outputs[0], outputs[-1]
        if self.trunk:
            actor = critic = self.trunk(actor)
        outputs = self.policy(actor)
        if self.value:
            out["value"] = self.value(critic).squeeze(1)
        if about["actions"] == "continuous":
            mean = outputs
            if about["deviations"] == "outputs":
                mean, log_std = outputs.chunk(2, 1)
                low, high = map(float, about["log_std_bounds"].split(","))
                out["log_std"] = (log_std + float(about["log_std_offset"])).clamp(low, high)
            elif about["deviations"] == "fixed":
                out["log_std"] = self.log_std.expand_as(mean)
            out["mean"] = mean
            action = mean.tanh() if about["squash"] == "tanh" else mean
            low, high = self.action.low, self.action.high
            clipped = about["transform"] == "clip"
            out["action"] = action.clamp(low, high) if clipped else low + (action + 1) * 0.5 * (high - low)
            return out
        logits = outputs if action_mask is None else outputs.masked_fill(~action_mask, -torch.inf)
        out["logits"] = logits
        if about["actions"] == "multi_discrete":
            sizes = list(map(int, about["action_sizes"].split(",")))
            out["action"] = torch.stack([part.argmax(1) for part in logits.split(sizes, 1)], 1)
        else:
            out["action"] = logits > 0 if about["actions"] == "multi_binary" else logits.argmax(1)
        return out
