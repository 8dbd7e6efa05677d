"""What is set for a model of this machine holds on every face, in the order: call, administrator, Modelfile, server."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import structs

from inglenook.accounts.principal import CONSOLE
from inglenook.gateway.faces.ollama import OllamaFace
from inglenook.gateway.faces.registry import routes
from inglenook.kit.config import load_settings
from inglenook.models.engine.defaults import Defaults
from inglenook.models.hub import manifest as media
from inglenook.server import House, open_house
from tests.support.gateway import open_wire
from tests.support.gguf import CHATML, tiny_llama

#: One token a byte: words count.
MODELFILE = {
    media.PARAMS: b'{"num_predict": 5, "num_ctx": 512, "temperature": 0, "stop": ["never"]}',
    media.SYSTEM: b"As made.",
}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    settings = load_settings(data=tmp_path / "data", keep_alive=300, context_length=1024, parallel=2)
    async with open_house(settings, take_over=False) as house:
        house.model_store.import_gguf(tiny_llama(tmp_path / "m.gguf"), "m", layers=MODELFILE)
        await house.catalogue.rescan()
        yield house


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    await house.accounts.create_user("bea", "correct horse battery")
    key = await house.accounts.create_key("bea", "test")
    ollama = OllamaFace(house.gateway, house.catalogue, house.engine, house.model_store, house.settings)
    async with open_wire([*routes(house.gateway, house.kept), *ollama.routes()]) as client:
        client.headers["authorization"] = f"Bearer {key}"
        client.timeout = httpx.Timeout(60)
        yield client


async def _set(house: House, **defaults: Any) -> None:
    await house.model_defaults.put(CONSOLE, "m:latest", Defaults(**defaults))


USER = [{"role": "user", "content": "hi"}]


async def _counts(client: httpx.AsyncClient) -> dict[str, tuple[int, int]]:
    """Tokens of prompt and answer, by face."""
    chat = (await client.post("/v1/chat/completions", json={"model": "m", "messages": USER})).json()["usage"]
    answer = (await client.post("/v1/responses", json={"model": "m", "input": "hi"})).json()["usage"]
    claude = await client.post("/v1/messages", json={"model": "m", "messages": USER, "max_tokens": 4})
    native = (await client.post("/api/chat", json={"model": "m", "messages": USER, "stream": False})).json()
    prompt = (await client.post("/api/generate", json={"model": "m", "prompt": "hi", "stream": False})).json()
    used = claude.json()["usage"]
    read = {"/v1/messages": (used["input_tokens"] + used.get("cache_read_input_tokens", 0), used["output_tokens"])}
    return read | {
        "/v1/chat/completions": (chat["prompt_tokens"], chat["completion_tokens"]),
        "/v1/responses": (answer["input_tokens"], answer["output_tokens"]),
        "/api/chat": (native["prompt_eval_count"], native["eval_count"]),
        "/api/generate": (prompt["prompt_eval_count"], prompt["eval_count"]),
    }


def _prompt(system: str, user: str = "hi") -> int:
    """Tokens of a ChatML prompt: one a byte, and one for each mark."""
    parts = (("system", system), ("user", user))
    return sum(1 + len(role) + 1 + len(text) + 1 + 1 for role, text in parts) + 1 + len("assistant\n")


async def test_a_modelfile_holds_on_every_face_and_the_call_over_it(client: httpx.AsyncClient) -> None:
    counts = await _counts(client)
    assert {face: count[0] for face, count in counts.items()} == dict.fromkeys(counts, _prompt("As made."))
    assert {face: count[1] for face, count in counts.items()} == {**dict.fromkeys(counts, 5), "/v1/messages": 4}
    own = {"model": "m", "messages": [{"role": "system", "content": "Mine"}, *USER], "max_tokens": 3}
    usage = (await client.post("/v1/chat/completions", json=own)).json()["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (_prompt("Mine"), 3)


async def test_an_administrators_word_holds_over_the_modelfile_on_every_face(
    client: httpx.AsyncClient, house: House
) -> None:
    await _set(house, system="Short.", max_tokens=7)
    counts = await _counts(client)
    assert {face: count for face, count in counts.items() if face != "/v1/messages"} == dict.fromkeys(
        [face for face in counts if face != "/v1/messages"], (_prompt("Short."), 7)
    )
    assert counts["/v1/messages"] == (_prompt("Short."), 4)
    await _set(house)
    assert (await _counts(client))["/api/chat"] == (_prompt("As made."), 5)


async def test_context_slots_and_keep_alive_are_as_set(client: httpx.AsyncClient, house: House) -> None:
    chat = {"model": "m", "messages": USER, "stream": False}
    await client.post("/api/chat", json=chat)
    [model] = house.engine.status()
    assert (model.context_length, model.slots) == (512, 2)
    await _set(house, context_length=768, slots=1, keep_alive=-1)
    await client.post("/api/chat", json=chat)
    [model] = [model for model in house.engine.status() if model.state == "ready"]
    assert (model.context_length, model.slots, model.expires_at) == (768, 1, None)
    await client.post("/api/chat", json={**chat, "options": {"num_ctx": 256}, "keep_alive": 60})
    [model] = house.engine.status()
    assert model.context_length == 256
    assert model.expires_at is not None


async def test_a_template_and_whether_to_think_are_as_set(client: httpx.AsyncClient, house: House) -> None:
    template = "{% for m in messages %}{{ m.content }}{% endfor %}{{ 'T' if enable_thinking else 'N' }}"
    await _set(house, system="", template=template, thinking="high")
    generate = {"model": "m", "prompt": "hi", "_debug_render_only": True, "stream": False}

    async def rendered() -> str:
        answer = (await client.post("/api/generate", json=generate)).json()
        return str(answer["_debug_info"]["rendered_template"])

    assert await rendered() == "hiT"
    await _set(house, template=template, thinking="none")
    assert await rendered() == "As made.hiN"
    await _set(house, template=CHATML)
    assert (await rendered()).endswith("<|im_start|>assistant\n")


async def test_models_of_the_same_weights_are_loaded_as_each_is_set(client: httpx.AsyncClient, house: House) -> None:
    gguf = house.model_store.resolve("m").gguf
    house.model_store.import_gguf(gguf, "wide", layers={media.PARAMS: b'{"num_ctx": 2048}'})
    house.model_store.import_gguf(gguf, "plain")
    house.model_store.import_gguf(gguf, "other", layers={media.SYSTEM: b"Another."})
    await house.catalogue.rescan()
    for name in ("m", "wide", "plain", "other"):
        done = await client.post("/api/chat", json={"model": name, "messages": USER, "options": {"num_predict": 2}})
        assert done.status_code == 200
    loaded = {model.name: model.context_length for model in house.engine.status()}
    assert loaded == {"m:latest": 512, "wide:latest": 2048, "plain:latest": 1024}  # "other" differs in its words alone


async def test_defaults_outlive_a_restart_and_not_the_model(tmp_path: Path) -> None:
    settings = load_settings(data=tmp_path / "data")
    async with open_house(settings, take_over=False) as first:
        await first.model_defaults.put(CONSOLE, "M:latest", Defaults(top_k=3, stop=["x"]))
    async with open_house(settings, take_over=False) as second:
        assert second.model_defaults.of("m:latest") == Defaults(top_k=3, stop=["x"])
        await second.store.write(lambda session: second.model_defaults.forget(session, "m:latest"))
        assert structs.asdict(second.model_defaults.of("m:latest")) == structs.asdict(Defaults())
