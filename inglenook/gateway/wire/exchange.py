"""One request on the wire and its answer.

To uvicorn's protocol an exchange looks like one of its own request-response cycles (`response_complete`,
`disconnected`, `keep_alive`, `message_event`), so that both kinds share one connection and are answered in order.
"""

import asyncio
import logging
from http import HTTPStatus
from typing import Any, Protocol

from inglenook.gateway.wire.routes import Headers, RenderError, WireRequest, WireRoute
from inglenook.kit.errors import InglenookError, Unauthenticated, Unavailable
from inglenook.kit.logging import event

log = logging.getLogger(__name__)

_STATUS = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus if status >= 200
}
_BODILESS = frozenset({204, 304})
_types: dict[str, bytes] = {}


class Line(Protocol):
    """The connection an exchange answers on (`wire.protocol`)."""

    transport: Any
    loop: asyncio.AbstractEventLoop
    tasks: set[asyncio.Task[None]]

    @property
    def write_paused(self) -> bool:
        """Whether the client reads slower than we write."""
        ...

    def common_headers(self) -> bytes:
        """Header lines of every answer, such as `date`."""
        ...

    async def drain(self) -> None:
        """Wait until the client took what was written."""
        ...

    def reset(self) -> None:
        """Break the connection at once, so that the client cannot take it for an end."""
        ...

    def hang_up(self) -> None:
        """Close once what was written is with the client."""
        ...

    def answered(self, exchange: "Exchange") -> None:
        """The exchange is complete; the next one may be answered."""
        ...


class _Silent:
    """Stands where uvicorn wakes a waiting ASGI `receive`."""

    def set(self) -> None: ...


class Exchange:
    """A request in the making, then its handler's task, then its answer. Implements `routes.WireResponse`."""

    __slots__ = (
        "_chunked",
        "_head",
        "_line",
        "aborted",
        "body",
        "disconnected",
        "expects",
        "is_head",
        "keep_alive",
        "length",
        "old",
        "origin",
        "ready",
        "refusal",
        "render",
        "request",
        "response_complete",
        "route",
        "started",
        "task",
        "turn",
    )

    #: Shared: nobody waits on it.
    message_event = _Silent()

    def __init__(self, line: Line, *, keep_alive: bool, is_head: bool, old: bool, render: RenderError) -> None:
        self._line = line
        self._head: bytes | None = None
        self._chunked = False
        self.is_head = is_head
        self.old = old  # HTTP/1.0: knows neither chunks nor our keep-alive
        self.keep_alive = keep_alive
        self.origin = b""  # header lines for the page that asked (`wire.origins`)
        self.render = render
        self.route: WireRoute | None = None
        self.request: WireRequest | None = None
        self.refusal: InglenookError | None = None
        self.body: bytes | bytearray = b""
        self.length = 0
        self.expects = False
        self.ready = False
        self.turn = False
        self.started = False
        self.response_complete = False
        self.disconnected = False
        self.aborted = False
        self.task: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------------------------- life, by the protocol

    def advance(self) -> None:
        """Start the answer, if it is this exchange's turn and the request is whole or refused."""
        if not self.turn or self.task is not None or self.response_complete:
            return
        if self.refusal is not None:
            self.fail(self.refusal)
        elif self.ready:
            self.task = task = self._line.loop.create_task(self._run())
            self._line.tasks.add(task)
        elif self.expects:
            self.expects = False
            self._line.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def drop(self) -> None:
        """The client went away."""
        self.disconnected = True
        if self.task is not None and not self.task.done() and (self.aborted or not self.response_complete):
            self.task.add_done_callback(self._line.tasks.discard)
            self.task.cancel()

    async def _run(self) -> None:
        assert self.route is not None
        assert self.request is not None
        try:
            await self.route.handler(self.request, self)
            if not self.response_complete and not self.disconnected:
                raise RuntimeError("the handler returned without completing its answer")
        except asyncio.CancelledError:
            # By the client's leaving nothing is left to say; by the server's shutdown there is.
            self._break(Unavailable("the server is shutting down"))
            raise
        except InglenookError as error:
            self._break(error)
        except Exception as error:
            log.exception("%s %s failed", self.request.method, self.route.path, exc_info=error)
            self._break(InglenookError())
        finally:
            self._line.tasks.discard(self.task)
            self.request = None  # an idle connection remembers its last exchange, and need not hold the body

    def _break(self, error: InglenookError) -> None:
        if self.response_complete or self.disconnected:
            return
        if self.started:
            event(log, logging.INFO, "stream broken", path=self.route.path if self.route else "", code=error.code)
            if self._chunked:
                # The last chunk is missing: the client knows. What was written, an error event perhaps, arrives.
                self.response_complete = True
                self._line.hang_up()
            else:
                self.abort()
        else:
            self.fail(error)

    def fail(self, error: InglenookError, body: bytes | None = None, more: Headers = ()) -> None:
        """See `WireResponse.fail`."""
        headers: list[tuple[bytes, bytes]] = [*more]
        if error.retry_after is not None:
            headers.append((b"retry-after", b"%d" % max(1, round(error.retry_after))))
        if isinstance(error, Unauthenticated):
            headers.append((b"www-authenticate", b"Bearer"))
        if allow := error.details.get("allow"):
            headers.append((b"allow", allow.encode()))
        self.send(error.status, self.render(error) if body is None else body, headers=headers)

    # ------------------------------------------------------------------------------------------- answering

    def send(self, status: int, body: bytes, content_type: str = "application/json", headers: Headers = ()) -> None:
        """See `WireResponse.send`."""
        head = self._begin(status, content_type, headers)
        if not self.disconnected:
            if status in _BODILESS:
                self._line.transport.write(b"%b\r\n" % head)
            elif self.is_head:
                self._line.transport.write(b"%bcontent-length: %d\r\n\r\n" % (head, len(body)))
            else:
                self._line.transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))
        self._complete()

    def start(self, status: int, content_type: str, headers: Headers = ()) -> None:
        """See `WireResponse.start`."""
        head = self._begin(status, content_type, headers)
        self._chunked = not (self.old or self.is_head or status in _BODILESS)
        self._head = head + (b"transfer-encoding: chunked\r\n\r\n" if self._chunked else b"\r\n")

    async def write(self, data: bytes) -> None:
        """See `WireResponse.write`."""
        line = self._line
        if self.response_complete or not self.started:
            raise RuntimeError("write belongs between start and end")
        if self.disconnected:
            return
        if self._chunked and data:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        elif self.is_head:
            data = b""
        if self._head is not None:
            data, self._head = self._head + data, None
            line.transport.write(data)
            line.transport.flush()  # the first word is what people wait for
        elif data:
            line.transport.write(data)
            if line.write_paused:
                await line.drain()

    def end(self) -> None:
        """See `WireResponse.end`."""
        if self.response_complete or not self.started:
            raise RuntimeError("end belongs after start, once")
        data = (self._head or b"") + (b"0\r\n\r\n" if self._chunked else b"")
        if data and not self.disconnected:
            self._line.transport.write(data)
        self._complete()

    def abort(self) -> None:
        """See `WireResponse.abort`."""
        self.response_complete = self.aborted = True
        self._line.reset()

    def _begin(self, status: int, content_type: str, headers: Headers) -> bytes:
        if self.started:
            raise RuntimeError("the answer was already begun")
        self.started = True
        head = _status_line(status) + self._line.common_headers() + _type_line(content_type)
        if headers:
            head += _lines(headers)
        if self.origin:
            head += self.origin
        return head if self.keep_alive else head + b"connection: close\r\n"

    def _complete(self) -> None:
        self.response_complete = True
        self._line.answered(self)


def _status_line(status: int) -> bytes:
    return _STATUS.get(status) or b"HTTP/1.1 %d \r\n" % status


def _type_line(content_type: str) -> bytes:
    line = _types.get(content_type)
    if line is None:
        line = _lines([(b"content-type", content_type.encode("latin-1"))]) if content_type else b""
        if len(_types) < 256:
            _types[content_type] = line
    return line


def _lines(headers: Headers) -> bytes:
    """Header lines.

    Raises:
        ValueError: a name or value could begin another line.
    """
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    # (`in` would try the bytes as a number first, which costs more than all the rest.)
    if lines.count(b"\r") != len(headers) or lines.count(b"\n") != len(headers) or lines.find(b"\0") >= 0:
        raise ValueError(f"line break in headers {headers!r}")
    return lines
