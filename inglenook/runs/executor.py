"""Executing runs in this process: taking leases, keeping them, and taking over what a dead process left."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from msgspec import structs
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from inglenook.accounts.principal import Principal
from inglenook.kit.errors import Unavailable
from inglenook.kit.time import now_ms
from inglenook.runs import endings
from inglenook.runs.context import CANCEL, RETRIES, Execution, Host
from inglenook.runs.effects import ANSWERS
from inglenook.runs.endings import Ending
from inglenook.runs.journal import Entry, Recorded, encode, fold
from inglenook.runs.kinds import RunInput, RunKind
from inglenook.runs.live import Stream
from inglenook.runs.tables import QUEUED, RUNNING, RunInputRow, RunRow
from inglenook.store.database import after_commit

log = logging.getLogger(__name__)

#: Take-overs at one place before a run is parked.
TAKEOVERS = 3


# Made once: making a statement costs more than running it.
_runs, _inputs = RunRow.__table__.c, RunInputRow.__table__.c
_CLAIM = (
    update(RunRow.__table__)  # type: ignore[arg-type]
    .where(_runs.id == bindparam("run"), _runs.status == bindparam("found"))
    .values(
        epoch=_runs.epoch + 1,
        status=RUNNING,
        error=None,
        claim_seq=_runs.seq + 1,
        started_at=func.coalesce(_runs.started_at, bindparam("at")),
    )
    .returning(_runs.kind, _runs.epoch, _runs.actor, _runs.input, _runs.wake_at)
)
_SAID = (
    select(_inputs.id, _inputs.kind, _inputs.payload)
    .where(_inputs.run_id == bindparam("run"), _inputs.consumed_at.is_(None), _inputs.kind.in_((CANCEL, *ANSWERS)))
    .order_by(_inputs.id)
)


class _Loaded(NamedTuple):
    events: list[Recorded]
    cancelled: bool
    answers: list[RunInput]
    state: dict[str, Any]
    error: Exception | None


class Executor:
    """The executions of this process.

    Args:
        tell: Called with a run's id when it began or ceased to execute here.
    """

    def __init__(self, host: Host, kinds: dict[str, RunKind], tell: Callable[[str], None]) -> None:
        self._host = host
        self._kinds = kinds
        self._tell = tell
        self._executions: dict[str, Execution] = {}

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
            execution = await self._host.store.write(lambda s: self._claim(s, run_id, status=QUEUED))
            if execution is None:
                return
            try:
                if await self._open(execution):
                    await execution.run()
            finally:
                self._leave(execution)
        except Unavailable:
            log.warning("run %s stays queued: the store is closed", run_id)
        except Exception:
            log.exception("run %s could not be executed; the next start tries again", run_id)

    async def take_over(self, *, sole: bool) -> list[str]:
        """Bring runs that dead processes left `running` to rest or back into the queue.

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
        for row in await self._host.store.read(lambda s: s.connection().execute(found).all()):
            kind = self._kinds.get(row.kind)
            if kind is None:
                log.error("run %s is of the unknown kind %r and is left as it is", row.id, row.kind)
            elif row.status == QUEUED or (
                (sole or (row.lease_until or 0) < now_ms()) and await self._take_over(row, kind)
            ):
                queued.append(row.id)
        return queued

    async def _take_over(self, row: Any, kind: RunKind) -> bool:
        """Whether the run is queued again."""
        takeovers = row.takeovers + 1 if row.seq == row.claim_seq else 1
        if kind.on_crash == "interrupt":
            await self._conclude(row.id, endings.interrupted("the server stopped while this was going on"))
            return False
        if takeovers > TAKEOVERS:
            reason = f"it was taken over {TAKEOVERS} times at the same place (event {row.seq}) and got no further"
            await self._conclude(row.id, endings.parked(reason))
            return False
        again = (
            update(RunRow)
            .where(RunRow.id == row.id, RunRow.epoch == row.epoch, RunRow.status == RUNNING)
            .values(status=QUEUED, takeovers=takeovers)
        )
        return bool(await self._host.store.write(lambda s: s.connection().execute(again).rowcount))

    async def _conclude(self, run_id: str, ending: Ending) -> None:
        """End a run that executes nowhere; one that was asked to stop is cancelled instead."""
        execution = await self._host.store.write(lambda s: self._claim(s, run_id, status=RUNNING))
        if execution is None:
            return
        try:
            if await self._open(execution):
                await execution.conclude(endings.cancelled() if execution.cancelled else ending, retries=RETRIES[:3])
                execution.close()
        finally:
            self._leave(execution)

    def _claim(self, session: Session, run_id: str, *, status: str) -> Execution | None:
        """Take the lease of a run that is in `status`; None if it is not (any more)."""
        at = now_ms()
        connection = session.connection()
        claimed = connection.execute(_CLAIM, {"run": run_id, "found": status, "at": at}).one_or_none()
        if claimed is None:
            return None
        execution = Execution(
            self._host,
            self._kinds[claimed.kind],
            run_id=run_id,
            epoch=claimed.epoch,
            actor=msgspec.convert(claimed.actor, Principal),
            given=claimed.input,
            due=claimed.wake_at,
        )
        if status == QUEUED:
            until = at + int(self._host.timing.lease * 1000)
            began = {"epoch": claimed.epoch} | ({} if claimed.wake_at is None else {"due": claimed.wake_at})
            started = Entry("run.started", encode(began).decode(), None)
            self._host.journal.append(session, run_id, claimed.epoch, [started], at=at, lease_until=until)
        after_commit(session, lambda: self._executions.update({run_id: execution}))
        return execution

    async def _open(self, execution: Execution) -> bool:
        """Let the execution begin from the journal; False, and the run failed, when its kind cannot fold it."""

        def load(session: Session) -> _Loaded:
            # Cancels from now on find the execution; this finds those that came before.
            said = [
                RunInput(id=row.id, kind=row.kind, payload=row.payload)
                for row in session.connection().execute(_SAID, {"run": execution.run_id})
            ]
            cancelled = any(each.kind == CANCEL for each in said)
            answers = [each for each in said if each.kind != CANCEL]
            events = self._host.journal.unfolded(session, execution.run_id)
            try:
                return _Loaded(events, cancelled, answers, fold(execution.kind, {}, events), None)
            except Exception as error:  # noqa: BLE001 - the run fails with it
                return _Loaded(events, cancelled, answers, {}, error)

        loaded = await self._host.store.read(load)
        if loaded.cancelled:
            execution.stop("cancel")
        seq = loaded.events[-1].seq if loaded.events else 0
        execution.open(seq, loaded.state, loaded.events)
        if loaded.error is None:
            if loaded.answers:
                await execution.answer(loaded.answers)
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
        lease = self._host.timing.lease
        while True:
            await asyncio.sleep(lease / 3)
            until = now_ms() + int(lease * 1000)
            held = [
                update(RunRow)
                .where(RunRow.id == e.run_id, RunRow.epoch == e.epoch, RunRow.status == RUNNING)
                .values(lease_until=until)
                for e in self._executions.values()
            ]

            def write(session: Session, held: list[Any] = held) -> None:
                for statement in held:
                    session.connection().execute(statement)

            try:
                if held:
                    await self._host.store.write(write)
            except Exception:
                log.exception("the leases of %d runs could not be renewed", len(held))
