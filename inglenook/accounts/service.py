"""Accounts as the other rooms and the server use them: one object that knows who is here.

The functions without a `Principal` (`create_user`, `reset_password`, `create_key`) are the command line's. They work
on a bare store before the first start, and on the server's own object while it runs.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple

from fastapi import Request
from sqlalchemy.orm import Session

from inglenook.accounts import audit, sessions
from inglenook.accounts.errors import AccountDisabled, SetupDone, WrongPassword
from inglenook.accounts.grants import Grants
from inglenook.accounts.groups import Groups
from inglenook.accounts.invitations import Invitations
from inglenook.accounts.keys import Keys
from inglenook.accounts.limiter import Limiter
from inglenook.accounts.limits import Limits
from inglenook.accounts.mail.outbox import Outbox
from inglenook.accounts.model_rights import ModelRights
from inglenook.accounts.passwords import Passwords
from inglenook.accounts.principal import CONSOLE, Principal, Role, Thing
from inglenook.accounts.resets import Resets
from inglenook.accounts.sessions import SessionFacts, Sessions
from inglenook.accounts.settings import RuntimeSettings
from inglenook.accounts.setup import Setup
from inglenook.accounts.snapshot import Live
from inglenook.accounts.tables import User
from inglenook.accounts.users import Users, add_user, check_name, count_admins, name_key
from inglenook.kit.asgi import LOCAL_ADMIN
from inglenook.kit.errors import Conflict, TooMany, Unauthenticated
from inglenook.store.database import Store
from inglenook.store.secrets import Secrets

log = logging.getLogger(__name__)

#: Seconds between two writings of when keys were last used.
NOTE_EVERY = 60.0
#: What set-up attempts are counted under; folded names have no capitals, so it is nobody's.
_SETUP = "SET-UP"
_RESET = "RESET"
#: Links for new passwords that are made at the same time; they are asked for by anybody.
MOST_ASKING = 100
_SOMEBODY = Principal(user_id="", name="somebody")


class SignedIn(NamedTuple):
    """A user who just signed in, and the token for the cookie."""

    user: User
    token: str


class Accounts:
    """Users, groups, keys, sessions, grants, limits, runtime settings and the audit trail of one server."""

    def __init__(self, store: Store, secrets: Secrets, *, passwords: Passwords | None = None) -> None:
        self.store = store
        self.snapshot = Live(store)
        self.settings = RuntimeSettings(self.snapshot, secrets)
        self.grants = Grants(store, self.snapshot)
        self.passwords = passwords or Passwords()
        self.limiter = Limiter()
        self.users = Users(store, self.snapshot, self.passwords)
        self.groups = Groups(store, self.snapshot)
        self.limits = Limits(self.snapshot)
        self.model_rights = ModelRights(self.snapshot)
        self.keys = Keys(store, self.snapshot, self.grants)
        self.sessions = Sessions(store)
        self.outbox = Outbox(store, secrets, self.settings)
        self.invitations = Invitations(store, self.snapshot, self.outbox)
        self.resets = Resets(store, self.outbox)
        self._asking: set[asyncio.Task[None]] = set()
        self.setup = Setup(self.snapshot)
        self._noting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read who exists and what was granted. The tables must exist."""
        await self.snapshot.load()
        self.snapshot.watch()
        self._noting = asyncio.create_task(self._note_key_uses(), name="accounts-note-uses")
        self.outbox.start()

    async def stop(self) -> None:
        """Write down what is only in memory. Call before the store closes."""
        if self._noting is not None:
            self._noting.cancel()
            await asyncio.gather(self._noting, return_exceptions=True)
            self._noting = None
        await asyncio.gather(*self._asking, return_exceptions=True)
        await self.outbox.stop()
        await self.snapshot.stop()
        await self.keys.note_uses()
        self.passwords.close()

    @property
    def setup_token(self) -> str | None:
        """The token for `/setup#token=…`, while the server has no administrator; the terminal prints it."""
        return self.setup.token

    def on_user_deleted(self, callback: Callable[[Session, str], None]) -> None:
        """Have `callback(session, user_id)` called in the transaction that deletes a user.

        Rooms above delete there what the user owned.
        """
        self.users.on_deleted(callback)

    # ------------------------------------------------------------------------------------- who is asking

    async def authenticate(self, request: Request) -> Principal:
        """Who sent this request, by `Authorization: Bearer ink-…`, else by the session cookie.

        What comes through the data directory's socket without a key is the console's.

        Raises:
            Unauthenticated: nobody we know.
            NotSameOrigin: an unsafe request with a cookie that another site may have made.
        """
        scheme, _, credential = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            principal = self.snapshot.principal_for_key(credential.strip().encode())
            if principal is None:
                raise Unauthenticated("the API key is unknown, revoked or expired; make a new one in the settings")
            return principal
        if request.scope.get(LOCAL_ADMIN) is True:
            return CONSOLE
        if sessions.cookie_of(request) is None:
            raise Unauthenticated
        sessions.check_not_forged(request)
        session = await self.session_of(request)
        principal = None if session is None else self.snapshot.principal_for_user(session.user_id)
        if principal is None:
            raise Unauthenticated("your session has ended; sign in again")
        return principal

    async def session_of(self, request: Request) -> SessionFacts | None:
        """The session of the request's cookie, if it is good."""
        token = sessions.cookie_of(request)
        return None if token is None else await self.sessions.find(token)

    # --------------------------------------------------------------------------------------- signing in

    async def sign_in(self, request: Request, name: str, password: str) -> SignedIn:
        """Check name and password and start a session in place of the one the browser had.

        Raises:
            TooMany: too many attempts on that name or from that address.
            WrongPassword: one of the two is wrong; which one is not told.
            AccountDisabled: both are right, but the account is disabled.
        """
        address = _address(request)
        self.limiter.attempt(name_key(name), address)
        user = await self.users.named(name)
        if not await self.passwords.verify(user.password_hash if user else None, password) or user is None:
            # Recorded for unknown names too (without the name: people type passwords there), so that both take as long.
            user_id = user.id if user else None
            await self.store.write(lambda s: _record_refusal(s, user_id, address))
            raise WrongPassword
        self.limiter.succeeded(name_key(name), address)
        checked = user.password_hash
        renewed = await self.passwords.hash_anew(password) if self.passwords.outdated(checked) else checked

        def write(session: Session) -> SignedIn:
            now = session.get(User, user.id)
            if now is None or now.password_hash != checked:  # changed while we were hashing
                raise WrongPassword
            if now.disabled:
                raise AccountDisabled
            now.password_hash = renewed
            token = _begin(session, request, now)
            return SignedIn(now, token)

        return await self.store.write(write)

    async def set_up(self, request: Request, token: str, name: str, password: str) -> SignedIn:
        """Make the first administrator and sign in.

        Raises:
            SetupDone: there is an administrator already.
            WrongSetupToken: the token is not the one the terminal printed.
            TooMany: too many wrong tokens.
            BadInput: name or password will not do.
        """
        if not self.setup.needed:
            raise SetupDone
        address = _address(request)
        self.limiter.attempt(_SETUP, address)
        self.setup.check(token)
        self.limiter.succeeded(_SETUP, address)
        check_name(name)
        hashed = await self.passwords.hash(password)

        def write(session: Session) -> SignedIn:
            if count_admins(session) > 0:
                raise SetupDone
            user = add_user(session, CONSOLE, name, hashed, Role.ADMIN)
            session.flush()
            return SignedIn(user, _begin(session, request, user))

        return await self.snapshot.write(write)

    async def change_password(self, request: Request, principal: Principal, current: str, new: str) -> None:
        """Give the principal a new password and sign them out everywhere else.

        Raises:
            TooMany: too many attempts at the current password.
            WrongPassword: `current` is not it.
            BadInput: `new` will not do.
        """
        address = _address(request)
        self.limiter.attempt(name_key(principal.name), address)
        await self.users.check_password(principal.user_id, current)
        self.limiter.succeeded(name_key(principal.name), address)
        session = await self.session_of(request)
        await self.users.set_password(principal, principal.user_id, new, keep=session.id if session else None)

    async def change_email(self, request: Request, principal: Principal, email: str | None, password: str) -> None:
        """Give the principal another e-mail address, which can get a new password.

        Raises:
            TooMany: too many attempts at the password.
            WrongPassword: that is not it.
            BadInput: that is no address.
            NameTaken: somebody else has it.
        """
        address = _address(request)
        self.limiter.attempt(name_key(principal.name), address)
        await self.users.check_password(principal.user_id, password, field="password")
        self.limiter.succeeded(name_key(principal.name), address)
        await self.users.change(principal, principal.user_id, {"email": email})

    # ------------------------------------------------------------------------------------- by a link

    async def accept_invitation(
        self, request: Request, token: str, name: str, password: str, *, display_name: str | None = None
    ) -> SignedIn:
        """Make the account of somebody who was invited, and sign in.

        Raises:
            LinkSpent: the link was used, or has run out.
            BadInput: name or password will not do.
            NameTaken: somebody has that name.
        """
        await self.invitations.look(token)
        check_name(name)
        hashed = await self.passwords.hash(password)

        def write(session: Session) -> SignedIn:
            user = self.invitations.accept(session, token, name, hashed, display_name=display_name)
            return SignedIn(user, _begin(session, request, user))

        return await self.snapshot.write(write)

    def ask_reset(self, request: Request, name: str) -> None:
        """Send a link for a new password to whoever has that name or e-mail address, soon, if anybody does.

        Raises:
            TooMany: too many requests for that name, or from that address.
            Conflict: letters cannot be sent.
        """
        if not self.resets.by_mail:
            raise Conflict("this server sends no e-mails; ask an administrator for a new password")
        self.limiter.attempt(f"{_RESET}:{name_key(name)}", _address(request))
        if len(self._asking) >= MOST_ASKING:
            raise TooMany("too many people ask for a new password; try again in a minute", retry_after=60)
        asking = asyncio.create_task(self._ask_reset(name), name="accounts-reset")
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)

    async def complete_reset(self, token: str, password: str) -> None:
        """Give somebody the password they chose by a link; their sessions end.

        Raises:
            LinkSpent: the link was used, or has run out.
            BadInput: the password will not do.
        """
        await self.resets.look(token)
        hashed = await self.passwords.hash(password)
        await self.snapshot.write(lambda session: self.resets.complete(session, token, hashed))

    async def _ask_reset(self, name: str) -> None:
        try:
            await self.resets.ask(name)
        except Exception:
            log.exception("cannot make a link for a new password")

    # ------------------------------------------------------------------------------------- command line

    async def create_user(self, name: str, password: str, role: Role | str = Role.MEMBER) -> str:
        """Make a user; returns its id.

        Raises:
            BadInput: name or password will not do.
            NameTaken: somebody has that name.
        """
        return (await self.users.create(CONSOLE, name, password, Role(role))).id

    async def reset_password(self, name: str, password: str) -> None:
        """Give a user a new password and sign them out everywhere.

        Raises:
            NotFound: there is no such user.
            BadInput: the password will not do.
        """
        user = await self.users.find(name)
        await self.users.set_password(CONSOLE, user.id, password)

    async def create_key(self, user_name: str, key_name: str) -> str:
        """Make an API key for a user and return it; it cannot be had again.

        Raises:
            NotFound: there is no such user.
        """
        user = await self.users.find(user_name)
        return (await self.keys.create(CONSOLE, user.id, key_name)).secret

    async def _note_key_uses(self) -> None:
        while True:
            await asyncio.sleep(NOTE_EVERY)
            try:
                await self.keys.note_uses()
            except Exception:
                log.exception("cannot write down when keys were last used")


def _address(request: Request) -> str | None:
    return request.client.host if request.client else None


def _begin(session: Session, request: Request, user: User) -> str:
    token = sessions.begin(
        session, user.id, request.headers.get("user-agent", ""), replaces=sessions.cookie_of(request)
    )
    actor = Principal(user_id=user.id, name=user.name)
    audit.record(session, actor, "session.created", Thing("user", user.id), address=_address(request))
    return token


def _record_refusal(session: Session, user_id: str | None, address: str | None) -> None:
    audit.record(session, _SOMEBODY, "session.refused", Thing("user", user_id), address=address)
