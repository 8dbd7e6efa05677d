"""The database behind two verbs: `await store.read(fn)` and `await store.write(fn)`.

Both take a short synchronous function of a SQLAlchemy `Session` and run it off the event loop. On SQLite **one
thread owns every write**: functions that wait are batched into one `BEGIN IMMEDIATE … COMMIT`, each under a
savepoint, so a bad one fails alone and a lone writer never meets "database is locked". Reads use a pool of
read-only connections. On PostgreSQL each write is a transaction of its own on a pooled connection.

A write function must not wait on a model, the network or the event loop. What must happen once its transaction is
committed (refresh a snapshot, wake watchers) is registered with `after_commit`.
"""

import asyncio
import logging
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool, QueuePool

from inglenook.kit.errors import Unavailable

T = TypeVar("T")
log = logging.getLogger(__name__)

#: Write functions that may share one commit.
BATCH = 64
#: Connections (and threads) that read.
READERS = 4
_AFTER_COMMIT = "after_commit"


def after_commit(session: Session, callback: Callable[[], None]) -> None:
    """Call `callback` on the event loop once the write that uses `session` is committed, before its caller resumes.

    It is not called when the write fails. Callbacks must not raise.
    """
    session.info.setdefault(_AFTER_COMMIT, []).append(callback)


@dataclass(slots=True)
class _Write:
    fn: Callable[[Session], Any]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"
    result: Any = None
    error: BaseException | None = None
    callbacks: tuple[Callable[[], None], ...] = ()


class Store:
    """An open database. Make one with `Store.open`; close it with `await store.close()`."""

    def __init__(self, url: str, *, durability: Literal["normal", "full"] = "normal") -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._closed = False
        if self.is_sqlite:
            path = Path(self.url.database or "")
            keep_private(path)
            self._reads = _sqlite_engine(path, durability, readonly=True)
            self._writes = _sqlite_engine(path, durability, readonly=False)
            try:
                connection = self._writes.connect()
            except DBAPIError as error:
                raise unusable(path, error.orig) from None
            self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
            self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
            self._writer = threading.Thread(
                target=self._write_forever, args=(connection,), name="store-write", daemon=True
            )
            self._writer.start()
        else:
            self._reads = self._writes = create_engine(self.url, pool_size=READERS * 2, max_overflow=0)
            self._readers = ThreadPoolExecutor(READERS * 2, thread_name_prefix="store")

    @classmethod
    def open(cls, url: str, *, durability: Literal["normal", "full"] = "normal") -> Self:
        """Open the database at a SQLAlchemy URL (`sqlite:////path/main.db`, `postgresql+psycopg://…`).

        Raises:
            Unavailable: the file is no SQLite database, or cannot be read and written.
        """
        return cls(url, durability=durability)

    @staticmethod
    def sqlite_url(path: Path) -> str:
        """The URL of a SQLite file."""
        return URL.create("sqlite", database=str(path.absolute())).render_as_string()

    async def read(self, fn: Callable[[Session], T]) -> T:
        """Run `fn(session)` on a read-only connection in a consistent snapshot and return its result.

        Objects it returns are detached; load what the caller needs inside `fn`.
        """
        if self._closed:
            raise Unavailable("the server is shutting down")
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, fn)

    async def write(self, fn: Callable[[Session], T]) -> T:
        """Run `fn(session)` in a transaction and return its result once that is committed.

        An exception of `fn` undoes its changes alone and is raised here. Cancelling the caller does not undo a
        write that is already queued.
        """
        if self._closed:
            raise Unavailable("the server is shutting down")
        loop = asyncio.get_running_loop()
        if not self.is_sqlite:
            result, callbacks = await loop.run_in_executor(self._readers, self._write_alone, fn)
            for callback in callbacks:
                callback()
            return result
        write = _Write(fn, loop, loop.create_future())
        self._queue.put(write)
        outcome: T = await write.future
        return outcome

    async def close(self) -> None:
        """Finish the queued writes, then close every connection."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        if self.is_sqlite:
            self._queue.put(None)
            await loop.run_in_executor(None, self._writer.join)
        await loop.run_in_executor(None, self._readers.shutdown)
        self._reads.dispose()
        self._writes.dispose()

    def _read(self, fn: Callable[[Session], T]) -> T:
        with Session(self._reads, expire_on_commit=False) as session:
            return fn(session)

    def _write_alone(self, fn: Callable[[Session], T]) -> tuple[T, tuple[Callable[[], None], ...]]:
        with Session(self._writes, expire_on_commit=False) as session, session.begin():
            result = fn(session)
            session.flush()
            return result, tuple(session.info.get(_AFTER_COMMIT, ()))

    def _write_forever(self, connection: Connection) -> None:
        with connection:
            last = False
            while not last and (first := self._queue.get()) is not None:
                batch = [first]
                while len(batch) < BATCH and not self._queue.empty():
                    if (following := self._queue.get()) is None:
                        last = True
                        break
                    batch.append(following)
                _commit(connection, batch)
                _deliver(batch)


def _commit(connection: Connection, batch: list[_Write]) -> None:
    sqlite = cast(sqlite3.Connection, connection.connection.dbapi_connection)
    try:
        sqlite.execute("BEGIN IMMEDIATE")
        for write in batch:
            sqlite.execute("SAVEPOINT write")
            try:
                with Session(connection, expire_on_commit=False) as session:
                    write.result = write.fn(session)
                    session.flush()
                    write.callbacks = tuple(session.info.get(_AFTER_COMMIT, ()))
            except BaseException as error:  # noqa: BLE001 - handed to the caller who waits
                write.error = error
                sqlite.execute("ROLLBACK TO write")
            sqlite.execute("RELEASE write")
        sqlite.execute("COMMIT")
    except Exception as error:
        # The transaction itself failed (a full disk): nobody's change is kept, and everybody is told.
        log.exception("a batch of %d writes could not be committed", len(batch))
        for write in batch:
            write.error = write.error or error
        with suppress(sqlite3.Error):  # the next BEGIN says what is still wrong
            sqlite.rollback()


def _deliver(batch: list[_Write]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Write]] = {}
    for write in batch:
        by_loop.setdefault(write.loop, []).append(write)
    for loop, writes in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, writes)
        except RuntimeError:  # that loop is closed: nobody waits any more
            log.warning("%d writes were committed after their event loop had closed", len(writes))


def _resolve(writes: list[_Write]) -> None:
    for write in writes:
        if write.error is None:
            for callback in write.callbacks:
                try:
                    callback()
                except Exception:  # or the others of the batch would wait for ever
                    log.exception("a callback after a commit failed")
        if write.future.cancelled():
            continue
        if write.error is not None:
            write.future.set_exception(write.error)
        else:
            write.future.set_result(write.result)


def keep_private(path: Path) -> None:
    """See that a SQLite file, made if it is new, is its owner's alone; SQLite gives its log the same mode.

    The folder may be one that others can enter.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise unusable(path, error.strerror) from None


def unusable(path: Path, reason: object) -> Unavailable:
    """The error for a SQLite file that cannot be opened."""
    return Unavailable(
        f"cannot use the database {path}: {reason}; if the file is damaged, move it away and restore a backup"
    )


def _sqlite_engine(path: Path, durability: str, *, readonly: bool) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"check_same_thread": False, "timeout": 30},
        **({"poolclass": QueuePool, "pool_size": READERS} if readonly else {"poolclass": NullPool}),
    )

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not say BEGIN of its own accord
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if durability == 'full' else 'NORMAL'}")
        connection.execute("PRAGMA busy_timeout=30000")
        connection.execute("PRAGMA foreign_keys=ON")
        if readonly:
            connection.execute("PRAGMA query_only=ON")

    if readonly:

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN")

    else:
        # The writer says BEGIN, SAVEPOINT and COMMIT to SQLite itself: through SQLAlchemy a savepoint for
        # each function costs three times as much as all the rest.
        engine.dialect.do_begin = _leave  # type: ignore[method-assign,assignment]
        engine.dialect.do_commit = _leave  # type: ignore[method-assign,assignment]
        engine.dialect.do_rollback = _leave  # type: ignore[method-assign,assignment]

    return engine


def _leave(_connection: Any) -> None:
    """Leave the transaction as it is."""
