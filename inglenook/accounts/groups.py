"""Groups of users. A group is a team where it pays for what its members and its own keys use."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from inglenook.accounts import audit
from inglenook.accounts.errors import NameTaken
from inglenook.accounts.grants import remove_grants_of
from inglenook.accounts.limits import forget_limits, forget_limits_of_keys
from inglenook.accounts.principal import Principal, Thing, Verb
from inglenook.accounts.snapshot import GroupFacts, Live, Snapshot
from inglenook.accounts.tables import ApiKey, Grant, Group, GroupMember, User
from inglenook.accounts.users import name_key
from inglenook.kit.errors import BadInput, NotFound
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms
from inglenook.store.database import Store

#: What a grant on a group must be, for its user to manage the group's keys.
_MANAGING = (Verb.EDIT, Verb.MANAGE)


class Groups:
    """The groups of this server; they are read from the snapshot."""

    def __init__(self, store: Store, live: Live) -> None:
        self._store = store
        self._live = live

    def everyone(self) -> list[GroupFacts]:
        """All groups, oldest first."""
        return sorted(self._live.now.groups.values(), key=lambda group: group.id)

    async def count_keys(self) -> dict[str, int]:
        """How many keys each group has that has some."""
        query = select(ApiKey.group_id, func.count()).where(ApiKey.group_id.is_not(None), ApiKey.revoked_at.is_(None))
        rows = await self._store.read(lambda s: s.execute(query.group_by(ApiKey.group_id)).all())
        return {group_id: count for group_id, count in rows if group_id}

    async def create(
        self,
        actor: Principal,
        name: str,
        *,
        members: list[str],
        managers: Sequence[str] = (),
        tags: Sequence[str] = (),
    ) -> GroupFacts:
        """Make a group.

        Args:
            members, managers: Ids of users.
            tags: What is on every call of theirs, for the conditions of routes.

        Raises:
            NameTaken: there is a group of that name.
            NotFound: one of the members or managers does not exist.
        """

        def write(session: Session) -> str:
            group = Group(id=new_id("grp"), tags=sorted(set(tags)), created_at=now_ms())
            _rename(session, group, name)
            session.add(group)
            session.flush()
            _set_members(session, group.id, members)
            _set_managers(session, group.id, managers)
            audit.record(session, actor, "group.created", Thing("group", group.id), name=name, members=members)
            return group.id

        group_id = await self._live.write(write)
        return self._live.now.groups[group_id]

    async def change(self, actor: Principal, group_id: str, changes: dict[str, Any]) -> GroupFacts:
        """Change `name`, `members`, `managers` or `tags` (the whole lists).

        Raises:
            NotFound: there is no such group, or one of the members or managers does not exist.
            NameTaken: another group has that name.
        """

        def write(session: Session) -> None:
            group = _get(session, group_id)
            for field, value in changes.items():
                if field == "name":
                    _rename(session, group, value)
                elif field == "tags":
                    group.tags = sorted(set(value))
                elif field == "managers":
                    _set_managers(session, group_id, value)
                else:
                    _set_members(session, group_id, value)
            audit.record(session, actor, "group.changed", Thing("group", group_id), **changes)

        await self._live.write(write)
        return self._live.now.groups[group_id]

    async def delete(self, actor: Principal, group_id: str) -> None:
        """Delete a group with its keys, its limits and what was granted to it; its members stay.

        Raises:
            NotFound: there is no such group.
        """

        def write(session: Session) -> None:
            group = _get(session, group_id)
            audit.record(session, actor, "group.deleted", Thing("group", group_id), name=group.name)
            remove_grants_of(session, ("group", group_id))
            session.execute(delete(Grant).where(Grant.thing_kind == "group", Grant.thing_id == group_id))
            forget_limits_of_keys(session, group_id=group_id)
            forget_limits(session, ("group", group_id))
            session.delete(group)

        await self._live.write(write)


def managers(snapshot: Snapshot) -> dict[str, set[str]]:
    """Who manages which single group, by the group's id; administrators manage all without being in it."""
    found: dict[str, set[str]] = {}
    for (kind, user_id), granted in snapshot.grants.items():
        if kind != "user":
            continue
        for (thing_kind, thing_id), verbs in granted.items():
            if thing_kind == "group" and thing_id is not None and not verbs.isdisjoint(_MANAGING):
                found.setdefault(thing_id, set()).add(user_id)
    return found


def _rename(session: Session, group: Group, name: str) -> None:
    name = name.strip()
    if not name:
        raise BadInput("a group needs a name", field="name")
    key = name_key(name)
    with session.no_autoflush:
        if session.scalar(select(Group.id).where(Group.name_key == key, Group.id != group.id)) is not None:
            raise NameTaken(f"there is a group {name!r} already; choose another name", field="name")
    group.name, group.name_key = name, key


def _set_managers(session: Session, group_id: str, people: Sequence[str]) -> None:
    wanted = _known(session, people, "managers")
    held = session.scalars(
        select(Grant).where(
            Grant.subject_kind == "user",
            Grant.thing_kind == "group",
            Grant.thing_id == group_id,
            Grant.verb.in_(_MANAGING),
        )
    ).all()
    for grant in held:
        if grant.subject_id not in wanted:
            session.delete(grant)
    for user_id in sorted(wanted - {grant.subject_id for grant in held}):
        session.add(
            Grant(
                id=new_id("grt"),
                subject_kind="user",
                subject_id=user_id,
                verb=Verb.EDIT.value,
                thing_kind="group",
                thing_id=group_id,
                created_at=now_ms(),
            )
        )


def _known(session: Session, people: Sequence[str], field: str) -> set[str]:
    wanted = set(people)
    known = set(session.scalars(select(User.id).where(User.id.in_(wanted))))
    if missing := wanted - known:
        raise NotFound(f"there is no user {sorted(missing)[0]}", field=field)
    return wanted


def _set_members(session: Session, group_id: str, members: list[str]) -> None:
    wanted = _known(session, members, "members")
    session.execute(delete(GroupMember).where(GroupMember.group_id == group_id))
    session.add_all(GroupMember(group_id=group_id, user_id=user_id) for user_id in sorted(wanted))


def _get(session: Session, group_id: str) -> Group:
    group = session.get(Group, group_id)
    if group is None:
        raise NotFound(f"there is no group {group_id}")
    return group
