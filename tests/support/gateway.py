"""A gateway on real accounts and a real ledger, with the fake provider behind it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
from sqlalchemy import delete

from inglenook.accounts.principal import CONSOLE, Principal, Role
from inglenook.accounts.service import Accounts
from inglenook.accounts.tables import Grant
from inglenook.accounts.users import add_user
from inglenook.gateway.answers.service import Answers
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.kept.service import Responses
from inglenook.gateway.ledger import Ledger
from inglenook.gateway.routing.live import LiveRoutes
from inglenook.gateway.routing.targets import Targets
from inglenook.gateway.wire.protocol import wire_protocol
from inglenook.gateway.wire.routes import WireRoute, WireTable
from inglenook.kit.hosts import HostPolicy
from inglenook.models.catalogue import Entry
from inglenook.models.errors import ModelNotFound
from inglenook.models.providers.base import ModelFacts, Provider
from inglenook.models.providers.fake import Fake, FakeSettings
from inglenook.store.database import Store
from inglenook.store.secrets import Secrets
from inglenook.store.tables import Table
from tests.support.wire import serve


class Shelf:
    """A catalogue whose models a test puts there."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._listeners: list[Callable[[], None]] = []

    async def put(self, provider: Provider, provider_id: str, *, local: bool = False) -> None:
        """Add every model a provider offers."""
        for facts in await provider.models():
            self.add(provider, provider_id, facts, local=local)

    def add(self, provider: Provider, provider_id: str, facts: ModelFacts, *, local: bool = False) -> None:
        """Add one model."""
        entry = Entry(
            name=facts.name,
            provider=provider,
            provider_id=provider_id,
            provider_name=provider_id,
            upstream=facts.name,
            facts=facts,
            modified_at=1_700_000_000_000,
            local=local,
        )
        self.show(entry)

    def show(self, *entries: Entry) -> None:
        """Add entries, or replace those of the same names."""
        self._entries |= {entry.name: entry for entry in entries}
        for listener in self._listeners:
            listener()

    def on_change(self, listener: Callable[[], None]) -> None:
        """See `models.catalogue.Catalogue.on_change`."""
        self._listeners.append(listener)

    def resolve(self, name: str) -> Entry:
        """See `models.catalogue.Catalogue.resolve`."""
        if name not in self._entries:
            raise ModelNotFound(f"model '{name}' not found", field="model")
        return self._entries[name]

    def tags(self, name: str) -> list[Entry]:
        """See `models.catalogue.Catalogue.tags`."""
        return []

    def entries(self) -> list[Entry]:
        """See `models.catalogue.Catalogue.entries`."""
        return list(self._entries.values())


@dataclass
class Desk:
    """The rooms a test of the gateway needs."""

    store: Store
    accounts: Accounts
    shelf: Shelf
    ledger: Ledger
    routes: LiveRoutes
    gateway: Gateway
    kept: Responses
    fake: Fake
    key: str
    principal: Principal

    async def revoke_models(self) -> None:
        """Take away the grant that lets everyone use every model."""
        await self.accounts.snapshot.write(lambda session: session.execute(delete(Grant)))


@asynccontextmanager
async def open_wire(
    routes: Iterable[WireRoute], *, local: bool = False, bound: str = "127.0.0.1"
) -> AsyncIterator[httpx.AsyncClient]:
    """A server with these routes on loopback, and a client of it."""
    table = WireTable(routes, hosts=HostPolicy(bound, []), local=local)
    async with (
        serve(wire_protocol(table)) as served,  # type: ignore[arg-type]
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{served.port}", trust_env=False, timeout=20) as client,
    ):
        yield client


@asynccontextmanager
async def open_desk(
    folder: Path,
    settings: dict[str, Any] | None = None,
    *,
    targets: Targets | None = None,
    answers: Answers | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[Desk]:
    """Everything from the key to the ledger; `key` is a member's.

    Args:
        settings: Of the fake provider.
        targets: With a test's own clock and draws.
        answers: Where answers are kept; by default in memory.
        sleep: How to wait before a target is asked again.
    """
    store = Store.open(Store.sqlite_url(folder / "main.db"))
    await store.write(lambda session: Table.metadata.create_all(session.connection()))
    accounts = Accounts(store, Secrets(folder))
    await accounts.start()
    ledger = Ledger(folder / "usage.db")
    await ledger.start()
    try:
        # Nobody signs in here: hashing a password would be most of the tests' time.
        await accounts.snapshot.write(lambda session: add_user(session, CONSOLE, "ada", "!", Role.MEMBER))
        key = await accounts.create_key("ada", "test")
        principal = accounts.snapshot.principal_for_key(key.encode())
        assert principal is not None
        fake = Fake(msgspec.convert(settings or {}, FakeSettings))
        shelf = Shelf()
        await shelf.put(fake, "fake")
        routes = LiveRoutes(shelf, targets)
        gateway = Gateway(accounts, shelf, ledger, routes, answers, sleep=sleep)
        kept = Responses(store, accounts.settings)
        yield Desk(store, accounts, shelf, ledger, routes, gateway, kept, fake, key, principal)
        await gateway.stop()
    finally:
        await ledger.stop()
        await accounts.stop()
        await store.close()
