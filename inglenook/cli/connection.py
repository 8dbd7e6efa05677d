"""A client of the API for one command: of the server that holds the data directory, or of one made for the command.

The server listens on a Unix socket in its data directory (mode 0600): whoever may open it owns the data, and acts as
the administrator. Where no server runs, the command takes the directory's lock and opens the same API on the same
socket for as long as it needs it; no network port is opened.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import httpx

from inglenook.kit.config import Settings
from inglenook.kit.errors import InglenookError, Unavailable
from inglenook.kit.imports import import_fastapi, quick_imports
from inglenook.kit.logging import configure
from inglenook.store.lock import DataLock, DataLocked
from inglenook.store.socket import control_path

#: Seconds that a server gets to answer: it may be starting, or stopping.
PATIENCE = 15.0


class Refused(InglenookError):
    """The server refused."""

    code = "refused"


class Client:
    """Calls the API and raises its errors. `own`: the server is there for this command alone."""

    def __init__(self, http: httpx.AsyncClient, *, own: bool) -> None:
        self.http = http
        self.own = own

    async def get(self, path: str, **params: Any) -> Any:
        """The JSON at `/api/v1/<path>`."""
        return _unpack(await self.http.get(f"/api/v1/{path}", params=params))

    async def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Post a JSON body to `/api/v1/<path>`."""
        return _unpack(await self.http.post(f"/api/v1/{path}", json=body or {}))

    async def patch(self, path: str, body: dict[str, Any]) -> Any:
        """Patch `/api/v1/<path>`."""
        return _unpack(await self.http.patch(f"/api/v1/{path}", json=body))

    async def delete(self, path: str) -> Any:
        """Delete `/api/v1/<path>`."""
        return _unpack(await self.http.delete(f"/api/v1/{path}"))


def _unpack(response: httpx.Response) -> Any:
    if response.is_success:
        return response.json() if response.content else None
    raise refusal(response.status_code, response.content)


def refusal(status: int, body: bytes) -> InglenookError:
    """The error in an unsuccessful answer."""
    try:
        error = httpx.Response(status, content=body).json()["error"]
        return Refused(error["message"] if isinstance(error, dict) else str(error))
    except (ValueError, KeyError, TypeError):
        return Refused(f"the server answered {status}: {body[:200].decode(errors='replace')}")


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Client]:
    """A client for one command.

    Raises:
        Unavailable: a server holds the data directory but does not answer, or stopped in the midst of the command.
    """
    async with AsyncExitStack() as stack:
        client = await _reach(settings, stack)
        with server_may_stop():
            yield client


@contextmanager
def server_may_stop() -> Iterator[None]:
    """What is done with a client inside this raises `Unavailable` when the server goes away."""
    try:
        yield
    except httpx.TransportError:
        raise Unavailable("the server stopped before this was done; start it and try again") from None


async def _reach(settings: Settings, stack: AsyncExitStack) -> Client:
    """A client of the server there is, or else of one of our own; it closes with `stack`.

    A server that is starting or stopping holds the lock, and does not answer: it is waited for.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        lock = DataLock(settings.data)
        try:
            lock.acquire()
        except DataLocked as locked:
            if (client := await _answering(settings, stack)) is not None:
                return client
            if time.monotonic() > deadline:
                raise Unavailable(f"{locked.message} (it does not answer on {control_path(settings.data)})") from None
            await asyncio.sleep(0.1)
            continue
        stack.callback(lock.release)
        with quick_imports():
            import_fastapi()
            from inglenook.server import open_control  # noqa: PLC0415 - a second that a running server saves
        configure("error", settings.log_style)  # what goes wrong is told by the command itself
        await stack.enter_async_context(open_control(settings))
        return await stack.enter_async_context(_client(settings, own=True))


async def _answering(settings: Settings, stack: AsyncExitStack) -> Client | None:
    async with AsyncExitStack() as trial:
        client = await trial.enter_async_context(_client(settings))
        try:
            await client.http.get("/healthz", timeout=PATIENCE)
        except httpx.TransportError:
            return None
        stack.push_async_exit(trial.pop_all())
        return client


@asynccontextmanager
async def _client(settings: Settings, *, own: bool = False) -> AsyncIterator[Client]:
    with control_path(settings.data).reachable() as path:
        transport = httpx.AsyncHTTPTransport(uds=path)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", timeout=httpx.Timeout(10, read=None)
        ) as http:
            yield Client(http, own=own)
