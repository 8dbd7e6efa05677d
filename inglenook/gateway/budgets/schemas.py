"""Requests and answers of the routes of limits. Amounts are in billionths of the billing currency."""

from typing import Literal

from pydantic import BaseModel

from inglenook.accounts.schemas import LimitsIn

SubjectKind = Literal["key", "user", "group", "everyone", "default"]


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
    of their own); the last two have an empty `subject_id`, and of `default` no use is told. `own` is false for a user
    who has the default ones. `owner` is whose a key is. `requests`, `tokens` and `concurrent` are those of the last
    minute, and of now, on this server.
    """

    subject_kind: SubjectKind
    subject_id: str
    name: str
    owner: str
    own: bool
    requests: int
    tokens: int
    concurrent: int
    day: BudgetUse | None
    month: BudgetUse | None


class Standing(BaseModel):
    """What one's own calls must fit under, narrowest first. Budgets are in `currency` and begin anew at the midnight of
    `time_zone`."""

    limits: list[LimitsInfo]
    currency: str
    time_zone: str


class LimitsPage(BaseModel):
    """Subjects with what they may use and use; `total` counts those of all pages."""

    limits: list[LimitsInfo]
    total: int


class Released(BaseModel):
    """How much was released."""

    amount: int
