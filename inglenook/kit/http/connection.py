"""One connection of the pool and the answer it is receiving."""

import asyncio
import socket
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Self

import httptools
from msgspec import Struct

from inglenook.kit.errors import InglenookError, UpstreamFailed, UpstreamTimeout
from inglenook.kit.http.cork import Cork

_HEAD_LIMIT = 128 * 1024  # bytes of an answer's head, and of anything else between two pieces of its body
_FIELD_LIMIT = 500
_FRAMING = (b"content-length", b"transfer-encoding")
_HIGH_WATER = 256 * 1024  # unread bytes of a body at which we stop reading the socket


class Timeouts(Struct, frozen=True, kw_only=True):
    """How long to wait for the other side, in seconds.

    Attributes:
        connect: Until the connection stands, name resolution and TLS included.
        first_byte: From the request to the first byte of the answer.
        idle: Between two pieces of the answer.
        total: From the request to the answer's end; 0 for no limit.
        keep: That an unused connection is kept.
    """

    connect: float = 10.0
    first_byte: float = 300.0
    idle: float = 120.0
    total: float = 0.0
    keep: float = 30.0


class Response:
    """An answer whose head has arrived. Read it whole, iterate over it, or close it.

    Attributes:
        headers: In the order they came, names in lower case.
    """

    __slots__ = ("_chunks", "_connection", "_done", "_error", "_size", "_waiter", "headers", "status")

    def __init__(self, connection: "Connection") -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._connection = connection
        self._chunks: list[bytes] = []
        self._size = 0
        self._done = False
        self._error: InglenookError | None = None
        self._waiter: asyncio.Future[None] | None = None

    def header(self, name: bytes, default: bytes = b"") -> bytes:
        """The first header of that (lower-case) name."""
        for known, value in self.headers:
            if known == name:
                return value
        return default

    async def read(self, limit: int = 64 * 1024 * 1024) -> bytes:
        """The whole body.

        Raises:
            UpstreamFailed: it is longer than `limit` bytes, or broke off.
            UpstreamTimeout: it was too slow.
        """
        if not self._done:
            parts: list[bytes] = []
            size = 0
            async for part in self:
                parts.append(part)
                size += len(part)
                if size > limit:
                    self.close()
                    raise UpstreamFailed(f"{self._connection.name} answered with more than {limit} bytes")
            return b"".join(parts)
        data = self._take()
        if self._error is not None:
            raise self._error
        return data

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """All that has arrived since the last piece; raises as `read` does when the body breaks off."""
        while not self._chunks:
            if self._error is not None:
                raise self._error
            if self._done:
                raise StopAsyncIteration
            try:
                await self._news()
            except asyncio.CancelledError:
                self.close()
                raise
        return self._take()

    def close(self) -> None:
        """Done with it; an answer that is not whole yet is broken off, so that the other side stops."""
        if not self._done:
            self._fail(UpstreamFailed("the answer was closed before its end"))
            self._connection.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------------------------------- by the connection

    async def head(self) -> None:
        """Wait for status and headers; used by the pool before it hands the response out."""
        while not self.status:
            if self._error is not None:
                raise self._error
            try:
                await self._news()
            except asyncio.CancelledError:
                self.close()
                raise

    def _news(self) -> asyncio.Future[None]:
        """Done when something has arrived. Whoever is cancelled waiting for it closes the response."""
        self._waiter = waiter = self._connection.loop.create_future()
        return waiter

    def _take(self) -> bytes:
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        if self._size > _HIGH_WATER and not self._done:
            self._connection.resume()
        self._size = 0
        return data

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def _fail(self, error: InglenookError) -> None:
        if not self._done:
            self._done = True
            self._error = error
            self._wake()


class Connection(asyncio.Protocol):
    """A connection to one origin; carries one request at a time.

    Args:
        key: What the pool keeps it under: the origin, and whether the address was trusted.
        name: The host, for messages.
        release: Called when an answer is whole and the connection may carry another request.
        lost: Called once when it is gone.
    """

    def __init__(
        self,
        key: tuple[str, bool],
        name: str,
        release: Callable[["Connection"], None],
        lost: Callable[["Connection"], None],
    ) -> None:
        self.key = key
        self.name = name
        self.closed = False
        self.used = False
        self._release = release
        self._lost = lost
        self.loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._response: Response | None = None
        self._timeouts = Timeouts()
        self._heard = False
        self._head_size = 0
        self._headless = False  # the answer to HEAD: its length is not followed by a body
        self._until_close = False
        self._paused = False
        self._total_at = 0.0
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._sent = 0
        self._acknowledged = 0  # what the other side's system had confirmed of earlier requests

    # ---------------------------------------------------------------------------------------- for the pool

    def send(self, data: bytes, body: bytes | None, timeouts: Timeouts, *, is_head: bool) -> Response:
        """Write a request; the response it returns has no head yet (`Response.head`)."""
        self._response = response = Response(self)
        self._timeouts = timeouts
        self._heard = False
        self._head_size = 0
        self._headless = is_head
        self._until_close = False
        if self.used:
            self._acknowledged = self._sent + 1 if not self._secure else _acknowledged(self._transport)
        self._sent += len(data)
        self._transport.write(data)
        if body:
            self._sent += len(body)
            self._transport.write(body)
        now = self.loop.time()
        self._total_at = now + timeouts.total if timeouts.total else 0.0
        self._expect_by(now + timeouts.first_byte)
        return response

    @property
    def replayable(self) -> bool:
        """Whether the request that failed was certainly not begun: the connection had been given up already.

        That is so when it had served before, nothing came back, and the other side's system confirmed not a byte
        of this request (TCP acknowledgements reach a socket until it is closed).
        """
        return self.used and not self._heard and 0 <= self._confirmed <= self._acknowledged

    @property
    def unheard(self) -> bool:
        """Whether it had served before and died without a byte in answer to this request."""
        return self.used and not self._heard

    def abort(self) -> None:
        """Break it off."""
        self.closed = True
        self._transport.abort()

    def resume(self) -> None:
        """The reader has caught up."""
        if self._paused and not self.closed:
            self._paused = False
            self._transport.resume_reading()
            self._expect_by(self.loop.time() + self._timeouts.idle)

    # ------------------------------------------------------------------------------------ asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = Cork(transport, self.loop)  # type: ignore[arg-type]
        self._secure = transport.get_extra_info("sslcontext") is not None
        self._confirmed = -1

    def data_received(self, data: bytes) -> None:
        response = self._response
        if response is None:  # nobody asked: a notice before closing, or an attack
            self.abort()
            return
        self._heard = True
        size = response._size
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserUpgrade, httptools.HttpParserError):
            self._fail(UpstreamFailed(f"{self.name} does not answer in HTTP"))
            return
        if self._response is response:
            if response._size != size:
                self._head_size = 0
            else:
                self._head_size += len(data)
                if self._head_size > _HEAD_LIMIT:
                    self._fail(UpstreamFailed(f"{self.name} answered with more than {_HEAD_LIMIT} bytes of headers"))
                    return
            if response._size > _HIGH_WATER and not self._paused:
                self._paused = True
                self._transport.pause_reading()
                self._deadline = self._total_at
            else:
                self._expect_by(self.loop.time() + self._timeouts.idle)
        response._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._confirmed = _acknowledged(self._transport)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        response, self._response = self._response, None
        if response is not None:
            if self._until_close and exc is None:
                response._done = True
                response._wake()
            elif not response.status:
                response._fail(UpstreamFailed(f"{self.name} closed the connection without an answer"))
            else:
                response._fail(UpstreamFailed(f"{self.name} broke the connection in the middle of its answer"))
        self._lost(self)

    # ------------------------------------------------------------------------------------- parser's callbacks

    def on_message_begin(self) -> None:
        if self._response is None:
            raise ValueError("an answer nobody asked for")
        self._response.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        response = self._response
        if response is None or response.status:
            return  # a trailer
        response.headers.append((name.lower(), value))
        if len(response.headers) > _FIELD_LIMIT:
            raise ValueError("too many headers")

    def on_headers_complete(self) -> None:
        response = self._response
        status = self._parser.get_status_code()
        if status < 100:
            raise ValueError("no status")
        if response is None or status < 200:
            return
        response.status = status
        self._until_close = not (
            self._headless or status in (204, 304) or any(name in _FRAMING for name, _ in response.headers)
        )
        if self._headless:
            self._complete(response, keep=False)

    def on_body(self, body: bytes) -> None:
        response = self._response
        if response is not None:
            response._chunks.append(body)
            response._size += len(body)

    def on_message_complete(self) -> None:
        response = self._response
        if response is not None and response.status:  # else it was a 1xx
            self._complete(response, keep=self._parser.should_keep_alive())

    # --------------------------------------------------------------------------------------------- inside

    def _complete(self, response: Response, *, keep: bool) -> None:
        response._done = True
        response._wake()
        self._response = None
        self.used = True
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        if keep and not self.closed:
            self._expect_by(self.loop.time() + self._timeouts.keep)
            self._release(self)
        else:
            self.closed = True
            self._transport.close()

    def _fail(self, error: InglenookError) -> None:
        response, self._response = self._response, None
        self.abort()
        if response is not None:
            response._fail(error)

    def _expect_by(self, when: float) -> None:
        """Set the deadline; the timer itself is moved lazily."""
        if self._total_at and self._response is not None:
            when = min(when, self._total_at)
        self._deadline = when
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = self.loop.call_at(when, self._too_late)

    def _too_late(self) -> None:
        self._timer = None
        if self.closed or not self._deadline:
            return
        now = self.loop.time()
        if now < self._deadline - 0.001:
            self._timer = self.loop.call_at(self._deadline, self._too_late)
        elif self._response is None:
            self.closed = True
            self._transport.close()
        elif self._total_at and now >= self._total_at - 0.001:
            self._fail(UpstreamTimeout(f"{self.name} did not finish its answer in {self._timeouts.total:g} s"))
        elif not self._heard:
            self._fail(UpstreamTimeout(f"{self.name} did not begin to answer in {self._timeouts.first_byte:g} s"))
        else:
            self._fail(UpstreamTimeout(f"{self.name} fell silent for {self._timeouts.idle:g} s in its answer"))


def _acknowledged(transport: asyncio.Transport) -> int:
    """Bytes the other side's system has confirmed over this connection's life; -1 where the system cannot say."""
    sock = transport.get_extra_info("socket")
    option = getattr(socket, "TCP_INFO", None)
    if sock is None or option is None:
        return -1
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, option, 128)
    except OSError:
        return -1
    return int.from_bytes(info[120:128], sys.byteorder) if len(info) == 128 else -1
