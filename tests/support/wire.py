"""A uvicorn server inside the test's own event loop, and a bare client that sees every byte."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
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


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


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


class Served:
    """A running server."""

    def __init__(self, server: uvicorn.Server, port: int, running: asyncio.Task[None]) -> None:
        self.server = server
        self.port = port
        self.running = running
        self._clients: list[Client] = []

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self._clients.append(client)
        return client

    async def stop(self) -> None:
        """Ask for a graceful end, as SIGTERM does."""
        self.server.should_exit = True
        await self.running


@contextlib.asynccontextmanager
async def serve(protocol: type[asyncio.Protocol], app: Any = echo_app, keep_alive: float = 20) -> AsyncIterator[Served]:
    """Serve on a free port of loopback."""
    listening = socket.create_server(("127.0.0.1", 0))
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
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    served = Served(server, listening.getsockname()[1], running)
    try:
        yield served
    finally:
        for client in served._clients:
            client.close()
        await served.stop()
        assert not server.server_state.tasks, "a task was left behind"
        assert not server.server_state.connections, "a connection was left behind"
