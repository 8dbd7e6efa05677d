"""The Anthropic face over real sockets: bytes by a plain client, and the official client."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx
import pydantic
import pytest

from inglenook.gateway.faces.registry import routes
from inglenook.models.calls import (
    FilePart,
    ImagePart,
    Message,
    TextPart,
    Thought,
    ToolCall,
    ToolSpec,
)
from tests.support.gateway import Desk, open_wire

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 20).decode()
PDF = base64.b64encode(b"%PDF-1.7 hello").decode()
WEATHER = {
    "name": "weather",
    "description": "The weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
HALF_HOUR: Any = {"type": "ephemeral"}


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    async with open_wire(routes(desk.gateway, desk.kept)) as opened:
        opened.headers.update({"x-api-key": desk.key, "anthropic-version": "2023-06-01"})
        yield opened


@pytest.fixture
async def official(client: httpx.AsyncClient, desk: Desk) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=str(client.base_url), api_key=desk.key, max_retries=0) as made:
        yield made


def ask(model: str, content: Any = "one two three", **more: Any) -> dict[str, Any]:
    return {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": content}], **more}


async def post(client: httpx.AsyncClient, body: Any, path: str = "/v1/messages") -> httpx.Response:
    return await client.post(path, json=body)


async def carried(client: httpx.AsyncClient, desk: Desk, body: dict[str, Any]) -> Any:
    """What of a body reaches the provider."""
    response = await post(client, body)
    assert response.status_code == 200, response.text
    return desk.fake.jobs[-1].request


def events_of(response: httpx.Response) -> list[dict[str, Any]]:
    """The JSON of each event, whose name is its type."""
    found = []
    for block in response.text.strip().split("\n\n"):
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


# ------------------------------------------------------------------------------------------------- answers


async def test_a_message(client: httpx.AsyncClient, desk: Desk) -> None:
    response = await post(client, ask("echo"))
    assert response.status_code == 200
    body = response.json()
    usage = body.pop("usage")
    assert body.pop("id").startswith("msg_")
    assert body == {
        "type": "message",
        "role": "assistant",
        "model": "echo",
        "content": [{"type": "text", "text": "one two three"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
    }
    assert (usage["input_tokens"], usage["output_tokens"], usage["cache_read_input_tokens"]) == (3, 3, 0)
    assert response.headers["request-id"].startswith("req_")
    assert response.headers["x-inglenook-model"] == "echo"
    assert response.headers["x-inglenook-route"] == "named"
    (entry,) = await desk.ledger.entries()
    assert response.headers["x-request-id"] == entry.call_id
    assert entry.source == "anthropic"


async def test_a_stream_of_text(client: httpx.AsyncClient) -> None:
    response = await post(client, ask("echo", stream=True))
    assert response.headers["content-type"].startswith("text/event-stream")
    start, *events = events_of(response)
    assert start["message"]["content"] == []
    assert start["message"]["stop_reason"] is None
    usage = events[-2].pop("usage")
    assert (usage["input_tokens"], usage["output_tokens"]) == (3, 3)
    assert events == [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
            for text in ("one", " two", " three")
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}},
        {"type": "message_stop"},
    ]


SCRIPT = {
    "steps": [
        {"reasoning": "hm hm"},
        {"signature": "s1gn"},
        {"sealed": "dark"},
        {"text": "I look."},
        {"tool_call": {"id": "t1", "name": "weather", "arguments": {"city": "Oslo"}}},
        {"tool_call": {"id": "t2", "name": "weather", "arguments": {}, "signature": "proof"}},
    ],
    "usage": {"input": 100, "cached": 30, "cache_write": 20, "cache_write_1h": 10, "output": 50, "reasoning": 5},
}


async def test_blocks_of_all_kinds_whole_and_streamed(client: httpx.AsyncClient) -> None:
    whole = (await post(client, ask("echo", json.dumps(SCRIPT)))).json()
    thinking, sealed, text, first, second = whole["content"]
    assert thinking == {"type": "thinking", "thinking": "hm hm", "signature": "s1gn"}
    assert sealed == {"type": "redacted_thinking", "data": "dark"}
    assert text == {"type": "text", "text": "I look."}
    assert first == {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}}
    assert second["id"].startswith("t2")
    assert second["input"] == {}
    assert whole["stop_reason"] == "tool_use"
    assert whole["usage"] == {
        "input_tokens": 40,
        "cache_read_input_tokens": 30,
        "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
        "output_tokens": 50,
        "output_tokens_details": {"thinking_tokens": 5},
    }

    events = events_of(await post(client, ask("echo", json.dumps(SCRIPT), stream=True)))
    assert [event["content_block"] for event in events if event["type"] == "content_block_start"] == [
        {"type": "thinking", "thinking": "", "signature": ""},
        sealed,
        {"type": "text", "text": ""},
        {**first, "input": {}},
        second,
    ]
    within: list[int] = []
    for event in events:
        if event["type"] == "content_block_start":
            assert within == []
            within = [event["index"]]
        elif event["type"] == "content_block_delta":
            assert within == [event["index"]]
        elif event["type"] == "content_block_stop":
            assert within == [event["index"]]
            within = []
    pieces = [event["delta"]["partial_json"] for event in events if event.get("delta", {}).get("partial_json")]
    assert json.loads("".join(pieces[:-2])) == {"city": "Oslo"}
    assert events[-2]["usage"] == whole["usage"]


async def test_thinking_is_left_out_where_it_is_not_wanted(client: httpx.AsyncClient) -> None:
    thinking = {"type": "enabled", "budget_tokens": 2000, "display": "omitted"}
    whole = (await post(client, ask("echo", json.dumps(SCRIPT), thinking=thinking))).json()
    assert whole["content"][0] == {"type": "thinking", "thinking": "", "signature": "s1gn"}
    streamed = events_of(await post(client, ask("echo", json.dumps(SCRIPT), thinking=thinking, stream=True)))
    assert not [event for event in streamed if event.get("delta", {}).get("type") == "thinking_delta"]


@pytest.mark.parametrize(
    ("body", "reason", "sequence"),
    [
        (ask("echo", max_tokens=2), "max_tokens", None),
        (ask("echo", stop_sequences=["wo", "x"]), "stop_sequence", "wo"),
        (ask("echo", '{"steps": [{"text": "no"}], "finish": "content_filter"}'), "refusal", None),
    ],
)
async def test_why_an_answer_ends(
    client: httpx.AsyncClient, body: dict[str, Any], reason: str, sequence: str | None
) -> None:
    whole = (await post(client, body)).json()
    assert (whole["stop_reason"], whole["stop_sequence"]) == (reason, sequence)
    delta = events_of(await post(client, {**body, "stream": True}))[-2]["delta"]
    assert delta == {"stop_reason": reason, "stop_sequence": sequence}


async def test_a_tool_call_that_is_no_object(client: httpx.AsyncClient) -> None:
    script: dict[str, Any] = {"steps": [{"tool_call": {"name": "f", "arguments": '{"a": '}}]}
    response = await post(client, ask("echo", json.dumps(script)))
    assert (response.status_code, response.json()["error"]["type"]) == (502, "api_error")
    assert "not a JSON object" in response.json()["error"]["message"]
    script["finish"] = "length"
    cut = (await post(client, ask("echo", json.dumps(script)))).json()
    assert (cut["content"][0]["input"], cut["stop_reason"]) == ({}, "max_tokens")


@pytest.mark.parametrize("model", ["cut", "silent-cut"])
async def test_a_broken_stream_says_so_and_breaks(client: httpx.AsyncClient, model: str) -> None:
    received = b""

    async def read() -> None:
        nonlocal received
        async with client.stream("POST", "/v1/messages", json=ask(model, stream=True)) as response:
            async for piece in response.aiter_raw():
                received += piece

    with pytest.raises(httpx.RemoteProtocolError):
        await read()
    name, data = received.decode().strip().split("\n\n")[-1].split("\n")
    assert name == "event: error"
    error = json.loads(data[6:])
    assert (error["type"], error["error"]["type"]) == ("error", "api_error")
    assert error["request_id"].startswith("req_")
    assert b"message_stop" not in received


async def test_a_cut_prompt_is_told_of(client: httpx.AsyncClient) -> None:
    response = await post(client, ask("notice"))
    assert response.headers["x-inglenook-notice"] == "truncated"
    (notice,) = response.json()["inglenook"]["notices"]
    assert notice["details"]["prompt_tokens"] == 9000
    start, *_ = events_of(await post(client, ask("notice", stream=True)))
    assert start["message"]["inglenook"]["notices"] == [notice]


# ------------------------------------------------------------------------------------------------ requests


async def test_every_field_reaches_the_provider(client: httpx.AsyncClient, desk: Desk) -> None:
    request = await carried(
        client,
        desk,
        {
            "model": "echo",
            "max_tokens": 50,
            "system": [
                {"type": "text", "text": "Be brief."},
                {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            ],
            "messages": [{"role": "user", "content": "hi"}],
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 7,
            "stop_sequences": ["X"],
            "metadata": {"user_id": "u-1"},
            "service_tier": "standard_only",
            "thinking": {"type": "enabled", "budget_tokens": 4000},
            "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
            "tools": [{**WEATHER, "strict": True, "cache_control": HALF_HOUR, "input_examples": [{"city": "Rome"}]}],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
            "keep_alive": "5m",
            "num_ctx": 2048,
            "truncate": False,
            "speed": "standard",
        },
    )
    sampling = request.sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.top_p, sampling.top_k) == (50, 0.5, 0.9, 7)
    assert (sampling.stop, request.user) == (["X"], "u-1")
    assert request.messages[0] == Message("system", [TextPart("Be brief."), TextPart("\n\nBe kind.", "1h")])
    schema = {**WEATHER["input_schema"], "examples": [{"city": "Rome"}]}  # type: ignore[dict-item]
    assert request.tools == [ToolSpec("weather", "The weather of a city.", schema, strict=True, cache="5m")]
    assert (request.tool_choice, request.parallel_tool_calls) == ("required", False)
    assert (request.reasoning, request.reasoning_budget) == ("medium", 4000)
    assert request.response_format.schema == {"type": "object"}
    assert (request.local.keep_alive, request.local.num_ctx, request.local.truncate) == (300, 2048, False)


@pytest.mark.parametrize(
    ("given", "reasoning", "budget"),
    [
        ({}, None, None),
        ({"thinking": {"type": "disabled"}}, "none", None),
        ({"thinking": {"type": "adaptive"}}, None, None),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}, None, None),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, "max", None),
        ({"output_config": {"effort": "low"}}, "low", None),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "low", 1024),
        ({"thinking": {"type": "enabled", "budget_tokens": 30_000}}, "high", 30_000),
    ],
)
async def test_how_much_to_think(
    client: httpx.AsyncClient, desk: Desk, given: dict[str, Any], reasoning: str | None, budget: int | None
) -> None:
    request = await carried(client, desk, ask("echo", **given))
    assert (request.reasoning, request.reasoning_budget) == (reasoning, budget)


@pytest.mark.parametrize(
    ("choice", "carried_as", "parallel"),
    [
        ({"type": "auto"}, "auto", None),
        ({"type": "auto", "disable_parallel_tool_use": True}, "auto", False),
        ({"type": "none"}, "none", None),
        ({"type": "tool", "name": "weather", "disable_parallel_tool_use": False}, {"name": "weather"}, True),
    ],
)
async def test_tool_choice(
    client: httpx.AsyncClient, desk: Desk, choice: dict[str, Any], carried_as: Any, parallel: bool | None
) -> None:
    request = await carried(client, desk, ask("echo", tools=[WEATHER], tool_choice=choice))
    assert (request.tool_choice, request.parallel_tool_calls) == (carried_as, parallel)


async def test_blocks_become_messages(client: httpx.AsyncClient, desk: Desk) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    body = ask("echo", cache_control=HALF_HOUR)
    body["messages"] = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "look", "cache_control": HALF_HOUR},
                image,
                {
                    "type": "document",
                    "title": "A",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
                },
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "sig"},
                {"type": "redacted_thinking", "data": "dark"},
                {"type": "text", "text": "calling", "citations": None},
                {"type": "tool_use", "id": "t1__sig__cHJvb2Y", "name": "f", "input": {"a": 1}, "caller": None},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1__sig__cHJvb2Y",
                    "is_error": True,
                    "content": [{"type": "text", "text": "no"}, image],
                },
                {"type": "tool_result", "tool_use_id": "t2"},
                {"type": "text", "text": "so?"},
            ],
        },
        {"role": "system", "content": "Be quick."},
        {
            "role": "user",
            "content": [
                {
                    "type": "document",
                    "title": "T",
                    "context": "C",
                    "source": {"type": "text", "media_type": "text/plain", "data": "D"},
                },
                {"type": "search_result", "title": "S", "source": "u", "content": [{"type": "text", "text": "found"}]},
                {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "E"}, image]}},
            ],
        },
    ]
    request = await carried(client, desk, body)
    picture = ImagePart("image/png", PNG)
    assert request.messages == [
        Message("user", [TextPart("look", "5m"), picture, FilePart("application/pdf", PDF, "A")]),
        Message(
            "assistant",
            "calling",
            reasoning="hm",
            thoughts=[Thought("hm", "sig"), Thought(data="dark")],
            tool_calls=[ToolCall("t1", "f", '{"a":1}', "proof")],
        ),
        Message("tool", [TextPart("no"), picture], tool_call_id="t1", failed=True),
        Message("tool", "", tool_call_id="t2"),
        Message("user", "so?"),
        Message("system", "Be quick."),
        Message(
            "user",
            [
                TextPart("T\nC\n\nD"),
                TextPart("S\nu\n\n"),
                TextPart("found"),
                TextPart("E"),
                ImagePart("image/png", PNG, cache="5m"),
            ],
        ),
    ]


async def test_what_tools_send_to_say_nothing_is_taken(client: httpx.AsyncClient, desk: Desk) -> None:
    body = ask(
        "tools",
        tools=[{**WEATHER, "type": "custom", "eager_input_streaming": True, "defer_loading": False}],
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        container=None,
        diagnostics=None,
    )
    response = await client.post("/v1/messages?beta=true", json=body, headers={"anthropic-beta": "a-1,b-2"})
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"max_tokens": None}, "max_tokens", "required"),
        ({"max_tokens": 0}, "max_tokens", "at least 1"),
        ({"messages": None}, "messages", "required"),
        ({"messages": []}, "messages", "at least one"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role", "tool"),
        ({"model": None}, "model", "model"),
        ({"stream": "yes"}, "stream", "stream"),
        ({"temperature": "hot"}, "temperature", "temperature"),
        ({"container": "c"}, "container", "container"),
        ({"mcp_servers": [{}]}, "mcp_servers", "mcp_servers"),
        ({"diagnostics": {}}, "diagnostics", "diagnostics"),
        ({"inference_geo": "eu"}, "inference_geo", "inference_geo"),
        ({"user_profile_id": "u"}, "user_profile_id", "user_profile_id"),
        ({"speed": "fast"}, "speed", "fast"),
        ({"service_tier": "gold"}, "service_tier", "gold"),
        (
            {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
            "context_management.edits[0]",
            "ca",
        ),
        ({"thinking": {"type": "between_tools"}}, "thinking.type", "between_tools"),
        ({"thinking": {"type": "enabled", "budget_tokens": 0}}, "thinking.budget_tokens", "at least 1"),
        ({"output_config": {"effort": "most"}}, "output_config.effort", "most"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type", "web_search_20250305"),
        ({"tools": [{**WEATHER, "defer_loading": True}]}, "tools[0].defer_loading", "defer_loading"),
        ({"tools": [{"name": "f"}]}, "tools[0]", "input_schema"),
        ({"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "g"}}, "tool_choice", "g"),
        ({"tools": [WEATHER], "tool_choice": {"type": "tool"}}, "tool_choice.name", "name"),
        ({"num_ctx": 0}, "num_ctx", "at least 1"),
        ({"keep_alive": "soon"}, "keep_alive", "duration"),
        ({"cache_control": {"type": "ephemeral", "ttl": "2h"}}, "cache_control.ttl", "2h"),
    ],
)
async def test_what_cannot_be_carried_is_named(
    client: httpx.AsyncClient, desk: Desk, change: dict[str, Any], field: str, says: str
) -> None:
    response = await post(client, {**ask("echo"), **change})
    assert response.status_code == 400, response.text
    body = response.json()
    assert (body["type"], body["error"]["type"]) == ("error", "invalid_request_error")
    assert body["error"]["details"]["field"] == field
    assert says in body["error"]["message"]
    assert body["request_id"] == response.headers["request-id"]


@pytest.mark.parametrize(
    ("block", "field"),
    [
        ({"type": "image", "source": {"type": "url", "url": "http://a.example/b.png"}}, "source.type"),
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "!!"}}, "source.data"),
        ({"type": "image", "source": {"type": "base64", "media_type": "text/html", "data": PNG}}, "source.media_type"),
        ({"type": "document", "source": {"type": "file", "file_id": "f"}}, "source.type"),
        (
            {"type": "document", "source": {"type": "text", "data": "x"}, "citations": {"enabled": True}},
            "citations",
        ),
        ({"type": "text", "text": "x", "citations": [{}]}, "citations"),
        ({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, "type"),
        ({"type": "container_upload", "file_id": "f"}, "type"),
        ({"text": "x"}, "type"),
        ({"type": "text", "text": 3}, "text"),
    ],
)
async def test_blocks_that_cannot_be_carried_are_named(
    client: httpx.AsyncClient, block: dict[str, Any], field: str
) -> None:
    response = await post(client, ask("echo", [{"type": "text", "text": "a"}, block]))
    assert response.status_code == 400, response.text
    assert response.json()["error"]["details"]["field"] == f"messages[0].content[1].{field}"


@pytest.mark.parametrize(
    ("body", "capability"),
    [
        (ask("plain", tools=[WEATHER]), "tools"),
        (ask("plain", thinking={"type": "enabled", "budget_tokens": 1024}), "thinking"),
        (ask("plain", [{"type": "image", "source": {}}]), "vision"),
        (ask("plain", [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image"}]}]), "vision"),
        (ask("plain", [{"type": "document", "source": {"type": "base64"}}]), "files"),
        (ask("embed"), "chat"),
    ],
)
async def test_what_a_model_cannot_do(client: httpx.AsyncClient, body: dict[str, Any], capability: str) -> None:
    error = (await post(client, body)).json()["error"]
    assert (error["type"], error["details"]["capability"]) == ("invalid_request_error", capability)


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        ({"status": 403}, 403, "permission_error"),
        ({"status": 404}, 404, "not_found_error"),
        ({"status": 429, "retry_after": 9}, 429, "rate_limit_error"),
        ({"status": 503}, 503, "overloaded_error"),
        ({"status": 504}, 504, "timeout_error"),
        ({"status": 502}, 502, "api_error"),
        ({"code": "context_too_long"}, 400, "invalid_request_error"),
    ],
)
async def test_errors_have_their_type(client: httpx.AsyncClient, error: dict[str, Any], status: int, kind: str) -> None:
    response = await post(client, ask("echo", json.dumps({"steps": [{"error": error}]})))
    assert (response.status_code, response.json()["error"]["type"]) == (status, kind)
    assert response.headers.get("retry-after") == ("9" if status == 429 else None)


async def test_keys(client: httpx.AsyncClient, desk: Desk) -> None:
    del client.headers["x-api-key"]
    for headers, status in (
        ({}, 401),
        ({"x-api-key": "ink-wrong"}, 401),
        ({"authorization": "Bearer ink-wrong"}, 401),
        ({"x-api-key": desk.key}, 200),
        ({"authorization": f"Bearer {desk.key}"}, 200),
    ):
        for path in ("/v1/messages", "/v1/messages/count_tokens"):
            response = await client.post(path, json=ask("echo"), headers=headers)
            assert response.status_code == status
            if status == 401:
                assert response.json()["error"]["type"] == "authentication_error"


async def test_the_console_needs_no_key(desk: Desk) -> None:
    async with open_wire(routes(desk.gateway, desk.kept), local=True) as inside:
        assert (await post(inside, ask("echo"))).status_code == 200
        inside.headers["x-api-key"] = "ink-wrong"
        assert (await post(inside, ask("echo"))).status_code == 401


@pytest.mark.parametrize("body", [b"", b"{", b"[]"])
async def test_a_body_that_is_no_object(client: httpx.AsyncClient, body: bytes) -> None:
    response = await client.post("/v1/messages", content=body)
    assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")


async def test_counting_where_nobody_counts_is_an_estimate(client: httpx.AsyncClient, desk: Desk) -> None:
    body = ask("echo", "x" * 400)
    del body["max_tokens"]
    response = await post(client, body, "/v1/messages/count_tokens")
    assert response.json() == {"input_tokens": 104}
    assert response.headers["x-inglenook-notice"] == "estimated"
    assert desk.fake.jobs == []
    response = await post(client, {**body, "container": "c"}, "/v1/messages/count_tokens")
    assert response.json()["error"]["details"]["field"] == "container"


# ------------------------------------------------------------------------------------- the official client


async def test_official_message(official: anthropic.AsyncAnthropic) -> None:
    answer = await official.messages.create(
        model="echo", max_tokens=10, messages=[{"role": "user", "content": "a b c"}], stop_sequences=["c"]
    )
    assert isinstance(answer.content[0], anthropic.types.TextBlock)
    assert answer.content[0].text == "a b "
    assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", "c")
    assert answer._request_id is not None


async def test_official_stream(official: anthropic.AsyncAnthropic) -> None:
    kinds = []
    async with official.messages.stream(
        model="think",
        max_tokens=100,
        messages=[{"role": "user", "content": "a"}],
        thinking={"type": "enabled", "budget_tokens": 1024},
    ) as stream:
        async for event in stream:
            if event.type not in kinds:
                kinds.append(event.type)
        final = await stream.get_final_message()
    thinking, text = final.content
    assert isinstance(thinking, anthropic.types.ThinkingBlock)
    assert isinstance(text, anthropic.types.TextBlock)
    assert (thinking.thinking, text.text) == ("They said: a", "I have thought about it.")
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
    assert final.usage.output_tokens == 8


async def test_official_tools(official: anthropic.AsyncAnthropic) -> None:
    messages: Any = [{"role": "user", "content": "weather?"}]
    tools: Any = [WEATHER, {**WEATHER, "name": "other"}]
    async with official.messages.stream(model="tools", max_tokens=100, messages=messages, tools=tools) as stream:
        answer = await stream.get_final_message()
    assert answer.stop_reason == "tool_use"
    first, second = answer.content
    assert isinstance(first, anthropic.types.ToolUseBlock)
    assert isinstance(second, anthropic.types.ToolUseBlock)
    assert (first.name, first.input, second.name) == ("weather", {"city": "text"}, "other")
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": word}
        for call, word in ((first, "sunny"), (second, "42"))
    ]
    messages += [{"role": "assistant", "content": answer.content}, {"role": "user", "content": results}]
    answer = await official.messages.create(model="tools", max_tokens=100, messages=messages, tools=tools)
    assert isinstance(answer.content[0], anthropic.types.TextBlock)
    assert answer.content[0].text == "The tools said: sunny; 42"


class City(pydantic.BaseModel):
    name: str
    people: int


async def test_official_parse(official: anthropic.AsyncAnthropic) -> None:
    answer = await official.messages.parse(
        model="json", max_tokens=100, messages=[{"role": "user", "content": "x"}], output_format=City
    )
    assert answer.parsed_output == City(name="text", people=1)


async def test_official_count_and_models(official: anthropic.AsyncAnthropic) -> None:
    count = await official.messages.count_tokens(model="echo", messages=[{"role": "user", "content": "abcd"}])
    assert count.input_tokens == 5
    names = [model.id async for model in official.models.list(limit=3)]
    assert {"echo", "plain", "think"} <= set(names)
    assert len(names) == len(set(names)) > 6
    assert "embed" not in names
    info = await official.models.retrieve("echo")
    assert (info.max_input_tokens, info.display_name) == (8192, "echo")
    assert info.capabilities is not None
    assert info.capabilities.image_input.supported
    page = await official.models.list(limit=2, before_id=names[3])
    assert [model.id for model in page.data] == names[1:3]
    assert page.has_more


async def test_official_errors(official: anthropic.AsyncAnthropic, client: httpx.AsyncClient) -> None:
    messages: Any = [{"role": "user", "content": "a"}]
    with pytest.raises(anthropic.NotFoundError) as missing:
        await official.messages.create(model="nothing", max_tokens=10, messages=messages)
    assert missing.value.type == "not_found_error"
    assert missing.value.error_code == "model_not_found"
    assert missing.value.request_id is not None
    with pytest.raises(anthropic.RateLimitError):
        await official.messages.create(model="error-429", max_tokens=10, messages=messages)
    with pytest.raises(anthropic.NotFoundError):
        await official.models.retrieve("nothing")
    with pytest.raises(anthropic.BadRequestError, match="limit"):
        await official.models.list(limit=0)
    stream = await official.messages.create(model="cut", max_tokens=10, messages=messages, stream=True)
    with pytest.raises(anthropic.APIStatusError, match="the line broke"):
        [event async for event in stream]
    async with anthropic.AsyncAnthropic(base_url=str(client.base_url), api_key="ink-no", max_retries=0) as stranger:
        with pytest.raises(anthropic.AuthenticationError):
            await stranger.messages.create(model="echo", max_tokens=10, messages=messages)
