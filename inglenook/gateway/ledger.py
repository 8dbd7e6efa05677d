"""The append-only ledger of calls, in a database file of its own (or in the PostgreSQL database).

`record` never waits: entries gather in memory and are written together, at latest a second after the oldest, and at
`stop`. A killed process loses that second at most. The same transaction adds them to the sums of their hour
(`tables.UsageHour`), from which every figure of usage is read, so that entries can be pruned and pages stay quick.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Column, insert, select, text
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateColumn

from inglenook.gateway.tables import (
    SCHEMA,
    CallBody,
    LedgerEntry,
    LedgerSchema,
    LedgerTable,
    UsageHour,
    UsageModelHour,
    UsagePersonDay,
)
from inglenook.kit.errors import Conflict
from inglenook.store.database import Store

log = logging.getLogger(__name__)
T = TypeVar("T")

#: Seconds an entry waits at most.
FLUSH_EVERY = 1.0
#: Entries that are written at once.
BATCH = 1000
#: Entries kept in memory while the disk refuses them; the oldest beyond are lost, and the log says so.
KEPT = 200_000


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
    team_id: str | None = None
    app_id: str | None = None
    asked: str = ""
    route: str | None = None
    cache_write_tokens: int = 0
    currency: str = "USD"
    replayed: bool = False
    attempts: int = 1
    error: str | None = None


class Body(NamedTuple):
    """What was said in a call. See `tables.CallBody`."""

    call_id: str
    at: int
    user_id: str
    team_id: str
    request: str
    answer: str


#: Entries of one statement. SQLite takes them in a third of the time that single ones take, and the interpreter's
#: lock is handed over once rather than fifty times.
_TOGETHER = 50
_PLACES = f"({', '.join('?' * len(Record._fields))})"
_INSERT = f"INSERT INTO ledger ({', '.join(Record._fields)}) VALUES {_PLACES}"
_INSERT_TOGETHER = _INSERT + f", {_PLACES}" * (_TOGETHER - 1)

#: The lock of PostgreSQL that is held while the tables are made or changed: any number that nobody else uses.
_PREPARING = 0x1ED6E2

#: Columns of an hour's sums that make its key, and those that are added up.
KEY = tuple(column.name for column in UsageHour.__table__.primary_key)
AMOUNTS = tuple(column.name for column in UsageHour.__table__.columns if not column.primary_key)
_HOUR = 3_600_000
_DAY = 24 * _HOUR
_STATUS = KEY.index("status")


def _upsert(table: str, key: Sequence[str], amounts: Sequence[str]) -> str:
    names = (*key, *amounts)
    return (
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(':' + name for name in names)}) "
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET "
        + ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in amounts)
    )


class _Rollup:
    """Sums of the hours' sums, by fewer columns and by steps of `step` ms."""

    def __init__(self, table: type[UsageModelHour] | type[UsagePersonDay], step: int) -> None:
        self.step = step
        self.name = table.__tablename__
        self.key = tuple(column.name for column in table.__table__.primary_key)
        self._places = tuple(KEY.index(name) for name in self.key[1:])
        self._names = (*self.key, *AMOUNTS, "failed_calls")
        self.upsert = _upsert(self.name, self.key, (*AMOUNTS, "failed_calls"))

    def add_up(self, hours: Mapping[tuple[int | str, ...], Sequence[int]]) -> list[dict[str, int | str]]:
        """The rows to be added."""
        found: dict[tuple[int | str, ...], list[int]] = {}
        for key, amounts in hours.items():
            hour = int(key[0])
            kept = (hour - hour % self.step, *(key[place] for place in self._places))
            sums = found.setdefault(kept, [0] * (len(AMOUNTS) + 1))
            for at, amount in enumerate((*amounts, amounts[0] if key[_STATUS] == "failed" else 0)):
                sums[at] += amount
        return [dict(zip(self._names, (*key, *found[key]), strict=True)) for key in sorted(found)]

    def fill(self) -> str:
        """A statement that makes the rows of all hours there are."""
        hour = f"hour - hour % {self.step}"
        by = ", ".join(self.key[1:])
        sums = ", ".join(f"sum({name})" for name in AMOUNTS)
        return (
            f"INSERT INTO {self.name} ({', '.join(self._names)}) SELECT {hour}, {by}, {sums}, "
            f"sum(CASE WHEN status = 'failed' THEN calls ELSE 0 END) FROM usage_hours GROUP BY {hour}, {by}"
        )


_UPSERT = _upsert("usage_hours", KEY, AMOUNTS)
_ROLLUPS = (_Rollup(UsageModelHour, _HOUR), _Rollup(UsagePersonDay, _DAY))


class Ledger:
    """The ledger in a file, or at a SQLAlchemy URL. `start` it before use and `stop` it to write what is in memory."""

    def __init__(self, where: Path | str) -> None:
        self._url = Store.sqlite_url(where) if isinstance(where, Path) else where
        self._store: Store | None = None
        self._waiting: list[Record] = []
        self._bodies: list[Body] = []
        self._timer: asyncio.TimerHandle | None = None
        self._oldest: float | None = None
        self._flushing: asyncio.Task[None] | None = None
        #: Entries that are being written.
        self._writing = 0
        #: Whether the last write failed.
        self._refused = False

    async def start(self) -> None:
        """Open the file, making it if it is new.

        Raises:
            Conflict: a newer version of Inglenook wrote it.
        """
        self._store = Store.open(self._url)
        await self._store.write(_prepare)

    async def stop(self) -> None:
        """Write what is in memory and close the file."""
        while self._waiting or self._flushing is not None:
            await self.flush()
            if self._refused:
                break
        if self._store is not None:
            await self._store.close()
            self._store = None

    def record(self, record: Record) -> None:
        """Add an entry. Must be called on the event loop."""
        self._waiting.append(record)
        if self._oldest is None:
            self._oldest = monotonic()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_EVERY, self._begin_flush)
        elif len(self._waiting) >= BATCH and self._flushing is None:
            self._begin_flush()

    async def flush(self) -> None:
        """Return once everything recorded so far is in the file, or could not be written."""
        for _ in range(2):  # what is being written already, and what waits behind it
            self._begin_flush()
            if self._flushing is None:
                return
            await asyncio.shield(self._flushing)
            if self._refused:
                return  # the timer tries again

    def record_body(self, body: Body) -> None:
        """Keep what was said in a call. Written with the entries."""
        self._bodies.append(body)

    async def read(self, fn: Callable[[Session], T]) -> T:
        """Read from the ledger, everything recorded so far included."""
        await self.flush()
        return await self._opened.read(fn)

    async def entries(self, *, user_id: str | None = None, limit: int = 100) -> list[Record]:
        """The newest entries, newest first."""
        columns = [getattr(LedgerEntry, name) for name in Record._fields]
        query = select(*columns).order_by(LedgerEntry.id.desc()).limit(limit)
        if user_id is not None:
            query = query.where(LedgerEntry.user_id == user_id)
        rows = await self.read(lambda session: session.execute(query).all())
        return [Record(*row) for row in rows]

    async def write(self, fn: Callable[[Session], T]) -> T:
        """Change the ledger; for pruning, which is the only change there is."""
        return await self._opened.write(fn)

    def behind(self) -> tuple[int, float]:
        """How many entries are not written yet, and for how many seconds the oldest of them has waited."""
        waiting = len(self._waiting) + self._writing
        return waiting, 0.0 if self._oldest is None else monotonic() - self._oldest

    @property
    def _opened(self) -> Store:
        assert self._store is not None, "start the ledger first"
        return self._store

    def _begin_flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._flushing is None and self._waiting and self._store is not None:
            batch, self._waiting = self._waiting, []
            bodies, self._bodies = self._bodies, []
            self._writing = len(batch)
            self._flushing = asyncio.create_task(self._write(self._store, batch, bodies), name="ledger-flush")

    async def _write(self, store: Store, batch: list[Record], bodies: list[Body]) -> None:
        try:
            await store.write(lambda session: _insert(session, batch, bodies))
            self._refused = False
            self._oldest = monotonic() if self._waiting else None  # those came meanwhile, within the time of a write
        except Exception:
            log.exception("%d entries of the usage ledger could not be written; trying again", len(batch))
            self._refused = True
            self._bodies = [*bodies, *self._bodies][-KEPT // 100 :]
            kept = [*batch, *self._waiting]
            if len(kept) > KEPT:
                log.error("%d entries of the usage ledger are lost", len(kept) - KEPT)
            self._waiting = kept[-KEPT:]
        finally:
            self._flushing = None
            self._writing = 0
            if self._waiting and self._timer is None:  # theirs may have rung while this was being written
                self._timer = asyncio.get_running_loop().call_later(FLUSH_EVERY, self._begin_flush)


def month_start(ms: int) -> int:
    """When the month (UTC) of a time began, in ms."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return int(datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp() * 1000)


def _prepare(session: Session) -> None:
    """Bring the tables to this version's schema."""
    connection = session.connection()
    sqlite = connection.dialect.name == "sqlite"
    if sqlite:
        version = session.execute(text("PRAGMA user_version")).scalar_one()
    else:
        # Servers that start together make the tables once: the others wait until this is committed.
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _PREPARING})
        LedgerTable.metadata.tables["ledger_schema"].create(connection, checkfirst=True)
        version = session.execute(text("SELECT version FROM ledger_schema")).scalar() or 0
    if version > SCHEMA:
        raise Conflict("the usage ledger was written by a newer version of Inglenook; install that version")
    if version == 1:
        _add_columns(session)
    LedgerTable.metadata.create_all(connection)
    if version == 1:
        _fill_hours(session)
    elif version == 2:
        _add_sums(session)
    if sqlite:
        session.execute(text(f"PRAGMA user_version = {SCHEMA}"))
    else:
        session.merge(LedgerSchema(id=1, version=SCHEMA))


def _add_columns(session: Session) -> None:
    """From schema 1: what it had not is empty, and nothing had a price."""
    for name in Record._fields[Record._fields.index("team_id") :]:
        described: Column[Any] = LedgerEntry.__table__.columns[name]  # type: ignore[assignment]
        column = CreateColumn(described).compile(dialect=session.connection().dialect)
        session.execute(text(f"ALTER TABLE ledger ADD COLUMN {column}"))


def _add_sums(session: Session) -> None:
    """From schema 2: it had the hours alone."""
    for index in UsageHour.__table__.indexes:  # type: ignore[attr-defined]
        index.create(session.connection(), checkfirst=True)
    for rollup in _ROLLUPS:
        session.execute(text(rollup.fill()))


def _fill_hours(session: Session) -> None:
    columns = [getattr(LedgerEntry, name) for name in Record._fields]
    for rows in session.execute(select(*columns).order_by(LedgerEntry.id)).partitions(10_000):
        _add_up(session, [Record(*row) for row in rows])


def _insert(session: Session, batch: Sequence[Record], bodies: Sequence[Body]) -> None:
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        single = len(batch) % _TOGETHER
        if single:
            # Of a subclass of tuple sqlite3 asks each item through Python.
            connection.exec_driver_sql(_INSERT, [tuple(record) for record in batch[:single]])
        for at in range(single, len(batch), _TOGETHER):
            connection.exec_driver_sql(_INSERT_TOGETHER, tuple(chain.from_iterable(batch[at : at + _TOGETHER])))
    elif batch:
        connection.execute(insert(LedgerEntry), [record._asdict() for record in batch])
    _add_up(session, batch)
    if bodies:
        connection.execute(insert(CallBody), [body._asdict() for body in bodies])


def _add_up(session: Session, batch: Sequence[Record]) -> None:
    """Add entries to the sums of their hours."""
    hours: dict[tuple[int | str, ...], list[int]] = {}
    for e in batch:
        key = (
            e.at - e.at % _HOUR,
            e.user_id,
            e.key_id or "",
            e.team_id or "",
            e.app_id or "",
            e.model,
            e.provider,
            e.operation,
            e.source,
            e.status,
            e.currency,
        )
        amounts = (
            1,
            e.input_tokens,
            e.output_tokens,
            e.cached_tokens,
            e.cache_write_tokens,
            e.reasoning_tokens,
            e.cost or 0,
            e.cost is None,
            e.replayed,
            e.duration_ms,
            e.ttft_ms or 0,
            e.ttft_ms is not None,
        )
        sums = hours.get(key)
        if sums is None:
            hours[key] = [*map(int, amounts)]
        else:
            for at, amount in enumerate(amounts):
                sums[at] += amount
    # In one order, so that two servers on PostgreSQL never wait for each other in a circle.
    rows = [dict(zip(KEY + AMOUNTS, (*key, *hours[key]), strict=True)) for key in sorted(hours)]
    if rows:
        connection = session.connection()
        connection.execute(text(_UPSERT), rows)
        for rollup in _ROLLUPS:
            connection.execute(text(rollup.upsert), rollup.add_up(hours))
