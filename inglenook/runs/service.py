"""Runs: made inside a caller's transaction, executed by dispatch, watched by many, taken over after a crash."""

import asyncio
import logging
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from inglenook.accounts.principal import Principal
from inglenook.kit.errors import BadInput, Conflict, NotFound
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms
from inglenook.runs import queries
from inglenook.runs.context import CANCEL, Host, Timing
from inglenook.runs.dispatch.base import Dispatch
from inglenook.runs.dispatch.local import LocalDispatch
from inglenook.runs.effects import ANSWERS, check_answer
from inglenook.runs.errors import RunEnded
from inglenook.runs.executor import Executor
from inglenook.runs.journal import Journal, Recorded, fold
from inglenook.runs.kinds import RunKind
from inglenook.runs.live import Position, WatchFrame, catch_up, reset_frame
from inglenook.runs.tables import ENDED, PARKED, QUEUED, WAITING, RunInputRow, RunRow
from inglenook.runs.timers import Timers
from inglenook.store.blobs import Blobs
from inglenook.store.database import Store, after_commit

log = logging.getLogger(__name__)

#: Inputs that make a parked run go on.
UNPARK = ANSWERS | {CANCEL}


class Runs:
    """All runs of this server."""

    def __init__(
        self, store: Store, blobs: Blobs, *, dispatch: Dispatch | None = None, timing: Timing | None = None
    ) -> None:
        self._store = store
        self._journal = Journal(blobs)
        self._dispatch = dispatch or LocalDispatch()
        self._kinds: dict[str, RunKind] = {}
        self._timers = Timers(store, self._kinds, self._dispatch.enqueue)
        host = Host(
            store=store,
            journal=self._journal,
            timing=timing or Timing(),
            enqueue=self._dispatch.enqueue,
            expect=self._timers.expect,
        )
        self._executor = Executor(host, self._kinds, self._tell)
        #: Set, and replaced, when a run that is watched here but does not execute here may have changed.
        self._changes: weakref.WeakValueDictionary[str, asyncio.Event] = weakref.WeakValueDictionary()
        self._forgetting: set[asyncio.Task[None]] = set()
        self._renewing: asyncio.Task[None] | None = None
        #: Watchers are told what there is, and let go.
        self._stopped = False

    def register(self, kind: RunKind) -> None:
        """Make a kind of run known; before `start`."""
        self._kinds[kind.name] = kind

    # -------------------------------------------------------------------------------------- start and stop

    async def start(self) -> None:
        """Take over what a dead process left, execute what is queued, and wake what is due."""
        self._stopped = False
        await self._dispatch.start(self._executor.execute)
        queued = await self._executor.take_over(sole=self._dispatch.sole)
        for run_id in queued:
            await self._store.write(partial(self._dispatch.enqueue, run_id=run_id))
        self._timers.start()
        self._renewing = asyncio.get_running_loop().create_task(self._executor.renew_leases())

    async def stop(self, grace: float = 10.0) -> None:
        """Stop gracefully; the runs' rows say what was left.

        Runs that resume are released at once; the others get `grace` seconds to finish, then are interrupted with
        what had arrived kept. Watchers are let go.
        """
        await self._timers.stop()
        await self._dispatch.close()
        for execution in self._executor.all():
            if execution.kind.on_crash == "resume":
                execution.stop("shutdown", now=False)
        if not await self._joined(grace):
            for execution in self._executor.all():
                execution.stop("shutdown")
            if not await self._joined(5.0):
                log.error(
                    "runs %s did not stop; the next start takes them over", [e.run_id for e in self._executor.all()]
                )
        if self._forgetting:
            await asyncio.wait(self._forgetting)
        if self._renewing is not None:
            self._renewing.cancel()
        self._stopped = True
        for execution in self._executor.all():
            execution.close()
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

        A parked run is woken by `cancel`, by `retry`, and, when it asks about an effect, by `skip` with `{"output"}`;
        either may name the `effect` that is meant.

        Raises:
            NotFound: there is no such run.
            RunEnded: it has ended.
            Conflict, BadInput: it is an answer (`retry`, `skip`) that this run does not ask for.
        """
        input_id, given = new_id("inp"), payload

        def write(session: Session) -> None:
            connection = session.connection()
            # An update that changes nothing holds the row, so no other transaction changes its status meanwhile.
            held = update(RunRow).where(RunRow.id == run_id).values(seq=RunRow.seq).returning(RunRow.status)
            status = connection.execute(held).scalar_one_or_none()
            if status is None:
                raise NotFound(f"there is no run {run_id}")
            if status in ENDED:
                raise RunEnded(f"run {run_id} has ended ({status})")
            payload = given
            if kind in ANSWERS:
                if status != PARKED:
                    raise Conflict(f"run {run_id} is not parked but {status}: there is nothing to {kind}")
                payload = check_answer(kind, given, self._journal.last(session, run_id))
            connection.execute(
                insert(RunInputRow),
                {"id": input_id, "run_id": run_id, "kind": kind, "payload": payload, "at": now_ms()},
            )
            if status == WAITING or (status == PARKED and kind in UNPARK):
                # What a parked run was woken by still holds when it goes on.
                timer = {"wake_at": None} if status == WAITING else {}
                connection.execute(
                    update(RunRow).where(RunRow.id == run_id).values(status=QUEUED, takeovers=0, **timer)
                )
                self._dispatch.enqueue(session, run_id)
            else:
                after_commit(session, lambda: self._deliver(run_id, kind))

        await self._store.write(write)
        return input_id

    async def cancel(self, run_id: str) -> None:
        """Ask a run to stop. It has stopped when its status says so."""
        await self.send(run_id, CANCEL, {})

    def _deliver(self, run_id: str, kind: str) -> None:
        execution = self._executor.get(run_id)
        if execution is None:
            return
        if kind == CANCEL:
            execution.stop("cancel")
        else:
            execution.poke()

    # --------------------------------------------------------------------------------------------- look on

    async def watch(self, run_id: str, after: str | None = None) -> AsyncGenerator[WatchFrame, None]:
        """Frames of a run from `after` (the id of the last frame seen) on, until it ends or the server stops.

        Without a usable `after` the first frame is a `reset` with the whole state.

        Raises:
            NotFound: there is no such run.
        """
        position = Position.parse(after)
        while True:
            changed = self._changes.setdefault(run_id, asyncio.Event())
            if (stream := self._executor.stream(run_id)) is not None:
                async with aclosing(stream.follow(position, self._reader(run_id))) as frames:
                    async for frame in frames:
                        position = Position.parse(frame.id)
                        yield frame
                continue
            last = self._stopped  # asked before reading: what is read then is all there will be
            stored, over = await self._stored(run_id, position)
            for frame in stored:
                position = Position.parse(frame.id)
                yield frame
            if over or last:
                return
            await changed.wait()

    async def find(self, run_id: str) -> RunRow | None:
        """The run's row; None if there is no such run."""
        return await self._store.read(lambda s: s.get(RunRow, run_id))

    async def page(self, actor_id: str, **filters: Any) -> list[RunRow]:
        """The newest runs of an actor; `queries.page` says what `filters` there are."""
        return await self._store.read(lambda s: queries.page(s, actor_id, **filters))

    async def read(self, run_id: str) -> tuple[RunRow, dict[str, Any] | None]:
        """A run's row and, when it finished, its output.

        Raises:
            NotFound: there is no such run.
        """

        def read(session: Session) -> tuple[RunRow, dict[str, Any] | None]:
            row = session.get(RunRow, run_id)
            if row is None:
                raise NotFound(f"there is no run {run_id}")
            return row, queries.output(session, self._journal, row)

        return await self._store.read(read)

    async def state(self, run_id: str) -> dict[str, Any]:
        """The fold over the run's journal.

        Raises:
            NotFound: there is no such run, or its kind is not registered.
        """

        def read(session: Session) -> dict[str, Any]:
            row = session.get(RunRow, run_id)
            kind = self._kinds.get(row.kind) if row is not None else None
            if kind is None:
                raise NotFound(f"there is no run {run_id} of a kind that is known here")
            return fold(kind, {}, self._journal.unfolded(session, run_id))

        return await self._store.read(read)

    def erase(self, session: Session, run_id: str) -> None:
        """Empty what a run was given and wrote, in the session's transaction; the envelopes stay.

        Of a run that has not ended only what it wrote so far goes: cancel it, and erase it again in its last
        transaction (`settle`, or the `project` of `finish`) or later.
        """
        connection = session.connection()
        ended = RunRow.id == run_id, RunRow.status.in_(ENDED)
        connection.execute(update(RunRow).where(*ended).values(input={}, output=None, title=None, error=None))
        connection.execute(
            update(RunInputRow)
            .where(RunInputRow.run_id == run_id, RunInputRow.consumed_at.is_not(None))
            .values(payload={})
        )
        if blobs := self._journal.erase(session, run_id):
            after_commit(session, lambda: self._forget(blobs))

    def _forget(self, blobs: list[str]) -> None:
        forgetting = asyncio.get_running_loop().create_task(asyncio.to_thread(self._journal.forget, blobs))
        self._forgetting.add(forgetting)
        forgetting.add_done_callback(self._forgetting.discard)

    def _reader(self, run_id: str) -> Callable[[int, int], Awaitable[list[Recorded] | None]]:
        async def read(after: int, upto: int) -> list[Recorded] | None:
            def within(session: Session) -> list[Recorded] | None:
                # The run may have ended, and its slices be gone, since the stream was asked.
                if self._journal.folded_seq(session, run_id) > after:
                    return None
                return self._journal.read(session, run_id, after, upto)

            return await self._store.read(within)

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
