"""A route ready to be asked: its conditions and strategy as code, its targets as models of the catalogue."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

from msgspec import Struct

from inglenook.gateway.routing.conditions import When, compiled
from inglenook.gateway.routing.definition import RouteDefinition, RouteTarget
from inglenook.gateway.routing.plan import Rules
from inglenook.gateway.routing.strategies import STRATEGIES, Strategist
from inglenook.gateway.routing.targets import Leaf
from inglenook.kit.errors import Conflict
from inglenook.models.calls import Event, Operation
from inglenook.models.catalogue import Entry
from inglenook.models.providers.base import Job, ModelFacts

#: Provider of the entries that stand for routes.
ROUTE = "route"


class Reading(NamedTuple):
    """A definition as code, whatever models there are: its own conditions, its targets' in their order, who comes
    first, what follows a failure."""

    when: When | None
    whens: Sequence[When | None]
    strategist: Strategist
    rules: Rules


@dataclass(frozen=True, kw_only=True)
class RouteFacts:
    """A route as the table has it."""

    id: str
    name: str
    description: str
    enabled: bool
    definition: RouteDefinition
    created_at: int
    updated_at: int

    @cached_property
    def reading(self) -> Reading:
        """The definition as code."""
        definition = self.definition
        strategy = definition.sticky.then if definition.strategy == "sticky" else definition.strategy
        return Reading(
            compiled(definition.when),
            [compiled(target.when) for target in definition.targets],
            STRATEGIES[strategy],
            Rules(self.name, frozenset(definition.fallback), definition.retries),
        )


class Branch:
    """A target of a route: a model (`leaf`) or another route, or neither when it is gone. Of its definition what every
    call looks at is copied here, where it is found at once."""

    __slots__ = ("first_byte_timeout", "leaf", "model", "private", "route", "weight", "when")

    def __init__(
        self, target: RouteTarget, when: When | None, leaf: Leaf | None = None, route: "LiveRoute | None" = None
    ) -> None:
        self.model = target.model
        self.weight = target.weight
        self.private = target.private
        self.first_byte_timeout = target.first_byte_timeout
        self.when = when
        self.leaf = leaf
        self.route = route


class Bounds(Struct, frozen=True):
    """What the routes above a target ask of it. `max_cost` in billionths of the billing currency."""

    private: bool = False
    max_cost: int | None = None


def least(one: int | None, other: int | None) -> int | None:
    """The lower of two ceilings, where there is one."""
    return other if one is None else one if other is None else min(one, other)


class LiveRoute:
    """A route, ready to be asked; as `Branch`, with what every call looks at.

    Attributes:
        private: It asks only targets here, or marked private.
        max_cost: That a call may come to at a target, in billionths of the billing currency.
        first_byte_timeout, answer_timeout: Seconds until a stream, or an answer in one piece, must have begun.
        cache: How long and for whom answers are kept.
        entry: How it is listed beside models.
    """

    __slots__ = (
        "answer_timeout",
        "branches",
        "cache",
        "entry",
        "facts",
        "first_byte_timeout",
        "id",
        "max_cost",
        "name",
        "private",
        "rules",
        "sticks",
        "strategist",
        "strategy",
        "when",
    )

    def __init__(self, facts: RouteFacts, branches: Sequence[Branch]) -> None:
        reading, definition = facts.reading, facts.definition
        self.facts = facts
        self.id = facts.id
        self.name = facts.name
        self.branches = branches
        self.when = reading.when
        self.max_cost = reading.when.max_cost if reading.when is not None else None
        self.private = definition.private is not None
        self.first_byte_timeout = definition.first_byte_timeout
        self.answer_timeout = definition.answer_timeout
        self.cache = definition.cache
        self.strategy = definition.strategy
        self.sticks = self.strategy == "sticky"
        self.strategist = reading.strategist
        self.rules = reading.rules
        self.entry = _entry(facts, self.reachable())

    @property
    def usable(self) -> bool:
        """Whether it has a target that is there."""
        return bool(self.entry.facts.capabilities)

    def reachable(self, *, private: bool = False) -> Iterable[Entry]:
        """The models that may come to be asked, whatever is asked of them. `private`: a route above keeps private."""
        private = private or self.private
        for branch in self.branches:
            kept = private and not branch.private
            if branch.route is not None:
                yield from branch.route.reachable(private=kept)
            elif branch.leaf is not None and (branch.leaf.entry.local or not kept):
                yield branch.leaf.entry

    def within(self, bounds: Bounds) -> Bounds:
        """What it and those above it ask of its targets."""
        if self.max_cost is None and not self.private:
            return bounds
        return Bounds(bounds.private or self.private, least(bounds.max_cost, self.max_cost))


class _Nobody:
    """The provider of the entries that stand for routes. A plan asks their targets; it is never asked itself."""

    kind: ClassVar[str] = ROUTE
    wires: frozenset[str] = frozenset()
    operations: frozenset[Operation] = frozenset()

    def stream(self, job: Job) -> AsyncIterator[Event]:
        """See `Provider.stream`."""
        raise Conflict(f"'{job.model}' is a route: its targets answer")

    async def models(self) -> list[ModelFacts]:
        """None of its own."""
        return []

    async def close(self) -> None:
        """Nothing to free."""


_NOBODY = _Nobody()


def _entry(facts: RouteFacts, targets: Iterable[Entry]) -> Entry:
    """A route as a model: it can what one of its targets can."""
    known = [entry.facts for entry in targets]
    return Entry(
        name=facts.name,
        provider=_NOBODY,
        provider_id=ROUTE,
        provider_name=ROUTE,
        upstream=facts.name,
        facts=ModelFacts(
            name=facts.name,
            capabilities=frozenset[str]().union(*(fact.capabilities for fact in known)),
            context_length=max((fact.context_length for fact in known), default=0),
            output_length=max((fact.output_length for fact in known), default=0),
            embedding_length=max((fact.embedding_length for fact in known), default=0),
            languages=tuple(dict.fromkeys(language for fact in known for language in fact.languages)),
        ),
        modified_at=facts.updated_at,
    )
