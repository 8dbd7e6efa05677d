"""How much of something there was in the last minute, exact to the second and on the safe side."""

from collections import deque

#: Seconds that are counted: one more than a minute, so that no sixty seconds, wherever they begin, hold more.
SPAN = 61


class Bucket:
    """What came in one second."""

    __slots__ = ("amount", "second")

    def __init__(self, second: int, amount: int) -> None:
        self.second = second
        self.amount = amount


class Window:
    """Amounts of the last minute. Seconds are those of a clock that only goes forward.

    `used` is their sum, as of the last look.
    """

    __slots__ = ("_buckets", "seen", "used")

    def __init__(self) -> None:
        self._buckets: deque[Bucket] = deque()
        self.used = 0
        #: The second of the last look: in it, `used` is the sum.
        self.seen = -1

    def look(self, second: int) -> int:
        """The sum now."""
        if second != self.seen:
            self.seen = second
            buckets = self._buckets
            while buckets and buckets[0].second <= second - SPAN:
                self.used -= buckets.popleft().amount
        return self.used

    def add(self, second: int, amount: int) -> Bucket:
        """Count something that comes now; gives what `correct` wants."""
        buckets = self._buckets
        if buckets and buckets[-1].second == second:
            bucket = buckets[-1]
            bucket.amount += amount
        else:
            bucket = Bucket(second, amount)
            buckets.append(bucket)
        self.used += amount
        return bucket

    def correct(self, bucket: Bucket, difference: int, second: int) -> None:
        """What was counted as `bucket` turned out to be more or less. Too late to change it, more counts as now."""
        if bucket.second > second - SPAN:
            bucket.amount += difference
            self.used += difference
        elif difference > 0:
            self.look(second)
            self.add(second, difference)

    def frees(self, second: int, amount: int) -> int:
        """In how many seconds `amount` of what is counted will be a minute ago; 0 if there is not so much."""
        freed = 0
        for bucket in self._buckets:
            freed += bucket.amount
            if freed >= amount:
                return bucket.second + SPAN - second
        return 0
