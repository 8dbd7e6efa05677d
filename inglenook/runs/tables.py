"""The tables of runs: the run, its journal, and what is sent to it."""

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from inglenook.store.tables import Json, Table

QUEUED, RUNNING, WAITING, PARKED = "queued", "running", "waiting", "parked"
FINISHED, FAILED, CANCELLED, INTERRUPTED = "finished", "failed", "cancelled", "interrupted"
#: Statuses in which nothing more can happen to a run.
ENDED = frozenset({FINISHED, FAILED, CANCELLED, INTERRUPTED})
STATUSES = (QUEUED, RUNNING, WAITING, PARKED, FINISHED, FAILED, CANCELLED, INTERRUPTED)


class RunRow(Table):
    """One run. The row is the truth about who may write (`epoch`) and how far the journal reaches (`seq`)."""

    __tablename__ = "runs"
    __table_args__ = (
        Index("ix_runs_actor_id_id", "actor_id", "id"),
        # Partial on PostgreSQL too, as the migration says; saying so here would load its dialect at every start.
        Index("ix_runs_unfinished", "status", sqlite_where=text("ended_at IS NULL")),
        Index("ix_runs_wake_at", "wake_at", "id", sqlite_where=text("wake_at IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    app_version: Mapped[str | None]
    #: The actor's user id, and the principal as it was when the run was made. Never a credential.
    actor_id: Mapped[str]
    actor: Mapped[dict[str, Any]]
    grants: Mapped[list[Any]]
    input: Mapped[dict[str, Any]]
    title: Mapped[str | None]
    status: Mapped[str]
    #: Number of the current lease; grows with every execution and every takeover.
    epoch: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[int | None] = mapped_column(BigInteger)
    #: While the run waits: when its timer wakes it, if nothing else does before. Kept while the execution that the
    #: timer caused goes on.
    wake_at: Mapped[int | None] = mapped_column(BigInteger)
    #: The last event's number.
    seq: Mapped[int] = mapped_column(default=0)
    #: Number of the last `run.folded` event: delta slices before it are gone.
    folded_seq: Mapped[int] = mapped_column(default=0)
    #: `seq` right after the last execution began, and how often it was taken over without getting past it.
    claim_seq: Mapped[int] = mapped_column(default=0)
    takeovers: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(Text)
    #: None too when it is larger than an event's payload may be: then the last event holds it.
    output: Mapped[dict[str, Any] | None] = mapped_column(Json(none_as_null=True))
    created_at: Mapped[int] = mapped_column(BigInteger)
    started_at: Mapped[int | None] = mapped_column(BigInteger)
    ended_at: Mapped[int | None] = mapped_column(BigInteger)
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("runs.id", ondelete="SET NULL"), index=True)


class RunEventRow(Table):
    """One event of a run's journal.

    `payload` is JSON text and not a JSON column: nobody queries inside it, it is encoded once by the journal, and
    PostgreSQL's JSONB would refuse a NUL that a model wrote. With `payload` and `blob` both null it was erased.
    """

    __tablename__ = "run_events"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    epoch: Mapped[int]
    type: Mapped[str]
    payload: Mapped[str | None] = mapped_column(Text)
    blob: Mapped[str | None]
    at: Mapped[int] = mapped_column(BigInteger)


class RunInputRow(Table):
    """Something sent to a run: cancel, steer, approve, an answer to a form."""

    __tablename__ = "run_inputs"
    __table_args__ = (Index("ix_run_inputs_run_id_consumed_at", "run_id", "consumed_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    kind: Mapped[str]
    payload: Mapped[dict[str, Any]]
    at: Mapped[int] = mapped_column(BigInteger)
    consumed_at: Mapped[int | None] = mapped_column(BigInteger)
