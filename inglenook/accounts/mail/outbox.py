"""Letters on their way: written in the transaction of what they tell of, sent by a task of its own.

A letter waits encrypted in the table `mail` (it may hold a link that is as good as a password) and is deleted when the
mail server has taken it. What a mail server does not take now is tried again, less and less often, for a day; what it
will never take stays for a week to be seen.
"""

import asyncio
import logging
from contextlib import suppress
from typing import NamedTuple

import orjson
from msgspec import Struct
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from inglenook.accounts import audit
from inglenook.accounts.mail import smtp
from inglenook.accounts.mail.letters import Letter
from inglenook.accounts.mail.settings import MAIL, SITE, MailSettings
from inglenook.accounts.mail.smtp import MailFailed
from inglenook.accounts.principal import Principal, Thing
from inglenook.accounts.settings import RuntimeSettings
from inglenook.accounts.tables import MailRow
from inglenook.kit.errors import Conflict, InglenookError, NotFound, Unavailable
from inglenook.kit.http.guard import AddressGuard
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms
from inglenook.store.database import Store, after_commit
from inglenook.store.secrets import Secrets

log = logging.getLogger(__name__)

#: Seconds between two looks at the table, where nobody wakes the task before.
LOOK_EVERY = 60.0
#: Seconds that a stop leaves to a letter under way.
GRACE = 2.0
#: Milliseconds for which who took a letter to send it has it alone: longer than `smtp.WHOLE`.
TAKEN_MS = 3 * 60_000
#: Minutes until a letter is tried again, by how often it was.
AGAIN = (1, 5, 15, 60, 240, 480, 640)
#: Milliseconds for which letters are kept, sent or not, and between two looks for older ones.
KEPT_MS, _TIDY_MS = 7 * 86_400_000, 3_600_000
#: When a letter that was given up is due.
NEVER = 1 << 62


class Waiting(Struct, frozen=True, kw_only=True):
    """A letter that is not sent yet. `failed`: it will not be tried again."""

    id: str
    kind: str
    address: str
    created_at: int
    attempts: int
    error: str | None
    failed: bool


class _Taken(NamedTuple):
    """A letter that is to be sent now."""

    id: str
    address: str
    ciphertext: str
    attempts: int
    expires_at: int | None


class Outbox:
    """Keeps letters and sends them."""

    def __init__(self, store: Store, secrets: Secrets, settings: RuntimeSettings) -> None:
        self._store = store
        self._secrets = secrets
        self.mail = settings.register(MAIL)
        self.site = settings.register(SITE)
        self.mail.on_change(self._changed)
        self._guard = AddressGuard()
        self._woken = asyncio.Event()
        self._try_all = False
        self._tidied = now_ms()
        self._stopping = False
        self._sending: asyncio.Task[None] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether letters can be sent."""
        return self.mail.now.is_ready

    def start(self) -> None:
        """Begin to send."""
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_forever(), name="mail-outbox")

    async def stop(self) -> None:
        """Stop sending, a letter under way first if that is quick. What waits is sent after the next start."""
        if self._sending is None:
            return
        self._stopping = True
        self.wake()
        await asyncio.wait([self._sending], timeout=GRACE)
        self._sending.cancel()
        await asyncio.gather(self._sending, return_exceptions=True)
        self._sending, self._stopping = None, False

    def wake(self) -> None:
        """There may be something to send."""
        self._woken.set()

    def add(
        self,
        session: Session,
        kind: str,
        address: str,
        letter: Letter,
        *,
        about: str | None = None,
        expires_at: int | None = None,
    ) -> None:
        """Write a letter in the caller's transaction; it is on its way once that is committed.

        Args:
            kind: For administrators: `invitation`, `reset`, `budget`.
            about: Id of what it goes away with (`forget`).
            expires_at: When it is of no use any more (ms).
        """
        now = now_ms()
        session.add(
            MailRow(
                id=new_id("mail"),
                kind=kind,
                address=address,
                about=about,
                ciphertext=self._secrets.encrypt(orjson.dumps([*letter]).decode()),
                created_at=now,
                expires_at=expires_at,
                next_at=now,
                attempts=0,
            )
        )
        after_commit(session, self.wake)

    def forget(self, session: Session, about: str) -> None:
        """Throw away what waits about something that is no more, in the caller's transaction."""
        session.execute(delete(MailRow).where(MailRow.about == about))

    async def try_out(self, address: str, letter: Letter) -> None:
        """Send a letter now.

        Raises:
            Conflict: no mail server is set.
            MailFailed: it does not work; the message says why.
        """
        if not self.is_ready:
            raise Conflict("there is no mail server yet; enter its host and the sender under Admin, E-mail")
        await smtp.send(self.mail.now, address, letter, guard=self._guard)

    async def waiting(self) -> list[Waiting]:
        """The letters that are not sent yet, newest first."""
        query = select(MailRow).order_by(MailRow.id.desc()).limit(200)
        rows = await self._store.read(lambda session: session.scalars(query).all())
        return [
            Waiting(
                id=row.id,
                kind=row.kind,
                address=row.address,
                created_at=row.created_at,
                attempts=row.attempts,
                error=row.error,
                failed=row.next_at == NEVER,
            )
            for row in rows
        ]

    async def again(self, actor: Principal, letter_id: str) -> None:
        """Try a letter again now, also one that was given up.

        Raises:
            NotFound: there is none; it was sent.
        """

        def write(session: Session) -> None:
            row = _get(session, letter_id)
            row.next_at, row.attempts = now_ms(), 0
            audit.record(session, actor, "mail.retried", Thing("mail", letter_id), address=row.address, kind=row.kind)
            after_commit(session, self.wake)

        await self._store.write(write)

    async def drop(self, actor: Principal, letter_id: str) -> None:
        """Throw a letter away.

        Raises:
            NotFound: there is none; it was sent.
        """

        def write(session: Session) -> None:
            row = _get(session, letter_id)
            audit.record(session, actor, "mail.dropped", Thing("mail", letter_id), address=row.address, kind=row.kind)
            session.delete(row)

        await self._store.write(write)

    async def send_due(self) -> None:
        """Send what is due now."""
        now = now_ms()
        if now - self._tidied > _TIDY_MS:
            self._tidied = now
            await self._store.write(_tidy)
        if self._try_all:
            self._try_all = False
            # Not what is being sent in this moment; what is due so soon comes by itself.
            anew = update(MailRow).where(MailRow.next_at > now + TAKEN_MS).values(next_at=now, attempts=0)
            await self._store.write(lambda session: session.execute(anew))
        while self.is_ready and not self._stopping and await self._due_in() <= 0:
            taken = await self._store.write(_take)
            if taken is None:  # another server was quicker
                return
            await self._send(taken)

    async def _send_forever(self) -> None:
        await self._store.write(_tidy)
        if self._store.is_sqlite:  # nobody else sends: what a killed server had taken is free again
            free = update(MailRow).where(MailRow.attempts > 0, MailRow.next_at < NEVER).values(next_at=now_ms())
            await self._store.write(lambda session: session.execute(free))
        while not self._stopping:
            self._woken.clear()
            wait = LOOK_EVERY
            try:
                await self.send_due()
                if self.is_ready:
                    wait = min(LOOK_EVERY, max(await self._due_in(), 0.1))
            except Unavailable:
                return  # the store is closed
            except Exception:
                log.exception("cannot send e-mails; trying again")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), 0 if self._stopping else wait)

    async def _due_in(self) -> float:
        """Seconds until a letter is due."""
        first = await self._store.read(lambda session: session.scalar(select(func.min(MailRow.next_at))))
        return (NEVER if first is None else first - now_ms()) / 1000

    async def _send(self, letter: _Taken) -> None:
        try:
            written = Letter(*orjson.loads(self._secrets.decrypt(letter.ciphertext)))
            await smtp.send(self.mail.now, letter.address, written, guard=self._guard)
        except MailFailed as error:
            await self._failed(letter, error, final=bool(error.details["final"]))
        except InglenookError as error:  # another key file
            await self._failed(letter, error, final=True)
        else:
            await self._store.write(lambda session: session.execute(delete(MailRow).where(MailRow.id == letter.id)))

    async def _failed(self, letter: _Taken, error: InglenookError, *, final: bool) -> None:
        now = now_ms()
        tries = letter.attempts
        again = NEVER if final or tries > len(AGAIN) else now + AGAIN[tries - 1] * 60_000
        if letter.expires_at is not None and again > letter.expires_at:
            again = NEVER
        log.warning("an e-mail to %s was not sent: %s", letter.address, error.message)

        def write(session: Session) -> None:
            row = session.get(MailRow, letter.id)
            if row is not None:
                row.next_at, row.error = again, error.message[:1000]

        await self._store.write(write)

    def _changed(self, _: MailSettings) -> None:
        """What the former mail server did not take, another may."""
        self._try_all = True
        self.wake()


def _take(session: Session) -> _Taken | None:
    """The letter that is due first, for the caller alone for a while."""
    now = now_ms()
    session.execute(delete(MailRow).where(MailRow.expires_at < now, MailRow.next_at < NEVER))
    due = select(MailRow).where(MailRow.next_at <= now).order_by(MailRow.id).limit(1)
    row = session.scalar(due.with_for_update(skip_locked=True))
    if row is None:
        return None
    row.next_at = now + TAKEN_MS
    row.attempts += 1
    return _Taken(row.id, row.address, row.ciphertext, row.attempts, row.expires_at)


def _tidy(session: Session) -> None:
    session.execute(delete(MailRow).where(MailRow.created_at < now_ms() - KEPT_MS))


def _get(session: Session, letter_id: str) -> MailRow:
    row = session.get(MailRow, letter_id)
    if row is None:
        raise NotFound("that e-mail was sent, or thrown away")
    return row
