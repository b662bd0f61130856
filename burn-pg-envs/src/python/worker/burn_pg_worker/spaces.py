"""Gymnasium's spaces as rows of numbers.

Observations become one vector of `float32`, one image of `uint8`, or several of these (parts). Actions arrive as one
row of integers, flags or `float32`.
"""

import numpy as np
from gymnasium import spaces

# The largest number of elements of which a space may consist.
MOST_ELEMENTS = 1 << 24

# Types whose values fit into a byte.
BYTES = (np.dtype(np.uint8), np.dtype(np.bool_))

# The type of an observation before the first one.
UNSEEN = np.dtype("V1")


class Unsupported(Exception):
    """A space, or a combination of spaces, that burn-pg has no counterpart for."""


def numbers(values):
    """Bounds as JSON can hold them: infinite ones by name."""
    with np.errstate(over="ignore"):
        values = np.asarray(values).astype(np.float32)
    if np.isnan(values).any():
        raise Unsupported("a space has a bound that is NaN")
    name = {np.inf: "Infinity", -np.inf: "-Infinity"}
    return [name.get(value, value) for value in values.ravel().tolist()]


def box(low, high, shape):
    return {"kind": "box", "low": numbers(low), "high": numbers(high), "shape": list(shape)}


class Part:
    """One part of an observation: its space, its type in shared memory, and how a value is written there.

    `shape` is the shape in memory, and `view` turns memory of that shape into the shape of the values.
    """

    def __init__(self, name, path, space):
        self.name, self.path, self.space = name, path, space
        self.view = lambda memory: memory
        self.write = self.write_array
        self.dtype = np.dtype(np.float32)
        # The largest value of an image.
        self.high = None
        if isinstance(space, spaces.Box):
            self.of_box()
        elif isinstance(space, spaces.Discrete):
            self.one_hot([int(space.n)], int(space.start))
        elif isinstance(space, spaces.MultiDiscrete):
            self.one_hot([int(n) for n in space.nvec.ravel()], np.asarray(getattr(space, "start", 0)).ravel())
        elif isinstance(space, spaces.MultiBinary):
            self.values, self.shape = tuple(space.shape), tuple(space.shape)
            self.rust = box(np.zeros(space.shape), np.ones(space.shape), space.shape)
        else:
            kind = type(space).__name__
            raise Unsupported(f"the observation space{place(path)} is a {kind}, which burn-pg does not support")
        if int(np.prod(self.shape)) > MOST_ELEMENTS:
            raise Unsupported(f"the observation space{place(path)} has {int(np.prod(self.shape))} elements")
        self.seen = UNSEEN

    def of_box(self):
        space = self.space
        self.values = tuple(space.shape)
        if is_image(space):
            shape, axes = image_axes(self.values)
            self.dtype, self.shape = np.dtype(np.uint8), shape
            self.view = lambda memory: memory.transpose(0, *(axis + 1 for axis in axes)).reshape(-1, *self.values)
            if len(self.values) == 4:
                frames, (one, order) = self.values[0], image_axes(self.values[1:])
                self.view = lambda memory: memory.reshape(-1, frames, *one).transpose(0, 1, *(i + 2 for i in order))
            self.high = int(space.high.max())
            self.rust = {"kind": "image", "shape": list(shape), "high": self.high}
        else:
            # A box without dimensions is one number.
            self.shape = self.values or (1,)
            self.view = lambda memory: memory.reshape(-1, *self.values)
            self.rust = box(space.low, space.high, self.shape)

    def one_hot(self, sizes, start):
        """Discrete elements are flags, one for each value, as Stable-Baselines3 and `FlattenObservation` have them."""
        length = sum(sizes)
        self.values, self.shape = tuple(self.space.shape), (length,)
        self.rust = box(np.zeros(length), np.ones(length), self.shape)
        self.offsets = np.cumsum([0, *sizes[:-1]]) - start
        self.write = self.write_flags

    def write_array(self, row, value):
        value = np.asarray(value)
        if value.shape != self.values or value.dtype != self.seen:
            self.check(value)
        if self.high is not None and value.dtype not in BYTES:
            self.check_range(value)
        row[...] = value

    def write_flags(self, row, value):
        value = np.asarray(value)
        if value.shape != self.values or value.dtype != self.seen:
            self.check(value)
        row[...] = 0
        at = self.offsets + value.ravel()
        if not self.space.contains(value if self.space.shape else value.item()):
            raise ValueError(f"the observation{place(self.path)} is {value}, which is outside {self.space}")
        row[at] = 1

    def write_all(self, view, lines, values):
        """Writes the observations of all rows."""
        values = np.asarray(values)
        if self.write == self.write_array and values.dtype == self.seen and values.shape == view.shape:
            if self.high is not None and values.dtype not in BYTES:
                self.check_range(values)
            view[...] = values
        elif len(values) != len(lines):
            raise ValueError(f"there are {len(values)} observations{place(self.path)}, and {len(lines)} environments")
        else:
            for line, value in zip(lines, values):
                self.write(line, value)

    def check_range(self, values):
        """Refuses values that do not fit into the bytes of an image."""
        least, largest = values.min(), values.max()
        if least < 0 or largest > self.high:
            wrong = least if least < 0 else largest
            raise ValueError(f"the observation{place(self.path)} has the value {wrong}; those of its space end at {self.high}")

    def check(self, value):
        """Remembers the type of the first observation, and refuses another one, or another shape."""
        if value.shape != self.values:
            raise ValueError(f"the observation{place(self.path)} has the shape {value.shape}, its space {self.values}")
        if value.dtype.kind not in "biuf":
            raise TypeError(f"the observation{place(self.path)} has the type {value.dtype}, which is no number")
        if self.dtype == np.uint8 and value.dtype.kind == "f":
            raise TypeError(f"the observation{place(self.path)} has the type {value.dtype}, its space {self.space.dtype}")
        if self.seen != UNSEEN:
            raise TypeError(f"the observation{place(self.path)} has the type {value.dtype}, and had {self.seen} before")
        self.seen = value.dtype


def place(path):
    return "" if not path else f" at `{'/'.join(str(key) for key in path)}`"


def is_image(space):
    """Whole numbers from 0 to at most 255 in two dimensions or more, with one largest value."""
    whole = space.dtype == np.bool_ or np.issubdtype(space.dtype, np.integer)
    if not whole or len(space.shape) not in (2, 3, 4) or 0 in space.shape:
        return False
    high = int(space.high.max())
    return int(space.low.min()) == 0 and 1 <= high <= 255 and bool((space.high == high).all())


def image_axes(shape):
    """Returns the shape as channels, height and width, and the axes of these in the order that the values have.

    The channels are the last dimension unless the first one is smaller. Four dimensions are frames of images.
    """
    if len(shape) == 2:
        return (1, *shape), (0, 1, 2)
    if len(shape) == 4:
        (channels, *size), _ = image_axes(shape[1:])
        return (shape[0] * channels, *size), (0, 1, 2)
    if shape[0] < shape[2]:
        return tuple(shape), (0, 1, 2)
    height, width, channels = shape
    return (channels, height, width), (1, 2, 0)


def leaves(space, path=()):
    """Returns the leaves of dictionaries and tuples, with the keys that lead there."""
    if isinstance(space, spaces.Dict):
        return [leaf for key, inner in space.spaces.items() for leaf in leaves(inner, (*path, key))]
    if isinstance(space, spaces.Tuple):
        return [leaf for i, inner in enumerate(space.spaces) for leaf in leaves(inner, (*path, i))]
    return [(path, space)]


def pick(value, path):
    for key in path:
        value = value[key]
    return value


def groups(space, path=()):
    """Returns the dictionaries and tuples of a space: the keys that lead there, and how many parts each has."""
    if isinstance(space, spaces.Dict):
        inner = space.spaces.items()
    elif isinstance(space, spaces.Tuple):
        inner = enumerate(space.spaces)
    else:
        return []
    inner = list(inner)
    return [(path, len(inner))] + [group for key, part in inner for group in groups(part, (*path, key))]


class Observations:
    """The parts of an observation space, and how they lie in the bytes of one row."""

    def __init__(self, space):
        self.groups = groups(space)
        self.parts = [Part("/".join(map(str, path)), path, leaf) for path, leaf in leaves(space)]
        if not self.parts:
            raise Unsupported("the observation space has no parts")

    def to_rust(self):
        """Returns the space as burn-pg writes it."""
        if len(self.parts) == 1 and not self.parts[0].path:
            return self.parts[0].rust
        return {"kind": "dict", "parts": [{"name": part.name, "space": part.rust} for part in self.parts]}

    def images(self, buffer, offset, stride, rows):
        """Returns a function from a row to its image in memory: channels, height, width; `None` if there is no image of
        bytes that fill their range."""
        (part, *others) = self.parts
        if others or part.high != 255:
            return lambda row: None
        shape = (rows, *part.shape)
        memory = np.ndarray(shape, part.dtype, buffer, offset, (stride, part.shape[1] * part.shape[2], part.shape[2], 1))
        return lambda row: memory[row]

    def map(self, buffer, offset, stride, rows):
        """Returns three functions, over `rows` rows of `stride` bytes.

        The first one writes the observation of one row, or that of a batch at an index. The second one writes a batch. The third
        one writes a list of observations if all are as usual, faster than one by one, and says whether it has.
        """
        views, at = [], offset
        for part in self.parts:
            strides, step = [], part.dtype.itemsize
            for length in reversed(part.shape):
                strides.insert(0, step)
                step *= length
            memory = np.ndarray((rows, *part.shape), part.dtype, buffer, at, (stride, *strides))
            views.append(whole(part, memory))
            # Parts begin at multiples of four bytes.
            at += -(-step // 4) * 4
        lines = [[view[row] if view.ndim > 1 else view[row : row + 1].reshape(()) for row in range(rows)] for view in views]
        if len(self.parts) == 1 and not self.parts[0].path:
            (part,), (lines,), (view,) = self.parts, lines, views
            write, shape, is_plain = part.write, part.values, part.write == part.write_array and part.high is None

            def write_one(row, value, at=None):
                if is_plain and at is None and type(value) is np.ndarray:
                    # The usual case, without a call.
                    if value.dtype == part.seen and value.shape == shape:
                        lines[row][...] = value
                        return
                write(lines[row], value if at is None else value[at])

            joined = view.reshape(-1, *shape[1:]) if is_plain and shape and np.may_share_memory(view, view.reshape(-1)) else None

            def write_usual(values):
                if joined is None or part.seen != joined.dtype:
                    return False
                try:
                    if [value.shape for value in values].count(shape) != rows:
                        return False
                    # The type must be that of memory.
                    np.concatenate(values, out=joined, casting="no")
                except (AttributeError, TypeError, ValueError):
                    return False
                return True

            return write_one, lambda values: part.write_all(view, lines, values), write_usual

        def write_parts(row, value, at=None):
            for path, count in self.groups:
                if len(pick(value, path)) != count:
                    raise ValueError(f"the observation{place(path)} has {len(pick(value, path))} parts, its space {count}")
            for part, own in zip(self.parts, lines):
                value_of_part = pick(value, part.path)
                part.write(own[row], value_of_part if at is None else value_of_part[at])

        def write_all(values):
            for part, view, own in zip(self.parts, views, lines):
                part.write_all(view, own, pick(values, part.path))

        return write_parts, write_all, lambda values: False


def whole(part, memory):
    """The memory of all rows in the shape of the values, without a copy."""
    view = part.view(memory)
    if not np.may_share_memory(view, memory):
        raise AssertionError("a view of an observation was copied")
    return view


class Actions:
    """How one row of an action column becomes an action of the environment."""

    def __init__(self, space):
        self.space = space
        self.leaves = leaves(space)
        kinds = {self.kind(path, leaf) for path, leaf in self.leaves}
        if not kinds:
            raise Unsupported("the action space has no parts")
        if kinds == {"binary"} and len(self.leaves) == 1:
            (_, leaf), = self.leaves
            self.rust, self.dtype = {"kind": "multi_binary", "n": int(np.prod(leaf.shape))}, np.dtype(np.int8)
        elif kinds == {"box"}:
            low, high, shape = zip(*((leaf.low.ravel(), leaf.high.ravel(), leaf.shape) for _, leaf in self.leaves))
            low, high = np.concatenate(low), np.concatenate(high)
            shape = shape[0] if len(shape) == 1 and shape[0] else (len(low),)
            self.rust, self.dtype = box(low, high, shape), np.dtype(np.float32)
        elif "box" not in kinds:
            sizes = [int(size) for _, leaf in self.leaves for size in self.sizes(leaf)]
            alone = len(self.leaves) == 1 and kinds == {"discrete"}
            self.rust = {"kind": "multi_discrete", "sizes": sizes}
            if alone:
                self.rust = {"kind": "discrete", "n": sizes[0], "start": int(self.leaves[0][1].start)}
            self.dtype = np.dtype(np.int64)
        else:
            raise Unsupported(f"the action space {space} has continuous and discrete parts, which burn-pg does not mix")
        self.read = self.reader()

    @staticmethod
    def kind(path, space):
        if isinstance(space, spaces.Discrete):
            if space.n >= 1 << 32:
                raise Unsupported(f"the action space{place(path)} has {space.n} actions, which is too many")
            return "discrete"
        if isinstance(space, spaces.MultiDiscrete):
            return "several"
        if isinstance(space, spaces.MultiBinary):
            return "binary"
        if isinstance(space, spaces.Box):
            if not np.issubdtype(space.dtype, np.floating):
                raise Unsupported(f"the action space{place(path)} is a Box of {space.dtype}, not of floating-point numbers")
            return "box"
        kind = type(space).__name__
        raise Unsupported(f"the action space{place(path)} is a {kind}, which burn-pg does not support")

    @staticmethod
    def sizes(space):
        if isinstance(space, spaces.Discrete):
            return [space.n]
        if isinstance(space, spaces.MultiDiscrete):
            return space.nvec.ravel()
        return [2] * int(np.prod(space.shape))

    def to_rust(self):
        """Returns the space as burn-pg writes it."""
        return self.rust

    def can_be_masked(self):
        return self.rust["kind"] in ("discrete", "multi_discrete")

    def refuse_structure(self):
        """Refuses actions that `read_all` cannot read."""
        if len(self.leaves) > 1 or self.leaves[0][0]:
            raise Unsupported(
                "environments that are stepped together take no dictionaries or tuples of actions: give a function that makes "
                "one environment"
            )

    def read_all(self, column):
        """Returns the actions of all rows, for environments that are stepped together."""
        (_, space), = self.leaves
        if isinstance(space, spaces.Discrete):
            return column[:, 0] + space.start
        actions = column.reshape(-1, *space.shape)
        if isinstance(space, spaces.Box):
            return np.clip(actions, space.low, space.high).astype(space.dtype)
        return (actions + getattr(space, "start", 0)).astype(space.dtype)

    def reader(self):
        """Returns the function from a row of the column to an action."""
        if len(self.leaves) == 1 and not self.leaves[0][0]:
            return one_reader(self.leaves[0][1])
        parts, at = [], 0
        for path, leaf in self.leaves:
            length = int(np.prod(leaf.shape))
            parts.append((path, one_reader(leaf), at, at + length))
            at += length

        def read(row):
            values = {path: part(row[begin:end]) for path, part, begin, end in parts}
            return rebuild(self.space, values)

        return read


def one_reader(space):
    if isinstance(space, spaces.Discrete):
        start = space.start
        return (lambda row: row[0]) if start == 0 else (lambda row: row[0] + start)
    if isinstance(space, spaces.MultiDiscrete):
        start, shape, dtype = np.asarray(getattr(space, "start", 0)), space.shape, space.dtype
        return lambda row: (row.reshape(shape) + start).astype(dtype)
    if isinstance(space, spaces.MultiBinary):
        shape, dtype = space.shape, space.dtype
        return lambda row: row.reshape(shape).astype(dtype)
    low, high, shape, dtype = space.low, space.high, space.shape, space.dtype
    if np.isinf(low).all() and np.isinf(high).all():
        return lambda row: row.reshape(shape).astype(dtype)
    return lambda row: np.minimum(np.maximum(row.reshape(shape), low), high).astype(dtype, copy=False)


def rebuild(space, values, path=()):
    if isinstance(space, spaces.Dict):
        return {key: rebuild(inner, values, (*path, key)) for key, inner in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(rebuild(inner, values, (*path, i)) for i, inner in enumerate(space.spaces))
    return values[path]


class Masks:
    """Which actions are possible, from `info["action_mask"]`."""

    def __init__(self, actions):
        kind = actions.rust["kind"]
        self.length = {"discrete": actions.rust.get("n"), "multi_discrete": sum(actions.rust.get("sizes", []))}.get(kind)

    def write(self, row, info):
        mask = info.get("action_mask")
        if mask is None:
            raise ValueError("the environment gave no `action_mask` in its info, which it did before")
        parts = mask if isinstance(mask, (tuple, list)) else (mask,)
        flags = np.concatenate([np.asarray(part).ravel() for part in parts])
        if flags.dtype != np.bool_ and not (flags.dtype.kind in "iuf" and np.isin(flags, (0, 1)).all()):
            raise TypeError("`action_mask` has values that are no flags: they must be 0 or 1")
        if flags.shape != (self.length,):
            raise ValueError(f"`action_mask` has {flags.size} flags; the action space needs {self.length}")
        if not flags.any():
            raise ValueError("`action_mask` allows no action")
        row[...] = flags != 0
