"""How many calls and tokens there were in the last minute, exact to the second and on the safe side."""

from array import array

#: Seconds that are counted: one more than a minute, so that no sixty seconds, wherever they begin, hold more.
SPAN = 61
_EMPTY = array("q", [0] * (2 * SPAN))


class Window:
    """What came in each second of the last minute. Seconds are those of a clock that only goes forward.

    `calls` and `tokens` are the sums as of the last look; whoever reads or adds looks first. The ring holds the calls
    of each second and then its tokens; a second's place is the same a minute later, when it is forgotten.
    """

    __slots__ = ("_ring", "calls", "seen", "tokens")

    def __init__(self) -> None:
        self._ring = _EMPTY[:]
        self.calls = 0
        self.tokens = 0
        #: The second of the last look.
        self.seen = -1

    def look(self, second: int) -> None:
        """Forget what is more than a minute ago. Nothing to do if `seen` is this second."""
        if self.calls or self.tokens:
            ring = self._ring
            for passed in range(max(self.seen + 1, second - SPAN + 1), second + 1):
                at = passed % SPAN * 2
                if ring[at] or ring[at + 1]:
                    self.calls -= ring[at]
                    self.tokens -= ring[at + 1]
                    ring[at] = ring[at + 1] = 0
        self.seen = second

    def add(self, tokens: int) -> None:
        """Count a call that comes in the second of the last look."""
        ring, at = self._ring, self.seen % SPAN * 2
        ring[at] += 1
        self.calls += 1
        if tokens:
            ring[at + 1] += tokens
            self.tokens += tokens

    def correct(self, counted: int, difference: int, second: int) -> None:
        """What was counted in the second `counted` turned out to have more or fewer tokens. Too late to change it, more
        counts as now."""
        if second != self.seen:
            self.look(second)
        if counted <= second - SPAN:
            if difference < 0:
                return
            counted = second
        self._ring[counted % SPAN * 2 + 1] += difference
        self.tokens += difference

    def frees_calls(self, amount: int) -> int:
        """In how many seconds `amount` of the calls will be a minute ago; 0 if there are not so many."""
        return self._frees(0, amount)

    def frees_tokens(self, amount: int) -> int:
        """The same for tokens."""
        return self._frees(1, amount)

    def _frees(self, which: int, amount: int) -> int:
        freed = 0
        for second in range(self.seen - SPAN + 1, self.seen + 1):
            freed += self._ring[second % SPAN * 2 + which]
            if freed >= amount:
                return second + SPAN - self.seen
        return 0
