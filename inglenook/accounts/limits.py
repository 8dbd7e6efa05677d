"""How much keys, users, groups and all together may use. Set by administrators, kept by the gateway's steps.

Limits stack: a call must fit under those of its key, of its user, of the team that pays for it, and of everybody
together. A user without a row of their own has the `default` one. What was not limited is without limit.
"""

from msgspec import structs
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from inglenook.accounts import audit
from inglenook.accounts.principal import Principal, Thing
from inglenook.accounts.snapshot import (
    ALL_TOGETHER,
    EACH_USER,
    LimitFacts,
    Live,
    Subject,
    as_principal,
    team_as_principal,
)
from inglenook.accounts.tables import ApiKey, Group, Limit, User
from inglenook.kit.errors import BadInput, NotFound
from inglenook.kit.time import now_ms

#: The kinds of subjects, from the narrowest.
KINDS = ("key", "user", "group", "everyone", "default")
_TABLES: dict[str, type[ApiKey | User | Group]] = {"key": ApiKey, "user": User, "group": Group}


class Limits:
    """The limits of this server; they are read from the snapshot."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def all(self) -> dict[Subject, LimitFacts]:
        """Everything that is limited."""
        return self._live.now.limits

    def of(self, subject: Subject) -> LimitFacts | None:
        """A subject's own limits, if it has any."""
        return self._live.now.limits.get(subject)

    def name(self, subject: Subject) -> str:
        """A subject in words, for messages to those it is about."""
        kind, subject_id = subject
        now = self._live.now
        if kind == "key":
            return "this API key"
        if kind == "user" and subject_id in now.users:
            return f"the user {now.users[subject_id].name}"
        if kind == "group" and subject_id in now.groups:
            return f"the team {now.groups[subject_id].name}"
        return "everybody together"

    def stack_of_key(self, key: ApiKey) -> list[tuple[Subject, LimitFacts]]:
        """What calls made with a key must fit under, narrowest first."""
        now = self._live.now
        if key.group_id is not None:
            group = now.groups.get(key.group_id)
            return [] if group is None else self.stack(team_as_principal(group, key.id))
        user = now.users.get(key.user_id or "")
        return [] if user is None else self.stack(as_principal(user, key.id))

    def stack(self, principal: Principal) -> list[tuple[Subject, LimitFacts]]:
        """What a call of `principal` must fit under, narrowest first. A user's default counts for each user alone."""
        now = self._live.now
        subjects: list[Subject] = []
        if principal.key_id is not None:
            subjects.append(("key", principal.key_id))
        if principal.user_id in now.users:
            subjects.append(("user", principal.user_id))
        if principal.team_id is not None:
            subjects.append(("group", principal.team_id))
        subjects.append(ALL_TOGETHER)
        found = []
        for subject in subjects:
            facts = now.limits.get(subject)
            if facts is None and subject[0] == "user":
                facts = now.limits.get(EACH_USER)
            if facts is not None:
                found.append((subject, facts))
        return found

    async def put(self, actor: Principal, subject: Subject, limits: LimitFacts) -> None:
        """Set a subject's limits, all of them.

        Raises:
            NotFound: there is no such key, user or group.
            BadInput: there is no such kind of subject.
        """

        def write(session: Session) -> None:
            _check(session, subject)
            set_limits(session, actor, subject, limits)

        await self._live.write(write)

    async def remove(self, actor: Principal, subject: Subject) -> None:
        """Take a subject's limits away; a user then has the default ones.

        Raises:
            NotFound: it has none.
        """

        def write(session: Session) -> None:
            row = session.get(Limit, subject)
            if row is None:
                raise NotFound(f"{' '.join(part for part in subject if part)} has no limits of its own")
            session.delete(row)
            audit.record(session, actor, "limits.removed", Thing(subject[0], subject[1] or None))

        await self._live.write(write)


def set_limits(session: Session, actor: Principal, subject: Subject, limits: LimitFacts) -> None:
    """Set the limits of a subject that exists, in the caller's transaction (a `Live.write`)."""
    row = session.get(Limit, subject)
    if row is None:
        row = Limit(subject_kind=subject[0], subject_id=subject[1])
        session.add(row)
    values = structs.asdict(limits)
    for name, value in values.items():
        setattr(row, name, value)
    row.updated_at = now_ms()
    audit.record(session, actor, "limits.set", Thing(subject[0], subject[1] or None), **values)


def forget_limits(session: Session, *subjects: Subject) -> None:
    """Forget the limits of what is being deleted."""
    for kind, subject_id in subjects:
        session.execute(delete(Limit).where(Limit.subject_kind == kind, Limit.subject_id == subject_id))


def forget_limits_of_keys(session: Session, *, user_id: str | None = None, group_id: str | None = None) -> None:
    """Forget the limits of the keys of a user or group that is being deleted."""
    keys = select(ApiKey.id).where(ApiKey.group_id == group_id if group_id else ApiKey.user_id == user_id)
    session.execute(delete(Limit).where(Limit.subject_kind == "key", Limit.subject_id.in_(keys)))


def _check(session: Session, subject: Subject) -> None:
    kind, subject_id = subject
    if kind in (ALL_TOGETHER[0], EACH_USER[0]):
        if subject_id:
            raise BadInput(f"limits of '{kind}' have no id", field="subject_id")
        return
    table = _TABLES.get(kind)
    if table is None:
        raise BadInput(f"limits are those of one of {', '.join(KINDS)}", field="subject_kind")
    found = session.get(table, subject_id)
    if found is None or (isinstance(found, ApiKey) and found.revoked_at is not None):
        raise NotFound(f"there is no {kind} {subject_id}")
