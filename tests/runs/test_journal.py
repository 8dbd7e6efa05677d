"""The journal: large payloads, erasure, and what JSON cannot carry."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from inglenook.runs.journal import INLINE_LIMIT, encode
from inglenook.runs.kinds import RunContext, RunEvent
from inglenook.runs.tables import RunEventRow, RunRow
from inglenook.store.blobs import Blobs
from inglenook.store.database import Store
from tests.runs.conftest import House
from tests.support.runs import begin, to_end

LARGE = "ü" * INLINE_LIMIT


def files(blobs: Blobs) -> Iterator[Path]:
    return (path for path in blobs.root.rglob("*") if path.is_file())


async def rows(store: Store, run_id: str) -> list[RunEventRow]:
    found = select(RunEventRow).where(RunEventRow.run_id == run_id).order_by(RunEventRow.seq)
    return await store.read(lambda s: list(s.scalars(found)))


async def test_large_payloads_are_blobs_that_are_there_before_the_event(
    store: Store, house: House, blobs: Blobs
) -> None:
    def look(_session: object) -> None:
        seen.append(len(list(files(blobs))))

    async def work(run: RunContext) -> None:
        await run.append(RunEvent(type="told.step", payload={"text": LARGE}), project=look)
        await run.append(RunEvent(type="told.step", payload={"text": "small"}))
        await run.finish({"text": LARGE})

    seen: list[int] = []
    runs, _ = await house.runs(work)
    run_id = await begin(store, runs)
    await to_end(runs, run_id)
    assert seen == [1]
    _, large, small, last = await rows(store, run_id)
    assert (large.payload, small.blob) == (None, None)
    assert len(blobs.get(large.blob or "")) > INLINE_LIMIT
    assert (await runs.state(run_id))["events"][1] == ["told.step", {"text": LARGE}]
    found, output = await runs.read(run_id)
    assert found.output is None
    assert output == {"text": LARGE}
    assert last.blob is not None


async def test_large_slices_go_with_their_blobs(store: Store, house: House, blobs: Blobs) -> None:
    async def work(run: RunContext) -> None:
        run.delta({"n": 0, "weight": LARGE})
        await run.append()
        assert len(list(files(blobs))) == 1

    runs, _ = await house.runs(work, slice=3600)
    run_id = await begin(store, runs)
    assert (await to_end(runs, run_id)).status == "finished"
    await runs._dispatch.join()
    assert list(files(blobs)) == []
    assert (await runs.state(run_id))["n"] == [0]


async def test_erasing_empties_payloads_and_keeps_envelopes(store: Store, house: House, blobs: Blobs) -> None:
    async def work(run: RunContext) -> None:
        run.delta({"n": 0})
        await run.append(RunEvent(type="told.step", payload={"text": LARGE}))
        await run.append(RunEvent(type="told.step", payload={"text": "private"}))

    runs, _ = await house.runs(work)
    other = await begin(store, runs, input={"secret": "kept"})
    run_id = await begin(store, runs, input={"secret": "private"}, title="private")
    for each in (other, run_id):
        await to_end(runs, each)
    before = await rows(store, run_id)
    assert len(list(files(blobs))) == 4, "an event and a folded state each; runs share no blob"
    await store.write(lambda s: runs.erase(s, run_id))
    await runs.stop()
    after = await rows(store, run_id)
    assert [(e.seq, e.type, e.at) for e in after] == [(e.seq, e.type, e.at) for e in before]
    assert {(e.payload, e.blob) for e in after} == {(None, None)}
    assert len(list(files(blobs))) == 2
    found, output = await runs.read(run_id)
    assert (found.input, found.title, output) == ({}, None, None)
    client = await to_end(runs, run_id)
    assert (client.status, client.numbers) == ("finished", [])
    assert (await runs.state(other))["events"][1] == ["told.step", {"text": LARGE}]


async def test_erasing_many_runs_holds_up_the_writer_no_longer_than_one(store: Store, house: House) -> None:
    async def work(run: RunContext) -> None:
        await run.append(RunEvent(type="told.step", payload={"text": "private"}))

    runs, _ = await house.runs(work)
    ids = [await begin(store, runs) for _ in range(21)]
    for run_id in ids:
        await to_end(runs, run_id)

    def erase(session: Session, *run_ids: str) -> int:
        statements: list[str] = []
        event.listen(session.connection(), "before_cursor_execute", lambda *told: statements.append(told[2]))
        runs.erase(session, *run_ids)
        return len(statements)

    one = await store.write(lambda s: erase(s, ids[0]))
    assert await store.write(lambda s: erase(s, *ids[1:])) == one
    for run_id in ids:
        assert {(each.payload, each.blob) for each in await rows(store, run_id)} == {(None, None)}


async def test_what_a_model_may_write_is_kept_as_far_as_json_can(store: Store, house: House) -> None:
    texts = ["\0", "\ud83d", "😀", '"\\\n', "\u2028"]

    async def work(run: RunContext) -> None:
        for i, text in enumerate(texts):
            run.delta({"n": i, "text": text})
            await run.append(RunEvent(type="told.step", payload={"text": text}))
        with pytest.raises(TypeError):
            run.delta({"n": object()})
        with pytest.raises(TypeError):
            await run.append(RunEvent(type="told.step", payload={"text": object()}))

    runs, _ = await house.runs(work)
    client = await to_end(runs, run_id := await begin(store, runs))
    assert client.status == "finished"
    kept = [event[1]["text"] for event in (await runs.state(run_id))["events"] if event[0] == "told.step"]
    assert kept == ["\0", "?", "😀", '"\\\n', "\u2028"]


def test_encoding_is_compact() -> None:
    assert encode({"a": [1, "é"]}) == '{"a":[1,"é"]}'.encode()


async def test_the_actor_is_kept_without_secrets_and_given_back(store: Store, house: House) -> None:
    actors = []

    async def work(run: RunContext) -> None:
        actors.append(run.actor)
        await asyncio.sleep(0)

    runs, _ = await house.runs(work)
    run_id = await begin(store, runs)
    await to_end(runs, run_id)
    row = await store.read(lambda s: s.get(RunRow, run_id))
    assert row is not None
    assert row.actor_id == actors[0].user_id == "usr_anna"
    assert set(row.actor) == {"user_id", "name", "role", "groups", "key_id", "team_id", "models", "tags"}
