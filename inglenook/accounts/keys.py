"""API keys: `ink-` and 43 URL-safe characters, shown once, kept as SHA-256."""

import secrets
from hashlib import sha256

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from inglenook.accounts import audit
from inglenook.accounts.grants import Grants
from inglenook.accounts.principal import Principal, Thing, Verb
from inglenook.accounts.snapshot import Live
from inglenook.accounts.tables import ApiKey, User
from inglenook.kit.errors import BadInput, Conflict, NotFound
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms
from inglenook.store.database import Store

PREFIX = "ink-"
#: Keys one user can hold.
MOST = 100


class Keys:
    """A user's API keys."""

    def __init__(self, store: Store, live: Live, grants: Grants) -> None:
        self._store = store
        self._live = live
        self._grants = grants

    async def of_user(self, user_id: str) -> list[ApiKey]:
        """The user's keys that are not revoked, oldest first, with their last use up to this moment."""
        query = select(ApiKey).where(ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None)).order_by(ApiKey.id)
        keys = await self._store.read(lambda s: [*s.scalars(query)])
        for key in keys:
            key.last_used_at = self._live.keys_used.get(key.id, key.last_used_at)
        return keys

    async def create(
        self, actor: Principal, user_id: str, name: str, *, expires_at: int | None = None
    ) -> tuple[ApiKey, str]:
        """Make a key that acts as the user. The second value is the key itself; it cannot be had again.

        Raises:
            BadInput: it would have expired already.
            Conflict: the user has too many keys.
        """
        if expires_at is not None and expires_at <= now_ms():
            raise BadInput("the key would have expired already", field="expires_at")
        secret = PREFIX + secrets.token_urlsafe(32)

        def write(session: Session) -> ApiKey:
            if session.get(User, user_id) is None:
                raise NotFound(f"there is no user {user_id}")
            held = session.query(ApiKey).where(ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None)).count()
            if held >= MOST:
                raise Conflict(f"a user holds at most {MOST} keys; revoke one first")
            key = ApiKey(
                id=new_id("key"),
                user_id=user_id,
                name=name,
                sha256=sha256(secret.encode()).hexdigest(),
                prefix=secret[: len(PREFIX) + 6],
                created_at=now_ms(),
                expires_at=expires_at,
            )
            session.add(key)
            audit.record(session, actor, "key.created", Thing("key", key.id), name=name, user_id=user_id)
            return key

        return await self._live.write(write), secret

    async def revoke(self, actor: Principal, key_id: str) -> None:
        """Make a key worthless, at once.

        Raises:
            NotFound: there is no such key, or the actor may not know of it.
        """
        missing = NotFound(f"there is no key {key_id}, or you may not see it")

        def write(session: Session) -> None:
            key = session.get(ApiKey, key_id)
            if key is None or key.revoked_at is not None:
                raise missing
            self._grants.require(actor, Verb.MANAGE, Thing("key", key.id, key.user_id))
            key.revoked_at = now_ms()
            audit.record(session, actor, "key.revoked", Thing("key", key.id), name=key.name, user_id=key.user_id)

        await self._live.write(write)

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
