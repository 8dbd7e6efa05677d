"""Timers: a time in a row wakes a run, through restarts, in order, and only if nothing else did."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

from sqlalchemy import event, text, update

from inglenook.kit.time import now_ms
from inglenook.runs import timers
from inglenook.runs.kinds import RunContext
from inglenook.runs.tables import RunRow
from inglenook.store.blobs import Blobs
from inglenook.store.database import Store
from tests.runs.conftest import House
from tests.support.runs import begin, crash, to_end, until
from tests.support.runs_child import ROOT

HOUR = 3_600_000


async def sleeper(run: RunContext) -> None:
    """Wait until the time in the input, then say what woke it."""
    given = [i.kind for i in await run.take_inputs()]
    if run.due is None and not given:
        await run.wait({"for": "time"}, until=run.input["until"])
    await run.finish({"due": run.due, "given": given})


async def test_a_timer_wakes_a_run_that_is_out_of_memory(store: Store, house: House) -> None:
    runs, _ = await house.runs(sleeper)
    await begin(store, runs, input={"until": now_ms() + HOUR})  # a later one is no obstacle
    when = now_ms() + 60
    run_id = await begin(store, runs, input={"until": when})
    assert (await to_end(runs, run_id)).status == "finished"
    assert now_ms() >= when
    events = await store.read(lambda s: runs._journal.read(s, run_id))
    assert [(e.type, e.payload) for e in events[1:3]] == [
        ("run.waiting", {"for": "time", "until": when}),
        ("run.started", {"epoch": 2, "due": when}),
    ]
    row, output = await runs.read(run_id)
    assert output == {"due": when, "given": []}
    assert row.wake_at is None


async def test_an_input_wakes_earlier_and_the_timer_is_gone(store: Store, house: House) -> None:
    runs, _ = await house.runs(sleeper)
    run_id = await begin(store, runs, input={"until": now_ms() + HOUR})
    await until(runs, run_id, "run.waiting")
    await runs._dispatch.join()
    row = await runs.find(run_id)
    assert row is not None
    assert row.wake_at is not None
    assert runs._executor.all() == []
    await runs.send(run_id, "go", {})
    assert (await to_end(runs, run_id)).status == "finished"
    row, output = await runs.read(run_id)
    assert output == {"due": None, "given": ["go"]}
    assert row.wake_at is None


async def test_one_that_was_called_before_it_waits_is_not_due(store: Store, house: House) -> None:
    called = asyncio.Event()

    async def work(run: RunContext) -> None:
        if run.epoch == 1:
            await called.wait()
            await run.wait({}, until=now_ms() + HOUR)
        await run.finish({"due": run.due})

    runs, _ = await house.runs(work)
    run_id = await begin(store, runs)
    await until(runs, run_id, "run.started")
    await runs.send(run_id, "go", {})
    called.set()
    assert (await to_end(runs, run_id)).status == "finished"
    assert (await runs.read(run_id))[1] == {"due": None}


async def test_many_that_are_due_are_woken_in_order_after_a_restart(store: Store, house: House) -> None:
    runs, _ = await house.runs(sleeper)
    later, count = now_ms() + HOUR, timers.BATCH + 20
    ids = [await begin(store, runs, input={"until": later - i}) for i in range(count)]
    for run_id in ids:
        await until(runs, run_id, "run.waiting")
    await runs.stop()
    await store.write(lambda s: s.execute(update(RunRow).values(wake_at=RunRow.wake_at - 2 * HOUR)))

    async def noted(run: RunContext) -> None:
        assert run.due == run.input["until"] - 2 * HOUR

    again, _ = await house.runs(noted)
    for run_id in ids:
        assert (await to_end(again, run_id)).status == "finished"
    begun = text("SELECT run_id FROM run_events WHERE type = 'run.started' AND epoch = 2 ORDER BY rowid")
    assert await store.read(lambda s: list(s.execute(begun).scalars())) == ids[::-1]


async def test_a_timer_survives_kill_9(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.runs_child", str(tmp_path), "sleep", cwd=ROOT, stdout=subprocess.PIPE
    )
    async with asyncio.timeout(30):
        out, _ = await process.communicate()
        assert process.returncode == -9
        run_id = out.decode().strip()
        store = Store.open(Store.sqlite_url(tmp_path / "main.db"))
        house = House(store, Blobs(tmp_path / "blobs"))
        runs, _ = await house.runs(sleeper, name="resumes", on_crash="resume")
        client = await to_end(runs, run_id)
        assert client.events == ["run.started", "run.waiting", "run.started", "run.finished"]
        _, output = await runs.read(run_id)
        assert output is not None
        assert output["due"] <= now_ms()
        await house.close()
        await store.close()


async def test_what_woke_a_run_is_told_again_after_a_crash_and_a_graceful_stop(store: Store, house: House) -> None:
    held = asyncio.Event()

    async def work(run: RunContext) -> None:
        if run.due is None:
            await run.wait({}, until=1)
        held.set()
        await asyncio.Event().wait()

    runs, _ = await house.runs(work, on_crash="resume")
    run_id = await begin(store, runs)
    await held.wait()
    await runs.stop(grace=0)
    row = await runs.find(run_id)
    assert row is not None
    assert (row.status, row.wake_at) == ("queued", 1)
    await crash(store, run_id)
    again, _ = await house.runs(sleeper, on_crash="resume")
    assert (await to_end(again, run_id)).status == "finished"
    assert (await again.read(run_id))[1] == {"due": 1, "given": []}


async def test_one_that_goes_to_wait_while_the_timers_look_is_seen(store: Store, house: House) -> None:
    looked, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    @event.listens_for(store._reads, "after_cursor_execute")
    def hold(*args: object) -> None:
        if "ORDER BY runs.wake_at" in str(args[2]) and not go_on.is_set():
            loop.call_soon_threadsafe(looked.set)
            go_on.wait(20)

    runs, _ = await house.runs(sleeper)
    await looked.wait()
    run_id = await begin(store, runs, input={"until": now_ms() + 20})
    await until(runs, run_id, "run.waiting")
    await runs._dispatch.join()
    go_on.set()
    async with asyncio.timeout(timers.LOOK / 3):
        assert (await to_end(runs, run_id)).status == "finished"


async def test_a_cancelled_sleeper_is_not_woken(store: Store, house: House) -> None:
    runs, _ = await house.runs(sleeper)
    run_id = await begin(store, runs, input={"until": now_ms() + HOUR})
    await until(runs, run_id, "run.waiting")
    await runs._dispatch.join()
    await runs.cancel(run_id)
    assert (await to_end(runs, run_id)).status == "cancelled"
    assert await store.read(runs._timers._find) == []


async def test_the_index_is_used(store: Store) -> None:
    asked = timers._NEXT.params(kinds=["told"])
    query = str(asked.compile(compile_kwargs={"literal_binds": True}, dialect=store._reads.dialect))
    plan = await store.read(lambda s: str(s.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").all()))
    assert "ix_runs_wake_at" in plan
    assert "TEMP B-TREE" not in plan
