"""One execution of a run: what `RunKind.execute` holds, and how it comes to rest."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, Literal, NoReturn

from msgspec import Struct, structs
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from inglenook.kit.errors import InglenookError, Unavailable
from inglenook.kit.time import now_ms
from inglenook.runs import endings
from inglenook.runs.effects import Effects
from inglenook.runs.endings import Ending
from inglenook.runs.errors import LeaseLost, RunEnded, Suspended
from inglenook.runs.journal import DELTA, FOLDED, Recorded, encode, fold
from inglenook.runs.keepers.base import Claim, Keeper, Project
from inglenook.runs.kinds import Attempt, EffectClass, RunEvent, RunInput, RunKind
from inglenook.runs.live import Stream
from inglenook.runs.tables import PARKED, QUEUED, RUNNING

log = logging.getLogger(__name__)

#: Seconds between attempts to record a run's end when the database refuses (a full disk).
RETRIES = (0.1, 0.5, 1, 2, 5, 10, 30)


class Timing(Struct, frozen=True, kw_only=True):
    """Seconds: how long deltas gather before they are journaled, how long a lease lasts unless renewed, and how long a
    temporary run can be looked at after its end."""

    slice: float = 0.1
    lease: float = 30.0
    linger: float = 30.0


class Execution:
    """The `RunContext` of one lease. Everything it writes carries its epoch."""

    def __init__(self, keeper: Keeper, timing: Timing, kind: RunKind, run_id: str, claim: Claim) -> None:
        self.run_id = run_id
        self.epoch = claim.epoch
        self.actor = claim.actor
        self.input = claim.input
        self.due = claim.due
        self.temporary = keeper.temporary
        self.kind = kind
        #: The status this execution brought the run to, once committed.
        self.rested: str | None = None
        #: Whether another holder took the run over.
        self.lost = False
        #: None until the journal was read.
        self.stream: Stream | None = None
        self._keeper = keeper
        self._timing = timing
        self._streamed = False
        self._stop: Literal["cancel", "shutdown"] | None = None
        #: Whether the stop waits for an effect that cannot be repeated.
        self._postponed = False
        self._work: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        #: JSON of `stream.tail`, item by item.
        self._encoded: list[bytes] = []
        #: Deltas that came while events were being committed: they follow those events.
        self._held: list[dict[str, Any]] | None = None
        #: Results of pure effects that go with the next commit.
        self._deferred: list[RunEvent] = []
        self._effects = Effects(self.run_id, self)
        self._timer: asyncio.TimerHandle | None = None
        #: How often in a row the database has refused to commit.
        self._refusals = 0
        #: What made journaling deltas impossible.
        self._fault: Exception | None = None
        self._flushes: set[asyncio.Task[None]] = set()
        self._inputs = asyncio.Event()
        self._taking = asyncio.Lock()

    def open(self, seq: int, state: dict[str, Any], events: Sequence[RunEvent]) -> None:
        """Begin with the `state` that the `events` of the journal make up to `seq`."""
        self._streamed = any(event.type == DELTA for event in events)
        self._effects.recall(events)
        self.stream = Stream(self.kind, epoch=self.epoch, seq=seq, state=state, status=RUNNING)

    # ------------------------------------------------------------------------------------- what a kind uses

    @property
    def state(self) -> dict[str, Any]:
        """The fold over the journal so far."""
        return self._live.state

    @property
    def _live(self) -> Stream:
        if self.stream is None:
            raise RuntimeError("the execution has not been opened")
        return self.stream

    def delta(self, payload: dict[str, Any]) -> None:
        """Send a small piece to live watchers at once; it is journaled in a slice within about 100 ms."""
        self._check()
        data = encode(payload)
        if self._held is not None:
            self._held.append(payload)
            return
        self._encoded.append(data)
        self._live.push(payload)
        if self._timer is None:
            self._arm(self._timing.slice)

    async def append(self, *events: RunEvent, project: Project | None = None) -> int:
        """Commit pending deltas, then `events`, with `project` in the same transaction; returns the last seq.

        Raises:
            ValueError: an event's type is one of `runs`' own.
        """
        for event in events:
            if event.type.startswith("run."):
                raise ValueError(f"{event.type}: types that begin with run. are not a kind's to append")
        return await self._write(events, project)

    async def effect(
        self,
        name: str,
        effect_class: EffectClass,
        do: Callable[[Attempt], Awaitable[Any]],
        *,
        label: str | None = None,
    ) -> Any:
        """Do one step so that a crash neither loses nor doubles it; see `RunContext`."""
        self._check()
        return await self._effects.perform(name, effect_class, do, label)

    async def finish(self, output: dict[str, Any] | None = None, *, project: Project | None = None) -> None:
        """Append `run.finished` with `output`, with `project` in the same transaction."""
        await self._write((), project, endings.finished(output))

    async def wait(
        self, payload: dict[str, Any], *, until: int | None = None, project: Project | None = None
    ) -> NoReturn:
        """Put the run to rest until an input or the time `until` comes; `payload` says what it waits for.

        Raises:
            Suspended: always, to leave `execute`; let it through. Woken, the run is executed from the beginning
                with the folded state.
        """
        await self.rest(endings.waiting(payload, until), project)

    async def take_inputs(self) -> list[RunInput]:
        """The inputs that have come and were not taken yet; taking journals each as `run.input`."""
        async with self._taking:
            return await self._take()

    async def _take(self) -> list[RunInput]:
        self._inputs.clear()
        taken = await self._keeper.look(self.run_id, lambda sight: sight.inputs(own=False))
        if taken:
            await self._consume(taken, [_input_event(each) for each in taken])
        return taken

    async def _consume(self, taken: Sequence[RunInput], events: Sequence[RunEvent]) -> None:
        await self._write(events, None, taken=[each.id for each in taken])

    async def inputs(self) -> AsyncIterator[RunInput]:
        """Inputs as they come; endless."""
        while True:
            for taken in await self.take_inputs():
                yield taken
            await self._inputs.wait()

    # ---------------------------------------------------------------------------------- what the service uses

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked for it to stop."""
        return self._stop == "cancel"

    @property
    def resumes(self) -> bool:
        """Whether it can go on after the server's next start."""
        return self.kind.on_crash == "resume" and not self.temporary

    def poke(self) -> None:
        """An input has come."""
        self._inputs.set()

    async def answer(self, answers: Sequence[RunInput]) -> None:
        """Take in what a person said to the parked run; before `run`."""
        events = [event for each in answers for event in (_input_event(each), *self._effects.answer(each))]
        await self._consume(answers, events)
        self._effects.recall(events)

    def stop(self, reason: Literal["cancel", "shutdown"], *, now: bool = True) -> None:
        """Cancel the work: somebody asked for it, or the server stops.

        Args:
            now: False to let an effect that cannot be repeated come to its result first.
        """
        if self._stop != "cancel":
            self._stop = reason
        self._postponed = not now and self._effects.unrepeatable
        if self._work is not None and not self._postponed:
            self._work.cancel()

    # ------------------------------------------------------------------------------------- what effects use

    async def record(self, event: RunEvent) -> None:
        """Commit `event`, with all that came before it, even when the caller is cancelled meanwhile."""
        await asyncio.shield(asyncio.get_running_loop().create_task(self._write([event], None)))

    def defer(self, event: RunEvent) -> None:
        """Have `event` committed with what comes next, or soon."""
        self._check()
        encode(event.payload)
        self._deferred.append(event)
        if self._timer is None:
            self._arm(self._timing.slice)

    async def rest(self, ending: Ending, project: Project | None = None) -> NoReturn:
        """Put the run to rest; leaves by `Suspended`."""
        await self._write((), project, ending)
        raise Suspended

    def calmed(self) -> None:
        """No effect that cannot be repeated is under way any more: a stop that waited for it comes now."""
        if self._postponed and self._work is not None:
            self._postponed = False
            self._work.cancel()

    async def run(self) -> None:
        """Execute, and record how it ended. Never raises."""
        self._work = asyncio.get_running_loop().create_task(self.kind.execute(self), name=f"{self.run_id} work")
        if self._stop is not None:
            self._work.cancel()
        await asyncio.wait({self._work})
        error = None if self._work.cancelled() else self._work.exception()
        if error is not None and self.rested is None and not self.lost:
            level = logging.WARNING if isinstance(error, InglenookError) else logging.ERROR
            log.log(level, "run %s (%s) failed", self.run_id, self.kind.name, exc_info=error)
        async with self._lock:
            """What was being committed when the work ended is committed now."""
        if self.rested is None and not self.lost:
            await self.conclude(self._ending(error))
        self.close()

    async def conclude(self, ending: Ending, *, retries: Iterable[float] | None = None) -> None:
        """Record how the run came to rest. Never raises.

        Args:
            retries: Seconds between attempts while the database refuses; by default it never gives up.
        """
        delays = iter(itertools.chain(RETRIES, itertools.repeat(RETRIES[-1])) if retries is None else retries)
        while True:
            try:
                await self._write((), None, ending)
            except (LeaseLost, Unavailable) as error:
                log.warning("run %s: its end (%s) is not recorded: %s", self.run_id, ending.status, error)
            except (OperationalError, OSError):
                log.exception("run %s: its end (%s) cannot be recorded", self.run_id, ending.status)
                if (delay := next(delays, None)) is not None:
                    await asyncio.sleep(delay)
                    continue
            except Exception as error:
                log.exception("run %s: `fold` or `settle` of %s is broken", self.run_id, self.kind.name)
                if ending.folds:
                    ending = structs.replace(endings.failed(error), folds=False)
                    continue
                if ending.settles:
                    ending = structs.replace(ending, settles=False)
                    continue
            return

    def close(self) -> None:
        """Let the watchers go."""
        if self._timer is not None:
            self._timer.cancel()
        self._live.close()

    def _ending(self, error: BaseException | None) -> Ending:
        if self._fault is not None:
            return endings.failed(self._fault)
        if self._stop == "cancel":
            return endings.cancelled()
        if self._work is not None and self._work.cancelled():
            if self._stop != "shutdown":
                return endings.failed(RuntimeError("the work cancelled itself"))
            if self.resumes:
                return endings.released()
            return endings.interrupted("the server stopped while this was going on")
        return endings.finished(None) if error is None else endings.failed(error)

    def _check(self) -> None:
        if self.lost:
            raise LeaseLost(f"epoch {self.epoch} no longer holds run {self.run_id}")
        if self.rested is not None:
            raise RunEnded(f"run {self.run_id} is {self.rested}: nothing can be added to it")

    async def _write(
        self,
        events: Sequence[RunEvent],
        project: Project | None,
        ending: Ending | None = None,
        *,
        taken: Sequence[str] = (),
    ) -> int:
        await self._lock.acquire()
        # The commit goes on when the caller is cancelled: half-done, nobody could tell whether it happened.
        commit = self._commit(events, project, ending, taken)
        return await asyncio.shield(asyncio.get_running_loop().create_task(commit))

    async def _commit(
        self, events: Sequence[RunEvent], project: Project | None, ending: Ending | None, taken: Sequence[str]
    ) -> int:
        try:
            self._check()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if events or ending or self._deferred:
                self._held = []
            seq = await self._transact(events, project, ending, taken)
            self._refusals = 0
            return seq
        except LeaseLost:
            self.lost = True
            raise
        except (OperationalError, OSError):
            self._refusals += 1
            raise
        finally:
            held, self._held = self._held or (), None
            if self.rested is None and not self.lost:
                for payload in held:
                    self.delta(payload)
                if (self._encoded or self._deferred) and self._timer is None:
                    self._arm(RETRIES[min(self._refusals, len(RETRIES)) - 1] if self._refusals else self._timing.slice)
            self._lock.release()

    async def _transact(
        self, events: Sequence[RunEvent], project: Project | None, ending: Ending | None, taken: Sequence[str]
    ) -> int:
        stream, at = self._live, now_ms()
        sliced, deferred = len(self._encoded), len(self._deferred)
        events = [*self._deferred, *events]
        deltas = b'{"deltas":[' + b",".join(self._encoded) + b"]}" if sliced else None
        pairs = [(event.type, encode(event.payload)) for event in events]
        state = stream.state
        if ending is None or ending.folds:
            slices = [RunEvent(type=DELTA, payload={"deltas": stream.tail[:sliced]})] if sliced else []
            state = fold(self.kind, state, [*slices, *events])
        if ending is None:
            pairs = [(DELTA, deltas), *pairs] if deltas else pairs
        else:
            pairs = endings.final_events(ending, state, deltas, pairs, streamed=self._streamed)
            last = [ending.event] if ending.event else []
            events = [*events, *last]
            state = fold(self.kind, state, last) if ending.folds else state
        blobs: list[str] = []
        if ending is None:
            seq = await self._keeper.append(self.run_id, self.epoch, pairs, at=at, taken=taken, project=project)
        else:
            settle = partial(self._settle, state=state, ending=ending) if ending.settles else None
            seq, blobs = await self._keeper.rest(
                self.run_id,
                self.epoch,
                pairs,
                ending,
                at=at,
                wake_at=self._wake_at(ending),
                project=project,
                settle=settle,
            )
        del self._encoded[:sliced], self._deferred[:deferred]
        self._streamed = self._streamed or sliced > 0
        if ending is not None:
            self.rested = stream.status = ending.status
        numbers = (seq - len(pairs) + 1 + i for i, (type_, _) in enumerate(pairs) if type_ not in (DELTA, FOLDED))
        recorded = [
            Recorded(type=event.type, payload=event.payload, seq=number, epoch=self.epoch, at=at)
            for number, event in zip(numbers, events, strict=True)
        ]
        stream.advance(seq, sliced, recorded, state)
        if blobs:
            await self._keeper.forget(blobs)
        return seq

    def _settle(self, session: Session, *, state: dict[str, Any], ending: Ending) -> None:
        self.kind.settle(session, self.run_id, ending.status, state, ending.error)

    def _wake_at(self, ending: Ending) -> int | None:
        # What is to be executed again is told again what woke it.
        return self.due if ending.status in (QUEUED, PARKED) else ending.until

    def _arm(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._tick)

    def _tick(self) -> None:
        self._timer = None
        task = asyncio.get_running_loop().create_task(self._flush())
        self._flushes.add(task)
        task.add_done_callback(self._flushes.discard)

    async def _flush(self) -> None:
        """Journal the gathered deltas and results of pure effects."""
        try:
            async with self._lock:
                """What is being committed now may take them along."""
            if (self._encoded or self._deferred) and self.rested is None and not self.lost:
                await self._write((), None)
        except (RunEnded, Unavailable):
            return
        except (OperationalError, OSError):
            log.exception("deltas of run %s cannot be journaled; trying again", self.run_id)
        except Exception as error:  # noqa: BLE001 - the run fails with it
            if not isinstance(error, LeaseLost):
                self._fault = error
            if self._work is not None:
                self._work.cancel()


def _input_event(given: RunInput) -> RunEvent:
    return RunEvent(type="run.input", payload={"id": given.id, "kind": given.kind, "payload": given.payload})
