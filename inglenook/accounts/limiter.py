"""Login attempts, limited per account name and per client address, in memory.

Every attempt counts as failed until it is told to have succeeded, so a burst of parallel guesses gains nothing.
After a few free attempts each further one doubles the wait. The wait of a name stays short, so that a stranger
cannot lock somebody out for long; that of an address grows longer. What has been quiet for an hour is forgotten.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil

from inglenook.kit.errors import TooMany

#: Entries kept; beyond it the one unused for longest goes.
SIZE = 10_000
FORGET_AFTER = 3600.0


@dataclass(frozen=True, slots=True)
class Limit:
    """`free` attempts without a wait, then 1, 2, 4, … seconds up to `longest`."""

    free: int
    longest: float


PER_NAME = Limit(free=5, longest=60)
PER_ADDRESS = Limit(free=20, longest=900)


@dataclass(slots=True)
class _Tally:
    failures: int = 0
    last: float = 0.0
    blocked_until: float = 0.0


class Limiter:
    """Counts attempts. `clock` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, size: int = SIZE) -> None:
        self._clock = clock
        self._size = size
        self._tallies: OrderedDict[str, _Tally] = OrderedDict()

    def attempt(self, name: str, address: str | None) -> None:
        """Count an attempt on `name` from `address` (None: not over the network).

        Raises:
            TooMany: it comes too soon; `retry_after` says when to try again. It is not counted then.
        """
        now = self._clock()
        counted = [(self._tally(key, now), limit) for key, limit in _keys(name, address)]
        wait = max(tally.blocked_until - now for tally, _limit in counted)
        if wait > 0:
            seconds = ceil(wait)
            raise TooMany(f"too many attempts; try again in {seconds} s", retry_after=seconds)
        for tally, limit in counted:
            tally.failures += 1
            tally.last = now
            if tally.failures >= limit.free:
                tally.blocked_until = now + min(2.0 ** min(tally.failures - limit.free, 30), limit.longest)

    def succeeded(self, name: str, address: str | None) -> None:
        """The attempt counted last was good: forget the failures of the name, and this attempt of the address."""
        for key, _limit in _keys(name, address):
            if key.startswith("name:"):
                self._tallies.pop(key, None)
            elif (tally := self._tallies.get(key)) is not None:
                tally.failures = max(0, tally.failures - 1)
                tally.blocked_until = 0.0

    def __len__(self) -> int:
        return len(self._tallies)

    def _tally(self, key: str, now: float) -> _Tally:
        tally = self._tallies.get(key)
        if tally is None or now - tally.last > FORGET_AFTER:
            tally = self._tallies[key] = _Tally(last=now)
        self._tallies.move_to_end(key)
        while len(self._tallies) > self._size:
            self._tallies.popitem(last=False)
        return tally


def _keys(name: str, address: str | None) -> list[tuple[str, Limit]]:
    keys = [(f"name:{name[:200]}", PER_NAME)]
    if address is not None:
        keys.append((f"address:{_network(address)}", PER_ADDRESS))
    return keys


def _network(address: str) -> str:
    """The address, or for IPv6 the /64 that one customer is given."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network(f"{address.partition('%')[0]}/64", strict=False))
