"""Runs as the API shows them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

RunStatus = Literal["queued", "running", "waiting", "parked", "finished", "failed", "cancelled", "interrupted"]


class RunSummary(BaseModel):
    """A run in a list. Times are milliseconds since the epoch; `error` says why it failed, was interrupted or
    parked."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    kind: str
    app_version: str | None
    actor_id: str
    parent_id: str | None
    title: str | None
    status: RunStatus
    error: str | None
    created_at: int
    started_at: int | None
    ended_at: int | None


class RunDetails(RunSummary):
    """A run with what went in and what came out. `seq` is the number of its last event."""

    seq: int
    input: dict[str, Any]
    output: dict[str, Any] | None


class RunPage(BaseModel):
    """Runs, newest first; `next` is the `before` of the following page, null on the last one."""

    runs: list[RunSummary]
    next: str | None


class InputIn(BaseModel):
    """Something sent to a run: `cancel`, or what its kind understands (`steer`, `approve`, `form`)."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(min_length=1, max_length=64)
    payload: dict[str, Any] = Field(default_factory=dict)


class InputOut(BaseModel):
    """The input, accepted."""

    id: str
