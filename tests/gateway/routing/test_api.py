"""The routes' API on a real house."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from inglenook.accounts.principal import CONSOLE
from inglenook.gateway.call import Call
from inglenook.kit.asgi import LOCAL_ADMIN
from inglenook.kit.config import load_settings
from inglenook.models.calls import ChatRequest, Message, Operation
from inglenook.server import House, build_app, open_house
from tests.support.routing import text_of


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(load_settings(data=tmp_path / "data"), take_over=False) as house:
        yield house


@pytest.fixture
async def admin(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with _client(_console(house)) as client:
        made = await client.post(
            "providers",
            json={
                "kind": "fake",
                "name": "acme",
                "settings": {"scripts": {"broken": {"steps": [{"error": {"status": 500}}]}}},
                "models": [
                    {"name": "echo", "capabilities": ["completion", "tools"], "context_length": 8000},
                    {"name": "long", "capabilities": ["completion"], "context_length": 100_000},
                    {"name": "broken", "capabilities": ["completion"]},
                ],
            },
        )
        assert made.status_code == 201, made.text
        yield client


def _console(house: House) -> Any:
    app = build_app(house)

    async def console(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, LOCAL_ADMIN: True}, receive, send)

    return console


def _client(app: Any, **headers: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1/api/v1/", headers={"x-inglenook": "1", **headers}
    )


async def make(admin: httpx.AsyncClient, name: str, *targets: str | dict[str, Any], **given: Any) -> dict[str, Any]:
    whole = [{"model": target} if isinstance(target, str) else target for target in targets]
    made = await admin.post("routes", json={"name": name, "definition": {"targets": whole, **given}})
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


async def names(admin: httpx.AsyncClient) -> list[str]:
    return [route["name"] for route in (await admin.get("routes")).json()]


async def test_a_route_is_made_shown_changed_and_removed(admin: httpx.AsyncClient, house: House) -> None:
    assert (await admin.get("routes")).json() == []
    made = await make(admin, "smart", "echo", {"model": "long", "weight": 3})
    assert made["definition"]["strategy"] == "ordered"
    assert made["definition"]["targets"][1]["weight"] == 3
    assert made["capabilities"] == ["completion", "tools"]
    assert made["context_length"] == 100_000
    assert made["problems"] == []
    assert made["targets"][0] == {
        "model": "echo",
        "kind": "model",
        "provider": "acme",
        "local": False,
        "capabilities": ["completion", "tools"],
        "context_length": 8000,
        "state": "ready",
    }
    assert (await admin.get(f"routes/{made['id']}")).json() == made

    definition = {**made["definition"], "strategy": "weighted"}
    changed = await admin.patch(
        f"routes/{made['id']}", json={"description": "For all", "enabled": False, "definition": definition}
    )
    assert changed.status_code == 200, changed.text
    assert (changed.json()["description"], changed.json()["enabled"]) == ("For all", False)
    assert changed.json()["definition"]["strategy"] == "weighted"
    assert (await admin.delete(f"routes/{made['id']}")).status_code == 204
    assert (await admin.get(f"routes/{made['id']}")).status_code == 404
    acts = [record["act"] for record in (await admin.get("audit")).json()]
    assert [act for act in acts if act.startswith("route.")] == ["route.deleted", "route.changed", "route.created"]


async def test_targets_and_routes_are_dragged_into_order(admin: httpx.AsyncClient) -> None:
    one = await make(admin, "one", "echo", "long", retries={"times": 4})
    two = await make(admin, "two", "echo")
    assert await names(admin) == ["one", "two"]
    moved = await admin.put("routes/order", json={"ids": [two["id"], one["id"]]})
    assert [route["name"] for route in moved.json()] == ["two", "one"]
    assert await names(admin) == ["two", "one"]
    stale = await admin.put("routes/order", json={"ids": [one["id"]]})
    assert stale.status_code == 409
    targets = list(reversed(one["definition"]["targets"]))
    turned = await admin.put(f"routes/{one['id']}/targets", json={"targets": targets})
    assert turned.status_code == 200, turned.text
    assert [target["model"] for target in turned.json()["definition"]["targets"]] == ["long", "echo"]
    assert turned.json()["definition"]["retries"]["times"] == 4


@pytest.mark.parametrize(
    ("body", "status", "field", "message"),
    [
        ({"name": "echo"}, 409, "name", "there is a model called echo already"),
        ({"name": "THERE"}, 409, "name", "there is a route called THERE already"),
        ({"name": "a\nb"}, 400, "name", "name: String should match pattern"),
        ({"definition": {"targets": []}}, 400, "definition.targets", "targets: List should have at least 1 item"),
        (
            {"definition": {"targets": [{"model": "echo"}, {"model": "gone"}]}},
            400,
            "definition.targets[1].model",
            "target 'gone', model: is no model and no route here",
        ),
        (
            {"definition": {"targets": [{"model": "echo", "weight": "much"}]}},
            400,
            "definition.targets[0].weight",
            "target 1 ('echo'), weight: Input should be a valid number",
        ),
        (
            {"definition": {"targets": [{"model": "new"}]}},
            400,
            "definition.targets[0].model",
            "target 'new', model: leads",
        ),
        ({"definition": 7}, 400, "definition", "definition must be an object"),
    ],
)
async def test_what_will_not_do_is_told_by_target_and_field(
    admin: httpx.AsyncClient, body: dict[str, Any], status: int, field: str, message: str
) -> None:
    await make(admin, "there", "echo")
    refused = await admin.post("routes", json={"name": "new", "definition": {"targets": [{"model": "echo"}]}, **body})
    assert refused.status_code == status, refused.text
    error = refused.json()["error"]
    assert error["field"] == field
    assert error["message"].startswith(message)
    assert await names(admin) == ["there"]


async def test_a_draft_is_looked_at_without_keeping_it(admin: httpx.AsyncClient) -> None:
    draft = {"name": "new", "definition": {"targets": [{"model": "gone"}, {"model": "echo", "weight": -1}]}}
    of_form = (await admin.post("routes/validate", json=draft)).json()["problems"]
    assert [(problem["level"], problem["field"], problem["target"]) for problem in of_form] == [
        ("error", "targets[1].weight", "echo")
    ]
    draft["definition"]["targets"][1]["weight"] = 1  # type: ignore[index]
    of_names = (await admin.post("routes/validate", json=draft)).json()["problems"]
    assert [problem["message"] for problem in of_names] == ["target 'gone', model: is no model and no route here"]
    draft["definition"]["targets"].pop(0)  # type: ignore[index]
    assert (await admin.post("routes/validate", json=draft)).json() == {"problems": []}
    assert await names(admin) == []


async def test_routes_that_name_a_route(admin: httpx.AsyncClient) -> None:
    inner = await make(admin, "inner", "echo")
    outer = await make(admin, "outer", "inner", "long")
    assert outer["targets"][0] | {"provider": "route", "kind": "route"} == outer["targets"][0]
    kept = await admin.delete(f"routes/{inner['id']}")
    assert kept.status_code == 409
    assert kept.json()["error"]["message"] == "the route 'outer' names 'inner'; change that one first"
    round_trip = await admin.put(f"routes/{inner['id']}/targets", json={"targets": [{"model": "outer"}]})
    assert round_trip.status_code == 400
    assert "leads back to 'inner' itself" in round_trip.json()["error"]["message"]
    renamed = await admin.patch(f"routes/{inner['id']}", json={"name": "core"})
    assert renamed.status_code == 200, renamed.text
    outer = (await admin.get(f"routes/{outer['id']}")).json()
    assert [target["model"] for target in outer["definition"]["targets"]] == ["core", "long"]


async def test_a_route_whose_target_went_may_still_be_changed(admin: httpx.AsyncClient) -> None:
    made = await make(admin, "smart", "echo", "long")
    (provider,) = (await admin.get("providers")).json()
    await admin.patch(f"providers/{provider['id']}", json={"models": [{"name": "long"}]})
    shown = (await admin.get(f"routes/{made['id']}")).json()
    assert [target["kind"] for target in shown["targets"]] == ["missing", "model"]
    assert [(problem["level"], problem["target"]) for problem in shown["problems"]] == [("warning", "echo")]
    turned = list(reversed(made["definition"]["targets"]))
    assert (await admin.put(f"routes/{made['id']}/targets", json={"targets": turned})).status_code == 200


async def test_a_route_is_offered_like_a_model(admin: httpx.AsyncClient, house: House) -> None:
    made = await make(admin, "smart", "echo", "long")
    await house.accounts.create_user("bea", "correct horse battery")
    key = await house.accounts.create_key("bea", "test")
    async with _client(build_app(house), authorization=f"Bearer {key}") as member:
        models = {model["name"]: model for model in (await member.get("models")).json()}
        assert models["smart"]["provider"] == "route"
        assert models["smart"]["state"] == "remote"
        assert models["smart"]["capabilities"] == ["completion", "tools"]
        await admin.patch(f"routes/{made['id']}", json={"enabled": False})
        assert "smart" not in {model["name"] for model in (await member.get("models")).json()}


async def test_the_dry_run_is_what_happens(admin: httpx.AsyncClient, house: House) -> None:
    await make(
        admin,
        "smart",
        {"model": "long", "when": {"min_prompt_tokens": 1000}},
        "broken",
        "echo",
        retries={"times": 1, "wait": 0},
    )
    told = (await admin.post("routes/explain", json={"model": "smart", "call": {"prompt": "Hello there"}})).json()
    assert told["error"] is None
    assert (told["route"], told["strategy"]) == ("smart", "ordered")
    assert told["passed"] == [{"model": "long", "why": "prompt"}]
    assert [(target["model"], target["why"]) for target in told["asked"]] == [
        ("broken", "ordered"),
        ("echo", "fallback"),
        ("broken", "again"),
    ]
    assert told["header"] == "smart;strategy=ordered, long;passed=prompt, broken;taken=ordered"

    request = ChatRequest(messages=[Message("user", "Hello there")])
    call = Call(operation=Operation.CHAT, model="smart", decode=lambda: request, principal=CONSOLE)
    events = [event async for event in house.gateway.call(call)]
    assert text_of(events) == "Hello there"
    taken = [reason["model"] for reason in events[0].reasons if reason["why"] == "taken"]  # type: ignore[union-attr]
    assert taken == ["broken", "echo"]

    long = (await admin.post("routes/explain", json={"model": "smart", "call": {"prompt_tokens": 50_000}})).json()
    assert [target["model"] for target in long["asked"]] == ["long", "broken", "long"]
    assert {"model": "echo", "why": "context"} in long["passed"]


async def test_the_dry_run_says_why_not(admin: httpx.AsyncClient, house: House) -> None:
    await make(admin, "smart", "echo", when={"tags": ["batch"]})
    refused = (await admin.post("routes/explain", json={"model": "smart"})).json()
    assert refused["asked"] == []
    assert refused["error"]["code"] == "no_target"
    assert refused["passed"] == [{"model": "smart", "why": "tags"}]
    tagged = await admin.post("routes/explain", json={"model": "smart", "call": {"tags": ["batch"]}})
    assert [target["model"] for target in tagged.json()["asked"]] == ["echo", "echo"]
    plain = (await admin.post("routes/explain", json={"model": "echo"})).json()
    assert [(target["model"], target["why"]) for target in plain["asked"]] == [("echo", "named"), ("echo", "again")]
    nobody = (await admin.post("routes/explain", json={"model": "gone"})).json()
    assert nobody["error"]["code"] == "model_not_found"
    await house.accounts.create_user("bea", "correct horse battery")
    (bea,) = house.accounts.snapshot.now.users
    for grant in (await admin.get("grants")).json():
        await admin.delete(f"grants/{grant['id']}")
    as_bea = {"model": "smart", "call": {"tags": ["batch"], "user_id": bea}}
    assert (await admin.post("routes/explain", json=as_bea)).json()["error"]["code"] == "model_not_found"
    as_nobody = {"model": "smart", "call": {"user_id": "usr_nobody"}}
    assert (await admin.post("routes/explain", json=as_nobody)).status_code == 404


async def test_the_dry_run_of_a_draft(admin: httpx.AsyncClient) -> None:
    definition = {
        "targets": [{"model": "echo", "when": {"times": [{"days": ["sun"]}]}}, {"model": "long"}],
        "first_byte_timeout": 5,
    }
    monday = {"model": "draft", "definition": definition, "call": {"at": 1_795_392_000_000}}  # 2026-11-23
    told = (await admin.post("routes/explain", json=monday)).json()
    assert told["passed"] == [{"model": "echo", "why": "time"}]
    assert told["asked"][0]["first_byte_timeout"] == 5
    monday["call"]["at"] -= 86_400_000  # type: ignore[index]
    told = (await admin.post("routes/explain", json=monday)).json()
    assert [target["model"] for target in told["asked"]][:2] == ["echo", "long"]
    assert await names(admin) == []


async def test_the_dry_run_leaves_no_trace(admin: httpx.AsyncClient, house: House) -> None:
    await make(admin, "smart", "echo", "long", strategy="sticky")
    before = (await admin.get("routes/health")).json()
    for _ in range(5):
        await admin.post("routes/explain", json={"model": "smart", "call": {"conversation": "talk"}})
    assert (await admin.get("routes/health")).json() == before
    assert house.routes.live.warm.get(house.routes.all()[0].id, "talk", 0) is None
    assert [entry.call_id for entry in await house.ledger.entries()] == []


async def test_the_health_of_targets(admin: httpx.AsyncClient, house: House) -> None:
    await make(admin, "smart", "broken", "echo", retries={"times": 0})
    request = ChatRequest(messages=[Message("user", "Hello")])
    for _ in range(3):
        call = Call(operation=Operation.CHAT, model="smart", decode=lambda: request, principal=CONSOLE)
        assert [event async for event in house.gateway.call(call)]
    broken, echo = (await admin.get("routes/health")).json()
    assert (broken["model"], broken["state"], broken["failures"], broken["in_flight"]) == ("broken", "resting", 3, 0)
    assert broken["until"] > 0
    assert (echo["model"], echo["state"], echo["until"]) == ("echo", "ready", None)
    assert echo["streamed_ms"] > 0
    assert echo["keys"] == [{"number": 0, "in_flight": 0, "limit": "ready", "key": "ready", "until": None}]
    (shown,) = (await admin.get("routes")).json()
    assert [target["state"] for target in shown["targets"]] == ["resting", "ready"]


async def test_routes_are_the_administrators(house: House, admin: httpx.AsyncClient) -> None:
    await house.accounts.create_user("bea", "correct horse battery")
    key = await house.accounts.create_key("bea", "test")
    routes = [
        ("GET", "routes", None),
        ("POST", "routes", {"name": "x", "definition": {"targets": [{"model": "echo"}]}}),
        ("PUT", "routes/order", {"ids": []}),
        ("POST", "routes/validate", {"name": "x", "definition": {}}),
        ("POST", "routes/explain", {"model": "echo"}),
        ("GET", "routes/health", None),
        ("GET", "routes/x", None),
        ("PATCH", "routes/x", {}),
        ("PUT", "routes/x/targets", {"targets": []}),
        ("DELETE", "routes/x", None),
    ]
    async with (
        _client(build_app(house), authorization=f"Bearer {key}") as member,
        _client(build_app(house)) as stranger,
    ):
        for method, path, body in routes:
            assert (await member.request(method, path, json=body)).status_code == 403, path
            assert (await stranger.request(method, path, json=body)).status_code == 401, path


async def test_routes_are_there_after_a_restart(tmp_path: Path) -> None:
    settings = load_settings(data=tmp_path / "data")
    async with open_house(settings, take_over=False) as house, _client(_console(house)) as admin:
        await admin.post(
            "providers", json={"kind": "fake", "name": "acme", "models": [{"name": "echo"}, {"name": "long"}]}
        )
        before = [await make(admin, name, "echo", "long") for name in ("one", "two")]
        await admin.put("routes/order", json={"ids": [before[1]["id"], before[0]["id"]]})
    async with open_house(settings, take_over=False) as house, _client(_console(house)) as admin:
        after = (await admin.get("routes")).json()
        assert after == [before[1], before[0]]
        assert [entry.name for entry in house.routes.entries()] == ["two", "one"]
