"""How calls go: counts and times by model, in memory, for `/metrics`; and whoever else wants to see each call's end.

It stands first, so that it closes last: by then usage and cost are known, and calls that other steps refused are seen.
"""

import logging
from bisect import bisect_left
from collections.abc import Callable

from msgspec import Struct, field

from inglenook.gateway.call import Exchange, Outcome
from inglenook.gateway.steps.base import Step
from inglenook.kit.logging import event

log = logging.getLogger(__name__)

#: Upper bounds of the histograms' buckets, in seconds (those of OpenTelemetry's conventions for generative AI).
DURATIONS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
FIRST_TOKENS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
TOKEN_TIMES = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
TOKENS = tuple(4**power for power in range(14))
#: Kinds of calls that are told apart; those beyond are counted together, whatever names the catalogue comes to hold.
KINDS = 1000
OTHER = "(other)"

Ended = Callable[[Exchange, Outcome], None]


class Histogram(Struct):
    """How many times fell into each bucket (the last is above all bounds), and their sum in seconds."""

    buckets: list[int]
    total: float = 0.0

    def note(self, bounds: tuple[float, ...], seconds: float) -> None:
        """Count one."""
        self.buckets[bisect_left(bounds, seconds)] += 1
        self.total += seconds


class Counts(Struct):
    """What one kind of call came to since the server started. `cost` is in billionths of the billing currency."""

    calls: int = 0
    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    cost: int = 0
    retries: int = 0
    durations: Histogram = field(default_factory=lambda: Histogram([0] * (len(DURATIONS) + 1)))
    first_tokens: Histogram = field(default_factory=lambda: Histogram([0] * (len(FIRST_TOKENS) + 1)))
    token_times: Histogram = field(default_factory=lambda: Histogram([0] * (len(TOKEN_TIMES) + 1)))


#: Model, provider, its kind, operation, status (`finished`, `cancelled`, or the code of the error).
Kind = tuple[str, str, str, str, str]


class Observe(Step):
    """Counts every call."""

    def __init__(self) -> None:
        #: By kind. Names come from the catalogue, never from callers: calls refused before they had one have none.
        self.counts: dict[Kind, Counts] = {}
        #: Called with every call that has ended, settled; they must not wait.
        self.listeners: list[Ended] = []

    def close(self, exchange: Exchange, outcome: Outcome) -> None:
        """Count it."""
        target, error = exchange.target, outcome.error
        status = outcome.status if error is None else str(getattr(error, "code", "internal"))
        operation = str(exchange.call.operation)
        if target is None:
            kind = ("", "", "", operation, status)
        else:
            kind = (target.name, target.provider_name, target.provider.kind, operation, status)
        counts = self.counts.get(kind) or self._new(kind)
        counts.calls += 1
        counts.durations.note(DURATIONS, (exchange.ended_at - exchange.started_at) / 1000)
        if exchange.first_event_at:
            counts.first_tokens.note(FIRST_TOKENS, (exchange.first_event_at - exchange.started_at) / 1000)
            if (each := per_token(exchange)) is not None:
                counts.token_times.note(TOKEN_TIMES, each)
        if exchange.attempts > 1:
            counts.retries += exchange.attempts - 1
        usage = exchange.usage
        if usage is not None:
            counts.input += usage.input
            counts.output += usage.output
            counts.cached += usage.cached
            counts.cache_write += usage.cache_write + usage.cache_write_1h
            counts.reasoning += usage.reasoning
        if exchange.cost:
            counts.cost += exchange.cost
        if log.isEnabledFor(logging.INFO):
            _tell(exchange, status)
        for listener in self.listeners:
            try:
                listener(exchange, outcome)
            except Exception:
                log.exception("somebody who watches calls could not take note of %s", exchange.call.id)

    def _new(self, kind: Kind) -> Counts:
        if len(self.counts) >= KINDS:
            kind = (OTHER, OTHER, OTHER, kind[3], kind[4])
        return self.counts.setdefault(kind, Counts())


def per_token(exchange: Exchange) -> float | None:
    """Seconds between the tokens after the first one; None where the answer was not seen to grow."""
    usage, spent = exchange.usage, exchange.ended_at - exchange.first_event_at
    if not (exchange.call.stream and usage is not None and usage.output > 1 and spent):
        return None
    return spent / 1000 / (usage.output - 1)


def _tell(exchange: Exchange, status: str) -> None:
    """One line of the log for each call; its id is the answer's `x-request-id`."""
    call, target, usage, who = exchange.call, exchange.target, exchange.usage, exchange.principal
    first = exchange.first_event_at
    event(
        log,
        logging.INFO,
        "call",
        id=call.id,
        user=who.user_id if who else "",
        team=(who.team_id if who else None) or "",
        key=(who.key_id if who else None) or "",
        asked=call.model,
        route=exchange.route or "",
        model=target.name if target else "",
        provider=target.provider_id if target else "",
        operation=str(call.operation),
        source=call.source,
        status=status,
        attempts=exchange.attempts,
        ms=exchange.ended_at - exchange.started_at,
        ttft_ms=first - exchange.started_at if first else None,
        input=usage.input if usage else 0,
        output=usage.output if usage else 0,
        cost=exchange.cost,
        **({} if call.run_id is None else {"run": call.run_id}),
    )
