"""Spaces of burn-pg as spaces of Gymnasium, and rows of numbers as their elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def to_gymnasium(space: dict[str, Any]) -> Any:
    """Returns a space, which burn-pg writes as JSON, as one of Gymnasium."""
    from gymnasium import spaces

    kind = space["kind"]
    if kind == "discrete":
        return spaces.Discrete(space["n"], start=space["start"])
    if kind == "multi_discrete":
        return spaces.MultiDiscrete(space["sizes"])
    if kind == "multi_binary":
        return spaces.MultiBinary(space["n"])
    if kind == "box":
        shape = tuple(space["shape"])
        low, high = (np.array([float(bound) for bound in space[end]], np.float32) for end in ("low", "high"))
        return spaces.Box(low.reshape(shape), high.reshape(shape), shape, np.float32)
    if kind == "image":
        return spaces.Box(0, space["high"], tuple(space["shape"]), np.uint8)
    return spaces.Dict({part["name"]: to_gymnasium(part["space"]) for part in space["parts"]})


def length(space: dict[str, Any]) -> int:
    """Returns the number of elements of an observation."""
    if space["kind"] == "dict":
        return sum(length(part["space"]) for part in space["parts"])
    return int(np.prod(space["shape"]))


def is_flat(space: dict[str, Any]) -> bool:
    """True if rows of `float32` are already elements of the space."""
    return space["kind"] == "box" and len(space["shape"]) == 1


def elements(space: dict[str, Any], rows: np.ndarray) -> Any:
    """Returns rows of numbers as a batch of elements."""
    if space["kind"] == "dict":
        batch, at = {}, 0
        for part in space["parts"]:
            end = at + length(part["space"])
            batch[part["name"]] = elements(part["space"], rows[:, at:end])
            at = end
        return batch
    batch = rows.reshape(len(rows), *space["shape"])
    return batch.astype(np.uint8) if space["kind"] == "image" else batch


def flat_rows(space: dict[str, Any], batch: Any, needed: Sequence[str] = ()) -> tuple[np.ndarray, bool]:
    """Returns a batch of observations, or one observation, as rows of `float32`, and whether it was one.

    Images have channels, height and width, or height, width and channels. `needed` names the parts that a dictionary must
    have; the others are 0 where they are missing.
    """
    if space["kind"] == "dict":
        missing = [name for name in needed if name not in batch]
        if missing:
            raise ValueError(f"the observation has no `{missing[0]}`")
        given = {part["name"]: part["space"] for part in space["parts"] if part["name"] in batch}
        parts = {name: flat_rows(part, batch[name]) for name, part in given.items()}
        count = max(len(rows) for rows, _ in parts.values())
        rows = [
            parts[part["name"]][0] if part["name"] in parts else np.zeros((count, length(part["space"])), np.float32)
            for part in space["parts"]
        ]
        return np.concatenate(rows, axis=1), all(single for _, single in parts.values())
    shape = tuple(space["shape"])
    array = np.asarray(batch, np.float32)
    if space["kind"] == "image" and array.shape[-3:] == (*shape[1:], shape[0]) != shape:
        array = np.moveaxis(array, -1, -3)
    single = array.shape == shape
    if not single and array.shape[1:] != shape:
        raise ValueError(f"the observation has the shape {array.shape}; it must be {shape}, or a batch of those")
    return np.ascontiguousarray(array.reshape(-1, max(1, int(np.prod(shape))))), single
