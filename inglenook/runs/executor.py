"""Executing runs in this process: taking leases, keeping them, and taking over what a dead process left."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from msgspec import structs
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from inglenook.kit.errors import Unavailable
from inglenook.kit.time import now_ms
from inglenook.runs import endings
from inglenook.runs.context import RETRIES, Execution, Timing
from inglenook.runs.effects import ANSWERS
from inglenook.runs.endings import Ending
from inglenook.runs.journal import DELTA, EFFECT_STARTED, Recorded, encode, fold
from inglenook.runs.keepers.base import CANCEL, Claim, Keeper, Left, Sight
from inglenook.runs.kinds import RunInput, RunKind
from inglenook.runs.live import Stream
from inglenook.runs.tables import QUEUED, RUNNING, RunRow
from inglenook.store.database import Store

log = logging.getLogger(__name__)

#: Take-overs at one place before a run is parked.
TAKEOVERS = 3
#: Events that every attempt writes anew.
_BEGUN = frozenset({"run.started", DELTA, EFFECT_STARTED})


class _Loaded(NamedTuple):
    """What the journal says of a run that is about to execute."""

    events: list[Recorded]
    said: list[RunInput]
    state: dict[str, Any]
    error: Exception | None


class Executor:
    """The executions of this process.

    Args:
        store: Where leases are renewed and dead processes' runs are found.
        keeper_of: The keeper of the run of that id.
        tell: Called with a run's id when it began or ceased to execute here.
    """

    def __init__(
        self,
        store: Store,
        keeper_of: Callable[[str], Keeper],
        kinds: dict[str, RunKind],
        timing: Timing,
        tell: Callable[[str], None],
    ) -> None:
        self._store = store
        self._keeper_of = keeper_of
        self._kinds = kinds
        self._timing = timing
        self._tell = tell
        self._executions: dict[str, Execution] = {}
        self._begun: dict[str, tuple[Execution, Claim]] = {}
        #: Runs of unknown kinds that were told of.
        self._unknown: set[str] = set()

    def hold(self, run_id: str, claim: Claim) -> None:
        """Hold a lease that was taken with the making of the run, until `execute` comes for it."""
        execution = Execution(self._keeper_of(run_id), self._timing, self._kinds[claim.kind], run_id, claim)
        self._executions[run_id] = execution
        self._begun[run_id] = execution, claim

    def get(self, run_id: str) -> Execution | None:
        """The execution of a run that is under way here."""
        return self._executions.get(run_id)

    def all(self) -> list[Execution]:
        """All executions under way here."""
        return list(self._executions.values())

    def stream(self, run_id: str) -> Stream | None:
        """The live stream of a run that executes here."""
        execution = self._executions.get(run_id)
        return None if execution is None or execution.stream is None or execution.stream.closed else execution.stream

    async def execute(self, run_id: str) -> None:
        """Execute a queued run until it rests; one that is not queued is left alone. Never raises."""
        try:
            async with self._claimed(run_id, QUEUED) as execution:
                if execution is not None:
                    await execution.run()
        except Unavailable:
            log.warning("run %s stays queued: the store is closed", run_id)
        except Exception:
            log.exception("run %s could not be executed; the next start tries again", run_id)

    async def take_over(self, *, sole: bool) -> list[str]:
        """Bring runs that dead processes left `running` to rest or back into the queue. What cannot be is logged.

        Args:
            sole: Whether no other process may hold a lease, so that it need not have run out.

        Returns the ids of all runs that are queued then.
        """
        found = (
            select(RunRow.__table__)
            .where(RunRow.ended_at.is_(None), RunRow.status.in_((QUEUED, RUNNING)))
            .order_by(RunRow.id)
        )
        queued = []
        for row in await self._store.read(lambda s: s.connection().execute(found).all()):
            kind = self._kinds.get(row.kind)
            if row.id in self._executions:
                continue
            if kind is None:
                if row.id not in self._unknown:
                    log.error("run %s is of the unknown kind %r and is left as it is", row.id, row.kind)
                self._unknown.add(row.id)
            elif row.status == QUEUED or (
                (sole or (row.lease_until or 0) < now_ms()) and await self._take_over(row, kind)
            ):
                queued.append(row.id)
        return queued

    async def _take_over(self, row: Any, kind: RunKind) -> bool:
        """Whether the run is queued again."""
        try:
            left = Left(row.epoch, row.lease_until)
            if kind.on_crash == "interrupt":
                await self._conclude(row.id, left, endings.interrupted("the server stopped while this was going on"))
                return False
            takeovers = 1 if await self._got_further(row) else row.takeovers + 1
            if takeovers > TAKEOVERS:
                reason = f"it was taken over {TAKEOVERS} times at the same place (event {row.seq}) and got no further"
                await self._conclude(row.id, left, endings.parked(reason))
                return False
            again = (
                update(RunRow)
                .where(RunRow.id == row.id, RunRow.epoch == left.epoch, RunRow.status == RUNNING)
                .where(RunRow.lease_until.is_not_distinct_from(left.until))
                .values(status=QUEUED, takeovers=takeovers)
            )
            return bool(await self._store.write(lambda s: s.connection().execute(again).rowcount))
        except Unavailable:
            raise
        except Exception:
            log.exception("run %s cannot be taken over; trying again later", row.id)
            return False

    async def _got_further(self, row: Any) -> bool:
        """Whether the last execution left anything in the journal that was not there before it.

        An intent or a stream that was begun and will be begun again is nothing of that kind, nor is an event that says
        what an earlier attempt said.
        """
        if row.seq == row.claim_seq:
            return False

        def look(sight: Sight) -> bool:
            before = set[tuple[str, bytes]]()
            for event in sight.events(0):
                said = event.type, encode(event.payload)
                if event.seq > row.claim_seq and event.type not in _BEGUN and said not in before:
                    return True
                before.add(said)
            return False

        return await self._keeper_of(row.id).look(row.id, look)

    async def _conclude(self, run_id: str, left: Left, ending: Ending) -> None:
        """End a run that executes nowhere; one that was asked to stop is cancelled instead."""
        async with self._claimed(run_id, RUNNING, left) as execution:
            if execution is not None:
                await execution.conclude(endings.cancelled() if execution.cancelled else ending, retries=RETRIES[:3])
                execution.close()

    @asynccontextmanager
    async def _claimed(self, run_id: str, status: str, left: Left | None = None) -> AsyncIterator[Execution | None]:
        """Hold the lease of a run that is in `status`, its journal read; None if there is nothing to do."""
        keeper = self._keeper_of(run_id)
        if run_id not in self._begun:
            await keeper.claim(run_id, status, lambda claim: self.hold(run_id, claim), left=left)
        execution, claim = self._begun.pop(run_id, (None, None))
        if execution is None or claim is None:
            yield None
            return
        try:
            yield execution if await self._open(execution, keeper, claim) else None
        finally:
            self._leave(execution)

    async def _open(self, execution: Execution, keeper: Keeper, claim: Claim) -> bool:
        """Let the execution begin from the journal; False, and the run failed, when its kind cannot fold it."""

        def folded(events: list[Recorded], said: list[RunInput]) -> _Loaded:
            try:
                return _Loaded(events, said, fold(execution.kind, {}, events), None)
            except Exception as error:  # noqa: BLE001 - the run fails with it
                return _Loaded(events, said, {}, error)

        if claim.fresh is not None:
            loaded = folded([claim.fresh], claim.said)
        else:
            # Cancels from now on find the execution; this finds those that came before.
            loaded = await keeper.look(execution.run_id, lambda sight: folded(sight.unfolded(), sight.inputs(own=True)))
        if any(each.kind == CANCEL for each in loaded.said):
            execution.stop("cancel")
        execution.open(loaded.events[-1].seq if loaded.events else 0, loaded.state, loaded.events)
        if loaded.error is None:
            if answers := [each for each in loaded.said if each.kind in ANSWERS]:
                await execution.answer(answers)
            self._tell(execution.run_id)
            return True
        log.error("run %s: %s cannot fold it", execution.run_id, execution.kind.name, exc_info=loaded.error)
        await execution.conclude(structs.replace(endings.failed(loaded.error), folds=False), retries=RETRIES[:3])
        execution.close()
        return False

    def _leave(self, execution: Execution) -> None:
        # A run that went to wait may have been woken, and execute again, before this execution was quite over.
        if self._executions.get(execution.run_id) is execution:
            del self._executions[execution.run_id]
        self._tell(execution.run_id)

    async def renew_leases(self) -> None:
        """Keep the leases of runs that write nothing for long; endless."""
        lease = self._timing.lease
        while True:
            await asyncio.sleep(lease / 3)
            until = now_ms() + int(lease * 1000)
            held = [
                update(RunRow)
                .where(RunRow.id == e.run_id, RunRow.epoch == e.epoch, RunRow.status == RUNNING)
                .values(lease_until=until)
                for e in self._executions.values()
                if not e.temporary
            ]

            def write(session: Session, held: list[Any] = held) -> None:
                for statement in held:
                    session.connection().execute(statement)

            try:
                if held:
                    await self._store.write(write)
            except Exception:
                log.exception("the leases of %d runs could not be renewed", len(held))
