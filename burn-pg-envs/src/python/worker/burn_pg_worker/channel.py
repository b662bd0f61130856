"""Messages between this worker and burn-pg: one socket and one shared file."""

import mmap
import os
import socket
import struct


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
            os.register_at_fork(after_in_child=self.socket.close)
        self.next, self.send = self.socket.recv, self.socket.sendall

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
