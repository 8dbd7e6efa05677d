"""How late the event loop is: the metric behind "one event loop, nothing holds it longer than 5 ms"."""

import asyncio
import time
from collections import deque
from typing import NamedTuple

#: Seconds between samples, and how many are kept (the last minute).
INTERVAL = 0.02
KEPT = 3000


class LagReport(NamedTuple):
    """Lag of the last samples in milliseconds."""

    p50: float
    p99: float
    worst: float
    samples: int


class LagMonitor:
    """Asks the loop to wake it at a known time, and notes how late it does."""

    def __init__(self) -> None:
        self._samples: deque[float] = deque(maxlen=KEPT)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to watch the running loop."""
        self._task = asyncio.create_task(self._watch(), name="loop-lag")

    def stop(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()

    def reset(self) -> None:
        """Forget what was measured so far."""
        self._samples.clear()

    def report(self) -> LagReport:
        """Percentiles of the kept samples; zeros if there are none."""
        lags = sorted(self._samples)
        if not lags:
            return LagReport(0, 0, 0, 0)
        return LagReport(lags[len(lags) // 2], lags[int(len(lags) * 0.99)], lags[-1], len(lags))

    async def _watch(self) -> None:
        while True:
            begin = time.perf_counter()
            await asyncio.sleep(INTERVAL)
            self._samples.append(max(0.0, (time.perf_counter() - begin - INTERVAL) * 1000))
