"""May this target take this call? Pure: everything that is asked is in `Asked`.

A reason is a short word that the interface knows: `needs`, `tags`, `prompt`, `time`, `cost`, `price`, `private`,
`operation`, `capability`, `context`. An empty one means yes.
"""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo

from msgspec import Struct

from inglenook.gateway import estimate
from inglenook.gateway.call import Exchange
from inglenook.gateway.routing import definition
from inglenook.gateway.routing.definition import DAYS
from inglenook.models.calls import NEEDED, Operation, Usage
from inglenook.models.catalogue import Entry
from inglenook.models.prices import Prices
from inglenook.models.providers.base import USUAL

#: Our count of a prompt may be this much above the provider's own: up to there a target that looks too small is
#: asked after all others, beyond it not at all.
UNSURE = 1.3

_ANY_CALL = definition.RouteConditions()
_ONE_PROMPT = frozenset({Operation.CHAT, Operation.COMPLETION, Operation.COUNT})

#: What a usage costs at some prices, in billionths of the billing currency.
Cost = Callable[[Prices, Usage], int]


class Asked:
    """A call as conditions see it. What is dear to know is found out when somebody asks.

    Attributes:
        now: When it came, in milliseconds since the epoch.
        needs: All capabilities the target must have.
    """

    __slots__ = ("_exchange", "_limit", "cost", "needs", "now", "operation", "stream", "tags")

    def __init__(self, exchange: Exchange, cost: Cost) -> None:
        call = exchange.call
        self._exchange = exchange
        self._limit: int | None = -1
        self.now = exchange.started_at
        self.cost = cost
        self.operation = call.operation
        self.needs = call.needs | {NEEDED[call.operation]}
        self.stream = call.stream
        self.tags = call.tags if exchange.principal is None else call.tags | exchange.principal.tags

    @property
    def prompt_tokens(self) -> int:
        """Our own count of the prompt."""
        return estimate.prompt_tokens(self._exchange)

    @property
    def max_tokens(self) -> int | None:
        """What the caller lets the answer have."""
        if self._limit == -1:
            self._limit = estimate.answer_limit(self._exchange)
        return self._limit


class Window(Struct, frozen=True):
    """Hours of some days: days by number from Monday, minutes of the day."""

    days: frozenset[int]
    start: int
    end: int
    zone: tzinfo

    def holds(self, now: int) -> bool:
        """Whether a time (ms since the epoch) is within."""
        local = datetime.fromtimestamp(now / 1000, self.zone)
        day, minute = local.weekday(), local.hour * 60 + local.minute
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        if self.start == self.end:
            return day in self.days
        return (day in self.days and minute >= self.start) or ((day - 1) % 7 in self.days and minute < self.end)


class When(Struct, frozen=True):
    """`definition.RouteConditions`, ready to be asked."""

    needs: frozenset[str]
    tags: frozenset[str]
    without_tags: frozenset[str]
    least: int
    most: int | None
    times: tuple[Window, ...]
    max_cost: int | None

    def passed_over(self, asked: Asked) -> str:
        """Why a call is not taken, prices apart."""
        if not self.needs <= asked.needs:
            return "needs"
        if self.tags and self.tags.isdisjoint(asked.tags):
            return "tags"
        if not self.without_tags.isdisjoint(asked.tags):
            return "tags"
        if self.times and not any(window.holds(asked.now) for window in self.times):
            return "time"
        if self.least and asked.prompt_tokens < self.least:
            return "prompt"
        if self.most is not None and asked.prompt_tokens > self.most:
            return "prompt"
        return ""


def compiled(given: definition.RouteConditions) -> When | None:
    """Conditions ready to be asked; None if there are none. A time zone this system does not know never holds."""
    if given == _ANY_CALL:
        return None
    return When(
        frozenset(given.needs),
        frozenset(given.tags),
        frozenset(given.without_tags),
        given.min_prompt_tokens or 0,
        given.max_prompt_tokens,
        tuple(_window(window) for window in given.times),
        given.max_cost,
    )


def cannot(entry: Entry, asked: Asked) -> str:
    """Why a model cannot do what is asked of it."""
    if asked.operation not in getattr(entry.provider, "operations", USUAL):
        return "operation"
    if not asked.needs <= entry.facts.capabilities:
        return "capability"
    return ""


def room(entry: Entry, asked: Asked) -> float:
    """How much of a model's context the prompt takes: above 1 it may be too long, above `UNSURE` it is. An answer's
    limit counts as far as it makes the difference between fitting and not. Texts to embed or to judge are many short
    prompts, and not measured."""
    length = entry.facts.context_length
    if not length or asked.operation not in _ONE_PROMPT:
        return 0.0
    prompt = asked.prompt_tokens
    if prompt > length:
        return prompt / length
    return 1.01 if prompt + (asked.max_tokens or 0) > length else prompt / length


def price(entry: Entry, asked: Asked) -> int | None:
    """What the call costs at most, in billionths of the billing currency; None: nobody knows.

    Without a limit of its own the answer is taken to be as long as the model can make it, where that is known.
    """
    prices: Prices | None = entry.prices
    if prices is None:
        return 0 if entry.local else None
    output = asked.max_tokens
    if output is None:
        output = entry.facts.output_length
    return asked.cost(prices, Usage(input=asked.prompt_tokens, output=output))


def _window(given: definition.RouteHours) -> Window:
    zone = definition.zone(given.zone)
    days = frozenset(DAYS.index(day) for day in given.days) if zone is not None else frozenset()
    return Window(days, _minute(given.start), _minute(given.end), zone or UTC)


def _minute(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])
