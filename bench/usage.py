"""How long the usage page waits with a year of a large team in the ledger.

    python -m bench.usage FOLDER [ENTRIES] [USERS]

Fills `FOLDER/usage.db` with entries of 365 days (5,000,000 of 500 people unless said otherwise; skipped if the file is
there), as people work: most by day, each with their few models and keys. Then asks what the page asks.
"""

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from inglenook.gateway.ledger import Ledger, Record
from inglenook.gateway.ledger import _add_up as add_up  # the ledger's own sums
from inglenook.gateway.tables import LedgerEntry
from inglenook.gateway.usage import export
from inglenook.gateway.usage.service import Filter, Usage

DAY = 86_400_000
END = 1_790_000_000_000
START = END - 365 * DAY
MODELS = [f"model-{number}" for number in range(12)]
BATCH = 50_000


def entries(count: int, users: int) -> Iterator[Record]:
    """Entries in the order of time."""
    draw = random.Random(1)
    habits = [(draw.sample(MODELS, 3), [f"key_{user}_{key}" for key in range(2)]) for user in range(users)]
    for number in range(count):
        day, user = number * 365 // count, int(users * draw.random() ** 2)
        models, keys = habits[user]
        model = models[int(3 * draw.random() ** 3)]
        at = START + day * DAY + int(draw.triangular(7, 20, 14) * 3_600_000)
        failed = draw.random() < 0.02
        yield Record(
            f"call_{number}",
            at,
            f"usr_{user}",
            keys[draw.random() < 0.2],
            None,
            model,
            f"prv_{MODELS.index(model) % 4}",
            "chat",
            "openai" if draw.random() < 0.8 else "chat",
            draw.randrange(20, 8000),
            draw.randrange(1, 1500),
            draw.randrange(0, 20),
            0,
            False,
            draw.randrange(1_000, 90_000_000),
            "failed" if failed else "finished",
            draw.randrange(300, 20_000),
            None if failed else draw.randrange(80, 2000),
            f"grp_{user % 20}",
            asked=model,
        )


async def fill(ledger: Ledger, count: int, users: int) -> None:
    """Write the entries, as the ledger does, in large batches."""
    batch: list[Record] = []

    def write(session: Session) -> None:
        session.connection().execute(insert(LedgerEntry), [record._asdict() for record in batch])
        add_up(session, batch)

    for record in entries(count, users):
        batch.append(record)
        if len(batch) == BATCH:
            await ledger.write(write)
            batch.clear()
    if batch:
        await ledger.write(write)


async def timed(name: str, ask: Callable[[], Awaitable[Any]]) -> None:
    """Ask three times, and say how long the quickest and the first took."""
    took = []
    for _ in range(3):
        begin = time.perf_counter()
        found = await ask()
        took.append((time.perf_counter() - begin) * 1000)
    rows = len(found) if isinstance(found, list) else found
    print(f"{name:40} {min(took):9.1f} ms  (first {took[0]:.1f})  {rows} rows")


async def drained(pieces: AsyncIterator[bytes]) -> int:
    """Bytes of an export, none of them kept."""
    return sum([len(piece) async for piece in pieces])


async def main() -> None:
    folder = Path(sys.argv[1])
    count, users = (int(given) for given in (*sys.argv[2:4], *(5_000_000, 500)[len(sys.argv) - 2 :]))
    new = not (folder / "usage.db").exists()
    ledger = Ledger(folder / "usage.db")
    await ledger.start()
    if new:
        begin = time.perf_counter()
        await fill(ledger, count, users)
        print(f"filled in {time.perf_counter() - begin:.0f} s")
    tables = ("ledger", "usage_hours")
    for table in tables:
        rows = await ledger.read(lambda s, table=table: s.execute(text(f"SELECT count(*) FROM {table}")).scalar())
        print(f"{table}: {rows} rows")
    print(f"{(folder / 'usage.db').stat().st_size / 1e6:.0f} MB")
    usage, zone = Usage(ledger), "Asia/Shanghai"
    for name, since in (("day", END - DAY), ("30 days", END - 30 * DAY), ("year", START)):
        where = Filter(since=since, until=END)
        mine = Filter(since=since, until=END, user_id="usr_7")
        await timed(f"{name}, by day", lambda w=where: usage.sums("day", where=w, zone=zone))
        await timed(f"{name}, by model", lambda w=where: usage.sums("model", where=w, zone=zone))
        await timed(f"{name}, by person", lambda w=where: usage.sums("user_id", where=w, zone=zone))
        await timed(f"{name}, by key", lambda w=where: usage.sums("key_id", where=w, zone=zone))
        await timed(f"{name}, one's own by day", lambda w=mine: usage.sums("day", where=w, zone=zone))
    await timed("newest 100 entries", lambda: usage.entries(limit=100))
    await timed("newest 100 of one person", lambda: usage.entries(Filter(user_id="usr_7"), limit=100))
    await timed(
        "CSV of 30 days of one person",
        lambda: drained(export.csv_lines(ledger, Filter(since=END - 30 * DAY, user_id="usr_7"))),
    )
    await timed("CSV of a day", lambda: drained(export.csv_lines(ledger, Filter(since=END - 2 * DAY, until=END - DAY))))
    await ledger.stop()


if __name__ == "__main__":
    asyncio.run(main())
