"""Downloading a large file in a way that can go on where it stopped."""

import asyncio
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from inglenook.kit.errors import InglenookError
from inglenook.models.errors import DiskFull, PullFailed
from inglenook.models.hub.base import Fetcher
from inglenook.models.hub.files import full_disk, sync, to_the_end

if TYPE_CHECKING:
    import httpx

ATTEMPTS = 4
_MIB = 1024 * 1024
_FLUSH_SECONDS = 0.5
#: Left free on the disk after a pull, so that the database can go on writing.
RESERVE = 64 * _MIB
_RANGE = re.compile(r"bytes (\d+)-\d*/(\d+|\*)")

Progress = Callable[[int, int], None]


class Fetched(NamedTuple):
    """A whole file: its SHA-256 in hex, its size, and the headers of the answers that led to it."""

    sha256: str
    size: int
    headers: dict[str, str]


def demand_room(folder: Path, needed: int) -> None:
    """Make sure that `needed` bytes fit on the disk of `folder`.

    Raises:
        DiskFull: they do not; the message names both numbers.
    """
    existing = folder
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if needed + RESERVE > free:
        raise DiskFull(
            f"the model needs {max(1, needed // _MIB)} MiB, but the disk of {folder} has only {free // _MIB} MiB left, "
            f"of which {RESERVE // _MIB} are kept for the rest of the server; free some, or put the models elsewhere "
            "with the setting `models`",
            details={"needed": needed, "free": free},
        )


async def download(
    outbound: Fetcher,
    url: str,
    partial: Path,
    *,
    headers: dict[str, str] | None = None,
    size: int | None = None,
    content_addressed: bool = False,
    progress: Progress = lambda completed, total: None,
) -> Fetched:
    """Fetch `url` into `partial`, going on after what is there already; a broken connection is tried again.

    Where the other side cannot go on (no ranges, or the file changed: `ETag`, `Last-Modified`), it starts over.

    Args:
        size: How many bytes it must be, if known.
        content_addressed: The URL can only ever mean the same bytes, and the caller checks them.
        progress: Called with (bytes here, bytes in all or 0).

    Raises:
        PullFailed: the other side refused, failed or sent something else; `partial` stays unless it is of no use.
        DiskFull: `partial` stays.
    """
    import httpx  # noqa: PLC0415 - heavy, and loaded by the client at its first request

    partial.parent.mkdir(parents=True, exist_ok=True)
    file = _Partial(partial, content_addressed=content_addressed)
    failures = 0
    try:
        await to_the_end(file.open)
        while True:
            before = file.size
            try:
                with full_disk(partial.parent):
                    found = await _once(outbound, url, file, headers or {}, size, progress)
                    await to_the_end(sync, file.handle)
                    return Fetched(file.sha.hexdigest(), file.size, found)
            except (httpx.TransportError, _Broken) as error:
                failures = 0 if file.size > before else failures + 1
                if failures == ATTEMPTS:
                    raise PullFailed(
                        f"the connection to {host_of(url)} broke at byte {file.size} "
                        f"({error or type(error).__name__}); pull again to go on from there"
                    ) from error
                await asyncio.sleep(0.2 * 2**failures)
    finally:
        file.close()


async def _once(
    outbound: Fetcher, url: str, file: "_Partial", headers: dict[str, str], size: int | None, progress: Progress
) -> dict[str, str]:
    if size is not None and file.size == size:
        progress(size, size)
        return {}
    if size is not None and file.size > size:
        file.restart()
    async with outbound.stream("GET", url, headers={**headers, **file.conditions()}) as response:
        if response.status_code == 416:  # what is here is not the beginning of what is there
            file.restart()
            raise _Broken("the file over there changed")
        total = _accept(response, file, url)
        if size is not None and total not in (0, size):
            raise PullFailed(f"{host_of(url)} offers {total} bytes instead of {size}")
        demand_room(file.path.parent, total - file.size if total else 0)
        file.remember(response)
        progress(file.size, total)
        await _receive(response, file, total, url, progress)
        if total and file.size < total:
            raise _Broken(f"only {file.size} of {total} bytes came")
        every = [*response.history, response]
        return {key.lower(): value for answer in every for key, value in answer.headers.items()}


async def _receive(response: "httpx.Response", file: "_Partial", total: int, url: str, progress: Progress) -> None:
    """Write the body to the file, in pieces worth a thread's while; what has arrived when it breaks is kept."""
    buffer = bytearray()
    flushed = time.monotonic()
    try:
        async for chunk in response.aiter_raw():
            buffer += chunk
            here = file.size + len(buffer)
            if total and here > total:
                buffer.clear()
                file.restart()
                raise PullFailed(f"{host_of(url)} sent more than the {total} bytes it announced")
            progress(here, total)
            if len(buffer) >= _MIB or time.monotonic() - flushed > _FLUSH_SECONDS:
                if not total:  # who tells no length may have no end
                    demand_room(file.path.parent, len(buffer))
                data, buffer = buffer, bytearray()
                await to_the_end(file.write, data)
                flushed = time.monotonic()
    finally:
        if buffer:
            file.write(buffer)


def _accept(response: "httpx.Response", file: "_Partial", url: str) -> int:
    """Check the answer's head; return the size of the whole file, 0 if it is not told."""
    if response.status_code >= 500 or response.status_code == 429:
        raise _Broken(f"it answered {response.status_code}")
    if response.status_code not in (200, 206):
        raise refusal(response.status_code, url)
    if response.headers.get("content-encoding", "identity") != "identity":
        raise PullFailed(f"{host_of(url)} sent the file compressed, which was not asked for")
    if response.status_code == 206:
        match = _RANGE.fullmatch(response.headers.get("content-range", ""))
        if match is None or int(match[1]) != file.size:
            file.restart()
            raise _Broken("it sent another range than asked for")
        return 0 if match[2] == "*" else int(match[2])
    if file.size:
        file.restart()
    length = response.headers.get("content-length", "")
    return int(length) if length.isdigit() else 0


def refusal(status: int, url: str) -> InglenookError:
    """The error for an answer that is no file."""
    why = {
        401: "it wants credentials: the model is private or gated",
        403: "it refuses: the model is private or gated",
        404: "there is no such file",
        410: "the file is gone",
    }.get(status, "it did not send the file")
    return PullFailed(f"{host_of(url)} answered {status} for {_path(url)}: {why}", details={"status": status})


def forget(partial: Path) -> None:
    """Remove a partial file and its note."""
    partial.unlink(missing_ok=True)
    _note(partial).unlink(missing_ok=True)


def _note(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}-note")


def host_of(url: str) -> str:
    """The host of a URL, for messages."""
    return urlsplit(url).hostname or url


def _path(url: str) -> str:
    return urlsplit(url).path


class _Broken(Exception):
    """Worth another try."""


class _Partial:
    """A file that grows, with the hash of what is in it and a note on which version of the original it is."""

    def __init__(self, path: Path, *, content_addressed: bool) -> None:
        self.path = path
        self.content_addressed = content_addressed
        self.note = _note(path)
        self.size = 0
        self.handle = -1
        self.sha = hashlib.sha256()

    def open(self) -> None:
        self.handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        while chunk := os.read(self.handle, 4 * _MIB):
            self.sha.update(chunk)
            self.size += len(chunk)

    def close(self) -> None:
        if self.handle >= 0:
            os.close(self.handle)

    def write(self, chunk: bytes | bytearray) -> None:
        written = 0
        while written < len(chunk):
            count = os.write(self.handle, memoryview(chunk)[written:])
            self.sha.update(memoryview(chunk)[written : written + count])
            written += count
            self.size += count

    def restart(self) -> None:
        os.ftruncate(self.handle, 0)
        os.lseek(self.handle, 0, os.SEEK_SET)
        self.sha = hashlib.sha256()
        self.size = 0
        self.note.unlink(missing_ok=True)

    def conditions(self) -> dict[str, str]:
        """Request headers that ask for the rest of the same version."""
        plain = {"accept-encoding": "identity"}
        version = self._version()
        if self.size and not version and not self.content_addressed:
            self.restart()
        if not self.size:
            return plain
        resumed = {**plain, "range": f"bytes={self.size}-"}
        return resumed if self.content_addressed else {**resumed, "if-range": version}

    def remember(self, response: "httpx.Response") -> None:
        """Note the version that is being fetched. A weak ETag cannot vouch for bytes."""
        tag = response.headers.get("etag", "")
        version = tag if tag and not tag.startswith("W/") else response.headers.get("last-modified", "")
        if version:
            self.note.write_bytes(orjson.dumps({"version": version}))

    def _version(self) -> str:
        try:
            note: Any = orjson.loads(self.note.read_bytes())
            return str(note["version"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""
