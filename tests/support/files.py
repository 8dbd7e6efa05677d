"""A file server on loopback that can do what bad servers do: break off, wait, change, lie."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

_SLICE = 4 * 1024


class Asked(NamedTuple):
    """A request the server got."""

    path: str
    headers: dict[str, str]

    @property
    def start(self) -> int:
        """Where the asked range starts; 0 without one."""
        match = re.match(r"bytes=(\d+)-", self.headers.get("range", ""))
        return int(match[1]) if match else 0

    @property
    def end(self) -> int | None:
        """Where it ends, the last byte included; None without an end."""
        match = re.match(r"bytes=\d+-(\d+)$", self.headers.get("range", ""))
        return int(match[1]) if match else None


class Fixed(NamedTuple):
    """An answer that is no file."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


class FileServer:
    """Serves `files` (path to bytes) with ranges.

    Attributes:
        fixed: Answers by path, instead of files.
        cut: Bytes of the body after which the connection breaks, once for each entry.
        gates: A path's body stops half-way until its gate opens.
        ranges: Whether ranges are known.
        only_rests: Whether only ranges without an end are.
        speed: Bytes a second of each connection; 0 for as fast as it goes.
        lengths: Whether the length of a file is told.
        etag: Sent with files, unless empty.
        refused: Whose user agent holds this is refused (403), unless empty.
        authorization: What must be shown for files, unless empty.
        asked: Every request so far; `news` is notified of each.
        most_at_once: Connections there were at the same time.
    """

    def __init__(self) -> None:
        self.origin = ""
        self.files: dict[str, bytes] = {}
        self.fixed: dict[str, Fixed] = {}
        self.cut: dict[str, list[int]] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.reached: dict[str, asyncio.Event] = {}
        self.ranges = True
        self.only_rests = False
        self.speed = 0
        self.lengths = True
        self.etag = '"1"'
        self.refused = ""
        self.authorization = ""
        self.asked: list[Asked] = []
        self.news = asyncio.Condition()
        self.most_at_once = 0
        self.answering: set[asyncio.Task[None]] = set()

    def gate(self, path: str) -> asyncio.Event:
        """Let the answer for `path` stop half-way, until the returned event is set; `reached[path]` says it did."""
        self.reached[path] = asyncio.Event()
        self.gates[path] = asyncio.Event()
        return self.gates[path]

    def requests(self, path: str) -> list[Asked]:
        """The requests for one path."""
        return [asked for asked in self.asked if asked.path == path]

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        task = asyncio.current_task()
        assert task is not None
        self.answering.add(task)
        self.most_at_once = max(self.most_at_once, len(self.answering))
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            path = head[0].split(" ")[1]
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
            asked = Asked(path, headers)
            self.asked.append(asked)
            async with self.news:
                self.news.notify_all()
            await self._send(asked, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, or the test is over
        finally:
            self.answering.discard(task)
            writer.close()

    async def _send(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        path = asked.path
        if self.refused and self.refused in asked.headers.get("user-agent", ""):
            return _write(writer, 403, {})
        if path in self.fixed:
            return _write(writer, *self.fixed[path])
        if self.authorization and asked.headers.get("authorization") != self.authorization:
            return _write(writer, 401, {"www-authenticate": 'Basic realm="here"'})
        if path.partition("?")[0] not in self.files:
            return _write(writer, 404, {}, b"nothing here")
        data = self.files[path.partition("?")[0]]
        headers = {"etag": self.etag} if self.etag else {}
        known = self.ranges and not (self.only_rests and asked.end is not None)
        ranged = known and "range" in asked.headers and asked.headers.get("if-range", self.etag) == self.etag
        start = asked.start if ranged else 0
        end = min(len(data), len(data) if not ranged or asked.end is None else asked.end + 1)
        if start and start >= len(data):
            return _write(writer, 416, headers)
        body = data[start:end]
        if ranged:
            headers["content-range"] = f"bytes {start}-{end - 1}/{len(data)}"
        if self.ranges:
            headers["accept-ranges"] = "bytes"
        _head(writer, 206 if ranged else 200, headers, len(body) if self.lengths else None)
        if self.cut.get(path):
            writer.write(body[: self.cut[path].pop(0)])
            await writer.drain()
            return None
        if path in self.gates:
            writer.write(body[: len(body) // 2])
            await writer.drain()
            self.reached[path].set()
            await self.gates[path].wait()
            body = body[len(body) // 2 :]
        if self.speed:
            for at in range(0, len(body), _SLICE):
                await asyncio.sleep(_SLICE / self.speed)
                writer.write(body[at : at + _SLICE])
                await writer.drain()
            return None
        writer.write(body)
        return None


@asynccontextmanager
async def file_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[FileServer]:
    """A running server on a free port."""
    files = FileServer()
    server = await asyncio.start_server(files.answer, "127.0.0.1", 0, ssl=tls)
    host, port = server.sockets[0].getsockname()
    files.origin = f"{'https' if tls else 'http'}://{host}:{port}"
    try:
        yield files
    finally:
        server.close()
        for task in [*files.answering]:
            task.cancel()
        await asyncio.gather(*files.answering, return_exceptions=True)
        await server.wait_closed()


def _head(writer: asyncio.StreamWriter, status: int, headers: dict[str, str], length: int | None) -> None:
    lines = [f"HTTP/1.1 {status} X", "connection: close"]
    if length is not None:
        lines.append(f"content-length: {length}")
    writer.write("\r\n".join([*lines, *(f"{k}: {v}" for k, v in headers.items()), "", ""]).encode())


def _write(writer: asyncio.StreamWriter, status: int, headers: dict[str, str], body: bytes = b"") -> None:
    _head(writer, status, headers, len(body))
    writer.write(body)
