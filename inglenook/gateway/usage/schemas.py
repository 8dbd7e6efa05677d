"""Answers of the usage routes. Amounts are billionths of the currency unit, times milliseconds since the Unix epoch."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class UsageSums(BaseModel):
    """Totals of a group of calls. `group` has the value of each column that was grouped by: "" where the calls have
    none, hours and days as the ms they begin at. Means are null where nothing was measured."""

    model_config = ConfigDict(from_attributes=True)

    group: dict[str, str | int]
    currency: str
    calls: int
    failed_calls: int
    replayed_calls: int
    unpriced_calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost: int
    duration_ms: float | None
    ttft_ms: float | None


class UsageEntry(BaseModel):
    """One call. `asked` is the name the caller wrote, `model` the one that answered; `cost` is null where no price is
    known; `replayed` answers came from the response cache."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    call_id: str
    at: int
    user_id: str
    key_id: str | None
    team_id: str | None
    app_id: str | None
    run_id: str | None
    asked: str
    model: str
    provider: str
    route: str | None
    operation: str
    source: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    estimated: bool
    cost: int | None
    currency: str
    replayed: bool
    attempts: int
    status: Literal["finished", "cancelled", "failed"]
    error: str | None
    duration_ms: int
    ttft_ms: int | None


class UsagePage(BaseModel):
    """Single calls, newest first; `next` goes into `before` for those that follow."""

    entries: list[UsageEntry]
    next: int | None


class SaidInCall(BaseModel):
    """What was said in a recorded call: the request as JSON, the answer as it was sent."""

    request: str
    answer: str


class RunningCall(BaseModel):
    """A call under way. `ttft_ms` is null until its first token has come; `output_tokens` are counted here, about.
    `model` is null until it is known who answers."""

    call_id: str
    user_id: str
    user: str
    team_id: str | None
    key_id: str | None
    route: str | None
    asked: str
    model: str | None
    provider: str | None
    operation: str
    source: str
    attempts: int
    started_at: int
    running_ms: int
    ttft_ms: int | None
    output_tokens: int


class RunningCalls(BaseModel):
    """What one may see of the calls under way on this server: the oldest `calls`, of `total`."""

    calls: list[RunningCall]
    total: int


class PriceComparison(BaseModel):
    """What a local model's tokens would have cost at one price. `break_even_share` times the tokens of the period is
    where the machine becomes the cheaper one."""

    model_config = ConfigDict(from_attributes=True)

    provider: str
    model: str
    cost: int
    break_even_share: float | None


class LocalModelCost(BaseModel):
    """A local model's period."""

    model_config = ConfigDict(from_attributes=True)

    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    busy_hours: float
    cost: int
    comparisons: list[PriceComparison]


class BreakEvenOut(BaseModel):
    """Local models against bought ones. `machine_cost` is null until the settings tell what the machine costs."""

    model_config = ConfigDict(from_attributes=True)

    currency: str
    hours: float
    machine_cost: int | None
    models: list[LocalModelCost]
