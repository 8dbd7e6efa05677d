"""The purses of this server, and how they are kept in step with the database.

A call is promised its money from a purse's lease at once, if it is free. If it is not, the call waits in line until
more is drawn; all that wait are served by one transaction (`book.turn`). Once a second what was spent is written down
and what is not needed is given back, for all purses together or, of very many, for some in turn: what is spent but not
yet written down is leased, so nobody else can spend it, and a crash does not forget it.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import monotonic

from sqlalchemy.orm import Session

from inglenook.gateway.budgets import book
from inglenook.gateway.budgets.purse import Purse, PurseKey
from inglenook.kit.errors import InglenookError, Unavailable
from inglenook.store.database import Store

log = logging.getLogger(__name__)

#: Seconds between two reports to the database.
REPORT_EVERY = 1.0
#: Purses in one report.
REPORTED = 500
#: Seconds between two signs of life, where several servers share a database.
BEAT_EVERY = 5.0
#: Seconds for which what other servers left in a purse is taken to be still there.
FRESH = 0.5
#: Times a call is tried before it is told that there is nothing.
_TRIES = 3
#: Nobody likes to hold less than this for a purse that rests.
_NEARLY_NOTHING = 1.0

#: Tries to reserve: 0 if that was done, else how much each of its purses must have free. With `last` it raises instead.
Attempt = Callable[[bool], int]


class _Waiting:
    """A call in line."""

    __slots__ = ("attempt", "future", "purses", "tries")

    def __init__(self, attempt: Attempt, purses: tuple[Purse, ...], future: "asyncio.Future[None]") -> None:
        self.attempt = attempt
        self.purses = purses
        self.future = future
        self.tries = 0


class Leases:
    """Finds purses, and draws, settles and gives back.

    Attributes:
        servers: How many servers share the database.
    """

    def __init__(self, store: Store, opening: Callable[[Sequence[PurseKey]], Awaitable[list[int]]]) -> None:
        """
        Args:
            opening: What the ledger knows to have been spent from purses that have no row yet.
        """
        self._store = store
        self._opening = opening
        self._purses: dict[PurseKey, Purse] = {}
        self._awake: list[Purse] = []
        self._line: list[_Waiting] = []
        self._due = False
        self._everything = False
        self._timer: asyncio.TimerHandle | None = None
        self._working: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._on_servers: list[Callable[[int], None]] = []
        #: Called in the transaction in which a purse is first used to 80 or to 100 percent, in the database's thread.
        self.tell: Callable[[Session, book.Reached], None] = _nobody
        self.server_id = ""

    async def start(self) -> None:
        """Make this server known to the others on the database. Without others that can wait until it draws."""
        if not self._store.is_sqlite:
            await self._enter()
            await self._beat()
            self._beating = asyncio.create_task(self._keep_beating(), name="budgets-beat")

    async def stop(self) -> None:
        """Write down what was spent, and give back what is held. Call when no call is under way."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
            self._beating = None
        for purse in self._awake:
            purse.calm()
        await self.report()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.server_id:
            await self._store.write(lambda session: book.leave(session, self.server_id))
            self.server_id = ""

    def on_servers(self, callback: Callable[[int], None]) -> None:
        """Have `callback(number)` called when another number of servers shares the database."""
        self._on_servers.append(callback)

    def purse(self, key: PurseKey, end: int, limit: int) -> Purse:
        """The purse of that key, with the limit it has now."""
        purse = self._purses.get(key)
        if purse is None:
            purse = self._purses[key] = Purse(key, end, limit, self._rouse)
        purse.limit = limit
        return purse

    def held(self, key: PurseKey) -> Purse | None:
        """The purse of that key, if this server has used it."""
        purse = self._purses.get(key)
        return purse if purse is not None and purse.id else None

    def forget_idle(self) -> None:
        """Forget purses that rest. Whoever kept one asks for it anew."""
        self._purses = {key: purse for key, purse in self._purses.items() if purse.awake or not purse.idle}

    def is_fresh(self, purse: Purse) -> bool:
        """Whether what is known of the purse's row still holds."""
        return self._store.is_sqlite or monotonic() - purse.seen < FRESH

    async def refresh(self, keys: Iterable[PurseKey]) -> None:
        """Look at the rows of purses anew, after somebody else changed them."""
        purses = [purse for key in keys if (purse := self.held(key)) is not None]
        if purses:
            await self._load(purses)

    async def wait(self, attempt: Attempt, purses: tuple[Purse, ...]) -> None:
        """Return once `attempt` has reserved.

        Raises:
            InglenookError: what `attempt` raised, or that the database cannot be asked.
        """
        waiting = _Waiting(attempt, purses, asyncio.get_running_loop().create_future())
        for purse in purses:
            purse.waiting += 1
            purse.rouse()
        self._line.append(waiting)
        self._begin()
        try:
            await waiting.future
        finally:
            for purse in purses:
                purse.waiting -= 1

    def unwritten(self) -> int:
        """What was spent and is not in the database yet, in billionths of the currency."""
        return sum(purse.unreported for purse in self._awake)

    async def report(self) -> None:
        """Return once all that was spent so far is in the database, or could not be written."""
        self._due = self._everything = True
        self._begin()
        while self._working is not None:
            await asyncio.shield(self._working)

    # --------------------------------------------------------------------------------------------- internals

    def _rouse(self, purse: Purse) -> None:
        self._awake.append(purse)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(REPORT_EVERY, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._due = True
        self._begin()

    def _begin(self) -> None:
        if self._working is None:
            self._working = asyncio.create_task(self._work(), name="budgets-turn")

    async def _work(self) -> None:
        try:
            while self._due or self._line:
                due = self._reported() if self._due else []
                try:
                    await self._turn(due)
                except Exception as error:
                    log.exception("budgets cannot be read or written; trying again")
                    self._fail(error)
                    break
                finally:
                    self._rest(due)
        finally:
            self._working = None
            self._look_again()

    def _rest(self, due: list[Purse]) -> None:
        """Let those sleep that were looked at and for which there is nothing to do; the others' turn comes again."""
        for purse in due:
            purse.awake = not purse.idle or purse.rate > _NEARLY_NOTHING
            if purse.awake:
                self._awake.append(purse)

    def _look_again(self) -> None:
        if self._awake and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(REPORT_EVERY, self._tick)

    def _reported(self) -> list[Purse]:
        """Whose turn it is: everybody's who is awake or, of very many, theirs who were not looked at for longest."""
        everything, self._due, self._everything = self._everything, False, False
        most = len(self._awake) if everything else REPORTED
        due, self._awake = self._awake[:most], self._awake[most:]
        if not everything:
            now = monotonic()
            for purse in due:
                purse.look(now)
        return due

    async def _turn(self, due: list[Purse]) -> None:
        if not self.server_id:
            await self._enter()
        await self._load({purse for waiting in self._line for purse in waiting.purses if not purse.id})
        wanted = self._serve()
        moved, moves, before = [], [], []
        for purse in dict.fromkeys((*wanted, *due)):
            state = (purse, purse.lease, purse.unreported, purse.refused)
            if purse.id and (move := _move(purse, wanted.get(purse, 0))) is not None:
                moved.append(purse)
                moves.append(move)
                before.append(state)
        if moves:
            try:
                results = await self._store.write(lambda session: book.turn(session, self.server_id, moves, self.tell))
            except BaseException:
                for move, (purse, lease, unreported, refused) in zip(moves, before, strict=True):
                    purse.not_told(lease - move.lease, unreported)
                    purse.refused = purse.refused or refused
                raise
            for purse, moved_to in zip(moved, results, strict=True):
                self._note(purse, moved_to)
        self._serve()

    def _note(self, purse: Purse, moved: book.Moved) -> None:
        purse.spent, purse.leased, purse.seen = moved.spent, moved.leased, monotonic()
        purse.free += moved.drawn
        purse.told = moved.warned

    async def _load(self, purses: Iterable[Purse]) -> None:
        """Read the rows of purses, making those that are new."""
        missing = sorted(purses, key=lambda purse: purse.key)
        if not missing:
            return
        there = await self._store.read(lambda session: book.existing(session, [purse.key for purse in missing]))
        new = [purse.key for purse in missing if purse.key not in there]
        openings = dict(zip(new, await self._opening(new), strict=True))
        wanted = [(purse.key, openings.get(purse.key, 0)) for purse in missing]
        rows = await self._store.write(lambda session: book.find(session, wanted))
        for purse, (row_id, spent, leased) in zip(missing, rows, strict=True):
            purse.id, purse.spent, purse.leased, purse.seen = row_id, spent, leased, monotonic()

    def _serve(self) -> dict[Purse, int]:
        """Try everybody in line; gives what those who stay want of each purse."""
        wanted: dict[Purse, int] = {}
        stay = []
        for waiting in self._line:
            if waiting.future.done():  # its caller went away
                continue
            waiting.tries += 1
            try:
                lacking = waiting.attempt(waiting.tries > _TRIES)
            except InglenookError as error:
                waiting.future.set_exception(error)
                continue
            if not lacking:
                waiting.future.set_result(None)
                continue
            stay.append(waiting)
            for purse in waiting.purses:
                wanted[purse] = wanted.get(purse, 0) + lacking
        self._line = stay
        return wanted

    def _fail(self, error: Exception) -> None:
        line, self._line = self._line, []
        for waiting in line:
            if not waiting.future.done():
                known = isinstance(error, InglenookError)
                waiting.future.set_exception(error if known else Unavailable("budgets cannot be checked at the moment"))

    async def _enter(self) -> None:
        name, alone = f"{socket.gethostname()}:{os.getpid()}"[:120], self._store.is_sqlite
        self.server_id = await self._store.write(lambda session: book.enter(session, name, alone=alone))

    async def _beat(self) -> None:
        servers = await self._store.write(lambda session: book.beat(session, self.server_id))
        for callback in self._on_servers:
            callback(servers)

    async def _keep_beating(self) -> None:
        while True:
            await asyncio.sleep(BEAT_EVERY)
            try:
                await self._beat()
            except InglenookError:
                return  # the store is closed
            except Exception:
                log.exception("cannot tell other servers that this one is alive; trying again")


def _move(purse: Purse, wanted: int) -> book.Move | None:
    """What to do to a purse's row, if there is something; done to the purse itself already, but for what will be
    drawn."""
    spent, free, ahead = purse.unreported, purse.free, purse.ahead
    back = free - ahead if not wanted and free > 2 * ahead else 0
    if not (wanted or spent or back or purse.refused or free < 0):
        return None
    refused, purse.refused = purse.refused, False
    purse.told_spent(back)
    return book.Move(purse.id, purse.key, purse.limit, spent, purse.lease, max(0, wanted - free), ahead, refused)


def _nobody(_session: Session, _reached: book.Reached) -> None:
    """Nobody wants to know."""
