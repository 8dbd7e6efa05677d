"""How models here are scheduled, as Ollama's clients see it: one engine, tiny models, real processes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from inglenook.gateway.faces.ollama import OllamaFace
from inglenook.gateway.faces.registry import routes
from inglenook.kit.config import load_settings
from inglenook.models.hub import manifest as media
from inglenook.server import House, open_house
from tests.support.engine import is_gone, until
from tests.support.gateway import open_wire
from tests.support.gguf import tiny_bert, tiny_llama

USER = [{"role": "user", "content": "hi"}]
OpenHouse = Callable[..., Any]


@pytest.fixture
def open_client(tmp_path: Path) -> OpenHouse:
    """Opens a house with a chat model `m` and an embedding model `e`, and a client of it."""

    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncIterator[tuple[House, httpx.AsyncClient]]:
        made = load_settings(data=tmp_path / "data", **{"context_length": 512, "parallel": 4, **settings})
        async with open_house(made, take_over=False) as house:
            house.model_store.import_gguf(tiny_llama(tmp_path / "m.gguf"), "m", layers={media.PARAMS: b'{"seed": 1}'})
            house.model_store.import_gguf(tiny_bert(tmp_path / "e.gguf"), "e")
            await house.catalogue.rescan()
            await house.accounts.create_user("bea", "correct horse battery")
            key = await house.accounts.create_key("bea", "test")
            face = OllamaFace(house.gateway, house.catalogue, house.engine, house.model_store, house.settings)
            async with open_wire([*routes(house.gateway, house.kept), *face.routes()]) as client:
                client.headers["authorization"] = f"Bearer {key}"
                client.timeout = httpx.Timeout(60)
                yield house, client

    return opened


def _body(content: str = "hi", tokens: int = 8, **options: Any) -> dict[str, Any]:
    return {
        "model": "m",
        "messages": [{"role": "user", "content": content}],
        "stream": False,
        "options": {"num_predict": tokens, "temperature": 0, **options},
    }


async def _chat(client: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    response = await client.post("/api/chat", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def _ps(client: httpx.AsyncClient) -> dict[str, int]:
    """What is loaded, with its context."""
    models = (await client.get("/api/ps")).json()["models"]
    return {model["name"]: model["context_length"] for model in models}


async def test_chats_at_once_are_not_mixed(open_client: OpenHouse) -> None:
    async with open_client() as (_, client):
        prompts = [f"number {n} " * (n + 1) for n in range(8)]
        alone = [(await _chat(client, _body(prompt)))["message"]["content"] for prompt in prompts]
        answers = await asyncio.gather(*[_chat(client, _body(prompt)) for prompt in prompts])
        assert [answer["message"]["content"] for answer in answers] == alone
        assert len({*alone}) > 1


async def test_a_full_queue_answers_503_and_nobody_hangs(open_client: OpenHouse) -> None:
    async with open_client(max_queue=2, parallel=1) as (_, client):
        async with asyncio.timeout(60):
            responses = await asyncio.gather(*[client.post("/api/chat", json=_body()) for _ in range(30)])
        by_status = {status: [r for r in responses if r.status_code == status] for status in (200, 503)}
        assert len(by_status[200]) + len(by_status[503]) == 30
        assert len(by_status[200]) >= 1
        assert len(by_status[503]) >= 20
        assert {r.json()["error"] for r in by_status[503]} == {
            "server busy, please try again.  maximum pending requests exceeded"
        }


async def test_num_ctx_loads_anew_once_and_embedding_never_does(open_client: OpenHouse) -> None:
    async with open_client() as (house, client):
        loads: list[str] = []
        seen: dict[str, str] = {}

        def note() -> None:
            for model in house.engine.status():
                if model.state == "ready" and seen.get(model.name) != "ready":
                    loads.append(f"{model.name} {model.context_length}")
                seen[model.name] = model.state

        house.engine.on_change(note)
        await _chat(client, _body())
        assert (await _chat(client, _body(num_ctx=1024)))["load_duration"] > 0
        assert await _ps(client) == {"m:latest": 1024}
        for body in (_body(num_ctx=1024), _body(), _body(num_ctx=1000)):  # rounded up to the same
            assert (await _chat(client, body)).get("load_duration", 0) < 50e6
        embed = {"model": "e", "input": ["a", "b"], "options": {"num_ctx": 32}}
        assert (await client.post("/api/embed", json=embed)).status_code == 200
        for body in ({"model": "e", "input": "a"}, {"model": "e", "prompt": "a"}):
            path = "/api/embed" if "input" in body else "/api/embeddings"
            assert (await client.post(path, json=body)).status_code == 200
        assert await _ps(client) == {"m:latest": 1024, "e:latest": 32}
        assert loads == ["m:latest 512", "m:latest 1024", "e:latest 32"]


async def test_keep_alive_counts_from_the_end_of_the_last_answer(open_client: OpenHouse) -> None:
    async with open_client() as (house, client):
        body = {**_body(tokens=400), "keep_alive": "1s"}
        await _chat(client, body)
        [model] = house.engine.status()
        assert house.engine.memory().used > 0
        await until(house.engine, lambda: not house.engine.status(), 5)
        assert is_gone(model.pid)
        assert house.engine.memory().used == 0
        assert await _ps(client) == {}


async def test_a_killed_process_ends_the_answer_with_an_error_and_the_next_call_loads_again(
    open_client: OpenHouse,
) -> None:
    async with open_client() as (house, client):
        body = {**_body(tokens=4000, num_ctx=2048), "stream": True}
        lines: list[dict[str, Any]] = []
        async with client.stream("POST", "/api/chat", json=body) as response:
            assert response.status_code == 200
            async for line in response.aiter_lines():
                if not lines:
                    os.kill(house.engine.status()[0].pid, signal.SIGKILL)
                lines.append(orjson.loads(line))
        assert "ended unexpectedly" in lines[-1]["error"]
        assert not any(line.get("done") for line in lines)
        assert (await _chat(client, _body()))["load_duration"] > 0


@pytest.mark.parametrize(
    "changes",
    [
        {"llama__block_count": 0},
        {"llama__block_count": 999},
        {"llama__context_length": 0},
        {"llama__attention__head_count": 0},
        {"llama__attention__head_count_kv": 7},
        {"llama__rope__dimension_count": 10**6},
        {"llama__feed_forward_length": 3},
        {"llama__embedding_length": 33},
        {"tokenizer__ggml__model": "unheard of"},
        {"tokenizer__ggml__bos_token_id": 10**6},
        {"tokenizer__chat_template": "{% for a in range(10**8) %}{% for b in range(10**8) %}{% endfor %}{% endfor %}"},
        {"tokenizer__chat_template": "{% if %}"},
    ],
)  # fmt: skip
async def test_a_crafted_file_costs_an_error_in_time_and_nothing_else(
    changes: dict[str, Any], open_client: OpenHouse, tmp_path: Path
) -> None:
    async with open_client() as (house, client):
        data = tiny_llama(tmp_path / "bad.gguf", **changes).read_bytes()
        # As another program may have left it in the folder, unchecked.
        weights = house.model_store.put_blob(data, media.MODEL)
        config = house.model_store.put_blob(b'{"capabilities": ["completion"], "languages": []}', media.CONFIG)
        manifest = media.encode_manifest(media.Manifest(config=config, layers=[weights]))
        path = house.model_store.manifests / "registry.ollama.ai" / "library" / "bad" / "latest"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(manifest)
        await house.catalogue.rescan()
        async with asyncio.timeout(45):
            response = await client.post("/api/chat", json={**_body(), "model": "bad"})
        body = response.json()
        assert (response.status_code >= 400 and body["error"]) or body["done"]
        await _chat(client, _body())
