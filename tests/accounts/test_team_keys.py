"""Keys that belong to a team, keys that may call some models only, and keys with a new secret."""

import pytest

from inglenook.accounts.keys import MOST_OF_GROUP
from inglenook.accounts.principal import CONSOLE, Role, Thing, Verb
from inglenook.accounts.snapshot import LimitFacts
from inglenook.kit.errors import Conflict, Forbidden, NotFound
from inglenook.kit.time import now_ms
from tests.accounts.conftest import Web


async def team(web: Web, *members: str) -> str:
    """A group; gives its id."""
    return (await web.accounts.groups.create(CONSOLE, "Kitchen", members=list(members))).id


async def let_edit(web: Web, user_id: str, group_id: str) -> None:
    await web.accounts.grants.add(CONSOLE, ("user", user_id), Verb.EDIT, Thing("group", group_id))


async def test_a_teams_key_acts_as_the_team(web: Web) -> None:
    admin = await web.signed_in("ada", Role.ADMIN)
    group_id = await team(web)
    made = await admin.post(f"groups/{group_id}/keys", json={"name": "kettle"})
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    assert (made.json()["user_id"], made.json()["group_id"]) == (None, group_id)
    principal = web.accounts.snapshot.principal_for_key(made.json()["key"].encode())
    assert principal is not None
    assert (principal.user_id, principal.team_id, principal.name) == (group_id, group_id, "Kitchen")
    assert principal.key_id == made.json()["id"]
    assert principal.role is Role.MEMBER
    may = web.accounts.grants.may
    assert may(principal, Verb.USE, Thing("model", "echo"))
    await web.accounts.grants.add(CONSOLE, ("group", group_id), Verb.MANAGE, Thing("hub"))
    assert may(principal, Verb.MANAGE, Thing("hub"))
    for kind in ("conversation", "run", "me"):
        assert not may(principal, Verb.CREATE, Thing(kind))
        assert not may(principal, Verb.READ, Thing(kind, "x", group_id))
    assert (await admin.delete(f"groups/{group_id}")).status_code == 204
    assert web.accounts.snapshot.principal_for_key(made.json()["key"].encode()) is None
    assert not may(principal, Verb.USE, Thing("model", "echo"))


async def test_a_teams_key_sees_no_accounts(web: Web) -> None:
    group_id = await team(web)
    program = await web.program((await web.accounts.keys.create(CONSOLE, group_id, "kettle")).secret)
    assert (await program.get("session")).json()["user"] is None
    assert (await program.patch("me", json={"theme": "dark"})).status_code == 403
    assert (await program.post("keys", json={"name": "more"})).status_code == 403
    assert (await program.get("users")).status_code == 403
    assert (await program.get("groups")).status_code == 403
    assert (await program.get(f"groups/{group_id}/keys")).status_code == 403


async def test_who_may_edit_a_group_manages_its_keys(web: Web) -> None:
    bob, eve = await web.signed_in("bob"), await web.signed_in("eve")
    group_id = await team(web, bob.user["id"], eve.user["id"])  # type: ignore[attr-defined]
    path = f"groups/{group_id}/keys"
    assert (await bob.post(path, json={"name": "kettle"})).status_code == 403  # a member, no more
    await let_edit(web, bob.user["id"], group_id)  # type: ignore[attr-defined]
    made = (await bob.post(path, json={"name": "kettle"})).json()
    assert [(key["name"], key["owner"]) for key in (await bob.get(path)).json()["keys"]] == [("kettle", "Kitchen")]
    assert (await bob.get(path, params={"search": "pot"})).json() == {"keys": [], "next": None, "total": 0}
    assert [group["name"] for group in (await bob.get("groups")).json()] == ["Kitchen"]
    assert (await bob.get("keys")).json() == []
    for answer in (
        await eve.get(path),
        await eve.delete(f"keys/{made['id']}"),
        await eve.patch(f"keys/{made['id']}", json={"name": "mine"}),
        await eve.post(f"keys/{made['id']}/rotate", json={}),
    ):
        assert answer.status_code in (403, 404)
    other = (await web.accounts.groups.create(CONSOLE, "Garden", members=[])).id
    assert (await bob.post(f"groups/{other}/keys", json={"name": "rake"})).status_code == 404
    assert (await bob.patch(f"groups/{group_id}", json={"name": "Bob's"})).status_code == 403  # keys, not the group
    assert (await bob.post(f"keys/{made['id']}/rotate", json={})).status_code == 200
    assert (await bob.delete(f"keys/{made['id']}")).status_code == 204


async def test_a_key_is_renamed_and_restricted(web: Web) -> None:
    bob = await web.signed_in("bob")
    made = (await bob.post("keys", json={"name": "laptop", "models": ["b", "a", "b"]})).json()
    assert made["models"] == ["a", "b"]

    def principal() -> object:
        return web.accounts.snapshot.principal_for_key(made["key"].encode())

    assert principal().models == {"a", "b"}  # type: ignore[attr-defined]
    path = f"keys/{made['id']}"
    changed = (await bob.patch(path, json={"name": "desk", "models": None, "expires_at": now_ms() + 60_000})).json()
    assert (changed["name"], changed["models"]) == ("desk", None)
    assert changed["expires_at"] > now_ms()
    assert principal().models is None  # type: ignore[attr-defined]
    assert (await bob.patch(path, json={"expires_at": 1})).status_code == 400
    assert (await bob.patch(path, json={"name": None})).status_code == 400
    assert (await bob.patch(path, json={"expires_at": None, "models": []})).json()["models"] == []
    assert principal().models == frozenset()  # type: ignore[attr-defined]
    program = await web.program(made["key"])
    assert (await program.patch(path, json={"models": None})).status_code == 403  # a key does not widen itself


async def test_a_rotated_key_keeps_its_place(web: Web) -> None:
    bob = await web.signed_in("bob")
    made = (await bob.post("keys", json={"name": "laptop"})).json()
    find = web.accounts.snapshot.principal_for_key
    path = f"keys/{made['id']}/rotate"
    second = (await bob.post(path, json={"overlap": 3600})).json()
    assert second["id"] == made["id"]
    assert second["key"] != made["key"]
    assert second["former_until"] > now_ms() + 3_000_000
    assert find(made["key"].encode()) == find(second["key"].encode()) is not None
    third = (await bob.post(path, json={})).json()
    assert third["former_until"] is None
    assert find(made["key"].encode()) is find(second["key"].encode()) is None
    assert find(third["key"].encode()) is not None
    assert (await bob.post(path, json={"overlap": -1})).status_code == 400
    program = await web.program(third["key"])
    assert (await program.post(path, json={})).status_code == 403


async def test_the_former_secret_ends_with_its_time_and_with_the_key(web: Web) -> None:
    user_id = await web.accounts.create_user("bob", "correct horse")
    soon = now_ms() + 60_000
    key, first = await web.accounts.keys.create(CONSOLE, user_id, "laptop", expires_at=soon)
    await web.accounts.keys.rotate(CONSOLE, key.id, overlap=3600)
    former = [facts for facts in web.accounts.snapshot.now.keys.values() if facts.principal.key_id == key.id]
    assert [facts.expires_at for facts in former] == [soon, soon]  # not longer than the key itself
    await web.accounts.keys.revoke(CONSOLE, key.id)
    assert web.accounts.snapshot.principal_for_key(first.encode()) is None


async def test_administrators_see_every_key_but_have_nobodys(web: Web) -> None:
    admin, bob = await web.signed_in("ada", Role.ADMIN), await web.signed_in("bob")
    group_id = await team(web)
    made = [(await bob.post("keys", json={"name": name})).json() for name in ("one", "two")]
    made.append((await admin.post(f"groups/{group_id}/keys", json={"name": "three"})).json())

    async def seen(**params: object) -> list[str]:
        page = (await admin.get("keys/everyone", params=params)).json()  # type: ignore[arg-type]
        return [key["name"] for key in page["keys"]]

    everyone = (await admin.get("keys/everyone")).json()
    assert [(key["name"], key["owner"]) for key in everyone["keys"]] == [
        ("three", "Kitchen"),
        ("two", "bob"),
        ("one", "bob"),
    ]
    assert (everyone["next"], everyone["total"]) == (None, 3)
    first = (await admin.get("keys/everyone", params={"limit": 2})).json()
    assert (first["next"], first["total"]) == (made[1]["id"], 3)
    assert await seen(limit=2, before=first["next"]) == ["one"]
    assert await seen(search="WO") == ["two"]
    assert await seen(search="%") == []
    assert await seen(search="kitch") == ["three"]
    assert await seen(search="bo") == ["two", "one"]
    assert await seen(search=made[0]["prefix"]) == await seen(search=made[0]["key"]) == ["one"]
    assert await seen(owner=group_id) == ["three"]
    assert await seen(owner=bob.user["id"], search="one") == ["one"]  # type: ignore[attr-defined]
    assert len((await admin.get(f"users/{bob.user['id']}/keys")).json()) == 2  # type: ignore[attr-defined]
    assert (await bob.get("keys/everyone")).status_code == 403
    # With a new secret of somebody's key one would read with their eyes.
    assert (await admin.post(f"keys/{made[0]['id']}/rotate", json={})).status_code == 403
    assert (await admin.patch(f"keys/{made[0]['id']}", json={"models": ["a"]})).status_code == 200
    with pytest.raises(Forbidden):
        await web.accounts.keys.rotate(
            web.accounts.snapshot.principal_for_user(admin.user["id"]),  # type: ignore[attr-defined, arg-type]
            made[0]["id"],
        )


async def test_a_group_cannot_pile_up_keys(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inglenook.accounts.keys.MOST_OF_GROUP", 2)
    assert MOST_OF_GROUP == 1000
    group_id = await team(web)
    for n in range(2):
        await web.accounts.keys.create(CONSOLE, group_id, f"key {n}")
    with pytest.raises(Conflict, match="revoke one"):
        await web.accounts.keys.create(CONSOLE, group_id, "one more")
    with pytest.raises(NotFound):
        await web.accounts.keys.create(CONSOLE, "grp_none", "of nobody")


async def test_a_key_is_made_with_its_limits(web: Web) -> None:
    bob = await web.signed_in("bob")
    made = (await bob.post("keys", json={"name": "laptop", "limits": {"requests_per_minute": 5}})).json()
    assert web.accounts.limits.of(("key", made["id"])) == LimitFacts(requests_per_minute=5)
    refused = await bob.post("keys", json={"name": "desk", "limits": {"amount_per_day": -1}})
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "limits.amount_per_day")
    assert len((await bob.get("keys")).json()) == 1


async def test_limits_go_with_what_they_limit(web: Web) -> None:
    user_id = await web.accounts.create_user("bob", "correct horse")
    group_id = await team(web)
    keys = [(await web.accounts.keys.create(CONSOLE, owner, "k")).key.id for owner in (user_id, user_id, group_id)]
    limits = web.accounts.limits
    for subject in (("user", user_id), ("group", group_id), *(("key", key_id) for key_id in keys)):
        await limits.put(CONSOLE, subject, LimitFacts(requests_per_minute=1))
    assert len(limits.all()) == 5
    await web.accounts.keys.revoke(CONSOLE, keys[0])
    assert len(limits.all()) == 4
    await web.accounts.users.delete(CONSOLE, user_id)
    assert set(limits.all()) == {("group", group_id), ("key", keys[2])}
    await web.accounts.groups.delete(CONSOLE, group_id)
    assert limits.all() == {}
