"""Answers the requests of burn-pg until it closes the connection."""

import json
import sys
import traceback

from .channel import Channel, Shared

OLDEST_PYTHON = (3, 9)
OLDEST_GYMNASIUM = (1, 0)


class TooOld(Exception):
    """Python or Gymnasium is too old."""


# The most characters of a message, and of a traceback.
LONGEST = 8_000


def explain(error):
    """Returns what went wrong, in the form that burn-pg reads."""
    try:
        text = str(error) or type(error).__name__
        lines = traceback.format_exception(type(error), error, error.__traceback__)
    except Exception as other:
        # Its text cannot be made.
        text = f"(its message cannot be shown: {type(other).__name__})"
        lines = [*traceback.format_tb(error.__traceback__), f"{type(error).__name__}: {text}\n"]
    missing, cause = None, error
    while cause is not None and missing is None:
        missing = cause.name if isinstance(cause, ModuleNotFoundError) else None
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return {"kind": type(error).__name__, "message": short(text), "traceback": short("".join(lines)), "missing": missing}


def short(text):
    """Leaves out the middle of a long text, and what is no Unicode."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]}\n[...]\n{text[-LONGEST // 2 :]}"
    return text.encode("utf-8", "replace").decode()


def too_old():
    if sys.version_info < OLDEST_PYTHON:
        return "Python {}.{} is too old: burn-pg needs {}.{} or later".format(*sys.version_info[:2], *OLDEST_PYTHON)
    import gymnasium

    version = tuple(int(part) for part in gymnasium.__version__.split(".")[:2])
    if version < OLDEST_GYMNASIUM:
        return "Gymnasium {} is too old: burn-pg needs {}.{} or later".format(gymnasium.__version__, *OLDEST_GYMNASIUM)
    return None


def make(setup):
    reason = too_old()
    if reason:
        raise TooOld(reason)
    if setup["kind"] == "gym":
        from .single import Environments
    else:
        from .vectorised import Environments
    return Environments(setup)


class Columns:
    """The shared columns, by name. Their places come from burn-pg."""

    def __init__(self, shared, layout, rows, environments):
        import numpy as np

        # An element of a view is written faster than one of an array.
        self.current = memoryview(shared.column(np.uint32, layout["current"], 1))
        self.todo = shared.column(np.uint8, layout["todo"], rows)
        self.seeds = shared.column(np.uint64, layout["seeds"], rows)
        self.actions = shared.column(environments.actions.dtype, layout["actions"], rows, layout["action_len"])
        self.rewards = shared.column(np.float64, layout["rewards"], rows)
        self.terminated = shared.column(np.bool_, layout["terminated"], rows)
        self.truncated = shared.column(np.bool_, layout["truncated"], rows)
        self.masks = shared.column(np.bool_, layout["masks"], rows, layout["mask_len"])
        observations, stride = environments.observations, layout["observation_bytes"]
        first = observations.map(shared.memory, layout["observations"], stride, rows)
        self.observation, self.all_observations, self.usual_observations = first
        self.final_observation, *_ = observations.map(shared.memory, layout["final_observations"], stride, rows)
        self.image = observations.images(shared.memory, layout["observations"], stride, rows)


def pixels_of(picture):
    """Returns height, width, and three bytes for each pixel. Fractions of 1 become bytes; grey becomes colours."""
    import numpy as np

    picture = np.asarray(picture)
    if picture.dtype.kind == "f" and picture.max(initial=0) <= 1:
        picture = picture * 255
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    if picture.ndim == 2:
        picture = picture[:, :, None]
    if picture.shape[2] < 3:
        picture = np.repeat(picture[:, :, :1], 3, 2)
    return *picture.shape[:2], picture[:, :, :3].tobytes()


def answer(channel, environments, notice):
    step, each = environments.step_all, environments.do_each
    receive, send = channel.next, channel.send
    while True:
        request = receive()
        if request == b"s":
            failures = step()
        elif request == b"t":
            failures = each()
        elif request == b"p":
            failures = None
            row = int.from_bytes(channel.read(4), "little")
            try:
                picture = environments.render(row)
                if picture is None:
                    channel.send_body(b"n", b"")
                    continue
                height, width, pixels = pixels_of(picture)
                size = height.to_bytes(4, "little") + width.to_bytes(4, "little")
                channel.send_body(b"p", size + pixels)
                continue
            except NotImplementedError:
                channel.send_body(b"n", b"")
                continue
            except BaseException as error:
                failures = {row: error}
        elif request:
            # The program asks this worker to end.
            return
        else:
            raise EOFError
        if failures is None:
            send(b"k")
        else:
            notice(next(iter(failures.values())))
            found = [{"row": row, **explain(error)} for row, error in failures.items()]
            channel.send_body(b"e", json.dumps(found).encode())


def serve(address=None, make=make, notice=lambda error: None):
    """Connects to burn-pg, makes environments and steps them until burn-pg closes the connection.

    `address` is a host and a port; without it, the connection is the standard input. `make` returns the environments for
    what burn-pg asks for. `notice` is given each exception that burn-pg is told of. Returns how it has ended: `"refused"` if
    the environments cannot be made, of which burn-pg is told, `"asked"`, or `"gone"` if burn-pg has closed the connection.
    """
    channel = Channel(address)
    try:
        setup = json.loads(channel.read_body())
        try:
            environments = make(setup)
            # Making may take longer than what follows.
            channel.send(b"k")
            spec = environments.spec()
        except BaseException as error:
            notice(error)
            channel.send_body(b"e", json.dumps([explain(error)]).encode())
            return "refused"
        channel.send_body(b"k", json.dumps(spec).encode())
        try:
            layout = json.loads(channel.read_body())
            shared = Shared(layout["path"], layout["size"])
            environments.map(Columns(shared, layout, setup["envs"], environments))
            channel.send(b"k")
            answer(channel, environments, notice)
        finally:
            environments.close()
    except (EOFError, ConnectionError):
        return "gone"
    finally:
        channel.close()
    return "asked"
