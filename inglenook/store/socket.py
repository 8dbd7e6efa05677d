"""The server's Unix socket in its data directory: how commands reach the server that holds it."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOCKET_FILE = "inglenook.sock"


class ControlPath:
    """Where the socket is. Its path may be longer than a socket address may be (108 bytes): see `reachable`."""

    def __init__(self, data: Path) -> None:
        self._folder = data

    def __str__(self) -> str:
        return str(self._folder / SOCKET_FILE)

    @contextmanager
    def reachable(self) -> Iterator[str]:
        """A short path to the socket, valid inside the context."""
        if len(str(self).encode()) < 100:
            yield str(self)
            return
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{folder}/{SOCKET_FILE}"
        finally:
            os.close(folder)

    def listen(self) -> socket.socket:
        """A listening socket that only its owner may open. The caller holds the data directory's lock."""
        Path(str(self)).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with self.reachable() as path:
            mask = os.umask(0o177)
            try:
                listener.bind(path)
            finally:
                os.umask(mask)
        listener.setblocking(False)
        return listener

    def remove(self) -> None:
        """Remove the socket's file."""
        Path(str(self)).unlink(missing_ok=True)


def control_path(data: Path) -> ControlPath:
    """The control socket of a data directory."""
    return ControlPath(data)
