"""The same conversation through each face: what reaches the provider, and what comes back, whole and streamed."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from inglenook.gateway.call import Call, Exchange
from inglenook.gateway.faces.ollama import OllamaFace
from inglenook.gateway.faces.registry import routes
from inglenook.gateway.steps.base import Step
from inglenook.kit.config import Settings
from inglenook.models.calls import ChatRequest, ImagePart, Message, TextPart, Thought, ToolCall
from inglenook.models.engine.service import Engine
from inglenook.models.hub.layout import ModelStore
from tests.support.faces import FACES, FORM, PNG, PROVED, SCHEMA, Face, Told
from tests.support.gateway import Desk, open_desk, open_wire

SCRIPTS: dict[str, Any] = {
    "thinker": {
        "steps": [{"reasoning": "let me see"}, {"signature": "s1gn"}, {"text": "It rains, I think."}],
        "usage": {"input": 100, "cached": 30, "cache_write": 20, "output": 50, "reasoning": 9},
    },
    "caller": {
        "steps": [
            {"reasoning": "let me see"},
            {"text": "I look."},
            {"tool_call": {"id": "t1", "name": "weather", "arguments": {"city": "Oslo"}}},
            {"tool_call": {"id": "t2", "name": "weather", "arguments": {"city": "Rome"}, "signature": "proof"}},
        ],
        "usage": {"input": 100, "cached": 30, "output": 50},
    },
    "chatterbox": {"steps": [{"text": "word " * 200}]},
}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path, {"scripts": SCRIPTS}) as opened:
        yield opened


@pytest.fixture
async def client(desk: Desk, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(data=tmp_path)
    store = ModelStore(tmp_path / "models")
    engine = Engine(settings, store)
    ollama = OllamaFace(desk.gateway, desk.shelf, engine, store, settings)  # type: ignore[arg-type]
    async with open_wire([*routes(desk.gateway, desk.kept), *ollama.routes()]) as opened:
        opened.headers["authorization"] = f"Bearer {desk.key}"
        yield opened
    await engine.stop()


def faces(*names: str) -> Any:
    chosen = [face for face in FACES if not names or face.name in names]
    return pytest.mark.parametrize("face", chosen, ids=[face.name for face in chosen])


async def ask(client: httpx.AsyncClient, face: Face, model: str, stream: bool, **change: Any) -> httpx.Response:
    body = {**face.body(model), "stream": stream, **change}
    if not stream:
        body.pop("stream_options", None)
    response = await client.post(face.path, json=body)
    assert response.status_code == 200, response.text
    return response


async def told(client: httpx.AsyncClient, face: Face, model: str, stream: bool, **change: Any) -> Told:
    response = await ask(client, face, model, stream, **change)
    return face.streamed(response) if stream else face.whole(response.json())


@faces()
async def test_what_reaches_the_provider(client: httpx.AsyncClient, desk: Desk, face: Face) -> None:
    await ask(client, face, "thinker", False)
    request = desk.fake.jobs[-1].request
    assert isinstance(request, ChatRequest)
    system, picture, called, first, second, last = request.messages
    assert system == Message("system", "Be brief.")
    assert isinstance(picture.content, list)
    # Where pictures stand is the protocol's, not ours to change.
    assert sorted(picture.content, key=lambda part: isinstance(part, ImagePart)) == [
        TextPart("Where is this?"),
        ImagePart("image/png", PNG),
    ]
    assert (called.role, called.content, called.reasoning) == ("assistant", "I look.", "hm")
    assert called.thoughts == ([] if face.name == "ollama" else [Thought("hm", "sig")])
    assert [(call.id, call.name, json.loads(call.arguments), call.signature) for call in called.tool_calls] == [
        ("c1", "weather", {"city": "Oslo"}, None),
        ("c2", "weather", {"city": "Rome"}, "proof"),
    ]
    assert first == Message("tool", "rain", tool_call_id="c1")
    assert second == Message("tool", "sun", tool_call_id="c2")
    assert last == Message("user", "So?")

    (tool,) = request.tools
    assert (tool.name, tool.description, tool.parameters) == ("weather", "Weather.", SCHEMA)
    assert (request.tool_choice, request.parallel_tool_calls) == ({"name": "weather"}, False)
    assert request.response_format is not None
    assert (request.response_format.kind, request.response_format.schema) == ("json_schema", FORM)
    assert request.reasoning == "low"
    sampling = request.sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.top_p) == (90, 0.5, 0.9)
    assert sampling.stop == ([] if face.name == "responses" else ["STOP"])
    assert sampling.seed == (7 if face.name in ("openai", "ollama") else None)
    assert request.user == (None if face.name == "ollama" else "u-1")
    assert (request.local.keep_alive, request.local.num_ctx) == (300, 2048)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@faces()
async def test_thinking_text_and_usage_come_back(client: httpx.AsyncClient, face: Face, stream: bool) -> None:
    assert await told(client, face, "thinker", stream) == Told(
        text="It rains, I think.",
        thinking="let me see",
        signatures=[] if face.name == "ollama" else ["s1gn"],
        finish="stop",
        usage=(100, 50),
        cached=None if face.name == "ollama" else 30,
    )


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@faces()
async def test_calls_of_tools_come_back(client: httpx.AsyncClient, face: Face, stream: bool) -> None:
    answer = await told(client, face, "caller", stream)
    assert (answer.text, answer.thinking, answer.finish) == ("I look.", "let me see", "tool_calls")
    assert answer.calls == [
        ("t1", "weather", {"city": "Oslo"}),
        (PROVED.replace("c2", "t2"), "weather", {"city": "Rome"}),
    ]
    assert answer.usage == (100, 50)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@faces()
async def test_an_answer_that_is_cut_says_so(client: httpx.AsyncClient, face: Face, stream: bool) -> None:
    answer = await told(client, face, "chatterbox", stream)
    assert (answer.finish, answer.usage[1]) == ("length", 90)
    assert answer.text.count("word") == 90


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@faces()
async def test_structured_output_comes_back(client: httpx.AsyncClient, face: Face, stream: bool) -> None:
    assert json.loads((await told(client, face, "json", stream)).text) == {"answer": 1}


async def test_what_ollama_answers_can_be_sent_back(client: httpx.AsyncClient, desk: Desk) -> None:
    (face,) = [face for face in FACES if face.name == "ollama"]
    answer = (await ask(client, face, "caller", False)).json()["message"]
    await ask(client, face, "thinker", False, messages=[{"role": "user", "content": "x"}, answer])
    assert desk.fake.jobs[-1].request.messages[1] == Message(
        "assistant",
        "I look.",
        reasoning="let me see",
        tool_calls=[
            ToolCall("t1", "weather", '{"city":"Oslo"}'),
            ToolCall("t2", "weather", '{"city":"Rome"}', "proof"),
        ],
    )


@faces()
async def test_every_answer_says_who_gave_it_and_why(client: httpx.AsyncClient, desk: Desk, face: Face) -> None:
    response = await ask(client, face, "thinker", True)
    assert response.headers["x-inglenook-model"] == "thinker"
    assert response.headers["x-inglenook-route"] == "named"
    (entry,) = await desk.ledger.entries()
    assert response.headers["x-request-id"] == entry.call_id


@faces()
async def test_wishes_come_by_headers(client: httpx.AsyncClient, desk: Desk, face: Face) -> None:
    calls: list[Call] = []

    class Noting(Step):
        def open(self, exchange: Exchange) -> None:
            calls.append(exchange.call)

    desk.gateway.steps = (Noting(), *desk.gateway.steps)
    client.headers.update({"x-inglenook-tags": "batch, night ,", "x-inglenook-cache": "Renew"})
    await ask(client, face, "thinker", False)
    assert [(call.tags, call.cache) for call in calls] == [(frozenset({"batch", "night"}), "renew")]
    client.headers["x-inglenook-cache"] = "maybe"
    response = await client.post(face.path, json={**face.body("thinker"), "stream": True})
    assert (response.status_code, "x-inglenook-cache" in response.text) == (400, True)


@faces()
async def test_what_the_prompt_lost_is_told(client: httpx.AsyncClient, face: Face) -> None:
    for stream in (False, True):
        response = await ask(client, face, "notice", stream)
        assert response.headers["x-inglenook-notice"] == "truncated"
        assert "9000" in response.text


ERRORS = [
    ({"status": 429, "retry_after": 9}, 429),
    ({"status": 503}, 503),
    ({"status": 504}, 504),
    ({"code": "context_too_long"}, 400),
    ({"code": "content_refused"}, 400),
    ({"code": "provider_out_of_credit"}, 502),
    ({"code": "provider_key_refused"}, 502),
]
#: What each face calls them, by place: OpenAI's `code`, Anthropic's `type`; Ollama has words only.
WORDS = {
    "openai": [
        "rate_limit_exceeded",
        "unavailable",
        "upstream_timeout",
        "context_length_exceeded",
        "content_filter",
        "insufficient_quota",
        "provider_key_refused",
    ],
    "anthropic": [
        "rate_limit_error",
        "overloaded_error",
        "timeout_error",
        "invalid_request_error",
        "invalid_request_error",
        "billing_error",
        "api_error",
    ],
}
WORDS["responses"] = WORDS["openai"]


@pytest.mark.parametrize("number", range(len(ERRORS)), ids=[str(error) for error, _ in ERRORS])
@faces()
async def test_errors_have_each_faces_own_words(client: httpx.AsyncClient, face: Face, number: int) -> None:
    facts, status = ERRORS[number]
    script = json.dumps({"steps": [{"error": {**facts, "message": "as told"}}]})
    body = face.body("echo")
    turns = body["input" if face.name == "responses" else "messages"]
    turns.append({"role": "user", "content": script})
    body.pop("stream_options", None)
    response = await client.post(face.path, json={**body, "stream": False})
    assert response.status_code == status, response.text
    assert response.headers.get("retry-after") == ("9" if status == 429 else None)
    error = response.json()["error"]
    if face.name == "ollama":
        assert error == "as told"
        return
    assert error["message"] == "as told"
    assert error["type" if face.name == "anthropic" else "code"] == WORDS[face.name][number]
