"""Anthropic's Messages in its own documented shape; what all bought providers do alike is in `test_bought`."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from inglenook.kit.errors import BadInput, Unavailable, UpstreamFailed
from inglenook.kit.http.pool import HttpPool
from inglenook.models.calls import (
    AudioPart,
    ChatRequest,
    CompletionRequest,
    Event,
    FilePart,
    Finished,
    ImagePart,
    Message,
    Operation,
    Raw,
    RawHead,
    ReasoningDelta,
    ResponseFormat,
    Sampling,
    TextDelta,
    TextPart,
    Thought,
    ToolCall,
    ToolCallDelta,
    ToolSpec,
    Usage,
)
from inglenook.models.errors import CannotCarry, KeyRefused
from inglenook.models.providers.base import Provider
from inglenook.models.providers.wires.anthropic_requests import messages_body, profile_of
from tests.support.bought import (
    HI,
    KEY,
    answers,
    collect,
    job,
    named_events,
    passing,
    provider,
    read_into,
    refuses,
    stalls,
)
from tests.support.bought_cases import ANTHROPIC, anthropic_block, anthropic_end, anthropic_start
from tests.support.upstream import Upstream, open_upstream

OLD, NEW = "claude-sonnet-4-5-20250929", "claude-opus-5-5"


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with open_upstream() as opened:
        yield opened


@pytest.fixture
def claude(upstream: Upstream, http: HttpPool) -> Provider:
    return provider("anthropic", http, base_url=f"http://127.0.0.1:{upstream.port}", api_key=KEY)


def chat(*messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest(messages=list(messages) or HI.messages, **fields)


# ------------------------------------------------------------------------------------------------- requests


def test_every_field_is_carried() -> None:
    request = chat(
        Message("system", [TextPart("Be brief.", cache="1h")]),
        Message(
            "user",
            [
                TextPart("look"),
                ImagePart("image/png", "AAAA", cache="5m"),
                FilePart("application/pdf", "BBBB", name="a.pdf"),
            ],
        ),
        Message(
            "assistant",
            "I look.",
            thoughts=[Thought("hm", signature="sig"), Thought(data="sealed"), Thought("unsigned")],
            tool_calls=[ToolCall("call:1", "f", '{"a":1}'), ToolCall("c2", "g", "")],
        ),
        Message("tool", "12", tool_call_id="call:1"),
        Message("tool", [TextPart("broken", cache="5m")], tool_call_id="c2", failed=True),
        Message("user", "and?"),
        sampling=Sampling(max_tokens=500, temperature=0.5, top_p=0.9, top_k=3, stop=["END"], n=1, presence_penalty=0),
        tools=[ToolSpec("f", "does", {"type": "object"}, strict=True), ToolSpec("g", cache="5m")],
        tool_choice="required",
        parallel_tool_calls=False,
        user="u-1",
    )
    assert messages_body(OLD, request) == {
        "model": OLD,
        "stream": True,
        "max_tokens": 500,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 3,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u-1"},
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "look"},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"},
                        "cache_control": {"type": "ephemeral"},
                    },
                    {
                        "type": "document",
                        "source": {"type": "base64", "media_type": "application/pdf", "data": "BBBB"},
                        "title": "a.pdf",
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "sig"},
                    {"type": "redacted_thinking", "data": "sealed"},
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}},
                    {"type": "tool_use", "id": "c2", "name": "g", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "12"}]},
                    {
                        "type": "tool_result",
                        "tool_use_id": "c2",
                        "content": [{"type": "text", "text": "broken"}],
                        "cache_control": {"type": "ephemeral"},
                        "is_error": True,
                    },
                    {"type": "text", "text": "and?"},
                ],
            },
        ],
        "tools": [
            {"name": "f", "description": "does", "input_schema": {"type": "object"}, "strict": True},
            {
                "name": "g",
                "input_schema": {"type": "object", "properties": {}},
                "cache_control": {"type": "ephemeral"},
            },
        ],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
    }


@pytest.mark.parametrize(
    ("choice", "parallel", "sent"),
    [
        (None, None, None),
        ("auto", None, {"type": "auto"}),
        ("none", False, {"type": "none"}),
        ("required", True, {"type": "any"}),
        ({"name": "f"}, None, {"type": "tool", "name": "f"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"name": "f"}, False, {"type": "tool", "name": "f", "disable_parallel_tool_use": True}),
    ],
)
def test_the_choice_of_tools(choice: Any, parallel: bool | None, sent: Any) -> None:
    request = chat(tools=[ToolSpec("f")], tool_choice=choice, parallel_tool_calls=parallel)
    assert messages_body(NEW, request).get("tool_choice") == sent


@pytest.mark.parametrize(
    ("model", "fields", "thinking", "effort"),
    [
        (NEW, {}, None, None),
        (NEW, {"reasoning": "xhigh"}, {"type": "adaptive", "display": "summarized"}, "xhigh"),
        (NEW, {"reasoning": "minimal"}, {"type": "adaptive", "display": "summarized"}, "low"),
        ("claude-opus-5", {"reasoning": "none"}, {"type": "disabled"}, None),
        ("claude-sonnet-4-6", {"reasoning_budget": 3000}, {"type": "enabled", "budget_tokens": 3000}, None),
        ("claude-sonnet-4-6", {"reasoning": "high"}, {"type": "adaptive", "display": "summarized"}, "high"),
        (OLD, {"reasoning": "low"}, {"type": "enabled", "budget_tokens": 2048}, None),
        (
            OLD,
            {"reasoning": "high", "sampling": Sampling(max_tokens=4000)},
            {"type": "enabled", "budget_tokens": 3999},
            None,
        ),
        (OLD, {"reasoning": "none"}, None, None),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", {"reasoning_budget": 0}, None, None),
    ],
)
def test_how_it_is_told_to_think(model: str, fields: dict[str, Any], thinking: Any, effort: str | None) -> None:
    body = messages_body(model, chat(**fields))
    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == effort


def test_an_answer_by_a_schema() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    body = messages_body(NEW, chat(response_format=ResponseFormat("json_schema", schema, "n", True), reasoning="low"))
    assert body["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": schema}}


def test_how_long_an_answer_may_be() -> None:
    assert messages_body(NEW, HI)["max_tokens"] == 8192
    assert messages_body(NEW, HI, output_length=64_000)["max_tokens"] == 64_000
    assert messages_body(NEW, chat(sampling=Sampling(max_tokens=7)), output_length=64_000)["max_tokens"] == 7


def test_system_messages_between_others() -> None:
    request = chat(Message("system", "a"), Message("user", "hi"), Message("system", "b"), Message("user", "go"))
    new, old = messages_body(NEW, request), messages_body(OLD, request)
    assert [message["role"] for message in new["messages"]] == ["user", "system", "user"]
    assert [block["text"] for block in new["system"]] == ["a"]
    assert [message["role"] for message in old["messages"]] == ["user"]
    assert [block["text"] for block in old["system"]] == ["a", "b"]


def test_an_answer_that_is_begun() -> None:
    body = messages_body(OLD, chat(Message("user", "hi"), Message("assistant", ""), Message("assistant", "It is ")))
    assert body["messages"][-1] == {"role": "assistant", "content": [{"type": "text", "text": "It is"}]}


def test_thoughts_of_other_providers_stay_behind() -> None:
    thoughts = [Thought("a", signature="~gemini~sig"), Thought(data="~openai~sealed")]
    body = messages_body(NEW, chat(Message("user", "hi"), Message("assistant", "yes", thoughts=thoughts)))
    assert body["messages"][1]["content"] == [{"type": "text", "text": "yes"}]


@pytest.mark.parametrize(
    ("model", "request_", "field"),
    [
        (NEW, chat(sampling=Sampling(temperature=0.5)), "temperature"),
        (NEW, chat(sampling=Sampling(top_k=5)), "top_k"),
        (OLD, chat(sampling=Sampling(seed=1)), "seed"),
        (OLD, chat(sampling=Sampling(n=2)), "n"),
        (OLD, chat(sampling=Sampling(logprobs=True)), "logprobs"),
        (OLD, chat(sampling=Sampling(frequency_penalty=0.1)), "frequency_penalty"),
        (OLD, chat(sampling=Sampling(logit_bias={"1": 1.0})), "logit_bias"),
        (OLD, chat(sampling=Sampling(min_p=0.1)), "min_p"),
        (NEW, chat(reasoning="none"), "reasoning_effort"),
        (NEW, chat(reasoning_budget=2000), "reasoning_budget"),
        (OLD, chat(reasoning="low", sampling=Sampling(max_tokens=1000)), "max_tokens"),
        ("claude-3-haiku-20240307", chat(reasoning="low"), "reasoning_effort"),
        (NEW, chat(response_format=ResponseFormat("json_object")), "response_format"),
        ("claude-opus-4-1", chat(response_format=ResponseFormat("json_schema", {})), "response_format"),
        (NEW, chat(Message("user", [AudioPart("wav", "AAAA")])), "messages[0].content[0]"),
        (NEW, chat(Message("user", [FilePart("text/csv", "AAAA")])), "messages[0].content[0]"),
        (NEW, chat(Message("system", [ImagePart("image/png", "AAAA")])), "messages[0].content[0]"),
    ],
)
def test_what_cannot_be_carried_is_named(model: str, request_: ChatRequest, field: str) -> None:
    with pytest.raises(CannotCarry) as caught:
        messages_body(model, request_)
    assert caught.value.field == field


def test_arguments_that_are_no_object() -> None:
    for arguments in ("[1]", "{broken"):
        call = Message("assistant", tool_calls=[ToolCall("c", "f", arguments)])
        with pytest.raises(BadInput, match=r"messages\[0\]: the arguments of f"):
            messages_body(NEW, chat(call))


def test_families() -> None:
    assert profile_of("claude-opus-4-1@20250805").thinking == "budget"
    assert profile_of("anthropic.claude-3-haiku-20240307-v1:0").thinking == "none"
    assert profile_of("claude-something-9").thinking == "adaptive"
    assert not profile_of("claude-something-9").sampling


async def test_the_version_is_the_one_the_body_needs(claude: Provider, upstream: Upstream) -> None:
    answers(upstream, ANTHROPIC.first + ANTHROPIC.rest)
    await collect(claude, job(HI, NEW))
    await collect(claude, job(chat(sampling=Sampling(temperature=0.2)), OLD))
    versions = [asked.headers["anthropic-version"] for asked in upstream.asked]
    assert versions == ["2026-10-21", "2023-06-01"]
    assert upstream.asked[0].json["max_tokens"] == 128_000


# -------------------------------------------------------------------------------------------------- answers


async def test_parallel_tool_calls(claude: Provider, upstream: Upstream) -> None:
    def tool(name: str, **given: Any) -> dict[str, Any]:
        return {"type": "tool_use", "id": f"toolu_{name}", "name": name, "input": given}

    def part(text: str) -> dict[str, Any]:
        return {"type": "input_json_delta", "partial_json": text}

    events = [
        anthropic_start(),
        *anthropic_block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Let me look."}),
        *anthropic_block(1, tool("f"), part(""), part('{"a"'), part(":1}")),
        *anthropic_block(2, tool("g")),
        *anthropic_block(3, tool("h", b=2)),
        *anthropic_end("tool_use"),
    ]
    answers(upstream, named_events(*events))
    assert await collect(claude, job(HI)) == [
        TextDelta("Let me look."),
        ToolCallDelta(0, "toolu_f", "f"),
        ToolCallDelta(0, arguments='{"a"'),
        ToolCallDelta(0, arguments=":1}"),
        ToolCallDelta(1, "toolu_g", "g"),
        ToolCallDelta(1, arguments="{}"),
        ToolCallDelta(2, "toolu_h", "h"),
        ToolCallDelta(2, arguments='{"b":2}'),
        Usage(input=9, output=3),
        Finished("tool_calls"),
    ]


async def test_thinking_with_its_proofs(claude: Provider, upstream: Upstream) -> None:
    thinking = {"type": "thinking", "thinking": "", "signature": ""}
    events = [
        anthropic_start(),
        *anthropic_block(
            0,
            thinking,
            {"type": "thinking_delta", "thinking": "let "},
            {"type": "thinking_delta", "thinking": "me"},
            {"type": "signature_delta", "signature": "EqQB"},
        ),
        *anthropic_block(1, {"type": "redacted_thinking", "data": "EmwK"}),
        *anthropic_block(2, thinking, {"type": "signature_delta", "signature": "only"}),
        *anthropic_block(3, {"type": "text", "text": ""}, {"type": "text_delta", "text": "42"}),
        *anthropic_end(output_tokens=30, output_tokens_details={"thinking_tokens": 21}),
    ]
    answers(upstream, named_events(*events), 11)
    assert await collect(claude, job(HI)) == [
        ReasoningDelta("let "),
        ReasoningDelta("me"),
        ReasoningDelta("", signature="EqQB"),
        ReasoningDelta("", data="EmwK"),
        ReasoningDelta("", signature="only"),
        TextDelta("42"),
        Usage(input=9, output=30, reasoning=21),
        Finished("stop"),
    ]


async def test_usage_of_the_cache(claude: Provider, upstream: Upstream) -> None:
    start = anthropic_start(cache_read_input_tokens=100, cache_creation_input_tokens=50)
    start["message"]["usage"]["cache_creation"] = {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 20}
    answers(upstream, named_events(start, *anthropic_block(0, {"type": "text", "text": "x"}), *anthropic_end()))
    *_, usage, _ = await collect(claude, job(HI))
    assert usage == Usage(input=159, output=3, cached=100, cache_write=30, cache_write_1h=20)


@pytest.mark.parametrize(
    ("reason", "stop", "finished"),
    [
        ("end_turn", None, Finished("stop")),
        ("stop_sequence", "END", Finished("stop", stop_sequence="END")),
        ("max_tokens", None, Finished("length")),
        ("model_context_window_exceeded", None, Finished("length")),
        ("refusal", None, Finished("content_filter")),
        ("pause_turn", None, Finished("stop")),
        ("something_new", None, Finished("stop")),
    ],
)
async def test_why_it_ended(
    claude: Provider, upstream: Upstream, reason: str, stop: str | None, finished: Finished
) -> None:
    answers(upstream, named_events(anthropic_start(), {"type": "novelty"}, *anthropic_end(reason, stop)))
    assert (await collect(claude, job(HI)))[-1] == finished


async def test_a_prompt_is_counted(claude: Provider, upstream: Upstream) -> None:
    refuses(upstream, 200, {"input_tokens": 14})
    request = chat(
        Message("system", "s"), Message("user", "hi"), sampling=Sampling(max_tokens=5), tools=[ToolSpec("f")]
    )
    assert await collect(claude, job(request, NEW, Operation.COUNT)) == [Usage(input=14), Finished("stop")]
    (asked,) = upstream.asked
    assert asked.path == "/v1/messages/count_tokens"
    assert set(asked.json) == {"model", "system", "messages", "tools"}
    refuses(upstream, 200, {"tokens": 14})
    with pytest.raises(UpstreamFailed, match="malformed count"):
        await collect(claude, job(request, NEW, Operation.COUNT))


async def test_what_it_has_no_way_to_do(claude: Provider, upstream: Upstream) -> None:
    with pytest.raises(CannotCarry, match="no way to do this"):
        await collect(claude, job(CompletionRequest(prompt="x")))
    assert await collect(claude, job(ChatRequest(messages=[]))) == [Finished("load")]
    assert upstream.asked == []


# --------------------------------------------------------------------------------------------- pass-through

WHOLE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "content": [{"type": "text", "text": 'x "usage": {"input_tokens": 999}'}],
    "usage": {"input_tokens": 9, "output_tokens": 3, "cache_read_input_tokens": 5, "service_tier": "standard"},
}


async def test_a_whole_body_passes_through(claude: Provider, upstream: Upstream) -> None:
    told = json.dumps(WHOLE).encode()
    refuses(upstream, 200, told)
    body = {"model": "alias", "max_tokens": 5, "tools": [{"type": "web_search_20260209"}], "messages": []}
    headers = {"anthropic-beta": "a,b", "anthropic-version": "2026-10-21", "x-api-key": "the caller's own"}
    events = await collect(claude, passing("anthropic.messages", dict(body), NEW, headers))
    assert events == [RawHead(200, "application/json"), Raw(told), Usage(input=14, output=3, cached=5)]
    (asked,) = upstream.asked
    assert asked.json == {**body, "model": NEW}
    assert asked.headers["anthropic-beta"] == "a,b"
    assert asked.headers["anthropic-version"] == "2026-10-21"
    assert asked.headers["x-api-key"] == KEY


async def test_thoughts_of_other_providers_do_not_pass(claude: Provider, upstream: Upstream) -> None:
    refuses(upstream, 200, WHOLE)
    own = {"type": "thinking", "thinking": "a", "signature": "EqQB"}
    foreign = {"type": "thinking", "thinking": "b", "signature": "~gemini~sig"}
    sealed = {"type": "redacted_thinking", "data": "~bedrock~data"}
    said = {"type": "text", "text": "~tilde~"}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [own, foreign, {"type": "thinking", "thinking": "c", "signature": ""}, said]},
        {"role": "user", "content": [foreign]},
        {"role": "assistant", "content": [sealed]},
        {"role": "user", "content": "go on"},
    ]
    before = json.dumps(messages)
    await collect(claude, passing("anthropic.messages", {"model": "m", "messages": messages}))
    assert upstream.asked[0].json["messages"] == [
        messages[0],
        {"role": "assistant", "content": [own, said]},
        messages[2],
        messages[4],
    ]
    assert json.dumps(messages) == before, "another attempt may need them"


async def test_a_count_passes_through(claude: Provider, upstream: Upstream) -> None:
    refuses(upstream, 200, b'{"input_tokens": 7}')
    events = await collect(claude, passing("anthropic.count", {"model": "m", "messages": []}))
    assert events == [RawHead(200, "application/json"), Raw(b'{"input_tokens": 7}'), Usage(input=7)]
    assert upstream.asked[0].path == "/v1/messages/count_tokens"
    assert upstream.asked[0].headers["anthropic-version"] == "2023-06-01"


TRAP = 'event: message_stop\n\nevent: error\ndata: {"error":{}} "usage":{"input_tokens":999}'


def stream(*more: dict[str, Any]) -> bytes:
    text = anthropic_block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": TRAP})
    return named_events(anthropic_start(cache_read_input_tokens=4), {"type": "ping"}, *text, *more)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("size", [0, 1, 2, 13, 500])
async def test_a_stream_passes_through(claude: Provider, upstream: Upstream, size: int, newline: bytes) -> None:
    told = stream(*anthropic_end(output_tokens=12)).replace(b"\n", newline)
    answers(upstream, told, size)
    head, *raws, usage = await collect(claude, passing("anthropic.messages", {"model": "m", "stream": True}))
    assert head == RawHead(200, "text/event-stream")
    assert b"".join(event.data for event in raws if isinstance(event, Raw)) == told
    assert usage == Usage(input=13, output=12, cached=4)


@pytest.mark.parametrize("size", [0, 1, 13])
async def test_an_error_in_a_stream_that_passes_through(claude: Provider, upstream: Upstream, size: int) -> None:
    whole = stream()
    answers(upstream, whole + ANTHROPIC.broken, size)
    seen: list[Event] = []
    with pytest.raises(Unavailable, match="Overloaded"):
        await read_into(seen, claude, passing("anthropic.messages", {"model": "m", "stream": True}))
    assert b"".join(event.data for event in seen if isinstance(event, Raw)) == whole


async def test_a_cut_stream_that_passes_through(claude: Provider, upstream: Upstream) -> None:
    answers(upstream, stream() + b"event: message_de")
    with pytest.raises(UpstreamFailed, match="before its answer was whole"):
        await collect(claude, passing("anthropic.messages", {"model": "m", "stream": True}))


async def test_a_refusal_of_a_body_that_passes_through(claude: Provider, upstream: Upstream) -> None:
    refuses(upstream, 401, {"type": "error", "error": {"type": "authentication_error", "message": f"bad {KEY}"}})
    for body in ({"model": "m"}, {"model": "m", "stream": True}):
        with pytest.raises(KeyRefused) as caught:
            await collect(claude, passing("anthropic.messages", body))
        assert KEY not in caught.value.message


async def test_who_leaves_a_passed_stream_cancels_upstream(claude: Provider, upstream: Upstream) -> None:
    stalls(upstream, ANTHROPIC.first)
    events = claude.stream(passing("anthropic.messages", {"model": "m", "stream": True}))
    async for event in events:
        if isinstance(event, Raw):
            break
    await events.aclose()  # type: ignore[attr-defined]
    assert await upstream.left.get() == "/v1/messages"


# ---------------------------------------------------------------------------------------------------- models


async def test_models(claude: Provider, upstream: Upstream) -> None:
    async def answer(asked: Any) -> None:
        if "after_id" in asked.path:
            await asked.whole(
                {"data": [{"type": "model", "id": "claude-2", "lifecycle": "retired"}], "has_more": False}
            )
            return
        yes, no = {"supported": True}, {"supported": False}
        told = {"image_input": yes, "pdf_input": no, "thinking": {**yes, "types": {}}}
        models = [
            {"type": "model", "id": "claude-new-7", "max_input_tokens": 500_000, "max_tokens": 9, "capabilities": told},
            {"type": "model", "id": "claude-haiku-4-5-20251001", "display_name": "Claude Haiku 4.5"},
        ]
        await asked.whole({"data": models, "has_more": True, "first_id": "a", "last_id": "b"})

    upstream.answer = answer
    new, haiku = await claude.models()
    assert [asked.path for asked in upstream.asked] == ["/v1/models?limit=1000", "/v1/models?limit=1000&after_id=b"]
    assert (new.name, new.context_length, new.output_length, new.prices) == ("claude-new-7", 500_000, 9, None)
    assert new.capabilities == {"completion", "tools", "vision", "thinking"}
    assert (haiku.context_length, haiku.output_length) == (200_000, 64_000)
    assert haiku.capabilities == {"completion", "tools", "vision", "files", "thinking", "prefill"}
    assert haiku.prices is not None
    assert (haiku.prices.input, haiku.prices.cache_write_1h) == (1_000_000, 2_000_000)


async def test_models_of_something_else(claude: Provider, upstream: Upstream) -> None:
    for body in (b"<html>", b'{"models": []}'):
        refuses(upstream, 200, body)
        with pytest.raises(UpstreamFailed, match="base URL"):
            await claude.models()
