"""Timers of waiting runs: a time in the run's row, and one task of this process that wakes those that are due."""

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import NamedTuple

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from inglenook.kit.errors import Unavailable
from inglenook.kit.time import now_ms
from inglenook.runs.tables import QUEUED, WAITING, RunRow
from inglenook.store.database import Store

log = logging.getLogger(__name__)

#: Runs woken in one transaction.
BATCH = 100
#: Seconds after which the clock is looked at again, however far off the next timer is: the loop's clock stands still
#: while the machine sleeps, the wall clock may be set, and another server may have left runs behind.
LOOK = 30.0
#: Seconds before another attempt when the database refuses.
RETRY = 1.0
_NEVER = 2**63

_runs = RunRow.__table__.c
_NEXT = (
    select(_runs.id, _runs.wake_at)
    .where(_runs.wake_at.is_not(None), _runs.status == WAITING, _runs.kind.in_(bindparam("kinds", expanding=True)))
    .order_by(_runs.wake_at, _runs.id)
    .limit(BATCH)
)
# `wake_at` stays, so that the execution which follows knows why it was woken.
_WAKE = (
    update(RunRow.__table__)  # type: ignore[arg-type]
    .where(_runs.id == bindparam("run"), _runs.status == WAITING, _runs.wake_at == bindparam("due"))
    .values(status=QUEUED, takeovers=0)
)


class _Due(NamedTuple):
    run_id: str
    wake_at: int


class Timers:
    """Wakes the waiting runs of this database whose time has come, in the order of their times.

    Args:
        kinds: Names of the kinds that can be executed here; others are left alone.
        enqueue: Has a run executed, in the session's transaction.
    """

    def __init__(self, store: Store, kinds: Collection[str], enqueue: Callable[[Session, str], None]) -> None:
        self._store = store
        self._kinds = kinds
        self._enqueue = enqueue
        self._task: asyncio.Task[None] | None = None
        self._sooner = asyncio.Event()
        #: When the task looks next; while it looks it is never soon enough.
        self._next = _NEVER

    def start(self) -> None:
        """Wake what is due, and from now on what becomes due."""
        self._task = asyncio.get_running_loop().create_task(self._wake_forever(), name="timers of runs")

    async def stop(self) -> None:
        """Wake nobody any more. What becomes due is woken after the next start."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def expect(self, wake_at: int) -> None:
        """A run has gone to wait until `wake_at`."""
        if wake_at < self._next:
            self._sooner.set()

    async def _wake_forever(self) -> None:
        while True:
            try:
                self._sooner.clear()
                self._next = _NEVER  # who goes to wait meanwhile may not be seen, and is looked for again
                pause = await self._wake_due()
            except Unavailable:
                return
            except Exception:
                log.exception("runs that are due cannot be woken; trying again")
                pause = RETRY
            self._next = now_ms() + int(pause * 1000)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._sooner.wait(), pause)

    async def _wake_due(self) -> float:
        """Wake what is due; returns the seconds until the next one is, at most `LOOK`."""
        while True:
            found = await self._store.read(self._find)
            now = now_ms()
            if due := [each for each in found if each.wake_at <= now]:
                await self._store.write(lambda s, due=due: self._wake(s, due))  # type: ignore[misc]
            elif found:
                return min((found[0].wake_at - now) / 1000, LOOK)
            else:
                return LOOK

    def _find(self, session: Session) -> list[_Due]:
        rows = session.connection().execute(_NEXT, {"kinds": list(self._kinds)})
        return [_Due(row.id, row.wake_at) for row in rows]

    def _wake(self, session: Session, due: list[_Due]) -> None:
        connection = session.connection()
        for each in due:
            # An input, a cancel or another server may have been quicker.
            if connection.execute(_WAKE, {"run": each.run_id, "due": each.wake_at}).rowcount:
                self._enqueue(session, each.run_id)
