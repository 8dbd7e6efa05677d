"""Reading runs: one, a page of somebody's, and what a finished one gave."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from inglenook.runs.keepers.base import Sight
from inglenook.runs.tables import FINISHED, RunRow


def page(
    session: Session,
    actor_id: str,
    *,
    kind: str | None = None,
    status: Sequence[str] = (),
    before: str | None = None,
    limit: int = 50,
) -> list[RunRow]:
    """The newest runs of an actor, at most `limit`.

    Args:
        kind, status: Only runs of this kind, in one of these statuses.
        before: Only runs older than the one of this id.
    """
    found = select(RunRow).where(RunRow.actor_id == actor_id)
    if kind is not None:
        found = found.where(RunRow.kind == kind)
    if status:
        found = found.where(RunRow.status.in_(status))
    if before is not None:
        found = found.where(RunRow.id < before)
    return list(session.scalars(found.order_by(RunRow.id.desc()).limit(limit)))


def output(sight: Sight) -> dict[str, Any] | None:
    """What a finished run gave; a large output is read from its last event."""
    row = sight.row
    if row.output is not None or row.status != FINISHED:
        return row.output
    for event in sight.events(row.seq - 1):
        return event.payload.get("output")
    return None
