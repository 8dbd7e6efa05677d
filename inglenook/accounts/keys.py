"""API keys: `ink-` and 43 URL-safe characters, shown once, kept as SHA-256.

A key acts as its user, or as a team: a key of a group belongs to nobody in it and is managed by administrators and by
those who may EDIT the group.
"""

import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from inglenook.accounts import audit
from inglenook.accounts.grants import Grants
from inglenook.accounts.limits import forget_limits, set_limits
from inglenook.accounts.principal import CONSOLE, Principal, Thing, Verb
from inglenook.accounts.snapshot import LimitFacts, Live
from inglenook.accounts.tables import ApiKey, Group, User
from inglenook.kit.errors import BadInput, Conflict, Forbidden, NotFound
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms
from inglenook.store.database import Store

PREFIX = "ink-"
#: Keys one user can hold, and one group.
MOST, MOST_OF_GROUP = 100, 1000
#: Keys one page of a list holds at most.
PAGE = 200
#: Longest time, in seconds, for which a rotated key's former secret may go on to hold.
LONGEST_OVERLAP = 7 * 24 * 3600


class Secret(NamedTuple):
    """A key that was just made, and the key itself, which cannot be had again."""

    key: ApiKey
    secret: str


class Page(NamedTuple):
    """Keys, newest first; `next` is the `before` of the page that follows, `total` counts those of all pages."""

    keys: list[ApiKey]
    next: str | None
    total: int


class Keys:
    """The API keys of users and groups."""

    def __init__(self, store: Store, live: Live, grants: Grants) -> None:
        self._store = store
        self._live = live
        self._grants = grants

    async def of(self, owner_id: str) -> list[ApiKey]:
        """The keys of a user or group that are not revoked, oldest first, with their last use up to this moment."""
        owned = or_(ApiKey.user_id == owner_id, ApiKey.group_id == owner_id)
        query = select(ApiKey).where(owned, ApiKey.revoked_at.is_(None)).order_by(ApiKey.id)
        return self._with_use(await self._store.read(lambda s: s.scalars(query).all()))

    async def page(
        self, *, owner_id: str | None = None, before: str | None = None, search: str = "", limit: int = PAGE
    ) -> Page:
        """Everybody's keys, or those of one user or group, newest first, or those older than the key `before`.

        Args:
            search: Part of the key's name, of its owner's, or the key's beginning.
        """
        size = min(limit, PAGE)
        chosen: list[ColumnElement[bool]] = [ApiKey.revoked_at.is_(None)]
        if owner_id is not None:
            chosen.append(or_(ApiKey.user_id == owner_id, ApiKey.group_id == owner_id))
        if search:
            chosen.append(_found(search))
        query = select(ApiKey).where(*chosen).order_by(ApiKey.id.desc()).limit(size + 1)
        if before is not None:
            query = query.where(ApiKey.id < before)

        def read(session: Session) -> tuple[list[ApiKey], int]:
            total = session.scalar(select(func.count()).select_from(ApiKey).where(*chosen)) or 0
            return [*session.scalars(query)], total

        rows, total = await self._store.read(read)
        more = rows[size - 1].id if len(rows) > size else None
        return Page(self._with_use(rows[:size]), more, total)

    async def create(
        self,
        actor: Principal,
        owner_id: str,
        name: str,
        *,
        expires_at: int | None = None,
        models: Sequence[str] | None = None,
        tags: Sequence[str] = (),
        limits: LimitFacts | None = None,
    ) -> Secret:
        """Make a key that acts as a user, or as a group. The caller has seen to it that `actor` may.

        Args:
            models: The public names it may call; None: all that its owner may.
            tags: What is on every call made with it, for the conditions of routes.
            limits: How much it may use, besides what its owner may.

        Raises:
            NotFound: there is no such user or group.
            BadInput: it would have expired already.
            Conflict: the owner has too many keys.
        """
        _check_expiry(expires_at)
        secret = _new_secret()

        def write(session: Session) -> ApiKey:
            owner = _owner(session, owner_id)
            key = ApiKey(
                id=new_id("key"),
                user_id=owner_id if isinstance(owner, User) else None,
                group_id=owner_id if isinstance(owner, Group) else None,
                name=name,
                models=_names(models),
                tags=sorted(set(tags)),
                created_at=now_ms(),
                expires_at=expires_at,
            )
            _set_secret(key, secret)
            session.add(key)
            audit.record(session, actor, "key.created", Thing("key", key.id), name=name, **_whose(key))
            if limits is not None:
                set_limits(session, actor, ("key", key.id), limits)
            return key

        return Secret(await self._live.write(write), secret)

    async def change(self, actor: Principal, key_id: str, changes: dict[str, Any]) -> ApiKey:
        """Change `name`, `expires_at`, `models` or `tags`.

        Raises:
            NotFound: there is no such key, or the actor may not know of it.
            BadInput: it would have expired already.
        """
        if "expires_at" in changes:
            _check_expiry(changes["expires_at"])

        def write(session: Session) -> ApiKey:
            key = self._managed(session, actor, key_id)
            for name, value in changes.items():
                setattr(key, name, _names(value) if name in ("models", "tags") else value)
            audit.record(session, actor, "key.changed", Thing("key", key.id), **_whose(key), **changes)
            return key

        return self._with_use([await self._live.write(write)])[0]

    async def rotate(self, actor: Principal, key_id: str, *, overlap: int = 0) -> Secret:
        """Give a key a new secret; its name, limits and history stay.

        Args:
            overlap: Seconds for which the former secret goes on to hold.

        Raises:
            NotFound: there is no such key, or the actor may not know of it.
            Forbidden: it is another user's: who has its secret acts as that user.
        """
        secret = _new_secret()

        def write(session: Session) -> ApiKey:
            key = self._managed(session, actor, key_id)
            if key.user_id not in (None, actor.user_id) and actor != CONSOLE:
                raise Forbidden("a key is rotated by the user it is for; you can revoke it")
            key.former_sha256, key.former_until = None, None
            if overlap:
                key.former_sha256, key.former_until = key.sha256, now_ms() + min(overlap, LONGEST_OVERLAP) * 1000
            _set_secret(key, secret)
            audit.record(session, actor, "key.rotated", Thing("key", key.id), **_whose(key), overlap=overlap)
            return key

        return Secret(self._with_use([await self._live.write(write)])[0], secret)

    async def revoke(self, actor: Principal, key_id: str) -> None:
        """Make a key worthless, at once.

        Raises:
            NotFound: there is no such key, or the actor may not know of it.
        """

        def write(session: Session) -> None:
            key = self._managed(session, actor, key_id)
            key.revoked_at = now_ms()
            forget_limits(session, ("key", key.id))
            audit.record(session, actor, "key.revoked", Thing("key", key.id), name=key.name, **_whose(key))

        await self._live.write(write)

    async def require(self, actor: Principal, key_id: str) -> ApiKey:
        """The key, if `actor` may manage it.

        Raises:
            NotFound: there is no such key, or the actor may not know of it.
        """
        return await self._store.read(lambda session: self._managed(session, actor, key_id))

    async def managed(self, actor: Principal, key_ids: Sequence[str]) -> list[str]:
        """Those of these keys that `actor` may manage."""

        def read(session: Session) -> list[str]:
            query = select(ApiKey).where(ApiKey.id.in_(key_ids), ApiKey.revoked_at.is_(None))
            return [key.id for key in session.scalars(query) if self._manages(actor, key)]

        return await self._store.read(read)

    async def named(self, key_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
        """The names of keys and of their owners' ids, by the keys' ids."""
        query = select(ApiKey.id, ApiKey.name, ApiKey.user_id, ApiKey.group_id).where(ApiKey.id.in_(key_ids))
        rows = await self._store.read(lambda s: s.execute(query).all())
        return {row.id: (row.name, row.user_id or row.group_id or "") for row in rows}

    async def found(self, search: str) -> set[str]:
        """The ids of keys that are searched for: part of the name or the owner's, or how they begin."""
        query = select(ApiKey.id).where(ApiKey.revoked_at.is_(None), _found(search))
        return set(await self._store.read(lambda s: s.scalars(query).all()))

    async def note_uses(self) -> None:
        """Write down when keys were last used; called every minute and at the end."""
        used, self._live.keys_used = self._live.keys_used, {}
        if not used:
            return

        def write(session: Session) -> None:
            for key_id, at in used.items():
                session.execute(update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=at))
                owner = select(ApiKey.user_id).where(ApiKey.id == key_id).scalar_subquery()
                earlier = or_(User.last_seen_at.is_(None), User.last_seen_at < at)
                session.execute(update(User).where(User.id == owner, earlier).values(last_seen_at=at))

        try:
            await self._store.write(write)
        except BaseException:
            self._live.keys_used = {**used, **self._live.keys_used}  # for the next time
            raise

    def _managed(self, session: Session, actor: Principal, key_id: str) -> ApiKey:
        key = session.get(ApiKey, key_id)
        if key is not None and key.revoked_at is None and self._manages(actor, key):
            return key
        raise NotFound(f"there is no key {key_id}, or you may not see it")

    def _manages(self, actor: Principal, key: ApiKey) -> bool:
        if key.group_id is not None:
            return self._grants.may(actor, Verb.EDIT, Thing("group", key.group_id))
        return self._grants.may(actor, Verb.MANAGE, Thing("key", key.id, key.user_id))

    def _with_use(self, keys: Sequence[ApiKey]) -> list[ApiKey]:
        for key in keys:
            key.last_used_at = self._live.keys_used.get(key.id, key.last_used_at)
        return list(keys)


def _owner(session: Session, owner_id: str) -> User | Group:
    """The owner of a key to be made.

    Raises:
        NotFound: there is none.
        Conflict: it has too many keys already.
    """
    owner: User | Group | None = session.get(User, owner_id) or session.get(Group, owner_id)
    if owner is None:
        raise NotFound(f"there is no user or group {owner_id}")
    owned = or_(ApiKey.user_id == owner_id, ApiKey.group_id == owner_id)
    held = session.scalar(select(func.count()).select_from(ApiKey).where(owned, ApiKey.revoked_at.is_(None))) or 0
    who, most = ("user", MOST) if isinstance(owner, User) else ("group", MOST_OF_GROUP)
    if held >= most:
        raise Conflict(f"a {who} holds at most {most} keys; revoke one first")
    return owner


def _found(search: str) -> ColumnElement[bool]:
    """Whether a key is one that is searched for."""
    people = select(User.id).where(
        or_(User.name.icontains(search, autoescape=True), User.display_name.icontains(search, autoescape=True))
    )
    teams = select(Group.id).where(Group.name.icontains(search, autoescape=True))
    named = ApiKey.name.icontains(search, autoescape=True)
    begins = ApiKey.prefix == search[: len(PREFIX) + 6]  # also where the whole key was pasted
    return or_(named, begins, ApiKey.user_id.in_(people), ApiKey.group_id.in_(teams))


def _new_secret() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def _set_secret(key: ApiKey, secret: str) -> None:
    key.sha256 = sha256(secret.encode()).hexdigest()
    key.prefix = secret[: len(PREFIX) + 6]


def _check_expiry(expires_at: int | None) -> None:
    if expires_at is not None and expires_at <= now_ms():
        raise BadInput("the key would have expired already", field="expires_at")


def _names(models: Sequence[str] | None) -> list[str] | None:
    return None if models is None else sorted(set(models))


def _whose(key: ApiKey) -> dict[str, str | None]:
    return {"group_id": key.group_id} if key.group_id is not None else {"user_id": key.user_id}
