"""The data plane's front door: uvicorn's HTTP protocol with the inference routes taken out before the framework.

Requests that name a route of the `WireTable` are answered here, by one task each; all others go to the ASGI app, on
the same port and the same connection, in order. Also guards every request, whoever answers it: a deadline and a
size for its head, a `Host` header that is ours, framing that cannot be read in two ways (llhttp, strict).

It leans on internals of uvicorn 0.54 (`tests/gateway/wire/test_uvicorn.py` names them all): `cycle` is the newest
exchange, `pipeline` holds those whose turn has not come, `_start_asgi_task` starts one of them.
"""

import asyncio
import logging
import socket
import struct
from contextlib import suppress
from typing import Any, NoReturn

import httptools
from msgspec import Struct
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from inglenook.gateway.wire.errors import HeadTooLarge, HostRefused, MethodNotAllowed, Refused, TooSlow
from inglenook.gateway.wire.exchange import Exchange
from inglenook.gateway.wire.head import flaw, flaw_on_wire, without_upgrade
from inglenook.gateway.wire.origins import lines_for, preflight
from inglenook.gateway.wire.routes import Match, WireRequest, WireTable
from inglenook.kit.errors import InglenookError, TooLarge
from inglenook.kit.http.cork import Cork

log = logging.getLogger(__name__)

_SLICE = 16 * 1024  # bytes parsed between two looks at how deep the pipeline is
_LINGER = 2.0  # seconds a refused client gets to read why before the connection closes
_KNOWN_VERDICTS = 1024


class Limits(Struct, frozen=True, kw_only=True):
    """What one connection may take. Sizes in bytes, times in seconds.

    Attributes:
        head: Size of a request's head (line and fields), and of anything else that is not body.
        fields: Number of header fields.
        pipeline: Requests that may wait on one connection; more are left in the socket.
        head_timeout: From a head's first byte, or the connection's start, to its last.
        body_timeout: Between two pieces of a body.
        write_timeout: That a client may take nothing of an answer that waits for it.
    """

    head: int = 32 * 1024
    fields: int = 100
    pipeline: int = 16
    head_timeout: float = 10.0
    body_timeout: float = 30.0
    write_timeout: float = 120.0


class _Stop(Exception):
    """Leaves the parser's callbacks: the request was refused, parse no further."""


class WireProtocol(HttpToolsProtocol):
    """One connection. Made by uvicorn through the class that `wire_protocol` returns."""

    table: WireTable
    limits: Limits
    _verdicts: dict[bytes, bool]
    _common: tuple[Any, bytes]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(Cork(transport, self.loop))
        self._where = "idle"  # in a message: "head", "body"
        self._wire: Exchange | None = None  # the request being read, if it is one of ours
        self._turn: Any = None  # the exchange or cycle being answered
        self._deaf = False  # what still comes is thrown away
        self._silent = 0  # bytes parsed since the last that led to something; at least those of an unfinished head
        self._at_most = 0  # bytes that the head being read can have
        self._stash = b""  # received, not parsed: the pipeline is full
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._expect_within(self.limits.head_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        self._deaf = True
        self._stash = b""
        self.pipeline.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if isinstance(self._turn, Exchange):
            self._turn.drop()
        elif self._turn is not None and not self._turn.response_complete:
            self._turn.disconnected = True
            self._turn.message_event.set()
        super().connection_lost(exc)
        self._turn = self._wire = None

    # -------------------------------------------------------------------------------------------- bytes in

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._stash:
            self._stash += data
        elif len(data) <= _SLICE and len(self.pipeline) < self.limits.pipeline:
            self._parse(data)
        else:
            self._parse_in_slices(data)

    def _parse_in_slices(self, data: bytes) -> None:
        """Parse until the pipeline is full; the rest waits, and the client with it."""
        for at in range(0, len(data), _SLICE):
            if len(self.pipeline) >= self.limits.pipeline:
                self._stash = data[at:]
                self.flow.pause_reading()
                return
            self._parse(data[at : at + _SLICE])
            if self._deaf:
                return

    def _parse(self, data: bytes) -> None:
        while data and not self._deaf:
            data = self._feed(data)

    def _feed(self, data: bytes) -> bytes:
        """Parse `data`; returns what a declined upgrade left of it."""
        self._at_most = silent = self._silent + len(data)
        self._silent = 0
        self._heard = False
        left = -1
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            left = upgrade.args[0]
        except httptools.HttpParserError as error:
            if not self._deaf:
                cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else error
                if isinstance(cause, httptools.HttpParserError | UnicodeError):
                    self._refuse(Refused(f"invalid HTTP: {cause}"))
                else:
                    log.error("cannot take the request", exc_info=cause)
                    self._refuse(InglenookError())
            return b""
        if left >= 0:  # here, and not above: an error in it would be taken for the offer
            return self._upgrade(data[left:])
        if self._where == "head" or not self._heard:
            self._silent = len(data) if self._heard else silent
            if self._silent > self.limits.head + _SLICE:
                self._refuse(HeadTooLarge(f"more than {self.limits.head} bytes of header fields"))
                return b""
        if self._where == "body":
            self._expect_within(self.limits.body_timeout)
        elif self._where == "head" and not self._deadline:
            self._expect_within(self.limits.head_timeout)
        return b""

    def _upgrade(self, rest: bytes) -> bytes:
        """Hand a WebSocket to uvicorn; take any other offer to upgrade (`h2c`) as the plain request it is.

        llhttp stops at such a head and takes the body for the other protocol's. So the head is parsed again
        without the offer.
        """
        if self._should_upgrade():
            if self._timer is not None:
                self._timer.cancel()
            self.handle_websocket_upgrade()
            self._deaf = True
            return b""
        head = without_upgrade(self.parser.get_method(), self.url, self.parser.get_http_version(), self.headers)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._feed(head)
        return rest

    # ------------------------------------------------------------------------------------- parser's callbacks

    def on_message_begin(self) -> None:
        self._heard = True
        if self.cycle is not None and not self.cycle.keep_alive:
            self._deaf = True  # that answer is the connection's last: what follows is not ours to answer
            raise _Stop
        self._where = "head"
        self._wire = None
        self._deadline = 0.0
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._where == "body":
            return  # a trailer: it may not add to what the head said
        self.headers.append((name.lower(), value))
        if len(self.headers) > self.limits.fields:
            self._stop(HeadTooLarge(f"more than {self.limits.fields} header fields"))

    def on_headers_complete(self) -> None:
        self._heard = True
        parser = self.parser
        if parser.should_upgrade():
            if parser.get_method() == b"CONNECT":
                self._stop(MethodNotAllowed("this server is no proxy"))
            if not self._should_upgrade():
                return  # comes again from `_upgrade`
        fields = dict(self.headers)
        version = parser.get_http_version()
        if not self.url.startswith(b"/") or self.url.find(b"#") >= 0:
            self._origin_form()
        path, _, query = self.url.partition(b"?")
        match = self.table.find(path)
        if match is None:
            self._check_head(version, fields)
            self._to_app()
        else:
            self._open(match, version)
            self._check_head(version, fields)
            self._to_wire(match, query, fields)
        self._where = "body"

    def on_body(self, body: bytes) -> None:
        self._heard = True
        exchange = self._wire
        if exchange is None:
            if self.cycle is not None:
                super().on_body(body)
            return
        exchange.length += len(body)
        if exchange.length > self.table.body_limit:
            self._stop(TooLarge(f"the body is larger than {self.table.body_limit} bytes"))
        if not exchange.body:
            exchange.body = body
        elif isinstance(exchange.body, bytearray):
            exchange.body += body
        else:
            exchange.body = bytearray(exchange.body) + body
        if not exchange.turn and exchange.length > HIGH_WATER_LIMIT:
            self.flow.pause_reading()

    def on_message_complete(self) -> None:
        self._heard = True
        if self.parser.should_upgrade():
            if self._should_upgrade():
                super().on_message_complete()
            return
        self._where = "idle"
        self._deadline = 0.0
        exchange, self._wire = self._wire, None
        if exchange is None:
            super().on_message_complete()
            if self.cycle.response_complete:
                self._expect_within(self.timeout_keep_alive)
            return
        assert exchange.request is not None
        exchange.request.body = exchange.body if isinstance(exchange.body, bytes) else bytes(exchange.body)
        exchange.body = b""
        exchange.ready = True
        if exchange.turn:
            exchange.advance()

    # ----------------------------------------------------------------------------------------- one request

    def _check_head(self, version: str, fields: dict[bytes, bytes]) -> None:
        """Refuse what is wrong with any request, whoever would answer it."""
        if self._at_most > self.limits.head:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > self.limits.head:
                self._stop(HeadTooLarge(f"more than {self.limits.head} bytes of header fields"))
        error = flaw(version, self.headers, fields, self._verdict)
        if error is not None:
            self._stop(error)
        self.expect_100_continue = version == "1.1" and b"expect" in fields

    def _origin_form(self) -> None:
        """Bring `GET http://host/path` into the usual form, or refuse what has none."""
        if self.url.find(b"#") >= 0:
            self._stop(Refused("a request names no part of a page: `#` must be percent-encoded"))
        if self.url == b"*":
            self._stop(Refused("`*` names nothing here"))
        url = httptools.parse_url(self.url)
        if url.schema not in (b"http", b"https") or url.userinfo is not None or not self._verdict(url.host or b""):
            self._stop(HostRefused())
        self.url = (url.path or b"/") + (b"?" + url.query if url.query else b"")

    def _verdict(self, host: bytes) -> bool:
        verdict = self._verdicts.get(host)
        if verdict is None:
            verdict = self.table.local or self.table.hosts.host_allowed(host.decode("latin-1"))
            if len(self._verdicts) < _KNOWN_VERDICTS:
                self._verdicts[host] = verdict
        return verdict

    def _open(self, match: Match | None, version: str) -> Exchange:
        """Give the request its place in the order of answers."""
        resource = match.resource if match else None
        self._wire = exchange = Exchange(
            self,
            keep_alive=version == "1.1" and self.parser.should_keep_alive(),
            is_head=self.parser.get_method() == b"HEAD",
            old=version != "1.1",
            render=(resource.render_error if resource else None) or self.table.render_error,
        )
        before, self.cycle = self.cycle, exchange  # type: ignore[assignment]
        if before is None or before.response_complete:
            self._turn = exchange
            exchange.turn = True
        else:
            self.pipeline.appendleft((exchange, None))  # type: ignore[arg-type]
        return exchange

    def _to_wire(self, match: Match, query: bytes, fields: dict[bytes, bytes]) -> None:
        """The head is whole: is there a route, and may this request take it?"""
        exchange = self._wire
        assert exchange is not None
        method = self.parser.get_method()
        error = flaw_on_wire(method, match, fields, self.table)
        if error is not None:
            self._stop(error)
        if b"origin" in fields:
            exchange.origin = lines_for(fields[b"origin"])
        exchange.route = match.resource.methods.get(method) or preflight(match.resource.allow)
        fields.pop(b"cookie", None)
        exchange.request = WireRequest(
            method.decode("ascii"),
            match.path,
            raw_query=query,
            headers=fields,
            peer=self.client,
            params=match.params,
            local=self.table.local,
        )
        if self.expect_100_continue:
            exchange.expects = True
            exchange.advance()

    def _to_app(self) -> None:
        """Let uvicorn take over, with the state its own callbacks would have left."""
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers.extend(headers)
        super().on_headers_complete()
        if self.flow.read_paused and len(self.pipeline) < self.limits.pipeline:
            self.flow.resume_reading()  # while reading is paused nobody notices that a client has left

    # ------------------------------------------------------------------------------------------ refusing

    def _stop(self, error: InglenookError) -> NoReturn:
        """Refuse from within a callback of the parser."""
        self._refuse(error)
        raise _Stop

    def _refuse(self, error: InglenookError) -> None:
        """Answer with an error when the request's turn comes, take nothing more, and close."""
        self._deaf = True
        self._deadline = 0.0
        if self._where == "body" and self._wire is None and not self._take_back():
            self.transport.close()
            return
        exchange = self._wire or self._open(None, "1.1")
        exchange.keep_alive = False
        exchange.ready = False
        exchange.refusal = error
        exchange.advance()

    def _take_back(self) -> bool:
        """Take a request from the app that is still reading its body, if it has not begun to answer."""
        cycle = self.cycle
        cycle.disconnected = True
        cycle.message_event.set()
        if cycle.response_started:
            return False
        if cycle is self._turn:
            self.cycle = self._turn = None  # type: ignore[assignment]
        else:
            self.pipeline.popleft()
        return True

    # --------------------------------------------------------------------------------------- order and time

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._turn = cycle
        if isinstance(cycle, Exchange):
            cycle.turn = True
            cycle.advance()
        else:
            super()._start_asgi_task(cycle, app)

    def answered(self, exchange: Exchange) -> None:
        """An exchange of ours is complete."""
        if exchange.keep_alive:
            self.on_response_complete()
            return
        self.server_state.total_requests += 1
        self._turn = None
        if exchange.refusal is None or self.transport.is_closing():
            self.hang_up()
            return
        # Closing with unread bytes in the socket would reset the connection before the client has read the answer.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._where = "lingering"
        self._expect_within(_LINGER)

    def reset(self) -> None:
        """Break the connection at once: by a TCP reset, since to an HTTP/1.0 client closing is the end of a body."""
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def hang_up(self) -> None:
        """Close once what was written is with the client; not for ever."""
        self._deaf = True
        self._where = "lingering"
        self.transport.close()
        self._expect_within(self.limits.write_timeout)

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        self._turn = None
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._where == "idle":
            self._expect_within(self.timeout_keep_alive)
        if self._stash:
            self.loop.call_soon(self._parse_stash)
        else:
            self.flow.resume_reading()

    def _parse_stash(self) -> None:
        data, self._stash = self._stash, b""
        if data and not self._deaf:
            self.flow.resume_reading()
            self._parse_in_slices(data)

    def _expect_within(self, seconds: float) -> None:
        """Set the one deadline of the connection. The timer is moved lazily: most requests never touch it."""
        self._deadline = when = self.loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = self.loop.call_at(when, self._too_late)

    def _too_late(self) -> None:
        self._timer = None
        if not self._deadline:
            return
        if self.loop.time() < self._deadline - 0.001:
            self._timer = self.loop.call_at(self._deadline, self._too_late)
        elif self.transport.is_closing():
            self.transport.abort()
        elif self._where == "head":
            self._refuse(TooSlow(f"the request's head took longer than {self.limits.head_timeout:g} s"))
        elif self._where == "body":
            if self.flow.read_paused:
                self._expect_within(self.limits.body_timeout)  # we kept the client waiting
            else:
                self._refuse(TooSlow(f"nothing more of the body came for {self.limits.body_timeout:g} s"))
        else:
            self.transport.close()

    # -------------------------------------------------------------------------------------------- bytes out

    @property
    def write_paused(self) -> bool:
        """Whether the client reads slower than we write."""
        return self.flow.write_paused

    async def drain(self) -> None:
        """Wait for a slow reader; one that takes nothing at all loses its connection."""
        try:
            async with asyncio.timeout(self.limits.write_timeout):
                await self.flow.drain()
        except TimeoutError:
            self.transport.abort()

    def common_headers(self) -> bytes:
        """The header lines uvicorn gives every answer; it renews the list each second."""
        source, lines = self._common
        if source is not self.server_state.default_headers:
            source = self.server_state.default_headers
            lines = b"".join(b"%b: %b\r\n" % field for field in source)
            type(self)._common = (source, lines)
        return lines


def wire_protocol(table: WireTable, limits: Limits | None = None) -> type[WireProtocol]:
    """The protocol class that serves `table`, for `uvicorn.Config(http=...)`. One class for each server."""
    return type(
        "WireProtocol",
        (WireProtocol,),
        {"table": table, "limits": limits or Limits(), "_verdicts": {}, "_common": (None, b"")},
    )
