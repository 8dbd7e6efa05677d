"""Pass-through of Anthropic's Messages, OpenAI's Responses, forms and sound: caller, wire, face, gateway, the real
provider, a server on loopback, and back."""

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx
import openai
import pytest

from inglenook.gateway.faces.multipart import read_form
from inglenook.gateway.faces.registry import routes
from inglenook.kit.http.pool import HttpPool
from inglenook.models.providers.base import ModelFacts
from tests.support.bought import named_events, provider
from tests.support.gateway import Desk, open_wire
from tests.support.upstream import Asked, Upstream, open_upstream

CLAUDE, GPT = "claude-up", "gpt-up"
MESSAGE = {
    "id": "msg_up",
    "type": "message",
    "role": "assistant",
    "model": "claude-up-2026",
    "content": [{"type": "text", "text": "hello", "citations": None}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 5, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 0, "output_tokens": 3},
    "vendor": {"kept": True},
}
RESPONSE: dict[str, Any] = {
    "id": "resp_up",
    "object": "response",
    "created_at": 5,
    "status": "completed",
    "model": "gpt-up-2026",
    "output": [
        {"id": "rs_up", "type": "reasoning", "summary": [], "encrypted_content": "gAAAsealed"},
        {
            "id": "msg_up",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "hello", "annotations": []}],
        },
    ],
    "previous_response_id": None,
    "store": False,
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 12,
    },
}


def message_events() -> bytes:
    start = {**MESSAGE, "content": [], "stop_reason": None, "usage": {**MESSAGE["usage"], "output_tokens": 1}}  # type: ignore[dict-item]
    return named_events(
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 3},
        },
        {"type": "message_stop"},
    )


def response_events(status: str = "completed") -> bytes:
    begun = {**RESPONSE, "status": "in_progress", "output": []}
    delta = {"type": "response.output_text.delta", "item_id": "msg_up", "output_index": 1, "content_index": 0}
    return named_events(
        {"type": "response.created", "sequence_number": 0, "response": begun},
        {**delta, "sequence_number": 1, "delta": "hel", "logprobs": []},
        {**delta, "sequence_number": 2, "delta": 'lo "response" é', "logprobs": []},
        {"type": f"response.{status}", "sequence_number": 3, "response": {**RESPONSE, "status": status}},
    )


async def answering(asked: Asked) -> None:
    body = asked.json if asked.body.startswith(b"{") else {}
    if asked.path.endswith("/count_tokens"):
        await asked.whole({"input_tokens": 42})
    elif asked.path.endswith("/messages"):
        await pour(asked, message_events()) if body.get("stream") else await asked.whole(MESSAGE)
    elif asked.path.endswith("/responses"):
        await pour(asked, response_events()) if body.get("stream") else await asked.whole(RESPONSE)
    elif asked.path.endswith("/speech"):
        await asked.whole(b"ID3sound", content_type="audio/mpeg")
    elif asked.path.endswith("/transcriptions"):
        await asked.whole(b"1\n00:00:00,000 --> 00:00:01,000\nheard\n", content_type="text/plain; charset=utf-8")
    else:
        await asked.whole({"results": [{"index": 0, "relevance_score": 0.5}], "vendor": 1})


async def pour(asked: Asked, data: bytes, size: int = 37) -> None:
    await asked.begin()
    for start in range(0, len(data), size):
        await asked.piece(data[start : start + size])
    await asked.end()


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with open_upstream() as opened:
        opened.answer = answering
        yield opened


@pytest.fixture
async def client(desk: Desk, upstream: Upstream) -> AsyncIterator[httpx.AsyncClient]:
    pool = HttpPool()
    claude = provider("anthropic", pool, base_url=upstream.url.removesuffix("/v1"), api_key="sk-up")
    gpt = provider("openai", pool, base_url=upstream.url, api_key="sk-up")
    chats = frozenset({"completion", "tools", "vision", "files", "thinking"})
    others = frozenset({"speech", "transcription", "rerank"})
    desk.shelf.add(claude, "prv_1", ModelFacts(name=CLAUDE, capabilities=chats))
    desk.shelf.add(gpt, "prv_2", ModelFacts(name=GPT, capabilities=chats | others))
    async with open_wire(routes(desk.gateway, desk.kept)) as opened:
        opened.headers["authorization"] = f"Bearer {desk.key}"
        yield opened
    await pool.close()


def ask(**more: Any) -> dict[str, Any]:
    return {"model": CLAUDE, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], **more}


# ------------------------------------------------------------------------------------------------ Anthropic


async def test_messages_are_the_providers(client: httpx.AsyncClient, desk: Desk, upstream: Upstream) -> None:
    headers = {"anthropic-beta": "a-1", "anthropic-version": "2023-06-01"}
    body = ask(container="c", tools=[{"type": "web_search_20250305", "name": "web_search"}])
    response = await client.post("/v1/messages", json=body, headers=headers)
    assert response.json() == MESSAGE
    assert response.headers["x-inglenook-model"] == CLAUDE
    assert response.headers["request-id"].startswith("req_")
    (sent,) = upstream.asked
    assert sent.json == body
    assert (sent.headers["anthropic-beta"], sent.headers["anthropic-version"]) == ("a-1", "2023-06-01")
    assert desk.key not in str(sent.headers)

    response = await client.post("/v1/messages", json=ask(stream=True))
    assert response.content == message_events()
    for entry in await desk.ledger.entries():
        assert (entry.input_tokens, entry.cached_tokens, entry.output_tokens, entry.estimated) == (9, 4, 3, False)


async def test_messages_by_the_official_client(client: httpx.AsyncClient, desk: Desk) -> None:
    async with anthropic.AsyncAnthropic(base_url=str(client.base_url), api_key=desk.key, max_retries=0) as official:
        messages: Any = [{"role": "user", "content": "hi"}]
        async with official.messages.stream(model=CLAUDE, max_tokens=9, messages=messages) as stream:
            assert await stream.get_final_text() == "hello"
        assert (await official.messages.count_tokens(model=CLAUDE, messages=messages)).input_tokens == 42


async def test_what_the_provider_refuses_is_told_in_the_faces_shape(
    client: httpx.AsyncClient, upstream: Upstream
) -> None:
    async def answer(asked: Asked) -> None:
        error = {"type": "rate_limit_error", "message": "slow down"}
        await asked.whole({"type": "error", "error": error}, 429, retry_after="3")

    upstream.answer = answer
    response = await client.post("/v1/messages", json=ask())
    body = response.json()
    assert (response.status_code, body["error"]["type"]) == (429, "rate_limit_error")
    assert "slow down" in body["error"]["message"]
    assert body["request_id"] == response.headers["request-id"]


async def test_a_relayed_message_that_breaks_says_so(client: httpx.AsyncClient, upstream: Upstream) -> None:
    async def answer(asked: Asked) -> None:
        await asked.begin()
        await asked.piece(message_events()[:400])
        asked.cut()

    upstream.answer = answer
    received = b""

    async def read() -> None:
        nonlocal received
        async with client.stream("POST", "/v1/messages", json=ask(stream=True)) as response:
            async for data in response.aiter_raw():
                received += data

    with pytest.raises(httpx.RemoteProtocolError):
        await read()
    name, data = received.decode().strip().split("\n\n")[-1].split("\n")
    assert name == "event: error"
    assert json.loads(data[6:])["error"]["type"] == "api_error"


# ------------------------------------------------------------------------------------------------ Responses


async def test_a_response_is_the_providers_but_kept_here(
    client: httpx.AsyncClient, desk: Desk, upstream: Upstream
) -> None:
    body = {"model": GPT, "input": "hi", "tools": [{"type": "web_search"}], "reasoning": {"effort": "low"}}
    first = (await client.post("/v1/responses", json=body)).json()
    assert first["id"].startswith("resp_0")
    assert first == {**RESPONSE, "id": first["id"], "store": True}
    sent = upstream.asked[-1].json
    assert (sent["store"], sent["tools"], sent["include"]) == (False, body["tools"], ["reasoning.encrypted_content"])
    assert sent["input"] == [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}]
    assert (await client.get(f"/v1/responses/{first['id']}")).json() == first

    on = {"model": GPT, "input": "on", "previous_response_id": first["id"], "stream": True}
    response = await client.post("/v1/responses", json=on)
    events = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]
    assert [event["type"] for event in events] == [
        "response.created",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.completed",
    ]
    second = events[-1]["response"]
    assert events[0]["response"]["id"] == second["id"] != first["id"]
    assert (second["previous_response_id"], second["store"]) == (first["id"], True)
    assert events[2]["delta"] == 'lo "response" é'
    sent = upstream.asked[-1].json
    assert "previous_response_id" not in sent
    assert [item.get("role", item["type"]) for item in sent["input"]] == ["user", "reasoning", "assistant", "user"]
    assert sent["input"][1] == {"type": "reasoning", "summary": [], "encrypted_content": "gAAAsealed"}
    assert (await client.get(f"/v1/responses/{second['id']}")).json() == second
    for entry in await desk.ledger.entries():
        assert (entry.input_tokens, entry.cached_tokens, entry.output_tokens) == (9, 4, 3)


async def test_nothing_is_kept_of_a_relayed_response_that_is_not_to_be(
    client: httpx.AsyncClient, upstream: Upstream
) -> None:
    body = {"model": GPT, "input": "hi", "store": False, "reasoning": {"effort": "low"}}
    found = (await client.post("/v1/responses", json=body)).json()
    assert found["store"] is False
    assert (await client.get(f"/v1/responses/{found['id']}")).status_code == 404


async def test_a_conversation_moves_between_providers(client: httpx.AsyncClient, upstream: Upstream) -> None:
    scripted = json.dumps({"steps": [{"reasoning": "hm"}, {"signature": "s"}, {"text": "so"}]})
    first = (await client.post("/v1/responses", json={"model": "echo", "input": scripted})).json()
    on = {"model": GPT, "input": "on", "previous_response_id": first["id"]}
    second = (await client.post("/v1/responses", json=on)).json()
    # What only we can open is nothing to another.
    roles = [item.get("role", item["type"]) for item in upstream.asked[-1].json["input"]]
    assert roles == ["user", "assistant", "user"]
    back = {"model": "echo", "input": "back", "previous_response_id": second["id"]}
    third = (await client.post("/v1/responses", json=back)).json()
    assert third["output"][0]["content"][0]["text"] == "back"


@pytest.mark.parametrize("how", ["cut", "failed"])
async def test_a_relayed_response_that_breaks(client: httpx.AsyncClient, upstream: Upstream, how: str) -> None:
    async def answer(asked: Asked) -> None:
        if how == "failed":
            await pour(asked, response_events("failed"))
            return
        await asked.begin()
        await asked.piece(response_events()[:900])
        asked.cut()

    upstream.answer = answer
    response = await client.post("/v1/responses", json={"model": GPT, "input": "hi", "stream": True})
    last = json.loads(response.text.strip().split("\n\n")[-1].split("\n")[-1][6:])
    assert last["type"] == "response.failed"
    assert last["response"]["id"].startswith("resp_0")
    assert (await client.get(f"/v1/responses/{last['response']['id']}")).status_code == 404


async def test_responses_by_the_official_client(client: httpx.AsyncClient, desk: Desk) -> None:
    async with openai.AsyncOpenAI(base_url=f"{client.base_url}/v1", api_key=desk.key, max_retries=0) as official:
        stream = await official.responses.create(model=GPT, input="hi", stream=True)
        *_, last = [event async for event in stream]
        assert last.type == "response.completed"
        assert last.response.output_text == "hello"


# ---------------------------------------------------------------------------------------------------- others


async def test_a_form_is_sent_on(client: httpx.AsyncClient, upstream: Upstream) -> None:
    response = await client.post(
        "/v1/audio/transcriptions",
        data={"model": GPT, "response_format": "srt", "chunking_strategy": "auto"},
        files={"file": ("a.wav", b"RIFF\r\n--\0", "audio/wav")},
    )
    assert (response.status_code, response.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert response.text.endswith("heard\n")
    sent = upstream.asked[-1]
    fields = {field.name: field for field in read_form(sent.headers["content-type"].encode(), sent.body)}
    assert fields["chunking_strategy"].data == b"auto"
    assert (fields["file"].data, fields["file"].file_name) == (b"RIFF\r\n--\0", "a.wav")


async def test_sound_is_relayed(client: httpx.AsyncClient, upstream: Upstream) -> None:
    body = {"model": GPT, "input": "hi", "voice": "alloy", "vendor_knob": 3}
    response = await client.post("/v1/audio/speech", json=body)
    assert (response.headers["content-type"], response.content) == ("audio/mpeg", b"ID3sound")
    assert upstream.asked[-1].json == body
