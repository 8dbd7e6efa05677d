"""Cohere's API in its own documented shape; what all bought providers do alike is in `test_bought`."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from inglenook.kit.errors import UpstreamFailed
from inglenook.kit.http.pool import HttpPool
from inglenook.models.calls import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    FilePart,
    Finished,
    ImagePart,
    LocalOptions,
    Logprobs,
    Message,
    ReasoningDelta,
    RerankRequest,
    ResponseFormat,
    Sampling,
    Score,
    Scores,
    TextDelta,
    TextPart,
    TokenLogprob,
    ToolCall,
    ToolCallDelta,
    ToolSpec,
    Usage,
    Vectors,
)
from inglenook.models.errors import CannotCarry, KeyRefused
from inglenook.models.providers.base import Provider
from inglenook.models.providers.wires.cohere_requests import chat_body, embedding_body
from tests.support.bought import HI, KEY, answers, collect, job, named_events, provider, refuses
from tests.support.bought_cases import cohere_end, cohere_text
from tests.support.upstream import Asked, Upstream, open_upstream


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with open_upstream() as opened:
        yield opened


@pytest.fixture
def cohere(upstream: Upstream, http: HttpPool) -> Provider:
    return provider("cohere", http, base_url=f"http://127.0.0.1:{upstream.port}", api_key=KEY)


def chat(*messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest(messages=list(messages) or HI.messages, **fields)


def test_every_field_is_carried() -> None:
    request = chat(
        Message("system", "Be brief."),
        Message("user", [TextPart("look"), ImagePart("image/png", "AAAA", detail="low")]),
        Message("assistant", "I look.", tool_calls=[ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "g", "")]),
        Message("tool", "12", tool_call_id="c1"),
        Message("tool", "13", tool_call_id="c2"),
        Message("assistant", "So."),
        sampling=Sampling(
            max_tokens=5,
            temperature=0.5,
            top_p=0.9,
            top_k=3,
            seed=7,
            stop=["END"],
            presence_penalty=0.1,
            frequency_penalty=0.2,
            logprobs=True,
        ),
        tools=[ToolSpec("f", "does", {"type": "object"}, strict=True)],
        tool_choice="required",
        response_format=ResponseFormat("json_schema", {"type": "object"}),
        reasoning="low",
    )
    assert chat_body("command", request) == {
        "model": "command",
        "stream": True,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "look"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                ],
            },
            {
                "role": "assistant",
                "tool_plan": "I look.",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                    {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "12"},
            {"role": "tool", "tool_call_id": "c2", "content": "13"},
            {"role": "assistant", "content": "So."},
        ],
        "max_tokens": 5,
        "temperature": 0.5,
        "p": 0.9,
        "k": 3,
        "seed": 7,
        "stop_sequences": ["END"],
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "logprobs": True,
        "tools": [
            {"type": "function", "function": {"name": "f", "description": "does", "parameters": {"type": "object"}}}
        ],
        "tool_choice": "REQUIRED",
        "strict_tools": True,
        "response_format": {"type": "json_object", "json_schema": {"type": "object"}},
        "thinking": {"type": "enabled", "token_budget": 1024},
    }


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({}, None),
        ({"reasoning": "none"}, {"type": "disabled"}),
        ({"reasoning": "high"}, {"type": "enabled"}),
        ({"reasoning_budget": 77}, {"type": "enabled", "token_budget": 77}),
    ],
)
def test_how_it_is_told_to_think(fields: dict[str, Any], thinking: Any) -> None:
    assert chat_body("command", chat(**fields)).get("thinking") == thinking


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (chat(sampling=Sampling(n=2)), "n"),
        (chat(sampling=Sampling(min_p=0.1)), "min_p"),
        (chat(sampling=Sampling(logprobs=True, top_logprobs=3)), "top_logprobs"),
        (chat(tools=[ToolSpec("f")], tool_choice={"name": "f"}), "tool_choice"),
        (chat(tools=[ToolSpec("f")], parallel_tool_calls=False), "parallel_tool_calls"),
        (chat(Message("user", [FilePart("application/pdf", "AAAA")])), "messages[0].content[0]"),
        (chat(Message("tool", [ImagePart("image/png", "AAAA")], tool_call_id="c")), "messages[0].content[0]"),
    ],
)
def test_what_cannot_be_carried_is_named(request_: ChatRequest, field: str) -> None:
    with pytest.raises(CannotCarry) as caught:
        chat_body("command", request_)
    assert caught.value.field == field


async def test_parallel_tool_calls(cohere: Provider, upstream: Upstream) -> None:
    def start(index: int, name: str) -> dict[str, Any]:
        call = {"id": f"{name}_1", "type": "function", "function": {"name": name, "arguments": ""}}
        return {"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": call}}}

    def part(index: int, text: str) -> dict[str, Any]:
        call = {"function": {"arguments": text}}
        return {"type": "tool-call-delta", "index": index, "delta": {"message": {"tool_calls": call}}}

    events = [
        {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I will look."}}},
        start(0, "f"),
        part(0, '{"a"'),
        part(0, ":1}"),
        {"type": "tool-call-end", "index": 0},
        start(1, "g"),
        {"type": "tool-call-end", "index": 1},
        cohere_end("TOOL_CALL"),
    ]
    answers(upstream, named_events(*events), 19)
    assert await collect(cohere, job(HI)) == [
        TextDelta("I will look."),
        ToolCallDelta(0, "f_1", "f"),
        ToolCallDelta(0, arguments='{"a"'),
        ToolCallDelta(0, arguments=":1}"),
        ToolCallDelta(1, "g_1", "g"),
        ToolCallDelta(1, arguments="{}"),
        Usage(input=9, output=3),
        Finished("tool_calls"),
    ]


async def test_thinking_and_logprobs(cohere: Provider, upstream: Upstream) -> None:
    thought = {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"thinking": "hm"}}}}
    logprobs = {"text": "42!", "token_ids": [1, 2], "logprobs": [-0.1, -0.2]}
    told = {**cohere_text("42!"), "logprobs": logprobs}
    end = cohere_end("MAX_TOKENS")
    end["delta"]["usage"]["cached_tokens"] = 5
    answers(upstream, named_events(thought, told, {"type": "novelty"}, end))
    assert await collect(cohere, job(HI)) == [
        ReasoningDelta("hm"),
        TextDelta("42!"),
        Logprobs([TokenLogprob("42!", -0.1, [52, 50, 33]), TokenLogprob("", -0.2, [])]),
        Usage(input=9, output=3, cached=5),
        Finished("length"),
    ]


async def test_an_error_at_the_end(cohere: Provider, upstream: Upstream) -> None:
    answers(upstream, named_events(cohere_text("x"), cohere_end("ERROR", error="it fell over")))
    with pytest.raises(UpstreamFailed, match="it fell over"):
        await collect(cohere, job(HI))
    answers(upstream, b'data: {"id":"x","message":"internal server error"}\n\n')
    with pytest.raises(UpstreamFailed, match="internal server error"):
        await collect(cohere, job(HI))


async def test_a_token_that_is_invalid(cohere: Provider, upstream: Upstream) -> None:
    refuses(upstream, 498, {"message": "invalid token"})
    with pytest.raises(KeyRefused):
        await collect(cohere, job(HI))


async def test_embeddings_in_batches(cohere: Provider, upstream: Upstream) -> None:
    async def answer(asked: Asked) -> None:
        vectors = [[float(text)] for text in asked.json["texts"]]
        meta = {"billed_units": {"input_tokens": len(vectors)}}
        await asked.whole({"id": "x", "embeddings": {"float": vectors}, "meta": meta})

    upstream.answer = answer
    request = EmbeddingRequest(
        inputs=[str(number) for number in range(100)], purpose="query", dimensions=1, local=LocalOptions(truncate=False)
    )
    vectors, usage = await collect(cohere, job(request, "embed-v4.0"))
    assert isinstance(vectors, Vectors)
    assert [vector[0] for vector in vectors.vectors] == list(range(100))
    assert usage == Usage(input=100)
    first, second = upstream.asked
    assert (first.path, len(first.json["texts"]), len(second.json["texts"])) == ("/v2/embed", 96, 4)
    assert {name: first.json[name] for name in ("input_type", "output_dimension", "truncate", "embedding_types")} == {
        "input_type": "search_query",
        "output_dimension": 1,
        "truncate": "NONE",
        "embedding_types": ["float"],
    }
    assert embedding_body("m", EmbeddingRequest(inputs=["x"]), ["x"])["input_type"] == "search_document"


async def test_reranking(cohere: Provider, upstream: Upstream) -> None:
    results = [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.2}]
    refuses(upstream, 200, {"id": "x", "results": results, "meta": {"billed_units": {"search_units": 1}}})
    request = RerankRequest(query="q", documents=["a", "b"], top_n=2)
    events = await collect(cohere, job(request, "rerank-v3.5"))
    assert events == [Scores([Score(1, 0.9), Score(0, 0.2)]), Usage(searches=1)]
    assert upstream.asked[0].path == "/v2/rerank"
    assert upstream.asked[0].json == {"model": "rerank-v3.5", "query": "q", "documents": ["a", "b"], "top_n": 2}


async def test_what_it_has_no_way_to_do(cohere: Provider, upstream: Upstream) -> None:
    with pytest.raises(CannotCarry, match="no way to do this"):
        await collect(cohere, job(CompletionRequest(prompt="x")))
    assert await collect(cohere, job(ChatRequest(messages=[]))) == [Finished("load")]
    assert upstream.asked == []


async def test_models(cohere: Provider, upstream: Upstream) -> None:
    async def answer(asked: Asked) -> None:
        if "page_token" in asked.path:
            await asked.whole({"models": [{"name": "old", "is_deprecated": True, "endpoints": ["chat"]}]})
            return
        models = [
            {"name": "command-x", "endpoints": ["chat", "generate"], "context_length": 1000, "features": ["tools"]},
            {"name": "rerank-v3.5", "endpoints": ["rerank"], "context_length": 4096.0, "features": None},
            {"name": "classifier", "endpoints": ["classify"]},
        ]
        await asked.whole({"models": models, "next_page_token": "n"})

    upstream.answer = answer
    command, rerank = await cohere.models()
    assert (command.name, command.context_length, command.capabilities) == ("command-x", 1000, {"completion", "tools"})
    assert (rerank.name, rerank.capabilities) == ("rerank-v3.5", {"rerank"})
    assert rerank.prices is not None
    assert rerank.prices.search == 2000
