"""A real store with a projection table, and runs on it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from inglenook.runs.context import Timing
from inglenook.runs.dispatch.local import LocalDispatch
from inglenook.runs.kinds import RunContext
from inglenook.runs.service import Runs
from inglenook.store.blobs import Blobs
from inglenook.store.database import Store
from inglenook.store.tables import Table
from tests.support.runs import Told


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store.open(Store.sqlite_url(tmp_path / "main.db"))
    await store.write(lambda s: Table.metadata.create_all(s.connection()))
    await store.write(lambda s: s.execute(text("CREATE TABLE notes (what TEXT)")))
    yield store
    await store.close()


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


class House:
    """Makes servers of runs on one store, as if it were restarted."""

    def __init__(self, store: Store, blobs: Blobs) -> None:
        self.store, self.blobs = store, blobs
        self._open: list[Runs] = []

    async def runs(
        self,
        work: Callable[[RunContext], Awaitable[None]],
        *,
        start: bool = True,
        slice: float = 0.002,  # noqa: A002
        lease: float = 30.0,
        sole: bool | None = True,
        **options: Any,
    ) -> tuple[Runs, Told]:
        """
        Args:
            sole: False for one of several servers; None for what the database says.
        """
        kind = Told(work, **options)
        timing = Timing(slice=slice, lease=lease)
        dispatch = None if sole is None else LocalDispatch(sole=sole)
        runs = Runs(self.store, self.blobs, dispatch=dispatch, timing=timing)
        runs.register(kind)
        self._open.append(runs)
        if start:
            await runs.start()
        return runs, kind

    async def close(self) -> None:
        for runs in self._open:
            await runs.stop(grace=0)


@pytest.fixture
async def house(store: Store, blobs: Blobs) -> AsyncIterator[House]:
    house = House(store, blobs)
    async with asyncio.timeout(30):
        yield house
        await house.close()
