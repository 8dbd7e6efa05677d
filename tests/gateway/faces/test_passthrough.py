"""Bytes that pass through the whole server: caller, wire, face, gateway, provider, a server on loopback, and back."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest

from inglenook.gateway.faces.ollama import OllamaFace
from inglenook.gateway.faces.registry import routes
from inglenook.kit.config import Settings
from inglenook.kit.http.pool import HttpPool
from inglenook.models.calls import Notice, Raw, RawHead
from inglenook.models.engine.service import Engine
from inglenook.models.hub.layout import ModelStore
from inglenook.models.providers.base import ModelFacts, ProviderParts
from inglenook.models.providers.openai_compatible import KIND
from tests.support.gateway import Desk, open_wire
from tests.support.upstream import Asked, Upstream, open_upstream

USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
WHOLE = {
    "id": "up-1",
    "object": "chat.completion",
    "created": 5,
    "model": "up-model-2024",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": USAGE,
    "vendor": {"kept": True},
}


def piece(text: str, finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return {"id": "up-1", "object": "chat.completion.chunk", "created": 5, "model": "m", "choices": [choice]}


async def answering(asked: Asked) -> None:
    if asked.path == "/v1/models":
        await asked.whole({"data": [{"id": "up-model"}, {"id": "up-embed"}]})
    elif asked.path == "/v1/embeddings":
        await asked.whole({"object": "list", "data": [{"index": 0, "embedding": [0.5]}], "usage": {"prompt_tokens": 4}})
    elif asked.json.get("stream"):
        last = {**piece(""), "choices": [], "usage": USAGE}
        await asked.stream(piece("hel"), piece("lo", "stop"), last)
    else:
        await asked.whole(WHOLE)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with open_upstream() as opened:
        opened.answer = answering
        yield opened


@pytest.fixture
async def client(desk: Desk, upstream: Upstream, tmp_path: Any) -> AsyncIterator[httpx.AsyncClient]:
    pool = HttpPool()
    provider = KIND.make({"base_url": upstream.url, "api_key": "sk-up"}, ProviderParts(http=pool))
    await desk.shelf.put(provider, "prv_1")
    settings = Settings(data=tmp_path)
    engine = Engine(settings, ModelStore(tmp_path / "models"))
    ollama = OllamaFace(desk.gateway, desk.shelf, engine, ModelStore(tmp_path / "models"), settings)  # type: ignore[arg-type]
    async with open_wire([*routes(desk.gateway, desk.kept), *ollama.routes()]) as opened:
        opened.headers["authorization"] = f"Bearer {desk.key}"
        yield opened
    await engine.stop()
    await pool.close()


def ask(**more: Any) -> dict[str, Any]:
    return {"model": "up-model", "messages": [{"role": "user", "content": "hi"}], **more}


async def test_a_whole_answer_is_the_providers(client: httpx.AsyncClient, desk: Desk, upstream: Upstream) -> None:
    response = await client.post("/v1/chat/completions", json=ask(vendor_knob=3, num_ctx=5))
    assert response.json() == WHOLE
    assert response.headers["x-inglenook-model"] == "up-model"
    sent = upstream.asked[-1]
    assert (sent.json["vendor_knob"], sent.json["num_ctx"]) == (3, 5)
    assert sent.headers["authorization"] == "Bearer sk-up"
    assert desk.key not in str(sent.headers)
    (entry,) = await desk.ledger.entries()
    assert (entry.input_tokens, entry.output_tokens, entry.estimated) == (9, 3, False)


async def test_a_stream_is_metered_and_shows_usage_only_when_asked(client: httpx.AsyncClient, desk: Desk) -> None:
    response = await client.post("/v1/chat/completions", json=ask(stream=True))
    assert response.text.count("data: ") == 3
    assert "prompt_tokens" not in response.text
    response = await client.post("/v1/chat/completions", json=ask(stream=True, stream_options={"include_usage": True}))
    assert response.text.count("data: ") == 4
    entries = await desk.ledger.entries()
    assert [(entry.input_tokens, entry.output_tokens, entry.estimated) for entry in entries] == [(9, 3, False)] * 2
    assert all(entry.ttft_ms is not None for entry in entries)


async def test_the_official_client_through_both(client: httpx.AsyncClient, desk: Desk) -> None:
    async with openai.AsyncOpenAI(base_url=f"{client.base_url}/v1", api_key=desk.key, max_retries=0) as official:
        stream = await official.chat.completions.create(
            model="up-model", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "hello"
        vectors = await official.embeddings.create(model="up-embed", input="x", encoding_format="float")
        assert vectors.data[0].embedding == [0.5]
    entries = await desk.ledger.entries()
    assert {entry.operation: entry.input_tokens for entry in entries} == {"chat": 9, "embedding": 4}


async def test_another_protocol_is_translated(client: httpx.AsyncClient, upstream: Upstream) -> None:
    response = await client.post("/api/chat", json=ask(stream=False, keep_alive="5m"))
    body = response.json()
    assert body["message"] == {"role": "assistant", "content": "hello"}
    assert (body["prompt_eval_count"], body["eval_count"]) == (9, 3)
    assert upstream.asked[-1].json["stream"] is True
    response = await client.post("/api/chat", json=ask(options={"num_ctx": 100}))
    assert response.status_code == 400
    assert "num_ctx" in response.json()["error"]


async def test_a_relayed_stream_that_breaks_says_so_and_breaks(
    client: httpx.AsyncClient, desk: Desk, upstream: Upstream
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.begin()
        await asked.piece(b"data: " + json.dumps(piece("four words were said")).encode() + b"\n\n")
        await asked.piece(b'data: {"choices":[{"ind')
        asked.cut()

    upstream.answer = answer
    received = b""

    async def read() -> None:
        nonlocal received
        async with client.stream("POST", "/v1/chat/completions", json=ask(stream=True)) as response:
            async for data in response.aiter_raw():
                received += data

    with pytest.raises(httpx.RemoteProtocolError):
        await read()
    blocks = [block for block in received.decode().split("\n\n") if block]
    assert json.loads(blocks[-1][6:])["error"]["code"] == "upstream_failed"
    assert "[DONE]" not in received.decode()
    (entry,) = await desk.ledger.entries()
    assert (entry.status, entry.estimated, entry.output_tokens) == ("failed", True, 5)
    assert entry.input_tokens > 0


async def test_a_caller_who_leaves_is_settled_by_our_count(
    client: httpx.AsyncClient, desk: Desk, upstream: Upstream
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.begin()
        await asked.piece(b"data: " + json.dumps(piece("你好世界" * 3)).encode() + b"\n\n")
        await asyncio.Event().wait()

    upstream.answer = answer
    async with client.stream("POST", "/v1/chat/completions", json=ask(stream=True)) as response:
        await anext(response.aiter_raw())
    async with asyncio.timeout(10):
        assert await upstream.left.get() == "/v1/chat/completions"
    upstream.answer = answering
    await client.post("/v1/chat/completions", json=ask())
    entries = {entry.status: entry for entry in await desk.ledger.entries()}
    assert (entries["cancelled"].estimated, entries["cancelled"].output_tokens) == (True, 9)


async def test_a_caller_who_leaves_before_a_whole_answer_cancels_it(
    client: httpx.AsyncClient, desk: Desk, upstream: Upstream
) -> None:
    asked = asyncio.Event()

    async def answer(_: Asked) -> None:
        asked.set()
        await asyncio.Event().wait()

    upstream.answer = answer
    task = asyncio.create_task(client.post("/v1/chat/completions", json=ask()))
    async with asyncio.timeout(10):
        await asked.wait()
        task.cancel()
        assert await upstream.left.get() == "/v1/chat/completions"
    assert [entry.status for entry in await desk.ledger.entries()] == ["cancelled"]


class Telling:
    """A provider that passes bytes through and has something to tell."""

    kind = "telling"
    wires = frozenset({"openai.chat"})

    async def stream(self, job: Any) -> Any:
        yield Notice("truncated", "cut", {"prompt_tokens": 9})
        if job.stream:
            yield RawHead(200, "text/event-stream")
            for data in (b"da", b'ta: {"choices":[]}\n\n', b"data: [DONE]\n\n"):
                yield Raw(data)
        else:
            yield RawHead(200, "application/json")
            yield Raw(b'{"choices":')
            yield Raw(b"[]}")

    async def models(self) -> list[ModelFacts]:
        return [ModelFacts(name="telling")]

    async def close(self) -> None: ...


async def test_relayed_answers_tell_of_cut_prompts(client: httpx.AsyncClient, desk: Desk) -> None:
    await desk.shelf.put(Telling(), "tel")
    told = {"notices": [{"kind": "truncated", "message": "cut", "details": {"prompt_tokens": 9}}]}
    response = await client.post("/v1/chat/completions", json={**ask(), "model": "telling"})
    assert response.json() == {"choices": [], "inglenook": told}
    assert response.headers["x-inglenook-notice"] == "truncated"
    response = await client.post("/v1/chat/completions", json={**ask(stream=True), "model": "telling"})
    first, last = response.text.strip().split("\n\n")
    assert json.loads(first[6:]) == {"choices": [], "inglenook": told}
    assert last == "data: [DONE]"
