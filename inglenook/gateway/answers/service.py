"""The answers that are kept: the last used in memory, all of them in a file of their own, both within bounds.

Looking in memory waits for nothing. Which answers are in the file is known in memory, too, so that only a call whose
answer is there waits for the disk. What is new is written together, at latest a second after the oldest; a killed
process loses that second. On PostgreSQL each server keeps its own.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

import msgspec
from msgspec import Struct
from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from inglenook.gateway.answers.tables import SCHEMA, AnswerRow, AnswersTable
from inglenook.kit.time import now_ms
from inglenook.models.calls import Event
from inglenook.store.database import Store

log = logging.getLogger(__name__)

#: Bytes of answers in memory, in the file, and of one answer.
IN_MEMORY = 64 * 1024 * 1024
IN_FILE = 512 * 1024 * 1024
LARGEST = 1024 * 1024
#: What an answer costs in memory beyond its events.
_OVERHEAD = 512
#: Seconds an answer waits until it is written.
FLUSH_EVERY = 1.0


class Answer(Struct, frozen=True, kw_only=True):
    """A kept answer. `model` is the name of the one that gave it, `events` are encoded; times in ms since the epoch."""

    key: bytes
    route_id: str
    owner: str
    model: str
    made_at: int
    expires_at: int
    events: bytes

    @property
    def size(self) -> int:
        """Bytes it takes."""
        return len(self.events) + _OVERHEAD


class Stats(Struct, kw_only=True):
    """How the cache does: answers and bytes in the file and in memory, and since the start how many calls were answered
    from it, and how many had to be asked."""

    answers: int
    size: int
    in_memory: int
    memory: int
    hits: int
    misses: int


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[Event])


def encode(events: list[Event]) -> bytes:
    """Events as they are kept."""
    return _ENCODER.encode(events)


def decode(data: bytes) -> list[Event]:
    """Events from what was kept."""
    return _DECODER.decode(data)


class Answers:
    """The answers kept in the file `path`; without one, in memory only. `start` it before use."""

    def __init__(
        self,
        path: Path | None = None,
        *,
        in_memory: int = IN_MEMORY,
        in_file: int = IN_FILE,
        now: Callable[[], int] = now_ms,
    ) -> None:
        """
        Args:
            in_memory, in_file: Bytes that may be kept in each.
            now: The time, in ms since the epoch.
        """
        self.now = now
        self.hits = self.misses = 0
        self._path = path
        self._in_memory, self._in_file = in_memory, in_file
        self._store: Store | None = None
        self._memory: OrderedDict[bytes, Answer] = OrderedDict()
        self._memory_size = 0
        #: What the file has, oldest first: when it expires, its size, its route and owner.
        self._index: OrderedDict[bytes, _Place] = OrderedDict()
        self._file_size = 0
        self._waiting: dict[bytes, Answer] = {}
        self._dropped: set[bytes] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the file, if there is one or may be one, and learn what is in it."""
        if self._path is None:
            return
        self._store = Store.open(Store.sqlite_url(self._path))
        await self._store.write(_prepare)
        rows = await self._store.read(_places)
        self._index = OrderedDict(rows)
        self._file_size = sum(place.size for place in self._index.values())

    async def stop(self) -> None:
        """Write what is new and close the file."""
        await self.flush()
        if self._store is not None:
            await self._store.close()
            self._store = None

    def get(self, key: bytes) -> Answer | Awaitable[Answer | None] | None:
        """The answer kept under a key. One that is only in the file must be waited for."""
        now = self.now()
        answer = self._memory.get(key)
        if answer is not None:
            if answer.expires_at <= now:
                self._forget([key])
                return None
            self._memory.move_to_end(key)
            return answer
        place = self._index.get(key)
        if place is None or place.expires_at <= now:
            return None
        return self._read(key)

    def put(self, answer: Answer) -> None:
        """Keep an answer, in place of one that is there. Too large a one is not kept. Must be called on the loop."""
        if answer.size > min(LARGEST, self._in_memory):
            return
        self._remember(answer)
        if self._store is not None:
            self._waiting[answer.key] = answer
            self._dropped.discard(answer.key)
            self._arm()

    def forget_route(self, route_id: str) -> int:
        """Forget a route's answers, and say how many they were."""
        return self._forget_where(lambda route, _: route == route_id)

    def forget_owner(self, owner: str) -> None:
        """Forget the answers that were kept for a user or a team alone."""
        self._forget_where(lambda _, whose: whose == owner)

    def keep_only(self, route_ids: Collection[str]) -> None:
        """Forget the answers of all other routes."""
        self._forget_where(lambda route, _: route not in route_ids)

    def stats(self) -> Stats:
        """How it does."""
        whole = self._store is not None
        return Stats(
            answers=len(self._index.keys() | self._waiting.keys()) if whole else len(self._memory),
            size=self._file_size if whole else self._memory_size,
            in_memory=len(self._memory),
            memory=self._memory_size,
            hits=self.hits,
            misses=self.misses,
        )

    async def flush(self) -> None:
        """Return once everything so far is in the file, or could not be written."""
        while self._store is not None and (self._waiting or self._dropped or self._flushing is not None):
            self._begin_flush()
            assert self._flushing is not None
            await asyncio.shield(self._flushing)
            if self._timer is not None:
                return  # the disk refuses; the timer tries again

    # ------------------------------------------------------------------------------------------- internals

    def _forget_where(self, where: Callable[[str, str], bool]) -> int:
        keys = {key for key, answer in self._memory.items() if where(answer.route_id, answer.owner)}
        keys |= {key for key, place in self._index.items() if where(place.route_id, place.owner)}
        self._forget(keys)
        return len(keys)

    async def _read(self, key: bytes) -> Answer | None:
        assert self._store is not None
        answer = await self._store.read(lambda session: _answer(session, key))
        if answer is not None and key in self._index:
            self._remember(answer)
        return answer

    def _remember(self, answer: Answer) -> None:
        before = self._memory.pop(answer.key, None)
        self._memory[answer.key] = answer
        self._memory_size += answer.size - (before.size if before else 0)
        while self._memory_size > self._in_memory:
            _, oldest = self._memory.popitem(last=False)
            self._memory_size -= oldest.size

    def _forget(self, keys: Collection[bytes]) -> None:
        for key in keys:
            if (answer := self._memory.pop(key, None)) is not None:
                self._memory_size -= answer.size
            self._waiting.pop(key, None)
            if (place := self._index.pop(key, None)) is not None:
                self._file_size -= place.size
                self._dropped.add(key)
        if self._dropped:
            self._arm()

    def _arm(self) -> None:
        if self._timer is None and self._flushing is None and self._store is not None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_EVERY, self._begin_flush)

    def _begin_flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._flushing is None and self._store is not None and (self._waiting or self._dropped):
            self._flushing = asyncio.create_task(self._flush(self._store), name="answers-flush")

    async def _flush(self, store: Store) -> None:
        fresh, self._waiting = self._waiting, {}
        self._shrink(fresh)
        dropped, self._dropped = self._dropped, set()
        try:
            await store.write(lambda session: _write(session, list(fresh.values()), dropped))
            self._learn(fresh)
        except Exception:
            log.exception("%d kept answers could not be written; they stay in memory", len(fresh))
            self._dropped |= dropped
        finally:
            self._flushing = None
            if self._waiting or self._dropped:
                self._arm()

    def _shrink(self, fresh: dict[bytes, Answer]) -> None:
        """Make room in the file: what expired goes, then the oldest."""
        now, coming = self.now(), sum(answer.size for answer in fresh.values())
        expired = [key for key, place in self._index.items() if place.expires_at <= now]
        for key in expired:
            self._drop(key)
        while self._index and self._file_size + coming > self._in_file:
            self._drop(next(iter(self._index)))

    def _drop(self, key: bytes) -> None:
        self._file_size -= self._index.pop(key).size
        self._dropped.add(key)

    def _learn(self, fresh: dict[bytes, Answer]) -> None:
        for key, answer in fresh.items():
            if (before := self._index.pop(key, None)) is not None:
                self._file_size -= before.size
            self._index[key] = _Place(answer.expires_at, answer.size, answer.route_id, answer.owner)
            self._file_size += answer.size


class _Place(Struct, frozen=True):
    expires_at: int
    size: int
    route_id: str
    owner: str


def _prepare(session: Session) -> None:
    if session.execute(text("PRAGMA user_version")).scalar_one() != SCHEMA:
        AnswersTable.metadata.drop_all(session.connection())
    AnswersTable.metadata.create_all(session.connection())
    session.execute(text(f"PRAGMA user_version = {SCHEMA}"))


def _places(session: Session) -> list[tuple[bytes, _Place]]:
    row = AnswerRow
    query = select(row.key, row.expires_at, row.size, row.route_id, row.owner).order_by(row.made_at)
    return [
        (key, _Place(expires_at, size, route_id, owner))
        for key, expires_at, size, route_id, owner in session.execute(query)
    ]


def _answer(session: Session, key: bytes) -> Answer | None:
    row = session.get(AnswerRow, key)
    if row is None:
        return None
    return Answer(
        key=row.key,
        route_id=row.route_id,
        owner=row.owner,
        model=row.model,
        made_at=row.made_at,
        expires_at=row.expires_at,
        events=row.events,
    )


def _write(session: Session, fresh: list[Answer], dropped: set[bytes]) -> None:
    gone = [*dropped, *(answer.key for answer in fresh)]
    for at in range(0, len(gone), 500):
        session.execute(delete(AnswerRow).where(AnswerRow.key.in_(gone[at : at + 500])))
    session.add_all(
        AnswerRow(
            key=answer.key,
            route_id=answer.route_id,
            owner=answer.owner,
            model=answer.model,
            made_at=answer.made_at,
            expires_at=answer.expires_at,
            size=answer.size,
            events=answer.events,
        )
        for answer in fresh
    )
