"""The models' routes on a real house: what they show, and to whom."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy import delete

from inglenook.accounts.principal import Principal
from inglenook.accounts.tables import Grant
from inglenook.kit.asgi import LOCAL_ADMIN
from inglenook.kit.config import load_settings
from inglenook.kit.errors import Forbidden
from inglenook.models.errors import ModelNotFound
from inglenook.models.hub.layout import ModelStore
from inglenook.models.prices import Prices
from inglenook.models.schemas import ProviderIn, ProviderPatch
from inglenook.models.service import Providers
from inglenook.server import House, build_app, open_house
from tests.support.certificates import make_certificate
from tests.support.gguf import tiny_llama
from tests.support.upstream import Asked, open_upstream


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


async def test_who_mistakes_a_tag_is_told_those_there_are(house: House, weights: Path) -> None:
    await house.accounts.create_user("bea", "correct horse battery")
    bea = house.accounts.snapshot.principal_for_key((await house.accounts.create_key("bea", "test")).encode())
    assert bea is not None
    await asyncio.to_thread(house.model_store.import_gguf, weights, "hearth:135m")
    assert house.gateway.find(bea, "hearth").name == "hearth:135m"
    with pytest.raises(ModelNotFound, match=r"^model 'hearth:360m' not found; there is hearth:135m$"):
        house.gateway.find(bea, "hearth:360m")
    await house.accounts.snapshot.write(lambda session: session.execute(delete(Grant)))
    for name in ("hearth", "hearth:360m"):
        with pytest.raises(ModelNotFound, match=rf"^model '{name}' not found$"):
            house.gateway.find(bea, name)


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
        ("POST", "hub/prune", {}),
        ("GET", "hub/folders", None),
        ("POST", "models/delete", {"name": "tiny"}),
        ("POST", "models/unload", {"name": "tiny"}),
        ("GET", "providers", None),
        ("GET", "providers/kinds", None),
        ("GET", "providers/kinds/openai/models", None),
        ("POST", "providers", {"kind": "fake", "name": "x"}),
        ("PATCH", "providers/x", {}),
        ("DELETE", "providers/x", None),
        ("POST", "providers/x/check", None),
        ("POST", "providers/test", {"kind": "fake"}),
        ("POST", "providers/x/test", {}),
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


OPENROUTER_LIKE = {
    "data": [
        {"id": "acme/one", "context_length": 9000, "pricing": {"prompt": "0.000002", "completion": "0.000008"}},
        {"id": "deepseek-v4-pro"},
    ]
}


async def test_facts_and_prices_are_published_unless_an_administrator_says_otherwise(
    admin: httpx.AsyncClient, house: House
) -> None:
    async with open_upstream() as upstream:
        upstream.answer = lambda asked: asked.whole(OPENROUTER_LIKE)
        settings = {"base_url": upstream.url, "api_key": "sk-1"}
        made = await admin.post("providers", json={"kind": "deepseek", "name": "Deep", "settings": settings})
        assert made.status_code == 201, made.text
        at = f"providers/{made.json()['id']}"
        offered = {model["name"]: model for model in (await admin.post(f"{at}/check")).json()["models"]}
        assert offered["acme/one"]["prices"]["input"] == 2_000_000
        assert offered["deepseek-v4-pro"]["context_length"] == 1_000_000

        choice = [{"name": "acme/one"}, {"name": "deepseek-v4-pro"}]
        one, pro = (await admin.patch(at, json={"models": choice})).json()["models"]
        assert (one["context_length"], one["prices"]["output"], one["own"]) == (9000, 8_000_000, [])
        assert (pro["output_length"], pro["own"]) == (384_000, [])
        entry = house.catalogue.resolve("acme/one")
        assert entry.prices == Prices(
            input=2_000_000, output=8_000_000, as_of=entry.prices.as_of, source=f"{upstream.url}/models"
        )
        assert house.catalogue.resolve("deepseek-v4-pro").prices.currency == "USD"

        # What is said here holds instead; what is said as it is published anyway is not kept.
        choice[0] |= {"context_length": 9000, "prices": {"input": 1, "currency": "CNY"}}
        choice[1] |= {"prices": {}, "languages": ["en"]}
        one, pro = (await admin.patch(at, json={"models": choice})).json()["models"]
        assert (one["own"], one["prices"]["currency"], one["prices"]["output"]) == (["prices"], "CNY", 0)
        assert (pro["own"], pro["languages"], pro["prices"]["input"]) == (["languages", "prices"], ["en"], 0)
        shown = {model["name"]: model for model in (await admin.get("models")).json()}
        assert shown["acme/one"]["prices"]["input"] == 1

        # A new price of the provider is seen when it is asked, unless somebody said one here.
        del choice[0]["prices"]
        await admin.patch(at, json={"models": choice})
        dearer = {"data": [{**OPENROUTER_LIKE["data"][0], "pricing": {"prompt": "0.000003", "completion": "0.000009"}}]}
        upstream.answer = lambda asked: asked.whole(dearer)
        await admin.post(f"{at}/check")
        assert house.catalogue.resolve("acme/one").prices.input == 3_000_000


async def test_kinds_say_what_they_know(admin: httpx.AsyncClient) -> None:
    kinds = {kind["name"]: kind for kind in (await admin.get("providers/kinds")).json()}
    deepseek = kinds["deepseek"]
    assert deepseek["title"] == "DeepSeek"
    assert deepseek["docs"].startswith("https://")
    assert deepseek["keys_page"].startswith("https://")
    assert (deepseek["group"], kinds["vllm"]["group"]) == ("vendor", "server")
    models = (await admin.get("providers/kinds/deepseek/models")).json()
    known = {model["name"]: model for model in models}
    assert known["deepseek-v4-pro"]["prices"]["input"] == 1_320_000
    assert known["deepseek-v4-pro"]["prices"]["source"].startswith("https://")


async def test_a_list_of_kinds_is_small_enough_to_begin_with(admin: httpx.AsyncClient) -> None:
    assert len((await admin.get("providers/kinds")).content) < 100_000
    assert (await admin.get("providers/kinds/nothing/models")).status_code == 404


async def test_a_bad_address_names_its_field(admin: httpx.AsyncClient) -> None:
    for url in ("ftp://example.com", "http://me:secret@example.com", "http://example.com/a b", "nonsense"):
        body = {"kind": "openai-compatible", "name": "bad", "settings": {"base_url": url}}
        refused = await admin.post("providers", json=body)
        assert (refused.status_code, refused.json()["error"]["field"]) == (400, "settings.base_url"), url


async def test_keys_are_put_in_order_and_removed_without_being_told(admin: httpx.AsyncClient) -> None:
    async with open_upstream() as upstream:
        asked_with: list[str] = []

        async def answer(asked: Asked) -> None:
            asked_with.append(asked.headers["authorization"].removeprefix("Bearer "))
            await asked.whole({"data": []})

        upstream.answer = answer
        settings = {"base_url": upstream.url, "api_key": "one", "api_keys": ["two", "three"]}
        body = {"kind": "openai-compatible", "name": "keyed", "settings": settings}
        made = (await admin.post("providers", json=body)).json()
        assert made["keys"] == 3
        at = f"providers/{made['id']}"
        changed = {"base_url": upstream.url, "api_key": {"kept": 3}, "api_keys": ["four", {"kept": 1}]}
        tried = (await admin.post(f"{at}/test", json={"settings": changed})).json()
        assert [(key["number"], key["ok"]) for key in tried["keys"]] == [(1, True), (2, True), (3, True)]
        assert sorted(asked_with) == ["four", "one", "three"]
        after = (await admin.patch(at, json={"settings": changed})).json()
        assert (after["keys"], after["settings"]) == (3, {"base_url": upstream.url})
        asked_with.clear()
        await admin.post(f"{at}/test", json={})
        assert sorted(asked_with) == ["four", "one", "three"]
        wrong = await admin.patch(at, json={"settings": {**changed, "api_keys": [{"kept": 9}]}})
        assert wrong.json()["error"]["field"] == "settings.api_keys[0]"
        alone = {"base_url": upstream.url, "api_key": {"kept": 2}, "api_keys": None}
        assert (await admin.patch(at, json={"settings": alone})).json()["keys"] == 1


async def test_settings_are_tried_before_they_are_saved(admin: httpx.AsyncClient, tmp_path: Path) -> None:
    async with open_upstream() as upstream:

        async def answer(asked: Asked) -> None:
            if asked.headers["authorization"] == "Bearer sk-bad":
                await asked.whole({"error": {"message": "Incorrect API key provided"}}, 401)
            elif asked.path == "/v1/models":
                await asked.whole({"data": [{"id": "one"}, {"id": "two"}]})
            else:
                await asked.whole({"choices": [{"message": {"content": "."}, "finish_reason": "length"}]})

        upstream.answer = answer

        async def tried(**settings: Any) -> dict[str, Any]:
            body = {"kind": "openai-compatible", "settings": {"base_url": upstream.url, **settings}}
            answer = await admin.post("providers/test", json=body)
            assert answer.status_code == 200, answer.text
            found: dict[str, Any] = answer.json()
            return found

        good = await tried(api_key="sk-good")
        assert (good["ok"], good["models"], good["problem"]) == (True, 2, None)
        assert good["latency_ms"] > 0
        bad = await tried(api_key="sk-good", api_keys=["sk-bad"])
        assert (bad["ok"], bad["problem"]["code"]) == (False, "key_refused")
        assert bad["problem"]["message"].startswith("Key 2 of 2: ")
        assert [key["ok"] for key in bad["keys"]] == [True, False]
        assert (await tried(api_key="x", base_url="nonsense"))["problem"]["code"] == "settings"
        assert (await tried(api_key="x", base_url="http://127.0.0.1:1/v1"))["problem"]["code"] == "unreachable"
        assert (await tried(api_key="x", base_url="http://nobody.invalid/v1"))["problem"]["code"] == "unreachable"
        certificate = make_certificate(tmp_path)
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate.cert, certificate.key)
        async with await asyncio.start_server(upstream.serve, "127.0.0.1", 0, ssl=tls) as server:
            port = server.sockets[0].getsockname()[1]
            assert (await tried(api_key="x", base_url=f"https://127.0.0.1:{port}/v1"))["problem"]["code"] == "tls"

        async def elsewhere(asked: Asked) -> None:
            await asked.whole(b"<html>Not found</html>", 404, content_type="text/html")

        upstream.answer = elsewhere
        assert (await tried(api_key="x"))["problem"]["code"] == "wrong_url"
        assert (await admin.get("providers")).json() == []


async def test_a_saved_provider_is_tried_with_its_own_key(admin: httpx.AsyncClient) -> None:
    async with open_upstream() as upstream:
        upstream.answer = lambda asked: asked.whole({"choices": [{"message": {"content": "."}}], "data": []})
        settings = {"base_url": upstream.url, "api_key": "sk-kept"}
        made = await admin.post("providers", json={"kind": "openai-compatible", "name": "Mine", "settings": settings})
        at = f"providers/{made.json()['id']}/test"
        assert (await admin.post(at, json={})).json()["models"] == 0
        tried = (await admin.post(at, json={"model": "one", "settings": {"base_url": f"{upstream.url}/deeper"}})).json()
        assert (tried["ok"], tried["models"]) == (True, None)
        asked = upstream.asked[-1]
        assert (asked.path, asked.json["model"], asked.json["max_tokens"]) == ("/v1/deeper/chat/completions", "one", 1)
        assert {request.headers["authorization"] for request in upstream.asked} == {"Bearer sk-kept"}
        assert (await admin.post("providers/prv_none/test", json={})).status_code == 404


async def test_a_models_memory_is_estimated_before_it_is_loaded(
    admin: httpx.AsyncClient, member: httpx.AsyncClient, weights: Path
) -> None:
    await pull(admin, f"file:{weights}", name="tiny")
    short = (await member.get("models/estimate", params={"name": "tiny", "num_ctx": 512, "slots": 1})).json()
    long = (await member.get("models/estimate", params={"name": "tiny", "num_ctx": 2048, "slots": 1})).json()
    assert (short["context_length"], short["slots"], short["fits"], short["loaded"]) == (512, 1, True, None)
    assert long["cache"] == 4 * short["cache"] > 0
    assert long["largest_context_length"] == 2048
    parts = ("weights", "cache", "work", "prompts", "adapters", "projector", "process")
    assert long["total"] == sum(long[part] for part in parts) < long["free"] <= long["budget"]
    assert (await member.get("models/estimate", params={"name": "absent"})).status_code == 404
    assert (await member.get("models/estimate", params={"name": "tiny", "slots": 0})).status_code == 400


async def test_defaults_of_a_model_are_set_shown_and_checked(
    admin: httpx.AsyncClient, member: httpx.AsyncClient, weights: Path
) -> None:
    await pull(admin, f"file:{weights}", name="tiny")
    shown = (await member.get("models/defaults", params={"name": "tiny"})).json()
    assert (shown["name"], shown["own"]["context_length"]) == ("tiny:latest", None)
    assert (shown["effective"]["context_length"], shown["effective"]["slots"]) == (4096, 4)
    body = {"name": "tiny", "defaults": {"context_length": 1024, "temperature": 0.5, "thinking": "none"}}
    assert (await member.put("models/defaults", json=body)).status_code == 403
    done = (await admin.put("models/defaults", json=body)).json()
    assert (done["own"]["temperature"], done["effective"]["context_length"]) == (0.5, 1024)
    assert (await member.get("models/estimate", params={"name": "tiny"})).json()["context_length"] == 1024
    for wrong in ({"temperature": -1}, {"slots": 0}, {"thinking": "a lot"}, {"colour": "blue"}, {"cache_type": "q2"}):
        refused = await admin.put("models/defaults", json={"name": "tiny", "defaults": wrong})
        assert refused.status_code == 400, wrong
    built_in = await admin.put("models/defaults", json={"name": "multilingual-e5-small", "defaults": {}})
    assert built_in.status_code == 400
    [record] = [r for r in (await admin.get("audit")).json() if r["act"] == "model.defaults_changed"]
    assert record["thing_id"] == "tiny:latest"
    await admin.post("models/delete", json={"name": "tiny"})
    await pull(admin, f"file:{weights}", name="tiny")
    again = (await member.get("models/defaults", params={"name": "tiny"})).json()
    assert again["own"]["temperature"] is None


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


async def test_the_disk_is_looked_at_and_pruned(admin: httpx.AsyncClient, house: House, weights: Path) -> None:
    await pull(admin, f"file:{weights}", name="tiny")
    stray = house.model_store.blobs / f"sha256-{'a' * 64}"
    await asyncio.to_thread(stray.write_bytes, b"of no model")
    os.utime(stray, (0, 0))
    space = (await admin.get("hub/space")).json()
    assert [(model["name"], model["lent"]) for model in space["models"]] == [("tiny:latest", False)]
    assert space["models"][0]["size"] == space["models"][0]["own"] == space["used"]
    assert space["unused"] == len(b"of no model")
    assert (await admin.post("hub/prune", json={})).json() == {"files": 1, "freed": len(b"of no model")}
    assert (await admin.get("hub/space")).json()["unused"] == 0


async def test_a_folder_of_ollama_is_found_and_used(
    admin: httpx.AsyncClient, house: House, tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = ModelStore(tmp_path / "ollama")
    await asyncio.to_thread(theirs.import_gguf, weights, "theirs")
    monkeypatch.setenv("OLLAMA_MODELS", str(theirs.root))
    [found] = [folder for folder in (await admin.get("hub/folders")).json() if folder["path"] == str(theirs.root)]
    assert (found["models"], found["readable"], found["used"]) == (1, True, False)
    seen = asyncio.Event()
    house.model_store.on_change(seen.set)
    await admin.put("settings/hub", json={"settings": {"ollama_folder": str(theirs.root), "hf_token": "hf_x"}})
    while not house.model_store.lent:
        await seen.wait()
        seen.clear()
    assert [model["name"] for model in (await admin.get("models")).json() if model["provider"] == "local"] == [
        "theirs:latest"
    ]
    refused = await admin.post("models/delete", json={"name": "theirs"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "lent_model")
    assert "hf_x" not in (await admin.get("settings")).text


async def test_only_administrators_set_up_what_starts_programs(house: House, admin: httpx.AsyncClient) -> None:
    settings = {"model": "org/m", "command": "/bin/sh -c {port}"}
    made = (await admin.post("providers", json={"kind": "vllm-here", "name": "mine", "settings": settings})).json()
    eve = Principal(user_id="usr_eve", name="eve")
    providers = Providers(house.store, house.secrets, house.catalogue)
    for attempt in (
        providers.add(eve, ProviderIn(kind="vllm-here", name="other", settings=settings)),
        providers.test(eve, "vllm-here", settings),
        providers.change(eve, made["id"], ProviderPatch(settings=settings)),
        providers.test_saved(eve, made["id"]),
    ):
        with pytest.raises(Forbidden, match="only an administrator may set it up"):
            await attempt
    assert house.engine.status() == []
