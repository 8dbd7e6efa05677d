"""Small pieces of an answer joined into fewer, slightly larger ones."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from inglenook.runs.errors import LeaseLost

#: Seconds a piece may wait for company. Under the time of one frame on most screens, times two.
PAUSE = 0.02


class Deltas:
    """Sends pieces on at most every `PAUSE` seconds; the first after a quiet time goes at once.

    A fast model writes hundreds of tokens a second, and a frame for each would cost every watcher more than it
    shows. Pieces of different types are never joined and keep their order.
    """

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._type = ""
        self._parts: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._sent_at = float("-inf")

    def add(self, type_: str, text: str) -> None:
        """Pass on `text` as a `{"type", "text"}` delta, soon."""
        if not text:
            return
        if self._parts and type_ != self._type:
            self.flush()
        self._type = type_
        self._parts.append(text)
        if self._timer is None:
            wait = self._sent_at + PAUSE - self._loop.time()
            if wait <= 0:
                self.flush()
            else:
                self._timer = self._loop.call_later(wait, self._tick)

    def flush(self) -> None:
        """Send what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._parts:
            text = "".join(self._parts)
            self._parts.clear()
            self._sent_at = self._loop.time()
            self._send({"type": self._type, "text": text})

    def _tick(self) -> None:
        with suppress(LeaseLost):  # whoever appends next is told, too, and can end the work
            self.flush()
