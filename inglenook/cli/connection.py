"""A client of the API for one command: of the server that holds the data directory, or of one made for the command.

The server listens on a Unix socket in its data directory (mode 0600): whoever may open it owns the data, and acts as
the administrator. Where no server runs, the command takes the directory's lock and opens the same API on the same
socket for as long as it needs it; no network port is opened.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from inglenook.kit.config import Settings
from inglenook.kit.errors import InglenookError, Unavailable
from inglenook.server import open_control
from inglenook.store.lock import DataLock, DataLocked
from inglenook.store.socket import control_path


class Refused(InglenookError):
    """The server refused."""

    code = "refused"


class Client:
    """Calls the API and raises its errors."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def get(self, path: str, **params: Any) -> Any:
        """The JSON at `/api/v1/<path>`."""
        return _unpack(await self.http.get(f"/api/v1/{path}", params=params))

    async def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Post a JSON body to `/api/v1/<path>`."""
        return _unpack(await self.http.post(f"/api/v1/{path}", json=body or {}))

    async def patch(self, path: str, body: dict[str, Any]) -> Any:
        """Patch `/api/v1/<path>`."""
        return _unpack(await self.http.patch(f"/api/v1/{path}", json=body))


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
        Unavailable: a server holds the data directory but does not answer.
    """
    lock = DataLock(settings.data)
    try:
        lock.acquire()
    except DataLocked as locked:
        async with _client(settings) as client:
            try:
                await client.http.get("/healthz")
            except httpx.TransportError:
                raise Unavailable(f"{locked.message} (it does not answer on {control_path(settings.data)})") from None
            yield client
        return
    try:
        async with open_control(settings), _client(settings) as client:
            yield client
    finally:
        lock.release()


@asynccontextmanager
async def _client(settings: Settings) -> AsyncIterator[Client]:
    with control_path(settings.data).reachable() as path:
        transport = httpx.AsyncHTTPTransport(uds=path)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", timeout=httpx.Timeout(10, read=None)
        ) as http:
            yield Client(http)
