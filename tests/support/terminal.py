"""A command of ours in a terminal: what it shows is waited for, what is typed reaches it as keys do."""

import os
import pty
import select
import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.support.running import command_environment

CTRL_C, CTRL_D, LEFT, UP = "\x03", "\x04", "\x1b[D", "\x1b[A"
_LIMIT = 30.0  # seconds that anything may take


class Terminal:
    """Use as a context manager; the command is ended if it has not ended by itself."""

    def __init__(self, *arguments: str, **env: str) -> None:
        self._command = [sys.executable, "-m", "inglenook", *arguments]
        self._env = command_environment(TERM="xterm", **env)
        #: Everything that was shown.
        self.shown = ""
        self._seen = 0
        self._status: int | None = None

    def __enter__(self) -> Self:
        self._pid, self._handle = pty.fork()
        if self._pid == 0:
            os.execve(sys.executable, self._command, self._env)
        self._process = os.pidfd_open(self._pid)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is None:
            os.kill(self._pid, 9)
            os.waitpid(self._pid, 0)
        os.close(self._process)
        os.close(self._handle)

    def until(self, text: str) -> None:
        """Wait until `text` is shown, after what was waited for before."""
        while (at := self.shown.find(text, self._seen)) < 0:
            assert self._read(), f"it ended, or fell silent, before it showed {text!r}:\n{self.shown}"
        self._seen = at + len(text)

    def type(self, keys: str) -> None:
        """Press keys; a line ends with `\\n`."""
        os.write(self._handle, keys.encode())

    def end(self, keys: str = "") -> int:
        """Wait for the command's end; returns its exit status.

        Args:
            keys: Pressed now, and once more each second, as people do with Ctrl-C: Python's readline does not notice
                one that comes just before it begins to wait.
        """
        for _ in range(int(_LIMIT)):
            if keys:
                with suppress(OSError):  # it has ended
                    self.type(keys)
            if self._ended_within(1.0):
                return self._status or 0
        raise AssertionError(f"it does not end:\n{self.shown}")

    def _ended_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self._status is None and (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([self._handle, self._process], [], [], left)
            if self._process in ready:
                self._status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
            elif ready and not self._read():  # closed, and about to end
                select.select([self._process], [], [], left)
        while self._status is not None and self._read(0):
            pass
        return self._status is not None

    def _read(self, limit: float = _LIMIT) -> bool:
        ready, _, _ = select.select([self._handle], [], [], limit)
        try:
            data = os.read(self._handle, 65536) if ready else b""
        except OSError:  # the other end is closed
            data = b""
        self.shown += data.decode(errors="replace")
        return bool(data)
