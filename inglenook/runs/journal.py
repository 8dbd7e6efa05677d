"""The journal: events of a run, appended by the holder of its lease and read back in order.

The functions that take a `Session` run inside `store.write` or `store.read`. Encoding (and keeping large payloads
as blobs) happens before, off the writer thread, so that the transaction itself is short.
"""

import asyncio
import json
import logging
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, delete, select, update
from sqlalchemy.orm import Session

from inglenook.kit.errors import NotFound
from inglenook.runs.errors import LeaseLost
from inglenook.runs.kinds import RunEvent, RunKind
from inglenook.runs.tables import RunEventRow, RunRow
from inglenook.store.blobs import Blobs

log = logging.getLogger(__name__)

#: Bytes of JSON an event row may hold; larger payloads are blobs.
INLINE_LIMIT = 32 * 1024

DELTA = "run.delta"
#: Holds the folded state up to itself, so that the delta slices before it can go. Kinds and watchers never see it.
FOLDED = "run.folded"
#: The intent and the result of an effect.
EFFECT_STARTED, EFFECT_FINISHED = "run.effect.started", "run.effect.finished"

# Every streamed slice runs these two, so they go past SQLAlchemy's compiler: that halves what they cost (measured:
# 280 us of CPU an append through it, 205 us so; SQLite itself takes 150).
_ADVANCE = (
    "UPDATE runs SET seq = seq + ?, lease_until = ? WHERE id = ? AND epoch = ? AND status = 'running' RETURNING seq"
)
_INSERT = "INSERT INTO run_events (run_id, seq, epoch, type, payload, blob, at) VALUES (?, ?, ?, ?, ?, ?, ?)"

_READ = (
    select(
        RunEventRow.seq,
        RunEventRow.epoch,
        RunEventRow.type,
        RunEventRow.payload,
        RunEventRow.blob,
        RunEventRow.at,
    )
    .where(
        RunEventRow.run_id == bindparam("run"),
        RunEventRow.seq > bindparam("after"),
        RunEventRow.seq <= bindparam("upto"),
    )
    .order_by(RunEventRow.seq)
)
_gone = (
    RunEventRow.run_id == bindparam("run"),
    RunEventRow.seq < bindparam("folded"),
    RunEventRow.type == DELTA,
)
_PRUNED_BLOBS = select(RunEventRow.blob).where(*_gone, RunEventRow.blob.is_not(None))
_PRUNE = delete(RunEventRow).where(*_gone).execution_options(synchronize_session=False)
_PRUNED = (
    update(RunRow)
    .where(RunRow.id == bindparam("run"))
    .values(folded_seq=bindparam("folded"))
    .execution_options(synchronize_session=False)
)
_LAST = 2**31 - 1  # the largest number a seq column holds


class Recorded(RunEvent, kw_only=True):
    """An event as the journal holds it."""

    seq: int
    epoch: int
    at: int


class Entry(NamedTuple):
    """An event made ready to be appended: its payload is JSON text, or the digest of a blob that holds it."""

    type: str
    payload: str | None
    blob: str | None


def encode(value: Any) -> bytes:
    """JSON of `value`. Half a surrogate pair, which models do write, becomes a question mark.

    Raises:
        TypeError: it is not JSON-serialisable.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


class Journal:
    """Reads and appends events. `blobs` keeps payloads over `INLINE_LIMIT`."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    async def prepare(self, run_id: str, events: Iterable[tuple[str, bytes]]) -> list[Entry]:
        """Make `(type, JSON payload)` pairs ready to be appended; large ones are synced to blobs first."""
        entries = []
        for type_, data in events:
            if len(data) > INLINE_LIMIT:
                entries.append(await asyncio.to_thread(self._keep, run_id, type_, data))
            else:
                entries.append(Entry(type_, data.decode(), None))
        return entries

    def prepare_now(self, run_id: str, events: Iterable[tuple[str, bytes]]) -> list[Entry]:
        """As `prepare`, inside a write function."""
        return [
            self._keep(run_id, type_, data) if len(data) > INLINE_LIMIT else Entry(type_, data.decode(), None)
            for type_, data in events
        ]

    def append(
        self, session: Session, run_id: str, epoch: int, entries: Sequence[Entry], *, at: int, lease_until: int
    ) -> int:
        """Append `entries` and return the last one's seq.

        Raises:
            LeaseLost: `epoch` no longer holds the run, or it is not running.
        """
        connection = session.connection()
        advanced = connection.exec_driver_sql(
            _in_dialect(connection, _ADVANCE), (len(entries), lease_until, run_id, epoch)
        )
        seq = advanced.scalar_one_or_none()
        if seq is None:
            raise LeaseLost(f"epoch {epoch} no longer holds run {run_id}")
        if entries:
            first = seq - len(entries) + 1
            rows = [(run_id, first + i, epoch, *entry, at) for i, entry in enumerate(entries)]
            connection.exec_driver_sql(_in_dialect(connection, _INSERT), rows if len(rows) > 1 else rows[0])
        return int(seq)

    def begin(self, session: Session, run_id: str, epoch: int, entry: Entry, *, at: int) -> None:
        """Append the first event of a run that is being made."""
        connection = session.connection()
        connection.exec_driver_sql(_in_dialect(connection, _INSERT), (run_id, 1, epoch, *entry, at))

    def read(self, session: Session, run_id: str, after: int = 0, upto: int | None = None) -> list[Recorded]:
        """The events with `after < seq <= upto`, in order; erased payloads are empty."""
        rows = session.connection().execute(
            _READ, {"run": run_id, "after": after, "upto": _LAST if upto is None else upto}
        )
        return [
            Recorded(type=type_, payload=self._payload(payload, blob), seq=seq, epoch=epoch, at=at)
            for seq, epoch, type_, payload, blob, at in rows
        ]

    def unfolded(self, session: Session, run_id: str) -> list[Recorded]:
        """The events whose `fold` is the run's state: all of them, or those since the last `run.folded`."""
        return self.read(session, run_id, max(self.folded_seq(session, run_id) - 1, 0))

    def last(self, session: Session, run_id: str) -> dict[str, Any]:
        """The payload of the last event; empty if there is none."""
        seq = session.connection().execute(select(RunRow.seq).where(RunRow.id == run_id)).scalar_one()
        return next((event.payload for event in self.read(session, run_id, seq - 1)), {})

    def folded_seq(self, session: Session, run_id: str) -> int:
        """The seq of the last `run.folded` event; 0 if there is none."""
        found = select(RunRow.folded_seq).where(RunRow.id == run_id)
        return int(session.connection().execute(found).scalar_one())

    def prune(self, session: Session, run_id: str, folded_seq: int) -> list[str]:
        """Remove the delta slices before the `run.folded` event `folded_seq`; returns blobs nothing refers to now."""
        connection = session.connection()
        gone = {"run": run_id, "folded": folded_seq}
        blobs = connection.execute(_PRUNED_BLOBS, gone).scalars().all()
        connection.execute(_PRUNE, gone)
        connection.execute(_PRUNED, gone)
        return self._unreferenced(session, run_id, blobs)

    def erase(self, session: Session, run_ids: Sequence[str]) -> list[str]:
        """Empty every payload of the runs; the envelopes stay. Returns blobs nothing refers to now."""
        connection = session.connection()
        mine = RunEventRow.run_id.in_(run_ids)
        blobs = set(connection.execute(select(RunEventRow.blob).where(mine, RunEventRow.blob.is_not(None))).scalars())
        connection.execute(update(RunEventRow).where(mine).values(payload=None, blob=None))
        return [digest for digest in blobs if digest is not None]

    def forget(self, blobs: Iterable[str]) -> None:
        """Delete blobs that `prune` or `erase` returned, once their transaction is committed. Blocks."""
        for digest in blobs:
            self._blobs.delete(digest)

    def _keep(self, run_id: str, type_: str, data: bytes) -> Entry:
        # The run's id is part of the blob, so no other run or room can share it and it may go with the run.
        return Entry(type_, None, self._blobs.put(run_id.encode() + b"\n" + data))

    def _payload(self, payload: str | None, blob: str | None) -> dict[str, Any]:
        if payload is not None:
            return orjson.loads(payload)  # type: ignore[no-any-return]
        if blob is None:
            return {}
        try:
            return orjson.loads(self._blobs.get(blob).partition(b"\n")[2])  # type: ignore[no-any-return]
        except NotFound:
            # Most likely this reader's snapshot is older than the erasure that deleted the blob.
            log.warning("payload blob %s is missing", blob)
            return {}

    def _unreferenced(self, session: Session, run_id: str, blobs: Sequence[str | None]) -> list[str]:
        if not blobs:
            return []
        kept = session.connection().execute(
            select(RunEventRow.blob).where(RunEventRow.run_id == run_id, RunEventRow.blob.in_(blobs))
        )
        return list({digest for digest in blobs if digest is not None} - set(kept.scalars()))


def _in_dialect(connection: Connection, statement: str) -> str:
    """`statement` with the placeholders of the connection's driver."""
    return statement if connection.dialect.paramstyle == "qmark" else statement.replace("?", "%s")


def fold(kind: RunKind, state: dict[str, Any], events: Iterable[RunEvent]) -> dict[str, Any]:
    """The state after `events`."""
    for event in events:
        if event.type == FOLDED:
            state = event.payload.get("state", {})
        elif event.type != DELTA or "deltas" in event.payload:  # an erased slice holds none
            state = kind.fold(state, event)
    return state
