"""Pictures, rerankers and models in fewer bits through the faces, with tiny models that the real engine loads."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from inglenook.accounts.principal import CONSOLE
from inglenook.gateway.faces.ollama import OllamaFace
from inglenook.gateway.faces.ollama_models import OllamaModels
from inglenook.gateway.faces.registry import routes
from inglenook.kit.config import load_settings
from inglenook.models.engine.defaults import Defaults
from inglenook.models.hub.create import Recipe, create
from inglenook.server import House, open_house
from tests.models.providers.test_local_parts import png
from tests.support.gateway import open_wire
from tests.support.gguf import tiny_bert, tiny_llama
from tests.support.gguf_shapes import tiny_lora, tiny_projector

RED = png(28, 28, (255, 0, 0))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    settings = load_settings(data=tmp_path / "data", context_length=512, parallel=1)
    async with open_house(settings, take_over=False) as house:
        store = house.model_store

        def blob(path: Path) -> str:
            return store.put_blob(path.read_bytes(), "").digest

        weights = blob(tiny_llama(tmp_path / "m.gguf"))
        create(store, "blind", Recipe(files={"m.gguf": weights}))
        eyes = blob(tiny_projector(tmp_path / "eyes.gguf"))
        create(store, "seer", Recipe(files={"m.gguf": weights, "mmproj.gguf": eyes}))
        store.import_gguf(tiny_bert(tmp_path / "r.gguf", ranks=True), "ranker")
        await house.catalogue.rescan()
        yield house


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    await house.accounts.create_user("ada", "correct horse battery", role="admin")
    key = await house.accounts.create_key("ada", "test")
    face = OllamaFace(house.gateway, house.catalogue, house.engine, house.model_store, house.settings)
    models = OllamaModels(face.who, house.accounts, house.hub, house.model_store, house.store, house.model_defaults)
    async with open_wire([*routes(house.gateway, house.kept), *face.routes(), *models.routes()]) as client:
        client.headers["authorization"] = f"Bearer {key}"
        client.timeout = httpx.Timeout(60)
        yield client


def _asked(model: str) -> dict[str, dict[str, Any]]:
    """The same picture and question on every face."""
    url = f"data:image/png;base64,{RED}"
    source = {"type": "base64", "media_type": "image/png", "data": RED}
    what = {"type": "text", "text": "What?"}
    chat = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}, what]}]
    blocks = [{"role": "user", "content": [{"type": "image", "source": source}, what]}]
    parts = [{"type": "input_image", "image_url": url}, {"type": "input_text", "text": "What?"}]
    few = {"num_predict": 2}
    return {
        "/v1/chat/completions": {"model": model, "messages": chat, "max_tokens": 2},
        "/v1/messages": {"model": model, "messages": blocks, "max_tokens": 2},
        "/v1/responses": {"model": model, "input": [{"role": "user", "content": parts}], "max_output_tokens": 16},
        "/api/chat": {
            "model": model,
            "messages": [{"role": "user", "content": "What?", "images": [RED]}],
            "stream": False,
            "options": few,
        },
        "/api/generate": {"model": model, "prompt": "What?", "images": [RED], "stream": False, "options": few},
    }


async def test_a_picture_reaches_a_model_that_sees_by_every_face(client: httpx.AsyncClient) -> None:
    for path, body in _asked("seer").items():
        response = await client.post(path, json=body)
        assert response.status_code == 200, (path, response.text)


async def test_a_picture_for_a_model_that_reads_only_is_a_400_on_every_face(client: httpx.AsyncClient) -> None:
    for path, body in _asked("blind").items():
        response = await client.post(path, json=body)
        assert response.status_code == 400, (path, response.text)
        assert "vision" in response.text or "images" in response.text


async def test_documents_are_ranked(client: httpx.AsyncClient) -> None:
    body = {"model": "ranker", "query": "abc", "documents": ["abc", "x y z", "q"], "top_n": 2}
    response = await client.post("/v1/rerank", json=body)
    assert response.status_code == 200, response.text
    results = response.json()["results"]
    assert len(results) == 2
    assert results[0]["relevance_score"] >= results[1]["relevance_score"]
    assert {result["index"] for result in results} <= {0, 1, 2}
    refused = await client.post("/v1/rerank", json={**body, "model": "blind"})
    assert refused.status_code == 400


async def test_a_model_in_fewer_bits_says_so_and_answers(client: httpx.AsyncClient) -> None:
    made = await client.post("/api/create", json={"model": "small", "from": "blind", "quantize": "q8_0"})
    lines = made.text.splitlines()
    assert lines[-1] == '{"status":"success"}'
    assert any("quantizing F32 model to Q8_0" in line for line in lines)
    shown = (await client.post("/api/show", json={"model": "small"})).json()
    assert shown["details"]["quantization_level"] == "Q8_0"
    body = {"model": "small", "prompt": "hi", "stream": False, "options": {"num_predict": 3}}
    assert (await client.post("/api/generate", json=body)).json()["eval_count"] == 3


async def test_an_adapter_is_attached_by_create(client: httpx.AsyncClient, house: House, tmp_path: Path) -> None:
    digest = house.model_store.put_blob(tiny_lora(tmp_path / "l.gguf").read_bytes(), "").digest
    body = {"model": "tuned", "from": "blind", "adapters": {"l.gguf": digest}, "adapter_scales": {"l.gguf": 2.0}}
    assert (await client.post("/api/create", json={**body, "stream": False})).json() == {"status": "success"}

    async def says(model: str) -> str:
        ask = {"model": model, "prompt": "hello", "stream": False, "options": {"num_predict": 16, "temperature": 0}}
        return str((await client.post("/api/generate", json=ask)).json()["response"])

    assert await says("tuned") != await says("blind")


async def test_what_was_set_for_a_model_goes_with_it(client: httpx.AsyncClient, house: House) -> None:
    await house.model_defaults.put(CONSOLE, "blind:latest", Defaults(top_k=1))
    assert (await client.request("DELETE", "/api/delete", json={"model": "BLIND"})).status_code == 200
    assert house.model_defaults.of("blind:latest") == Defaults()
