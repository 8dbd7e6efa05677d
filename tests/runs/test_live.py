"""Live streams: whatever a watcher missed it gets once, and a slow one costs no memory."""

import asyncio
import random
from contextlib import aclosing

import pytest

from inglenook.runs.journal import Recorded
from inglenook.runs.kinds import RunContext, RunEvent
from inglenook.runs.live import BACKLOG, Position, Stream, catch_up
from inglenook.store.database import Store
from tests.runs.conftest import House
from tests.support.runs import Client, Told, begin, to_end, until


def test_a_position_is_read_back_and_nonsense_is_none() -> None:
    assert Position.parse(str(Position(2, 30, 4))) == (2, 30, 4)
    for text in (None, "", "1", "1.2", "1.2.3.4", "a.b.c", "1.-2.3", "1.2.", "1..3"):
        assert Position.parse(text) is None


def recorded(seq: int, *numbers: int, type_: str = "run.delta") -> Recorded:
    payload = {"deltas": [{"n": n} for n in numbers]} if numbers else {}
    return Recorded(type=type_, payload=payload, seq=seq, epoch=1, at=0)


@pytest.mark.parametrize("offset", range(8))
def test_an_offset_reaches_across_slices(offset: int) -> None:
    # What is live as "offset 5 after seq 1" may be journaled later as two slices and a tail.
    events = [recorded(2, 0, 1, 2), recorded(3, 3, 4)]
    frames = catch_up(Position(1, 1, offset), events, Position(1, 3, 2), [{"n": 5}, {"n": 6}])
    assert frames is not None
    assert [d["n"] for frame in frames for d in frame.data["deltas"]] == list(range(offset, 7))


def test_an_offset_beyond_what_there_is_names_no_place() -> None:
    assert catch_up(Position(1, 1, 4), [recorded(2, 0, 1, 2)], Position(1, 2, 0), []) is None
    crossing = [recorded(2, 0, 1), recorded(3, type_="told.step"), recorded(4, 2, 3)]
    assert catch_up(Position(1, 1, 3), crossing, Position(1, 4, 0), []) is None


async def test_a_watcher_that_does_not_read_is_bounded_and_told_to_start_afresh() -> None:
    async def nothing(_after: int, _upto: int) -> list[Recorded]:
        raise AssertionError("there is no need of the journal")

    stream = Stream(Told(lambda _run: asyncio.sleep(0)), epoch=1, seq=1, state={}, status="running")
    async with aclosing(stream.follow(None, nothing)) as frames:
        client = Client()
        client.take(await anext(frames))
        for n in range(BACKLOG * 3):
            stream.push({"n": n})
        (watcher,) = stream._watchers
        assert len(watcher._pieces) <= BACKLOG
        frame = await anext(frames)
        assert frame.event == "reset"
        client.take(frame)
        assert client.numbers == list(range(BACKLOG * 3))
        stream.push({"n": BACKLOG * 3})
        frame = await anext(frames)
        assert frame.event == "delta"
        client.take(frame)
    assert not stream._watchers


async def test_a_delta_reaches_all_watchers_before_it_is_journaled(store: Store, house: House) -> None:
    proceed = asyncio.Event()

    async def work(run: RunContext) -> None:
        await proceed.wait()
        run.delta({"n": 0})
        await asyncio.Event().wait()

    runs, _ = await house.runs(work, slice=3600)  # nothing is journaled in this test's time
    run_id = await begin(store, runs)
    await until(runs, run_id, "run.started")
    async with aclosing(runs.watch(run_id)) as one, aclosing(runs.watch(run_id)) as other:
        assert (await anext(one)).event == (await anext(other)).event == "reset"
        proceed.set()
        for watch in (one, other):
            frame = await anext(watch)
            assert (frame.event, frame.id, frame.data) == ("delta", "1.1.1", {"deltas": [{"n": 0}]})
    async with aclosing(runs.watch(run_id)) as late:
        assert (await anext(late)).data["state"]["n"] == [0]
    async with aclosing(runs.watch(run_id, "1.1.0")) as back:
        assert (await anext(back)).data == {"deltas": [{"n": 0}]}


async def test_slices_pruned_while_a_watcher_catches_up_are_not_missed(store: Store, house: House) -> None:
    """The run ends, and its slices go, between a watcher's joining the stream and its reading the journal."""
    proceed = asyncio.Event()

    async def work(run: RunContext) -> None:
        run.delta({"n": 0})
        await run.append(RunEvent(type="told.step", payload={}))
        run.delta({"n": 1})
        await proceed.wait()

    runs, _ = await house.runs(work, slice=3600)
    run_id = await begin(store, runs)
    await until(runs, run_id, "told.step")
    stream = runs._executor.stream(run_id)
    assert stream is not None

    async def late(after: int, upto: int) -> list[Recorded] | None:
        proceed.set()
        await to_end(runs, run_id)
        return await runs._reader(run_id)(after, upto)

    client = Client()
    async for frame in stream.follow(Position(1, 1, 0), late):
        client.take(frame)
    assert client.numbers == [0, 1]


@pytest.mark.parametrize("seed", range(12))
async def test_no_gap_and_no_duplicate_however_often_the_connection_breaks(
    store: Store, house: House, seed: int
) -> None:
    luck = random.Random(seed)
    total = 1500

    async def work(run: RunContext) -> None:
        for n in range(total):
            run.delta({"n": n})
            if luck.random() < 0.3:
                await asyncio.sleep(0)
            if luck.random() < 0.05:
                await store.read(lambda _s: None)  # time passes
            if luck.random() < 0.02:
                await run.append(RunEvent(type="told.step", payload={"after": n}))

    runs, _ = await house.runs(work, slice=0.001)
    run_id = await begin(store, runs)
    await until(runs, run_id, "run.started")
    resumed = mid_slice = 0

    async def watch(reader: random.Random) -> Client:
        nonlocal resumed, mid_slice
        client = Client()
        while not client.over:
            first = client.last is not None
            async with aclosing(runs.watch(run_id, client.last)) as frames:
                patience = reader.randint(1, 40)
                async for frame in frames:
                    if first and frame.event != "reset":
                        resumed += 1
                        assert client.last is not None
                        mid_slice += not client.last.endswith(".0")
                    if first and frame.event == "reset":
                        # Only the end, which prunes the slices, may ask a watcher to start afresh.
                        assert frame.data["status"] == "finished"
                    first = False
                    client.take(frame)
                    patience -= 1
                    if not patience:
                        break
        return client

    clients = await asyncio.gather(*(watch(random.Random(seed * 100 + i)) for i in range(4)))
    complete = await to_end(runs, run_id)
    for client in (*clients, complete):
        assert client.numbers == list(range(total))
        assert client.events == complete.events
        assert client.status == "finished"
    assert resumed > 3, "it was not tried"
    assert mid_slice > 0, "it was not tried"


async def test_events_and_deltas_of_parallel_tasks_keep_one_order(store: Store, house: House) -> None:
    """What is streamed while an event is being committed follows that event, live as in the journal."""
    counter = iter(range(10_000))

    async def work(run: RunContext) -> None:
        async def stream() -> None:
            for _ in range(300):
                run.delta({"n": next(counter)})
                await asyncio.sleep(0)

        async def step() -> None:
            for i in range(40):
                await run.append(RunEvent(type="told.step", payload={"i": i}))

        await attached.wait()
        await asyncio.gather(stream(), step(), stream())
        journal = await store.read(lambda s: runs._journal.read(s, run.run_id))
        order.extend(
            part for event in journal for part in (event.payload.get("deltas") or [event.type]) if part != "run.started"
        )

    attached = asyncio.Event()
    order: list[object] = []
    live: list[object] = []
    runs, _ = await house.runs(work, slice=0.001)
    run_id = await begin(store, runs)
    await until(runs, run_id, "run.started")
    async for frame in runs.watch(run_id):
        if frame.event == "delta":
            live.extend(frame.data["deltas"])
        elif frame.event == "event":
            live.append(frame.data["type"])
        elif frame.event == "reset":
            assert not live
            attached.set()
    assert "told.step" in order
    assert live[: len(order)] == order
