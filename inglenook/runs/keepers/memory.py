"""Temporary runs: kept in memory, for chats of which nothing may reach the disk.

They stream, wait, take inputs and are watched like any other. They are gone a little after their end, so that a
watcher who lost the connection can still see how it ended; and with the process. They are in no list.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import orjson

from inglenook.accounts.principal import Principal
from inglenook.kit.errors import NotFound
from inglenook.kit.time import now_ms
from inglenook.runs.endings import Ending
from inglenook.runs.errors import LeaseLost
from inglenook.runs.journal import DELTA, FOLDED, Recorded, encode
from inglenook.runs.keepers.base import OWN_INPUTS, Claim, Left, Pair, Project, Sight, accept
from inglenook.runs.kinds import RunInput
from inglenook.runs.tables import QUEUED, RUNNING, WAITING, RunRow
from inglenook.runs.timers import LOOK

T = TypeVar("T")


class _Event(NamedTuple):
    type: str
    payload: bytes
    seq: int
    epoch: int
    at: int

    def recorded(self) -> Recorded:
        payload = orjson.loads(self.payload)
        return Recorded(type=self.type, payload=payload, seq=self.seq, epoch=self.epoch, at=self.at)


class _MemoryRun:
    """A run: the `Sight` of itself. Its row is in no session."""

    def __init__(self, row: RunRow, actor: Principal) -> None:
        self.row = row
        self.actor = actor
        self.journal: list[_Event] = []
        self.untaken: list[RunInput] = []
        self.timer: asyncio.TimerHandle | None = None

    def events(self, after: int, upto: int | None = None) -> list[Recorded]:
        return [each.recorded() for each in self.journal if after < each.seq <= (upto or each.seq)]

    def unfolded(self) -> list[Recorded]:
        return self.events(max(self.row.folded_seq - 1, 0))

    def inputs(self, *, own: bool) -> list[RunInput]:
        return [each for each in self.untaken if (each.kind in OWN_INPUTS) == own]


class MemoryKeeper:
    """Keeps temporary runs. On the event loop only.

    Args:
        linger: Seconds a run is kept after its end.
        enqueue: Has a run executed.
        deliver: Called with a run's id and an input's kind when one came that wakes nobody.
    """

    temporary = True

    def __init__(self, *, linger: float, enqueue: Callable[[str], None], deliver: Callable[[str, str], None]) -> None:
        self._linger = linger
        self._enqueue = enqueue
        self._deliver = deliver
        self._runs: dict[str, _MemoryRun] = {}

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._runs

    def add(self, row: RunRow, actor: Principal) -> None:
        """Keep a new run, and have it executed."""
        row.input = orjson.loads(encode(row.input))
        row.epoch = row.seq = row.folded_seq = row.claim_seq = row.takeovers = 0
        self._runs[row.id] = _MemoryRun(row, actor)
        self._enqueue(row.id)

    def clear(self) -> None:
        """Forget all runs."""
        for run_id in list(self._runs):
            self._drop(run_id)

    def _drop(self, run_id: str) -> None:
        run = self._runs.pop(run_id, None)
        if run is not None:
            _disarm(run)

    async def claim(
        self, run_id: str, status: str, claimed: Callable[[Claim], None], *, left: Left | None = None
    ) -> Claim | None:
        """Take the lease of a run that is in `status`."""
        run = self._runs.get(run_id)
        if run is None or run.row.status != status:
            return None
        row = run.row
        row.epoch += 1
        row.status, row.error, row.claim_seq = RUNNING, None, row.seq + 1
        row.started_at = row.started_at or now_ms()
        began = {"epoch": row.epoch} | ({} if row.wake_at is None else {"due": row.wake_at})
        _write(run, row.epoch, [("run.started", encode(began))], now_ms())
        fresh = run.journal[0].recorded() if row.seq == 1 else None
        said = run.inputs(own=True)
        claim = Claim(row.kind, row.epoch, run.actor, row.input, row.wake_at, fresh, said)
        claimed(claim)
        return claim

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
        """Append events, with inputs `taken`.

        Raises:
            ValueError: there is a `project`.
        """
        run = self._held(run_id, epoch, project)
        _write(run, epoch, pairs, at)
        run.untaken = [each for each in run.untaken if each.id not in taken]
        return run.row.seq

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
        """Append `pairs` and bring the run to rest.

        Raises:
            ValueError: there is a `project`.
        """
        run = self._held(run_id, epoch, project)
        _write(run, epoch, pairs, at)
        row = run.row
        row.status, row.error, row.output, row.wake_at = ending.status, ending.error, ending.output, wake_at
        if ending.ends:
            row.ended_at = at
            run.untaken.clear()
            if any(type_ == FOLDED for type_, _ in pairs):
                row.folded_seq = row.seq - 1
                run.journal = [each for each in run.journal if each.type != DELTA or each.seq >= row.folded_seq]
            asyncio.get_running_loop().call_later(self._linger, self._drop, run_id)
        elif ending.status == WAITING and run.untaken:
            row.wake_at = None
            self._queue(run)
        elif ending.status == WAITING and wake_at is not None:
            self._arm(run)
        return row.seq, []

    async def forget(self, blobs: Sequence[str]) -> None:
        """There are none."""

    async def send(self, run_id: str, input_id: str, kind: str, payload: dict[str, Any]) -> None:
        """Keep an input; wake the run, or tell its execution."""
        run = self._find(run_id)
        kept, wakes = accept(run_id, run.row.status, kind, payload, lambda: run.journal[-1].recorded().payload)
        run.untaken.append(RunInput(id=input_id, kind=kind, payload=kept))
        if not wakes:
            self._deliver(run_id, kind)
            return
        if run.row.status == WAITING:
            run.row.wake_at = None
        self._queue(run)

    async def look(self, run_id: str, fn: Callable[[Sight], T]) -> T:
        """What `fn` makes of the run."""
        return fn(self._find(run_id))

    def _find(self, run_id: str) -> _MemoryRun:
        run = self._runs.get(run_id)
        if run is None:
            raise NotFound(f"there is no run {run_id}")
        return run

    def _held(self, run_id: str, epoch: int, project: Project | None) -> _MemoryRun:
        run = self._runs.get(run_id)
        if run is None or run.row.epoch != epoch or run.row.status != RUNNING:
            raise LeaseLost(f"epoch {epoch} no longer holds run {run_id}")
        if project is not None:
            raise ValueError(f"run {run_id} is temporary: nothing of it may be written to the database")
        return run

    def _queue(self, run: _MemoryRun) -> None:
        _disarm(run)
        run.row.status = QUEUED
        self._enqueue(run.row.id)

    def _arm(self, run: _MemoryRun) -> None:
        """Wake the run when it is due. The clock is looked at again meanwhile, as `runs.timers` says why."""
        pause = ((run.row.wake_at or 0) - now_ms()) / 1000
        if pause <= 0:
            self._queue(run)
        else:
            run.timer = asyncio.get_running_loop().call_later(min(pause, LOOK), self._arm, run)


def _disarm(run: _MemoryRun) -> None:
    if run.timer is not None:
        run.timer.cancel()
        run.timer = None


def _write(run: _MemoryRun, epoch: int, pairs: Sequence[Pair], at: int) -> None:
    for type_, payload in pairs:
        run.row.seq += 1
        run.journal.append(_Event(type_, payload, run.row.seq, epoch, at))
