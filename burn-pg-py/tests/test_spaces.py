"""Observations of Gymnasium's spaces, one or a batch, become the rows that the worker writes."""

import json

import numpy as np
import pytest
from burn_pg.hosting import worker
from burn_pg.spaces import flat_rows
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, Tuple
from gymnasium.vector.utils import concatenate, create_empty_array


def image(*shape):
    return Box(0, 255, shape, np.uint8)


def box(*shape):
    return Box(-2.0, 2.0, shape, np.float32)


VECTORS = [box(3), box(1), box(), box(2, 3), Box(0, 1, (4,), np.int64), Discrete(5), MultiBinary(3), MultiBinary((2, 2))]
IMAGES = [image(8, 9), image(8, 9, 3), image(3, 8, 9), image(8, 9, 1), image(1, 8, 9), image(9, 4, 9), image(16, 10, 10)]
FRAMES = [image(4, 8, 9), image(4, 8, 9, 3), image(4, 3, 8, 9), image(4, 8, 9, 1), image(4, 1, 8, 9), image(4, 3, 3, 3)]
PARTS = [
    Dict(sensors=Tuple([box(2), Dict(camera=image(8, 9, 3), level=Discrete(5))]), clock=box()),
    Tuple([image(8, 9), Discrete(2)]),
    Tuple([Discrete(4)]),
    # Batches of three are told from flags by the other part.
    Dict(room=Discrete(3), position=box(2)),
]


def stored(space):
    """The space as an agent keeps it."""
    return json.loads(json.dumps(worker().spaces.Observations(space).to_rust()))


def written(space, value):
    """The row that the worker writes."""
    rows = []
    for part in worker().spaces.Observations(space).parts:
        memory = np.zeros((1, *part.shape), part.dtype)
        part.write(part.view(memory)[0, ...], worker().spaces.pick(value, part.path))
        rows.append(memory.ravel().astype(np.float32))
    return np.concatenate(rows)


@pytest.mark.parametrize("space", VECTORS + IMAGES + FRAMES + PARTS, ids=str)
def test_rows_are_those_of_the_worker(space):
    space.seed(1)
    values = [space.sample() for _ in range(3)]
    expected = [written(space, value) for value in values]
    for value, row in zip(values, expected):
        rows, is_one = flat_rows(stored(space), value)
        assert is_one and rows.dtype == np.float32
        np.testing.assert_array_equal(rows, [row])
    batch = concatenate(space, values, create_empty_array(space, 3))
    rows, is_one = flat_rows(stored(space), batch)
    assert not is_one
    np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize("space", [image(8, 9, 3), PARTS[0]], ids=str)
def test_elements_of_the_stored_space_are_taken(space):
    value = space.sample()
    row = written(space, value)
    parts = stored(space).get("parts", [{"name": None, "space": stored(space)}])
    given, at = {}, 0
    for part in parts:
        size = int(np.prod(part["space"]["shape"]))
        given[part["name"]] = row[at : at + size].reshape(part["space"]["shape"])
        at += size
    rows, is_one = flat_rows(stored(space), given.get(None, given))
    assert is_one
    np.testing.assert_array_equal(rows, [row])


def test_a_batch_of_one_is_a_batch():
    for space, batch in [(box(3), (1, 3)), (image(8, 9, 3), (1, 8, 9, 3)), (image(3, 8, 9), (1, 3, 8, 9))]:
        assert not flat_rows(stored(space), np.zeros(batch))[1]
    assert not flat_rows(stored(Discrete(5)), [2])[1]


def test_parts_that_are_not_needed_are_0():
    space = stored(Dict(first=box(2), second=box()))
    rows, is_one = flat_rows(space, {"first": np.ones((2, 2))}, ["first"])
    assert not is_one
    np.testing.assert_array_equal(rows, [[1, 1, 0]] * 2)


@pytest.mark.parametrize(
    "space, observation, message",
    [
        (image(8, 9, 3), np.zeros((9, 9)), r"it must be \(3, 8, 9\), \(8, 9, 3\), frames of images, or a batch of those"),
        (image(8, 9), np.zeros(3), r"the shape \(3,\); it must be \(1, 8, 9\), \(8, 9\), \(8, 9, 1\), or a batch of those"),
        (Discrete(5), 1.0, r"the shape \(\); it must be \(5,\), a whole number, or a batch"),
        (Discrete(5), 5, "the discrete value 5; it must be from 0 to 4"),
        (Discrete(5), [0, -1], "the discrete value -1; it must be from 0 to 4"),
        (Discrete(3), [0, 2, 1], r"read as the flags of one observation, and one of them is 2; .* `numpy.eye\(3\)\[values\]`"),
        (box(3), None, "the type object, which is no number"),
        (box(3), [[1, 2], [3]], "the observation is no array"),
        (Tuple([box(2), box()]), (np.zeros(3), 0.0), r"the observation `0` has the shape \(3,\); it must be \(2,\)"),
        (Dict(a=box(2), b=box(3)), {"a": np.zeros(2), "b": np.zeros((4, 3))}, "sizes: `a` is one, `b` is a batch of 4"),
        (Dict(a=Dict(b=box(2)), c=box()), {"a": np.zeros(2), "c": 1.0}, "has no `a/b`; its parts are `a/b`, `c`"),
    ],
)
def test_what_is_wrong_is_said(space, observation, message):
    with pytest.raises(ValueError, match=message):
        flat_rows(stored(space), observation)
