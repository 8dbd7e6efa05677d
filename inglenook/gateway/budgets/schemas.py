"""Requests and answers of the routes of limits. Amounts are in billionths of the billing currency."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

SubjectKind = Literal["key", "user", "group", "everyone", "default"]
#: What fits the database's whole numbers.
Count = Annotated[int, Field(ge=0, le=1 << 53)]


class LimitsIn(BaseModel):
    """What a subject may use; null is without limit. `amount_per_…` are budgets."""

    model_config = ConfigDict(extra="forbid")

    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    concurrent_requests: Count | None = None
    amount_per_day: Count | None = None
    amount_per_month: Count | None = None


class BudgetUse(BaseModel):
    """How much of a budget is used.

    `reserved` is set aside for calls under way. `held` is what servers that died had set aside: what became of those
    calls is not known, so it counts as spent until it is released or the budget begins anew (`resets_at`).
    """

    amount: int
    spent: int
    reserved: int
    held: int
    currency: str
    started_at: int
    resets_at: int


class LimitsInfo(LimitsIn):
    """What a subject may use, and how much of it is used.

    `subject_kind` is `key`, `user`, `group` (a team), `everyone` (all together) or `default` (each user without limits
    of their own); the last two have an empty `subject_id`, and of `default` no use is told. `requests`, `tokens` and
    `concurrent` are those of the last minute, and of now, on this server.
    """

    subject_kind: SubjectKind
    subject_id: str
    name: str
    requests: int
    tokens: int
    concurrent: int
    day: BudgetUse | None
    month: BudgetUse | None


class Released(BaseModel):
    """How much was released."""

    amount: int
