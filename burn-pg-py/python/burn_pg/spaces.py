"""Spaces of burn-pg as spaces of Gymnasium, and rows of numbers as their elements."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import partial
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


def flat_rows(space: dict[str, Any], observation: Any, needed: Sequence[str] = ()) -> tuple[np.ndarray, bool]:
    """Returns a batch of observations, or one observation, as rows of `float32`, and whether it was one.

    Observations are those of the environment, or elements of `space`. `needed` names the parts that a dictionary must have
    (default: all); the others are 0 where they are missing.
    """
    parts = {part["name"]: part["space"] for part in space["parts"]} if space["kind"] == "dict" else {None: space}
    given = dict(leaves(observation, parts))
    missing = [name for name in needed or parts if name not in given]
    if missing:
        raise ValueError(f"the observation has no `{missing[0]}`; its parts are {', '.join(f'`{name}`' for name in parts)}")
    found = {name: readings(part, given[name], name) for name, part in parts.items() if name in given}
    first, *others = found.values()
    counts = [count for count in first if all(count in other for other in others)]
    if not counts:
        sizes = {name: next(iter(of_part)) for name, of_part in found.items()}
        sizes = (f"`{name}` is {'one' if size is None else f'a batch of {size}'}" for name, size in sizes.items())
        raise ValueError(f"the parts of the observation have different sizes: {', '.join(sizes)}")
    count = counts[0]
    size = 1 if count is None else count
    unseen = {name: np.zeros((size, length(part)), np.float32) for name, part in parts.items() if name not in found}
    rows = [found[name][count]() if name in found else unseen[name] for name in parts]
    rows = rows[0] if len(rows) == 1 else np.concatenate(rows, axis=1)
    if count is None and max(counts[1:], default=1) > 1 and rows.max() > 1:
        raise ValueError(
            f"{counts[1]} whole numbers are read as the flags of one observation, and one of them is {rows.max():.0f}; "
            f"pass a batch of {counts[1]} discrete values as flags: `numpy.eye({counts[1]})[values]`"
        )
    return rows, count is None


def leaves(value: Any, names: Container[str | None], name: str | None = None) -> Iterator[tuple[str | None, Any]]:
    """Yields the parts of dictionaries and tuples that are in `names`: the keys that lead there, joined by `/`."""
    if name in names:
        yield name, value
    elif isinstance(value, (Mapping, tuple, list)):
        for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from leaves(inner, names, str(key) if name is None else f"{name}/{key}")


def readings(space: dict[str, Any], value: Any, name: str | None) -> dict[int | None, Callable[[], np.ndarray]]:
    """Returns the ways to read the value of a part, the preferred one first: each gives rows of `float32`.

    The key is the size of the batch, or `None` for one observation.
    """
    what = "the observation" if name is None else f"the observation `{name}`"
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{what} is no array: {error}") from None
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{what} has the type {array.dtype}, which is no number")
    size, batch = length(space), len(array) if array.ndim else None

    def numbers(form: tuple[int, ...], has_channels_last: bool) -> np.ndarray:
        rows = array.reshape(-1, *form)
        rows = np.moveaxis(rows, -1, -3) if has_channels_last else rows
        return rows.reshape(len(rows), size).astype(np.float32)

    def one_hot() -> np.ndarray:
        return (array.reshape(-1, 1) == np.arange(size)).astype(np.float32)

    found: dict[int | None, Callable[[], np.ndarray]] = {}
    for form, has_channels_last in forms(space):
        if form in (array.shape, array.shape[1:]):
            found.setdefault(None if array.shape == form else batch, partial(numbers, form, has_channels_last))
    if is_flags(space) and array.ndim < 2 and array.dtype.kind in "iu":
        outside = array[(array < 0) | (array >= size)]
        if len(outside) == 0:
            found.setdefault(batch, one_hot)
        elif not found:
            raise ValueError(f"{what} has the discrete value {outside[0]}; it must be from 0 to {size - 1}")
    if not found:
        known = [str(form) for form, _ in forms(space) if len(form) < 4]
        known += ["frames of images"] * (space["kind"] == "image" and space["shape"][0] > 1)
        known += ["a whole number"] * is_flags(space)
        known = ", ".join(dict.fromkeys(known))
        raise ValueError(f"{what} has the shape {array.shape}; it must be {known}, or a batch of those")
    return found


def forms(space: dict[str, Any]) -> Iterator[tuple[tuple[int, ...], bool]]:
    """Yields the shapes that one observation may have, and whether its channels come last. The stored shape comes first."""
    shape = tuple(space["shape"])
    yield shape, False
    if space["kind"] == "image":
        channels, *size = shape
        if channels == 1:
            yield (*size,), False
        yield (*size, channels), True
        # The channels may be those of several frames.
        for frames in (frames for frames in range(1, channels + 1) if channels % frames == 0):
            yield (frames, *size, channels // frames), True
            yield (frames, channels // frames, *size), False
    elif shape == (1,):
        # A box without dimensions.
        yield (), False


def is_flags(space: dict[str, Any]) -> bool:
    """True if the space may stand for discrete values: a vector with one flag for each value."""
    is_vector = space["kind"] == "box" and len(space["shape"]) == 1
    return is_vector and set(space["low"]) == {0.0} and set(space["high"]) == {1.0}
