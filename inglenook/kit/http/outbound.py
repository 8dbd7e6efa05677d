"""The guarded client for everything that is not hot: downloads, tools, web hooks, whatever a URL was typed for.

Each connection, redirects included, goes through `kit.http.guard` and to the very address it judged. Sizes and times
are capped. Nothing is taken from the environment: no proxies (a proxy would resolve names past the guard), no
`.netrc`. httpx is loaded at first use, off the event loop.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from inglenook import __version__
from inglenook.kit.errors import BadInput, TooLarge, UpstreamFailed, UpstreamTimeout
from inglenook.kit.http.guard import AddressGuard

if TYPE_CHECKING:
    import httpx

_REDIRECTS = 10


class Fetched(Struct, kw_only=True):
    """A whole answer. `url` is where it came from after redirects; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes
    url: str


class Outbound:
    """The one client of a server.

    Args:
        allow_private: Private hosts, addresses and networks it may reach (`Settings.allow_private`).
        tls: Which certificates to trust; the system's by default.
    """

    def __init__(
        self,
        *,
        allow_private: Iterable[str] = (),
        guard: AddressGuard | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._guard = guard or AddressGuard(allow_private)
        self._tls = tls
        self._client: httpx.AsyncClient | None = None
        self._making = asyncio.Lock()

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        content: bytes | AsyncIterator[bytes] | None = None,
        redirects: bool = True,
        connect: float = 15.0,
        idle: float = 60.0,
    ) -> "AsyncIterator[httpx.Response]":
        """Send a request; read the body from the response as it comes (`aiter_bytes`).

        For a part of a file send a `range` header and look whether the status is 206. No compression is asked for.

        Args:
            redirects: Whether they are followed; a body that comes in pieces cannot be sent again.
            connect, idle: Seconds to connect, and between two pieces of the answer.

        Raises:
            AddressRefused: the host, or one it redirects to, is private.
            httpx.TransportError: it cannot be reached, or broke off.
        """
        client = await self._ready()
        async with client.stream(
            method,
            url,
            headers=headers,
            content=content,
            timeout=_timeouts(connect, idle),
            follow_redirects=redirects,
        ) as response:
            yield response

    async def fetch(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
        limit: int = 10 * 1024 * 1024,
        timeout: float = 30.0,
    ) -> Fetched:
        """Send a request and read its whole answer, whatever its status.

        Args:
            limit: Bytes the body may have.
            timeout: Seconds for all of it, redirects included.

        Raises:
            AddressRefused: the host, or one it redirects to, is private.
            BadInput: the URL is malformed, or not http or https.
            TooLarge: the body is longer than `limit`.
            UpstreamTimeout, UpstreamFailed: it was too slow, cannot be reached, or broke off.
        """
        await self._ready()
        import httpx  # noqa: PLC0415 - heavy, and loaded by now

        host = url
        try:
            host = httpx.URL(url).host
            async with (
                asyncio.timeout(timeout),
                self.stream(method, url, headers=headers, content=content, idle=timeout) as response,
            ):
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > limit:
                        raise TooLarge(f"{host} answered with more than {limit} bytes")
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise BadInput(f"{url!r} is not an http:// or https:// URL") from None
        except (TimeoutError, httpx.TimeoutException):
            raise UpstreamTimeout(f"{host} did not answer in {timeout:g} s") from None
        except httpx.TooManyRedirects:
            raise UpstreamFailed(f"{host} redirects more than {_REDIRECTS} times") from None
        except httpx.HTTPError as error:
            raise UpstreamFailed(f"{host} failed: {error or type(error).__name__}") from None
        return Fetched(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=bytes(body),
            url=str(response.url),
        )

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _ready(self) -> "httpx.AsyncClient":
        if self._client is None:
            async with self._making:
                if self._client is None:
                    self._client = await asyncio.to_thread(_client, self._guard, self._tls)
        return self._client


def _timeouts(connect: float, idle: float) -> "httpx.Timeout":
    import httpx  # noqa: PLC0415 - heavy, and loaded by now

    return httpx.Timeout(idle, connect=connect)


def _client(guard: AddressGuard, tls: ssl.SSLContext | None) -> "httpx.AsyncClient":
    import httpcore  # noqa: PLC0415 - heavy: the first request pays
    import httpx  # noqa: PLC0415

    context = tls or ssl.create_default_context()
    transport = httpx.AsyncHTTPTransport(verify=context, trust_env=False)
    # httpx has no door for a network backend of one's own; `test_outbound` notices if this one closes.
    transport._pool = httpcore.AsyncConnectionPool(
        ssl_context=context,
        max_connections=100,
        max_keepalive_connections=20,
        keepalive_expiry=10,
        network_backend=_GuardedNetwork(guard),  # type: ignore[arg-type]
    )
    return httpx.AsyncClient(
        transport=transport,
        follow_redirects=True,
        max_redirects=_REDIRECTS,
        trust_env=False,
        headers={"user-agent": f"inglenook/{__version__}", "accept-encoding": "identity"},
    )


class _GuardedNetwork:
    """httpcore's network backend, which connects only where the guard lets it."""

    def __init__(self, guard: AddressGuard) -> None:
        import httpcore  # noqa: PLC0415

        self._guard = guard
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> Any:
        """Connect to the first of the host's allowed addresses that answers."""
        import httpcore  # noqa: PLC0415

        try:
            async with asyncio.timeout(timeout):
                addresses = await self._guard.addresses(host, port)
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"cannot resolve {host} in {timeout:g} s") from None
        except UpstreamFailed as error:
            raise httpcore.ConnectError(error.message) from None
        failure: Exception = httpcore.ConnectError(f"cannot connect to {host}")
        for address in addresses:
            try:
                return await self._network.connect_tcp(
                    address, port, timeout=timeout, local_address=local_address, socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Any = None) -> Any:
        """Never: URLs lead to hosts."""
        raise NotImplementedError

    async def sleep(self, seconds: float) -> None:
        """Wait between httpcore's own retries."""
        await asyncio.sleep(seconds)
