"""Whom to ask next: one object a call. It decides from what is known at that moment, and never waits itself.

Both plans ask each key of each target at most once, and again only after a failure that says "try again", as often as
their retries allow: so they end.
"""

from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

from msgspec import Struct

from inglenook.gateway.call import Candidate, Exchange
from inglenook.gateway.routing import failures
from inglenook.gateway.routing.definition import RouteRetries
from inglenook.gateway.routing.targets import Lane, Leaf, Targets
from inglenook.kit.errors import InglenookError, TooMany

#: A model that was named is asked once more after at most so many seconds, and the longest `Retry-After` waited for.
NAMED_WAIT = 0.5
NAMED_RETRY_AFTER = 5.0


class NamedPlan:
    """The plan of a model that was named: it alone, with another of its provider's keys if the first will not do, and
    once more if it says "try again". A model that runs here is asked once."""

    __slots__ = ("_lane", "_leaf", "_probes", "_repeated", "_targets", "_tried", "direct")

    first_byte_timeout: float | None = None

    def __init__(self, leaf: Leaf, targets: Targets) -> None:
        self._leaf = leaf
        self._targets = targets
        self._lane = leaf.lanes[0]
        self._probes = 0
        self._repeated = False
        self._tried: list[Lane] = []
        self.direct = leaf.entry.local

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The one; its keys cost alike."""
        return self._leaf.candidates

    def first(self, exchange: Exchange) -> Candidate:
        """The one. It is asked even if it rests: nobody else can be."""
        leaf = self._leaf
        if len(leaf.lanes) > 1:
            now, prefer = self._targets.clock(), number_of(exchange.call.conversation)
            lane = leaf.lane(now, self._targets.draw, prefer) or leaf.any_lane(now)
            self._lane = lane or min(leaf.lanes, key=lambda lane: lane.limit.until)
        return self._lane.candidate

    def next(self, exchange: Exchange, failed: Candidate, error: InglenookError) -> tuple[Candidate, float] | None:
        """The same, with another key or a little later."""
        leaf, kind = self._leaf, failures.kind_of(error)
        self._tried.append(self._lane)
        if kind in failures.OTHER_KEY and len(leaf.lanes) > 1:
            lane = leaf.lane(self._targets.clock(), self._targets.draw, without=self._tried)
            if lane is not None:
                self._lane = lane
                return lane.candidate, 0.0
        if self._repeated or kind not in failures.AGAIN or (error.retry_after or 0.0) > NAMED_RETRY_AFTER:
            return None
        self._repeated = True
        return failed, (error.retry_after or 0.0) + NAMED_WAIT * self._targets.draw()

    def began(self, candidate: Candidate, exchange: Exchange) -> None:
        """Count it."""
        self._probes = self._leaf.began(self._lane, self._targets.clock())

    def ended(self, candidate: Candidate, exchange: Exchange, error: BaseException | None, first_ms: float) -> None:
        """Note how it went."""
        now, stream = self._targets.clock(), exchange.call.stream
        self._leaf.ended(self._lane, self._probes, now, error, first_ms, stream=stream)


class Turn(Struct, frozen=True):
    """A target of a plan, with what its place in the route says of it."""

    leaf: Leaf
    first_byte_timeout: float | None


class Rules(Struct, frozen=True):
    """What a route says of failures, ready to be asked."""

    name: str
    fallback: frozenset[str]
    retries: RouteRetries


class RoutePlan:
    """The plan of a call to a route: its targets in the order of its strategy, those that rest passed over.

    A target that rests after failures is asked all the same when nobody else is left: nothing is lost by it, and the
    caller hears the true error. One whose provider said when to come again is not.
    """

    __slots__ = (
        "_again",
        "_asked",
        "_keys",
        "_lane",
        "_on_answer",
        "_prefer",
        "_probes",
        "_repeats",
        "_rules",
        "_skipped",
        "_targets",
        "_turn",
        "_waiting",
        "_why",
        "candidates",
        "first_byte_timeout",
    )

    direct = False

    def __init__(
        self,
        turns: Sequence[Turn],
        rules: Rules,
        targets: Targets,
        *,
        why: str,
        prefer: int | None = None,
        on_answer: Callable[[Leaf, Candidate], None] | None = None,
    ) -> None:
        """
        Args:
            turns: In the order they are to be asked; at least one, none twice.
            why: What brought the first to its place.
            prefer: Stands for the key that a conversation should stay with.
            on_answer: Told who answered.
        """
        self._waiting = list(turns)
        self._rules = rules
        self._targets = targets
        self._why = why
        self._prefer = prefer
        self._on_answer = on_answer
        self._turn = turns[0]
        self._lane = turns[0].leaf.lanes[0]
        self._probes = 0
        self._repeats = rules.retries.times
        #: Keys that were asked, and those of them that will not do however long one waits.
        self._asked: set[Lane] = set()
        self._keys: set[Lane] = set()
        #: Targets that may be asked again, and from when on.
        self._again: dict[Leaf, tuple[Turn, float]] = {}
        self._skipped: set[Leaf] = set()
        self.candidates: Sequence[Candidate] = [turn.leaf.candidates[0] for turn in turns]
        self.first_byte_timeout: float | None = None

    def first(self, exchange: Exchange) -> Candidate:
        """The first that does not rest.

        Raises:
            TooMany: the provider of every target said to come again later.
        """
        candidate = self._fresh(exchange, self._why)
        if candidate is None:
            now = self._targets.clock()
            wait = max(1.0, min(turn.leaf.limited(now) for turn in self._waiting))
            raise TooMany(
                f"every target of '{self._rules.name}' is at its provider's limit; try again in {wait:.0f} s",
                retry_after=wait,
                details={"route": self._rules.name},
            )
        return candidate

    def next(self, exchange: Exchange, failed: Candidate, error: InglenookError) -> tuple[Candidate, float] | None:
        """By class of failure: another key, another target, the same again; or nobody."""
        now, rules, kind = self._targets.clock(), self._rules, failures.kind_of(error)
        leaf = self._turn.leaf
        if kind in failures.OTHER_KEY:
            if kind != "limited":
                self._keys.add(self._lane)
            lane = leaf.lane(now, self._targets.draw, without=self._asked)
            if lane is not None:
                return self._take(exchange, self._turn, lane, "key"), 0.0
        self._note_whether_again(kind, error, now)
        moves = kind in rules.fallback
        if rules.retries.order == "same" and leaf in self._again and self._repeats:
            return self._repeat(exchange, leaf, now)
        if moves:
            if kind == "context_too_long":
                self._only_longer_than(error.details.get("context_length") or leaf.entry.facts.context_length)
            candidate = self._fresh(exchange, "fallback")
            if candidate is not None:
                return candidate, 0.0
        if not self._repeats:
            return None
        if moves and self._again:
            return self._repeat(exchange, min(self._again, key=lambda each: self._again[each][1]), now)
        return self._repeat(exchange, leaf, now) if leaf in self._again else None

    def began(self, candidate: Candidate, exchange: Exchange) -> None:
        """Count it."""
        self._probes = self._turn.leaf.began(self._lane, self._targets.clock())

    def ended(self, candidate: Candidate, exchange: Exchange, error: BaseException | None, first_ms: float) -> None:
        """Note how it went."""
        leaf, stream = self._turn.leaf, exchange.call.stream
        leaf.ended(self._lane, self._probes, self._targets.clock(), error, first_ms, stream=stream)
        if error is None and first_ms and self._on_answer is not None:
            self._on_answer(leaf, candidate)

    # ------------------------------------------------------------------------------------------- decisions

    def _fresh(self, exchange: Exchange, why: str) -> Candidate | None:
        """One that was not asked yet: the first that does not rest, else the one that has rested longest."""
        now, targets = self._targets.clock(), self._targets
        for place, turn in enumerate(self._waiting):
            leaf = turn.leaf
            lane = leaf.lane(now, targets.draw, self._prefer) if leaf.health.may(now) else None
            if lane is not None:
                del self._waiting[place]
                return self._take(exchange, turn, lane, why)
            self._skip(exchange, leaf, now)
        for turn in sorted(self._waiting, key=lambda turn: turn.leaf.health.until):
            lane = turn.leaf.any_lane(now)
            if lane is not None:
                self._waiting.remove(turn)
                return self._take(exchange, turn, lane, "nobody_else")
        return None

    def _take(self, exchange: Exchange, turn: Turn, lane: Lane, why: str) -> Candidate:
        self._turn, self._lane = turn, lane
        self._asked.add(lane)
        self.first_byte_timeout = turn.first_byte_timeout
        taken: dict[str, Any] = {"step": "route", "why": "taken", "model": turn.leaf.entry.name, "for": why}
        if len(turn.leaf.lanes) > 1:
            taken["key"] = lane.candidate.key
        exchange.reasons.append(taken)
        return lane.candidate

    def _skip(self, exchange: Exchange, leaf: Leaf, now: float) -> None:
        if leaf in self._skipped:
            return
        self._skipped.add(leaf)
        why = "resting" if not leaf.health.may(now) else "limited" if leaf.limited(now) else "key"
        exchange.reasons.append({"step": "route", "why": "passed", "model": leaf.entry.name, "for": why})

    def _note_whether_again(self, kind: str, error: InglenookError, now: float) -> None:
        leaf, asked_for = self._turn.leaf, error.retry_after or 0.0
        if kind in failures.AGAIN and asked_for <= self._rules.retries.max_retry_after:
            self._again[leaf] = (self._turn, now + asked_for)
        else:
            self._again.pop(leaf, None)

    def _repeat(self, exchange: Exchange, leaf: Leaf, now: float) -> tuple[Candidate, float] | None:
        """Ask one again: exponential back-off with full jitter, after what its provider asked for."""
        turn, ready_at = self._again.pop(leaf)
        lanes = [lane for lane in leaf.lanes if lane not in self._keys]
        lane = min(lanes, key=lambda lane: (lane.key.until, lane.limit.until))
        retries = self._rules.retries
        made = retries.times - self._repeats
        self._repeats -= 1
        wait = max(0.0, ready_at - now) + min(retries.max_wait, retries.wait * 2**made) * self._targets.draw()
        return self._take(exchange, turn, lane, "again"), wait

    def _only_longer_than(self, length: int) -> None:
        """Leave those with a longer context; one of unknown length may have it."""

        def longer(leaf: Leaf) -> bool:
            known = leaf.entry.facts.context_length
            return not known or known > length

        self._waiting = [turn for turn in self._waiting if longer(turn.leaf)]
        self._again = {leaf: again for leaf, again in self._again.items() if longer(leaf)}


def number_of(conversation: str | None) -> int | None:
    """A number that stands for a conversation, the same on every server."""
    return None if conversation is None else crc32(conversation.encode())
