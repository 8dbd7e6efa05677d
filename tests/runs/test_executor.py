"""Take-over: real processes are killed, and the next server finds what they left."""

import asyncio
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from inglenook.runs.errors import LeaseLost
from inglenook.runs.kinds import RunContext, RunEvent
from inglenook.runs.service import Runs
from inglenook.store.blobs import Blobs
from inglenook.store.database import Store
from tests.runs.conftest import House
from tests.support.runs import ANNA, Told, begin, crash, notes, to_end, until
from tests.support.runs_child import BIG

ROOT = Path(__file__).parents[2]


async def child(data: Path, what: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.runs_child", str(data), what, cwd=ROOT, stdout=subprocess.PIPE
    )


def numbers(state: dict[str, list[int]]) -> list[int]:
    assert state["n"] == list(range(len(state["n"])))
    return state["n"]


async def test_kill_9_interrupts_one_kind_and_resumes_the_other(tmp_path: Path) -> None:
    process = await child(tmp_path, "stream")
    async with asyncio.timeout(30):
        assert process.stdout is not None
        cut, resumed = (await process.stdout.readline()).decode().split()
        process.kill()
        await process.wait()

    store = Store.open(Store.sqlite_url(tmp_path / "main.db"))
    found = {}

    async def go_on(run: RunContext) -> None:
        found["state"] = run.state
        found["epoch"] = run.epoch
        run.delta({"n": len(run.state["n"])})
        await run.finish({"resumed": True})

    runs = Runs(store, Blobs(tmp_path / "blobs"))
    interrupts, resumes = Told(go_on, name="interrupts"), Told(go_on, name="resumes", on_crash="resume")
    runs.register(interrupts)
    runs.register(resumes)
    async with asyncio.timeout(30):
        await runs.start()

        client = await to_end(runs, cut, "1.3.0")
        assert client.status == "interrupted"
        assert len(client.numbers) > 20, "what was streamed after the last event is kept, too"
        assert client.events == ["run.started", "told.step", "run.interrupted"]
        ((run_id, status, state, error),) = interrupts.settled
        assert (run_id, status, numbers(state)) == (cut, "interrupted", client.numbers)
        assert error is not None
        assert await notes(store) == ["settled interrupted"]
        assert state["events"][1] == ["told.step", {"big": BIG}]

        client = await to_end(runs, resumed)
        assert client.status == "finished"
        assert found["epoch"] == 2
        assert len(numbers(found["state"])) > 20
        assert client.numbers == [*found["state"]["n"], len(found["state"]["n"])]
        assert client.events == ["run.started", "told.step", "run.started", "run.finished"]
        assert resumes.settled == []
        await runs.stop()
    await store.close()


async def test_a_run_that_kills_every_server_is_parked_and_a_person_can_retry_it(
    tmp_path: Path, store: Store, house: House
) -> None:
    async def fine(run: RunContext) -> None:
        await run.finish({"fine": True})

    runs, _ = await house.runs(fine, start=False, name="resumes", on_crash="resume")
    run_id = await begin(store, runs, kind="resumes")
    for attempt in range(4):  # the first execution and three take-overs
        process = await child(tmp_path, "die")
        await process.communicate()
        assert process.returncode == -9, attempt
    await runs.start()
    client = await to_end(runs, run_id)
    assert client.status == "parked"
    assert client.events == ["run.started"] * 4 + ["run.parked"]
    found = await runs.find(run_id)
    assert found is not None
    assert "3 times" in (found.error or "")
    assert await notes(store) == ["settled parked"]
    await runs.send(run_id, "retry", {})
    assert (await to_end(runs, run_id)).status == "finished"


@pytest.mark.parametrize("what", ["die-streaming", "die-in-effect", "die-after-notes"])
async def test_what_is_written_again_by_every_attempt_is_no_progress(
    tmp_path: Path, store: Store, house: House, what: str
) -> None:
    runs, _ = await house.runs(lambda run: run.finish(), start=False, name="resumes", on_crash="resume")
    run_id = await begin(store, runs, kind="resumes")
    for _ in range(4):
        process = await child(tmp_path, what)
        await process.communicate()
        assert process.returncode == -9
    await runs.start()
    assert (await to_end(runs, run_id)).status == "parked"


async def test_a_run_that_gets_further_each_time_is_not_parked(tmp_path: Path, store: Store, house: House) -> None:
    runs, _ = await house.runs(lambda run: run.finish(), start=False, name="resumes", on_crash="resume")
    run_id = await begin(store, runs, kind="resumes")
    for _ in range(5):
        process = await child(tmp_path, "die-further")
        await process.communicate()
        assert process.returncode == -9
    await runs.start()
    assert (await to_end(runs, run_id)).status == "finished"


async def test_a_cancel_that_the_crash_overtook_is_honoured(store: Store, house: House) -> None:
    runs, kind = await house.runs(lambda run: run.finish(), start=False)
    run_id = await begin(store, runs)
    await crash(store, run_id)
    await runs.cancel(run_id)
    await runs.start()
    assert (await to_end(runs, run_id)).status == "cancelled"
    assert [s[1] for s in kind.settled] == ["cancelled"]


async def test_a_lease_that_another_process_still_holds_is_respected(store: Store, house: House) -> None:
    runs, _ = await house.runs(lambda run: run.finish(), start=False, sole=False)
    held, expired = await begin(store, runs), await begin(store, runs)
    await crash(store, held, lease_until=2**50)
    await crash(store, expired, lease_until=1)
    await runs.start()
    assert (await to_end(runs, expired)).status == "interrupted"
    found = await runs.find(held)
    assert found is not None
    assert (found.status, found.epoch) == ("running", 1)


async def test_a_server_that_stalls_is_relieved_while_the_others_run(store: Store, house: House) -> None:
    woken = asyncio.Event()
    refused: list[type[Exception]] = []

    async def stall(run: RunContext) -> None:
        run.delta({"n": 0})
        await run.append(RunEvent(type="told.step", payload={}))
        await woken.wait()
        try:
            await run.append(RunEvent(type="told.late", payload={}))
        except LeaseLost as error:
            refused.append(type(error))
            raise

    async def go_on(run: RunContext) -> None:
        run.delta({"n": len(run.state["n"])})
        await run.finish()

    stalled, _ = await house.runs(stall, sole=False, lease=0.3, name="resumes", on_crash="resume")
    stalled.register(Told(stall, name="interrupts"))
    others, _ = await house.runs(go_on, sole=False, lease=0.3, name="resumes", on_crash="resume")
    others.register(Told(go_on, name="interrupts"))
    resumed, cut = await begin(store, stalled, kind="resumes"), await begin(store, stalled, kind="interrupts")
    for run_id in (resumed, cut):
        await until(stalled, run_id, "told.step")
    assert stalled._renewing is not None
    stalled._renewing.cancel()  # from now on it is as good as dead
    client = await to_end(others, resumed)
    assert (client.status, client.numbers) == ("finished", [0, 1])
    assert (await to_end(others, cut)).status == "interrupted"
    woken.set()
    await stalled._dispatch.join()
    assert refused == [LeaseLost, LeaseLost]
    found = await others.find(resumed)
    assert found is not None
    assert (found.status, found.epoch) == ("finished", 2)


async def test_a_server_that_only_writes_seldom_keeps_its_runs(store: Store, house: House) -> None:
    done = asyncio.Event()

    async def think(run: RunContext) -> None:
        await done.wait()

    runs, _ = await house.runs(think, sole=False, lease=0.3)
    other, _ = await house.runs(think, sole=False, lease=0.3)
    run_id = await begin(store, runs)
    began = await runs.find(run_id)
    assert began is not None
    assert began.lease_until is not None
    renewed = began.lease_until
    while renewed < began.lease_until + 900:  # three leases on
        await asyncio.sleep(0.05)
        found = await runs.find(run_id)
        renewed = (found and found.lease_until) or 0
    done.set()
    client = await to_end(runs, run_id)
    assert (client.status, client.events) == ("finished", ["run.started", "run.finished"])
    assert other._executor.all() == []


async def test_a_run_left_queued_by_a_server_that_is_gone_is_executed_by_another(store: Store, house: House) -> None:
    gone, _ = await house.runs(lambda run: run.finish(), start=False)
    runs, _ = await house.runs(lambda run: run.finish(), sole=False, lease=0.3)
    run_id = await begin(store, gone)
    assert (await to_end(runs, run_id)).status == "finished"


async def test_two_servers_that_find_the_same_run_conclude_it_once(store: Store, house: House) -> None:
    servers = [await house.runs(lambda run: run.finish(), start=False, sole=False) for _ in range(2)]
    run_id = await begin(store, servers[0][0])
    await crash(store, run_id, lease_until=1)
    await asyncio.gather(*[runs.start() for runs, _ in servers])
    assert (await to_end(servers[0][0], run_id)).events.count("run.interrupted") == 1
    found = await servers[0][0].find(run_id)
    assert found is not None
    assert found.epoch == 2
    assert sum(len(kind.settled) for _, kind in servers) == 1


async def test_one_run_that_cannot_be_taken_over_does_not_stand_in_the_others_way(
    store: Store, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    runs, _ = await house.runs(lambda run: run.finish(), start=False)
    odd, fine = await begin(store, runs), await begin(store, runs)
    await crash(store, odd, actor={"who": "knows"})
    await crash(store, fine)
    await runs.start()
    assert (await to_end(runs, fine)).status == "interrupted"


async def test_an_unknown_kind_is_left_for_a_server_that_knows_it(
    store: Store, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    runs, _ = await house.runs(lambda run: run.finish(), start=False, name="gone")
    run_id = await begin(store, runs, kind="gone")
    others, _ = await house.runs(lambda run: run.finish())
    known = await begin(store, others)
    assert (await to_end(others, known)).status == "finished"
    found = await others.find(run_id)
    assert found is not None
    assert found.status == "queued"


async def test_a_graceful_stop_lets_work_finish_within_the_grace(store: Store, house: House) -> None:
    begun, stopping = asyncio.Event(), asyncio.Event()

    async def work(run: RunContext) -> None:
        run.delta({"n": 0})
        begun.set()
        await stopping.wait()
        run.delta({"n": 1})

    runs, _ = await house.runs(work)
    run_id = await begin(store, runs)
    watching = asyncio.create_task(to_end(runs, run_id))
    await begun.wait()
    stop = asyncio.create_task(runs.stop(grace=20))
    stopping.set()
    await stop
    client = await watching
    assert (client.status, client.numbers) == ("finished", [0, 1])


async def test_a_graceful_stop_interrupts_or_releases_what_goes_on(store: Store, house: House) -> None:
    async def work(run: RunContext) -> None:
        run.delta({"n": 0})
        await run.append(RunEvent(type="told.step", payload={}))
        run.delta({"n": 1})
        await run.append(RunEvent(type="told.ready", payload={}))
        run.delta({"n": 2})
        ready.release()
        await asyncio.Event().wait()

    ready = asyncio.Semaphore(0)

    runs, kind = await house.runs(work, start=False, slice=3600)
    runs.register(other := Told(work, name="resumes", on_crash="resume"))
    await runs.start()
    cut, released = await begin(store, runs), await begin(store, runs, kind="resumes")
    watching = [asyncio.create_task(to_end(runs, run_id)) for run_id in (cut, released)]
    for _ in (cut, released):
        await ready.acquire()
    await runs.stop(grace=0)
    clients = await asyncio.gather(*watching)
    assert [c.numbers for c in clients] == [[0, 1, 2], [0, 1, 2]]
    assert [c.over for c in clients] == [True, False]
    assert clients[0].status == "interrupted"
    assert [s[1] for s in kind.settled] == ["interrupted"]
    assert other.settled == []
    row = await runs.find(released)
    assert row is not None
    assert (row.status, row.lease_until, row.takeovers) == ("queued", None, 0)

    async def rest(run: RunContext) -> None:
        run.delta({"n": len(run.state["n"])})

    later, _ = await house.runs(rest, name="resumes", on_crash="resume")
    assert (await to_end(later, released)).numbers == [0, 1, 2, 3]


async def test_a_run_made_while_the_server_stops_waits_for_the_next_start(store: Store, house: House) -> None:
    runs, _ = await house.runs(lambda run: run.finish())
    await runs.stop()
    run_id = await begin(store, runs)
    again, _ = await house.runs(lambda run: run.finish())
    assert (await to_end(again, run_id)).status == "finished"


async def test_a_run_of_an_unknown_kind_that_is_woken_stays_queued(
    store: Store, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    runs, _ = await house.runs(lambda run: run.wait({}), name="gone")
    run_id = await begin(store, runs, kind="gone")
    await until(runs, run_id, "run.waiting")
    await runs.stop()
    others, _ = await house.runs(lambda run: run.finish())
    await others.send(run_id, "go", {})
    await others._dispatch.join()
    found = await others.find(run_id)
    assert found is not None
    assert (found.status, found.epoch) == ("queued", 1)


async def test_a_lease_taken_while_the_server_closes_is_given_back(store: Store, house: House) -> None:
    runs, kind = await house.runs(lambda run: run.finish())

    def make(session: Session) -> str:
        run_id = runs.create(session, kind="told", actor=ANNA, input={})
        asyncio.run_coroutine_threadsafe(runs._dispatch.close(), loop).result()
        return run_id

    loop = asyncio.get_running_loop()
    run_id = await store.write(make)
    await runs.stop()
    found = await runs.find(run_id)
    assert found is not None
    assert (found.status, found.epoch, found.lease_until) == ("queued", 1, None)
    again, _ = await house.runs(lambda run: run.finish())
    assert (await to_end(again, run_id)).status == "finished"
    assert kind.settled == []


async def test_the_first_execution_is_given_what_a_later_one_would_read(store: Store, house: House) -> None:
    given: list[object] = []

    async def work(run: RunContext) -> None:
        given.append((run.actor, run.input))
        if run.epoch == 1:
            await run.wait({})

    runs, _ = await house.runs(work)
    run_id = await begin(store, runs, input={"pair": (1, 2)})
    await until(runs, run_id, "run.waiting")
    await runs.send(run_id, "go", {})
    assert (await to_end(runs, run_id)).over
    assert given[0] == given[1] == (ANNA, {"pair": [1, 2]})
