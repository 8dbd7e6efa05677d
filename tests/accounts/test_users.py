"""Users, groups, grants and the audit trail, as an administrator handles them."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inglenook.accounts.principal import CONSOLE, Role, Thing, Verb
from inglenook.accounts.snapshot import LimitFacts
from inglenook.accounts.tables import ApiKey, Audit, Grant, GroupMember, LoginSession, User
from tests.accounts.conftest import PASSWORD, Web


async def trail(web: Web) -> list[tuple[str, str, str | None]]:
    """(actor, act, thing) of all records, oldest first."""
    query = select(Audit).order_by(Audit.id)
    return [(r.actor_name, r.act, r.thing_id) for r in await web.accounts.store.read(lambda s: [*s.scalars(query)])]


async def test_a_member_administers_nothing(web: Web) -> None:
    member = await web.signed_in("bob")
    own = member.user["id"]  # type: ignore[attr-defined]
    for method, path, body in [
        ("GET", "users", None),
        ("POST", "users", {"name": "eve", "role": "admin"}),
        ("PATCH", f"users/{own}", {"role": "admin"}),
        ("DELETE", f"users/{own}", None),
        ("GET", "groups", None),
        ("POST", "groups", {"name": "team"}),
        ("GET", "grants", None),
        ("POST", "grants", {"subject_kind": "user", "subject_id": own, "verb": "manage", "thing_kind": "model"}),
        ("GET", "audit", None),
    ]:
        answer = await member.request(method, path, json=body)
        assert answer.status_code == 403, (method, path)
    smuggled = await member.patch("me", json={"role": "admin"})
    assert (smuggled.status_code, smuggled.json()["error"]["field"]) == (400, "role")


async def test_a_user_is_made_with_a_given_or_a_generated_password(web: Web) -> None:
    admin = await web.signed_in("ada", Role.ADMIN)
    given = await admin.post("users", json={"name": "bob", "password": PASSWORD, "display_name": "Bob B."})
    assert (given.status_code, given.json()["password"]) == (201, None)
    assert given.json()["display_name"] == "Bob B."
    made = (await admin.post("users", json={"name": "eve", "role": "admin"})).json()
    assert made["role"] == "admin"
    eve = await web.browser()
    answer = await eve.post("session", json={"name": "eve", "password": made["password"]})
    assert answer.json()["user"]["role"] == "admin"
    listed = (await admin.get("users")).json()
    assert [user["name"] for user in listed] == ["ada", "bob", "eve"]
    assert all("password" not in "".join(user) for user in listed)


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"name": "ADA", "password": PASSWORD}, 409, "name"),
        ({"name": "ＡＤＡ", "password": PASSWORD}, 409, "name"),  # wide letters look the same
        ({"name": "", "password": PASSWORD}, 400, "name"),
        ({"name": "a b", "password": PASSWORD}, 400, "name"),
        ({"name": "a\u202eb", "password": PASSWORD}, 400, "name"),
        ({"name": "x" * 65, "password": PASSWORD}, 400, "name"),
        ({"name": "bob", "password": "short"}, 400, "password"),
        ({"name": "bob", "role": "owner"}, 400, "role"),
        ({"name": "bob", "surprise": 1}, 400, "surprise"),
        ({"name": "हिन्दी", "password": PASSWORD}, 201, None),
        ({"name": "zoë@example.org", "password": PASSWORD}, 201, None),
    ],
)
async def test_names_and_passwords_are_checked(web: Web, body: Any, status: int, field: str | None) -> None:
    admin = await web.signed_in("ada", Role.ADMIN)
    answer = await admin.post("users", json=body)
    assert answer.status_code == status
    if field:
        assert answer.json()["error"]["field"] == field


async def test_null_is_refused_by_the_name_of_its_field(web: Web) -> None:
    admin = await web.signed_in("ada", Role.ADMIN)
    answer = await admin.patch(f"users/{admin.user['id']}", json={"email": None, "role": None})  # type: ignore[attr-defined]
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "role")


async def test_disabling_signs_out_and_enabling_lets_in_again(web: Web) -> None:
    admin, bob = await web.signed_in("ada", Role.ADMIN), await web.signed_in("bob")
    path = f"users/{bob.user['id']}"  # type: ignore[attr-defined]
    assert (await admin.patch(path, json={"disabled": True})).json()["disabled"] is True
    assert (await bob.get("keys")).status_code == 401
    assert (await bob.get("session")).json()["user"] is None
    await admin.patch(path, json={"disabled": False})
    assert (await bob.get("keys")).status_code == 401  # the session is gone, not asleep
    assert (await bob.post("session", json={"name": "bob", "password": PASSWORD})).status_code == 200


async def test_a_change_is_whole_or_not_at_all(web: Web) -> None:
    admin = await web.signed_in("ada", Role.ADMIN)
    path = f"users/{admin.user['id']}"  # type: ignore[attr-defined]
    refused = await admin.patch(path, json={"password": "battery staple", "role": "member"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "last_admin")
    assert (await admin.get("users")).json()[0]["role"] == "admin"  # still signed in, still in charge
    assert (await admin.patch(path, json={"role": None})).status_code == 400
    assert (await admin.patch(path, json={"password": "battery staple"})).status_code == 200
    assert (await admin.get("users")).status_code == 401
    assert (await admin.post("session", json={"name": "ada", "password": "battery staple"})).status_code == 200


@pytest.mark.parametrize("change", [{"role": "member"}, {"disabled": True}, None])
async def test_the_last_administrator_stays(web: Web, change: Any) -> None:
    admin = await web.signed_in("ada", Role.ADMIN)
    path = f"users/{admin.user['id']}"  # type: ignore[attr-defined]

    async def act() -> int:
        answer = await (admin.delete(path) if change is None else admin.patch(path, json=change))
        return answer.status_code

    disabled = await web.accounts.create_user("old", PASSWORD, Role.ADMIN)
    await web.accounts.users.change(CONSOLE, disabled, {"disabled": True})  # one who cannot sign in does not count
    assert await act() == 409
    await web.accounts.create_user("bea", PASSWORD, Role.ADMIN)
    assert await act() in (200, 204)
    assert (await admin.get("users")).status_code in (401, 403)


async def test_two_administrators_cannot_both_step_down_at_once(web: Web) -> None:
    ids = [await web.accounts.create_user(name, PASSWORD, Role.ADMIN) for name in ("ada", "bea")]
    change = web.accounts.users.change
    results = await asyncio.gather(
        *(change(CONSOLE, user_id, {"role": Role.MEMBER}) for user_id in ids), return_exceptions=True
    )
    assert sum(isinstance(result, Exception) for result in results) == 1
    assert web.accounts.snapshot.now.has_admin


async def test_members_can_be_changed_on_a_server_without_administrator(web: Web) -> None:
    user_id = await web.accounts.create_user("bob", PASSWORD)
    await web.accounts.users.change(CONSOLE, user_id, {"display_name": "Bob"})
    await web.accounts.users.delete(CONSOLE, user_id)


async def test_deleting_a_user_deletes_what_is_theirs(web: Web) -> None:
    admin, bob = await web.signed_in("ada", Role.ADMIN), await web.signed_in("bob")
    user_id = bob.user["id"]  # type: ignore[attr-defined]
    await bob.post("keys", json={"name": "laptop"})
    group = await web.accounts.groups.create(CONSOLE, "team", members=[user_id])
    await web.accounts.grants.add(CONSOLE, ("user", user_id), Verb.MANAGE, Thing("hub"))
    seen: list[tuple[str, bool]] = []

    def forget(session: Session, deleted: str) -> None:
        seen.append((deleted, session.get(User, deleted) is not None))

    web.accounts.on_user_deleted(forget)
    assert (await admin.delete(f"users/{user_id}")).status_code == 204
    assert seen == [(user_id, True)]

    def left(session: Session) -> list[int | None]:
        mine = [
            select(func.count()).select_from(User).where(User.id == user_id),
            select(func.count()).select_from(ApiKey),
            select(func.count()).select_from(LoginSession).where(LoginSession.user_id == user_id),
            select(func.count()).select_from(GroupMember),
            select(func.count()).select_from(Grant).where(Grant.subject_id == user_id),
        ]
        return [session.scalar(query) for query in mine]

    assert await web.accounts.store.read(left) == [0, 0, 0, 0, 0]
    assert web.accounts.snapshot.now.groups[group.id].members == frozenset()
    assert (await bob.get("keys")).status_code == 401
    assert (await admin.delete(f"users/{user_id}")).status_code == 404


async def test_a_failing_callback_keeps_the_user(web: Web) -> None:
    user_id = await web.accounts.create_user("bob", PASSWORD)

    def fail(_session: Session, _user_id: str) -> None:
        raise RuntimeError("cannot delete the conversations")

    web.accounts.on_user_deleted(fail)
    with pytest.raises(RuntimeError):
        await web.accounts.users.delete(CONSOLE, user_id)
    assert web.accounts.snapshot.principal_for_user(user_id) is not None
    assert "user.deleted" not in [act for _, act, _ in await trail(web)]


async def test_ones_own_profile(web: Web) -> None:
    browser = await web.signed_in("ada")
    changed = await browser.patch("me", json={"language": "zh-CN", "theme": "dark", "display_name": " Ada L. "})
    assert changed.json() | {"id": ""} == {
        "id": "",
        "name": "ada",
        "display_name": "Ada L.",
        "email": None,
        "role": "member",
        "language": "zh-CN",
        "theme": "dark",
        "groups": [],
    }
    assert (await browser.patch("me", json={"language": None})).json()["language"] is None
    assert (await browser.get("session")).json()["user"]["theme"] == "dark"
    for wrong in (
        {"theme": "purple"},
        {"language": "<b>"},
        {"display_name": None},
        {"display_name": " "},
        {"display_name": "a\0"},
    ):
        assert (await browser.patch("me", json=wrong)).status_code == 400, wrong


async def test_groups(web: Web) -> None:
    admin, bob = await web.signed_in("ada", Role.ADMIN), await web.signed_in("bob")
    user_id = bob.user["id"]  # type: ignore[attr-defined]
    made = (await admin.post("groups", json={"name": "Team", "members": [user_id]})).json()
    shown = {"id": "", "name": "Team", "members": [user_id], "managers": [], "keys": 0, "tags": [], "created_at": 0}
    assert made | {"id": "", "created_at": 0} == shown
    assert (await bob.get("session")).json()["user"]["groups"] == [{"id": made["id"], "name": "Team", "manages": False}]
    assert (await admin.get("users")).json()[1]["groups"] == [made["id"]]
    path = f"groups/{made['id']}"
    assert (await admin.post("groups", json={"name": "TEAM"})).json()["error"]["code"] == "name_taken"
    assert (await admin.post("groups", json={"name": "other", "members": ["usr_none"]})).status_code == 404
    assert (await admin.patch(path, json={"members": ["usr_none"]})).status_code == 404
    plain = (await admin.patch(path, json={"name": "team", "members": []})).json()
    assert (plain["name"], plain["members"]) == ("team", [])
    assert [group["name"] for group in (await admin.get("groups")).json()] == ["team"]
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get("groups")).json() == []
    assert (await admin.delete(path)).status_code == 404


async def test_who_manages_a_group_is_told_and_changed(web: Web) -> None:
    admin, bob, eve = [await web.signed_in(name, Role.ADMIN if name == "ada" else Role.MEMBER) for name in _THREE]
    bob_id, eve_id = bob.user["id"], eve.user["id"]  # type: ignore[attr-defined]
    made = (await admin.post("groups", json={"name": "Team", "members": [eve_id], "managers": [bob_id]})).json()
    assert made["managers"] == [bob_id]
    path = f"groups/{made['id']}"
    assert (await bob.get("session")).json()["user"]["groups"] == [
        {"id": made["id"], "name": "Team", "manages": True}  # though not a member
    ]
    assert (await bob.post(f"{path}/keys", json={"name": "kettle"})).status_code == 201
    people = (await bob.get(f"{path}/people")).json()
    assert [(one["name"], one["member"], one["manages"]) for one in people] == [
        ("bob", False, True),
        ("eve", True, False),
    ]
    assert (await eve.get(f"{path}/people")).status_code == 403
    # A right that was granted otherwise is one of a manager's, and goes with the list.
    await web.accounts.grants.add(CONSOLE, ("user", eve_id), Verb.MANAGE, Thing("group", made["id"]))
    listed = (await admin.get("groups")).json()[0]
    assert (listed["managers"], listed["keys"]) == (sorted([bob_id, eve_id]), 1)
    assert (await admin.patch(path, json={"managers": [bob_id]})).json()["managers"] == [bob_id]
    assert (await eve.get(f"{path}/people")).status_code == 403
    assert (await bob.patch(path, json={"managers": [bob_id, eve_id]})).status_code == 403
    missing = await admin.patch(path, json={"managers": ["usr_none"]})
    assert (missing.status_code, missing.json()["error"]["field"]) == (404, "managers")
    assert (await admin.delete(path)).status_code == 204
    assert [grant.thing_kind for grant in await web.accounts.grants.everything()] == ["model"]


async def test_which_models_a_group_may_use(web: Web) -> None:
    admin, bob = await web.signed_in("ada", Role.ADMIN), await web.signed_in("bob")
    bob_id = bob.user["id"]  # type: ignore[attr-defined]
    team = (await admin.post("groups", json={"name": "Team", "members": [bob_id], "managers": [bob_id]})).json()["id"]
    everyone = {"subject_kind": "everyone", "subject_id": "", "models": None}
    assert (await admin.get("rights/models")).json() == [everyone]
    assert (await admin.put("rights/models/everyone/-", json={"models": ["small"]})).json()["models"] == ["small"]
    given = await admin.put(f"rights/models/group/{team}", json={"models": ["large", "huge"]})
    assert given.json() == {"subject_kind": "group", "subject_id": team, "models": ["huge", "large"]}
    assert (await bob.get(f"groups/{team}/models")).json() == [{**everyone, "models": ["small"]}, given.json()]
    assert (await admin.get("rights/models")).json() == [{**everyone, "models": ["small"]}, given.json()]

    def usable(names: str) -> str:
        principal = web.accounts.snapshot.principal_for_user(bob_id)
        assert principal is not None
        may = web.accounts.grants.may
        return " ".join(name for name in names.split() if may(principal, Verb.USE, Thing("model", name)))

    assert usable("small large huge other") == "small large huge"
    await admin.put(f"rights/models/group/{team}", json={"models": []})
    assert usable("small large huge other") == "small"
    assert (await admin.put("rights/models/everyone/-", json={"models": None})).json() == everyone
    assert usable("small large huge other") == "small large huge other"
    assert (await bob.get("rights/models")).status_code == 403
    assert (await bob.put("rights/models/everyone/-", json={"models": []})).status_code == 403
    assert (await admin.put("rights/models/group/grp_none", json={"models": []})).status_code == 404
    assert (await admin.put("rights/models/planet/-", json={"models": []})).status_code == 400
    acts = await web.accounts.store.read(lambda s: [*s.scalars(select(Audit.act).where(Audit.act.like("models%")))])
    assert acts == ["models.granted"] * 4


_THREE = ("ada", "bob", "eve")


async def test_one_group_pays_for_a_user(web: Web) -> None:
    admin, bob = await web.signed_in("ada", Role.ADMIN), await web.signed_in("bob")
    user_id = bob.user["id"]  # type: ignore[attr-defined]

    def payer() -> str | None:
        principal = web.accounts.snapshot.principal_for_user(user_id)
        assert principal is not None
        return principal.team_id

    assert payer() is None
    names = ("first", "second", "third")
    groups = [(await admin.post("groups", json={"name": name, "members": [user_id]})).json()["id"] for name in names]
    assert payer() == groups[0]  # the oldest
    await web.accounts.limits.put(CONSOLE, ("group", groups[1]), LimitFacts(amount_per_day=1))
    assert payer() == groups[1]  # the oldest with limits
    path = f"users/{user_id}"
    assert (await admin.patch(path, json={"team_id": groups[2]})).json()["team_id"] == groups[2]
    assert payer() == groups[2]  # the chosen one
    other = (await admin.post("groups", json={"name": "other"})).json()["id"]
    refused = await admin.patch(path, json={"team_id": other})
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "team_id")
    await admin.patch(f"groups/{groups[2]}", json={"members": []})
    assert payer() == groups[1]  # one who is not in a group any more is not paid for by it
    assert (await admin.patch(path, json={"team_id": None})).json()["team_id"] == groups[1]
    for group in groups:
        assert (await admin.delete(f"groups/{group}")).status_code == 204
    assert payer() is None


async def test_addresses(web: Web) -> None:
    admin = await web.signed_in("ada", Role.ADMIN)
    made = (await admin.post("users", json={"name": "bob", "email": " Bob@Example.com "})).json()
    assert made["email"] == "Bob@Example.com"
    taken = await admin.post("users", json={"name": "eve", "email": "bob@example.COM"})
    assert (taken.status_code, taken.json()["error"]["field"]) == (409, "email")
    path = f"users/{made['id']}"
    for wrong in ("bob", "bob@", "@example.com", "a b@example.com", "a@b@c", "b@x\r\nbcc: z@y", f"{'x' * 65}@y"):
        assert (await admin.patch(path, json={"email": wrong})).status_code == 400, wrong
    assert (await admin.patch(path, json={"email": "bob@example.com"})).json()["email"] == "bob@example.com"
    assert (await admin.patch(path, json={"email": None})).json()["email"] is None
    assert (await admin.post("users", json={"name": "eve", "email": "bob@example.com"})).status_code == 201


async def test_the_seeded_grant_can_be_removed_and_does_not_come_back(web: Web) -> None:
    admin, bob = await web.signed_in("ada", Role.ADMIN), await web.signed_in("bob")
    member = web.accounts.snapshot.principal_for_user(bob.user["id"])  # type: ignore[attr-defined]
    assert member is not None
    (seeded,) = (await admin.get("grants")).json()
    assert (seeded["subject_kind"], seeded["verb"], seeded["thing_kind"]) == ("everyone", "use", "model")
    assert (await admin.delete(f"grants/{seeded['id']}")).status_code == 204
    assert not web.accounts.grants.may(member, Verb.USE, Thing("model", "m"))
    await web.accounts.create_user("eve", PASSWORD)
    await web.accounts.start()
    assert (await admin.get("grants")).json() == []
    body = {"subject_kind": "user", "subject_id": member.user_id, "verb": "use", "thing_kind": "model", "thing_id": "m"}
    made = await admin.post("grants", json=body)
    assert made.status_code == 201
    assert web.accounts.grants.may(member, Verb.USE, Thing("model", "m"))
    assert (await admin.post("grants", json=body)).json()["id"] == made.json()["id"]
    spying = {"subject_kind": "everyone", "verb": "read", "thing_kind": "conversation"}
    assert (await admin.post("grants", json=spying)).status_code == 403


async def test_the_audit_trail_tells_who_did_what(web: Web) -> None:
    admin = await web.signed_in("ada", Role.ADMIN)
    bob = (await admin.post("users", json={"name": "bob", "password": PASSWORD})).json()["id"]
    await admin.patch(f"users/{bob}", json={"role": "admin"})
    await admin.patch("me", json={"theme": "dark"})  # nobody's business
    await admin.delete(f"users/{bob}")
    ada = admin.user["id"]  # type: ignore[attr-defined]
    assert await trail(web) == [
        ("command line", "user.created", ada),
        ("ada", "session.created", ada),
        ("ada", "user.created", bob),
        ("ada", "user.changed", bob),
        ("ada", "user.deleted", bob),
    ]
    newest = (await admin.get("audit", params={"limit": 2})).json()
    assert [record["act"] for record in newest] == ["user.deleted", "user.changed"]
    assert newest[1]["details"] == {"name": "bob", "role": "admin"}
    older = (await admin.get("audit", params={"before": newest[-1]["id"]})).json()
    assert [record["act"] for record in older] == ["user.created", "session.created", "user.created"]
    assert PASSWORD not in (await admin.get("audit")).text
    assert (await admin.get("audit", params={"limit": -1})).status_code == 400


async def test_audit_records_are_only_ever_added(web: Web) -> None:
    await web.accounts.create_user("ada", PASSWORD)

    def forge(session: Session) -> None:
        record = session.scalars(select(Audit)).one()
        record.actor_name = "somebody else"

    def forget(session: Session) -> None:
        session.delete(session.scalars(select(Audit)).one())

    for tamper in (forge, forget):
        with pytest.raises(RuntimeError, match="only ever added"):
            await web.accounts.store.write(tamper)
    assert [actor for actor, _, _ in await trail(web)] == ["command line"]
