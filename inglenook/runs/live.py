"""The live stream of an executing run: every delta goes to all watchers at once, from memory.

A place in a run's stream is `epoch.seq.offset`: the last journaled event seen, and how many deltas after it. The
next slice the journal gets holds exactly the deltas after `seq`, so from any place of the current epoch the journal
and then the live tail give what is missing, without gap or duplicate. From any other place the watcher gets a
`reset`: the folded state, which replaces what it had.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple, Self

from msgspec import Struct

from inglenook.runs.journal import DELTA, EFFECT_FINISHED, FOLDED, Recorded, fold
from inglenook.runs.kinds import RunEvent, RunKind
from inglenook.runs.tables import ENDED, PARKED

#: Frames a watcher may lag behind before it is told to start afresh.
BACKLOG = 1024


class Position(NamedTuple):
    """A place in a run's stream; as text the SSE id."""

    epoch: int
    seq: int
    offset: int

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """The place `text` names; None if it names none."""
        try:
            epoch, seq, offset = (int(part) for part in (text or "").split("."))
        except ValueError:
            return None
        return cls(epoch, seq, offset) if min(epoch, seq, offset) >= 0 else None

    def __str__(self) -> str:
        return f"{self.epoch}.{self.seq}.{self.offset}"


class WatchFrame(Struct, kw_only=True):
    """What a watcher is told.

    Attributes:
        event: `delta` (`{"deltas": [payload, …]}`), `event` (`{"type", "payload", "seq", "at"}`), `reset`
            (`{"state", "status"}`: replaces what the watcher had) or `end` (`{"status"}`: nothing follows).
        id: `epoch.seq.offset` after this frame; to be given to `watch` after a lost connection.
    """

    event: Literal["delta", "event", "reset", "end"]
    id: str
    data: dict[str, Any]


def delta_frame(position: Position, deltas: list[dict[str, Any]]) -> WatchFrame:
    """A frame of `deltas` that ends at `position`."""
    return WatchFrame(event="delta", id=str(position), data={"deltas": deltas})


def event_frame(epoch: int, event: Recorded) -> WatchFrame:
    """The frame of a journaled event, in the current `epoch`.

    What an effect gave is the work's own matter, often large, and not in it: a kind shows what it wants seen.
    """
    payload = event.payload
    if event.type == EFFECT_FINISHED:
        payload = {name: value for name, value in payload.items() if name != "output"}
    return WatchFrame(
        event="event",
        id=f"{epoch}.{event.seq}.0",
        data={"type": event.type, "payload": payload, "seq": event.seq, "at": event.at},
    )


def reset_frame(position: Position, state: dict[str, Any], status: str) -> WatchFrame:
    """A frame that replaces all a watcher had by the state at `position`."""
    return WatchFrame(event="reset", id=str(position), data={"state": state, "status": status})


def end_frame(position: Position, status: str) -> WatchFrame:
    """The last frame: the run is in `status`, and nothing follows."""
    return WatchFrame(event="end", id=str(position), data={"status": status})


def is_over(status: str) -> bool:
    """Whether a run in `status` has no more to say to a watcher."""
    return status in ENDED or status == PARKED


def catch_up(
    after: Position, events: Iterable[Recorded], end: Position, tail: Sequence[dict[str, Any]]
) -> list[WatchFrame] | None:
    """Frames that lead from `after` to `end`; None if `after` is no place of this stream.

    Args:
        events: What the journal holds with `after.seq < seq <= end.seq`.
        tail: The deltas after `end.seq`.
    """
    frames = []
    skip = after.offset
    for event in events:
        if event.type == DELTA:
            deltas = event.payload.get("deltas", [])
            if skip < len(deltas):
                frames.append(delta_frame(Position(end.epoch, event.seq, 0), deltas[skip:]))
            skip = max(skip - len(deltas), 0)
        elif skip:
            return None
        elif event.type != FOLDED:
            frames.append(event_frame(end.epoch, event))
    if skip > len(tail):
        return None
    if skip < len(tail):
        frames.append(delta_frame(end, list(tail[skip:])))
    return frames


class _Delta(NamedTuple):
    position: Position
    payload: dict[str, Any]


class _Watcher:
    """What one watcher has yet to be sent, at most `limit` pieces of it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: deque[_Delta | WatchFrame] = deque()
        self._news = asyncio.Event()
        self.lagging = False
        self.closed = False

    def offer(self, piece: _Delta | WatchFrame) -> None:
        if len(self._pieces) >= self._limit:
            self.restart()
            self.lagging = True
        if not self.lagging:
            self._pieces.append(piece)
        self._news.set()

    def restart(self) -> None:
        """Forget what is queued: the watcher is about to be told the whole state."""
        self._pieces.clear()
        self.lagging = False

    def close(self) -> None:
        self.closed = True
        self._news.set()

    async def wait(self) -> None:
        """Wait until there is something to take, or nothing more to come."""
        while not (self._pieces or self.lagging or self.closed):
            self._news.clear()
            await self._news.wait()

    def take(self) -> WatchFrame | None:
        """The next frame; deltas that queue up behind one another share one."""
        if not self._pieces:
            return None
        piece = self._pieces.popleft()
        if isinstance(piece, WatchFrame):
            return piece
        deltas = [piece.payload]
        while self._pieces and isinstance(following := self._pieces[0], _Delta):
            deltas.append(following.payload)
            piece = following
            self._pieces.popleft()
        return delta_frame(piece.position, deltas)


class Stream:
    """One execution of a run, as its watchers see it. Only the execution writes to it."""

    def __init__(
        self, kind: RunKind, *, epoch: int, seq: int, state: dict[str, Any], status: str, backlog: int = BACKLOG
    ) -> None:
        self._kind = kind
        self.epoch = epoch
        self.seq = seq
        #: The fold over the journal up to `seq`.
        self.state = state
        self.status = status
        #: Deltas after `seq`: not journaled yet, or on their way there.
        self.tail: list[dict[str, Any]] = []
        self._backlog = backlog
        self._watchers: set[_Watcher] = set()
        self.closed = False

    def push(self, payload: dict[str, Any]) -> None:
        """A delta: to all watchers at once."""
        self.tail.append(payload)
        if self._watchers:
            piece = _Delta(Position(self.epoch, self.seq, len(self.tail)), payload)
            for watcher in self._watchers:
                watcher.offer(piece)

    def advance(self, seq: int, sliced: int, events: Sequence[Recorded], state: dict[str, Any]) -> None:
        """The journal reaches `seq` now: it holds the first `sliced` deltas of the tail, then `events`."""
        del self.tail[:sliced]
        self.seq = seq
        self.state = state
        for event in events:
            if event.type != FOLDED:
                frame = event_frame(self.epoch, event)
                for watcher in self._watchers:
                    watcher.offer(frame)

    def close(self) -> None:
        """Nothing more comes from this execution."""
        self.closed = True
        for watcher in self._watchers:
            watcher.close()

    def snapshot(self) -> WatchFrame:
        """The state as of now, unjournaled deltas included."""
        state = self.state
        if self.tail:
            state = fold(self._kind, state, [RunEvent(type=DELTA, payload={"deltas": list(self.tail)})])
        return reset_frame(Position(self.epoch, self.seq, len(self.tail)), state, self.status)

    async def follow(
        self, after: Position | None, journal: Callable[[int, int], Awaitable[list[Recorded] | None]]
    ) -> AsyncGenerator[WatchFrame, None]:
        """Frames from `after` on until the execution is over; with an `end` if the run is.

        Args:
            journal: Reads the run's events with `after < seq <= upto`; None when some of them were pruned.
        """
        watcher = _Watcher(self._backlog)
        self._watchers.add(watcher)
        try:
            # From here on the queue holds everything after `end`.
            end, tail = Position(self.epoch, self.seq, len(self.tail)), list(self.tail)
            frames = None
            if after is not None and after.epoch == end.epoch and after.seq <= end.seq:
                events = await journal(after.seq, end.seq) if after.seq < end.seq else []
                frames = None if events is None else catch_up(after, events, end, tail)
            if frames is None:
                watcher.restart()
                frames = [self.snapshot()]
            for frame in frames:
                yield frame
            while True:
                await watcher.wait()
                if watcher.lagging:
                    watcher.restart()
                    yield self.snapshot()
                elif (next_frame := watcher.take()) is not None:
                    yield next_frame
                else:
                    break
            if is_over(self.status):
                yield end_frame(Position(self.epoch, self.seq, 0), self.status)
        finally:
            self._watchers.discard(watcher)
