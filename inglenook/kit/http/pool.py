"""A pooled HTTP/1.1 client for the hot path: asyncio and httptools, nothing between.

    url = Url.parse("https://api.example.com/v1/chat/completions")     once
    async with await pool.request("POST", url, headers, body) as response:
        async for chunk in response: ...                               or: await response.read()

Leaving early breaks the connection, so that the other side stops working. Not covered: redirects (they are answers
like others), compression, cookies, proxies from the environment, HTTP/2.
"""

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from msgspec import Struct

from inglenook.kit.errors import BadInput, Unavailable, UpstreamFailed, UpstreamTimeout
from inglenook.kit.http.connection import Connection, Response, Timeouts
from inglenook.kit.http.guard import AddressGuard

Headers = Sequence[tuple[bytes, bytes]]

__all__ = ["Headers", "HttpPool", "Response", "Timeouts", "Url", "render_headers"]

_JOIN_BELOW = 64 * 1024  # bytes of body copied behind the head rather than written apart
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Url(Struct, frozen=True, kw_only=True):
    """A parsed URL; make it once, use it for many requests.

    Attributes:
        target: Path and query, as the request line spells them.
        origin: `scheme://host:port`, what connections are pooled by.
        lead: What follows the method in every request: target, version and `host`.
    """

    scheme: str
    host: str
    port: int
    target: str
    origin: str
    lead: bytes

    @classmethod
    def parse(cls, text: str) -> "Url":
        """Parse an absolute `http` or `https` URL.

        Raises:
            BadInput: it is something else, names a user, or has characters a URL cannot have.
        """
        try:
            parts = urlsplit(text)
            port = parts.port or (443 if parts.scheme == "https" else 80)
            host = (parts.hostname or "").encode("idna" if not (parts.hostname or "").isascii() else "ascii").decode()
        except (ValueError, UnicodeError):
            raise BadInput(f"{text!r} is not a URL") from None
        if parts.scheme not in ("http", "https") or not host:
            raise BadInput(f"{text!r} is not an http:// or https:// URL")
        if parts.username is not None:
            raise BadInput("a URL must not carry a user name or password; give the key in its own field")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not target.isascii() or any(character <= " " or character == "\x7f" for character in target + host):
            raise BadInput(f"{text!r} has characters that must be percent-encoded")
        shown = f"[{host}]" if ":" in host else host
        named = shown if parts.port is None else f"{shown}:{port}"
        return cls(
            scheme=parts.scheme,
            host=host,
            port=port,
            target=target,
            origin=f"{parts.scheme}://{shown}:{port}",
            lead=f" {target} HTTP/1.1\r\nhost: {named}\r\n".encode(),
        )


def render_headers(headers: Headers) -> bytes:
    """Header lines as `HttpPool.request` sends them; render those that never change once.

    Raises:
        BadInput: a name or value could begin another line.
    """
    for name, value in headers:
        if any(character in text for text in (name, value) for character in (b"\r", b"\n", b"\0")) or b":" in name:
            raise BadInput(f"header {name!r} has characters a header cannot have")
    return b"".join(b"%b: %b\r\n" % header for header in headers)


class HttpPool:
    """Keeps connections and lends them out, the one used last first.

    Args:
        allow_private: Private hosts, addresses and networks requests may reach without `trusted`
            (`Settings.allow_private`).
        max_connections: Open connections to one origin; more requests get `Unavailable`.
        max_idle: Idle ones kept for one origin.
    """

    def __init__(
        self,
        *,
        allow_private: Iterable[str] = (),
        guard: AddressGuard | None = None,
        timeouts: Timeouts | None = None,
        max_connections: int = 4096,
        max_idle: int = 256,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._guard = guard or AddressGuard(allow_private)
        self._timeouts = timeouts or Timeouts()
        self._max_connections = max_connections
        self._max_idle = max_idle
        self._tls = tls
        self._idle: dict[tuple[str, bool], list[Connection]] = {}
        self._open: dict[str, int] = {}
        self._all: set[Connection] = set()
        self._closed = False

    async def request(
        self,
        method: str,
        url: Url,
        headers: Headers | bytes = (),
        body: bytes | None = None,
        *,
        timeouts: Timeouts | None = None,
        trusted: bool = False,
    ) -> Response:
        """Send a request and wait for the head of its answer, whatever its status.

        A kept connection that turns out dead is replaced once, if the request cannot have been begun.

        Args:
            headers: Without `host` and `content-length`; bytes as `render_headers` gives them.
            trusted: The administrator named this host, or it is a child of ours: private addresses are fine.

        Raises:
            AddressRefused: the host is private.
            UpstreamTimeout, UpstreamFailed: it could not be reached, was too slow, broke off or spoke no HTTP.
            Unavailable: too many connections to it are open.
        """
        timeouts = timeouts or self._timeouts
        lines = headers if isinstance(headers, bytes) else render_headers(headers)
        if body is None:
            data = b"%b%b%b\r\n" % (method.encode(), url.lead, lines)
        else:
            data = b"%b%b%bcontent-length: %d\r\n\r\n" % (method.encode(), url.lead, lines, len(body))
            if len(body) < _JOIN_BELOW:
                data, body = data + body, None
        is_head = method == "HEAD"
        connection = self._kept(url.origin, trusted)
        if connection is not None:
            response = connection.send(data, body, timeouts, is_head=is_head)
            try:
                await response.head()
            except UpstreamFailed:
                if not (connection.replayable or (connection.unheard and method in _SAFE)):
                    raise
            else:
                return response
        connection = await self._connect(url, timeouts, trusted)
        response = connection.send(data, body, timeouts, is_head=is_head)
        await response.head()
        return response

    async def close(self) -> None:
        """Break all connections off."""
        self._closed = True
        for connection in list(self._all):
            connection.abort()

    # --------------------------------------------------------------------------------------------- inside

    def _kept(self, origin: str, trusted: bool) -> Connection | None:
        idle = self._idle.get((origin, trusted))
        while idle:
            connection = idle.pop()
            if not connection.closed:
                return connection
        return None

    async def _connect(self, url: Url, timeouts: Timeouts, trusted: bool) -> Connection:
        if self._closed:
            raise Unavailable("the server is shutting down")
        count = self._open.get(url.origin, 0)
        if count >= self._max_connections:
            raise Unavailable(f"{count} connections to {url.host} are open already", retry_after=1)
        self._open[url.origin] = count + 1
        try:
            async with asyncio.timeout(timeouts.connect):
                tls = await self._context() if url.scheme == "https" else None
                addresses = await self._guard.addresses(url.host, url.port, trusted=trusted)
                return await self._first(url, addresses, tls, trusted)
        except TimeoutError:
            self._forget(url.origin)
            raise UpstreamTimeout(
                f"cannot connect to {url.host}:{url.port}: no answer in {timeouts.connect:g} s"
            ) from None
        except BaseException:
            self._forget(url.origin)
            raise

    async def _first(self, url: Url, addresses: list[str], tls: ssl.SSLContext | None, trusted: bool) -> Connection:
        """Connect to the first address that answers. The count of open connections passes to the connection."""
        loop = asyncio.get_running_loop()
        reason, cause = "", "unreachable"
        for address in addresses:
            try:
                _, connection = await loop.create_connection(
                    lambda: Connection((url.origin, trusted), url.host, self._release, self._lost),
                    address,
                    url.port,
                    ssl=tls,
                    server_hostname=url.host if tls else None,
                )
            except ssl.SSLCertVerificationError as error:
                reason, cause = f"its certificate is not valid: {error.verify_message}", "tls"
            except ssl.SSLError as error:
                reason, cause = f"TLS failed: {error.reason or error}", "tls"
            except OSError as error:
                reason = error.strerror or str(error)
            else:
                self._all.add(connection)
                return connection
        raise UpstreamFailed(
            f"cannot connect to {url.host}:{url.port}: {reason}", details={"host": url.host, "cause": cause}
        )

    async def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            # Reading the system's certificates takes tens of milliseconds.
            context = await asyncio.to_thread(ssl.create_default_context)
            context.set_alpn_protocols(["http/1.1"])
            self._tls = context
        return self._tls

    def _release(self, connection: Connection) -> None:
        idle = self._idle.setdefault(connection.key, [])
        if self._closed or len(idle) >= self._max_idle:
            connection.abort()
        else:
            idle.append(connection)

    def _lost(self, connection: Connection) -> None:
        if connection not in self._all:
            return  # never stood: its opener counts
        self._all.discard(connection)
        self._forget(connection.key[0])
        idle = self._idle.get(connection.key)
        if idle is not None and connection in idle:
            idle.remove(connection)

    def _forget(self, origin: str) -> None:
        left = self._open.get(origin, 0) - 1
        if left > 0:
            self._open[origin] = left
        else:
            self._open.pop(origin, None)
