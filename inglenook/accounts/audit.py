"""The audit trail: who did what, to what, when.

Call `record` inside the write that does the act, so that neither exists without the other.
"""

from typing import Any

from sqlalchemy import event, select
from sqlalchemy.orm import Session

from inglenook.accounts.principal import Principal, Thing
from inglenook.accounts.tables import Audit
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms

#: Records one page of the trail holds at most.
PAGE = 200


def record(session: Session, actor: Principal, act: str, thing: Thing, **details: Any) -> None:
    """Add a record to the caller's transaction.

    Args:
        act: `<noun>.<past participle>`: `user.created`, `key.revoked`.
        details: Further facts, JSON-serialisable. Never a secret, a prompt or an answer.
    """
    if actor.key_id is not None:
        details["key_id"] = actor.key_id
    session.add(
        Audit(
            id=new_id("aud"),
            at=now_ms(),
            actor_id=actor.user_id,
            actor_name=actor.name,
            act=act,
            thing_kind=thing.kind,
            thing_id=thing.id,
            details=details,
        )
    )


def page(session: Session, *, before: str | None = None, limit: int = PAGE) -> list[Audit]:
    """The newest records, or those older than the record with id `before`; newest first."""
    query = select(Audit).order_by(Audit.id.desc()).limit(min(limit, PAGE))
    if before is not None:
        query = query.where(Audit.id < before)
    return list(session.scalars(query))


@event.listens_for(Audit, "before_update")
@event.listens_for(Audit, "before_delete")
def _refuse(_mapper: Any, _connection: Any, _target: Audit) -> None:
    raise RuntimeError("audit records are only ever added")
