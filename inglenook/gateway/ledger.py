"""The append-only ledger of calls, in a database file of its own.

`record` never waits: entries gather in memory and are written together, at latest a second after the oldest, and at
`stop`. A killed process loses that second at most.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

from msgspec import Struct
from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.orm import Session

from inglenook.gateway.tables import SCHEMA, LedgerEntry, LedgerTable
from inglenook.kit.errors import Conflict
from inglenook.kit.time import now_ms
from inglenook.store.database import Store

log = logging.getLogger(__name__)

#: Seconds an entry waits at most.
FLUSH_EVERY = 1.0
#: Entries that are written at once.
BATCH = 1000
#: Entries kept in memory while the disk refuses them; the oldest beyond are lost, and the log says so.
KEPT = 200_000
_DAY = 86_400_000


class Record(NamedTuple):
    """One entry, its fields in the order of the table's columns after `id`. See `tables.LedgerEntry`."""

    call_id: str
    at: int
    user_id: str
    key_id: str | None
    run_id: str | None
    model: str
    provider: str
    operation: str
    source: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    estimated: bool
    cost: int | None
    status: str
    duration_ms: int
    ttft_ms: int | None


#: Entries of one statement. SQLite takes them in a third of the time that single ones take, and the interpreter's
#: lock is handed over once rather than fifty times.
_TOGETHER = 50
_PLACES = f"({', '.join('?' * len(Record._fields))})"
_INSERT = f"INSERT INTO ledger ({', '.join(Record._fields)}) VALUES {_PLACES}"
_INSERT_TOGETHER = _INSERT + f", {_PLACES}" * (_TOGETHER - 1)

Group = Literal["user_id", "key_id", "model", "provider", "operation", "source", "status", "day"]
_DAY_COLUMN = (LedgerEntry.at - LedgerEntry.at % _DAY).label("day")


class Sums(Struct, kw_only=True):
    """Totals of a group of entries; `group` has one value for each column that was grouped by, days as the ms they
    begin at (UTC)."""

    group: dict[str, str | int | None]
    calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost: int


class Ledger:
    """The ledger in the file `path`. `start` it before use and `stop` it to write what is in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._store: Store | None = None
        self._waiting: list[Record] = []
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None
        #: What each user had used this month when the server started.
        self.opening: dict[str, Sums] = {}

    async def start(self) -> None:
        """Open the file, making it if it is new.

        Raises:
            Conflict: a newer version of Inglenook wrote it.
        """
        self._store = Store.open(Store.sqlite_url(self._path))
        await self._store.write(_prepare)
        this_month = await self.sums("user_id", since=month_start(now_ms()))
        self.opening = {str(sums.group["user_id"]): sums for sums in this_month}

    async def stop(self) -> None:
        """Write what is in memory and close the file."""
        await self.flush()
        if self._store is not None:
            await self._store.close()
            self._store = None

    def record(self, record: Record) -> None:
        """Add an entry. Must be called on the event loop."""
        self._waiting.append(record)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_EVERY, self._begin_flush)
        elif len(self._waiting) >= BATCH and self._flushing is None:
            self._begin_flush()

    async def flush(self) -> None:
        """Return once everything recorded so far is in the file, or could not be written."""
        while self._waiting or self._flushing is not None:
            self._begin_flush()
            if self._flushing is None:
                return
            await asyncio.shield(self._flushing)
            if self._timer is not None and self._waiting:
                return  # the disk refuses; the timer tries again

    async def sums(
        self,
        *by: Group,
        since: int = 0,
        until: int | None = None,
        user_id: str | None = None,
    ) -> list[Sums]:
        """Totals of `[since, until)` (ms), of one user or all, grouped by columns; everything in one without any."""
        await self.flush()
        assert self._store is not None, "start the ledger first"
        columns: list[ColumnElement[object]] = [
            _DAY_COLUMN if name == "day" else getattr(LedgerEntry, name).label(name)  # type: ignore[misc]
            for name in by
        ]
        amounts = (
            func.count().label("calls"),
            *(
                func.coalesce(func.sum(getattr(LedgerEntry, name)), 0).label(name)
                for name in ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost")
            ),
        )
        query = select(*columns, *amounts).where(LedgerEntry.at >= since).group_by(*columns).order_by(*columns)
        if until is not None:
            query = query.where(LedgerEntry.at < until)
        if user_id is not None:
            query = query.where(LedgerEntry.user_id == user_id)
        rows = await self._store.read(lambda session: session.execute(query).mappings().all())
        return [
            Sums(
                group={name: row[name] for name in by},
                **{name: row[name] for name in Sums.__struct_fields__ if name != "group"},
            )
            for row in rows
        ]

    async def entries(self, *, user_id: str | None = None, limit: int = 100) -> list[Record]:
        """The newest entries, newest first."""
        await self.flush()
        assert self._store is not None, "start the ledger first"
        columns = [getattr(LedgerEntry, name) for name in Record._fields]
        query = select(*columns).order_by(LedgerEntry.id.desc()).limit(limit)
        if user_id is not None:
            query = query.where(LedgerEntry.user_id == user_id)
        rows = await self._store.read(lambda session: session.execute(query).all())
        return [Record(*row) for row in rows]

    def _begin_flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._flushing is None and self._waiting and self._store is not None:
            batch, self._waiting = self._waiting, []
            self._flushing = asyncio.create_task(self._write(self._store, batch), name="ledger-flush")

    async def _write(self, store: Store, batch: list[Record]) -> None:
        try:
            await store.write(lambda session: _insert(session, batch))
        except Exception:
            log.exception("%d entries of the usage ledger could not be written; trying again", len(batch))
            kept = [*batch, *self._waiting]
            if len(kept) > KEPT:
                log.error("%d entries of the usage ledger are lost", len(kept) - KEPT)
            self._waiting = kept[-KEPT:]
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(FLUSH_EVERY, self._begin_flush)
        finally:
            self._flushing = None


def month_start(ms: int) -> int:
    """When the month (UTC) of a time began, in ms."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return int(datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp() * 1000)


def _prepare(session: Session) -> None:
    version = session.execute(text("PRAGMA user_version")).scalar_one()
    if version > SCHEMA:
        raise Conflict("usage.db was written by a newer version of Inglenook; install that version, or move the file")
    LedgerTable.metadata.create_all(session.connection())
    session.execute(text(f"PRAGMA user_version = {SCHEMA}"))


def _insert(session: Session, batch: Sequence[Record]) -> None:
    connection = session.connection()
    single = len(batch) % _TOGETHER
    if single:
        # Of a subclass of tuple sqlite3 asks each item through Python.
        connection.exec_driver_sql(_INSERT, [tuple(record) for record in batch[:single]])
    for at in range(single, len(batch), _TOGETHER):
        connection.exec_driver_sql(_INSERT_TOGETHER, tuple(chain.from_iterable(batch[at : at + _TOGETHER])))
