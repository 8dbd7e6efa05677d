"""Writing files so that nobody ever sees half of one."""

import asyncio
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

from inglenook.kit.ids import new_id
from inglenook.models.errors import DiskFull

P = ParamSpec("P")
T = TypeVar("T")

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Turn the operating system's word for a full disk into `DiskFull`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(
                f"{folder} has no room left ({os.strerror(error.errno or 0)}); free some, or put the models elsewhere "
                "with the setting `models`, and pull again"
            ) from error
        raise


def write_whole(path: Path, data: bytes) -> None:
    """Put a small file in place, synced, at once or not at all."""
    temporary = path.with_name(f".{new_id('tmp')}-partial")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            sync(file.fileno())
        put_in_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def put_in_place(source: Path, target: Path) -> None:
    """Rename, and sync the folder so that the new name outlives a power cut."""
    source.replace(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync(folder)
    finally:
        os.close(folder)


def sync(handle: int) -> None:
    """fsync, where the file system knows it."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


async def to_the_end(fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `fn` in a thread. Cancelled, wait until the thread is done with what it holds before giving up."""
    task = asyncio.ensure_future(asyncio.to_thread(fn, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
