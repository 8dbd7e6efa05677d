"""`/api/v1/users`, `groups`, `grants`, `audit`: the administrator's routes."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from inglenook.accounts import audit, passwords
from inglenook.accounts.groups import managers
from inglenook.accounts.keys import PAGE, Page, Secret
from inglenook.accounts.model_rights import Rights
from inglenook.accounts.permissions import needs
from inglenook.accounts.principal import CONSOLE, Principal, Thing, Verb
from inglenook.accounts.schemas import (
    AuditRecord,
    GrantInfo,
    GroupInfo,
    GroupPatch,
    GroupPerson,
    KeyInfo,
    KeyPage,
    ModelRights,
    ModelRightsIn,
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
from inglenook.accounts.snapshot import EVERYONE, GroupFacts, LimitFacts
from inglenook.accounts.tables import ApiKey, User
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
    return new_key(accounts, await accounts.keys.create(principal, user_id, body.name, **key_fields(body)))


@router.get("/users/{user_id}/keys")
async def list_keys_of_user(user_id: str, _: ManagesUsers, accounts: TheAccounts) -> list[KeyInfo]:
    """A user's keys, oldest first."""
    return [key_info(accounts, key) for key in await accounts.keys.of(user_id)]


@router.get("/groups")
async def list_groups(principal: ReadsSomeGroups, accounts: TheAccounts) -> list[GroupInfo]:
    """The groups one may see, oldest first: all of them, to administrators."""
    may = accounts.grants.may
    seen = [group for group in accounts.groups.everyone() if may(principal, Verb.READ, Thing("group", group.id))]
    return await _groups(accounts, seen)


@router.get("/groups/{group_id}/people")
async def list_people_of_group(group_id: str, principal: ReadsSomeGroups, accounts: TheAccounts) -> list[GroupPerson]:
    """Who is in a group, or manages it, by name."""
    accounts.grants.require(principal, Verb.READ, Thing("group", group_id))
    now = accounts.snapshot.now
    members = now.groups[group_id].members if group_id in now.groups else frozenset()
    managing = managers(now).get(group_id, set())
    people = sorted((now.users[user_id] for user_id in members | managing), key=lambda user: user.display_name)
    return [
        GroupPerson(
            id=user.id,
            name=user.name,
            display_name=user.display_name,
            member=user.id in members,
            manages=user.id in managing,
        )
        for user in people
    ]


@router.post("/groups", status_code=201)
async def make_group(body: NewGroupRequest, principal: ManagesGroups, accounts: TheAccounts) -> GroupInfo:
    """Make a group."""
    made = await accounts.groups.create(
        principal, body.name, members=body.members, managers=body.managers, tags=body.tags
    )
    return (await _groups(accounts, [made]))[0]


@router.patch("/groups/{group_id}")
async def change_group(group_id: str, body: GroupPatch, principal: ManagesGroups, accounts: TheAccounts) -> GroupInfo:
    """Change a group's name, members, managers or tags."""
    return (await _groups(accounts, [await accounts.groups.change(principal, group_id, body.changes())]))[0]


@router.delete("/groups/{group_id}", status_code=204)
async def delete_group(group_id: str, principal: ManagesGroups, accounts: TheAccounts) -> None:
    """Delete a group with its keys; its members stay."""
    await accounts.groups.delete(principal, group_id)


@router.get("/groups/{group_id}/keys")
async def list_keys_of_group(
    group_id: str,
    principal: EditsSomeGroups,
    accounts: TheAccounts,
    before: str | None = None,
    search: Annotated[str, Query(max_length=120)] = "",
    limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
) -> KeyPage:
    """A team's own keys, newest first; `before` is the `next` of the page before."""
    accounts.grants.require(principal, Verb.EDIT, Thing("group", group_id))
    return key_page(accounts, await accounts.keys.page(owner_id=group_id, before=before, search=search, limit=limit))


@router.post("/groups/{group_id}/keys", status_code=201)
async def make_key_for_group(
    group_id: str, body: NewKeyRequest, principal: EditsSomeGroups, accounts: TheAccounts, response: Response
) -> NewKey:
    """Make a key for a team. The answer is the only one that holds the key."""
    accounts.grants.require(principal, Verb.EDIT, Thing("group", group_id))
    no_key_makes_keys(principal)
    response.headers["cache-control"] = "no-store"
    return new_key(accounts, await accounts.keys.create(principal, group_id, body.name, **key_fields(body)))


@router.get("/rights/models")
async def list_model_rights(_: ReadsGrants, accounts: TheAccounts) -> list[ModelRights]:
    """Who may use which models: everyone first, then whoever was given some besides."""
    return [_rights(rights) for rights in accounts.model_rights.all()]


@router.put("/rights/models/{subject_kind}/{subject_id}")
async def put_model_rights(
    subject_kind: str, subject_id: str, body: ModelRightsIn, principal: ManagesGrants, accounts: TheAccounts
) -> ModelRights:
    """Say which models somebody may use by a right of their own. `everyone` has `-` for an id."""
    subject = (subject_kind, "" if subject_id == "-" else subject_id)
    await accounts.model_rights.put(principal, subject, body.models)
    return _rights(accounts.model_rights.of(subject))


@router.get("/groups/{group_id}/models")
async def read_models_of_group(group_id: str, principal: ReadsSomeGroups, accounts: TheAccounts) -> list[ModelRights]:
    """Which models a group may use: what everyone may, and what it may besides."""
    accounts.grants.require(principal, Verb.READ, Thing("group", group_id))
    return [_rights(accounts.model_rights.of(subject)) for subject in (EVERYONE, ("group", group_id))]


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


def key_info(accounts: Accounts, key: ApiKey) -> KeyInfo:
    """A key, with the name of its owner."""
    now = accounts.snapshot.now
    user, group = now.users.get(key.user_id or ""), now.groups.get(key.group_id or "")
    owner = user.display_name if user else group.name if group else ""
    columns = {name: getattr(key, name) for name in KeyInfo.model_fields if name != "owner"}
    return KeyInfo(**columns, owner=owner)


def key_page(accounts: Accounts, page: Page) -> KeyPage:
    """A page of keys."""
    return KeyPage(keys=[key_info(accounts, key) for key in page.keys], next=page.next, total=page.total)


def new_key(accounts: Accounts, made: Secret) -> NewKey:
    """A key that was just made, or has a new secret."""
    return NewKey(**key_info(accounts, made.key).model_dump(), key=made.secret)


def key_fields(body: NewKeyRequest) -> dict[str, Any]:
    """What a key to make has besides its name."""
    limits = None if body.limits is None else LimitFacts(**body.limits.model_dump())
    return {"expires_at": body.expires_at, "models": body.models, "tags": body.tags, "limits": limits}


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


async def _groups(accounts: Accounts, groups: Sequence[GroupFacts]) -> list[GroupInfo]:
    managing, keys = managers(accounts.snapshot.now), await accounts.groups.count_keys()
    return [
        GroupInfo(
            id=group.id,
            name=group.name,
            members=sorted(group.members),
            managers=sorted(managing.get(group.id, ())),
            keys=keys.get(group.id, 0),
            tags=sorted(group.tags),
            created_at=group.created_at,
        )
        for group in groups
    ]


def _rights(rights: Rights) -> ModelRights:
    return ModelRights(subject_kind=rights.subject[0], subject_id=rights.subject[1], models=rights.models)
