"""Routes as clients of the protocols see them: over the wire, by the official shapes."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from inglenook.gateway.faces.models import ModelsFace
from inglenook.gateway.faces.ollama import OllamaFace
from inglenook.gateway.faces.openai import OpenAIFace
from inglenook.kit.config import Settings
from inglenook.kit.errors import TooMany, UpstreamFailed
from tests.gateway.routing.conftest import Board
from tests.support.gateway import open_wire
from tests.support.routing import Actor, route


@pytest.fixture
async def wire(board: Board) -> AsyncIterator[httpx.AsyncClient]:
    gateway: Any = board.desk.gateway
    nobody: Any = None
    routes = [
        *OpenAIFace(gateway).routes(),
        *ModelsFace(gateway).routes(),
        *OllamaFace(gateway, board.desk.shelf, nobody, nobody, Settings()).routes(),  # type: ignore[arg-type]
    ]
    async with open_wire(routes) as client:
        client.headers["authorization"] = f"Bearer {board.desk.key}"
        yield client


def asking(model: str = "smart", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Hello"}], **more}


async def test_a_route_is_listed_among_the_models(board: Board, wire: httpx.AsyncClient) -> None:
    board.models(Actor("a"), context=8000)
    board.routes(route("smart", "a"), route("off", "a", enabled=False))
    listed = {model["id"]: model for model in (await wire.get("/v1/models")).json()["data"]}
    assert listed["smart"]["owned_by"] == "route"
    assert "off" not in listed
    assert (await wire.get("/v1/models/smart")).json()["id"] == "smart"
    tags = {model["name"]: model for model in (await wire.get("/api/tags")).json()["models"]}
    assert (tags["smart"]["remote_model"], tags["smart"]["remote_host"]) == ("smart", "route")
    assert tags["smart"]["size"] == 0
    shown = (await wire.post("/api/show", json={"model": "smart"})).json()
    assert shown["capabilities"] == ["completion"]


async def test_an_answer_says_who_gave_it_and_why(board: Board, wire: httpx.AsyncClient) -> None:
    board.models(Actor("a", UpstreamFailed("down")), Actor("b"))
    board.route("gone", "a", "b")
    answer = await wire.post("/v1/chat/completions", json=asking())
    assert answer.json()["choices"][0]["message"]["content"] == "b"
    assert answer.headers["x-inglenook-model"] == "b"
    assert answer.headers["x-inglenook-route"] == (
        "smart;strategy=ordered, gone;passed=missing, a;taken=ordered, a;failed=upstream_failed, b;taken=fallback"
    )
    plain = await wire.post("/v1/chat/completions", json=asking("b"))
    assert plain.headers["x-inglenook-route"] == "named"
    assert "x-inglenook-cache" not in plain.headers
    ollama = await wire.post("/api/chat", json=asking(stream=False))
    assert ollama.headers["x-inglenook-route"] == "smart;strategy=ordered, gone;passed=missing, a;taken=ordered"


async def test_headers_of_a_call_reach_the_conditions(board: Board, wire: httpx.AsyncClient) -> None:
    board.models(Actor("a"), Actor("b"))
    board.route({"model": "a", "when": {"tags": ["batch"]}}, "b")
    for tags, answers in (("night, batch", "a"), ("night", "b")):
        answer = await wire.post("/v1/chat/completions", json=asking(), headers={"x-inglenook-tags": tags})
        assert answer.headers["x-inglenook-model"] == answers


async def test_a_kept_answer_is_marked(board: Board, wire: httpx.AsyncClient) -> None:
    actor = Actor("a", "one two", "three four", ["five ", "six"])
    board.models(actor)
    board.route("a", cache={"ttl": 60})
    first = await wire.post("/v1/chat/completions", json=asking())
    second = await wire.post("/v1/chat/completions", json=asking())
    assert [answer.headers["x-inglenook-cache"] for answer in (first, second)] == ["miss", "hit"]
    assert second.headers["x-inglenook-route"] == "smart;strategy=ordered"
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    texts = [answer.json()["choices"][0]["message"]["content"] for answer in (first, second)]
    assert texts == ["one two", "one two"]
    streams = [await wire.post("/v1/chat/completions", json=asking(stream=True)) for _ in range(2)]
    assert [stream.headers["x-inglenook-cache"] for stream in streams] == ["miss", "hit"]
    for stream in streams:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert '"content":"three four"' in stream.text
        assert stream.text.endswith("data: [DONE]\n\n")
    renewed = await wire.post("/v1/chat/completions", json=asking(), headers={"x-inglenook-cache": "renew"})
    assert renewed.status_code == 502  # asked anew: this one never ended
    assert (await wire.post("/v1/chat/completions", json=asking())).headers["x-inglenook-cache"] == "hit"


async def test_who_must_wait_is_told_how_long(board: Board, wire: httpx.AsyncClient) -> None:
    board.models(Actor("a", TooMany("slowly", retry_after=90)))
    board.route("a")
    for _ in range(2):  # as the provider said it, then as we remember it
        refused = await wire.post("/v1/chat/completions", json=asking())
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "90"


async def test_who_asks_too_much_is_told_of_what(board: Board, wire: httpx.AsyncClient) -> None:
    board.models(Actor("a"), context=1000)
    board.route("a", when={"tags": ["batch"]})
    refused = await wire.post("/v1/chat/completions", json=asking())
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "no_target")
    board.route("a")
    body = asking(messages=[{"role": "user", "content": "word " * 5000}])
    refused = await wire.post("/v1/chat/completions", json=body)
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "context_length_exceeded"
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    refused = await wire.post("/v1/chat/completions", json=asking(tools=tools))
    assert refused.json()["error"]["message"].startswith("model 'smart' does not support tools")
