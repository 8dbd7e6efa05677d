"""Runs: made inside a caller's transaction, executed by dispatch, watched by many, taken over after a crash."""

import asyncio
import logging
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import update
from sqlalchemy.orm import Session

from inglenook.accounts.principal import Principal
from inglenook.kit.errors import BadInput, NotFound, Unavailable
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms
from inglenook.runs import queries
from inglenook.runs.context import Timing
from inglenook.runs.dispatch.base import Dispatch
from inglenook.runs.dispatch.local import LocalDispatch
from inglenook.runs.executor import Executor
from inglenook.runs.journal import Journal, Recorded, fold
from inglenook.runs.keepers.base import CANCEL, Claim, Keeper, Sight
from inglenook.runs.keepers.database import DatabaseKeeper
from inglenook.runs.keepers.memory import MemoryKeeper
from inglenook.runs.kinds import RunKind
from inglenook.runs.live import Position, WatchFrame, catch_up, end_frame, is_over, reset_frame
from inglenook.runs.tables import ENDED, QUEUED, RunInputRow, RunRow
from inglenook.runs.timers import Timers
from inglenook.store.blobs import Blobs
from inglenook.store.database import Store, after_commit

log = logging.getLogger(__name__)

#: Runs whose journals are emptied by one statement.
_TOGETHER = 500


class Runs:
    """All runs of this server."""

    def __init__(
        self, store: Store, blobs: Blobs, *, dispatch: Dispatch | None = None, timing: Timing | None = None
    ) -> None:
        timing = timing or Timing()
        self._lease = timing.lease
        self._store = store
        self._journal = Journal(blobs)
        self._dispatch = dispatch or LocalDispatch(sole=store.is_sqlite)
        #: Temporary runs are executed where their memory is.
        self._here = LocalDispatch()
        self._kinds: dict[str, RunKind] = {}
        self._timers = Timers(store, self._kinds, self._dispatch.enqueue)
        self._database = DatabaseKeeper(
            store,
            self._journal,
            kinds=self._kinds,
            lease=timing.lease,
            enqueue=self._dispatch.enqueue,
            deliver=self._deliver,
            expect=self._timers.expect,
        )
        self._memory = MemoryKeeper(linger=timing.linger, enqueue=self._here.spawn, deliver=self._deliver)
        self._executor = Executor(store, self._keeper_of, self._kinds, timing, self._tell)
        #: Set, and replaced, when a run that is watched here but does not execute here may have changed.
        self._changes: weakref.WeakValueDictionary[str, asyncio.Event] = weakref.WeakValueDictionary()
        #: Awaited by `stop`.
        self._background: set[asyncio.Task[None]] = set()
        self._renewing: asyncio.Task[None] | None = None
        self._sweeping: asyncio.Task[None] | None = None
        #: Watchers are told what there is, and let go.
        self._stopped = False

    def register(self, kind: RunKind) -> None:
        """Make a kind of run known; before `start`."""
        self._kinds[kind.name] = kind

    # -------------------------------------------------------------------------------------- start and stop

    async def start(self) -> None:
        """Take over what a dead process left, execute what is queued, and wake what is due: now, and from now on."""
        self._stopped = False
        await self._here.start(self._executor.execute)
        await self._dispatch.start(self._executor.execute)
        await self._take_over(sole=self._dispatch.sole)
        self._timers.start()
        loop = asyncio.get_running_loop()
        self._renewing = loop.create_task(self._executor.renew_leases(), name="leases of runs")
        self._sweeping = loop.create_task(self._sweep(), name="sweep of runs")

    async def stop(self, grace: float = 10.0) -> None:
        """Stop gracefully; the runs' rows say what was left.

        Runs that resume are released at once; the others get `grace` seconds to finish, then are interrupted with
        what had arrived kept. Watchers are let go.
        """
        await self._timers.stop()
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait({self._sweeping})
        await self._here.close()
        await self._dispatch.close()
        for execution in self._executor.all():
            if execution.resumes:
                execution.stop("shutdown", now=False)
        if not await self._joined(grace):
            for execution in self._executor.all():
                execution.stop("shutdown")
            if not await self._joined(5.0):
                log.error(
                    "runs %s did not stop; the next start takes them over", [e.run_id for e in self._executor.all()]
                )
        if self._background:
            await asyncio.wait(self._background)
        if self._renewing is not None:
            self._renewing.cancel()
        self._stopped = True
        for execution in self._executor.all():
            execution.close()
        for run_id in list(self._changes):
            self._tell(run_id)
        self._memory.clear()

    async def _take_over(self, *, sole: bool) -> None:
        for run_id in await self._executor.take_over(sole=sole):
            await self._store.write(partial(self._dispatch.enqueue, run_id=run_id))

    async def _sweep(self) -> None:
        """Find, every now and then, what another server or a broken execution left; endless."""
        while True:
            await asyncio.sleep(self._lease / 2)
            try:
                await self._take_over(sole=False)
            except Unavailable:
                return
            except Exception:
                log.exception("runs that were left cannot be looked for; trying again")

    def hurry(self) -> None:
        """Interrupt at once the runs that `stop` still waits for."""
        for execution in self._executor.all():
            execution.stop("shutdown")

    async def _joined(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._dispatch.join()
                await self._here.join()
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
        made = self._make(
            kind=kind,
            actor=actor,
            input=input,
            id=run_id,
            app_version=app_version,
            grants=list(grants),
            title=title,
            parent_id=parent_id,
        )
        if self._dispatch.at_once:
            claim = self._database.make_claimed(session, made, actor)
            after_commit(session, lambda: self._begin(made["id"], claim))
        else:
            self._database.make(session, made)
        self._dispatch.enqueue(session, made["id"])
        return str(made["id"])

    def _begin(self, run_id: str, claim: Claim) -> None:
        if self._dispatch.at_once:
            self._executor.hold(run_id, claim)
        else:  # it was closed meanwhile
            self._in_background(self._database.release(run_id, claim.epoch))

    def create_temporary(
        self,
        *,
        kind: str,
        actor: Principal,
        input: dict[str, Any],  # noqa: A002
        run_id: str | None = None,
        app_version: str | None = None,
        grants: Sequence[Any] = (),
        title: str | None = None,
    ) -> str:
        """Make a run of which nothing reaches the disk, and return its id; it is executed at once, in this process.

        Called on the event loop.

        It is watched, sent to and read like any other. It is in no page, has no row that others may refer to, and its
        kind writes none: a `project` is refused, and `settle` is not called. It is gone `Timing.linger` seconds after
        its end, when the server stops, and with the process: then there is no such run.

        Raises:
            Unavailable: the server is not running.
        """
        if not self._here.at_once:
            raise Unavailable("the server is shutting down")
        made = self._make(
            kind=kind,
            actor=actor,
            input=input,
            id=run_id,
            app_version=app_version,
            grants=list(grants),
            title=title,
            parent_id=None,
        )
        self._memory.add(RunRow(**made), actor)
        return str(made["id"])

    def _make(self, *, kind: str, actor: Principal, **values: Any) -> dict[str, Any]:
        """The columns of a new run."""
        if kind not in self._kinds:
            raise BadInput(f"there is no kind of run named {kind!r}; there are {', '.join(sorted(self._kinds))}")
        return values | {
            "id": values["id"] or new_id("run"),
            "kind": kind,
            "actor_id": actor.user_id,
            "actor": msgspec.to_builtins(actor),
            "status": QUEUED,
            "created_at": now_ms(),
        }

    async def send(self, run_id: str, kind: str, payload: dict[str, Any]) -> str:
        """Send an input to a run and return the input's id. It wakes a waiting run.

        A parked run is woken by `cancel`, by `retry`, and, when it asks about an effect, by `skip` with `{"output"}`;
        either may name the `effect` that is meant.

        Raises:
            NotFound: there is no such run.
            RunEnded: it has ended.
            Conflict, BadInput: it is an answer (`retry`, `skip`) that this run does not ask for.
        """
        input_id = new_id("inp")
        await self._keeper_of(run_id).send(run_id, input_id, kind, payload)
        return input_id

    async def cancel(self, run_id: str) -> None:
        """Ask a run to stop. It has stopped when its status says so."""
        await self.send(run_id, CANCEL, {})

    def _keeper_of(self, run_id: str) -> Keeper:
        return self._memory if run_id in self._memory else self._database

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
                        if frame.event == "end":
                            return
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
        try:
            return await self._keeper_of(run_id).look(run_id, lambda sight: sight.row)
        except NotFound:
            return None

    async def page(self, actor_id: str, **filters: Any) -> list[RunRow]:
        """The newest runs of an actor; `queries.page` says what `filters` there are."""
        return await self._store.read(lambda s: queries.page(s, actor_id, **filters))

    async def read(self, run_id: str) -> tuple[RunRow, dict[str, Any] | None]:
        """A run's row and, when it finished, its output.

        Raises:
            NotFound: there is no such run.
        """

        return await self._keeper_of(run_id).look(run_id, lambda sight: (sight.row, queries.output(sight)))

    async def state(self, run_id: str) -> dict[str, Any]:
        """The fold over the run's journal.

        Raises:
            NotFound: there is no such run, or its kind is not registered.
        """

        def read(sight: Sight) -> dict[str, Any]:
            kind = self._kinds.get(sight.row.kind)
            if kind is None:
                raise NotFound(f"there is no run {run_id} of a kind that is known here")
            return fold(kind, {}, sight.unfolded())

        return await self._keeper_of(run_id).look(run_id, read)

    def erase(self, session: Session, *run_ids: str) -> None:
        """Empty what runs were given and wrote, in the session's transaction; the envelopes stay.

        Of a run that has not ended only what it wrote so far goes: cancel it, and erase it again in its last
        transaction (`settle`, or the `project` of `finish`) or later.
        """
        connection = session.connection()
        blobs: list[str] = []
        for at in range(0, len(run_ids), _TOGETHER):
            some = run_ids[at : at + _TOGETHER]
            ended = RunRow.id.in_(some), RunRow.status.in_(ENDED)
            connection.execute(update(RunRow).where(*ended).values(input={}, output=None, title=None, error=None))
            connection.execute(
                update(RunInputRow)
                .where(RunInputRow.run_id.in_(some), RunInputRow.consumed_at.is_not(None))
                .values(payload={})
            )
            blobs += self._journal.erase(session, some)
        if blobs:
            after_commit(session, lambda: self._in_background(self._database.forget(blobs)))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _reader(self, run_id: str) -> Callable[[int, int], Awaitable[list[Recorded] | None]]:
        async def read(after: int, upto: int) -> list[Recorded] | None:
            def within(sight: Sight) -> list[Recorded] | None:
                # The run may have ended, and its slices be gone, since the stream was asked.
                return None if sight.row.folded_seq > after else sight.events(after, upto)

            return await self._keeper_of(run_id).look(run_id, within)

        return read

    async def _stored(self, run_id: str, after: Position | None) -> tuple[list[WatchFrame], bool]:
        """Frames from `after` to the end of the journal of a run that does not execute here."""

        def read(sight: Sight) -> tuple[list[WatchFrame], bool]:
            row = sight.row
            end = Position(row.epoch, row.seq, 0)
            frames = None
            if after is not None and after.epoch == end.epoch and row.folded_seq <= after.seq <= end.seq:
                frames = catch_up(after, sight.events(after.seq), end, ())
            if frames is None:
                kind = self._kinds.get(row.kind)
                frames = [reset_frame(end, fold(kind, {}, sight.unfolded()) if kind else {}, row.status)]
            over = is_over(row.status)
            return [*frames, end_frame(end, row.status)] if over else frames, over

        return await self._keeper_of(run_id).look(run_id, read)

    def _tell(self, run_id: str) -> None:
        changed = self._changes.pop(run_id, None)
        if changed is not None:
            changed.set()
