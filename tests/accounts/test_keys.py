"""API keys."""

from hashlib import sha256

import pytest
from sqlalchemy import select, update

from inglenook.accounts.keys import MOST
from inglenook.accounts.principal import CONSOLE, Role
from inglenook.accounts.tables import ApiKey
from inglenook.kit.errors import Conflict
from inglenook.kit.time import now_ms
from tests.accounts.conftest import PASSWORD, Web


async def test_a_key_is_shown_once_and_kept_as_its_hash(web: Web) -> None:
    browser = await web.signed_in("ada")
    made = await browser.post("keys", json={"name": "laptop"})
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    key = made.json()["key"]
    assert key.startswith("ink-")
    assert len(key) == 4 + 43
    assert key.startswith(made.json()["prefix"])
    row = await web.accounts.store.read(lambda s: s.scalar(select(ApiKey)))
    assert row is not None
    assert row.sha256 == sha256(key.encode()).hexdigest()
    (listed,) = (await browser.get("keys")).json()
    assert listed == {name: value for name, value in made.json().items() if name != "key"}
    assert key not in (await browser.get("keys")).text


async def test_a_key_acts_as_its_user_until_it_is_revoked(web: Web) -> None:
    browser = await web.signed_in("ada")
    made = (await browser.post("keys", json={"name": "laptop"})).json()
    program = await web.program(made["key"])
    assert (await program.get("session")).json()["user"]["name"] == "ada"
    assert (await program.patch("me", json={"theme": "dark"})).status_code == 200  # no cookie, nothing to forge
    principal = web.accounts.snapshot.principal_for_key(made["key"].encode())
    assert principal is not None
    assert (principal.name, principal.key_id) == ("ada", made["id"])
    assert (await browser.delete(f"keys/{made['id']}")).status_code == 204
    assert web.accounts.snapshot.principal_for_key(made["key"].encode()) is None
    refused = await program.get("keys")
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthenticated")
    assert (await browser.get("keys")).json() == []
    assert (await browser.delete(f"keys/{made['id']}")).status_code == 404


@pytest.mark.parametrize("credential", ["ink-wrong", "", "é"])
async def test_a_bad_key_is_nobodys_even_with_a_good_cookie(web: Web, credential: str) -> None:
    browser = await web.signed_in("ada")
    answer = await browser.get("keys", headers={"authorization": f"Bearer {credential}".encode("latin-1")})
    assert answer.status_code == 401


async def test_a_proxys_own_password_does_not_get_in_the_way(web: Web) -> None:
    browser = await web.signed_in("ada")
    assert (await browser.get("keys", headers={"authorization": "Basic YTpi"})).status_code == 200


async def test_keys_rest_while_the_user_is_disabled(web: Web) -> None:
    user_id = await web.accounts.create_user("ada", PASSWORD)
    key = (await web.accounts.create_key("ada", "laptop")).encode()
    await web.accounts.users.change(CONSOLE, user_id, {"disabled": True})
    assert web.accounts.snapshot.principal_for_key(key) is None
    await web.accounts.users.change(CONSOLE, user_id, {"disabled": False})
    assert web.accounts.snapshot.principal_for_key(key) is not None
    await web.accounts.users.delete(CONSOLE, user_id)
    assert web.accounts.snapshot.principal_for_key(key) is None


async def test_a_key_ends_when_it_was_meant_to(web: Web) -> None:
    browser = await web.signed_in("ada")
    past = await browser.post("keys", json={"name": "laptop", "expires_at": now_ms() - 1})
    assert (past.status_code, past.json()["error"]["field"]) == (400, "expires_at")
    made = (await browser.post("keys", json={"name": "laptop", "expires_at": now_ms() + 3_600_000})).json()
    assert web.accounts.snapshot.principal_for_key(made["key"].encode()) is not None
    over = update(ApiKey).values(expires_at=now_ms() - 1)
    await web.accounts.snapshot.write(lambda s: s.execute(over))
    assert web.accounts.snapshot.principal_for_key(made["key"].encode()) is None


async def test_a_key_cannot_make_another(web: Web) -> None:
    await web.accounts.create_user("ada", PASSWORD, Role.ADMIN)
    program = await web.program(await web.accounts.create_key("ada", "laptop"))
    assert (await program.post("keys", json={"name": "another"})).status_code == 403


async def test_keys_are_their_users_own(web: Web) -> None:
    ada, bob = await web.signed_in("ada"), await web.signed_in("bob")
    admin = await web.signed_in("root", Role.ADMIN)
    made = (await ada.post("keys", json={"name": "laptop"})).json()
    assert (await bob.delete(f"keys/{made['id']}")).status_code == 404
    assert (await bob.get("keys")).json() == []
    # An administrator may take a key away, but not make one to read with somebody's eyes.
    user_id = ada.user["id"]  # type: ignore[attr-defined]
    assert (await admin.post(f"users/{user_id}/keys", json={"name": "spy"})).status_code == 403
    assert (await admin.delete(f"keys/{made['id']}")).status_code == 204


async def test_last_use_is_shown_at_once_and_written_in_batches(web: Web) -> None:
    browser = await web.signed_in("ada")
    made = (await browser.post("keys", json={"name": "laptop"})).json()
    assert made["last_used_at"] is None
    web.accounts.snapshot.principal_for_key(made["key"].encode())
    (listed,) = (await browser.get("keys")).json()
    assert now_ms() - listed["last_used_at"] < 60_000
    written = select(ApiKey.last_used_at)
    assert await web.accounts.store.read(lambda s: s.scalar(written)) is None
    await web.accounts.keys.note_uses()
    assert await web.accounts.store.read(lambda s: s.scalar(written)) == listed["last_used_at"]


async def test_each_user_was_seen_when_their_own_key_was_used(web: Web) -> None:
    used = web.accounts.snapshot.keys_used
    for at, name in enumerate(("ada", "bob"), start=1):
        await web.accounts.create_user(name, PASSWORD)
        principal = web.accounts.snapshot.principal_for_key((await web.accounts.create_key(name, "k")).encode())
        assert principal is not None
        used[principal.key_id or ""] = at
    await web.accounts.keys.note_uses()
    seen = {user.name: user.last_seen_at for user in await web.accounts.users.everybody()}
    assert seen == {"ada": 1, "bob": 2}


async def test_the_last_uses_are_written_at_the_end(web: Web) -> None:
    await web.accounts.create_user("ada", PASSWORD)
    key = await web.accounts.create_key("ada", "laptop")
    web.accounts.snapshot.principal_for_key(key.encode())
    await web.accounts.stop()
    assert await web.accounts.store.read(lambda s: s.scalar(select(ApiKey.last_used_at))) is not None


async def test_a_user_cannot_pile_up_keys(web: Web) -> None:
    user_id = await web.accounts.create_user("ada", PASSWORD)
    for n in range(MOST):
        await web.accounts.keys.create(CONSOLE, user_id, f"key {n}")
    with pytest.raises(Conflict, match="revoke one"):
        await web.accounts.keys.create(CONSOLE, user_id, "one more")


async def test_calls_carry_the_tags_of_their_key_and_of_its_users_groups(web: Web) -> None:
    admin, bob = await web.signed_in("ada", Role.ADMIN), await web.signed_in("bob")
    user_id = bob.user["id"]  # type: ignore[attr-defined]
    group = (
        await admin.post("groups", json={"name": "legal", "members": [user_id], "tags": ["confidential", "eu", "eu"]})
    ).json()
    assert group["tags"] == ["confidential", "eu"]
    made = (await bob.post("keys", json={"name": "nightly", "tags": [" batch "]})).json()
    assert made["tags"] == ["batch"]
    teams = (await admin.post(f"groups/{group['id']}/keys", json={"name": "ours", "tags": ["eu"]})).json()

    def tags(key: str) -> set[str]:
        principal = web.accounts.snapshot.principal_for_key(key.encode())
        assert principal is not None
        return set(principal.tags)

    assert tags(made["key"]) == {"confidential", "eu", "batch"}
    assert tags(teams["key"]) == {"confidential", "eu"}
    principal = web.accounts.snapshot.principal_for_user(user_id)
    assert principal is not None
    assert principal.tags == {"confidential", "eu"}

    assert (await bob.patch(f"keys/{made['id']}", json={"tags": []})).json()["tags"] == []
    assert (await admin.patch(f"groups/{group['id']}", json={"tags": ["eu"]})).json()["tags"] == ["eu"]
    assert tags(made["key"]) == tags(teams["key"]) == {"eu"}
    for wrong in (["a,b"], [""], ["x" * 81], [7]):
        assert (await bob.patch(f"keys/{made['id']}", json={"tags": wrong})).status_code == 400
