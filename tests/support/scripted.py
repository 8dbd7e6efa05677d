"""A scripted server on loopback that says exactly the bytes a test wants."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from typing import Self

from inglenook.kit.http.pool import Url

Script = Callable[["Talk"], Awaitable[None]]


class Talk:
    """One connection, seen from the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.head = b""
        self.body = b""

    async def request(self) -> bytes:
        """Read one whole request (framed by content-length) and return its head; empty at the end."""
        try:
            self.head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return b""
        length = 0
        for line in self.head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        self.body = await self.reader.readexactly(length)
        return self.head

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def gone(self) -> None:
        """Wait until the client closes."""
        with contextlib.suppress(ConnectionResetError):
            await self.reader.read()

    def reset(self) -> None:
        """Close without a goodbye."""
        self.writer.transport.abort()


class Upstream:
    """Runs a script for each connection; `connections` counts them."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self.errors: list[BaseException] = []
        self._tls = tls
        self._scripts: list[Script] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def then(self, *scripts: Script) -> None:
        """What the next connections do, one script each; the last one also does all after it."""
        self._scripts = list(scripts)

    def url(self, target: str = "/") -> Url:
        return Url.parse(f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}{target}")

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.errors:
            raise self.errors[0]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        try:
            await script(Talk(reader, writer))
        except asyncio.CancelledError:
            pass
        except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            pass
        except BaseException as error:  # noqa: BLE001 - shown by `__aexit__`
            self.errors.append(error)
        finally:
            self._tasks.discard(task)
            writer.close()


def answer(body: bytes, *lines: str) -> bytes:
    """A whole 200."""
    more = "".join(f"{line}\r\n" for line in lines).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%b\r\n%b" % (len(body), more, body)


async def hello(talk: Talk) -> None:
    """Answers every request with its own body."""
    while await talk.request():
        await talk.say(answer(b"hello " + talk.body))
