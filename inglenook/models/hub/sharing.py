"""One piece of work for all who want its result at the same time, such as one download for several pulls."""

import asyncio
from collections.abc import Awaitable, Callable

Progress = Callable[[int, int], None]
Work = Callable[[Progress], Awaitable[None]]


class Sharing:
    """Work under way, by key."""

    def __init__(self) -> None:
        self._running: dict[str, _Running] = {}

    def keys(self) -> list[str]:
        """What is worked on now."""
        return list(self._running)

    async def run(self, key: str, work: Work, progress: Progress) -> None:
        """Do `work`, or join whoever does it for the same `key`; `progress` is told either way.

        Who began it may leave: it goes on as long as anybody waits. Where it failed for who began it, the others try
        with their own. Cancelled by all, it is ended and waited for.
        """
        while True:
            running = self._running.get(key)
            own = running is None
            if running is None:
                running = self._running[key] = _Running(work, lambda: self._running.pop(key))
            try:
                await running.join(progress)
                return
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                # It was cancelled in the moment we joined: once more.
            except Exception:
                if own:
                    raise


class _Running:
    def __init__(self, work: Work, ended: Callable[[], object]) -> None:
        self._watchers: list[Progress] = []
        self._last = (0, 0)
        self._task = asyncio.ensure_future(work(self._tell))
        self._task.add_done_callback(lambda _: ended())

    async def join(self, progress: Progress) -> None:
        progress(*self._last)
        self._watchers.append(progress)
        try:
            await asyncio.shield(self._task)
        finally:
            self._watchers.remove(progress)
            if not self._watchers and not self._task.done():
                self._task.cancel()
                await asyncio.wait({self._task})

    def _tell(self, completed: int, total: int) -> None:
        self._last = (completed, total)
        for progress in self._watchers:
            progress(completed, total)
