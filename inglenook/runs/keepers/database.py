"""Runs in the database: a crash loses nothing that was committed."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Any, TypeVar

import msgspec
import orjson
from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from inglenook.accounts.principal import Principal
from inglenook.kit.errors import NotFound
from inglenook.kit.time import now_ms
from inglenook.runs import endings
from inglenook.runs.endings import Ending
from inglenook.runs.journal import Entry, Journal, Recorded, encode
from inglenook.runs.keepers.base import OWN_INPUTS, Claim, Left, Pair, Project, Sight, accept
from inglenook.runs.kinds import RunInput
from inglenook.runs.tables import QUEUED, RUNNING, WAITING, RunInputRow, RunRow
from inglenook.store.database import Store, after_commit

T = TypeVar("T")

# Made once: making a statement costs more than running it.
_runs, _inputs = RunRow.__table__.c, RunInputRow.__table__.c
_MAKE = insert(RunRow.__table__)  # type: ignore[arg-type]
_CLAIM = (
    update(RunRow.__table__)  # type: ignore[arg-type]
    .where(_runs.id == bindparam("run"), _runs.status == bindparam("found"))
    .values(
        epoch=_runs.epoch + 1,
        status=RUNNING,
        lease_until=bindparam("until"),
        error=None,
        claim_seq=_runs.seq + 1,
        started_at=func.coalesce(_runs.started_at, bindparam("at")),
    )
    .returning(_runs.kind, _runs.epoch, _runs.actor, _runs.input, _runs.wake_at, _runs.seq)
)
_CLAIM_LEFT = _CLAIM.where(
    _runs.epoch == bindparam("left_epoch"), _runs.lease_until.is_not_distinct_from(bindparam("left_until"))
)
_UNTAKEN = (
    select(_inputs.id, _inputs.kind, _inputs.payload)
    .where(_inputs.run_id == bindparam("run"), _inputs.consumed_at.is_(None))
    .order_by(_inputs.id)
)
_TAKE = (
    update(RunInputRow.__table__)  # type: ignore[arg-type]
    .where(_inputs.id.in_(bindparam("taken", expanding=True)))
    .values(consumed_at=bindparam("taken_at"))
)
# An update that changes nothing holds the row, so no other transaction changes its status meanwhile.
_HOLD = (
    update(RunRow.__table__)  # type: ignore[arg-type]
    .where(_runs.id == bindparam("run"))
    .values(seq=_runs.seq)
    .returning(_runs.status)
)


class DatabaseKeeper:
    """Keeps runs in the store.

    Args:
        kinds: Names of the kinds that can be executed here.
        lease: Seconds a lease lasts unless renewed.
        enqueue: Has a run executed, in the session's transaction.
        deliver: Called on the event loop with a run's id and an input's kind when one came that wakes nobody.
        expect: Called on the event loop with the time that a run went to wait for.
    """

    temporary = False

    def __init__(
        self,
        store: Store,
        journal: Journal,
        *,
        kinds: Collection[str],
        lease: float,
        enqueue: Callable[[Session, str], None],
        deliver: Callable[[str, str], None],
        expect: Callable[[int], None],
    ) -> None:
        self._store = store
        self._journal = journal
        self._kinds = kinds
        self._lease = int(lease * 1000)
        self._enqueue = enqueue
        self._deliver = deliver
        self._expect = expect

    def make(self, session: Session, columns: dict[str, Any]) -> None:
        """Keep a new, queued run."""
        session.connection().execute(_MAKE, columns)

    def make_claimed(self, session: Session, columns: dict[str, Any], actor: Principal) -> Claim:
        """Keep a new run that executes from now on; returns its lease."""
        at, epoch, seq = columns["created_at"], 1, 1
        running = {"status": RUNNING, "started_at": at, "lease_until": at + self._lease}
        self.make(session, columns | running | {"epoch": epoch, "seq": seq, "claim_seq": seq})
        began = {"epoch": epoch}
        started = Entry("run.started", encode(began).decode(), None)
        self._journal.begin(session, columns["id"], epoch, started, at=at)
        fresh = Recorded(type=started.type, payload=began, seq=seq, epoch=epoch, at=at)
        # As a later execution will read it.
        given = orjson.loads(encode(columns["input"]))
        return Claim(columns["kind"], epoch, actor, given, None, fresh, [])

    async def release(self, run_id: str, epoch: int) -> None:
        """Queue a run whose lease nobody here will use."""
        released = (
            update(RunRow)
            .where(RunRow.id == run_id, RunRow.epoch == epoch, RunRow.status == RUNNING)
            .values(status=QUEUED, lease_until=None)
        )
        await self._store.write(lambda session: session.connection().execute(released) and None)

    async def claim(
        self, run_id: str, status: str, claimed: Callable[[Claim], None], *, left: Left | None = None
    ) -> Claim | None:
        """Take the lease of a run that is in `status`."""

        def write(session: Session) -> Claim | None:
            at = now_ms()
            given: dict[str, Any] = {"run": run_id, "found": status, "at": at, "until": at + self._lease}
            if left is not None:
                given |= {"left_epoch": left.epoch, "left_until": left.until}
            taking = _CLAIM if left is None else _CLAIM_LEFT
            found = session.connection().execute(taking, given).one_or_none()
            if found is None:
                return None
            if found.kind not in self._kinds:
                raise NotFound(f"run {run_id} is of the kind {found.kind!r}, which is not known here")
            fresh, said = None, []
            if status == QUEUED:
                began = {"epoch": found.epoch} | ({} if found.wake_at is None else {"due": found.wake_at})
                started = [Entry("run.started", encode(began).decode(), None)]
                seq = self._journal.append(session, run_id, found.epoch, started, at=at, lease_until=at + self._lease)
                if seq == 1:
                    fresh = Recorded(type="run.started", payload=began, seq=seq, epoch=found.epoch, at=at)
                    said = [each for each in _untaken(session, run_id) if each.kind in OWN_INPUTS]
            actor = msgspec.convert(found.actor, Principal)
            claim = Claim(found.kind, found.epoch, actor, found.input, found.wake_at, fresh, said)
            after_commit(session, lambda: claimed(claim))
            return claim

        return await self._store.write(write)

    async def append(
        self,
        run_id: str,
        epoch: int,
        pairs: Sequence[Pair],
        *,
        at: int,
        taken: Sequence[str] = (),
        project: Project | None = None,
    ) -> int:
        """Append events, with inputs `taken` and `project` in the same transaction."""
        entries = await self._journal.prepare(run_id, pairs)

        def write(session: Session) -> int:
            seq = self._journal.append(session, run_id, epoch, entries, at=at, lease_until=at + self._lease)
            if taken:
                session.connection().execute(_TAKE, {"taken": list(taken), "taken_at": at})
            if project is not None:
                project(session)
            return seq

        return await self._store.write(write)

    async def rest(
        self,
        run_id: str,
        epoch: int,
        pairs: Sequence[Pair],
        ending: Ending,
        *,
        at: int,
        wake_at: int | None,
        project: Project | None = None,
        settle: Project | None = None,
    ) -> tuple[int, list[str]]:
        """Append `pairs` and bring the run to rest."""
        entries = await self._journal.prepare(run_id, pairs)

        def write(session: Session) -> tuple[int, list[str]]:
            seq, blobs = endings.rest(session, self._journal, run_id, epoch, entries, ending, at=at, wake_at=wake_at)
            for each in (project, settle):
                if each is not None:
                    each(session)
            if ending.status == WAITING:
                self._wake_if_called(session, run_id, wake_at)
            return seq, blobs

        return await self._store.write(write)

    def _wake_if_called(self, session: Session, run_id: str, wake_at: int | None) -> None:
        """An input that came before the run went to wait wakes it at once."""
        if _untaken(session, run_id):
            woken = update(RunRow).where(RunRow.id == run_id).values(status=QUEUED, wake_at=None)
            session.connection().execute(woken)
            self._enqueue(session, run_id)
        elif wake_at is not None:
            after_commit(session, lambda: self._expect(wake_at))

    async def forget(self, blobs: Sequence[str]) -> None:
        """Delete blobs that nothing refers to now."""
        await asyncio.to_thread(self._journal.forget, blobs)

    async def send(self, run_id: str, input_id: str, kind: str, payload: dict[str, Any]) -> None:
        """Keep an input; wake the run, or tell its execution."""

        def write(session: Session) -> None:
            connection = session.connection()
            status = connection.execute(_HOLD, {"run": run_id}).scalar_one_or_none()
            if status is None:
                raise NotFound(f"there is no run {run_id}")
            kept, wakes = accept(run_id, status, kind, payload, lambda: self._journal.last(session, run_id))
            connection.execute(
                insert(RunInputRow), {"id": input_id, "run_id": run_id, "kind": kind, "payload": kept, "at": now_ms()}
            )
            if wakes:
                # What a parked run was woken by still holds when it goes on.
                timer = {"wake_at": None} if status == WAITING else {}
                connection.execute(
                    update(RunRow).where(RunRow.id == run_id).values(status=QUEUED, takeovers=0, **timer)
                )
                self._enqueue(session, run_id)
            else:
                after_commit(session, lambda: self._deliver(run_id, kind))

        await self._store.write(write)

    async def look(self, run_id: str, fn: Callable[[Sight], T]) -> T:
        """What `fn` makes of the run, in a thread that reads."""
        return await self._store.read(lambda session: fn(_StoredSight(session, self._journal, run_id)))


class _StoredSight:
    def __init__(self, session: Session, journal: Journal, run_id: str) -> None:
        self._session = session
        self._journal = journal
        self._run_id = run_id

    @cached_property
    def row(self) -> RunRow:
        row = self._session.get(RunRow, self._run_id)
        if row is None:
            raise NotFound(f"there is no run {self._run_id}")
        return row

    def events(self, after: int, upto: int | None = None) -> list[Recorded]:
        return self._journal.read(self._session, self._run_id, after, upto)

    def unfolded(self) -> list[Recorded]:
        return self._journal.unfolded(self._session, self._run_id)

    def inputs(self, *, own: bool) -> list[RunInput]:
        return [each for each in _untaken(self._session, self._run_id) if (each.kind in OWN_INPUTS) == own]


def _untaken(session: Session, run_id: str) -> list[RunInput]:
    rows = session.connection().execute(_UNTAKEN, {"run": run_id})
    return [RunInput(id=row.id, kind=row.kind, payload=row.payload) for row in rows]
