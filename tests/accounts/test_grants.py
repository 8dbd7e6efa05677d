"""The one question, asked for every kind, verb and sort of person."""

import pytest

from inglenook.accounts.grants import KINDS
from inglenook.accounts.principal import CONSOLE, Principal, Role, Thing, Verb
from inglenook.accounts.service import Accounts
from inglenook.kit.errors import BadInput, Forbidden, NotFound, Unauthenticated

R, U, C, E, M = Verb.READ, Verb.USE, Verb.CREATE, Verb.EDIT, Verb.MANAGE
ALL = frozenset(Verb)
NONE: frozenset[Verb] = frozenset()

CONTENT = ("conversation", "message", "run", "file", "me")
SHARED_WITH_ADMIN = ("key", "usage")
SERVER = ("limit", "provider", "route", "user", "group", "grant", "audit", "settings", "server")


async def person(accounts: Accounts, name: str, role: Role = Role.MEMBER) -> Principal:
    user_id = await accounts.create_user(name, "correct horse", role)
    principal = accounts.snapshot.principal_for_user(user_id)
    assert principal is not None
    return principal


def verbs(accounts: Accounts, principal: Principal, thing: Thing) -> frozenset[Verb]:
    return frozenset(verb for verb in Verb if accounts.grants.may(principal, verb, thing))


def expected() -> list[tuple[str, str, frozenset[Verb]]]:
    """(who, what, verbs): `mine`, `theirs` (another user's) and `all` of each kind."""
    rows: list[tuple[str, str, frozenset[Verb]]] = []
    for kind in CONTENT + SHARED_WITH_ADMIN:
        for who in ("admin", "member"):
            rows += [(who, f"{kind} mine", ALL), (who, f"{kind} all", ALL)]
        rows += [("member", f"{kind} theirs", NONE)]
        rows += [("admin", f"{kind} theirs", ALL if kind in SHARED_WITH_ADMIN else NONE)]
    for kind in SERVER:
        rows += [("admin", f"{kind} one", ALL), ("admin", f"{kind} all", ALL)]
        rows += [("member", f"{kind} one", NONE), ("member", f"{kind} all", NONE)]
    for what in ("model one", "model all"):
        rows += [("admin", what, ALL), ("member", what, frozenset({U, R})), ("named", what, frozenset({U, R}))]
    for kind in ("hub", "engine"):
        rows += [("admin", f"{kind} all", ALL), ("member", f"{kind} all", frozenset({R}))]
    rows += [("console", "user all", ALL), ("console", "conversation theirs", NONE)]
    rows += [(who, "unheard-of all", NONE) for who in ("admin", "member", "console")]
    rows += [("gone", "conversation mine", NONE), ("gone", "model all", NONE)]
    return rows


async def test_the_matrix(accounts: Accounts) -> None:
    people = {
        "admin": await person(accounts, "ada", Role.ADMIN),
        "member": await person(accounts, "bob"),
        "named": Principal(user_id="open-ollama", name="open Ollama"),
        "console": CONSOLE,
        "gone": Principal(user_id="usr_gone", name="gone", role=Role.ADMIN),
    }
    other = await person(accounts, "eve")
    wrong = []
    for who, what, right in expected():
        kind, which = what.split()
        principal = people[who]
        owner = {"mine": principal.user_id, "theirs": other.user_id}.get(which)
        thing = Thing(kind, None if which == "all" else "some_id", owner)
        if (actual := verbs(accounts, principal, thing)) != right:
            wrong.append(f"{who} on {what}: {sorted(actual)} instead of {sorted(right)}")
    assert wrong == []


def test_the_matrix_speaks_of_every_kind() -> None:
    assert {what.split()[0] for _, what, _ in expected()} - {"unheard-of"} == set(KINDS)


@pytest.mark.parametrize(
    ("granted", "holds"),
    [
        (R, {R}),
        (U, {U, R}),  # who may use a model may see it
        (C, {C}),
        (E, {E, R, U}),
        (M, {M, E, R, U, C}),
    ],
)
async def test_verbs_imply_others(accounts: Accounts, granted: Verb, holds: set[Verb]) -> None:
    admin = await person(accounts, "ada", Role.ADMIN)
    bob = await person(accounts, "bob")
    await forget_all_grants(accounts)
    assert verbs(accounts, bob, Thing("model", "m")) == NONE
    await accounts.grants.add(admin, ("user", bob.user_id), granted, Thing("model", "m"))
    assert verbs(accounts, bob, Thing("model", "m")) == holds
    assert verbs(accounts, bob, Thing("model", "other")) == NONE
    assert verbs(accounts, bob, Thing("model")) == NONE
    assert accounts.grants.may_some(bob, granted, "model")


async def test_using_content_does_not_show_it(accounts: Accounts) -> None:
    ada, bob = await person(accounts, "ada"), await person(accounts, "bob")
    await accounts.grants.add(ada, ("user", bob.user_id), U, Thing("conversation", "c", ada.user_id))
    assert verbs(accounts, bob, Thing("conversation", "c", ada.user_id)) == {U}


async def test_a_group_and_everyone_can_be_granted_rights(accounts: Accounts) -> None:
    admin = await person(accounts, "ada", Role.ADMIN)
    bob, eve = await person(accounts, "bob"), await person(accounts, "eve")
    await forget_all_grants(accounts)
    group = await accounts.groups.create(admin, "readers", members=[bob.user_id])
    await accounts.grants.add(admin, ("group", group.id), U, Thing("model"))
    # The principal was made before the group: its rights are those of now.
    assert accounts.grants.may(bob, U, Thing("model", "m"))
    assert not accounts.grants.may(eve, U, Thing("model", "m"))
    await accounts.groups.change(admin, group.id, {"members": []})
    assert not accounts.grants.may(bob, U, Thing("model", "m"))
    await accounts.grants.add(admin, ("everyone", ""), U, Thing("model", "m"))
    assert accounts.grants.may(eve, U, Thing("model", "m"))
    await accounts.groups.delete(admin, group.id)
    assert [grant.subject_kind for grant in await accounts.grants.everything()] == ["everyone"]


async def test_granting_twice_is_one_grant(accounts: Accounts) -> None:
    admin, bob = await person(accounts, "ada", Role.ADMIN), await person(accounts, "bob")
    first = await accounts.grants.add(admin, ("user", bob.user_id), M, Thing("hub"))
    again = await accounts.grants.add(admin, ("user", bob.user_id), M, Thing("hub"))
    assert first.id == again.id
    await accounts.grants.remove(admin, first.id)
    assert not accounts.grants.may(bob, M, Thing("hub"))
    with pytest.raises(NotFound):
        await accounts.grants.remove(admin, first.id)


async def test_administrators_cannot_give_themselves_what_people_write(accounts: Accounts) -> None:
    admin, bob = await person(accounts, "ada", Role.ADMIN), await person(accounts, "bob")
    subject = ("user", admin.user_id)
    for thing in (Thing("conversation"), Thing("conversation", "c"), Thing("run", "r", bob.user_id)):
        with pytest.raises(Forbidden):
            await accounts.grants.add(admin, subject, R, thing)
    with pytest.raises(Forbidden, match="one at a time"):
        await accounts.grants.add(admin, subject, R, Thing("conversation", None, admin.user_id))
    assert not accounts.grants.may(admin, R, Thing("conversation", "c", bob.user_id))


async def test_owners_share_and_take_back_their_own(accounts: Accounts) -> None:
    admin = await person(accounts, "ada", Role.ADMIN)
    bob, eve = await person(accounts, "bob"), await person(accounts, "eve")
    shared = Thing("conversation", "c", bob.user_id)
    grant = await accounts.grants.add(bob, ("user", eve.user_id), R, shared)
    assert verbs(accounts, eve, shared) == {R}
    assert grant.id not in [shown.id for shown in await accounts.grants.everything()]
    with pytest.raises(NotFound):
        await accounts.grants.remove(admin, grant.id)
    with pytest.raises(Forbidden):
        await accounts.grants.remove(eve, grant.id, owner_id=bob.user_id)
    await accounts.grants.remove(bob, grant.id, owner_id=bob.user_id)
    assert verbs(accounts, eve, shared) == NONE


async def test_server_rights_and_nonsense_cannot_be_granted(accounts: Accounts) -> None:
    admin, bob = await person(accounts, "ada", Role.ADMIN), await person(accounts, "bob")
    for kind in ("user", "settings", "provider", "key", "unheard-of"):
        with pytest.raises(BadInput, match="cannot be granted"):
            await accounts.grants.add(admin, ("user", bob.user_id), M, Thing(kind))
    with pytest.raises(NotFound):
        await accounts.grants.add(admin, ("group", "grp_none"), U, Thing("model"))
    with pytest.raises(BadInput):
        await accounts.grants.add(admin, ("everyone", bob.user_id), U, Thing("model"))
    with pytest.raises(Forbidden):
        await accounts.grants.add(bob, ("user", bob.user_id), M, Thing("model"))


async def test_what_may_not_be_read_is_not_there(accounts: Accounts) -> None:
    ada, bob = await person(accounts, "ada"), await person(accounts, "bob")
    theirs = Thing("conversation", "c", ada.user_id)
    with pytest.raises(NotFound):
        accounts.grants.require(bob, E, theirs)
    await accounts.grants.add(ada, ("user", bob.user_id), R, theirs)
    accounts.grants.require(bob, R, theirs)
    with pytest.raises(Forbidden):
        accounts.grants.require(bob, E, theirs)
    with pytest.raises(Forbidden):
        accounts.grants.require(bob, R, Thing("settings"))


async def test_rights_end_with_the_account_the_role_and_the_key(accounts: Accounts) -> None:
    admin, second = await person(accounts, "ada", Role.ADMIN), await person(accounts, "bea", Role.ADMIN)
    await accounts.users.change(admin, second.user_id, {"role": Role.MEMBER})
    assert not accounts.grants.may(second, R, Thing("user"))  # although the principal still says admin
    secret = await accounts.create_key("bea", "laptop")
    by_key = accounts.snapshot.principal_for_key(secret.encode())
    assert by_key is not None
    assert accounts.grants.may(by_key, C, Thing("conversation"))
    await accounts.keys.revoke(second, by_key.key_id or "")
    assert not accounts.grants.may(by_key, C, Thing("conversation"))
    await accounts.users.change(admin, second.user_id, {"disabled": True})
    with pytest.raises(Unauthenticated):
        accounts.grants.require(second, R, Thing("conversation"))


async def forget_all_grants(accounts: Accounts) -> None:
    for grant in await accounts.grants.everything():
        await accounts.grants.remove(CONSOLE, grant.id)
