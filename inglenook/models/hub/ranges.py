"""The rest of a large file over several connections at once, as far as they make it faster.

The file is fetched in parts, the first missing one first, so what is whole grows from the beginning, is hashed while
the rest comes, and is what a later try goes on from. There is one connection more at a time: twice as many as long as
each doubling brings an eighth at least; then those that brought nothing end.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple

from inglenook.models.hub.base import Fetcher
from inglenook.models.hub.files import to_the_end
from inglenook.models.hub.partial import Broken, Partial

if TYPE_CHECKING:
    import httpx

#: Bytes of a part, and how many of them must be missing for this to be worth it.
PART = 16 * 1024 * 1024
WORTH_IT = 4
#: Seconds over which a number of connections is judged, and by how much it must be faster.
PACE = 1.0
_GAIN = 1.125
_ATTEMPTS = 4
_BUFFER = 1024 * 1024
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")

Progress = Callable[[int, int], None]


class NoRanges(Broken):
    """The other side sent something else than the part it was asked for."""


class Asking(NamedTuple):
    """Whom to ask, for what, and what to show."""

    outbound: Fetcher
    url: str
    headers: dict[str, str]


def are_known(response: "httpx.Response", file: Partial) -> bool:
    """Whether the other side seems to know ranges, and parts can be told to be of the same version."""
    told = response.status_code == 206 or response.headers.get("accept-ranges", "").lower() == "bytes"
    return told and file.has_version


async def fetch_rest(asking: Asking, file: Partial, total: int, *, most: int, speed: float, progress: Progress) -> None:
    """Fetch what is missing of a file of `total` bytes.

    Args:
        most: Connections there may be.
        speed: Bytes a second that one brought.

    Raises:
        NoRanges: parts cannot be had; what is whole stays.
        Broken, httpx.TransportError: another try may help; what is whole stays.
    """
    rest = _Rest(asking, file, total, progress)
    file.mark()
    try:
        await rest.run(most, speed)
    finally:
        file.settle()


class _Rest:
    def __init__(self, asking: Asking, file: Partial, total: int, progress: Progress) -> None:
        self._asking = asking
        self._file = file
        self._total = total
        self._progress = progress
        self._next = file.size
        self._here = file.size
        self._done: dict[int, int] = {}
        self._absorbing = False
        self._wanted = 1

    async def run(self, most: int, speed: float) -> None:
        """Fetch it all, or raise what the first connection that failed raised."""
        workers: list[asyncio.Task[None]] = []

        def more(count: int) -> None:
            self._wanted = count
            while len(workers) < count:
                workers.append(asyncio.create_task(self._work(len(workers))))

        more(min(2, most))
        pace = asyncio.create_task(self._pace(more, most, speed))
        try:
            while working := [worker for worker in workers if not worker.done()]:
                await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
                for worker in workers:
                    if worker.done():
                        worker.result()
        finally:
            for task in (pace, *workers):
                task.cancel()
            await asyncio.gather(pace, *workers, return_exceptions=True)

    async def _pace(self, more: Callable[[int], None], most: int, best: float) -> None:
        """Try more connections while that pays."""
        while True:
            before, began = self._here, time.monotonic()
            await asyncio.sleep(PACE)
            speed = (self._here - before) / (time.monotonic() - began)
            if speed < best * _GAIN:
                self._wanted = max(1, self._wanted // 2)
                return
            best = speed
            if self._wanted >= most:
                return
            more(min(2 * self._wanted, most))

    async def _work(self, number: int) -> None:
        """Fetch parts as long as there are some, and this many are wanted."""
        while number < self._wanted and self._next < self._total:
            start = self._next
            self._next = end = min(start + PART, self._total)
            await self._part(start, end)
            self._done[start] = end
            await self._absorb()

    async def _part(self, start: int, end: int) -> None:
        """One part; a broken connection goes on where it was."""
        import httpx  # noqa: PLC0415 - loaded by now

        failures = 0
        while start < end:
            before = start
            try:
                async with aclosing(self._stream(start, end)) as chunks:
                    async for chunk in chunks:
                        await to_the_end(self._file.write_at, chunk, start)
                        start += len(chunk)
            except (httpx.TransportError, Broken) as error:
                failures = 0 if start > before else failures + 1
                if failures == _ATTEMPTS or isinstance(error, NoRanges):
                    raise
                await asyncio.sleep(0.2 * 2**failures)

    async def _stream(self, start: int, end: int) -> AsyncGenerator[bytearray, None]:
        import httpx  # noqa: PLC0415 - loaded by now

        asking = self._asking
        headers = {**asking.headers, **self._file.part(start, end)}
        async with asking.outbound.stream("GET", asking.url, headers=headers) as response:
            if response.status_code >= 500 or response.status_code == 429:
                raise Broken(f"it answered {response.status_code}")
            match = _RANGE.fullmatch(response.headers.get("content-range", ""))
            if response.status_code != 206 or match is None or int(match[1]) != start or int(match[2]) >= end:
                raise NoRanges("it sent another range than asked for")
            buffer, left, broken = bytearray(), end - start, ""
            try:
                async for chunk in response.aiter_raw():
                    part = chunk[:left]
                    left -= len(part)
                    buffer += part
                    self._here += len(part)
                    self._progress(self._here, self._total)
                    if len(buffer) >= _BUFFER:
                        yield buffer
                        buffer = bytearray()
            except httpx.TransportError as error:  # what has come is kept
                broken = str(error) or type(error).__name__
            if buffer:
                yield buffer
            if broken or left:
                raise Broken(broken or "a part ended early")

    async def _absorb(self) -> None:
        """Hash what has become whole; whoever does it already sees to what comes meanwhile."""
        if self._absorbing:
            return
        self._absorbing = True
        try:
            while (end := self._done.pop(self._file.size, None)) is not None:
                await to_the_end(self._file.absorb, end)
                await to_the_end(self._file.mark)
        finally:
            self._absorbing = False
