"""A policy that `burn-pg export --format safetensors` has written, as a PyTorch module. Copy this file to use it.

policy = ExportedPolicy.load("policy.safetensors")
out = policy(torch.tensor([[0.01, -0.02, 0.03, 0.04]]))
out["action"], out["logits"], out["value"]

An image is a tensor [N, C, H, W], of bytes or floats; an observation of several parts is a dictionary of tensors by name.
"""

import json

import torch
from safetensors import safe_open
from torch import nn

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "silu": nn.SiLU}
CELLS = {"gru": nn.GRUCell, "lstm": nn.LSTMCell}


class ExportedPolicy(nn.Module):
    """A module whose state dict has exactly the names of the file."""

    def __init__(self, shapes, about):
        super().__init__()
        self.about = about
        self.parts = json.loads(about.get("observation_parts", '["observation"]'))
        for encoder in ("encoder", "value_encoder"):
            layers = {name: self.convolutions(shapes, encoder, name) for name in self.parts}
            layers = {name: found for name, found in layers.items() if found}
            setattr(self, encoder, nn.ModuleDict(layers) if layers else None)
        for part in ("trunk", "policy", "value"):
            weights = sorted(
                int(name.split(".")[1]) for name in shapes if name.startswith(f"{part}.") and name.endswith(".weight")
            )
            layers = []
            for i in weights:
                outputs, inputs = shapes[f"{part}.{i}.weight"]
                layers += [nn.Linear(inputs, outputs), ACTIVATIONS[about["activation"]]()]
            # There is an activation between layers, and after the last shared layer.
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

    def convolutions(self, shapes, encoder, part):
        """Returns the layers of an image; None for a vector."""
        strides = self.about.get(f"encoder.{part}.strides")
        if not strides or f"{encoder}.{part}.0.weight" not in shapes:
            return None
        layers = []
        for i, stride in enumerate(strides.split(",")):
            outputs, inputs, kernel, _ = shapes[f"{encoder}.{part}.{2 * i}.weight"]
            layers += [nn.Conv2d(inputs, outputs, kernel, int(stride)), ACTIVATIONS[self.about["activation"]]()]
        return nn.Sequential(*layers, nn.Flatten())

    def encode(self, observation, encoder, network):
        """Concatenates the parts of an observation that a network sees, images after their convolutions."""
        seen = json.loads(self.about.get(f"{network}_inputs", json.dumps(self.parts)))
        parts = [name for name in self.parts if name in seen]
        kind = self.policy[0].weight.dtype
        scaled = lambda name: observation[name].to(kind) * float(self.about.get(f"encoder.{name}.scale", 1))
        passed = lambda name: encoder[name](scaled(name)) if encoder and name in encoder else observation[name].to(kind)
        return torch.cat([passed(name) for name in parts], 1)

    def memory_len(self):
        cells = [cell for cell in (self.memory, self.value_memory) if cell]
        return sum(cell.hidden_size * (1 + isinstance(cell, nn.LSTMCell)) for cell in cells)

    def forward(self, observation, memory=None, action_mask=None):
        about, out = self.about, {}
        if "normalizer_clip" in about:
            # In double precision, as in training.
            clip = float(about["normalizer_clip"])
            mean, std = (of.reshape(observation.shape[1:]) for of in (self.normalizer.mean, self.normalizer.std))
            normal = (observation.double() - mean) / std
            observation = normal.clamp(-clip, clip).to(self.policy[0].weight.dtype)
        if not isinstance(observation, dict):
            observation = {"observation": observation}
        actor = self.encode(observation, self.encoder, "actor")
        critic = actor
        if self.value_encoder or about.get("actor_inputs") != about.get("critic_inputs"):
            critic = self.encode(observation, self.value_encoder, "critic")
        if self.memory:
            if memory is None:
                memory = actor.new_zeros(len(actor), self.memory_len())
            after, outputs = [], []
            cells = [(self.memory, actor), (self.value_memory, critic)]
            for cell, given in ((cell, given) for cell, given in cells if cell):
                size = cell.hidden_size
                if isinstance(cell, nn.LSTMCell):
                    parts = cell(given, (memory[:, :size], memory[:, size : 2 * size]))
                else:
                    parts = (cell(given, memory[:, :size]),)
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
        if about.get("distribution") == "beta":
            out["alpha"], out["beta"] = (1 + nn.functional.softplus(outputs)).chunk(2, 1)
            action = 2 * out["alpha"] / (out["alpha"] + out["beta"]) - 1
            low, high = self.action.low, self.action.high
            out["action"] = low + (action + 1) * 0.5 * (high - low)
            return out
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
