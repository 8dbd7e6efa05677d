"""The usage ledger in its file."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from inglenook.gateway import ledger as module
from inglenook.gateway.ledger import Ledger, Record, month_start
from inglenook.gateway.tables import SCHEMA
from inglenook.kit.errors import Conflict

DAY = 86_400_000


def record(**changes: Any) -> Record:
    entry = Record(
        call_id="call_1",
        at=10 * DAY + 5,
        user_id="usr_a",
        key_id="key_a",
        run_id=None,
        model="m",
        provider="p",
        operation="chat",
        source="openai",
        input_tokens=10,
        output_tokens=5,
        cached_tokens=4,
        reasoning_tokens=1,
        estimated=False,
        cost=None,
        status="finished",
        duration_ms=12,
        ttft_ms=3,
    )
    return entry._replace(**changes)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    made = Ledger(tmp_path / "usage.db")
    await made.start()
    yield made
    await made.stop()


async def test_an_entry_keeps_every_field(ledger: Ledger) -> None:
    entry = record(estimated=True, cost=7, run_id="run_1", ttft_ms=None)
    ledger.record(entry)
    assert await ledger.entries() == [entry]
    assert await ledger.entries(user_id="usr_b") == []


@pytest.mark.parametrize("count", [1, 49, 50, 51, 120])
async def test_entries_keep_their_order_however_many_come_together(ledger: Ledger, count: int) -> None:
    entries = [record(call_id=f"call_{number}", ttft_ms=number or None) for number in range(count)]
    for entry in entries:
        ledger.record(entry)
    assert await ledger.entries(limit=1000) == entries[::-1]


async def test_sums_by_user_model_and_day(ledger: Ledger) -> None:
    for entry in (
        record(),
        record(at=11 * DAY, output_tokens=7, cost=3),
        record(at=11 * DAY + 9, user_id="usr_b", model="n"),
        record(at=12 * DAY, user_id="usr_b", status="failed"),
    ):
        ledger.record(entry)
    (whole,) = await ledger.sums()
    assert (whole.calls, whole.input_tokens, whole.output_tokens, whole.cost) == (4, 40, 22, 3)
    by_user = await ledger.sums("user_id")
    assert [(sums.group["user_id"], sums.calls) for sums in by_user] == [("usr_a", 2), ("usr_b", 2)]
    by_day = await ledger.sums("day", "model", user_id="usr_b")
    assert [(sums.group, sums.calls) for sums in by_day] == [
        ({"day": 11 * DAY, "model": "n"}, 1),
        ({"day": 12 * DAY, "model": "m"}, 1),
    ]
    (between,) = await ledger.sums(since=11 * DAY, until=12 * DAY)
    assert between.calls == 2
    (none,) = await ledger.sums(since=99 * DAY)
    assert (none.calls, none.input_tokens) == (0, 0)


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

    def noticing(session: Any, batch: Any) -> None:
        insert(session, batch)
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

    def refusing(session: Any, batch: Any) -> None:
        raise OSError("disk full")

    ledger.record(record(call_id="one"))
    module._insert = refusing
    try:
        await ledger.flush()
    finally:
        module._insert = insert
    ledger.record(record(call_id="two"))
    assert {entry.call_id for entry in await ledger.entries()} == {"one", "two"}


async def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "usage.db") as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    connection.close()
    ledger = Ledger(tmp_path / "usage.db")
    with pytest.raises(Conflict, match="newer version"):
        await ledger.start()
    await ledger.stop()


async def test_the_month_so_far_is_known_at_the_start(tmp_path: Path) -> None:
    now = module.now_ms()
    ledger = Ledger(tmp_path / "usage.db")
    await ledger.start()
    ledger.record(record(at=now))
    ledger.record(record(at=month_start(now) - 1))
    await ledger.stop()
    await ledger.start()
    assert ledger.opening["usr_a"].calls == 1
    await ledger.stop()


def test_months() -> None:
    assert month_start(1_709_251_199_999) == 1_706_745_600_000  # the last moment of February 2024
    assert month_start(1_709_251_200_000) == 1_709_251_200_000
