"""A provider's server on loopback that answers as a test tells it, byte by byte."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any


class Asked:
    """One request as the server got it, and the means to answer it."""

    def __init__(self, path: str, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter) -> None:
        self.path = path
        self.headers = headers
        self.body = body
        self._writer = writer

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    async def whole(self, body: Any, status: int = 200, **headers: str) -> None:
        """Answer with one body."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {
            "content-type": "application/json",
            **{key.replace("_", "-"): value for key, value in headers.items()},
        }
        lines = "".join(f"{key}: {value}\r\n" for key, value in fields.items())
        self._writer.write(f"HTTP/1.1 {status} X\r\n{lines}content-length: {len(data)}\r\n\r\n".encode() + data)
        await self._writer.drain()

    async def begin(self, content_type: str = "text/event-stream") -> None:
        """Begin a stream."""
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
        self._writer.write(head.encode())
        await self._writer.drain()

    async def piece(self, data: bytes) -> None:
        """Send some bytes of a stream."""
        self._writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self._writer.drain()

    async def end(self) -> None:
        """End a stream as it should."""
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def stream(self, *events: Any, done: bool = True, size: int = 0) -> None:
        """A whole stream of events, cut every `size` bytes if that is given."""
        data = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)
        data += b"data: [DONE]\n\n" if done else b""
        await self.begin()
        for start in range(0, len(data), size or len(data) or 1):
            await self.piece(data[start : start + (size or len(data))])
        await self.end()

    def cut(self) -> None:
        """Break the connection."""
        self._writer.transport.abort()


Answerer = Callable[[Asked], Awaitable[None]]


class Upstream:
    """The running server; set `answer` to what it shall do."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[Asked] = []
        self.left: asyncio.Queue[str] = asyncio.Queue()
        self.answer: Answerer = self._unset
        #: What is asked beside the matter at hand, by path; not among `asked`.
        self.beside: dict[str, Answerer] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def _unset(self, asked: Asked) -> None:
        await asked.whole({"error": {"message": "the test did not say what to answer"}}, 500)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection. `left` tells the path of each request whose asker went away before its end."""
        path = ""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().split("\r\n")
                path = first.split()[1]
                headers = {
                    name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                asked = Asked(path, headers, body, writer)
                if path in self.beside:
                    await self.beside[path](asked)
                    continue
                self.asked.append(asked)
                gone = asyncio.ensure_future(reader.read(1))
                work = asyncio.ensure_future(self.answer(asked))
                await asyncio.wait([gone, work], return_when=asyncio.FIRST_COMPLETED)
                if gone.done() and not work.done():
                    work.cancel()
                    self.left.put_nowait(path)
                    return
                gone.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    if await gone:
                        raise AssertionError("requests must not be pipelined")
                await work
        except (asyncio.IncompleteReadError, ConnectionResetError):
            pass
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def open_upstream() -> AsyncIterator[Upstream]:
    """A server on a free port of loopback."""
    upstream = Upstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        await server.wait_closed()
