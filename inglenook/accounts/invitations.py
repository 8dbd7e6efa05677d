"""Invitations: a link with which somebody makes their own account, once."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from inglenook.accounts import audit
from inglenook.accounts.errors import LinkSpent
from inglenook.accounts.mail.letters import INVITATION
from inglenook.accounts.mail.outbox import Outbox
from inglenook.accounts.principal import Principal, Role, Thing
from inglenook.accounts.snapshot import Live
from inglenook.accounts.tables import Group, GroupMember, Invitation, User
from inglenook.accounts.tokens import INVITE_PATH, digest, new_token, path
from inglenook.accounts.users import add_user, email_key
from inglenook.kit.errors import Conflict, NotFound
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms
from inglenook.store.database import Store

DAY_MS = 86_400_000


class Invited(NamedTuple):
    """An invitation that was just made.

    `link` is the whole address, if this server's is known; `path` the end of it. `sent`: a letter is on its way.
    """

    invitation: Invitation
    path: str
    link: str | None
    sent: bool


class Invitations:
    """The invitations of this server."""

    def __init__(self, store: Store, live: Live, outbox: Outbox) -> None:
        self._store = store
        self._live = live
        self._outbox = outbox

    async def all(self) -> list[Invitation]:
        """Those nobody has taken yet, oldest first; also those that have run out."""
        query = select(Invitation).where(Invitation.used_at.is_(None)).order_by(Invitation.id)
        return await self._store.read(lambda session: [*session.scalars(query)])

    async def create(
        self,
        actor: Principal,
        *,
        email: str | None = None,
        role: Role = Role.MEMBER,
        groups: Sequence[str] = (),
        days: int = 7,
        language: str | None = None,
    ) -> Invited:
        """Invite somebody. A letter goes to `email` if letters can be sent.

        Raises:
            BadInput: that is no address.
            Conflict: a user has it.
            NotFound: there is no such group.
        """
        key = None if email is None else email_key(email)

        def write(session: Session) -> Invited:
            if key is not None and session.scalar(select(User.id).where(User.email_key == key)) is not None:
                raise Conflict("a user here has that e-mail address", field="email")
            forget_old(session)
            for group_id in groups:
                if session.get(Group, group_id) is None:
                    raise NotFound(f"there is no group {group_id}", field="groups")
            invitation = Invitation(
                id=new_id("inv"),
                email=None if email is None else email.strip(),
                role=role.value,
                groups=sorted(set(groups)),
                language=language,
                invited_by=actor.name,
                days=days,
            )
            session.add(invitation)
            invited = self._renew(session, invitation)
            details = {"email": invitation.email, "role": role.value, "groups": invitation.groups}
            audit.record(session, actor, "invitation.created", Thing("invitation", invitation.id), **details)
            return invited

        return await self._store.write(write)

    async def renew(self, actor: Principal, invitation_id: str) -> Invited:
        """Make a new link in place of the old one, and send it.

        Raises:
            NotFound: there is no such invitation, or somebody took it.
        """

        def write(session: Session) -> Invited:
            invitation = _open(session, invitation_id)
            thing = Thing("invitation", invitation.id)
            audit.record(session, actor, "invitation.renewed", thing, email=invitation.email)
            self._outbox.forget(session, invitation.id)  # a letter with the former link
            return self._renew(session, invitation)

        return await self._store.write(write)

    async def revoke(self, actor: Principal, invitation_id: str) -> None:
        """Take an invitation back.

        Raises:
            NotFound: there is no such invitation, or somebody took it.
        """

        def write(session: Session) -> None:
            invitation = _open(session, invitation_id)
            thing = Thing("invitation", invitation.id)
            audit.record(session, actor, "invitation.revoked", thing, email=invitation.email)
            self._outbox.forget(session, invitation.id)
            session.delete(invitation)

        await self._store.write(write)

    async def look(self, token: str) -> Invitation:
        """The invitation behind a token.

        Raises:
            LinkSpent: there is none, it was used, or it has run out.
        """
        return await self._store.read(lambda session: _find(session, token))

    def accept(self, session: Session, token: str, name: str, hashed: str, *, display_name: str | None = None) -> User:
        """Make the account, in the caller's transaction (a `Live.write`).

        Raises:
            LinkSpent: as for `look`.
            BadInput: the name will not do.
            NameTaken: somebody has that name, or the invitation's address.
        """
        invitation = _find(session, token)
        once = update(Invitation).where(Invitation.id == invitation.id, Invitation.used_at.is_(None))
        if not session.execute(once.values(used_at=now_ms())).rowcount:  # type: ignore[attr-defined]
            raise LinkSpent
        inviter = Principal(user_id=invitation.id, name=invitation.invited_by)
        role, email = Role(invitation.role), invitation.email
        user = add_user(session, inviter, name, hashed, role, display_name=display_name, email=email)
        user.language = invitation.language
        session.flush()
        details = {"invited_by": invitation.invited_by, "email": email}
        actor = Principal(user_id=user.id, name=user.name)
        audit.record(session, actor, "invitation.accepted", Thing("invitation", invitation.id), **details)
        known = session.scalars(select(Group.id).where(Group.id.in_(invitation.groups)))
        session.add_all(GroupMember(group_id=group_id, user_id=user.id) for group_id in known)
        return user

    def _renew(self, session: Session, invitation: Invitation) -> Invited:
        made, now = new_token(), now_ms()
        invitation.token_hash = made.digest
        invitation.created_at, invitation.expires_at = now, now + invitation.days * DAY_MS
        way = path(INVITE_PATH, made.token)
        link = self._outbox.site.now.link(way)
        sent = bool(invitation.email and link and self._outbox.is_ready)
        if sent:
            language = invitation.language or self._outbox.site.now.language
            letter = INVITATION.fill(language, inviter=invitation.invited_by, link=link, days=invitation.days)
            email = invitation.email or ""
            about, until = invitation.id, invitation.expires_at
            self._outbox.add(session, "invitation", email, letter, about=about, expires_at=until)
        return Invited(invitation, way, link, sent)


def forget_old(session: Session) -> None:
    """Forget invitations that were taken, or ran out, a month ago."""
    before = now_ms() - 30 * DAY_MS
    session.execute(delete(Invitation).where((Invitation.used_at < before) | (Invitation.expires_at < before)))


def _open(session: Session, invitation_id: str) -> Invitation:
    invitation = session.get(Invitation, invitation_id)
    if invitation is None or invitation.used_at is not None:
        raise NotFound(f"there is no open invitation {invitation_id}")
    return invitation


def _find(session: Session, token: str) -> Invitation:
    invitation = session.scalar(select(Invitation).where(Invitation.token_hash == digest(token)))
    if invitation is None or invitation.used_at is not None or invitation.expires_at <= now_ms():
        raise LinkSpent
    return invitation
