"""Messages between this worker and burn-pg: one socket and one shared file."""

import mmap
import os
import socket
import struct

# True in a process that an environment has forked.
has_forked = False

# How often a request is looked for.
LOOKS = range(100) if hasattr(socket, "MSG_DONTWAIT") and hasattr(os, "sched_yield") else ()


class Channel:
    """The socket. Requests are one byte, or one byte and a body; so are answers."""

    def __init__(self, address):
        if address is None:
            # The socket is the standard input; environments find an empty one in its place.
            self.socket = socket.socket(fileno=os.dup(0))
            empty = os.open(os.devnull, os.O_RDONLY)
            os.dup2(empty, 0)
            os.close(empty)
        elif address.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.connect(address[len("unix:"):])
        else:
            host, port = address.rsplit(":", 1)
            self.socket = socket.create_connection((host, int(port)))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(None)
        if hasattr(os, "register_at_fork"):
            # A process that an environment forks must neither answer nor keep the socket open.
            os.register_at_fork(after_in_child=self.leave)
        self.send = self.socket.sendall

    def leave(self):
        global has_forked
        has_forked = True
        self.socket.close()

    def next(self):
        """Returns the next request, or nothing if burn-pg has closed the connection.

        Looks for it for about 200 us before this thread sleeps: waking it may take longer than a step. Meanwhile the core is
        offered to other threads.
        """
        receive = self.socket.recv
        if LOOKS:
            for _ in LOOKS:
                try:
                    return receive(1, socket.MSG_DONTWAIT)
                except BlockingIOError:
                    os.sched_yield()
        return receive(1)

    def read(self, length):
        parts = []
        while length:
            part = self.socket.recv(min(length, 1 << 20))
            if not part:
                raise EOFError("burn-pg has closed the connection")
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def close(self):
        self.socket.close()

    def read_body(self):
        (length,) = struct.unpack("<I", self.read(4))
        return self.read(length)

    def send_body(self, kind, body):
        self.send(kind + struct.pack("<I", len(body)) + body)


class Shared:
    """The shared file: columns of one row for each environment."""

    def __init__(self, path, size):
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), size)

    def column(self, dtype, offset, *shape):
        import numpy as np

        return np.ndarray(shape, dtype, self.memory, offset)
