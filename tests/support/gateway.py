"""A gateway on real accounts and a real ledger, with the fake provider behind it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import delete

from inglenook.accounts.principal import Principal, Role
from inglenook.accounts.service import Accounts
from inglenook.accounts.tables import Grant
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.ledger import Ledger
from inglenook.models.providers.base import ModelFacts, Provider
from inglenook.models.providers.fake import Fake, FakeSettings
from inglenook.store.database import Store
from inglenook.store.tables import Table


class ShelfEntry(msgspec.Struct, kw_only=True):
    """What the catalogue says of a model."""

    name: str
    provider: Any
    provider_id: str
    upstream: str
    facts: ModelFacts
    digest: str = "0" * 64
    size: int = 0
    modified_at: int = 1_700_000_000_000
    prices: Any = None
    local: bool = False


class Shelf:
    """A catalogue whose models a test puts there."""

    def __init__(self) -> None:
        self._entries: dict[str, ShelfEntry] = {}

    async def put(self, provider: Provider, provider_id: str, *, local: bool = False) -> None:
        """Add every model a provider offers."""
        for facts in await provider.models():
            self._entries[facts.name] = ShelfEntry(
                name=facts.name,
                provider=provider,
                provider_id=provider_id,
                upstream=facts.name,
                facts=facts,
                local=local,
            )

    def resolve(self, name: str) -> ShelfEntry:
        """See `models.catalogue.Catalogue.resolve`."""
        from inglenook.models.errors import ModelNotFound

        if name not in self._entries:
            raise ModelNotFound(f"model '{name}' not found")
        return self._entries[name]

    def entries(self) -> list[ShelfEntry]:
        """See `models.catalogue.Catalogue.entries`."""
        return list(self._entries.values())


@dataclass
class Desk:
    """The rooms a test of the gateway needs."""

    store: Store
    accounts: Accounts
    shelf: Shelf
    ledger: Ledger
    gateway: Gateway
    fake: Fake
    key: str
    principal: Principal

    async def revoke_models(self) -> None:
        """Take away the grant that lets everyone use every model."""
        await self.accounts.snapshot.write(lambda session: session.execute(delete(Grant)))


@asynccontextmanager
async def open_desk(folder: Path, settings: dict[str, Any] | None = None) -> AsyncIterator[Desk]:
    """Everything from the key to the ledger; `key` is a member's."""
    store = Store.open(Store.sqlite_url(folder / "main.db"))
    await store.write(lambda session: Table.metadata.create_all(session.connection()))
    accounts = Accounts(store)
    await accounts.start()
    ledger = Ledger(folder / "usage.db")
    await ledger.start()
    try:
        await accounts.create_user("ada", "correct horse battery", role=Role.MEMBER)
        key = await accounts.create_key("ada", "test")
        principal = accounts.snapshot.principal_for_key(key.encode())
        assert principal is not None
        fake = Fake(msgspec.convert(settings or {}, FakeSettings))
        shelf = Shelf()
        await shelf.put(fake, "fake")
        gateway = Gateway(accounts, shelf, ledger)
        yield Desk(store, accounts, shelf, ledger, gateway, fake, key, principal)
    finally:
        await ledger.stop()
        await accounts.stop()
        await store.close()
