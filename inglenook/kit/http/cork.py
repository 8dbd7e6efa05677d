"""What is written in one turn of the event loop goes to the sockets together, at the turn's end.

A write to a socket whose other end sleeps wakes it, which costs the writer more than the write itself, and a server
that answers many connections finds most of its peers asleep each time. When all its writes come in one go, a peer
that serves several of the connections is woken once. (64 connections: a sixth of a gateway call's CPU time.)
"""

import asyncio
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

#: Bytes that are not kept for the turn's end: whoever writes more is slowed by the socket itself.
_AT_ONCE = 64 * 1024


class _Turn:
    """The corks of one event loop that have something to write."""

    __slots__ = ("__weakref__", "_corks", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._corks: list[Cork] = []

    def add(self, cork: "Cork") -> None:
        if not self._corks:
            self._loop.call_soon(self._end)
        self._corks.append(cork)

    def _end(self) -> None:
        corks, self._corks = self._corks, []
        for cork in corks:
            cork.flush()


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, _Turn] = WeakKeyDictionary()


class Cork(asyncio.Transport):
    """A transport around another one: the same, but that `write` waits for the end of the loop's turn.

    Order is kept: `close` and `write_eof` send first what was written. `abort` forgets it.
    """

    __slots__ = ("_pending", "_size", "_transport", "_turn")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        turn = _turns.get(loop)
        if turn is None:
            turn = _turns[loop] = _Turn(loop)
        self._turn = turn
        self._transport = transport
        self._pending: list[bytes] = []
        self._size = 0

    def write(self, data: Any) -> None:
        """Send `data` when this turn of the loop is over, or at once if much waits already."""
        pending = self._pending
        if not pending:
            self._turn.add(self)
        pending.append(data)
        self._size += len(data)
        if self._size > _AT_ONCE:
            self.flush()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """As `write`."""
        self.write(b"".join(list_of_data))

    def flush(self) -> None:
        """Hand what waits to the socket. Its end may have gone meanwhile: then there is nobody to send it to."""
        pending = self._pending
        if pending:
            data = pending[0] if len(pending) == 1 else b"".join(pending)
            pending.clear()
            self._size = 0
            if not self._transport.is_closing():
                self._transport.write(data)

    def close(self) -> None:
        """Close when everything written has been sent."""
        self.flush()
        self._transport.close()

    def write_eof(self) -> None:
        """Close this direction when everything written has been sent."""
        self.flush()
        self._transport.write_eof()

    def abort(self) -> None:
        """Close at once."""
        self._pending.clear()
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether it is closing or closed."""
        return self._transport.is_closing()

    def can_write_eof(self) -> bool:
        """Whether `write_eof` is supported."""
        return self._transport.can_write_eof()

    def get_write_buffer_size(self) -> int:
        """Bytes written and not sent."""
        return self._size + self._transport.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """As the transport's."""
        return self._transport.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """As the transport's."""
        self._transport.set_write_buffer_limits(high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As the transport's."""
        return self._transport.get_extra_info(name, default)

    def is_reading(self) -> bool:
        """As the transport's."""
        return self._transport.is_reading()

    def pause_reading(self) -> None:
        """As the transport's."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """As the transport's."""
        self._transport.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """As the transport's."""
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """As the transport's."""
        return self._transport.get_protocol()
