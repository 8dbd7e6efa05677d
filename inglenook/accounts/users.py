"""Users: made, changed and deleted by administrators, by the command line, and (their own profile) by themselves."""

import re
import unicodedata
from collections.abc import Callable
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from inglenook.accounts import audit, sessions
from inglenook.accounts.errors import LastAdmin, NameTaken, WrongPassword
from inglenook.accounts.grants import remove_grants_of
from inglenook.accounts.limits import forget_limits, forget_limits_of_keys
from inglenook.accounts.passwords import Passwords
from inglenook.accounts.principal import Principal, Role, Thing
from inglenook.accounts.snapshot import Live
from inglenook.accounts.tables import GroupMember, PasswordReset, User
from inglenook.kit.errors import BadInput, NotFound
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms
from inglenook.store.database import Store

_LONGEST_NAME = 64
_LONGEST_EMAIL = 254
#: Enough to tell an address from a slip of the pen; whether it is one, a letter tells.
_EMAIL = re.compile(r"[^\s@<>\"(),:;\\\[\]\x00-\x1f]{1,64}@[^\s@<>\"(),:;\\\[\]\x00-\x1f]+")
#: Matters of taste are nobody's business but the user's: no audit record.
_TASTE = frozenset({"language", "theme"})


class Users:
    """The people of this server."""

    def __init__(self, store: Store, live: Live, passwords: Passwords) -> None:
        self._store = store
        self._live = live
        self._passwords = passwords
        self._on_deleted: list[Callable[[Session, str], None]] = []

    def on_deleted(self, callback: Callable[[Session, str], None]) -> None:
        """Have `callback(session, user_id)` called in the transaction that deletes a user, before its row goes."""
        self._on_deleted.append(callback)

    async def everybody(self) -> list[User]:
        """All users, oldest first."""
        return await self._store.read(lambda s: [*s.scalars(select(User).order_by(User.id))])

    async def find(self, name: str) -> User:
        """The user of that name, whatever its case.

        Raises:
            NotFound: there is none.
        """
        user = await self.named(name)
        if user is None:
            raise NotFound(f"there is no user {name!r}")
        return user

    async def named(self, name: str) -> User | None:
        """The user of that name, or None."""
        return await self._store.read(lambda s: s.scalar(select(User).where(User.name_key == name_key(name))))

    async def create(
        self,
        actor: Principal,
        name: str,
        password: str,
        role: Role,
        *,
        display_name: str | None = None,
        email: str | None = None,
    ) -> User:
        """Make a user.

        Raises:
            BadInput: the name, the password or the address will not do.
            NameTaken: somebody has that name or address.
        """
        check_name(name)
        hashed = await self._passwords.hash(password)
        more = {"display_name": display_name, "email": email}
        return await self._live.write(lambda s: add_user(s, actor, name, hashed, role, **more))

    async def change(self, actor: Principal, user_id: str, changes: dict[str, Any]) -> User:
        """Change `role`, `disabled`, `display_name`, `language`, `theme`, `email`, `team_id` or `password`.

        A disabled user is signed out everywhere; its keys rest until it is enabled again. A new password, too, ends
        the user's sessions.

        Raises:
            BadInput: the password or the address will not do, or the user is not in that team.
            NotFound: there is no such user.
            NameTaken: somebody else has that address.
            LastAdmin: nobody would be left to administer the server.
        """

        changes = dict(changes)
        password = changes.pop("password", None)
        hashed = None if password is None else await self._passwords.hash(password)

        def write(session: Session) -> User:
            user = _get(session, user_id)
            administered = count_admins(session) > 0
            was = {name: getattr(user, name) for name in changes}
            for name, value in changes.items():
                if name == "email":
                    set_email(session, user, value)
                    end_links(session, user_id)  # those that went to the old address
                    continue
                if name == "team_id" and value is not None:
                    _check_member(session, user_id, value)
                setattr(user, name, value)
            session.flush()
            _check_admin_left(session, administered)
            if hashed is not None:
                replace_password(session, actor, user, hashed)
            if user.disabled:
                sessions.end_all(session, user_id)
            changed = {name: value for name, value in changes.items() if was[name] != value and name not in _TASTE}
            if changed:
                audit.record(session, actor, "user.changed", Thing("user", user_id), name=user.name, **changed)
            return user

        return await self._live.write(write)

    async def delete(self, actor: Principal, user_id: str) -> None:
        """Delete a user with all that is theirs.

        Raises:
            NotFound: there is no such user.
            LastAdmin: nobody would be left to administer the server.
        """

        def write(session: Session) -> None:
            user = _get(session, user_id)
            administered = count_admins(session) > 0
            audit.record(session, actor, "user.deleted", Thing("user", user_id), name=user.name)
            for callback in self._on_deleted:
                callback(session, user_id)
            remove_grants_of(session, ("user", user_id))
            forget_limits_of_keys(session, user_id=user_id)
            forget_limits(session, ("user", user_id))
            session.delete(user)
            session.flush()
            _check_admin_left(session, administered)

        await self._live.write(write)

    async def set_password(self, actor: Principal, user_id: str, password: str, *, keep: str | None = None) -> None:
        """Give a user a new password and end their sessions, except the one with id `keep`.

        Raises:
            BadInput: the password will not do.
            NotFound: there is no such user.
        """
        hashed = await self._passwords.hash(password)

        def write(session: Session) -> None:
            replace_password(session, actor, _get(session, user_id), hashed, keep=keep)

        await self._live.write(write)

    async def check_password(self, user_id: str, password: str, *, field: str = "current") -> None:
        """Raise `WrongPassword` unless it is the user's."""
        hashed = await self._store.read(lambda s: s.scalar(select(User.password_hash).where(User.id == user_id)))
        if not await self._passwords.verify(hashed, password):
            raise WrongPassword("that is not your current password", field=field)


def add_user(
    session: Session,
    actor: Principal,
    name: str,
    hashed: str,
    role: Role,
    *,
    display_name: str | None = None,
    email: str | None = None,
) -> User:
    """Add a user in the caller's transaction (a `Live.write`).

    Raises:
        BadInput: the name or the address will not do.
        NameTaken: somebody has that name or address.
    """
    check_name(name)
    name = unicodedata.normalize("NFC", name)
    key = name_key(name)
    if session.scalar(select(User.id).where(User.name_key == key)) is not None:
        raise NameTaken(f"there is a user {name!r} already; choose another name", field="name")
    user = User(
        id=new_id("usr"),
        name=name,
        name_key=key,
        display_name=display_name or name,
        role=role.value,
        password_hash=hashed,
        disabled=False,
        created_at=now_ms(),
    )
    set_email(session, user, email)
    session.add(user)
    audit.record(session, actor, "user.created", Thing("user", user.id), name=name, role=role.value)
    return user


def set_email(session: Session, user: User, email: str | None) -> None:
    """Set a user's address in the caller's transaction.

    Raises:
        BadInput: it is no address.
        NameTaken: another user has it.
    """
    if email is None:
        user.email = user.email_key = None
        return
    email, key = email.strip(), email_key(email)
    with session.no_autoflush:
        if session.scalar(select(User.id).where(User.email_key == key, User.id != user.id)) is not None:
            raise NameTaken("another user has that e-mail address", field="email")
    user.email, user.email_key = email, key


def email_key(email: str) -> str:
    """What two ways to write an e-mail address have in common.

    Raises:
        BadInput: it is none.
    """
    email = unicodedata.normalize("NFKC", email.strip())
    if len(email) > _LONGEST_EMAIL or not _EMAIL.fullmatch(email):
        raise BadInput("that is not an e-mail address", field="email")
    return email.casefold()


def check_name(name: str) -> None:
    """Raise `BadInput` unless a user may be called that."""
    letters = all(char.isalnum() or char in "._-@+" or unicodedata.category(char)[0] == "M" for char in name)
    if not letters or not 1 <= len(name) <= _LONGEST_NAME or unicodedata.category(name[0])[0] == "M":
        raise BadInput(
            "a user name has 1 to 64 letters or digits (of any script) or the characters . _ - @ +", field="name"
        )


def name_key(name: str) -> str:
    """What two names that look alike have in common."""
    return unicodedata.normalize("NFKC", name).casefold()[:200]


def count_admins(session: Session) -> int:
    """Administrators who can sign in."""
    query = select(func.count()).select_from(User).where(User.role == Role.ADMIN.value, User.disabled.is_(False))
    return session.scalar(query) or 0


def replace_password(session: Session, actor: Principal, user: User, hashed: str, *, keep: str | None = None) -> None:
    """Give a user a new password and end their sessions, except the one with id `keep`, and their links for a new one,
    in the caller's transaction."""
    user.password_hash = hashed
    end_links(session, user.id)
    sessions.end_all(session, user.id, but=keep)
    audit.record(session, actor, "user.password_set", Thing("user", user.id), name=user.name)


def end_links(session: Session, user_id: str) -> None:
    """Make a user's links for a new password worthless, in the caller's transaction."""
    unused = update(PasswordReset).where(PasswordReset.user_id == user_id, PasswordReset.used_at.is_(None))
    session.execute(unused.values(used_at=now_ms()))


def _check_admin_left(session: Session, administered: bool) -> None:
    if administered and count_admins(session) == 0:
        raise LastAdmin


def _check_member(session: Session, user_id: str, group_id: str) -> None:
    if session.get(GroupMember, (group_id, user_id)) is None:
        raise BadInput("the team that pays is one of the groups the user is in", field="team_id")


def _get(session: Session, user_id: str) -> User:
    user = session.get(User, user_id)
    if user is None:
        raise NotFound(f"there is no user {user_id}")
    return user
