"""What an execution writes: atomically, in order, once, and only while it holds the lease."""

import asyncio
import logging

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import OperationalError

from inglenook.kit.errors import Conflict, UpstreamFailed
from inglenook.runs.errors import LeaseLost, RunEnded
from inglenook.runs.journal import Recorded
from inglenook.runs.kinds import RunContext, RunEvent
from inglenook.runs.service import Runs
from inglenook.runs.tables import RunInputRow, RunRow
from inglenook.store.database import Store
from tests.runs.conftest import House
from tests.support.runs import Told, begin, note, notes, to_end, until


async def row(store: Store, run_id: str) -> RunRow:
    found = await store.read(lambda s: s.get(RunRow, run_id))
    assert found is not None
    return found


async def journal(store: Store, runs: Runs, run_id: str) -> list[Recorded]:
    return await store.read(lambda s: runs._journal.read(s, run_id))


async def types(store: Store, runs: Runs, run_id: str) -> list[str]:
    return [event.type for event in await journal(store, runs, run_id)]


def step(**payload: object) -> RunEvent:
    return RunEvent(type="told.step", payload=payload)


async def test_append_commits_pending_deltas_events_and_projection_together(store: Store, house: House) -> None:
    seen = []

    async def work(run: RunContext) -> None:
        run.delta({"n": 0})
        run.delta({"n": 1})
        seq = await run.append(step(i=1), step(i=2), project=lambda s: note(s, "projected"))
        seen.extend(await journal(store, runs, run.run_id))
        assert seq == 4 == seen[-1].seq
        assert await notes(store) == ["projected"]
        assert run.state["n"] == [0, 1]
        assert [e[0] for e in run.state["events"]] == ["run.started", "told.step", "told.step"]

    runs, _ = await house.runs(work, slice=3600)
    run_id = await begin(store, runs)
    await to_end(runs, run_id)
    assert [(e.seq, e.type) for e in seen] == [
        (1, "run.started"),
        (2, "run.delta"),
        (3, "told.step"),
        (4, "told.step"),
    ]
    assert (await row(store, run_id)).status == "finished"


async def test_a_kind_cannot_write_the_events_of_runs(store: Store, house: House) -> None:
    async def work(run: RunContext) -> None:
        for type_ in ("run.delta", "run.finished", "run.folded"):
            with pytest.raises(ValueError):
                await run.append(RunEvent(type=type_, payload={}))

    runs, _ = await house.runs(work)
    run_id = await begin(store, runs)
    assert (await to_end(runs, run_id)).status == "finished"
    assert await types(store, runs, run_id) == ["run.started", "run.finished"]


async def test_a_failing_projection_leaves_no_event_and_loses_no_delta(store: Store, house: House) -> None:
    async def work(run: RunContext) -> None:
        run.delta({"n": 0})
        with pytest.raises(ValueError):
            await run.append(step(), project=fail)
        assert await notes(store) == []
        assert await types(store, runs, run.run_id) == ["run.started"]
        run.delta({"n": 1})
        await run.append(step())
        assert await types(store, runs, run.run_id) == ["run.started", "run.delta", "told.step"]

    def fail(session: object) -> None:
        note(session, "never")  # type: ignore[arg-type]
        raise ValueError

    runs, _ = await house.runs(work, slice=3600)
    client = await to_end(runs, run_id := await begin(store, runs))
    assert client.status == "finished"
    assert (await runs.state(run_id))["n"] == [0, 1]


async def test_deltas_are_journaled_in_slices_by_themselves(store: Store, house: House) -> None:
    async def work(run: RunContext) -> None:
        for n in range(3):
            run.delta({"n": n})
        while "run.delta" not in await types(store, runs, run.run_id):  # each look gives the timer a turn
            pass
        run.delta({"n": 3})

    runs, _ = await house.runs(work, slice=0.001)
    client = await to_end(runs, await begin(store, runs))
    assert client.numbers == [0, 1, 2, 3]


async def test_a_stale_epoch_writes_nothing(store: Store, house: House) -> None:
    refused = []

    async def work(run: RunContext) -> None:
        run.delta({"n": 0})
        await store.write(lambda s: s.execute(update(RunRow).values(epoch=RunRow.epoch + 1)))
        with pytest.raises(LeaseLost) as caught:
            await run.append(step(), project=lambda s: note(s, "never"))
        refused.append(caught.value)
        with pytest.raises(LeaseLost):
            run.delta({"n": 1})
        raise caught.value

    runs, kind = await house.runs(work, slice=3600)
    run_id = await begin(store, runs)
    await until(runs, run_id, "run.started")
    await runs._dispatch.join()
    assert refused
    assert await types(store, runs, run_id) == ["run.started"]
    assert await notes(store) == []
    assert kind.settled == []
    assert (await row(store, run_id)).status == "running"  # as the new holder left it


async def test_a_lost_lease_is_noticed_by_a_kind_that_only_streams(store: Store, house: House) -> None:
    ended = asyncio.Event()

    async def work(run: RunContext) -> None:
        await store.write(lambda s: s.execute(update(RunRow).values(epoch=RunRow.epoch + 1)))
        run.delta({"n": 0})
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    runs, _ = await house.runs(work)
    run_id = await begin(store, runs)
    await ended.wait()
    await runs._dispatch.join()
    assert await types(store, runs, run_id) == ["run.started"]


async def test_finish_stores_the_output_and_prunes_the_slices(store: Store, house: House) -> None:
    async def work(run: RunContext) -> None:
        run.delta({"n": 0})
        await run.append(step())
        run.delta({"n": 1})
        await run.finish({"answer": 42}, project=lambda s: note(s, "whole"))
        with pytest.raises(RunEnded):
            await run.append(step())
        with pytest.raises(RunEnded):
            run.delta({"n": 2})

    runs, kind = await house.runs(work, slice=3600)
    run_id = await begin(store, runs)
    client = await to_end(runs, run_id)
    assert client.numbers == [0, 1]
    assert client.events == ["run.started", "told.step", "run.finished"]
    assert await types(store, runs, run_id) == ["run.started", "told.step", "run.folded", "run.finished"]
    found, output = await runs.read(run_id)
    assert (found.status, output, found.error, found.lease_until) == ("finished", {"answer": 42}, None, None)
    assert found.ended_at is not None
    assert await notes(store) == ["whole"]
    assert kind.settled == []
    again = await to_end(runs, run_id)
    assert (again.numbers, again.events) == (client.numbers, client.events)
    late = await to_end(runs, run_id, client.last)
    assert (late.over, late.numbers) == (True, [])


async def test_a_run_without_deltas_needs_no_fold_in_its_journal(store: Store, house: House) -> None:
    runs, _ = await house.runs(lambda run: run.append(step()))  # type: ignore[arg-type,return-value]
    run_id = await begin(store, runs)
    await to_end(runs, run_id)
    assert await types(store, runs, run_id) == ["run.started", "told.step", "run.finished"]


async def test_an_error_meant_for_people_is_shown_and_any_other_is_not(
    store: Store, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    errors: list[Exception] = [UpstreamFailed("the model is gone; choose another"), ValueError("sk-secret")]

    async def work(run: RunContext) -> None:
        run.delta({"n": 0})
        raise errors[run.input["i"]]

    runs, kind = await house.runs(work)
    caplog.set_level(logging.CRITICAL)
    for i in (0, 1):
        run_id = await begin(store, runs, input={"i": i})
        assert (await to_end(runs, run_id)).status == "failed"
        *_, last = await journal(store, runs, run_id)
        assert last.type == "run.failed"
        error = (await row(store, run_id)).error
        assert error == last.payload["error"]["message"] == kind.settled[i][3]
        assert kind.settled[i][2]["n"] == [0]
        assert ("choose another" in error) == (i == 0)
        assert "secret" not in error
    assert await notes(store) == ["settled failed", "settled failed"]


async def test_cancel_keeps_what_had_arrived(store: Store, house: House) -> None:
    async def work(run: RunContext) -> None:
        run.delta({"n": 0})
        await run.append(step())
        run.delta({"n": 1})
        await asyncio.Event().wait()

    runs, kind = await house.runs(work, slice=3600)
    run_id = await begin(store, runs)
    await until(runs, run_id, "told.step")
    await runs.cancel(run_id)
    client = await to_end(runs, run_id)
    assert (client.status, client.numbers) == ("cancelled", [0, 1])
    assert [(s[1], s[2]["n"], s[3]) for s in kind.settled] == [("cancelled", [0, 1], None)]
    with pytest.raises(Conflict):
        await runs.cancel(run_id)


async def test_cancel_during_an_append_does_not_tear_it(store: Store, house: House) -> None:
    """The commit under way is finished and counted; the end follows it."""
    cancelled = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def work(run: RunContext) -> None:
        for n in range(50):
            run.delta({"n": n})
        task = asyncio.current_task()
        assert task is not None

        def strike(session: object) -> None:
            loop.call_soon_threadsafe(task.cancel)
            loop.call_soon_threadsafe(cancelled.set)

        runs._executor.get(run.run_id)._stop = "cancel"  # type: ignore[union-attr]
        await run.append(step(), project=strike)
        raise AssertionError("the cancellation was lost")

    runs, _ = await house.runs(work, slice=3600)
    run_id = await begin(store, runs)
    client = await to_end(runs, run_id)
    assert cancelled.is_set()
    assert client.status == "cancelled"
    assert client.numbers == list(range(50))
    assert await types(store, runs, run_id) == ["run.started", "told.step", "run.folded", "run.cancelled"]


async def test_a_run_cancelled_before_it_began_never_executes(store: Store, house: House) -> None:
    async def work(run: RunContext) -> None:
        note_executed.append(run.run_id)

    note_executed: list[str] = []
    runs, kind = await house.runs(work, start=False)
    run_id = await begin(store, runs)
    await runs.cancel(run_id)
    await runs.start()
    assert (await to_end(runs, run_id)).status == "cancelled"
    assert note_executed == []
    assert [s[1] for s in kind.settled] == ["cancelled"]


async def test_a_waiting_run_is_out_of_memory_and_an_input_wakes_it(store: Store, house: House) -> None:
    async def work(run: RunContext) -> None:
        taken = await run.take_inputs()
        answers = [e[1] for e in run.state["events"] if e[0] == "run.input"]
        assert [t.payload for t in taken] == [a["payload"] for a in answers]
        if not answers:
            run.delta({"n": 0})
            await run.wait({"for": "approval"}, project=lambda s: note(s, "asked"))
        run.delta({"n": 1})
        await run.finish({"approved": answers[0]["payload"]["yes"]})

    runs, kind = await house.runs(work)
    run_id = await begin(store, runs)
    watching = asyncio.create_task(to_end(runs, run_id))
    await until(runs, run_id, "run.waiting")
    await runs._dispatch.join()
    assert runs._executor.all() == []
    assert (await row(store, run_id)).status == "waiting"
    assert await notes(store) == ["asked"]
    await runs.send(run_id, "approve", {"yes": True})
    client = await watching
    assert (client.status, client.numbers) == ("finished", [0, 1])
    assert (await runs.read(run_id))[1] == {"approved": True}
    assert kind.settled == []
    assert (await store.read(lambda s: s.get(RunInputRow, s.query(RunInputRow.id).scalar()))).consumed_at  # type: ignore[union-attr]


async def test_an_input_that_precedes_the_wait_is_not_slept_through(store: Store, house: House) -> None:
    sent = asyncio.Event()

    async def work(run: RunContext) -> None:
        if run.epoch == 1:
            await sent.wait()
            await run.wait({})
        assert [i.payload for i in await run.take_inputs()] == [{"i": 1}]

    runs, _ = await house.runs(work)
    run_id = await begin(store, runs)
    await until(runs, run_id, "run.started")
    await runs.send(run_id, "steer", {"i": 1})
    sent.set()
    assert (await to_end(runs, run_id)).status == "finished"


async def test_cancel_ends_a_waiting_run(store: Store, house: House) -> None:
    runs, kind = await house.runs(lambda run: run.wait({}))
    run_id = await begin(store, runs)
    await until(runs, run_id, "run.waiting")
    await runs._dispatch.join()
    await runs.cancel(run_id)
    assert (await to_end(runs, run_id)).status == "cancelled"
    assert [s[1] for s in kind.settled] == ["cancelled"]


async def test_inputs_come_in_order_and_are_journaled(store: Store, house: House) -> None:
    async def work(run: RunContext) -> None:
        async for given in run.inputs():
            got.append(given.payload["i"])
            if len(got) == 3:
                return

    got: list[int] = []
    runs, _ = await house.runs(work)
    run_id = await begin(store, runs)
    for i in range(3):
        await runs.send(run_id, "steer", {"i": i})
    client = await to_end(runs, run_id)
    assert got == [0, 1, 2]
    assert client.events.count("run.input") == 3


async def test_a_broken_settle_or_fold_ends_the_run_all_the_same(
    store: Store, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)

    class Broken(Told):
        def settle(self, *_: object) -> None:
            raise KeyError("settle")

    class Folded(Told):
        def fold(self, state: dict[str, object], event: RunEvent) -> dict[str, object]:
            if event.type == "run.delta":
                raise KeyError("fold")
            return state

    async def work(run: RunContext) -> None:
        run.delta({"n": 0})
        await run.append(step())
        raise UpstreamFailed("no")

    runs, _ = await house.runs(work, start=False)
    runs.register(Broken(work, name="broken"))
    runs.register(Folded(work, name="folded"))
    await runs.start()
    for kind in ("broken", "folded"):
        run_id = await begin(store, runs, kind=kind)
        async for frame in runs.watch(run_id):
            last = frame
        assert (last.event, last.data) == ("end", {"status": "failed"}), kind


async def test_an_end_that_the_database_refuses_is_recorded_later(
    store: Store, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    refusals = iter((True, True, False))

    class Full(Told):
        def settle(self, *args: object) -> None:
            super().settle(*args)  # type: ignore[arg-type]
            if next(refusals):
                raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    async def work(run: RunContext) -> None:
        run.delta({"n": 0})
        raise UpstreamFailed("no")

    runs, _ = await house.runs(work, start=False)
    runs.register(Full(work, name="full"))
    await runs.start()
    client = await to_end(runs, run_id := await begin(store, runs, kind="full"))
    assert (client.status, client.numbers) == ("failed", [0])
    assert await notes(store) == ["settled failed"]
    count = text("SELECT count(*) FROM run_events WHERE run_id = :r AND type = 'run.failed'")
    assert await store.read(lambda s: s.execute(count, {"r": run_id}).scalar()) == 1


async def test_deltas_that_a_full_disk_refuses_are_tried_again_ever_more_seldom_and_none_is_lost(
    store: Store, house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = asyncio.Event()
    told: list[logging.LogRecord] = []

    def hear(record: logging.LogRecord) -> bool:
        told.append(record)
        refused.set()
        return False

    monkeypatch.setattr(logging.getLogger("inglenook.runs.context"), "filters", [hear])
    caplog.set_level(logging.CRITICAL, logger="inglenook.store.database")
    proceed = asyncio.Event()

    async def work(run: RunContext) -> None:
        await proceed.wait()
        run.delta({"n": 0, "text": "x" * 30_000})
        run.delta({"n": 1})
        await freed.wait()

    async def limit(pages: str) -> None:
        await store.write(lambda s: s.execute(text(f"PRAGMA max_page_count = {pages}")))

    freed = asyncio.Event()
    runs, _ = await house.runs(work)
    run_id = await begin(store, runs)
    await limit(str(await store.read(lambda s: s.execute(text("PRAGMA page_count")).scalar())))
    proceed.set()
    await refused.wait()
    await asyncio.sleep(0.3)
    assert len(told) <= 3
    await limit("1000000")
    freed.set()
    client = await to_end(runs, run_id)
    assert (client.status, client.numbers) == ("finished", [0, 1])
