"""New passwords for those who forgot theirs, by a link that is good once.

Who asks learns nothing: the answer is the same, and as quick, whether there is such an account or not.
"""

import logging
from typing import NamedTuple

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from inglenook.accounts import audit
from inglenook.accounts.errors import LinkSpent
from inglenook.accounts.mail.letters import RESET
from inglenook.accounts.mail.outbox import Outbox
from inglenook.accounts.principal import Principal, Thing
from inglenook.accounts.tables import PasswordReset, User
from inglenook.accounts.tokens import RESET_PATH, digest, new_token, path
from inglenook.accounts.users import email_key, name_key, replace_password
from inglenook.kit.errors import BadInput, NotFound
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms
from inglenook.store.database import Store

log = logging.getLogger(__name__)

#: Minutes a link is good for, when it was asked for, and when an administrator made it.
MINUTES, MINUTES_BY_HAND = 60, 24 * 60
#: Letters one account gets in an hour at most.
MOST_LETTERS = 3
_HOUR_MS = 3_600_000


class ResetLink(NamedTuple):
    """A link that was just made: `link` is the whole address, if this server's is known, `path` the end of it."""

    path: str
    link: str | None
    expires_at: int


class Resets:
    """Links for new passwords."""

    def __init__(self, store: Store, outbox: Outbox) -> None:
        self._store = store
        self._outbox = outbox

    @property
    def by_mail(self) -> bool:
        """Whether a link can be asked for: letters can be sent, and our own address is known."""
        return self._outbox.is_ready and bool(self._outbox.site.now.public_url)

    async def ask(self, name: str) -> None:
        """Send a link to the user of that name or address, if there is one who can have it. Tells nobody."""
        try:
            address = email_key(name)
        except BadInput:
            address = ""  # then it is a name

        def write(session: Session) -> None:
            user = session.scalar(select(User).where(User.email_key == address))
            user = user or session.scalar(select(User).where(User.name_key == name_key(name)))
            if user is None or user.disabled or user.email is None:
                return
            since = now_ms() - _HOUR_MS
            lately = select(func.count()).where(PasswordReset.user_id == user.id, PasswordReset.created_at > since)
            if (session.scalar(lately) or 0) >= MOST_LETTERS:
                log.warning("user %s asked for a new password too often; no more letters for now", user.name)
                return
            made = self._make(session, user, MINUTES)
            language = user.language or self._outbox.site.now.language
            letter = RESET.fill(language, name=user.display_name, link=made.link, minutes=MINUTES)
            self._outbox.add(session, "reset", user.email, letter, expires_at=made.expires_at)
            actor = Principal(user_id=user.id, name=user.name)
            audit.record(session, actor, "password_reset.asked", Thing("user", user.id))

        await self._store.write(write)

    async def make(self, actor: Principal, user_id: str) -> ResetLink:
        """A link for an administrator to hand on.

        Raises:
            NotFound: there is no such user.
        """

        def write(session: Session) -> ResetLink:
            user = session.get(User, user_id)
            if user is None:
                raise NotFound(f"there is no user {user_id}")
            audit.record(session, actor, "password_reset.made", Thing("user", user.id), name=user.name)
            return self._make(session, user, MINUTES_BY_HAND)

        return await self._store.write(write)

    async def look(self, token: str) -> str:
        """The name of the user a token is for.

        Raises:
            LinkSpent: there is none, it was used, or it has run out.
        """
        return await self._store.read(lambda session: _find(session, token)[1].name)

    def complete(self, session: Session, token: str, hashed: str) -> User:
        """Give the user the new password in the caller's transaction. Their sessions and all their links end.

        Raises:
            LinkSpent: as for `look`.
        """
        reset, user = _find(session, token)
        once = update(PasswordReset).where(PasswordReset.id == reset.id, PasswordReset.used_at.is_(None))
        if not session.execute(once.values(used_at=now_ms())).rowcount:  # type: ignore[attr-defined]
            raise LinkSpent
        actor = Principal(user_id=user.id, name=user.name)
        audit.record(session, actor, "password_reset.used", Thing("user", user.id), name=user.name)
        replace_password(session, actor, user, hashed)
        return user

    def _make(self, session: Session, user: User, minutes: int) -> ResetLink:
        now = now_ms()
        session.execute(delete(PasswordReset).where(PasswordReset.expires_at < now - 24 * _HOUR_MS))
        made = new_token()
        reset = PasswordReset(
            id=new_id("rst"),
            user_id=user.id,
            token_hash=made.digest,
            created_at=now,
            expires_at=now + minutes * 60_000,
        )
        session.add(reset)
        way = path(RESET_PATH, made.token)
        return ResetLink(way, self._outbox.site.now.link(way), reset.expires_at)


def _find(session: Session, token: str) -> tuple[PasswordReset, User]:
    reset = session.scalar(select(PasswordReset).where(PasswordReset.token_hash == digest(token)))
    if reset is None or reset.used_at is not None or reset.expires_at <= now_ms():
        raise LinkSpent
    user = session.get(User, reset.user_id)
    if user is None or user.disabled:
        raise LinkSpent
    return reset, user
