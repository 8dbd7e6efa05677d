"""What routes and names come down to: a model of the catalogue, its provider's keys, and how they are.

Health outlives an entry of the catalogue, which is made anew with every change there; it ends with its provider's
instance, which lives as long as the provider's settings: a new key begins with a clean slate.
"""

from collections.abc import Callable, Container, Sequence
from random import random
from time import monotonic
from typing import Any

from inglenook.gateway.call import Candidate
from inglenook.gateway.routing import failures
from inglenook.gateway.routing.health import KEY_REST, LONGEST_KEY_REST, Health, Limit, Rest
from inglenook.models.catalogue import Entry
from inglenook.models.providers.base import Provider

_HEALTH, _LIMIT, _KEY = 1, 2, 4


class Lane:
    """A target with one of its provider's keys.

    Attributes:
        limit: Rests when the provider limited this model with this key.
        key: Rests when the provider refused the key or wants to be paid; shared by all of its models.
    """

    __slots__ = ("candidate", "key", "limit")

    def __init__(self, candidate: Candidate, limit: Limit, key: Rest) -> None:
        self.candidate = candidate
        self.limit = limit
        self.key = key

    def may(self, now: float) -> bool:
        """Whether it may be asked."""
        return self.limit.may(now) and self.key.may(now)


class Leaf:
    """A target that can be asked."""

    __slots__ = ("candidates", "entry", "health", "lanes", "place")

    def __init__(self, entry: Entry, health: Health, lanes: Sequence[Lane]) -> None:
        self.entry = entry
        #: Which model of which provider it is, whatever it is called.
        self.place = (entry.provider_id, entry.upstream)
        #: For a plan that has only this one; its keys make no difference to what it costs.
        self.candidates = (lanes[0].candidate,)
        self.health = health
        self.lanes = lanes

    def may(self, now: float) -> bool:
        """Whether it may be asked with one key or another."""
        return self.health.may(now) and any(lane.may(now) for lane in self.lanes)

    def limited(self, now: float) -> float:
        """Seconds until its provider takes more, if all of its keys are at their limit; else 0."""
        return max(0.0, min(lane.limit.until for lane in self.lanes) - now)

    def lane(
        self,
        now: float,
        draw: Callable[[], float],
        prefer: int | None = None,
        without: Container[Lane] = (),
    ) -> Lane | None:
        """The key to ask with: the preferred one, else the least busy, among equals any.

        Args:
            prefer: A number that stands for one of the keys, such as a hash.
            without: Lanes that will not do.
        """
        lanes = self.lanes
        if len(lanes) == 1:
            lane = lanes[0]
            return lane if lane.may(now) and lane not in without else None
        usable = [lane for lane in lanes if lane.may(now) and lane not in without]
        if not usable:
            return None
        if prefer is not None and (lane := lanes[prefer % len(lanes)]) in usable:
            return lane
        return min(usable, key=lambda lane: (lane.limit.in_flight, draw()))

    def any_lane(self, now: float, without: Container[Lane] = ()) -> Lane | None:
        """The key to ask with although it rests; never one whose provider said not to."""
        usable = [lane for lane in self.lanes if lane.limit.may(now) and lane not in without]
        return min(usable, key=lambda lane: lane.key.until) if usable else None

    def began(self, lane: Lane, now: float) -> int:
        """It is asked; gives what `ended` wants back: which rests this call is the probe of."""
        health, limit, key = self.health, lane.limit, lane.key
        health.in_flight += 1
        limit.in_flight += 1
        if not (health.until or limit.until or key.until):
            return 0
        return health.begin(now) * _HEALTH | limit.begin(now) * _LIMIT | key.begin(now) * _KEY

    def ended(
        self, lane: Lane, probes: int, now: float, error: BaseException | None, ms: float, *, stream: bool
    ) -> None:
        """It answered, failed, or (without an error and with `ms` 0) was left before either."""
        health, limit, key = self.health, lane.limit, lane.key
        health.in_flight -= 1
        limit.in_flight -= 1
        if error is None and not ms:
            self._leave(lane, probes)
            return
        if error is None:
            (health.streamed if stream else health.whole).observe(now, ms)
        kind = "" if error is None else failures.kind_of(error)
        if kind in failures.UNWELL:
            health.hurt(now, probe=bool(probes & _HEALTH))
            self._leave(lane, probes & ~_HEALTH)
            return
        health.well()
        if kind == "limited":
            retry_after: float | None = getattr(error, "retry_after", None)
            limit.hurt(now, probe=bool(probes & _LIMIT), at_least=retry_after or 0.0)
            self._leave(lane, probes & _KEY)
        elif kind in failures.OTHER_KEY:
            key.hurt(now, probe=bool(probes & _KEY))
            self._leave(lane, probes & _LIMIT)
        else:
            limit.well()
            key.well()

    def _leave(self, lane: Lane, probes: int) -> None:
        if probes & _HEALTH:
            self.health.leave()
        if probes & _LIMIT:
            lane.limit.leave()
        if probes & _KEY:
            lane.key.leave()


class Targets:
    """Every target that was ever asked for, each with one health however it is named."""

    def __init__(self, clock: Callable[[], float] = monotonic, draw: Callable[[], float] = random) -> None:
        """
        Args:
            clock: Seconds, only forward.
            draw: A number in [0, 1).
        """
        self.clock = clock
        self.draw = draw
        self._leaves: dict[str, Leaf] = {}
        self._kept: dict[tuple[str | int, ...], tuple[Provider, Any]] = {}

    def leaf(self, entry: Entry) -> Leaf:
        """The target that an entry of the catalogue is."""
        leaf = self._leaves.get(entry.name)
        if leaf is None or leaf.entry is not entry:
            leaf = self._leaves[entry.name] = self._make(entry)
        return leaf

    def _make(self, entry: Entry) -> Leaf:
        provider, place = entry.provider, (entry.provider_id, entry.upstream)
        lanes = [
            Lane(
                Candidate(entry, number),
                self._keep(provider, (*place, number), Limit),
                self._keep(provider, (entry.provider_id, number), _key_rest),
            )
            for number in range(max(1, getattr(provider, "keys", 1)))
        ]
        return Leaf(entry, self._keep(provider, place, Health), lanes)

    def _keep(self, provider: Provider, place: tuple[str | int, ...], make: Callable[[], Any]) -> Any:
        kept = self._kept.get(place)
        if kept is None or kept[0] is not provider:
            kept = self._kept[place] = (provider, make())
        return kept[1]


def _key_rest() -> Rest:
    return Rest(KEY_REST, LONGEST_KEY_REST)
