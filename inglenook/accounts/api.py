"""`/api/v1/session`, `setup`, `me`, `keys`: what everybody does with their own account.

The administrator's routes are in `admin_api.py` and `settings_api.py`, those of invitations and forgotten passwords in
`links_api.py`; `router` holds all.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from inglenook import __version__
from inglenook.accounts import admin_api, links_api, sessions, settings_api
from inglenook.accounts.admin_api import (
    TheAccounts,
    key_fields,
    key_info,
    key_page,
    new_key,
    no_key_makes_keys,
)
from inglenook.accounts.groups import managers
from inglenook.accounts.keys import PAGE
from inglenook.accounts.permissions import needs, public
from inglenook.accounts.principal import Principal, Role, Verb
from inglenook.accounts.schemas import (
    EmailChange,
    GroupName,
    InvitationAcceptance,
    KeyInfo,
    KeyPage,
    KeyPatch,
    KeyRotation,
    Me,
    MePatch,
    NewKey,
    NewKeyRequest,
    PasswordChange,
    SessionState,
    SetupRequest,
    SignInRequest,
)
from inglenook.accounts.service import Accounts, SignedIn
from inglenook.kit.errors import NotFound, Unauthenticated

router = APIRouter(prefix="/api/v1", tags=["accounts"])
router.include_router(admin_api.router)
router.include_router(settings_api.router)
router.include_router(links_api.router)


def _never_stored(response: Response) -> None:
    response.headers["cache-control"] = "no-store"


NEVER_STORED = Depends(_never_stored)


@router.get("/session", dependencies=[public("the page asks it to know whether to sign in"), NEVER_STORED])
async def read_session(request: Request, response: Response, accounts: TheAccounts) -> SessionState:
    """Who is signed in, and whether the server still needs its first administrator."""
    try:
        principal = await accounts.authenticate(request)
    except Unauthenticated:
        return _state(accounts, None)
    if principal.key_id is None and (token := sessions.cookie_of(request)) is not None:
        sessions.set_cookie(request, response, token)  # the cookie lives as long as the session
    return _state(accounts, principal.user_id)


@router.post("/setup", dependencies=[public("it makes the first account; its token is the key"), NEVER_STORED])
async def set_up(body: SetupRequest, request: Request, response: Response, accounts: TheAccounts) -> SessionState:
    """Make the first administrator and sign in."""
    sessions.check_same_origin(request)
    return _signed_in(request, response, accounts, await accounts.set_up(request, body.token, body.name, body.password))


@router.post("/session", dependencies=[public("it is how one signs in"), NEVER_STORED])
async def sign_in(body: SignInRequest, request: Request, response: Response, accounts: TheAccounts) -> SessionState:
    """Sign in; the answer sets the session's cookie."""
    sessions.check_same_origin(request)
    return _signed_in(request, response, accounts, await accounts.sign_in(request, body.name, body.password))


@router.delete("/session", status_code=204, dependencies=[public("ends the caller's own session, if there is one")])
async def sign_out(request: Request, response: Response, accounts: TheAccounts) -> None:
    """Sign out."""
    sessions.check_not_forged(request)
    session = await accounts.session_of(request)
    if session is not None:
        await accounts.sessions.end(session.id)
    sessions.clear_cookie(request, response)


@router.patch("/me")
async def change_me(
    body: MePatch, principal: Annotated[Principal, needs(Verb.EDIT, "me")], accounts: TheAccounts
) -> Me:
    """Change one's own profile."""
    await accounts.users.change(principal, principal.user_id, body.changes())
    me = _me(accounts, principal.user_id)
    if me is None:
        raise NotFound("your account was deleted meanwhile")
    return me


@router.post("/me/password", status_code=204)
async def change_password(
    body: PasswordChange,
    request: Request,
    principal: Annotated[Principal, needs(Verb.EDIT, "me")],
    accounts: TheAccounts,
) -> None:
    """Change one's own password; one's other sessions end."""
    await accounts.change_password(request, principal, body.current, body.new)


@router.put("/me/email", status_code=204)
async def change_email(
    body: EmailChange,
    request: Request,
    principal: Annotated[Principal, needs(Verb.EDIT, "me")],
    accounts: TheAccounts,
) -> None:
    """Change one's own e-mail address."""
    await accounts.change_email(request, principal, body.email, body.password)


@router.post("/invitations/accept", status_code=201, dependencies=[public("its token is the key"), NEVER_STORED])
async def accept_invitation(
    body: InvitationAcceptance, request: Request, response: Response, accounts: TheAccounts
) -> SessionState:
    """Make the account one was invited to, and sign in."""
    sessions.check_same_origin(request)
    signed_in = await accounts.accept_invitation(
        request, body.token, body.name, body.password, display_name=body.display_name
    )
    return _signed_in(request, response, accounts, signed_in)


@router.get("/keys")
async def list_keys(principal: Annotated[Principal, needs(Verb.READ, "key")], accounts: TheAccounts) -> list[KeyInfo]:
    """One's own keys."""
    return [key_info(accounts, key) for key in await accounts.keys.of(principal.user_id)]


@router.get("/keys/everyone")
async def list_all_keys(
    _: Annotated[Principal, needs(Verb.MANAGE, "user")],
    accounts: TheAccounts,
    owner: str | None = None,
    before: str | None = None,
    search: Annotated[str, Query(max_length=120)] = "",
    limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
) -> KeyPage:
    """The keys of all users and teams, newest first, or of one of them (`owner`, an id); `before` is the `next` of the
    page before, `search` is part of a key's name or its owner's, or how the key begins."""
    page = await accounts.keys.page(owner_id=owner, before=before, search=search, limit=limit)
    return key_page(accounts, page)


@router.post("/keys", status_code=201, dependencies=[NEVER_STORED])
async def make_key(
    body: NewKeyRequest, principal: Annotated[Principal, needs(Verb.CREATE, "key")], accounts: TheAccounts
) -> NewKey:
    """Make a key for oneself. The answer is the only one that holds the key."""
    no_key_makes_keys(principal)
    return new_key(accounts, await accounts.keys.create(principal, principal.user_id, body.name, **key_fields(body)))


@router.patch("/keys/{key_id}")
async def change_key(
    key_id: str, body: KeyPatch, principal: Annotated[Principal, needs(Verb.EDIT, "key")], accounts: TheAccounts
) -> KeyInfo:
    """Change a key's name, expiry, allowed models or tags."""
    no_key_makes_keys(principal)
    return key_info(accounts, await accounts.keys.change(principal, key_id, body.changes()))


@router.post("/keys/{key_id}/rotate", dependencies=[NEVER_STORED])
async def rotate_key(
    key_id: str, body: KeyRotation, principal: Annotated[Principal, needs(Verb.MANAGE, "key")], accounts: TheAccounts
) -> NewKey:
    """Give a key a new secret. The answer is the only one that holds it."""
    no_key_makes_keys(principal)
    return new_key(accounts, await accounts.keys.rotate(principal, key_id, overlap=body.overlap))


@router.delete("/keys/{key_id}", status_code=204)
async def revoke_key(
    key_id: str, principal: Annotated[Principal, needs(Verb.MANAGE, "key")], accounts: TheAccounts
) -> None:
    """Revoke a key; it is worthless at once."""
    await accounts.keys.revoke(principal, key_id)


def _signed_in(request: Request, response: Response, accounts: Accounts, signed_in: SignedIn) -> SessionState:
    sessions.set_cookie(request, response, signed_in.token)
    return _state(accounts, signed_in.user.id)


def _state(accounts: Accounts, user_id: str | None) -> SessionState:
    user = None if user_id is None else _me(accounts, user_id)
    return SessionState(
        user=user,
        needs_setup=accounts.setup.needed,
        resets_by_mail=accounts.resets.by_mail,
        version=__version__,
    )


def _me(accounts: Accounts, user_id: str) -> Me | None:
    snapshot = accounts.snapshot.now
    user = snapshot.users.get(user_id)
    if user is None:
        return None
    managed = {group for group, people in managers(snapshot).items() if user_id in people} & snapshot.groups.keys()
    groups = sorted((snapshot.groups[group] for group in user.groups | managed), key=lambda group: group.name)
    manages_all = user.role is Role.ADMIN
    return Me(
        id=user.id,
        name=user.name,
        display_name=user.display_name,
        email=user.email,
        role=user.role,
        language=user.language,
        theme=user.theme,
        groups=[
            GroupName(id=group.id, name=group.name, manages=manages_all or group.id in managed) for group in groups
        ],
    )
