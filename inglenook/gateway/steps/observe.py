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
    cost: int = 0
    retries: int = 0
    durations: Histogram = field(default_factory=lambda: Histogram([0] * (len(DURATIONS) + 1)))
    first_tokens: Histogram = field(default_factory=lambda: Histogram([0] * (len(FIRST_TOKENS) + 1)))


#: Model, provider, operation, status (`finished`, `cancelled`, or the code of the error).
Kind = tuple[str, str, str, str]


class Observe(Step):
    """Counts every call."""

    def __init__(self) -> None:
        #: By kind. Names come from the catalogue, so there are not many; refused calls have no model.
        self.counts: dict[Kind, Counts] = {}
        #: Called with every call that has ended, settled; they must not wait.
        self.listeners: list[Ended] = []

    def close(self, exchange: Exchange, outcome: Outcome) -> None:
        """Count it."""
        target, error = exchange.target, outcome.error
        status = outcome.status if error is None else str(getattr(error, "code", "internal"))
        operation = str(exchange.call.operation)
        kind = ("", "", operation, status) if target is None else (target.name, target.provider_id, operation, status)
        counts = self.counts.get(kind)
        if counts is None:
            counts = self.counts[kind] = Counts()
        counts.calls += 1
        counts.durations.note(DURATIONS, (exchange.ended_at - exchange.started_at) / 1000)
        if exchange.first_event_at:
            counts.first_tokens.note(FIRST_TOKENS, (exchange.first_event_at - exchange.started_at) / 1000)
        if exchange.attempts > 1:
            counts.retries += exchange.attempts - 1
        usage = exchange.usage
        if usage is not None:
            counts.input += usage.input
            counts.output += usage.output
            counts.cached += usage.cached
        if exchange.cost:
            counts.cost += exchange.cost
        if log.isEnabledFor(logging.INFO):
            _tell(exchange, status)
        for listener in self.listeners:
            try:
                listener(exchange, outcome)
            except Exception:
                log.exception("somebody who watches calls could not take note of %s", exchange.call.id)


def _tell(exchange: Exchange, status: str) -> None:
    """One line of the log for each call; its id is the answer's `x-request-id`."""
    call, target, usage = exchange.call, exchange.target, exchange.usage
    event(
        log,
        logging.INFO,
        "call",
        id=call.id,
        user=exchange.principal.user_id if exchange.principal else "",
        asked=call.model,
        model=target.name if target else "",
        operation=str(call.operation),
        source=call.source,
        status=status,
        ms=exchange.ended_at - exchange.started_at,
        input=usage.input if usage else 0,
        output=usage.output if usage else 0,
    )
