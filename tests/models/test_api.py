"""The models' routes on a real house: what they show, and to whom."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from inglenook.kit.asgi import LOCAL_ADMIN
from inglenook.kit.config import load_settings
from inglenook.server import House, build_app, open_house
from tests.support.gguf import tiny_llama


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(load_settings(data=tmp_path / "data", keep_alive=-1), take_over=False) as house:
        yield house


@pytest.fixture
async def admin(house: House) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(house)

    async def console(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, LOCAL_ADMIN: True}, receive, send)

    async with _client(console) as client:
        yield client


@pytest.fixture
async def member(house: House) -> AsyncIterator[httpx.AsyncClient]:
    await house.accounts.create_user("bea", "correct horse battery")
    key = await house.accounts.create_key("bea", "test")
    async with _client(build_app(house), authorization=f"Bearer {key}") as client:
        yield client


def _client(app: Any, **headers: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1/api/v1/", headers={"x-inglenook": "1", **headers}
    )


async def pull(client: httpx.AsyncClient, source: str, **more: str) -> list[dict[str, Any]]:
    begun = await client.post("hub/pulls", json={"source": source, **more})
    assert begun.status_code == 201, begun.text
    answer = await client.get(f"hub/pulls/{begun.json()['id']}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [orjson.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


async def test_a_model_is_pulled_listed_and_deleted(admin: httpx.AsyncClient, weights: Path) -> None:
    steps = await pull(admin, f"file:{weights}", name="Tiny:x")
    assert (steps[-1]["status"], steps[-1]["model"]) == ("done", "Tiny:x"), steps[-1]
    assert (await admin.get("hub/pulls")).json()[0] == steps[-1]
    models = {model["name"]: model for model in (await admin.get("models")).json()}
    tiny = models["Tiny:x"]
    assert tiny["provider"] == "local"
    assert tiny["local"] is True
    assert tiny["built_in"] is False
    assert tiny["capabilities"] == ["completion"]
    assert tiny["context_length"] == 2048
    assert tiny["languages"] == ["en"]
    assert tiny["quantization"] == "F32"
    assert tiny["parameter_size"].endswith("K")
    assert tiny["size"] > 100_000
    assert (tiny["state"], tiny["memory"], tiny["expires_at"]) == ("idle", 0, None)
    [embedder] = [model for model in models.values() if model["built_in"]]
    assert embedder["capabilities"] == ["embedding"]
    guessed = await admin.post("models/delete", json={"name": "tiny"})
    assert guessed.status_code == 404
    assert guessed.json()["error"]["message"] == "model 'tiny' not found; there is Tiny:x"
    assert (await admin.post("models/delete", json={"name": "tiny:X"})).status_code == 204
    gone = await admin.post("models/delete", json={"name": "tiny:x"})
    assert gone.status_code == 404
    assert "not found" in gone.json()["error"]["message"]
    assert [model["name"] for model in (await admin.get("models")).json()] == [embedder["name"]]


async def test_a_failed_pull_says_why(admin: httpx.AsyncClient, tmp_path: Path) -> None:
    bad = tiny_llama(tmp_path / "bad.gguf", llama__context_length=0)
    steps = await pull(admin, f"file:{bad}")
    assert (steps[-1]["status"], steps[-1]["error_code"]) == ("failed", "bad_model_file")
    assert "context_length" in steps[-1]["error"]
    refused = await admin.post("hub/pulls", json={"source": "pypi:--index-url=x"})
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "source")
    private = await pull(admin, "http://127.0.0.1:9/m.gguf")
    assert private[-1]["error_code"] == "address_refused"
    assert (await admin.get("hub/pulls/pull_none/events")).status_code == 404
    assert (await admin.delete("hub/pulls/pull_none")).status_code == 404


async def test_a_folder_changed_by_another_program_is_seen(
    admin: httpx.AsyncClient, house: House, weights: Path
) -> None:
    other = type(house.model_store)(house.model_store.root)
    await asyncio.to_thread(other.import_gguf, weights, "theirs")
    assert "theirs:latest" in [model["name"] for model in (await admin.get("models")).json()]


async def test_a_member_sees_and_uses_but_does_not_change(
    admin: httpx.AsyncClient, member: httpx.AsyncClient, weights: Path
) -> None:
    await pull(admin, f"file:{weights}", name="tiny")
    assert "tiny:latest" in [model["name"] for model in (await member.get("models")).json()]
    assert (await member.get("hub/pulls")).status_code == 200
    assert (await member.get("engine")).status_code == 200
    assert (await member.get("hub/suggestions")).status_code == 200
    for method, path, body in [
        ("POST", "hub/pulls", {"source": "qwen3"}),
        ("DELETE", "hub/pulls/x", None),
        ("POST", "models/delete", {"name": "tiny"}),
        ("POST", "models/unload", {"name": "tiny"}),
        ("GET", "providers", None),
        ("GET", "providers/kinds", None),
        ("POST", "providers", {"kind": "fake", "name": "x"}),
        ("PATCH", "providers/x", {}),
        ("DELETE", "providers/x", None),
        ("POST", "providers/x/check", None),
    ]:
        answer = await member.request(method, path, json=body)
        assert answer.status_code == 403, (method, path, answer.text)
    assert "tiny:latest" in [model["name"] for model in (await admin.get("models")).json()]


async def test_strangers_get_nothing(house: House) -> None:
    async with _client(build_app(house)) as stranger:
        for path in ("models", "engine", "hub/pulls", "hub/suggestions", "providers", "providers/kinds"):
            assert (await stranger.get(path)).status_code == 401


async def test_suggestions_are_in_the_readers_language(admin: httpx.AsyncClient, house: House) -> None:
    chinese = (await admin.get("hub/suggestions", params={"language": "zh-CN"})).json()
    english = (await admin.get("hub/suggestions")).json()
    assert chinese[-1]["starter"]
    assert chinese[-1]["description"] != english[-1]["description"]
    assert chinese[-1]["languages"] == ["en"]
    assert not any(found["installed"] for found in english)


async def test_a_provider_is_set_up_checked_and_its_models_chosen(admin: httpx.AsyncClient) -> None:
    kinds = {kind["name"]: kind for kind in (await admin.get("providers/kinds")).json()}
    assert not {"local", "embedding", "fake"} & kinds.keys()
    made = await admin.post("providers", json={"kind": "fake", "name": "Vendor"})
    assert made.status_code == 201, made.text
    provider = made.json()
    offered = (await admin.post(f"providers/{provider['id']}/check")).json()["models"]
    assert "echo" in [model["name"] for model in offered]
    assert not any(model["chosen"] for model in offered)
    choice = [{"name": "echo", "public_name": "Parrot", "languages": ["en"]}]
    changed = await admin.patch(f"providers/{provider['id']}", json={"models": choice})
    assert changed.json()["models"][0]["public_name"] == "Parrot"
    parrot = next(model for model in (await admin.get("models")).json() if model["name"] == "Parrot")
    assert (parrot["provider"], parrot["state"], parrot["local"]) == ("Vendor", "remote", False)
    assert (await admin.post("models/load", json={"name": "Parrot"})).json() == {"load_ms": 0}
    assert (await admin.get("providers")).json() == [changed.json()]
    assert (await admin.delete(f"providers/{provider['id']}")).status_code == 204
    assert (await admin.post(f"providers/{provider['id']}/check")).status_code == 404
    acts = [record["act"] for record in (await admin.get("audit")).json()]
    assert acts[:3] == ["provider.deleted", "provider.changed", "provider.created"]


@pytest.mark.slow
async def test_a_model_is_loaded_and_unloaded(
    admin: httpx.AsyncClient, member: httpx.AsyncClient, weights: Path
) -> None:
    await pull(admin, f"file:{weights}", name="tiny")
    loaded = await member.post("models/load", json={"name": "tiny"})
    assert loaded.status_code == 200, loaded.text
    tiny = next(model for model in (await admin.get("models")).json() if model["name"] == "tiny:latest")
    assert tiny["state"] == "ready"
    assert tiny["memory"] > 0
    assert tiny["loaded_context_length"] == 2048
    engine = (await admin.get("engine")).json()
    assert [process["name"] for process in engine["processes"]] == ["tiny:latest"]
    assert 0 < engine["memory_used"] <= engine["memory_budget"]
    assert (await admin.post("models/unload", json={"name": "tiny"})).json() == {"unloaded": True}
    assert (await admin.get("engine")).json()["processes"] == []
    await member.post("models/load", json={"name": "tiny"})
    assert (await admin.post("models/delete", json={"name": "tiny"})).status_code == 204
    assert (await admin.get("engine")).json()["processes"] == []


async def test_a_kind_of_provider_speaks_the_readers_language(admin: httpx.AsyncClient) -> None:
    async def titles(query: str) -> dict[str, str]:
        kinds = {kind["name"]: kind for kind in (await admin.get(f"providers/kinds{query}")).json()}
        kind = kinds["openai-compatible"]
        rules = kind["settings_schema"]["properties"]
        return {"kind": kind["title"], **{name: rule["title"] for name, rule in rules.items()}}

    english, chinese = await titles(""), await titles("?language=zh-CN")
    assert english["base_url"] == "Base URL"
    assert [name for name, title in chinese.items() if title.isascii()] == []
    assert await titles("?language=eo") == english
