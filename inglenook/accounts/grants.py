"""The one question: may this principal do this to that thing?

| kind | administrators | members | its owner | by explicit grant |
|---|---|---|---|---|
| conversation, message, run, file | own only | own only | everything | on one thing, given by its owner |
| me | own only | own only | everything | - |
| key, usage | everything | own only | everything | - |
| model | everything | USE, by a seeded grant to everyone | - | by an administrator |
| hub | everything | READ | - | by an administrator |
| engine | everything | READ | - | - |
| group | everything | nothing | - | by an administrator |
| limit, provider, route, user, grant, audit, settings, server | everything | nothing | - | - |

- Verbs imply others: MANAGE everything, EDIT also READ and USE. Who may USE a model may READ its facts.
- A thing with `owner_id` belongs to that user. Of the kinds people own, `Thing(kind)` without id and owner asks about
  one's own things: "may I create one, or list mine?". A route on one thing asks again with its id and owner.
  Of the other kinds, `Thing(kind)` means all things of the kind.
- Administrators run the server; they do not read what people write. No grant on a whole kind of content exists, and
  only the owner of a piece of content can grant on it.
- Rights are those of now, not of the moment the principal was made: a user who was disabled, deleted or demoted, or
  whose key was revoked, has lost them, also in a run that started before.
- Who may EDIT a group makes and revokes the team's own keys. Such a key may what everyone and the group were granted,
  and owns no content.
- A named account of the server (its id is not a user's: `console`, `open-ollama`) has the role it is made with, what
  everyone was granted, and explicit grants.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from inglenook.accounts import audit
from inglenook.accounts.principal import Principal, Role, Thing, Verb
from inglenook.accounts.snapshot import EVERYONE, Live, Snapshot, Subject
from inglenook.accounts.tables import Grant, Group, User
from inglenook.kit.errors import BadInput, Forbidden, NotFound, Unauthenticated
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms
from inglenook.store.database import Store

#: What a verb includes.
IMPLIES: dict[Verb, frozenset[Verb]] = {
    Verb.READ: frozenset({Verb.READ}),
    Verb.USE: frozenset({Verb.USE}),
    Verb.CREATE: frozenset({Verb.CREATE}),
    Verb.EDIT: frozenset({Verb.EDIT, Verb.READ, Verb.USE}),
    Verb.MANAGE: frozenset(Verb),
}
_NOTHING: frozenset[Verb] = frozenset()


class Kind(NamedTuple):
    """A row of the table above.

    Attributes:
        owned: People own things of it, and may do everything to their own.
        admin: Administrators may do everything to all things of it.
        members: What every user may do to all things of it, without a grant.
        grantable: Explicit grants are possible: on single things by their owner where it is `owned`, else by an
            administrator.
        use_shows: Who may USE one may READ it.
        personal: Only people own things of it, and named accounts; a team's key does not.
    """

    owned: bool = False
    admin: bool = True
    members: frozenset[Verb] = _NOTHING
    grantable: bool = False
    use_shows: bool = False
    personal: bool = False


_CONTENT = Kind(owned=True, admin=False, grantable=True, personal=True)
_SERVER = Kind()
KINDS: dict[str, Kind] = {
    "conversation": _CONTENT,
    "message": _CONTENT,
    "run": _CONTENT,
    "file": _CONTENT,
    "me": Kind(owned=True, admin=False, personal=True),
    "key": Kind(owned=True),
    "usage": Kind(owned=True),
    "limit": _SERVER,
    "model": Kind(grantable=True, use_shows=True),
    "hub": Kind(members=frozenset({Verb.READ}), grantable=True),
    "engine": Kind(members=frozenset({Verb.READ})),
    "provider": _SERVER,
    "route": _SERVER,
    "user": _SERVER,
    "group": Kind(grantable=True),
    "grant": _SERVER,
    "audit": _SERVER,
    "settings": _SERVER,
    "server": _SERVER,
}


class Grants:
    """Answers the question from the snapshot in memory, and keeps the explicit grants."""

    def __init__(self, store: Store, live: Live) -> None:
        self._store = store
        self._live = live

    def may(self, principal: Principal, verb: Verb, thing: Thing) -> bool:
        """Whether `principal` may do `verb` to `thing` now. A kind that is not in `KINDS` is nobody's."""
        rules = KINDS.get(thing.kind)
        if rules is None:
            return False
        snapshot = self._live.now
        standing = _standing(snapshot, principal)
        if standing is None:
            return False
        role, groups = standing
        own = thing.owner_id == principal.user_id or (thing.owner_id is None and thing.id is None)
        if own and rules.owned and not (rules.personal and principal.is_team):
            return True
        if rules.admin and role is Role.ADMIN:
            return True
        if verb in rules.members:
            return True
        if not rules.grantable:
            return False
        wanted = _WANTED_SHOWN[verb] if rules.use_shows else _WANTED[verb]
        whole_kind = None if rules.owned else (thing.kind, None)
        one = (thing.kind, thing.id)
        for subject in _subjects(principal, groups):
            granted = snapshot.grants.get(subject)
            if granted is None:
                continue
            if whole_kind is not None and not wanted.isdisjoint(granted.get(whole_kind, _NOTHING)):
                return True
            if thing.id is not None and not wanted.isdisjoint(granted.get(one, _NOTHING)):
                return True
        return False

    def may_some(self, principal: Principal, verb: Verb, kind: str) -> bool:
        """Whether `principal` may do `verb` to all, or at least to one, of the things of `kind`.

        For routes that list: what is listed is then filtered with `may`.
        """
        if self.may(principal, verb, Thing(kind)):
            return True
        rules = KINDS.get(kind)
        standing = _standing(self._live.now, principal)
        if rules is None or not rules.grantable or standing is None:
            return False
        wanted = _WANTED_SHOWN[verb] if rules.use_shows else _WANTED[verb]
        return any(
            about[0] == kind and not wanted.isdisjoint(verbs)
            for subject in _subjects(principal, standing[1])
            for about, verbs in self._live.now.grants.get(subject, {}).items()
        )

    def require(self, principal: Principal, verb: Verb, thing: Thing) -> None:
        """Return if `principal` may do `verb` to `thing`.

        Raises:
            Unauthenticated: the principal's account or key has been taken away.
            NotFound: it may not even read that thing, so it is not told whether the thing exists.
            Forbidden: it may read the thing, or no single thing was meant, but may not do this.
        """
        if self.may(principal, verb, thing):
            return
        if _standing(self._live.now, principal) is None:
            raise Unauthenticated("your account or API key is no longer valid; sign in again")
        if thing.id is not None and not self.may(principal, Verb.READ, thing):
            raise NotFound(f"there is no {thing.kind} {thing.id}, or you may not see it")
        which = f"this {thing.kind}" if thing.id is not None else f"any {thing.kind}"
        raise Forbidden(f"you may not {verb.value} {which}; ask an administrator for the right to")

    async def everything(self) -> list[Grant]:
        """The grants administrators give, oldest first. Whom people share their own content with is not shown."""
        shown = [name for name, kind in KINDS.items() if not kind.owned]
        query = select(Grant).where(Grant.thing_kind.in_(shown)).order_by(Grant.id)
        return await self._store.read(lambda s: [*s.scalars(query)])

    async def add(self, actor: Principal, subject: Subject, verb: Verb, thing: Thing) -> Grant:
        """Grant `verb` on `thing`; granting twice gives the grant that exists.

        Args:
            subject: `("user", id)`, `("group", id)` or `("everyone", "")`.
            thing: Of content, one thing with its true `owner_id`.

        Raises:
            Forbidden: the actor has not the right to give this away.
            BadInput: nothing can be granted on things of this kind.
            NotFound: there is no such user or group.
        """
        rules = KINDS.get(thing.kind)
        if rules is None or not rules.grantable:
            kinds = ", ".join(name for name, kind in KINDS.items() if kind.grantable)
            raise BadInput(f"rights on {thing.kind!r} cannot be granted; choose one of {kinds}", field="thing_kind")
        if rules.owned and (thing.id is None or thing.owner_id != actor.user_id):
            raise Forbidden(f"only its owner can share a {thing.kind}, and only one at a time")
        self.require(actor, Verb.MANAGE, thing)

        def write(session: Session) -> Grant:
            check_subject(session, subject)
            same = select(Grant).where(
                Grant.subject_kind == subject[0],
                Grant.subject_id == subject[1],
                Grant.verb == verb.value,
                Grant.thing_kind == thing.kind,
                Grant.thing_id.is_(None) if thing.id is None else Grant.thing_id == thing.id,
            )
            if (existing := session.scalar(same)) is not None:
                return existing
            grant = Grant(
                id=new_id("grt"),
                subject_kind=subject[0],
                subject_id=subject[1],
                verb=verb.value,
                thing_kind=thing.kind,
                thing_id=thing.id,
                created_at=now_ms(),
            )
            session.add(grant)
            audit.record(session, actor, "grant.created", Thing("grant", grant.id), **_described(grant))
            return grant

        return await self._live.write(write)

    async def remove(self, actor: Principal, grant_id: str, *, owner_id: str | None = None) -> None:
        """Take a grant away.

        Args:
            owner_id: Of a grant on content, the true owner of the thing.

        Raises:
            NotFound: there is no such grant, or the actor may not know of it.
            Forbidden: the actor may not take it away.
        """

        def write(session: Session) -> None:
            grant = session.get(Grant, grant_id)
            if grant is None:
                raise NotFound(f"there is no grant {grant_id}")
            thing = Thing(grant.thing_kind, grant.thing_id, owner_id)
            if not self.may(actor, Verb.READ, thing):
                raise NotFound(f"there is no grant {grant_id}")
            self.require(actor, Verb.MANAGE, thing)
            audit.record(session, actor, "grant.removed", Thing("grant", grant.id), **_described(grant))
            session.delete(grant)

        await self._live.write(write)


def remove_grants_of(session: Session, subject: Subject) -> None:
    """Forget the grants of a user or group that is being deleted."""
    session.execute(delete(Grant).where(Grant.subject_kind == subject[0], Grant.subject_id == subject[1]))


def _wanted(implies: Callable[[Verb], frozenset[Verb]]) -> dict[Verb, frozenset[Verb]]:
    """For each verb the verbs a grant of which suffices."""
    return {verb: frozenset(given for given in Verb if verb in implies(given)) for verb in Verb}


_WANTED = _wanted(lambda given: IMPLIES[given])
_WANTED_SHOWN = _wanted(lambda given: IMPLIES[given] | ({Verb.READ} if given is Verb.USE else _NOTHING))


def _standing(snapshot: Snapshot, principal: Principal) -> tuple[Role, frozenset[str]] | None:
    """Role and groups as they are now; None for an account or key that is gone."""
    if principal.key_id is not None and principal.key_id not in snapshot.live_keys:
        return None
    user = snapshot.users.get(principal.user_id)
    if user is not None:
        return None if user.disabled else (user.role, user.groups)
    if principal.is_team:
        return (Role.MEMBER, principal.groups) if principal.user_id in snapshot.groups else None
    return None if principal.user_id.startswith("usr_") else (principal.role, principal.groups)


def _subjects(principal: Principal, groups: frozenset[str]) -> Iterable[Subject]:
    yield EVERYONE
    yield ("user", principal.user_id)
    for group in groups:
        yield ("group", group)


def check_subject(session: Session, subject: Subject) -> None:
    """Return if a right can be given to that subject.

    Raises:
        BadInput: it is no user, group or everyone.
        NotFound: there is no such user or group.
    """
    kind, subject_id = subject
    if kind == "everyone" and not subject_id:
        return
    table = {"user": User, "group": Group}.get(kind)
    if table is None:
        raise BadInput("the subject of a grant is a user, a group or everyone", field="subject_kind")
    if session.get(table, subject_id) is None:
        raise NotFound(f"there is no {kind} {subject_id}", field="subject_id")


def _described(grant: Grant) -> dict[str, str | None]:
    return {
        "subject_kind": grant.subject_kind,
        "subject_id": grant.subject_id,
        "verb": grant.verb,
        "thing_kind": grant.thing_kind,
        "thing_id": grant.thing_id,
    }
