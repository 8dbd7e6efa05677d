"""Runs: made inside a caller's transaction, executed by dispatch, watched by many, taken over after a crash."""

import asyncio
import logging
import weakref
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from inglenook.accounts.principal import Principal
from inglenook.kit.errors import BadInput, NotFound
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms
from inglenook.runs import endings
from inglenook.runs.context import CANCEL, Execution, Host, Timing
from inglenook.runs.dispatch.base import Dispatch
from inglenook.runs.dispatch.local import LocalDispatch
from inglenook.runs.errors import RunEnded
from inglenook.runs.journal import DELTA, Entry, Journal, Recorded, fold
from inglenook.runs.kinds import RunKind
from inglenook.runs.live import Position, Stream, WatchFrame, catch_up, reset_frame
from inglenook.runs.tables import ENDED, PARKED, QUEUED, RUNNING, WAITING, RunInputRow, RunRow
from inglenook.store.blobs import Blobs
from inglenook.store.database import Store, after_commit

log = logging.getLogger(__name__)

#: Take-overs without progress before a run is parked.
TAKEOVERS = 3
#: Inputs that make a parked run try again.
UNPARK = frozenset({CANCEL, "retry", "resolve"})


class Runs:
    """All runs of this server."""

    def __init__(
        self, store: Store, blobs: Blobs, *, dispatch: Dispatch | None = None, timing: Timing | None = None
    ) -> None:
        self._store = store
        self._journal = Journal(blobs)
        self._dispatch = dispatch or LocalDispatch()
        self._timing = timing or Timing()
        self._host = Host(store=store, journal=self._journal, timing=self._timing, enqueue=self._dispatch.enqueue)
        self._kinds: dict[str, RunKind] = {}
        self._executions: dict[str, Execution] = {}
        self._streams: dict[str, Stream] = {}
        #: Set, and replaced, when a run that is watched here but does not execute here may have changed.
        self._changes: weakref.WeakValueDictionary[str, asyncio.Event] = weakref.WeakValueDictionary()
        self._renewing: asyncio.Task[None] | None = None
        self._stopping = False

    def register(self, kind: RunKind) -> None:
        """Make a kind of run known; before `start`."""
        self._kinds[kind.name] = kind

    # -------------------------------------------------------------------------------------- start and stop

    async def start(self) -> None:
        """Take over what a dead process left, then execute what is queued."""
        await self._dispatch.start(self._execute)
        self._renewing = asyncio.get_running_loop().create_task(self._renew_leases())
        unfinished = (
            select(
                RunRow.id, RunRow.kind, RunRow.status, RunRow.epoch, RunRow.seq, RunRow.claim_seq, RunRow.takeovers,
                RunRow.lease_until,
            )
            .where(RunRow.ended_at.is_(None), RunRow.status.in_((QUEUED, RUNNING)))
            .order_by(RunRow.id)
        )  # fmt: skip
        for row in await self._store.read(lambda s: s.execute(unfinished).all()):
            kind = self._kinds.get(row.kind)
            if kind is None:
                log.error("run %s is of the unknown kind %s and is left as it is", row.id, row.kind)
            elif row.status == QUEUED:
                await self._store.write(lambda s, run_id=row.id: self._dispatch.enqueue(s, run_id))  # type: ignore[misc]
            elif self._dispatch.sole or (row.lease_until or 0) < now_ms():
                await self._take_over(row, kind)

    async def stop(self, grace: float = 10.0) -> None:
        """Stop gracefully; the runs' rows say what was left.

        Runs that resume are released at once; the others get `grace` seconds to finish, then are interrupted with
        what had arrived kept. Watchers are let go.
        """
        self._stopping = True
        await self._dispatch.close()
        for execution in list(self._executions.values()):
            if execution.kind.on_crash == "resume":
                execution.stop("shutdown")
        if not await self._joined(grace):
            for execution in list(self._executions.values()):
                execution.stop("shutdown")
            if not await self._joined(5.0):
                log.error("runs %s did not stop; the next start takes them over", sorted(self._executions))
        if self._renewing is not None:
            self._renewing.cancel()
        for stream in self._streams.values():
            stream.close()
        for run_id in list(self._changes):
            self._tell(run_id)

    async def _joined(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._dispatch.join(), seconds)
        except TimeoutError:
            return False
        return True

    # ---------------------------------------------------------------------------------------- make and send

    def create(
        self,
        session: Session,
        *,
        kind: str,
        actor: Principal,
        input: dict[str, Any],  # noqa: A002 - the word of the contract
        run_id: str | None = None,
        app_version: str | None = None,
        grants: Sequence[Any] = (),
        title: str | None = None,
        parent_id: str | None = None,
    ) -> str:
        """Make a run in the session's write transaction and return its id; it is executed once that commits.

        Args:
            input: What the work needs, JSON-serialisable, without credentials.
            grants: The rights the run has, when they are fewer than its actor's.
        """
        if kind not in self._kinds:
            raise BadInput(f"there is no kind of run named {kind!r}; there are {', '.join(sorted(self._kinds))}")
        run_id = run_id or new_id("run")
        session.connection().execute(
            insert(RunRow),
            {
                "id": run_id,
                "kind": kind,
                "app_version": app_version,
                "actor_id": actor.user_id,
                "actor": msgspec.to_builtins(actor),
                "grants": list(grants),
                "input": input,
                "title": title,
                "status": QUEUED,
                "parent_id": parent_id,
                "created_at": now_ms(),
            },
        )
        self._dispatch.enqueue(session, run_id)
        return run_id

    async def send(self, run_id: str, kind: str, payload: dict[str, Any]) -> str:
        """Send an input to a run and return the input's id. It wakes a waiting run.

        Raises:
            NotFound: there is no such run.
            RunEnded: it has ended.
        """
        input_id = new_id("inp")

        def write(session: Session) -> None:
            connection = session.connection()
            # An update that changes nothing holds the row, so no other transaction changes its status meanwhile.
            held = update(RunRow).where(RunRow.id == run_id).values(seq=RunRow.seq).returning(RunRow.status)
            status = connection.execute(held).scalar_one_or_none()
            if status is None:
                raise NotFound(f"there is no run {run_id}")
            if status in ENDED:
                raise RunEnded(f"run {run_id} has ended ({status})")
            connection.execute(
                insert(RunInputRow),
                {"id": input_id, "run_id": run_id, "kind": kind, "payload": payload, "at": now_ms()},
            )
            if status == WAITING or (status == PARKED and kind in UNPARK):
                connection.execute(update(RunRow).where(RunRow.id == run_id).values(status=QUEUED, takeovers=0))
                self._dispatch.enqueue(session, run_id)
            else:
                after_commit(session, lambda: self._deliver(run_id, kind))

        await self._store.write(write)
        return input_id

    async def cancel(self, run_id: str) -> None:
        """Ask a run to stop. It has stopped when its status says so."""
        await self.send(run_id, CANCEL, {})

    def _deliver(self, run_id: str, kind: str) -> None:
        execution = self._executions.get(run_id)
        if execution is None:
            return
        if kind == CANCEL:
            execution.stop("cancel")
        else:
            execution.poke()

    # --------------------------------------------------------------------------------------------- look on

    async def watch(self, run_id: str, after: str | None = None) -> AsyncIterator[WatchFrame]:
        """Frames of a run from `after` (the id of the last frame seen) on, until it ends or the server stops.

        Without a usable `after` the first frame is a `reset` with the whole state.

        Raises:
            NotFound: there is no such run.
        """
        position = Position.parse(after)
        while True:
            changed = self._changes.setdefault(run_id, asyncio.Event())
            stream = self._streams.get(run_id)
            if stream is not None and not stream.closed:
                async with aclosing(stream.follow(position, self._reader(run_id))) as frames:  # type: ignore[type-var]
                    async for frame in frames:
                        position = Position.parse(frame.id)
                        yield frame
                continue
            stored, over = await self._stored(run_id, position)
            for frame in stored:
                position = Position.parse(frame.id)
                yield frame
            if over or self._stopping:
                return
            await changed.wait()

    def _reader(self, run_id: str) -> Any:
        async def read(after: int, upto: int) -> list[Recorded]:
            return await self._store.read(lambda s: self._journal.read(s, run_id, after, upto))

        return read

    async def _stored(self, run_id: str, after: Position | None) -> tuple[list[WatchFrame], bool]:
        """Frames from `after` to the end of the journal of a run that does not execute here."""

        def read(session: Session) -> tuple[list[WatchFrame], bool]:
            row = session.get(RunRow, run_id)
            if row is None:
                raise NotFound(f"there is no run {run_id}")
            end = Position(row.epoch, row.seq, 0)
            frames = None
            if after is not None and after.epoch == end.epoch and row.folded_seq <= after.seq <= end.seq:
                frames = catch_up(after, self._journal.read(session, run_id, after.seq), end, ())
            if frames is None:
                kind = self._kinds.get(row.kind)
                state = fold(kind, {}, self._journal.unfolded(session, run_id)) if kind else {}
                frames = [reset_frame(end, state, row.status)]
            over = row.status in ENDED or row.status == PARKED
            if over:
                frames.append(WatchFrame(event="end", id=str(end), data={"status": row.status}))
            return frames, over

        return await self._store.read(read)

    def _tell(self, run_id: str) -> None:
        changed = self._changes.pop(run_id, None)
        if changed is not None:
            changed.set()

    # --------------------------------------------------------------------------------------------- execute

    async def _execute(self, run_id: str) -> None:
        try:
            execution = await self._store.write(lambda s: self._claim(s, run_id))
            if execution is None:
                return
            try:
                await self._open(execution)
                self._streams[run_id] = execution.stream
                self._tell(run_id)
                await execution.run()
            finally:
                self._leave(execution)
        except Exception:
            log.exception("run %s could not be executed; the next start tries again", run_id)

    def _claim(self, session: Session, run_id: str, *, status: str = QUEUED) -> Execution | None:
        """Take the lease of a run that is in `status`; None if it is not (any more)."""
        at = now_ms()
        connection = session.connection()
        claimed = connection.execute(
            update(RunRow)
            .where(RunRow.id == run_id, RunRow.status == status)
            .values(epoch=RunRow.epoch + 1, status=RUNNING, error=None)
            .returning(RunRow.kind, RunRow.epoch, RunRow.actor, RunRow.input, RunRow.started_at)
        ).one_or_none()
        if claimed is None:
            return None
        execution = Execution(
            self._host,
            self._kinds[claimed.kind],
            run_id=run_id,
            epoch=claimed.epoch,
            actor=msgspec.convert(claimed.actor, Principal),
            given=claimed.input,
        )
        if status == QUEUED:
            until = at + int(self._timing.lease * 1000)
            started = Entry("run.started", f'{{"epoch":{claimed.epoch}}}', None)
            seq = self._journal.append(session, run_id, claimed.epoch, [started], at=at, lease_until=until)
            connection.execute(
                update(RunRow)
                .where(RunRow.id == run_id)
                .values(claim_seq=seq, started_at=at if claimed.started_at is None else claimed.started_at)
            )
        cancels = select(RunInputRow.id).where(
            RunInputRow.run_id == run_id, RunInputRow.consumed_at.is_(None), RunInputRow.kind == CANCEL
        )
        if connection.execute(cancels.limit(1)).first() is not None:
            execution.stop("cancel")
        after_commit(session, lambda: self._executions.update({run_id: execution}))
        return execution

    async def _open(self, execution: Execution) -> None:
        def load(session: Session) -> tuple[int, dict[str, Any], bool]:
            events = self._journal.unfolded(session, execution.run_id)
            seq = events[-1].seq if events else 0
            return seq, fold(execution.kind, {}, events), any(event.type == DELTA for event in events)

        seq, state, streamed = await self._store.read(load)
        execution.open(seq, state, streamed=streamed)

    def _leave(self, execution: Execution) -> None:
        run_id = execution.run_id
        if self._executions.get(run_id) is execution:
            del self._executions[run_id]
        if self._streams.get(run_id) is getattr(execution, "stream", None):
            self._streams.pop(run_id, None)
        self._tell(run_id)

    async def _take_over(self, row: Any, kind: RunKind) -> None:
        """Bring a run that was left `running` by a dead process to rest, or queue it again."""
        takeovers = row.takeovers + 1 if row.seq == row.claim_seq else 1
        if kind.on_crash == "interrupt":
            await self._conclude(row.id, endings.interrupted("the server was stopped while this was going on"))
        elif takeovers > TAKEOVERS:
            reason = f"it was taken over {TAKEOVERS} times after event {row.seq} and never got further"
            await self._conclude(row.id, endings.parked(reason))
        else:

            def requeue(session: Session) -> None:
                again = (
                    update(RunRow)
                    .where(RunRow.id == row.id, RunRow.epoch == row.epoch, RunRow.status == RUNNING)
                    .values(status=QUEUED, takeovers=takeovers)
                )
                if session.connection().execute(again).rowcount:
                    self._dispatch.enqueue(session, row.id)

            await self._store.write(requeue)

    async def _conclude(self, run_id: str, ending: endings.Ending) -> None:
        execution = await self._store.write(lambda s: self._claim(s, run_id, status=RUNNING))
        if execution is None:
            return
        try:
            await self._open(execution)
            await execution.conclude(endings.cancelled() if execution.cancelled else ending)
            execution.close()
        finally:
            self._leave(execution)

    async def _renew_leases(self) -> None:
        """Keep the leases of runs that write nothing for long."""
        renew = update(RunRow.__table__)  # type: ignore[arg-type]
        while True:
            await asyncio.sleep(self._timing.lease / 3)
            until = now_ms() + int(self._timing.lease * 1000)
            held = [(e.run_id, e.epoch) for e in self._executions.values()]
            if not held:
                continue

            def write(session: Session, held: list[tuple[str, int]] = held, until: int = until) -> None:
                for run_id, epoch in held:
                    session.connection().execute(
                        renew.where(RunRow.id == run_id, RunRow.epoch == epoch, RunRow.status == RUNNING).values(
                            lease_until=until
                        )
                    )

            try:
                await self._store.write(write)
            except Exception:
                log.exception("the leases of %d runs could not be renewed", len(held))
