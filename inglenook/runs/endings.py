"""How a run comes to rest: the last event, the row's status and the projections, in one transaction."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import bindparam, update
from sqlalchemy.orm import Session

from inglenook.kit.errors import InglenookError
from inglenook.runs.journal import DELTA, FOLDED, INLINE_LIMIT, Entry, Journal, encode
from inglenook.runs.kinds import RunEvent
from inglenook.runs.tables import (
    CANCELLED,
    ENDED,
    FAILED,
    FINISHED,
    INTERRUPTED,
    PARKED,
    QUEUED,
    WAITING,
    RunInputRow,
    RunRow,
)

# Made once: making a statement costs more than running it.
_runs, _inputs = RunRow.__table__.c, RunInputRow.__table__.c
_REST = (
    update(RunRow.__table__)  # type: ignore[arg-type]
    .where(_runs.id == bindparam("run"))
    .values({name: bindparam(name) for name in ("status", "error", "output", "ended_at", "lease_until", "wake_at")})
)
_CONSUME = (
    update(RunInputRow.__table__)  # type: ignore[arg-type]
    .where(_inputs.run_id == bindparam("run"), _inputs.consumed_at.is_(None))
    .values(consumed_at=bindparam("consumed_at"))
)


class Ending(Struct, frozen=True, kw_only=True):
    """What a run comes to rest with.

    Attributes:
        payload: Of the event `run.<status>`; None: no event.
        error: For people: why it failed, was interrupted or parked.
        settles: Whether the kind's `settle` is to bring projections in line.
        until: When a waiting run is to be woken, if nothing wakes it before.
        folds: False when the kind's `fold` cannot be trusted: delta slices are kept then.
    """

    status: str
    payload: dict[str, Any] | None
    error: str | None = None
    output: dict[str, Any] | None = None
    until: int | None = None
    settles: bool = True
    folds: bool = True

    @property
    def event(self) -> RunEvent | None:
        """The event that records it."""
        return None if self.payload is None else RunEvent(type=f"run.{self.status}", payload=self.payload)

    @property
    def ends(self) -> bool:
        """Whether nothing can follow."""
        return self.status in ENDED


def facts_of(error: BaseException) -> dict[str, Any]:
    """What of an error is for people and policies, JSON-serialisable: `code`, `status`, `message`, …"""
    if not isinstance(error, InglenookError):
        message = f"internal error ({type(error).__name__}); the log says more"
        return {"code": "internal", "status": InglenookError.status, "message": message}
    facts: dict[str, Any] = {**error.as_dict()["error"], "status": error.status}
    if error.retry_after is not None:
        facts["retry_after"] = error.retry_after
    return facts


def finished(output: dict[str, Any] | None) -> Ending:
    """The work is done."""
    return Ending(status=FINISHED, payload={"output": output}, output=output, settles=False)


def failed(error: BaseException) -> Ending:
    """`execute` raised. What is not meant for people stays in the log."""
    facts = facts_of(error)
    return Ending(status=FAILED, payload={"error": facts}, error=facts["message"])


def cancelled() -> Ending:
    """Somebody asked for it to stop."""
    return Ending(status=CANCELLED, payload={})


def interrupted(reason: str) -> Ending:
    """The process that executed it stopped; what had arrived is kept."""
    return Ending(status=INTERRUPTED, payload={"reason": reason}, error=reason)


def parked(reason: str, **facts: Any) -> Ending:
    """It cannot go on unless a person says how."""
    return Ending(status=PARKED, payload={"reason": reason, **facts}, error=reason)


def waiting(payload: dict[str, Any], until: int | None = None) -> Ending:
    """It waits for an input or a time, out of memory."""
    payload = payload if until is None else {**payload, "until": until}
    return Ending(status=WAITING, payload=payload, until=until, settles=False)


def released() -> Ending:
    """The server stops; the run goes on after its next start."""
    return Ending(status=QUEUED, payload=None, settles=False)


def final_events(
    ending: Ending, state: dict[str, Any], deltas: bytes | None, events: list[tuple[str, bytes]], *, streamed: bool
) -> list[tuple[str, bytes]]:
    """What to append for `ending`.

    When the run ends, its state takes the place of its delta slices, the last one included.

    Args:
        state: The fold up to and with `deltas` and `events`.
        deltas: The payload of a last slice, if there is one.
        events: Events before the last one.
        streamed: Whether the journal holds slices.
    """
    last = [] if ending.event is None else [(ending.event.type, encode(ending.event.payload))]
    if ending.ends and ending.folds and (streamed or deltas):
        return [*events, (FOLDED, encode({"state": state})), *last]
    return [*([(DELTA, deltas)] if deltas else []), *events, *last]


def rest(
    session: Session,
    journal: Journal,
    run_id: str,
    epoch: int,
    entries: Sequence[Entry],
    ending: Ending,
    *,
    at: int,
    wake_at: int | None,
) -> tuple[int, list[str]]:
    """Append `entries` (made from `final_events`) and bring the run's row to rest.

    Args:
        wake_at: What the row is to say of timers.

    Returns the last seq, and blobs to forget once this is committed.

    Raises:
        LeaseLost: `epoch` no longer holds the run.
    """
    seq = journal.append(session, run_id, epoch, entries, at=at, lease_until=at)
    connection = session.connection()
    small = ending.output is not None and len(encode(ending.output)) <= INLINE_LIMIT
    connection.execute(
        _REST,
        {
            "run": run_id,
            "status": ending.status,
            "error": ending.error,
            "output": ending.output if small else None,
            "ended_at": at if ending.ends else None,
            "lease_until": None,
            "wake_at": wake_at,
        },
    )
    if ending.ends:
        connection.execute(_CONSUME, {"run": run_id, "consumed_at": at})
    folded = any(entry.type == FOLDED for entry in entries)
    blobs = journal.prune(session, run_id, seq - 1) if folded else []
    return seq, blobs
