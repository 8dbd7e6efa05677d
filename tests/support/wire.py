"""A uvicorn server inside the test's own event loop, and a bare client that sees every byte."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import httptools
import uvicorn


async def echo_app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers with what it got, as JSON."""
    assert scope["type"] == "http"
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        if not message["more_body"]:
            break
    answer = json.dumps({"app": scope["path"], "method": scope["method"], "body": body.decode("latin-1")}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]})
    await send({"type": "http.response.body", "body": answer})


class Answer(NamedTuple):
    """One parsed answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """One connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._answers: list[Answer] = []
        self._status_lines: list[int] = []
        self._headers: dict[str, str] = {}
        self._body = b""
        self._parser = httptools.HttpResponseParser(self)

    def on_message_begin(self) -> None:
        self._headers, self._body = {}, b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._answers.append(Answer(self._parser.get_status_code(), self._headers, self._body))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> Answer:
        """The next whole answer (bodies framed by length or chunks)."""
        while not self._answers:
            data = await self.reader.read(65536)
            if not data:
                raise ConnectionError("the server closed")
            self._parser.feed_data(data)
        return self._answers.pop(0)

    async def ask(self, data: bytes) -> Answer:
        await self.send(data)
        return await self.answer()

    async def rest(self) -> bytes:
        """Everything until the server closes; `ConnectionResetError` counts as closing."""
        data = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := await self.reader.read(65536):
                data += piece
        return data

    def close(self) -> None:
        self.writer.transport.abort()


class MemoryTransport(asyncio.Transport):
    """A connection without a socket: what is written stays in `written`, exactly as often as it was written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.written = bytearray()
        self.closed = False
        self.paused = False

    def write(self, data: Any) -> None:
        if not self.closed:
            self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Served:
    """A running server."""

    def __init__(self, server: uvicorn.Server, listening: socket.socket) -> None:
        self.server = server
        self.port: int = listening.getsockname()[1]
        self._listening = listening
        self._clients: list[Client] = []

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self._clients.append(client)
        return client

    async def stop(self) -> None:
        """End gracefully, as after SIGTERM."""
        await self.server.shutdown(sockets=[self._listening])

    async def _close(self) -> None:
        for client in self._clients:
            client.close()
        for server in self.server.servers:
            server.close()
        state = self.server.server_state
        async with asyncio.timeout(5):
            while state.connections or state.tasks:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def serve(protocol: type[asyncio.Protocol], app: Any = echo_app, keep_alive: float = 20) -> AsyncIterator[Served]:
    """Serve on a free port of loopback. At the end no task and no connection may be left."""
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=keep_alive,  # type: ignore[arg-type]
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    listening = socket.create_server(("127.0.0.1", 0))
    await server.startup(sockets=[listening])
    await server.on_tick(0)
    served = Served(server, listening)
    try:
        yield served
    finally:
        await served._close()
