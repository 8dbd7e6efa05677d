"""`/api/v1/users`, `groups`, `grants`, `audit`: the administrator's routes."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from inglenook.accounts import audit, passwords
from inglenook.accounts.keys import Secret
from inglenook.accounts.permissions import needs
from inglenook.accounts.principal import CONSOLE, Principal, Thing, Verb
from inglenook.accounts.schemas import (
    AuditRecord,
    GrantInfo,
    GroupInfo,
    GroupPatch,
    KeyInfo,
    NewGrantRequest,
    NewGroupRequest,
    NewKey,
    NewKeyRequest,
    NewUser,
    NewUserRequest,
    UserInfo,
    UserPatch,
)
from inglenook.accounts.service import Accounts
from inglenook.accounts.snapshot import GroupFacts
from inglenook.accounts.tables import User
from inglenook.kit.errors import Forbidden

router = APIRouter()


def _accounts(request: Request) -> Accounts:
    accounts: Accounts = request.app.state.accounts
    return accounts


TheAccounts = Annotated[Accounts, Depends(_accounts)]
ReadsUsers = Annotated[Principal, needs(Verb.READ, "user")]
ManagesUsers = Annotated[Principal, needs(Verb.MANAGE, "user")]
ReadsSomeGroups = Annotated[Principal, needs(Verb.READ, "group", some=True)]
EditsSomeGroups = Annotated[Principal, needs(Verb.EDIT, "group", some=True)]
ManagesGroups = Annotated[Principal, needs(Verb.MANAGE, "group")]
ReadsGrants = Annotated[Principal, needs(Verb.READ, "grant")]
ManagesGrants = Annotated[Principal, needs(Verb.MANAGE, "grant")]


@router.get("/users")
async def list_users(_: ReadsUsers, accounts: TheAccounts) -> list[UserInfo]:
    """All users, oldest first."""
    return [_user(accounts, user) for user in await accounts.users.everybody()]


@router.post("/users", status_code=201)
async def make_user(
    body: NewUserRequest, principal: ManagesUsers, accounts: TheAccounts, response: Response
) -> NewUser:
    """Make a user. A generated password is in this answer only."""
    response.headers["cache-control"] = "no-store"
    generated = passwords.generate() if body.password is None else None
    user = await accounts.users.create(
        principal,
        body.name,
        generated or body.password or "",
        body.role,
        display_name=body.display_name,
        email=body.email,
    )
    return NewUser(**_user(accounts, user).model_dump(), password=generated)


@router.patch("/users/{user_id}")
async def change_user(user_id: str, body: UserPatch, principal: ManagesUsers, accounts: TheAccounts) -> UserInfo:
    """Change a user's role, names, address, team or password, or disable them."""
    return _user(accounts, await accounts.users.change(principal, user_id, body.changes()))


@router.delete("/users/{user_id}", status_code=204)
async def delete_user(user_id: str, principal: ManagesUsers, accounts: TheAccounts) -> None:
    """Delete a user with all that is theirs."""
    await accounts.users.delete(principal, user_id)


@router.post("/users/{user_id}/keys", status_code=201)
async def make_key_for_user(
    user_id: str, body: NewKeyRequest, principal: ManagesUsers, accounts: TheAccounts, response: Response
) -> NewKey:
    """Make a key for a user, from the command line only."""
    if principal != CONSOLE:
        # With somebody's key one reads their conversations, which administrators may not.
        raise Forbidden("a key is made by the user it is for, or by `inglenook key add` on the server")
    response.headers["cache-control"] = "no-store"
    return new_key(await accounts.keys.create(principal, user_id, body.name, **key_fields(body)))


@router.get("/users/{user_id}/keys")
async def list_keys_of_user(user_id: str, _: ManagesUsers, accounts: TheAccounts) -> list[KeyInfo]:
    """A user's keys, oldest first."""
    return [KeyInfo.model_validate(key) for key in await accounts.keys.of(user_id)]


@router.get("/groups")
async def list_groups(principal: ReadsSomeGroups, accounts: TheAccounts) -> list[GroupInfo]:
    """The groups one may see, oldest first: all of them, to administrators."""
    may = accounts.grants.may
    return [
        _group(group) for group in accounts.groups.everyone() if may(principal, Verb.READ, Thing("group", group.id))
    ]


@router.post("/groups", status_code=201)
async def make_group(body: NewGroupRequest, principal: ManagesGroups, accounts: TheAccounts) -> GroupInfo:
    """Make a group."""
    return _group(await accounts.groups.create(principal, body.name, members=body.members, tags=body.tags))


@router.patch("/groups/{group_id}")
async def change_group(group_id: str, body: GroupPatch, principal: ManagesGroups, accounts: TheAccounts) -> GroupInfo:
    """Change a group's name, members or tags."""
    return _group(await accounts.groups.change(principal, group_id, body.changes()))


@router.delete("/groups/{group_id}", status_code=204)
async def delete_group(group_id: str, principal: ManagesGroups, accounts: TheAccounts) -> None:
    """Delete a group with its keys; its members stay."""
    await accounts.groups.delete(principal, group_id)


@router.get("/groups/{group_id}/keys")
async def list_keys_of_group(group_id: str, principal: EditsSomeGroups, accounts: TheAccounts) -> list[KeyInfo]:
    """A team's own keys, oldest first."""
    accounts.grants.require(principal, Verb.EDIT, Thing("group", group_id))
    return [KeyInfo.model_validate(key) for key in await accounts.keys.of(group_id)]


@router.post("/groups/{group_id}/keys", status_code=201)
async def make_key_for_group(
    group_id: str, body: NewKeyRequest, principal: EditsSomeGroups, accounts: TheAccounts, response: Response
) -> NewKey:
    """Make a key for a team. The answer is the only one that holds the key."""
    accounts.grants.require(principal, Verb.EDIT, Thing("group", group_id))
    no_key_makes_keys(principal)
    response.headers["cache-control"] = "no-store"
    return new_key(await accounts.keys.create(principal, group_id, body.name, **key_fields(body)))


@router.get("/grants")
async def list_grants(_: ReadsGrants, accounts: TheAccounts) -> list[GrantInfo]:
    """All explicit grants on things that administrators manage, oldest first."""
    return [GrantInfo.model_validate(grant) for grant in await accounts.grants.everything()]


@router.post("/grants", status_code=201)
async def make_grant(body: NewGrantRequest, principal: ManagesGrants, accounts: TheAccounts) -> GrantInfo:
    """Grant a right; granting it twice gives the grant that exists."""
    thing = Thing(body.thing_kind, body.thing_id)
    grant = await accounts.grants.add(principal, (body.subject_kind, body.subject_id), body.verb, thing)
    return GrantInfo.model_validate(grant)


@router.delete("/grants/{grant_id}", status_code=204)
async def delete_grant(grant_id: str, principal: ManagesGrants, accounts: TheAccounts) -> None:
    """Take a right away; it is gone at once."""
    await accounts.grants.remove(principal, grant_id)


@router.get("/audit")
async def read_audit(
    _: Annotated[Principal, needs(Verb.READ, "audit")],
    accounts: TheAccounts,
    before: str | None = None,
    limit: Annotated[int, Query(ge=1, le=audit.PAGE)] = audit.PAGE,
) -> list[AuditRecord]:
    """What was done, newest first; `before` is the id of the last record of the page before."""
    page = await accounts.store.read(lambda s: audit.page(s, before=before, limit=limit))
    return [AuditRecord.model_validate(entry) for entry in page]


def new_key(made: Secret) -> NewKey:
    """A key that was just made, or has a new secret."""
    return NewKey(**KeyInfo.model_validate(made.key).model_dump(), key=made.secret)


def key_fields(body: NewKeyRequest) -> dict[str, Any]:
    """What a key to make has besides its name."""
    return {"expires_at": body.expires_at, "models": body.models, "tags": body.tags}


def no_key_makes_keys(principal: Principal) -> None:
    """Refuse a principal that came by an API key.

    Raises:
        Forbidden: it did.
    """
    if principal.key_id is not None:
        raise Forbidden("an API key cannot make another one; sign in with your password")


def _user(accounts: Accounts, user: User) -> UserInfo:
    facts = accounts.snapshot.now.users.get(user.id)
    of_groups = {"groups": sorted(facts.groups) if facts else [], "team_id": facts.team_id if facts else None}
    columns = {name: getattr(user, name) for name in UserInfo.model_fields if name not in of_groups}
    return UserInfo.model_validate({**columns, **of_groups})


def _group(group: GroupFacts) -> GroupInfo:
    return GroupInfo(
        id=group.id,
        name=group.name,
        members=sorted(group.members),
        tags=sorted(group.tags),
        created_at=group.created_at,
    )
