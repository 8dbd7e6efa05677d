"""The usage ledger in its file."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from inglenook.gateway import ledger as module
from inglenook.gateway.ledger import Ledger, month_start
from inglenook.gateway.tables import SCHEMA, UsageHour
from inglenook.kit.errors import Conflict
from tests.support.ledger import DAY, record

SMALLER = ("usage_model_hours", "usage_person_days")


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    made = Ledger(tmp_path / "usage.db")
    await made.start()
    yield made
    await made.stop()


async def test_an_entry_keeps_every_field(ledger: Ledger) -> None:
    entry = record(
        estimated=True,
        cost=7,
        run_id="run_1",
        ttft_ms=None,
        team_id="grp_1",
        app_id="app_1",
        asked="best",
        route="best",
        cache_write_tokens=3,
        currency="CNY",
        replayed=True,
        attempts=2,
        error="upstream_failed",
    )
    ledger.record(entry)
    assert await ledger.entries() == [entry]
    assert await ledger.entries(user_id="usr_b") == []


@pytest.mark.parametrize("count", [1, 49, 50, 51, 120])
async def test_entries_keep_their_order_however_many_come_together(ledger: Ledger, count: int) -> None:
    entries = [record(call_id=f"call_{number}", ttft_ms=number or None) for number in range(count)]
    for entry in entries:
        ledger.record(entry)
    assert await ledger.entries(limit=1000) == entries[::-1]


async def test_stopping_writes_what_is_in_memory(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "usage.db")
    await ledger.start()
    for _ in range(2500):
        ledger.record(record())
    await ledger.stop()
    with sqlite3.connect(tmp_path / "usage.db") as connection:
        assert connection.execute("SELECT count(*) FROM ledger").fetchone() == (2500,)
    connection.close()


async def test_it_writes_by_itself_within_a_second(ledger: Ledger, tmp_path: Path) -> None:
    written = asyncio.Event()
    insert = module._insert

    def noticing(session: Any, batch: Any, bodies: Any) -> None:
        insert(session, batch, bodies)
        loop.call_soon_threadsafe(written.set)

    loop = asyncio.get_running_loop()
    module._insert = noticing
    try:
        ledger.record(record())
        async with asyncio.timeout(module.FLUSH_EVERY + 5):
            await written.wait()
    finally:
        module._insert = insert


async def test_a_disk_that_refuses_loses_nothing(ledger: Ledger) -> None:
    insert = module._insert

    def refusing(session: Any, batch: Any, bodies: Any) -> None:
        raise OSError("disk full")

    ledger.record(record(call_id="one"))
    module._insert = refusing
    try:
        await ledger.flush()
    finally:
        module._insert = insert
    ledger.record(record(call_id="two"))
    assert {entry.call_id for entry in await ledger.entries()} == {"one", "two"}


async def test_a_flush_writes_what_was_recorded_before_it_although_more_comes(ledger: Ledger, tmp_path: Path) -> None:
    insert, going, release = module._insert, asyncio.Event(), threading.Event()

    def slow(session: Any, batch: Any, bodies: Any) -> None:
        loop.call_soon_threadsafe(going.set)
        release.wait()
        insert(session, batch, bodies)

    loop = asyncio.get_running_loop()
    module._insert = slow
    try:
        ledger.record(record(call_id="one"))
        first = asyncio.create_task(ledger.flush())
        await going.wait()
        ledger.record(record(call_id="two"))
        second = asyncio.create_task(ledger.flush())
        await asyncio.sleep(0)  # it waits for the first write now
        ledger.record(record(call_id="three"))
        release.set()
        await asyncio.gather(first, second)
    finally:
        release.set()
        module._insert = insert
    with closing(sqlite3.connect(tmp_path / "usage.db")) as connection:
        assert {row[0] for row in connection.execute("SELECT call_id FROM ledger")} >= {"one", "two"}


async def test_what_comes_during_a_long_write_is_written_after_it_by_itself(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FLUSH_EVERY", 0.01)
    insert, release = module._insert, threading.Event()
    batches: list[int] = []
    done = asyncio.Event()

    def slow(session: Any, batch: Any, bodies: Any) -> None:
        insert(session, batch, bodies)
        batches.append(len(batch))
        if len(batches) == 1:
            loop.call_soon_threadsafe(first.set)
            release.wait()
        else:
            loop.call_soon_threadsafe(done.set)

    loop, first = asyncio.get_running_loop(), asyncio.Event()
    module._insert = slow
    try:
        ledger.record(record(call_id="one"))
        await first.wait()
        ledger.record(record(call_id="two"))
        await asyncio.sleep(0.05)  # its time comes while the first is still being written
        release.set()
        await asyncio.wait_for(done.wait(), 5)
    finally:
        release.set()
        module._insert = insert
    assert batches == [1, 1]


async def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "usage.db") as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    connection.close()
    ledger = Ledger(tmp_path / "usage.db")
    with pytest.raises(Conflict, match="newer version"):
        await ledger.start()
    await ledger.stop()


async def test_a_file_of_the_first_schema_is_brought_up_to_date_and_added_up(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "usage.db") as connection:
        connection.execute(
            "CREATE TABLE ledger (id INTEGER PRIMARY KEY, call_id TEXT NOT NULL, at BIGINT NOT NULL, user_id TEXT NOT "
            "NULL, key_id TEXT, run_id TEXT, model TEXT NOT NULL, provider TEXT NOT NULL, operation TEXT NOT NULL, "
            "source TEXT NOT NULL, input_tokens BIGINT NOT NULL, output_tokens BIGINT NOT NULL, cached_tokens BIGINT "
            "NOT NULL, reasoning_tokens BIGINT NOT NULL, estimated BOOLEAN NOT NULL, cost BIGINT, status TEXT NOT "
            "NULL, duration_ms BIGINT NOT NULL, ttft_ms BIGINT)"
        )
        old = record()[: module.Record._fields.index("team_id")]
        connection.execute(f"INSERT INTO ledger VALUES (NULL, {', '.join('?' * len(old))})", old)
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    ledger = Ledger(tmp_path / "usage.db")
    await ledger.start()
    assert await ledger.entries() == [record()]
    ledger.record(record(call_id="call_2"))
    hours = await ledger.read(lambda session: [*session.scalars(select(UsageHour))])
    assert [(hour.hour, hour.calls, hour.input_tokens, hour.ttft_ms) for hour in hours] == [(10 * DAY, 2, 20, 6)]
    await ledger.stop()
    again = Ledger(tmp_path / "usage.db")
    await again.start()
    assert len(await again.entries()) == 2
    await again.stop()


async def test_a_file_of_the_second_schema_gets_the_smaller_sums(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "usage.db")
    await ledger.start()
    for number in range(200):
        changes = {"status": "failed" if number % 3 == 0 else "finished", "model": f"m{number % 2}"}
        ledger.record(record(call_id=f"c{number}", at=number * DAY // 20, key_id=None, cost=number, **changes))
    kept = [await ledger.read(lambda session, table=table: _all(session, table)) for table in SMALLER]
    await ledger.stop()
    with sqlite3.connect(tmp_path / "usage.db") as connection:
        for table in SMALLER:
            connection.execute(f"DROP TABLE {table}")
        connection.execute("DROP INDEX ix_usage_hours_user_hour")
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    again = Ledger(tmp_path / "usage.db")
    await again.start()
    assert [await again.read(lambda session, table=table: _all(session, table)) for table in SMALLER] == kept
    await again.stop()
    with sqlite3.connect(tmp_path / "usage.db") as connection:
        assert connection.execute(
            "SELECT count(*) FROM sqlite_master WHERE name = 'ix_usage_hours_user_hour'"
        ).fetchone()[0]
    connection.close()


def _all(session: Any, table: str) -> list[Any]:
    return sorted(tuple(row) for row in session.execute(text(f"SELECT * FROM {table}")))


def test_months() -> None:
    assert month_start(1_709_251_199_999) == 1_706_745_600_000  # the last moment of February 2024
    assert month_start(1_709_251_200_000) == 1_709_251_200_000
