"""Bought models of other protocols: official clients, the whole server, and a vendor played on loopback."""

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx
import openai
import pytest

from inglenook.gateway.faces.registry import routes
from inglenook.kit.http.pool import HttpPool
from inglenook.models.providers.base import ModelFacts
from tests.support.bought import KEY, answers, named_events, plain_events, provider, refuses
from tests.support.bought_cases import (
    ANTHROPIC,
    BEDROCK,
    SAID,
    anthropic_block,
    anthropic_end,
    anthropic_start,
    gemini_chunk,
)
from tests.support.gateway import Desk, open_wire
from tests.support.upstream import Upstream, open_upstream

CHAT = frozenset({"completion", "tools", "vision", "thinking", "files"})
CLAUDE, GEMINI, NOVA = "claude-opus-5-5", "gemini-3.8-flash", "amazon.nova-2-lite-v1:0"
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
TOOL: Any = {"name": "f", "description": "does", "input_schema": SCHEMA}
HI: Any = [{"role": "user", "content": "hi"}]


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with open_upstream() as opened:
        yield opened


@pytest.fixture
async def client(desk: Desk, upstream: Upstream) -> AsyncIterator[httpx.AsyncClient]:
    pool = HttpPool()
    url = f"http://127.0.0.1:{upstream.port}"
    for kind, model in (("anthropic", CLAUDE), ("gemini", GEMINI), ("bedrock", NOVA)):
        facts = ModelFacts(name=model, capabilities=CHAT)
        desk.shelf.add(provider(kind, pool, base_url=url, api_key=KEY), f"prv_{kind}", facts)
    async with open_wire(routes(desk.gateway, desk.kept)) as opened:
        opened.headers["authorization"] = f"Bearer {desk.key}"
        yield opened
    await pool.close()


@pytest.fixture
async def by_anthropic(client: httpx.AsyncClient, desk: Desk) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=str(client.base_url), api_key=desk.key, max_retries=0) as made:
        yield made


@pytest.fixture
async def by_openai(client: httpx.AsyncClient, desk: Desk) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{client.base_url}/v1", api_key=desk.key, max_retries=0) as made:
        yield made


# ---------------------------------------------------------------------------------------- Claude, unchanged


async def test_a_message_passes_through(by_anthropic: anthropic.AsyncAnthropic, upstream: Upstream, desk: Desk) -> None:
    told = {
        "id": "msg_up",
        "type": "message",
        "role": "assistant",
        "model": CLAUDE,
        "content": [{"type": "text", "text": "hello"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 3, "cache_read_input_tokens": 5, "service_tier": "standard"},
    }
    refuses(upstream, 200, told)
    message = await by_anthropic.messages.create(
        model=CLAUDE,
        max_tokens=10,
        messages=HI,
        extra_headers={"anthropic-beta": "a-beta"},
        extra_body={"context_management": {"edits": []}},
    )
    assert (message.id, message.usage.cache_read_input_tokens) == ("msg_up", 5)
    (asked,) = upstream.asked
    assert asked.json == {
        "model": CLAUDE,
        "max_tokens": 10,
        "messages": HI,
        "context_management": {"edits": []},
    }
    assert asked.headers["anthropic-beta"] == "a-beta"
    assert asked.headers["anthropic-version"] == "2026-10-21"
    assert asked.headers["x-api-key"] == KEY
    assert desk.key not in str(asked.headers)
    (entry,) = await desk.ledger.entries()
    assert (entry.input_tokens, entry.output_tokens, entry.cached_tokens, entry.estimated) == (14, 3, 5, False)


async def test_a_stream_passes_through(by_anthropic: anthropic.AsyncAnthropic, upstream: Upstream, desk: Desk) -> None:
    answers(upstream, ANTHROPIC.first + ANTHROPIC.rest, 50)
    async with by_anthropic.messages.stream(model=CLAUDE, max_tokens=10, messages=HI) as stream:
        assert "".join([text async for text in stream.text_stream]) == SAID
    (entry,) = await desk.ledger.entries()
    assert (entry.input_tokens, entry.output_tokens, entry.estimated, entry.status) == (9, 3, False, "finished")


async def test_an_error_in_a_passed_stream_is_told_once(
    by_anthropic: anthropic.AsyncAnthropic, client: httpx.AsyncClient, upstream: Upstream, desk: Desk
) -> None:
    answers(upstream, ANTHROPIC.first + ANTHROPIC.broken, 7)
    with pytest.raises(anthropic.APIStatusError, match="overloaded"):
        async with by_anthropic.messages.stream(model=CLAUDE, max_tokens=10, messages=HI) as stream:
            [text async for text in stream.text_stream]
    seen: list[bytes] = []

    async def read() -> None:
        body = {"model": CLAUDE, "max_tokens": 10, "messages": HI, "stream": True}
        async with client.stream("POST", "/v1/messages", json=body) as response:
            async for chunk in response.aiter_raw():
                seen.append(chunk)

    with pytest.raises(httpx.RemoteProtocolError):
        await read()
    assert b"".join(seen).count(b"event: error") == 1
    assert "Grüß".encode() in b"".join(seen)
    assert [entry.status for entry in await desk.ledger.entries()] == ["failed", "failed"]


async def test_claude_counts_exactly(by_anthropic: anthropic.AsyncAnthropic, upstream: Upstream) -> None:
    refuses(upstream, 200, {"input_tokens": 77})
    assert (await by_anthropic.messages.count_tokens(model=CLAUDE, messages=HI)).input_tokens == 77
    assert upstream.asked[0].path == "/v1/messages/count_tokens"


async def test_a_refusal_has_the_callers_shape(by_anthropic: anthropic.AsyncAnthropic, upstream: Upstream) -> None:
    said = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
    refuses(upstream, 429, said, retry_after="7")
    with pytest.raises(anthropic.RateLimitError, match="slow down") as caught:
        await by_anthropic.messages.create(model=CLAUDE, max_tokens=10, messages=HI)
    assert caught.value.response.headers["retry-after"] == "7"


# ------------------------------------------------------------------------------------------ across protocols


async def test_claude_by_openais_client(by_openai: openai.AsyncOpenAI, upstream: Upstream, desk: Desk) -> None:
    use = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    told = [
        anthropic_start(cache_read_input_tokens=4),
        *anthropic_block(0, use, {"type": "input_json_delta", "partial_json": '{"a":1}'}),
        *anthropic_end("tool_use"),
    ]
    answers(upstream, named_events(*told))
    tools: Any = [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}]
    answer = await by_openai.chat.completions.create(model=CLAUDE, messages=HI, tools=tools, tool_choice="required")
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    (call,) = choice.message.tool_calls
    assert (call.id, call.function.arguments) == ("toolu_1", '{"a":1}')  # type: ignore[union-attr]
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (13, 3)

    answers(upstream, ANTHROPIC.first + ANTHROPIC.rest)
    history: Any = [
        *HI,
        choice.message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "2"},
    ]
    answer = await by_openai.chat.completions.create(model=CLAUDE, messages=history, tools=tools)
    assert answer.choices[0].message.content == SAID
    sent = upstream.asked[-1].json["messages"]
    assert sent[1]["content"] == [{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}]
    assert sent[2]["content"][0]["type"] == "tool_result"
    with pytest.raises(openai.BadRequestError, match="temperature"):
        await by_openai.chat.completions.create(model=CLAUDE, messages=HI, temperature=0.2)
    assert [entry.cached_tokens for entry in await desk.ledger.entries()] == [0, 0, 4]  # the last first


async def test_geminis_proof_comes_back_through_openais_client(
    by_openai: openai.AsyncOpenAI, upstream: Upstream
) -> None:
    call = {"functionCall": {"id": "fc1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "UHJvb2Y="}
    answers(upstream, plain_events(gemini_chunk(call, reason="STOP")))
    tools: Any = [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}]
    answer = await by_openai.chat.completions.create(model=GEMINI, messages=HI, tools=tools)
    message = answer.choices[0].message
    assert message.tool_calls is not None
    (made,) = message.tool_calls
    history: Any = [
        *HI,
        message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": made.id, "content": "2"},
    ]
    answers(upstream, plain_events(gemini_chunk({"text": "two"}, reason="STOP")))
    answer = await by_openai.chat.completions.create(model=GEMINI, messages=history, tools=tools)
    assert answer.choices[0].message.content == "two"
    said, result = upstream.asked[-1].json["contents"][1:]
    assert said["parts"] == [call]
    assert result["parts"][0]["functionResponse"] == {"id": "fc1", "name": "f", "response": {"output": "2"}}


async def test_geminis_thoughts_come_back_through_anthropics_client_and_no_further(
    by_anthropic: anthropic.AsyncAnthropic, upstream: Upstream
) -> None:
    told = [
        gemini_chunk({"text": "hm", "thought": True}),
        gemini_chunk({"text": "42"}),
        gemini_chunk({"text": "", "thoughtSignature": "UHJvb2Y="}, reason="STOP"),
    ]
    answers(upstream, plain_events(*told))
    answer = await by_anthropic.messages.create(
        model=GEMINI, max_tokens=100, messages=HI, thinking={"type": "adaptive"}
    )
    assert [block.type for block in answer.content].count("text") == 1
    history: Any = [*HI, {"role": "assistant", "content": answer.content}, {"role": "user", "content": "sure?"}]
    await by_anthropic.messages.create(model=GEMINI, max_tokens=100, messages=history)
    assert upstream.asked[-1].json["contents"][1]["parts"][-1]["thoughtSignature"] == "UHJvb2Y="

    answers(upstream, ANTHROPIC.first + ANTHROPIC.rest)
    async with by_anthropic.messages.stream(model=CLAUDE, max_tokens=100, messages=history) as stream:
        await stream.get_final_message()
    said = upstream.asked[-1].json["messages"][1]["content"]
    assert [block["type"] for block in said] == ["text"], "Claude would refuse Google's signature"


async def test_bedrock_by_anthropics_client(by_anthropic: anthropic.AsyncAnthropic, upstream: Upstream) -> None:
    answers(upstream, BEDROCK.first + BEDROCK.rest, 0, BEDROCK.content_type)
    tools: Any = [TOOL]
    answer = await by_anthropic.messages.create(model=NOVA, max_tokens=100, messages=HI, tools=tools)
    assert answer.content[0].text == SAID  # type: ignore[union-attr]
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (9, 3)
    (asked,) = upstream.asked
    assert asked.json["toolConfig"]["tools"][0]["toolSpec"]["name"] == "f"
    refuses(upstream, 200, {"inputTokens": 15})
    assert (await by_anthropic.messages.count_tokens(model=NOVA, messages=HI)).input_tokens == 15
