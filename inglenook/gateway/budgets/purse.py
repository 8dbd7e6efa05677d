"""One purse as this server sees it. Amounts are in billionths of the billing currency."""

from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from inglenook.accounts.snapshot import Subject
from inglenook.gateway.budgets.periods import Period

#: Times what is spent between two looks at a purse, that a server likes to have drawn ahead, and the part of what is
#: left it may draw for that.
AHEAD, PART = 2.0, 8
#: How much the last second says about the next, and after how many without calls nothing is held ahead.
_WEIGHT, _QUIET = 0.3, 60.0


class PurseKey(NamedTuple):
    """Which purse."""

    subject: Subject
    period: Period
    start: int
    currency: str


class Purse:
    """What a subject may spend in a day or month.

    `lease` is what this server has drawn. Of it, `reserved` is promised to calls under way, and `unreported` was spent
    since the database was last told; the rest is `free`, to be promised at once. `spent` and `leased` are the row's, as
    last seen.
    """

    __slots__ = (
        "_every",
        "_flow",
        "_looked",
        "_quiet",
        "_wake",
        "awake",
        "end",
        "free",
        "id",
        "key",
        "leased",
        "limit",
        "rate",
        "refused",
        "reserved",
        "seen",
        "spent",
        "told",
        "unreported",
        "waiting",
    )

    def __init__(self, key: PurseKey, end: int, limit: int, wake: "Callable[[Purse], None]") -> None:
        """
        Args:
            wake: Called when there is something to do for the database, until `awake` is unset.
        """
        self._wake = wake
        self.awake = False
        self.key = key
        self.end = end
        self.limit = limit
        #: The row's id, once it is read.
        self.id = ""
        self.spent = 0
        self.leased = 0
        self.seen = 0.0
        self.free = 0
        self.reserved = 0
        self.unreported = 0
        #: Calls that wait until more is drawn.
        self.waiting = 0
        #: Whether somebody was refused since the database was last told, and what percentage people were told of.
        self.refused = False
        self.told = 0
        #: What calls reserve in a second, lately.
        self.rate = 0.0
        self._flow = 0
        self._quiet = 0.0
        #: When it was last looked at, and how many seconds after the time before.
        self._looked = 0.0
        self._every = 1.0

    @property
    def lease(self) -> int:
        """What this server has drawn and not spent, as far as the database was told."""
        return self.free + self.reserved + self.unreported

    @property
    def available(self) -> int:
        """What can be promised at all, as far as this server knows."""
        return self.limit - self.spent - self.leased + self.free

    @property
    def used(self) -> int:
        """What was spent, as far as this server knows."""
        return self.spent + self.unreported

    @property
    def set_aside(self) -> int:
        """What is promised to calls under way here, or drawn by other servers."""
        return self.leased - self.lease + self.reserved

    def reserve(self, amount: int) -> None:
        """Promise an amount, which must be free."""
        self.free -= amount
        self.reserved += amount
        self._flow += amount
        if not self.awake:
            self.rouse()

    def settle(self, reserved: int, cost: int) -> None:
        """A call that had `reserved` ended and cost `cost`."""
        self.reserved -= reserved
        self.free += reserved - cost
        self.unreported += cost
        if not self.awake:
            self.rouse()

    def refuse(self) -> None:
        """A call did not fit."""
        if self.told < 100:
            self.refused = True
            self.rouse()

    def rouse(self) -> None:
        """Have it looked at, within a second if not very many are."""
        if not self.awake:
            self.awake = True
            self._looked = monotonic()
            self._wake(self)

    def look(self, now: float) -> None:
        """See what was reserved since the last look; `now` in seconds of the monotonic clock."""
        self._every = every = max(1.0, now - self._looked)
        self._looked = now
        self._quiet = 0.0 if self._flow else self._quiet + every
        weight = 1 - (1 - _WEIGHT) ** every
        self.rate = 0.0 if self._quiet >= _QUIET else self.rate + weight * (self._flow / every - self.rate)
        self._flow = 0

    def told_spent(self, back: int) -> None:
        """The database is told what was spent, and given back an amount that was free."""
        # More may have been spent than was promised: what is promised to others is held all the same.
        self.free = max(self.free - back, 0)
        self.unreported = 0

    def not_told(self, lease: int, unreported: int) -> None:
        """It could not be told after all: the lease is `lease` larger, and so much is unreported still."""
        self.unreported += unreported
        self.free += lease - unreported

    def calm(self) -> None:
        """No more calls will come: hold nothing ahead."""
        self.rate, self._flow = 0.0, 0

    @property
    def ahead(self) -> int:
        """How much this server likes to have free: enough until the next look, less as the purse gets empty."""
        flow = max(self.rate * self._every, self._flow)
        return max(0, min(int(flow * AHEAD), (self.limit - self.spent - self.leased) // PART))

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do for it."""
        return not (self.lease or self.reserved or self.unreported or self.waiting or self.refused)
