"""Temporary runs: like any other, but for the disk."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from inglenook.kit.errors import Conflict, NotFound, Unavailable
from inglenook.kit.time import now_ms
from inglenook.runs.context import Timing
from inglenook.runs.errors import OutcomeUnknown, RunEnded
from inglenook.runs.kinds import Attempt, RunContext, RunEvent
from inglenook.runs.service import Runs
from inglenook.store.database import Store
from tests.runs.conftest import House
from tests.support.runs import ANNA, Client, notes, to_end, until


def begin(runs: Runs, **given: Any) -> str:
    return runs.create_temporary(**{"kind": "told", "actor": ANNA, "input": {}, **given})


def step(**payload: Any) -> RunEvent:
    return RunEvent(type="told.step", payload=payload)


def contents(folder: Path) -> list[bytes]:
    """What all files under `folder` hold."""
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


async def test_nothing_of_it_reaches_the_disk(tmp_path: Path, store: Store, house: House) -> None:
    secret = "only in the moment"

    async def work(run: RunContext) -> None:
        assert (run.temporary, run.actor, run.input) == (True, ANNA, {"ask": secret})
        run.delta({"n": 0, "text": secret})
        await run.append(step(text=secret * 5000))
        assert [i.payload for i in await run.take_inputs()] == [{"more": secret}]
        await run.effect("look", "repeatable", give)
        await run.finish({"text": secret})

    async def give(_attempt: Attempt) -> str:
        return secret

    sent = asyncio.Event()

    async def after_input(run: RunContext) -> None:
        await sent.wait()
        await work(run)

    runs, kind = await house.runs(after_input)
    run_id = begin(runs, input={"ask": secret}, title=secret)
    watching = asyncio.create_task(to_end(runs, run_id))
    await until(runs, run_id, "run.started")
    await runs.send(run_id, "steer", {"more": secret})
    sent.set()
    client = await watching
    assert (client.status, client.numbers) == ("finished", [0])
    assert client.events == [
        "run.started",
        "told.step",
        "run.input",
        "run.effect.started",
        "run.effect.finished",
        "run.finished",
    ]
    assert (await runs.read(run_id))[1] == {"text": secret}
    assert kind.settled == []
    assert await runs.page("usr_anna") == []
    for table in ("runs", "run_events", "run_inputs"):
        assert await store.read(lambda s, t=table: s.execute(text(f"SELECT count(*) FROM {t}")).scalar()) == 0
    assert not any(secret.encode() in found for found in contents(tmp_path))


async def test_it_is_gone_after_its_end(store: Store, house: House) -> None:
    runs, kind = await house.runs(lambda run: run.finish({}), start=False)
    runs = Runs(store, house.blobs, timing=Timing(linger=0))
    runs.register(kind)
    await runs.start()
    run_id = begin(runs)
    assert (await to_end(runs, run_id)).status == "finished"
    await runs._here.join()
    while run_id in runs._memory:  # each look gives the timer a turn
        await store.read(lambda s: None)
    assert await runs.find(run_id) is None
    for gone in (runs.read(run_id), runs.state(run_id), runs.send(run_id, "steer", {}), to_end(runs, run_id)):
        with pytest.raises(NotFound):
            await gone
    await runs.stop()


async def test_it_is_gone_with_the_server(store: Store, house: House) -> None:
    async def work(run: RunContext) -> None:
        run.delta({"n": 0})
        if run.input.get("waits"):
            await run.wait({}, until=now_ms() + 3_600_000)
        await asyncio.Event().wait()

    runs, kind = await house.runs(work, on_crash="resume")
    cut, waiting = begin(runs), begin(runs, input={"waits": True})
    watching = asyncio.create_task(to_end(runs, cut))
    await until(runs, cut, "run.started")
    await until(runs, waiting, "run.waiting")
    await runs.stop(grace=0)
    client = await watching
    assert (client.status, client.numbers) == ("interrupted", [0]), "it cannot be resumed, whatever its kind"
    assert await runs.find(cut) is None
    assert await runs.find(waiting) is None
    assert kind.settled == []
    with pytest.raises(Unavailable):
        begin(runs)


async def test_a_watcher_who_lost_the_connection_resumes_without_gap_or_duplicate(store: Store, house: House) -> None:
    turn = asyncio.Semaphore(0)

    async def work(run: RunContext) -> None:
        for n in range(30):
            await turn.acquire()
            run.delta({"n": n})
            if n % 7 == 0:
                await run.append(step(n=n))

    runs, _ = await house.runs(work)
    run_id = begin(runs)
    client = Client()
    for _ in range(30):
        turn.release()
        async for frame in runs.watch(run_id, client.last):
            client.take(frame)
            break  # the connection is lost after each frame
    async for frame in runs.watch(run_id, client.last):
        client.take(frame)
    assert (client.status, client.numbers) == ("finished", list(range(30)))
    assert client.events.count("told.step") == 5
    late = await to_end(runs, run_id)
    assert (late.numbers, late.status) == (client.numbers, "finished"), "it can be looked at for a while"


async def test_it_waits_for_inputs_and_times(store: Store, house: House) -> None:
    async def work(run: RunContext) -> None:
        given = [i.kind for i in await run.take_inputs()]
        if run.due is None and not given:
            await run.wait({}, until=run.input["until"])
        assert len(run.state["events"]) > 2, "the state is folded from memory"
        await run.finish({"due": run.due, "given": given})

    runs, _ = await house.runs(work)
    soon, later = now_ms() + 30, now_ms() + 3_600_000
    timed, called = begin(runs, input={"until": soon}), begin(runs, input={"until": later})
    assert (await to_end(runs, timed)).status == "finished"
    assert (await runs.read(timed))[1] == {"due": soon, "given": []}
    await until(runs, called, "run.waiting")
    await runs._here.join()
    assert runs._executor.all() == []
    await runs.send(called, "go", {})
    assert (await to_end(runs, called)).status == "finished"
    assert (await runs.read(called))[1] == {"due": None, "given": ["go"]}


async def test_an_input_that_precedes_the_wait_is_not_slept_through(store: Store, house: House) -> None:
    sent = asyncio.Event()

    async def work(run: RunContext) -> None:
        if run.epoch == 1:
            await sent.wait()
            await run.wait({}, until=now_ms() + 3_600_000)
        assert [i.payload for i in await run.take_inputs()] == [{"i": 1}]
        await run.finish({"due": run.due})

    runs, _ = await house.runs(work)
    run_id = begin(runs)
    await until(runs, run_id, "run.started")
    await runs.send(run_id, "steer", {"i": 1})
    sent.set()
    assert (await to_end(runs, run_id)).status == "finished"
    assert (await runs.read(run_id))[1] == {"due": None}


async def test_it_fails_and_is_cancelled_like_any_other(
    store: Store, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)

    async def work(run: RunContext) -> None:
        if run.input.get("projects"):
            await run.append(step(), project=lambda s: s.execute(text("INSERT INTO notes VALUES ('never')")))
        run.delta({"n": 0})
        await run.append(step())
        await asyncio.Event().wait()

    runs, kind = await house.runs(work)
    assert (await to_end(runs, failed := begin(runs, input={"projects": True}))).status == "failed"
    assert "ValueError" in ((await runs.read(failed))[0].error or "")
    run_id = begin(runs)
    await until(runs, run_id, "told.step")
    await runs.cancel(run_id)
    client = await to_end(runs, run_id)
    assert (client.status, client.numbers) == ("cancelled", [0])
    with pytest.raises(RunEnded):
        await runs.cancel(run_id)
    assert kind.settled == []
    assert await notes(store) == []


async def test_it_asks_a_person_about_an_unknown_outcome(store: Store, house: House) -> None:
    async def work(run: RunContext) -> None:
        async def post(attempt: Attempt) -> int:
            if attempt.number == 1:
                raise OutcomeUnknown("no answer")
            return attempt.number

        await run.finish({"attempt": await run.effect("post", "once", post)})

    runs, _ = await house.runs(work)
    run_id = begin(runs)
    assert (await to_end(runs, run_id)).status == "parked"
    with pytest.raises(Conflict):
        await runs.send(run_id, "retry", {"effect": "other"})
    await runs.send(run_id, "retry", {})
    assert (await to_end(runs, run_id)).status == "finished"
    assert (await runs.read(run_id))[1] == {"attempt": 2}
