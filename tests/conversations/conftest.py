"""A store with every table."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from inglenook.store.database import Store
from inglenook.store.tables import Table


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store.open(Store.sqlite_url(tmp_path / "main.db"))
    await store.write(lambda session: Table.metadata.create_all(session.connection()))
    yield store
    await store.close()
