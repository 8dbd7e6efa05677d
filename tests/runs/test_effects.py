"""Effects: what a crash may not lose, what it may not double, and when a person is asked."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from inglenook.kit.errors import BadInput, Conflict, UpstreamFailed
from inglenook.runs.errors import EffectFailed, OutcomeUnknown
from inglenook.runs.journal import Recorded
from inglenook.runs.kinds import Attempt, RunContext, RunEvent
from inglenook.runs.service import Runs
from inglenook.store.blobs import Blobs
from inglenook.store.database import Store
from tests.runs.conftest import House
from tests.support.runs import Told, begin, crash, to_end, until
from tests.support.runs_child import CLASSES, World, effects

ROOT = Path(__file__).parents[2]


async def journal(store: Store, runs: Runs, run_id: str) -> list[Recorded]:
    return await store.read(lambda s: runs._journal.read(s, run_id))


def of_effects(events: list[Recorded], name: str) -> list[tuple[str, int]]:
    return [
        (event.type.removeprefix("run.effect."), event.payload["attempt"])
        for event in events
        if event.type.startswith("run.effect.") and event.payload["name"] == name
    ]


def giving(value: Any) -> Callable[[Attempt], Awaitable[Any]]:
    async def do(_attempt: Attempt) -> Any:
        return value

    return do


async def never(_attempt: Attempt) -> None:
    raise AssertionError("this was done before, and must not be done again")


async def at_once() -> None:
    """Go on in the midst of an effect."""


async def test_after_kill_9_each_class_keeps_its_promise(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.runs_child",
        str(tmp_path),
        "effects",
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        out, _ = await process.communicate()
    assert process.returncode == -9
    ids = dict(zip(CLASSES, out.decode().split(), strict=True))
    world = World(tmp_path / "world")
    before = world.lines()
    assert len(before) == 4 * 5

    store = Store.open(Store.sqlite_url(tmp_path / "main.db"))
    runs = Runs(store, Blobs(tmp_path / "blobs"))
    runs.register(Told(lambda run: effects(run, world, at_once), name="resumes", on_crash="resume"))
    committed = {}
    for given, run_id in ids.items():
        events = await journal(store, runs, run_id)
        (firsts,) = (event.payload for event in events if event.type == "told.firsts")
        committed[given] = firsts
        assert all(of_effects(events, f"first.{c}")[-1] == ("finished", 1) for c in CLASSES)
        assert of_effects(events, "last") == ([] if given == "pure" else [("started", 1)])
    async with asyncio.timeout(30):
        await runs.start()
        for given in ("pure", "repeatable", "keyed"):
            client = await to_end(runs, ids[given])
            assert client.status == "finished"
        parked = await to_end(runs, ids["once"])
        assert parked.status == "parked"
        row = await runs.find(ids["once"])
        assert row is not None
        assert "The last one: the server stopped" in (row.error or "")
        again = world.lines()[len(before) :]
        assert sorted(line.split()[0] for line in again) == ["keyed", "pure", "repeatable"], "once is not done again"
        assert {line.split()[1] for line in again} == {"last"}, "what has a result is never done again"
        await runs.send(ids["once"], "retry", {})
        assert (await to_end(runs, ids["once"])).status == "finished"
        for given, run_id in ids.items():
            _, output = await runs.read(run_id)
            assert output is not None
            assert output["firsts"] == committed[given], "outputs are those of before the crash"
            tries = [("finished", 1)] if given == "pure" else [("started", 1), ("started", 2), ("finished", 2)]
            assert of_effects(await journal(store, runs, run_id), "last") == tries
        done = {tuple(line.split()[:3]): line.split()[3] for line in world.lines()}
        assert done["keyed", "last", "1"] == done["keyed", "last", "2"], "the same key for both attempts"
        assert len(set(done.values())) == 4 * 5, "and for no other effect"
        await runs.stop()
    await store.close()


async def test_the_intent_is_committed_before_and_the_result_after(store: Store, house: House) -> None:
    looks: list[list[str]] = []

    async def look(*_: object) -> str:
        looks.append([event.type for event in await journal(store, runs, run_id)])
        return "seen"

    async def work(run: RunContext) -> None:
        assert await run.effect("sum", "pure", giving({"sum": (1, 2)})) == {"sum": [1, 2]}
        assert "run.effect.finished" not in [e[0] for e in run.state["events"]]
        run.delta({"n": 0})
        await run.effect("look", "repeatable", look, label="Look around")
        await look()

    runs, kind = await house.runs(work, slice=3600, start=False)
    run_id = await begin(store, runs)
    watching = runs.watch(run_id)
    watched = [await anext(watching)]  # before it runs: who comes late is told the whole, not each event
    await runs.start()
    watched += [frame async for frame in watching]
    during = ["run.started", "run.delta", "run.effect.finished", "run.effect.started"]
    assert looks == [during, [*during, "run.effect.finished"]]
    frames = [f.data["payload"] for f in watched if f.event == "event" and "effect.finished" in f.data["type"]]
    assert frames[-1] == {"name": "look", "label": "Look around", "class": "repeatable", "attempt": 1}
    state = await runs.state(run_id)
    assert [e[1]["output"] for e in state["events"] if e[0] == "run.effect.finished"] == [{"sum": [1, 2]}, "seen"]
    assert kind.settled == []


async def test_pure_results_are_committed_by_themselves_and_with_the_end(store: Store, house: House) -> None:
    async def work(run: RunContext) -> None:
        await run.effect("a", "pure", giving(1))
        while not of_effects(await journal(store, runs, run.run_id), "a"):  # each look gives the timer a turn
            pass
        run.delta({"n": 0})
        await run.effect("b", "pure", giving(2))

    runs, _ = await house.runs(work)
    client = await to_end(runs, run_id := await begin(store, runs))
    assert client.status == "finished"
    events = await journal(store, runs, run_id)
    assert [e.seq for e in events] == sorted(e.seq for e in events)
    assert of_effects(events, "b") == [("finished", 1)]
    assert client.events == ["run.started", "run.effect.finished", "run.effect.finished", "run.finished"]
    assert (await to_end(runs, run_id)).events == client.events


async def test_errors_are_journaled_and_another_attempt_has_the_same_key(
    store: Store, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    done: list[Attempt] = []

    async def work(run: RunContext) -> None:
        async def flaky(attempt: Attempt) -> str:
            done.append(attempt)
            if attempt.number == 1:
                raise UpstreamFailed("busy", retry_after=7)
            if attempt.number == 2:
                raise ValueError("sk-secret")
            return "at last"

        for code in ("upstream_failed", "internal"):
            with pytest.raises(EffectFailed) as caught:
                await run.effect("call", "keyed", flaky)
            assert caught.value.error["code"] == code
            assert "secret" not in str(caught.value)
        assert await run.effect("call", "keyed", flaky) == "at last"
        if run.epoch == 1:
            await run.wait({})
        with pytest.raises(EffectFailed, match="busy") as caught:
            await run.effect("other", "once", busy)
        assert (caught.value.error["status"], caught.value.retry_after) == (502, 7)
        raise caught.value

    async def busy(_attempt: Attempt) -> None:
        raise UpstreamFailed("busy", retry_after=7)

    runs, kind = await house.runs(work)
    run_id = await begin(store, runs)
    await until(runs, run_id, "run.waiting")
    await runs.send(run_id, "go", {})
    assert (await to_end(runs, run_id)).status == "failed"
    assert [attempt.number for attempt in done] == [1, 2, 3], "the second execution read the results"
    assert len({attempt.key for attempt in done}) == 1
    assert kind.settled[0][3] == "busy"
    assert "secret" not in str(await journal(store, runs, run_id))


async def test_a_name_belongs_to_one_effect(store: Store, house: House) -> None:
    async def work(run: RunContext) -> None:
        async def nested(_attempt: Attempt) -> None:
            with pytest.raises(ValueError, match="under way"):
                await run.effect("a", "pure", never)

        await run.effect("a", "repeatable", nested)
        for name, given in (("a", "pure"), ("", "pure"), ("b" * 201, "pure"), ("c", "twice")):
            with pytest.raises(ValueError):
                await run.effect(name, given, never)  # type: ignore[arg-type]

    runs, _ = await house.runs(work)
    assert (await to_end(runs, await begin(store, runs))).status == "finished"


async def test_what_cannot_be_journaled_is_an_error_of_the_effect(
    store: Store, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)

    async def work(run: RunContext) -> None:
        for given in CLASSES:
            with pytest.raises(EffectFailed, match="TypeError"):
                await run.effect(given, given, giving(object()))

    runs, _ = await house.runs(work)
    assert (await to_end(runs, await begin(store, runs))).status == "finished"


async def test_an_unknown_outcome_asks_a_person_who_may_say_what_it_gave(store: Store, house: House) -> None:
    async def work(run: RunContext) -> None:
        async def post(_attempt: Attempt) -> None:
            raise OutcomeUnknown("the bank did not answer within 30 s")

        given = await run.effect("pay", "once", post, label="Pay the bill")
        await run.finish({"given": given, "inputs": [i.kind for i in await run.take_inputs()]})

    runs, kind = await house.runs(work)
    run_id = await begin(store, runs)
    assert (await to_end(runs, run_id)).status == "parked"
    assert kind.settled[0][1] == "parked"
    assert (kind.settled[0][3] or "").startswith("Pay the bill: the bank did not answer")
    (parked,) = (e for e in await journal(store, runs, run_id) if e.type == "run.parked")
    assert (parked.payload["effect"], parked.payload["answers"]) == ("pay", ["retry", "skip"])

    with pytest.raises(BadInput, match="output"):
        await runs.send(run_id, "skip", {})
    with pytest.raises(Conflict, match="other"):
        await runs.send(run_id, "retry", {"effect": "other"})
    await runs.send(run_id, "retry", {"effect": "pay"})
    with pytest.raises(Conflict, match="not parked"):
        await runs.send(run_id, "retry", {})
    assert (await to_end(runs, run_id, "1.1.0")).status == "parked"

    await runs.send(run_id, "skip", {"output": {"paid": 42}})
    client = await to_end(runs, run_id)
    assert client.status == "finished"
    assert (await runs.read(run_id))[1] == {"given": {"paid": 42}, "inputs": []}
    effect = [e.payload for e in await journal(store, runs, run_id) if e.type == "run.effect.finished"]
    assert [(e["skipped"], e["attempt"], e["output"]) for e in effect] == [(True, 2, {"paid": 42})]


async def test_a_run_parked_without_an_effect_has_nothing_to_skip(store: Store, house: House) -> None:
    runs, _ = await house.runs(lambda run: run.finish(), start=False, on_crash="resume")
    run_id = await begin(store, runs)
    await crash(store, run_id, seq=0, claim_seq=0, takeovers=3)
    await runs.start()
    assert (await to_end(runs, run_id)).status == "parked"
    with pytest.raises(BadInput, match="no effect"):
        await runs.send(run_id, "skip", {"output": 1})
    await runs.send(run_id, "retry", {})
    assert (await to_end(runs, run_id)).status == "finished"


async def test_a_graceful_stop_waits_for_what_cannot_be_repeated(store: Store, house: House) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work(run: RunContext) -> None:
        async def post(_attempt: Attempt) -> str:
            begun.set()
            await go_on.wait()
            return "posted"

        assert await run.effect("post", "once", post) == "posted"
        await run.append(RunEvent(type="told.step", payload={}))
        await asyncio.Event().wait()

    runs, _ = await house.runs(work, on_crash="resume")
    run_id = await begin(store, runs)
    await begun.wait()
    stop = asyncio.create_task(runs.stop(grace=20))
    while (execution := runs._executor.get(run_id)) is not None and execution._stop is None:
        await store.read(lambda s: None)  # each look gives the stop a turn
    go_on.set()
    await stop
    row = await runs.find(run_id)
    assert row is not None
    assert row.status == "queued"
    assert of_effects(await journal(store, runs, run_id), "post") == [("started", 1), ("finished", 1)]

    async def rest(run: RunContext) -> None:
        assert await run.effect("post", "once", never) == "posted"

    later, _ = await house.runs(rest, on_crash="resume")
    assert (await to_end(later, run_id)).status == "finished"


async def test_a_cancel_cuts_it_once_and_lets_the_work_clean_up(store: Store, house: House) -> None:
    begun, cleaned = asyncio.Event(), asyncio.Event()

    async def work(run: RunContext) -> None:
        async def post(_attempt: Attempt) -> None:
            begun.set()
            await asyncio.Event().wait()

        try:
            await run.effect("post", "once", post)
        finally:
            await store.read(lambda s: None)
            cleaned.set()

    runs, _ = await house.runs(work, on_crash="resume")
    for stop in (runs.cancel, lambda _: runs.stop(grace=0)):
        begun.clear()
        cleaned.clear()
        run_id = await begin(store, runs)
        await begun.wait()
        await stop(run_id)
        await runs._dispatch.join()
        assert cleaned.is_set()
        assert of_effects(await journal(store, runs, run_id), "post") == [("started", 1)]


async def test_a_result_that_is_being_committed_when_the_work_is_cancelled_is_kept(store: Store, house: House) -> None:
    async def work(run: RunContext) -> None:
        async def post(_attempt: Attempt) -> str:
            task = asyncio.current_task()
            assert task is not None
            asyncio.get_running_loop().call_soon(task.cancel)
            return "posted"

        runs._executor.get(run.run_id)._stop = "shutdown"  # type: ignore[union-attr]
        await run.effect("post", "repeatable", post)
        await asyncio.Event().wait()

    runs, _ = await house.runs(work, on_crash="resume")
    run_id = await begin(store, runs)
    await until(runs, run_id, "run.effect.finished")
    await runs._dispatch.join()
    assert of_effects(await journal(store, runs, run_id), "post") == [("started", 1), ("finished", 1)]


async def test_parallel_effects_that_both_need_a_person_are_asked_about_one_by_one(store: Store, house: House) -> None:
    async def work(run: RunContext) -> None:
        async def post(attempt: Attempt) -> str:
            if attempt.number == 1:
                raise OutcomeUnknown("no answer")
            return attempt.name

        async with asyncio.TaskGroup() as group:
            both = [group.create_task(run.effect(name, "once", post)) for name in ("a", "b")]
        await run.finish({"both": [task.result() for task in both]})

    runs, _ = await house.runs(work)
    run_id = await begin(store, runs)
    asked = []
    while (await to_end(runs, run_id)).status == "parked":
        *_, last = await journal(store, runs, run_id)
        asked.append(last.payload["effect"])
        await runs.send(run_id, "retry", {})
        await runs._dispatch.join()
    assert sorted(asked) == ["a", "b"]
    assert (await runs.read(run_id))[1] == {"both": ["a", "b"]}
