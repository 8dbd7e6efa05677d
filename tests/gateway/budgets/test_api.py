"""The routes of limits: who may see and set them, and what they tell of use."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy import select

from inglenook.accounts.api import router as accounts_router
from inglenook.accounts.principal import CONSOLE, Role, Thing, Verb
from inglenook.accounts.snapshot import LimitFacts
from inglenook.accounts.tables import Audit
from inglenook.gateway.budgets.api import router
from inglenook.gateway.gateway import Gateway
from inglenook.kit.asgi import from_validation, render_error
from inglenook.kit.config import Settings
from inglenook.kit.errors import InglenookError
from tests.gateway.budgets.conftest import TOKEN, purse_of
from tests.gateway.budgets.test_budget import ask, at_gate, refused
from tests.gateway.test_gateway import collect
from tests.support.gateway import Desk
from tests.support.permissions import undeclared_routes

PASSWORD = "correct horse"


def build_app(desk: Desk, gateway: Gateway, folder: Path) -> FastAPI:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.gateway, app.state.accounts, app.state.settings = gateway, desk.accounts, Settings(data=folder)
    app.include_router(accounts_router)
    app.include_router(router)

    async def on_error(_: Request, error: Exception) -> Response:
        failed = error if isinstance(error, InglenookError) else from_validation(list(error.errors()))  # type: ignore[attr-defined]
        status, headers, body = render_error(failed)
        return Response(body, status, headers)

    app.add_exception_handler(InglenookError, on_error)
    app.add_exception_handler(RequestValidationError, on_error)
    return app


@pytest.fixture
async def web(desk: Desk, tmp_path: Path) -> AsyncIterator[SimpleNamespace]:
    """An administrator's and a member's browser, and a program with the desk's key."""
    desk.accounts.passwords._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    app = build_app(desk, desk.gateway, tmp_path)
    async with AsyncExitStack() as stack:

        async def client(**headers: str) -> httpx.AsyncClient:
            made = httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://house.test/api/v1/", headers=headers
            )
            return await stack.enter_async_context(made)

        async def browser(name: str) -> httpx.AsyncClient:
            found = await client(**{"x-inglenook": "1"})
            (await found.post("session", json={"name": name, "password": PASSWORD})).raise_for_status()
            return found

        await desk.accounts.create_user("root", PASSWORD, Role.ADMIN)
        await desk.accounts.reset_password("ada", PASSWORD)
        yield SimpleNamespace(
            app=app,
            admin=await browser("root"),
            member=await browser("ada"),
            program=await client(authorization=f"Bearer {desk.key}"),
        )


def test_every_route_declares_its_permission(web: SimpleNamespace) -> None:
    assert undeclared_routes(web.app) == []


async def test_limits_are_set_seen_and_taken_away(desk: Desk, web: SimpleNamespace) -> None:
    user = f"limits/user/{desk.principal.user_id}"
    put = await web.admin.put(user, json={"requests_per_minute": 60, "amount_per_month": 5_000_000})
    assert put.status_code == 200
    await collect(desk, ask(desk, tokens=10))
    await desk.gateway.budget.leases.report()
    seen = (await web.admin.get(user)).json()
    assert {name: value for name, value in seen.items() if name not in ("month", "day")} == {
        "subject_kind": "user",
        "subject_id": desk.principal.user_id,
        "name": "ada",
        "owner": "",
        "own": True,
        "requests_per_minute": 60,
        "tokens_per_minute": None,
        "concurrent_requests": None,
        "amount_per_day": None,
        "amount_per_month": 5_000_000,
        "requests": 1,
        "tokens": 0,
        "concurrent": 0,
    }
    month = seen["month"]
    assert (month["amount"], month["spent"], month["reserved"], month["held"]) == (5_000_000, 6 * TOKEN, 0, 0)
    assert month["currency"] == "USD"
    assert month["started_at"] < month["resets_at"]
    assert (await web.admin.get("limits")).json() == [seen]
    replaced = (await web.admin.put(user, json={"tokens_per_minute": 7})).json()
    assert (replaced["tokens_per_minute"], replaced["requests_per_minute"], replaced["month"]) == (7, None, None)
    assert (await web.admin.delete(user)).status_code == 204
    assert (await web.admin.delete(user)).status_code == 404
    assert (await web.admin.get(user)).status_code == 404
    acts = await desk.store.read(lambda s: s.scalars(select(Audit.act).where(Audit.act.like("limits%"))).all())
    assert acts == ["limits.set", "limits.set", "limits.removed"]


async def test_all_together_and_each_user_have_no_id(desk: Desk, web: SimpleNamespace) -> None:
    for kind in ("everyone", "default"):
        assert (await web.admin.put(f"limits/{kind}/-", json={"amount_per_day": 1})).status_code == 200
        assert (await web.admin.put(f"limits/{kind}/x", json={})).status_code == 400
    listed = (await web.admin.get("limits")).json()
    assert [(one["subject_kind"], one["subject_id"]) for one in listed] == [("everyone", ""), ("default", "")]
    assert listed[0]["day"]["spent"] == 0
    assert listed[1]["day"] is None  # each user has their own
    for wrong in ({"requests_per_minute": -1}, {"amount_per_day": 1.5}, {"requests_per_minut": 1}):
        assert (await web.admin.put("limits/everyone/-", json=wrong)).status_code == 400, wrong
    assert (await web.admin.put("limits/planet/earth", json={})).status_code == 400
    assert (await web.admin.put("limits/user/usr_none", json={})).status_code == 404


async def test_use_is_known_before_a_budget_is_used(desk: Desk, web: SimpleNamespace) -> None:
    await collect(desk, ask(desk))
    for path in (f"limits/key/{desk.principal.key_id}", f"limits/user/{desk.principal.user_id}", "limits/everyone/-"):
        seen = (await web.admin.put(path, json={"amount_per_day": 9_000_000})).json()
        assert seen["day"]["spent"] == 6 * TOKEN, path


async def test_the_list_comes_in_pages(desk: Desk, web: SimpleNamespace) -> None:
    ids = []
    for n in range(3):
        key = (await desk.accounts.keys.create(CONSOLE, desk.principal.user_id, f"k{n}")).key
        await desk.accounts.limits.put(CONSOLE, ("key", key.id), LimitFacts(requests_per_minute=n))
        ids.append(key.id)
    first = (await web.admin.get("limits", params={"kind": "key", "limit": 2})).json()
    assert [one["subject_id"] for one in first] == ids[:2]
    rest = (await web.admin.get("limits", params={"kind": "key", "after": ids[1]})).json()
    assert [one["subject_id"] for one in rest] == ids[2:]
    assert (await web.admin.get("limits", params={"after": ids[1]})).status_code == 400


async def test_the_nearest_to_a_limit_come_first(desk: Desk, web: SimpleNamespace) -> None:
    limits, ada = desk.accounts.limits, desk.principal.user_id
    await collect(desk, ask(desk))  # costs 6 tokens
    eve = await desk.accounts.create_user("eve", PASSWORD)
    group = await desk.accounts.groups.create(CONSOLE, "Kitchen", members=[ada])
    key = (await desk.accounts.keys.create(CONSOLE, ada, "kettle")).key
    for subject, facts in [
        (("default", ""), LimitFacts(amount_per_day=150 * TOKEN)),
        (("everyone", ""), LimitFacts(amount_per_month=600 * TOKEN)),
        (("group", group.id), LimitFacts(amount_per_day=40 * TOKEN, amount_per_month=6000 * TOKEN)),
        (("key", key.id), LimitFacts(requests_per_minute=9)),
    ]:
        await limits.put(CONSOLE, subject, facts)
    await collect(desk, ask(desk, tokens=10))
    await desk.gateway.budget.leases.report()
    page = (await web.admin.get("limits/closest")).json()
    seen = [(one["subject_kind"], one["name"], one["own"]) for one in page["limits"]]
    assert seen[:3] == [("group", "Kitchen", True), ("user", "ada", False), ("everyone", "", True)]
    assert set(seen[3:]) == {("user", "eve", False), ("user", "root", False), ("key", "kettle", True)}
    assert page["total"] == 6
    assert next(one["owner"] for one in page["limits"] if one["subject_kind"] == "key") == "ada"
    assert page["limits"][1]["day"]["spent"] == 12 * TOKEN
    assert page["limits"][1]["subject_id"] == ada

    async def found(**params: object) -> list[str]:
        answer = (await web.admin.get("limits/closest", params=params)).json()  # type: ignore[arg-type]
        return [one["name"] for one in answer["limits"]]

    assert await found(limit=2, offset=1) == ["ada", ""]
    assert await found(kind="group") == ["Kitchen"]
    assert await found(kind="user", search="EV") == ["eve"]
    assert await found(search="ada") == ["ada", "kettle"]
    assert await found(search="kitchen") == ["Kitchen"]
    await limits.put(CONSOLE, ("user", eve), LimitFacts(amount_per_day=0))
    assert (await found())[0] == "eve"  # nothing is all there is
    assert (await web.member.get("limits/closest")).status_code == 403


async def test_limits_of_the_keys_of_a_page_and_what_stands_above_them(desk: Desk, web: SimpleNamespace) -> None:
    limits, ada = desk.accounts.limits, desk.principal.user_id
    group = await desk.accounts.groups.create(CONSOLE, "Kitchen", members=[])
    mine = (await desk.accounts.keys.create(CONSOLE, ada, "mine")).key.id
    free = (await desk.accounts.keys.create(CONSOLE, ada, "free")).key.id
    teams = (await desk.accounts.keys.create(CONSOLE, group.id, "teams")).key.id
    for key in (mine, teams):
        await limits.put(CONSOLE, ("key", key), LimitFacts(requests_per_minute=5))
    await limits.put(CONSOLE, ("group", group.id), LimitFacts(amount_per_day=7))
    await limits.put(CONSOLE, ("default", ""), LimitFacts(amount_per_day=8))
    params = {"key": [mine, free, teams, "key_none"]}
    seen = (await web.member.get("keys/limits", params=params)).json()
    assert [one["subject_id"] for one in seen] == [mine]  # not the team's
    assert {one["subject_id"] for one in (await web.admin.get("keys/limits", params=params)).json()} == {mine, teams}
    standing = (await web.member.get(f"keys/{free}/standing")).json()
    assert [(one["subject_kind"], one["own"]) for one in standing] == [("user", False)]
    above = (await web.admin.get(f"keys/{teams}/standing")).json()
    assert [(one["subject_kind"], one["name"]) for one in above] == [("key", "teams"), ("group", "Kitchen")]
    assert (await web.member.get(f"keys/{teams}/standing")).status_code == 404
    assert (await web.member.get(f"groups/{group.id}/limits")).status_code == 403
    await desk.accounts.groups.change(CONSOLE, group.id, {"managers": [ada]})
    assert (await web.member.get(f"groups/{group.id}/limits")).json()[0]["day"]["amount"] == 7


async def test_members_see_what_limits_them_and_limit_their_own_keys(desk: Desk, web: SimpleNamespace) -> None:
    await desk.accounts.limits.put(CONSOLE, ("default", ""), LimitFacts(amount_per_day=9_000_000))
    for method, path in [
        ("GET", "limits"),
        ("GET", f"limits/user/{desk.principal.user_id}"),
        ("PUT", f"limits/user/{desk.principal.user_id}"),
        ("DELETE", "limits/default/-"),
        ("POST", "limits/default/-/release"),
    ]:
        body = {} if method == "PUT" else None
        assert (await web.member.request(method, path, json=body)).status_code == 403, path
    path = f"keys/{desk.principal.key_id}/limits"
    assert (await web.member.get(path)).status_code == 404
    assert (await web.member.put(path, json={"amount_per_day": 50 * TOKEN})).status_code == 200
    await collect(desk, ask(desk, tokens=10))
    await refused(desk, ask(desk, tokens=60))
    assert [one["subject_kind"] for one in (await web.member.get("limits/me")).json()["limits"]] == ["user"]
    standing = (await web.program.get("limits/me")).json()
    assert (standing["currency"], standing["time_zone"]) == ("USD", "UTC")
    mine = standing["limits"]
    assert [one["subject_kind"] for one in mine] == ["key", "user"]
    assert [one["day"]["spent"] for one in mine] == [6 * TOKEN, 6 * TOKEN]
    # A key does not widen itself.
    assert (await web.program.put(path, json={})).status_code == 403
    assert (await web.program.delete(path)).status_code == 403
    await desk.accounts.create_user("eve", PASSWORD)
    other = (await desk.accounts.keys.create(CONSOLE, (await desk.accounts.users.find("eve")).id, "k")).key.id
    assert (await web.member.put(f"keys/{other}/limits", json={})).status_code == 404
    assert (await web.admin.put(f"keys/{other}/limits", json={"tokens_per_minute": 1})).status_code == 200
    assert (await web.member.delete(path)).status_code == 204
    await collect(desk, ask(desk, tokens=60))


async def test_who_manages_a_teams_keys_limits_them(desk: Desk, web: SimpleNamespace) -> None:
    group = await desk.accounts.groups.create(CONSOLE, "Kitchen", members=[desk.principal.user_id])
    key = (await desk.accounts.keys.create(CONSOLE, group.id, "kettle")).key
    path = f"keys/{key.id}/limits"
    assert (await web.member.put(path, json={"requests_per_minute": 5})).status_code == 404
    await desk.accounts.grants.add(CONSOLE, ("user", desk.principal.user_id), Verb.EDIT, Thing("group", group.id))
    assert (await web.member.put(path, json={"requests_per_minute": 5})).status_code == 200
    assert (await web.member.put(f"limits/group/{group.id}", json={})).status_code == 403


async def test_what_a_dead_server_held_counts_as_spent_until_it_is_released(
    desk: Desk, web: SimpleNamespace, tmp_path: Path
) -> None:
    path = f"limits/key/{desk.principal.key_id}"
    await web.admin.put(path, json={"amount_per_day": 200 * TOKEN})
    script = '{"steps": [{"text": "one"}, {"wait": "gate"}]}'
    task = asyncio.create_task(collect(desk, ask(desk, script, tokens=120)))
    await at_gate(desk, task)
    lease = purse_of(desk).lease
    assert lease >= 120 * TOKEN
    # The server dies, and another one starts on its data.
    started = Gateway(desk.accounts, desk.shelf, desk.ledger)  # type: ignore[arg-type]
    await started.budget.leases.report()
    web.app.state.gateway = started
    seen = (await web.admin.get(path)).json()["day"]
    assert (seen["spent"], seen["reserved"], seen["held"]) == (0, 0, lease)
    with pytest.raises(InglenookError) as caught:
        await started.whole(ask(desk, tokens=60))
    assert (caught.value.code, caught.value.details["reserved"]) == ("budget_exceeded", lease)
    assert (await web.admin.post(f"{path}/release")).json() == {"amount": lease}
    assert (await web.admin.post(f"{path}/release")).json() == {"amount": 0}
    await started.whole(ask(desk, tokens=60))
    # It was not dead: what it spends is written down all the same, and nothing is taken back twice.
    desk.fake.gate("gate").open()
    await task
    for gateway in (desk.gateway, started):
        await gateway.stop()
    seen = (await web.admin.get(path)).json()["day"]
    costs = [entry.cost or 0 for entry in await desk.ledger.entries()]
    assert (seen["spent"], seen["reserved"], seen["held"]) == (sum(costs), 0, 0)
    records = await desk.store.read(lambda s: s.scalars(select(Audit).where(Audit.act == "budget.released")).all())
    assert [record.details for record in records] == [{"amount": lease}, {"amount": 0}]
