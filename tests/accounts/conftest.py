"""A real app on a real store, and browsers and programs that talk to it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError

from inglenook.accounts.api import router
from inglenook.accounts.passwords import Passwords
from inglenook.accounts.principal import Role
from inglenook.accounts.service import Accounts
from inglenook.kit.asgi import from_validation, render_error
from inglenook.kit.config import Settings
from inglenook.kit.errors import InglenookError
from inglenook.store.database import Store
from inglenook.store.secrets import Secrets
from inglenook.store.tables import Table

PASSWORD = "correct horse"
#: The real hashes, but quick: how strong they are is tested in test_passwords.
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store.open(Store.sqlite_url(tmp_path / "main.db"))
    await store.write(lambda s: Table.metadata.create_all(s.connection()))
    yield store
    await store.close()


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    return Secrets(tmp_path)


@pytest.fixture
async def accounts(store: Store, secrets: Secrets) -> AsyncIterator[Accounts]:
    accounts = Accounts(store, secrets, passwords=Passwords(QUICK))
    await accounts.start()
    yield accounts
    await accounts.stop()


def make_app(accounts: Accounts, settings: Settings) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.accounts = accounts
    app.state.settings = settings
    app.include_router(router)

    async def on_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, InglenookError)
        status, headers, body = render_error(error)
        return Response(body, status, headers)

    async def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return await on_error(request, from_validation(list(error.errors())))

    app.add_exception_handler(InglenookError, on_error)
    app.add_exception_handler(RequestValidationError, on_validation)
    return app


class Web:
    """Opens clients of the app. A browser keeps cookies and sends what our page sends with every request."""

    def __init__(self, accounts: Accounts, settings: Settings, stack: AsyncExitStack) -> None:
        self.accounts = accounts
        self.app = make_app(accounts, settings)
        self._stack = stack

    async def client(self, *, url: str = "http://house.test", address: str = "203.0.113.7", **headers: str) -> Any:
        transport = httpx.ASGITransport(self.app, client=(address, 4000))
        client = httpx.AsyncClient(transport=transport, base_url=f"{url}/api/v1/", headers=headers)
        return await self._stack.enter_async_context(client)

    async def browser(self, **options: str) -> httpx.AsyncClient:
        return await self.client(**{"x-inglenook": "1", **options})

    async def signed_in(self, name: str, role: Role = Role.MEMBER, *, make: bool = True) -> httpx.AsyncClient:
        if make:
            await self.accounts.create_user(name, PASSWORD, role)
        browser = await self.browser()
        answer = await browser.post("session", json={"name": name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        browser.user = answer.json()["user"]  # type: ignore[attr-defined]
        return browser

    async def program(self, key: str) -> httpx.AsyncClient:
        return await self.client(authorization=f"Bearer {key}")


@pytest.fixture
async def web(accounts: Accounts, tmp_path: Path) -> AsyncIterator[Web]:
    async with AsyncExitStack() as stack:
        yield Web(accounts, Settings(data=tmp_path), stack)
