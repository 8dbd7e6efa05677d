"""Sharing the cores among the models that work at the same time.

Each model's process has as many threads as it can use alone. Two that work at once would have twice as many as there
are cores, and threads that meet thousands of times a second wait for each other's turn: on two cores, two models with
three chats each made 76 tokens a second together, and 109 when each had a core of its own. So the processes at work get
a part of the cores each, and one that works alone gets them all.
"""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

#: Seconds a process must have been idle before the others get its cores: calls often follow each other.
PATIENCE = 0.5


class CoreShares:
    """Which cores each process may use. Make it in a running event loop. Does nothing where that cannot be set."""

    def __init__(self, cores: set[int] | None = None) -> None:
        self._cores = sorted(cores if cores is not None else _ours())
        self._shares: dict[int, tuple[int, ...]] = {}
        self._busy: frozenset[int] = frozenset()
        self._timer: asyncio.TimerHandle | None = None

    def working(self, pids: frozenset[int]) -> None:
        """Say which processes are at work now. More of them share at once, fewer after a while."""
        if len(self._cores) < 2 or pids == self._busy:
            return
        more = not pids <= self._busy
        self._busy = pids
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if more:
            self._settle()
        else:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._settle)

    def stop(self) -> None:
        """Forget the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _settle(self) -> None:
        self._timer = None
        wanted = divided(self._cores, sorted(self._busy))
        for pid, share in wanted.items():
            # A process that was never given less has them all.
            if self._shares.get(pid, tuple(self._cores)) != share:
                _confine(pid, share)
        # Those at rest keep what they have until they work again.
        resting = {pid: share for pid, share in self._shares.items() if Path(f"/proc/{pid}").exists()}
        self._shares = resting | wanted


def divided(cores: list[int], pids: list[int]) -> dict[int, tuple[int, ...]]:
    """Cores in parts as equal as can be; where there are more processes than cores, some share one."""
    if len(pids) >= len(cores):  # some of them share one
        return {pid: (cores[place % len(cores)],) for place, pid in enumerate(pids)}
    if not pids:
        return {}
    ends = [len(cores) * place // len(pids) for place in range(len(pids) + 1)]
    return {pid: tuple(cores[ends[place] : ends[place + 1]]) for place, pid in enumerate(pids)}


def _ours() -> set[int]:
    try:
        return os.sched_getaffinity(0)
    except AttributeError:  # not Linux
        return set()


def _confine(pid: int, cores: tuple[int, ...]) -> None:
    """Every thread of a process; one that ends meanwhile is of no concern."""
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                os.sched_setaffinity(int(thread.name), cores)
