"""One server per data directory: an advisory lock that the kernel drops when the holder dies."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from inglenook.kit.errors import BadInput, Conflict

LOCK_FILE = "inglenook.lock"


class DataLocked(Conflict):
    """Another process holds the data directory."""

    code = "data_locked"


class DataLock:
    """Holds `<data>/inglenook.lock` while open; the file names the holder's process id."""

    def __init__(self, data: Path) -> None:
        self._path = data / LOCK_FILE
        self._handle: int | None = None

    def acquire(self) -> Self:
        """Take the lock.

        Raises:
            DataLocked: another process has it; the message names its process id.
            BadInput: the folder cannot be made or written to.
        """
        folder = self._path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise BadInput(
                f"cannot use {folder} as data directory: {error.strerror}; choose another with --data"
            ) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 32).decode(errors="replace").strip()
            os.close(handle)
            raise DataLocked(
                f"{folder} is in use by process {holder or 'unknown'}; stop that server, "
                "or give this one another folder with --data"
            ) from None
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        self._handle = handle
        return self

    def release(self) -> None:
        """Give the lock back."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
