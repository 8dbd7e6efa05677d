"""A real server on loopback: the wire's routes before a tiny ASGI app; on asyncio's event loop and on uvloop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvloop

from inglenook.gateway.wire.protocol import Limits, wire_protocol
from inglenook.gateway.wire.routes import WireRequest, WireResponse, WireRoute, WireTable
from inglenook.kit.errors import NotFound
from tests.support.wire import Served, serve


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Handlers:
    """Handlers of the test's routes, and what happened in them."""

    def __init__(self) -> None:
        self.started: asyncio.Queue[str] = asyncio.Queue()
        self.cancelled: asyncio.Queue[str] = asyncio.Queue()
        self.release = asyncio.Event()
        self.written = 0

    async def echo(self, request: WireRequest, response: WireResponse) -> None:
        response.send(200, request.body, "application/octet-stream", [(b"x-path", request.path.encode())])

    async def about(self, request: WireRequest, response: WireResponse) -> None:
        facts = f"{request.method} {request.path} {request.params} {request.query} {sorted(request.headers)}"
        response.send(200, facts.encode(), "text/plain")

    async def stream(self, request: WireRequest, response: WireResponse) -> None:
        response.start(200, "text/event-stream")
        for number in range(3):
            await response.write(b"data: %d\n\n" % number)
        response.end()

    async def wait(self, request: WireRequest, response: WireResponse) -> None:
        await self._hold(request)
        response.send(200, b"released")

    async def wait_streaming(self, request: WireRequest, response: WireResponse) -> None:
        response.start(200, "text/plain")
        await response.write(b"first")
        await self._hold(request)
        await response.write(b"last")
        response.end()

    async def _hold(self, request: WireRequest) -> None:
        self.started.put_nowait(request.path)
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled.put_nowait(request.path)
            raise

    async def flood(self, request: WireRequest, response: WireResponse) -> None:
        response.start(200, "application/octet-stream")
        try:
            while True:
                await response.write(b"x" * 65536)
                self.written += 65536
        except asyncio.CancelledError:
            self.cancelled.put_nowait(request.path)
            raise

    async def missing(self, request: WireRequest, response: WireResponse) -> None:
        raise NotFound("no such model", retry_after=7)

    async def bug(self, request: WireRequest, response: WireResponse) -> None:
        raise ZeroDivisionError

    async def silent(self, request: WireRequest, response: WireResponse) -> None:
        return

    async def broken(self, request: WireRequest, response: WireResponse) -> None:
        response.start(200, "text/plain")
        await response.write(b"part" * 50_000)
        await response.write(b"error event")
        raise NotFound("too late")

    def routes(self) -> list[WireRoute]:
        return [
            WireRoute("POST", "/echo", self.echo, needs="public"),
            WireRoute("GET", "/about", self.about, needs="public"),
            WireRoute("GET", "/v1/models/{id:path}", self.about, needs="public"),
            WireRoute("GET", "/one/{name}/end", self.about, needs="public"),
            WireRoute("GET", "/stream", self.stream, needs="public"),
            WireRoute("GET", "/wait", self.wait, needs="public"),
            WireRoute("GET", "/wait/streaming", self.wait_streaming, needs="public"),
            WireRoute("GET", "/flood", self.flood, needs="public"),
            WireRoute("GET", "/missing", self.missing, needs="public"),
            WireRoute("GET", "/bug", self.bug, needs="public"),
            WireRoute("GET", "/silent", self.silent, needs="public"),
            WireRoute("GET", "/broken", self.broken, needs="public"),
            WireRoute(
                "GET",
                "/shaped",
                self.missing,
                needs="public",
                render_error=lambda e: b'{"shaped":"%s"}' % e.code.encode(),
            ),
        ]


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


class Hosts:
    def host_allowed(self, host: str) -> bool:
        return host.split(":")[0] in ("127.0.0.1", "localhost")

    def may_call(self, origin: str, host: str) -> bool:
        return origin in (f"http://{host}", "http://page.example")


StartServer = Callable[..., Awaitable[Served]]


@pytest.fixture
async def start(handlers: Handlers) -> AsyncIterator[StartServer]:
    """Start a server with other limits: `await start(body=1000)`; they all stop with the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def begin(
            *, base_path: str = "", body: int = 10_000_000, local: bool = False, keep_alive: float = 20, **limits: float
        ) -> Served:
            table = WireTable(handlers.routes(), hosts=Hosts(), base_path=base_path, body_limit=body, local=local)
            protocol = wire_protocol(table, Limits(**limits))  # type: ignore[arg-type]
            return await stack.enter_async_context(serve(protocol, keep_alive=keep_alive))

        yield begin


@pytest.fixture
async def served(start: StartServer) -> Served:
    return await start()
