"""Downloading a large file in a way that can go on where it stopped.

It begins with one connection; where that goes on for a while and the other side knows ranges, `ranges` takes over with
more of them, as far as that pays.
"""

import asyncio
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from inglenook.kit.errors import InglenookError
from inglenook.models.errors import DiskFull, PullFailed
from inglenook.models.hub import ranges
from inglenook.models.hub.base import Fetcher
from inglenook.models.hub.files import full_disk, sync, to_the_end
from inglenook.models.hub.partial import Broken, Partial, note_of

if TYPE_CHECKING:
    import httpx

ATTEMPTS = 4
_MIB = 1024 * 1024
_FLUSH_SECONDS = 0.5
#: Seconds that one connection has before more are tried.
TRY_SECONDS = 1.0
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
    connections: int = 1,
    progress: Progress = lambda completed, total: None,
) -> Fetched:
    """Fetch `url` into `partial`, going on after what is there already; a broken connection is tried again.

    Where the other side cannot go on (no ranges, or the file changed: `ETag`, `Last-Modified`), it starts over.

    Args:
        size: How many bytes it must be, if known.
        content_addressed: The URL can only ever mean the same bytes, and the caller checks them.
        connections: How many there may be at a time.
        progress: Called with (bytes here, bytes in all or 0).

    Raises:
        PullFailed: the other side refused, failed or sent something else; `partial` stays unless it is of no use.
        DiskFull: `partial` stays.
    """
    import httpx  # noqa: PLC0415 - heavy, and loaded by the client at its first request

    partial.parent.mkdir(parents=True, exist_ok=True)
    file = Partial(partial, content_addressed=content_addressed)
    fetching = _Fetching(outbound, url, file, headers or {}, size, connections, progress)
    failures = 0
    try:
        await to_the_end(file.open)
        while True:
            before = file.size
            try:
                with full_disk(partial.parent):
                    await fetching.go_on()
                    await to_the_end(sync, file.handle)
                    return Fetched(file.sha.hexdigest(), file.size, fetching.told)
            except (httpx.TransportError, Broken) as error:
                failures = 0 if file.size > before else failures + 1
                if failures == ATTEMPTS:
                    raise PullFailed(
                        f"the connection to {host_of(url)} broke at byte {file.size} "
                        f"({error or type(error).__name__}); pull again to go on from there"
                    ) from error
                await asyncio.sleep(0.2 * 2**failures)
    finally:
        file.close()


class _Fetching:
    """One download: what it fetches, and what it was told (`told`, the headers of the last answer and those to it)."""

    def __init__(
        self,
        outbound: Fetcher,
        url: str,
        file: Partial,
        headers: dict[str, str],
        size: int | None,
        connections: int,
        progress: Progress,
    ) -> None:
        self.told: dict[str, str] = {}
        self._outbound = outbound
        self._url = url
        self._file = file
        self._headers = headers
        self._size = size
        self._connections = connections
        self._progress = progress

    async def go_on(self) -> None:
        """Fetch what is missing.

        Raises:
            Broken, httpx.TransportError: another try may help.
            PullFailed, DiskFull: it would not.
        """
        file, size = self._file, self._size
        if size is not None and file.size == size:
            return self._progress(size, size)
        if size is not None and file.size > size:
            file.restart()
        began, before = time.monotonic(), file.size
        total = await self._one_connection()
        if total and file.size < total:
            speed = (file.size - before) / max(0.001, time.monotonic() - began)
            try:
                await ranges.fetch_rest(
                    ranges.Asking(self._outbound, self._url, self._headers),
                    file,
                    total,
                    most=self._connections,
                    speed=speed,
                    progress=self._progress,
                )
            except ranges.NoRanges:
                self._connections = 1
                raise
        return None

    async def _one_connection(self) -> int:
        """Read one answer to its end, or until several connections may do better; the size of the whole, 0 if not
        told."""
        file = self._file
        headers = {**self._headers, **file.conditions()}
        async with self._outbound.stream("GET", self._url, headers=headers) as response:
            if response.status_code == 416:  # what is here is not the beginning of what is there
                file.restart()
                raise Broken("the file over there changed")
            total = _accept(response, file, self._url)
            if self._size is not None and total not in (0, self._size):
                raise PullFailed(f"{host_of(self._url)} offers {total} bytes instead of {self._size}")
            demand_room(file.path.parent, total - file.size if total else 0)
            file.remember(response)
            self._progress(file.size, total)
            every = [*response.history, response]
            self.told = {key.lower(): value for answer in every for key, value in answer.headers.items()}
            many = self._connections > 1 and ranges.are_known(response, file)
            whole = await self._receive(response, total, many)
        if whole and total and file.size < total:
            raise Broken(f"only {file.size} of {total} bytes came")
        return total

    async def _receive(self, response: "httpx.Response", total: int, many: bool) -> bool:
        """Write the body to the file, in pieces worth a thread's while; what has arrived when it breaks is kept.

        Returns:
            False if it was left because the rest is worth several connections.
        """
        file = self._file
        buffer = bytearray()
        began = flushed = time.monotonic()
        try:
            async for chunk in response.aiter_raw():
                buffer += chunk
                here = file.size + len(buffer)
                if total and here > total:
                    buffer.clear()
                    file.restart()
                    raise PullFailed(f"{host_of(self._url)} sent more than the {total} bytes it announced")
                self._progress(here, total)
                now = time.monotonic()
                if len(buffer) >= _MIB or now - flushed > _FLUSH_SECONDS:
                    if not total:  # who tells no length may have no end
                        demand_room(file.path.parent, len(buffer))
                    data, buffer = buffer, bytearray()
                    await to_the_end(file.write, data)
                    flushed = time.monotonic()
                if many and now - began >= TRY_SECONDS and total - here > ranges.WORTH_IT * ranges.PART:
                    return False
            return True
        finally:
            if buffer:
                file.write(buffer)


def _accept(response: "httpx.Response", file: Partial, url: str) -> int:
    """Check the answer's head; return the size of the whole file, 0 if it is not told."""
    if response.status_code >= 500 or response.status_code == 429:
        raise Broken(f"it answered {response.status_code}")
    if response.status_code not in (200, 206):
        raise refusal(response.status_code, url)
    if response.headers.get("content-encoding", "identity") != "identity":
        raise PullFailed(f"{host_of(url)} sent the file compressed, which was not asked for")
    if response.status_code == 206:
        match = _RANGE.fullmatch(response.headers.get("content-range", ""))
        if match is None or int(match[1]) != file.size:
            file.restart()
            raise Broken("it sent another range than asked for")
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
    note_of(partial).unlink(missing_ok=True)


def host_of(url: str) -> str:
    """The host of a URL, for messages."""
    return urlsplit(url).hostname or url


def _path(url: str) -> str:
    return urlsplit(url).path
