"""How a target is: how busy, how quick, and whether it should be left in peace for a while.

Nothing here knows what time it is: `now` is seconds of a clock that only goes forward.
"""

from math import exp

#: Failures in a row after which a target rests.
FAILURES = 3
#: Seconds of the first rest of a target; each that follows is twice as long, up to the longest.
FIRST_REST = 5.0
LONGEST_REST = 120.0
#: The same of a key that was refused or has no credit: somebody must do something about it first.
KEY_REST = 60.0
LONGEST_KEY_REST = 3600.0
#: Seconds that a provider's own word is taken for at most.
LONGEST_WORD = 86_400.0
#: Seconds in which a latency loses most of its weight.
DECAY = 30.0
#: Milliseconds that a target nobody has measured is taken for while it has its first calls.
UNKNOWN = 10_000.0


class Rest:
    """Whether something may be asked: always, until it was hurt; then not for a while; then by one caller alone (the
    probe), whose fortune decides."""

    __slots__ = ("_first", "_longest", "_patience", "failures", "probing", "rests", "until")

    def __init__(self, first: float, longest: float, patience: int = 1) -> None:
        """
        Args:
            first: Seconds of the first rest.
            longest: Seconds of the longest.
            patience: How often in a row it may fail before it rests.
        """
        self._first = first
        self._longest = longest
        self._patience = patience
        self.failures = 0
        self.rests = 0
        #: When the rest ends; 0 while there is none.
        self.until = 0.0
        self.probing = False

    def may(self, now: float) -> bool:
        """Whether a caller who has a choice may ask."""
        return not self.until or (now >= self.until and not self.probing)

    def begin(self, now: float) -> bool:
        """A caller asks; says whether as the probe. Who is it must end by `well`, `hurt` or `leave`."""
        if not self.until or self.probing or now < self.until:
            return False
        self.probing = True
        return True

    def well(self) -> None:
        """It answered."""
        if self.failures:
            self.failures = self.rests = 0
            self.until = 0.0
            self.probing = False

    def hurt(self, now: float, *, probe: bool, at_least: float = 0.0) -> None:
        """It failed.

        Args:
            probe: What `begin` said.
            at_least: Seconds it asked to be left alone.
        """
        self.failures += 1
        at_least = min(at_least, LONGEST_WORD)
        if probe:
            self.probing = False
        elif now < self.until:  # of callers who had begun before
            self.until = max(self.until, now + at_least)
            return
        if self.failures < self._patience and not at_least:
            return
        rest = min(self._longest, self._first * 2**self.rests)
        self.rests = min(self.rests + 1, 20)
        self.until = now + max(rest, at_least)

    def leave(self) -> None:
        """The probe went away before it knew."""
        self.probing = False

    def state(self, now: float) -> str:
        """`ready`, `resting`, `probing` (one caller tries), or `waiting` (for somebody to try)."""
        if not self.until:
            return "ready"
        if self.probing:
            return "probing"
        return "resting" if now < self.until else "waiting"


class Latency:
    """A peak EWMA in milliseconds: it believes bad news at once, and good news, and no news, by and by."""

    __slots__ = ("at", "value")

    def __init__(self) -> None:
        self.value = 0.0
        self.at = 0.0

    def observe(self, now: float, ms: float) -> None:
        """A call took `ms`."""
        if ms < self.value:
            weight = exp((self.at - now) / DECAY)
            ms = self.value * weight + ms * (1 - weight)
        self.value, self.at = ms, now

    def read(self, now: float) -> float:
        """What a call may take now; it fades, so that who was slow once is tried again."""
        return self.value * exp((self.at - now) / DECAY) if self.value else 0.0


class Limit(Rest):
    """One key's at one model: what is on its way with it, and its rests."""

    __slots__ = ("in_flight",)

    def __init__(self) -> None:
        super().__init__(FIRST_REST, LONGEST_REST)
        self.in_flight = 0


class Health(Rest):
    """A target's: what is on its way there, how quick it is with streams and with whole answers, and its rests."""

    __slots__ = ("in_flight", "streamed", "whole")

    def __init__(self) -> None:
        super().__init__(FIRST_REST, LONGEST_REST, FAILURES)
        self.in_flight = 0
        #: Until the first piece of a stream, and until an answer in one piece: the one says little of the other.
        self.streamed = Latency()
        self.whole = Latency()

    def load(self, now: float, *, stream: bool) -> float:
        """How long one more call may take: latency times what is on its way."""
        latency = (self.streamed if stream else self.whole).read(now)
        if not latency and self.in_flight:
            latency = UNKNOWN
        return latency * (self.in_flight + 1)
