"""Who exists and what was granted, in memory: what every request asks, so that no request waits on the database.

`Snapshot` is immutable and made from the tables in one go. `Live` holds the newest one; its `write` is the only door
through which the tables behind it change: it locks the version row, runs the change, and reads the new snapshot in
the same transaction, so that once `write` returns, everybody in this process acts on the change. Other processes
(several servers on PostgreSQL) notice by the version number within half a second.
"""

import asyncio
import logging
from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from inglenook.accounts.principal import Principal, Role, Verb
from inglenook.accounts.tables import AccountsState, ApiKey, Grant, Group, GroupMember, Limit, SettingsRow, User
from inglenook.kit.errors import InglenookError
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms
from inglenook.store.database import Store, after_commit

log = logging.getLogger(__name__)
T = TypeVar("T")

#: Seconds between two looks at the version number, where other processes may change it.
WATCH_EVERY = 0.5
#: Subject of grants that hold for everyone, and of the limits of all together.
EVERYONE = ALL_TOGETHER = ("everyone", "")
#: Subject of the limits of each user who has none of their own.
EACH_USER = ("default", "")
_NEVER = 1 << 62


class UserFacts(Struct, frozen=True, kw_only=True):
    """A user as permissions and requests need it. `team_id` is the group that pays (`_team`); `tags` are those of all
    of its groups."""

    id: str
    name: str
    display_name: str
    role: Role
    groups: frozenset[str]
    language: str | None
    theme: str | None
    disabled: bool
    created_at: int
    email: str | None
    team_id: str | None
    tags: frozenset[str] = frozenset()


class GroupFacts(Struct, frozen=True, kw_only=True):
    """A group. The one that pays for a user or a key is their team."""

    id: str
    name: str
    members: frozenset[str]
    created_at: int
    tags: frozenset[str] = frozenset()


class LimitFacts(Struct, frozen=True, kw_only=True):
    """How much a subject may use; None is without limit. Amounts are in billionths of the billing currency."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_requests: int | None = None
    amount_per_day: int | None = None
    amount_per_month: int | None = None

    @property
    def has_rates(self) -> bool:
        """Whether requests or tokens are limited."""
        return not (self.requests_per_minute is self.tokens_per_minute is self.concurrent_requests is None)

    @property
    def has_amount(self) -> bool:
        """Whether money is limited."""
        return self.amount_per_day is not None or self.amount_per_month is not None


class KeyFacts(NamedTuple):
    """A key that is not revoked, and whom it stands for."""

    principal: Principal
    expires_at: int | None


class StoredSettings(NamedTuple):
    """A section of the runtime settings as the table has it."""

    settings: dict[str, Any]
    secret: str | None
    updated_at: int


Subject = tuple[str, str]
Granted = dict[tuple[str, str | None], frozenset[Verb]]


class Snapshot(Struct, frozen=True, kw_only=True):
    """Accounts at one version. Keys of disabled users are not in it.

    Attributes:
        keys: By the SHA-256 digest of the whole key.
        live_keys: Ids of the keys in `keys`.
        grants: Verbs as granted (implications are `accounts.grants`' matter), by subject, then by kind and id.
        limits: By subject (`accounts.limits`).
        settings: Sections that were changed; `accounts.settings` reads them.
    """

    version: int
    users: dict[str, UserFacts]
    groups: dict[str, GroupFacts]
    keys: dict[bytes, KeyFacts]
    live_keys: frozenset[str]
    grants: dict[Subject, Granted]
    limits: dict[Subject, LimitFacts]
    settings: dict[str, StoredSettings]

    @property
    def has_admin(self) -> bool:
        """Whether somebody can administer the server."""
        return any(user.role is Role.ADMIN and not user.disabled for user in self.users.values())


EMPTY = Snapshot(version=-1, users={}, groups={}, keys={}, live_keys=frozenset(), grants={}, limits={}, settings={})


class Live:
    """The newest snapshot. The object stays the same for the life of the server; what it shows changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._now = EMPTY
        self._watcher: asyncio.Task[None] | None = None
        self._on_change: list[Callable[[Snapshot], None]] = []
        #: When each key was last used, until that is written down.
        self.keys_used: dict[str, int] = {}

    @property
    def now(self) -> Snapshot:
        """The newest snapshot."""
        return self._now

    @property
    def version(self) -> int:
        """Its number; grows with every change."""
        return self._now.version

    def on_change(self, callback: Callable[[Snapshot], None]) -> None:
        """Have `callback` called with each new snapshot, on the event loop. It must not raise."""
        self._on_change.append(callback)

    def principal_for_key(self, credential: bytes) -> Principal | None:
        """Whom an API key (`ink-…`, as sent, without its scheme word) stands for; None if it is not good."""
        facts = self._now.keys.get(sha256(credential).digest())
        if facts is None:
            return None
        now = now_ms()
        if facts.expires_at is not None and facts.expires_at <= now:
            return None
        self.keys_used[facts.principal.key_id or ""] = now
        return facts.principal

    def principal_for_user(self, user_id: str) -> Principal | None:
        """The user as a principal; None if there is no such user or it is disabled."""
        user = self._now.users.get(user_id)
        return None if user is None or user.disabled else as_principal(user)

    async def write(self, fn: Callable[[Session], T]) -> T:
        """Run a change of accounts in one transaction; once this returns, the snapshot shows it."""

        def change(session: Session) -> T:
            version = _lock(session)
            result = fn(session)
            session.flush()
            snapshot = _load(session, version)
            after_commit(session, lambda: self._show(snapshot))
            return result

        return await self._store.write(change)

    async def load(self) -> None:
        """Read the snapshot as it is, creating the first one (with its default grants) in a new database."""
        if await self._store.read(_version) is None:
            await self.write(lambda _session: None)
        else:
            self._show(await self._store.read(lambda s: _load(s, _version(s) or 0)))

    def watch(self) -> None:
        """Follow changes that other processes make. On SQLite there are none: one process holds the file."""
        if not self._store.is_sqlite and self._watcher is None:
            self._watcher = asyncio.create_task(self._watch(), name="accounts-watch")

    async def stop(self) -> None:
        """Stop following."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None

    def _show(self, snapshot: Snapshot) -> None:
        if snapshot.version > self._now.version:
            self._now = snapshot
            for callback in self._on_change:
                callback(snapshot)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_EVERY)
            try:
                if (await self._store.read(_version) or 0) > self._now.version:
                    await self.load()
            except InglenookError:
                return  # the store is closed
            except Exception:
                log.exception("cannot see whether accounts changed; trying again")


def as_principal(
    user: UserFacts,
    key_id: str | None = None,
    models: frozenset[str] | None = None,
    tags: frozenset[str] = frozenset(),
) -> Principal:
    """A user as somebody who acts; `tags` are the key's own."""
    return Principal(
        user_id=user.id,
        name=user.name,
        role=user.role,
        groups=user.groups,
        key_id=key_id,
        team_id=user.team_id,
        models=models,
        tags=user.tags | tags,
    )


def team_as_principal(
    group: GroupFacts, key_id: str, models: frozenset[str] | None = None, tags: frozenset[str] = frozenset()
) -> Principal:
    """A team's key as somebody who acts; `tags` are the key's own."""
    return Principal(
        user_id=group.id,
        name=group.name,
        groups=frozenset({group.id}),
        key_id=key_id,
        team_id=group.id,
        models=models,
        tags=group.tags | tags,
    )


def _version(session: Session) -> int | None:
    return session.scalar(select(AccountsState.version).where(AccountsState.id == 1))


def _lock(session: Session) -> int:
    """Lock the version row until the transaction ends, creating it with the default grants in a new database."""
    created = session.execute(
        text("INSERT INTO accounts_state (id, version) VALUES (1, 0) ON CONFLICT (id) DO NOTHING RETURNING id")
    ).all()
    if created:
        session.add(
            Grant(
                id=new_id("grt"),
                subject_kind=EVERYONE[0],
                subject_id=EVERYONE[1],
                verb=Verb.USE.value,
                thing_kind="model",
                thing_id=None,
                created_at=now_ms(),
            )
        )
    session.execute(update(AccountsState).where(AccountsState.id == 1).values(version=AccountsState.version + 1))
    return _version(session) or 0


def _load(session: Session, version: int) -> Snapshot:
    members: dict[str, set[str]] = {}
    memberships: dict[str, set[str]] = {}
    for group_id, user_id in session.execute(select(GroupMember.group_id, GroupMember.user_id)):
        members.setdefault(group_id, set()).add(user_id)
        memberships.setdefault(user_id, set()).add(group_id)
    groups = {
        row.id: GroupFacts(
            id=row.id,
            name=row.name,
            members=frozenset(members.get(row.id, ())),
            created_at=row.created_at,
            tags=frozenset(row.tags),
        )
        for row in session.execute(select(*Group.__table__.columns))
    }
    limits = _load_limits(session)
    users = {
        row.id: UserFacts(
            id=row.id,
            name=row.name,
            display_name=row.display_name,
            role=Role(row.role),
            groups=frozenset(memberships.get(row.id, ())),
            language=row.language,
            theme=row.theme,
            disabled=row.disabled,
            created_at=row.created_at,
            email=row.email,
            team_id=_team(row.team_id, memberships.get(row.id, set()), limits),
            tags=frozenset(tag for group_id in memberships.get(row.id, ()) for tag in groups[group_id].tags),
        )
        for row in session.execute(select(*User.__table__.columns))
    }
    keys = _load_keys(session, users, groups)
    return Snapshot(
        version=version,
        users=users,
        groups=groups,
        keys=keys,
        live_keys=frozenset(facts.principal.key_id or "" for facts in keys.values()),
        grants=_load_grants(session),
        limits=limits,
        settings={
            row.section: StoredSettings(row.settings, row.secret, row.updated_at)
            for row in session.execute(select(*SettingsRow.__table__.columns))
        },
    )


def _team(chosen: str | None, memberships: set[str], limits: dict[Subject, LimitFacts]) -> str | None:
    """The group that pays for a user: the one that was chosen, else the oldest with limits, else the oldest."""
    if chosen in memberships:
        return chosen
    return min(memberships, key=lambda group: (("group", group) not in limits, group), default=None)


def _load_keys(session: Session, users: dict[str, UserFacts], groups: dict[str, GroupFacts]) -> dict[bytes, KeyFacts]:
    keys = {}
    columns = (
        ApiKey.id,
        ApiKey.user_id,
        ApiKey.group_id,
        ApiKey.sha256,
        ApiKey.expires_at,
        ApiKey.models,
        ApiKey.tags,
        ApiKey.former_sha256,
        ApiKey.former_until,
    )
    rows = session.execute(select(*columns).where(ApiKey.revoked_at.is_(None)))
    for key_id, user_id, group_id, digest, expires_at, names, own_tags, former, former_until in rows:
        models, tags = None if names is None else frozenset(names), frozenset(own_tags)
        if group_id is not None:
            principal = team_as_principal(groups[group_id], key_id, models, tags)
        elif users[user_id or ""].disabled:
            continue
        else:
            principal = as_principal(users[user_id or ""], key_id, models, tags)
        keys[bytes.fromhex(digest)] = KeyFacts(principal, expires_at)
        if former is not None:
            until = min(former_until or 0, expires_at or _NEVER)
            keys[bytes.fromhex(former)] = KeyFacts(principal, until)
    return keys


def _load_limits(session: Session) -> dict[Subject, LimitFacts]:
    names = LimitFacts.__struct_fields__
    return {
        (row.subject_kind, row.subject_id): LimitFacts(**{name: getattr(row, name) for name in names})
        for row in session.execute(select(*Limit.__table__.columns))
    }


def _load_grants(session: Session) -> dict[Subject, Granted]:
    grants: dict[Subject, Granted] = {}
    for row in session.execute(select(*Grant.__table__.columns)):
        granted = grants.setdefault((row.subject_kind, row.subject_id), {})
        about = (row.thing_kind, row.thing_id)
        granted[about] = granted.get(about, frozenset()) | {Verb(row.verb)}
    return grants
