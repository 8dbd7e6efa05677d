"""Amazon's Bedrock in its own documented shape; what all bought providers do alike is in `test_bought`."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from inglenook.kit.errors import BadInput, TooMany, Unavailable, UpstreamFailed, UpstreamTimeout
from inglenook.kit.http.pool import HttpPool
from inglenook.models.calls import (
    AudioPart,
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    FilePart,
    Finished,
    ImagePart,
    LocalOptions,
    Message,
    Operation,
    Passthrough,
    Raw,
    RawHead,
    ReasoningDelta,
    RerankRequest,
    ResponseFormat,
    Sampling,
    Score,
    Scores,
    TextDelta,
    TextPart,
    Thought,
    ToolCall,
    ToolCallDelta,
    ToolSpec,
    Usage,
    Vectors,
)
from inglenook.models.errors import CannotCarry, ContextTooLong, KeyRefused
from inglenook.models.providers.base import Provider, ProviderParts
from inglenook.models.providers.bedrock import Bedrock
from inglenook.models.providers.registry import get
from inglenook.models.providers.wires.anthropic import MESSAGES
from inglenook.models.providers.wires.aws_signature import Credentials, Signer
from inglenook.models.providers.wires.bedrock_requests import converse_body
from tests.support.bought import HI, KEY, answers, collect, converse_events, frame, job, passing, provider, refuses
from tests.support.bought_cases import BEDROCK, converse_end, converse_text
from tests.support.upstream import Asked, Upstream, open_upstream

OLD = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
NEW = "global.anthropic.claude-opus-5-5"
NOVA = "us.amazon.nova-2-lite-v1:0"
STREAM = BEDROCK.content_type


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with open_upstream() as opened:
        yield opened


@pytest.fixture
def bedrock(upstream: Upstream, http: HttpPool) -> Provider:
    return provider("bedrock", http, base_url=f"http://127.0.0.1:{upstream.port}", api_key=KEY)


def chat(*messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest(messages=list(messages) or HI.messages, **fields)


# -------------------------------------------------------------------------------------------------- requests


def test_every_field_is_carried() -> None:
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    request = chat(
        Message("system", [TextPart("Be brief.", cache="1h")]),
        Message(
            "user",
            [
                TextPart("look"),
                ImagePart("image/png", "AAAA", cache="5m"),
                FilePart("application/pdf", "BBBB", name="Q1_report (2).final.pdf"),
                AudioPart("wav", "CCCC"),
            ],
        ),
        Message(
            "assistant",
            "I look.",
            thoughts=[
                Thought("hm", signature="sig"),
                Thought(data="~bedrock~c2VhbGVk"),
                Thought(data="anthropic's own"),
                Thought("x", signature="~gemini~y"),
            ],
            tool_calls=[ToolCall("call/1", "f", '{"a":1}'), ToolCall("c2", "g", "")],
        ),
        Message("tool", [TextPart("12", cache="5m")], tool_call_id="call/1"),
        Message("tool", "", tool_call_id="c2", failed=True),
        sampling=Sampling(max_tokens=4000, temperature=0.5, top_p=0.9, top_k=3, stop=["END"]),
        tools=[ToolSpec("f", "does", {"type": "object"}, strict=True, cache="5m"), ToolSpec("g")],
        tool_choice={"name": "f"},
        response_format=ResponseFormat("json_schema", schema, "n"),
        reasoning="low",
    )
    assert converse_body(OLD, request) == {
        "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"text": "look"},
                    {"image": {"format": "png", "source": {"bytes": "AAAA"}}},
                    {"cachePoint": {"type": "default"}},
                    {"document": {"format": "pdf", "name": "Q1 report (2) final", "source": {"bytes": "BBBB"}}},
                    {"audio": {"format": "wav", "source": {"bytes": "CCCC"}}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
                    {"reasoningContent": {"redactedContent": "c2VhbGVk"}},
                    {"text": "I look."},
                    {"toolUse": {"toolUseId": "call_1", "name": "f", "input": {"a": 1}}},
                    {"toolUse": {"toolUseId": "c2", "name": "g", "input": {}}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"toolResult": {"toolUseId": "call_1", "content": [{"text": "12"}]}},
                    {"cachePoint": {"type": "default"}},
                    {"toolResult": {"toolUseId": "c2", "content": [{"text": ""}], "status": "error"}},
                ],
            },
        ],
        "inferenceConfig": {"maxTokens": 4000, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]},
        "toolConfig": {
            "tools": [
                {
                    "toolSpec": {
                        "name": "f",
                        "description": "does",
                        "inputSchema": {"json": {"type": "object"}},
                        "strict": True,
                    }
                },
                {"cachePoint": {"type": "default"}},
                {"toolSpec": {"name": "g", "inputSchema": {"json": {"type": "object", "properties": {}}}}},
            ],
            "toolChoice": {"tool": {"name": "f"}},
        },
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2048}, "top_k": 3},
        "outputConfig": {
            "textFormat": {
                "type": "json_schema",
                "structure": {
                    "jsonSchema": {
                        "schema": '{"type":"object","properties":{},"additionalProperties":false}',
                        "name": "n",
                    }
                },
            }
        },
    }


def test_thoughts_go_back_to_whose_they_are() -> None:
    thoughts = [Thought("a", signature="claude's"), Thought("b", signature="~bedrock~nova's")]
    request = chat(Message("user", "hi"), Message("assistant", "yes", thoughts=thoughts))

    def sent(model: str) -> list[Any]:
        blocks = converse_body(model, request)["messages"][1]["content"]
        return [block["reasoningContent"]["reasoningText"] for block in blocks if "reasoningContent" in block]

    assert sent(NEW) == [{"text": "a", "signature": "claude's"}]
    assert sent(NOVA) == [{"text": "b", "signature": "nova's"}]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [(None, None), ("auto", {"auto": {}}), ("required", {"any": {}}), ({"name": "f"}, {"tool": {"name": "f"}})],
)
def test_the_choice_of_tools(choice: Any, sent: Any) -> None:
    body = converse_body(NEW, chat(tools=[ToolSpec("f")], tool_choice=choice))
    assert body["toolConfig"].get("toolChoice") == sent


def test_tools_that_must_not_be_called_are_not_offered() -> None:
    assert "toolConfig" not in converse_body(NEW, chat(tools=[ToolSpec("f")], tool_choice="none"))


@pytest.mark.parametrize(
    ("model", "fields", "more", "output"),
    [
        (NEW, {}, None, None),
        (NEW, {"reasoning": "high"}, {"thinking": {"type": "adaptive", "display": "summarized"}}, {"effort": "high"}),
        (OLD, {"reasoning_budget": 1500}, {"thinking": {"type": "enabled", "budget_tokens": 1500}}, None),
        (NOVA, {"reasoning": "max"}, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}, None),
        (NOVA, {"reasoning": "none"}, {"reasoningConfig": {"type": "disabled"}}, None),
        ("openai.gpt-oss-120b-1:0", {"reasoning": "minimal"}, {"reasoning_effort": "low"}, None),
        ("meta.llama4-scout-17b-instruct-v1:0", {"reasoning": "none"}, None, None),
        (NOVA, {"sampling": Sampling(top_k=4)}, {"inferenceConfig": {"topK": 4}}, None),
    ],
)
def test_what_converse_has_no_word_for(model: str, fields: dict[str, Any], more: Any, output: Any) -> None:
    body = converse_body(model, chat(**fields))
    assert body.get("additionalModelRequestFields") == more
    assert body.get("outputConfig") == output


@pytest.mark.parametrize(
    ("model", "request_", "field"),
    [
        (NEW, chat(sampling=Sampling(temperature=0.5)), "temperature"),
        (OLD, chat(sampling=Sampling(seed=1)), "seed"),
        (OLD, chat(sampling=Sampling(logprobs=True)), "logprobs"),
        ("meta.llama4-scout-17b-instruct-v1:0", chat(sampling=Sampling(top_k=1)), "top_k"),
        ("meta.llama4-scout-17b-instruct-v1:0", chat(reasoning="low"), "reasoning_effort"),
        ("deepseek.r1-v1:0", chat(reasoning="none"), "reasoning_effort"),
        (NOVA, chat(reasoning_budget=100), "reasoning_budget"),
        (NEW, chat(reasoning="none"), "reasoning_effort"),
        (NEW, chat(tools=[ToolSpec("f")], parallel_tool_calls=False), "parallel_tool_calls"),
        (
            NEW,
            chat(
                Message("assistant", tool_calls=[ToolCall("c", "f", "{}")]), tools=[ToolSpec("f")], tool_choice="none"
            ),
            "tool_choice",
        ),
        (NEW, chat(response_format=ResponseFormat("json_object")), "response_format"),
        (NEW, chat(Message("user", [ImagePart("image/bmp", "AAAA")])), "messages[0].content[0]"),
        (NEW, chat(Message("user", [FilePart("application/zip", "AAAA")])), "messages[0].content[0]"),
    ],
)
def test_what_cannot_be_carried_is_named(model: str, request_: ChatRequest, field: str) -> None:
    with pytest.raises(CannotCarry) as caught:
        converse_body(model, request_)
    assert caught.value.field == field


# --------------------------------------------------------------------------------------------------- answers


async def test_parallel_tool_calls(bedrock: Provider, upstream: Upstream) -> None:
    def start(index: int, name: str) -> tuple[str, dict[str, Any]]:
        use = {"toolUseId": f"tooluse_{name}", "name": name}
        return "contentBlockStart", {"contentBlockIndex": index, "start": {"toolUse": use}}

    def part(index: int, text: str) -> tuple[str, dict[str, Any]]:
        return "contentBlockDelta", {"contentBlockIndex": index, "delta": {"toolUse": {"input": text}}}

    stop = [("contentBlockStop", {"contentBlockIndex": index}) for index in range(3)]
    told = converse_events(
        ("messageStart", {"role": "assistant"}),
        converse_text("Let me look."),
        stop[0],
        start(1, "f"),
        part(1, '{"a"'),
        part(1, ":1}"),
        stop[1],
        start(2, "g"),
        part(2, ""),
        stop[2],
        *converse_end("tool_use"),
    )
    answers(upstream, told, 29, STREAM)
    assert await collect(bedrock, job(HI)) == [
        TextDelta("Let me look."),
        ToolCallDelta(0, "tooluse_f", "f"),
        ToolCallDelta(0, arguments='{"a"'),
        ToolCallDelta(0, arguments=":1}"),
        ToolCallDelta(1, "tooluse_g", "g"),
        ToolCallDelta(1, arguments="{}"),
        Usage(input=9, output=3),
        Finished("tool_calls"),
    ]


async def test_thinking_and_what_the_cache_did(bedrock: Provider, upstream: Upstream) -> None:
    def thought(**delta: str) -> tuple[str, dict[str, Any]]:
        return "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": delta}}

    details = [{"ttl": "1h", "inputTokens": 20}, {"ttl": "5m", "inputTokens": 30}]
    usage = {"cacheReadInputTokens": 100, "cacheWriteInputTokens": 50, "cacheDetails": details}
    told = converse_events(
        thought(text="hm"),
        thought(signature="sig"),
        thought(redactedContent="c2VhbGVk"),
        converse_text("42"),
        *converse_end("stop_sequence", **usage),
    )
    answers(upstream, told, 0, STREAM)
    assert (await collect(bedrock, job(HI, NOVA)))[1] == ReasoningDelta("", signature="~bedrock~sig")
    assert await collect(bedrock, job(HI, NEW)) == [
        ReasoningDelta("hm"),
        ReasoningDelta("", signature="sig"),
        ReasoningDelta("", data="~bedrock~c2VhbGVk"),
        TextDelta("42"),
        Usage(input=159, output=3, cached=100, cache_write=30, cache_write_1h=20),
        Finished("stop"),
    ]


@pytest.mark.parametrize(
    ("reason", "finished"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("something_new", "stop"),
    ],
)
async def test_why_it_ended(bedrock: Provider, upstream: Upstream, reason: str, finished: Any) -> None:
    answers(upstream, converse_events(("novelty", {"x": 1}), *converse_end(reason)), 0, STREAM)
    assert (await collect(bedrock, job(HI)))[-1] == Finished(finished)


async def test_an_answer_that_the_model_spoilt(bedrock: Provider, upstream: Upstream) -> None:
    answers(upstream, converse_events(*converse_end("malformed_tool_use")), 0, STREAM)
    with pytest.raises(UpstreamFailed, match="a tool call that cannot be read"):
        await collect(bedrock, job(HI))


async def test_a_broken_checksum(bedrock: Provider, upstream: Upstream) -> None:
    broken = bytearray(BEDROCK.first + BEDROCK.rest)
    broken[-30] ^= 1
    answers(upstream, bytes(broken), 0, STREAM)
    with pytest.raises(UpstreamFailed, match="checksum"):
        await collect(bedrock, job(HI))


@pytest.mark.parametrize(
    ("status", "name", "said", "kind"),
    [
        (403, "UnrecognizedClientException", "The security token is invalid.", KeyRefused),
        (403, "AccessDeniedException", "You don't have access to the model.", KeyRefused),
        (400, "ValidationException", "Input is too long for requested model.", ContextTooLong),
        (400, "ValidationException", "The provided model identifier is invalid.", BadInput),
        (400, "ThrottlingException", "Too many requests", TooMany),
        (404, "ResourceNotFoundException", "Model not found", BadInput),
        (408, "ModelTimeoutException", "Too slow", UpstreamTimeout),
        (424, "ModelErrorException", "The model failed", UpstreamFailed),
        (429, "ModelNotReadyException", "Not ready", Unavailable),
    ],
)
async def test_what_went_wrong_is_named_in_a_header(
    bedrock: Provider, upstream: Upstream, status: int, name: str, said: str, kind: type[Exception]
) -> None:
    headers = {"x_amzn_ErrorType": f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/"}
    refuses(upstream, status, {"message": said}, **headers)
    with pytest.raises(kind, match=said) as caught:
        await collect(bedrock, job(HI))
    assert type(caught.value) is kind


async def test_a_prompt_is_counted(bedrock: Provider, upstream: Upstream) -> None:
    refuses(upstream, 200, {"inputTokens": 14})
    request = chat(Message("system", "s"), Message("user", "hi"), tools=[ToolSpec("f")], reasoning="low")
    assert await collect(bedrock, job(request, NEW, Operation.COUNT)) == [Usage(input=14), Finished("stop")]
    (asked,) = upstream.asked
    assert asked.path == "/model/global.anthropic.claude-opus-5-5/count-tokens"
    assert set(asked.json["input"]["converse"]) == {
        *("messages", "system", "toolConfig"),
        "additionalModelRequestFields",
    }


# --------------------------------------------------------------------------------------------- who is asking


async def test_requests_are_signed(upstream: Upstream, http: HttpPool) -> None:
    answers(upstream, BEDROCK.first + BEDROCK.rest, 0, STREAM)
    keys = {"access_key_id": "AKID", "secret_access_key": "very secret", "session_token": "session"}
    asked = provider("bedrock", http, base_url=f"http://127.0.0.1:{upstream.port}", region="eu-west-1", **keys)
    await collect(asked, job(HI, OLD))
    (got,) = upstream.asked
    assert got.path == "/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse-stream"
    proof = got.headers["authorization"]
    assert "/eu-west-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token," in proof

    at = datetime.strptime(got.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    again = Signer(Credentials("AKID", "very secret", "session"), "eu-west-1", "bedrock").headers(
        "POST", f"127.0.0.1:{upstream.port}", got.path, got.body, {"content-type": "application/json"}, at
    )
    assert again["authorization"] == proof
    refuses(upstream, 403, {"message": "no: very secret, session"})
    with pytest.raises(KeyRefused) as caught:
        await collect(asked, job(HI, OLD))
    assert "very secret" not in caught.value.message
    assert "session" not in caught.value.message


def test_some_credentials_are_needed(http: HttpPool) -> None:
    for given in ({}, {"access_key_id": "AKID"}):
        with pytest.raises(BadInput, match="api_key, or access_key_id"):
            get("bedrock").make(given, ProviderParts(http=http))
    made = get("bedrock").make({"api_key": "k", "region": " EU-West-1 "}, ProviderParts(http=http))
    assert isinstance(made, Bedrock)
    assert made._endpoint.url("").origin == "https://bedrock-runtime.eu-west-1.amazonaws.com:443"
    assert made._control.url("").origin == "https://bedrock.eu-west-1.amazonaws.com:443"


# ---------------------------------------------------------------------------------- embeddings and reranking


async def test_embeddings_of_titan(bedrock: Provider, upstream: Upstream) -> None:
    async def answer(asked: Asked) -> None:
        text = asked.json["inputText"]
        await asked.whole({"embedding": [float(text), 1.5], "inputTextTokenCount": 2})

    upstream.answer = answer
    request = EmbeddingRequest(inputs=[str(number) for number in range(20)], dimensions=2)
    vectors, usage = await collect(bedrock, job(request, "amazon.titan-embed-text-v2:0"))
    assert isinstance(vectors, Vectors)
    assert [vector[0] for vector in vectors.vectors] == list(range(20))
    assert usage == Usage(input=40)
    assert upstream.asked[0].path == "/model/amazon.titan-embed-text-v2%3A0/invoke"
    assert upstream.asked[0].json["dimensions"] == 2


async def test_one_embedding_that_fails_stops_the_others(bedrock: Provider, upstream: Upstream) -> None:

    async def answer(asked: Asked) -> None:
        if asked.json["inputText"] == "bad":
            await asked.whole({"message": "no"}, 400)
        else:
            await asyncio.Event().wait()

    upstream.answer = answer
    with pytest.raises(BadInput):
        await collect(bedrock, job(EmbeddingRequest(inputs=["a", "b", "bad"]), "amazon.titan-embed-text-v2:0"))
    async with asyncio.timeout(10):
        for _ in range(2):
            await upstream.left.get()


@pytest.mark.parametrize("by_type", [True, False])
async def test_embeddings_of_cohere(bedrock: Provider, upstream: Upstream, by_type: bool) -> None:
    async def answer(asked: Asked) -> None:
        vectors = [[float(text)] for text in asked.json["texts"]]
        found = {"float": vectors} if by_type else vectors
        await asked.whole({"embeddings": found}, x_amzn_bedrock_input_token_count=str(len(vectors)))

    upstream.answer = answer
    request = EmbeddingRequest(
        inputs=[str(number) for number in range(100)], purpose="query", local=LocalOptions(truncate=False)
    )
    vectors, usage = await collect(bedrock, job(request, "cohere.embed-v4:0"))
    assert isinstance(vectors, Vectors)
    assert [vector[0] for vector in vectors.vectors] == list(range(100))
    assert usage == Usage(input=100)
    sizes = sorted(len(asked.json["texts"]) for asked in upstream.asked)
    assert sizes == [4, 96]
    assert upstream.asked[0].json["input_type"] == "search_query"
    assert upstream.asked[0].json["truncate"] == "NONE"


async def test_reranking(bedrock: Provider, upstream: Upstream) -> None:
    results = [{"index": 1, "relevance_score": 0.2}, {"index": 0, "relevance_score": 0.9}]
    refuses(upstream, 200, {"results": results})
    request = RerankRequest(query="q", documents=["a", "b"], top_n=2)
    events = await collect(bedrock, job(request, "cohere.rerank-v3-5:0", Operation.RERANK))
    assert events == [Scores([Score(0, 0.9), Score(1, 0.2)]), Usage(searches=1)]
    assert upstream.asked[0].json == {"query": "q", "documents": ["a", "b"], "top_n": 2, "api_version": 2}
    refuses(upstream, 200, {"results": [{"index": 2, "relevance_score": 0.9}]})
    with pytest.raises(UpstreamFailed, match="not among the 2"):
        await collect(bedrock, job(request, "amazon.rerank-v1:0", Operation.RERANK))
    assert await collect(bedrock, job(RerankRequest(query="q", documents=[]), "amazon.rerank-v1:0")) == [Scores([])]


@pytest.mark.parametrize(
    ("model", "request_", "field"),
    [
        ("amazon.titan-embed-text-v1", EmbeddingRequest(inputs=["a"], dimensions=9), "dimensions"),
        ("cohere.embed-english-v3", EmbeddingRequest(inputs=["a"], dimensions=9), "dimensions"),
        ("twelvelabs.marengo", EmbeddingRequest(inputs=["a"]), "model"),
        ("cohere.embed-english-v3", RerankRequest(query="q", documents=["a"]), "model"),
        ("amazon.nova-lite-v1:0", CompletionRequest(prompt="x"), "model"),
    ],
)
async def test_what_there_is_no_way_to_ask_for(bedrock: Provider, model: str, request_: Any, field: str) -> None:
    with pytest.raises(CannotCarry) as caught:
        await collect(bedrock, job(request_, model))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("body", "says"), [(b"{", "malformed embeddings"), ({}, "0 usable"), ({"embedding": []}, "1 usable vectors for 1")]
)
async def test_embeddings_that_are_none(bedrock: Provider, upstream: Upstream, body: Any, says: str) -> None:
    refuses(upstream, 200, body)
    with pytest.raises(UpstreamFailed, match=says):
        await collect(bedrock, job(EmbeddingRequest(inputs=["a"]), "amazon.titan-embed-text-v2:0"))


# ---------------------------------------------------------------------------------------------------- models


async def test_models(bedrock: Provider, upstream: Upstream) -> None:
    def model(name: str, **more: Any) -> dict[str, Any]:
        usual = {"inputModalities": ["TEXT"], "outputModalities": ["TEXT"], "responseStreamingSupported": True}
        return {"modelId": name, **usual, "inferenceTypesSupported": ["ON_DEMAND"], **more}

    summaries = [
        model("acme.new-v1:0", inputModalities=["TEXT", "IMAGE"]),
        model("acme.old-v1:0", modelLifecycle={"status": "LEGACY"}),
        model("acme.painter", outputModalities=["IMAGE"]),
        model("acme.vectors", outputModalities=["EMBEDDING"]),
        model("anthropic.claude-haiku-4-5-20251001-v1:0", inferenceTypesSupported=["INFERENCE_PROFILE"]),
        model("amazon.titan-embed-text-v9:0", outputModalities=["EMBEDDING"]),
    ]

    async def answer(asked: Asked) -> None:
        if asked.path == "/foundation-models":
            await asked.whole({"modelSummaries": summaries})
        elif "nextToken" in asked.path:
            await asked.whole({"inferenceProfileSummaries": [{"inferenceProfileId": "eu.acme.new-v1:0"}]})
        else:
            profiles = [{"inferenceProfileId": OLD}, {"inferenceProfileId": "us.acme.painter"}]
            await asked.whole({"inferenceProfileSummaries": profiles, "nextToken": "t"})

    upstream.answer = answer
    new, titan, haiku, wide = await bedrock.models()
    assert (new.name, new.capabilities) == ("acme.new-v1:0", {"completion", "tools", "vision"})
    assert (titan.name, titan.capabilities) == ("amazon.titan-embed-text-v9:0", {"embedding"})
    assert (haiku.name, haiku.context_length) == (OLD, 200_000)
    assert haiku.prices is not None
    assert wide.name == "eu.acme.new-v1:0"
    refuses(upstream, 200, {})
    with pytest.raises(UpstreamFailed, match="list of"):
        await bedrock.models()


def test_models_are_known_by_their_ids_of_every_region(bedrock: Provider) -> None:
    for name in (NEW, OLD, NOVA, "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.amazon.nova-pro-v1:0"):
        facts = bedrock.known(name)  # type: ignore[attr-defined]
        assert facts is not None, name
        assert facts.name == name
    assert bedrock.known("acme.new-v1:0") is None  # type: ignore[attr-defined]


# ------------------------------------------------------------------------- Claude in Anthropic's own words


def wrapped(*events: dict[str, Any]) -> bytes:
    """Events of Messages as Bedrock streams them."""
    return b"".join(
        frame(
            json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode(), "p": "abc"}).encode(),
            event_type="chunk",
            content_type="application/json",
            message_type="event",
        )
        for event in events
    )


EVENTS = (
    {"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 7, "output_tokens": 1}}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Grüß 你"}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
)
STOP = {"type": "message_stop"}
BODY = {
    "model": "claude",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
    "thinking": {"type": "adaptive"},
    "context_management": {"edits": []},
}


@pytest.mark.parametrize("size", [0, 1, 37])
async def test_bodies_of_messages_pass_to_claude_whole(bedrock: Provider, upstream: Upstream, size: int) -> None:
    metrics = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 7}}
    answers(upstream, wrapped(*EVENTS, {**STOP, **metrics}), size, STREAM)
    body = {**BODY, "stream": True}
    head, *events = await collect(bedrock, passing(MESSAGES, body, OLD, {"anthropic-beta": "a-1, b-2", "x": "y"}))
    assert head == RawHead(200, "text/event-stream; charset=utf-8")
    data = b"".join(event.data for event in events if isinstance(event, Raw))
    told = [json.loads(line[6:]) for line in data.decode().splitlines() if line.startswith("data: ")]
    assert told == [*EVENTS, STOP]
    assert data.count(b"event: message_stop\ndata: ") == 1
    assert events[-1] == Usage(input=7, output=5)
    (asked,) = upstream.asked
    assert asked.path == "/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/invoke-with-response-stream"
    expected = {name: value for name, value in BODY.items() if name != "model"}
    assert asked.json == {**expected, "anthropic_version": "bedrock-2023-05-31", "anthropic_beta": ["a-1", "b-2"]}
    assert "anthropic-beta" not in asked.headers


async def test_a_whole_answer_passes_too(bedrock: Provider, upstream: Upstream) -> None:
    answer = {
        "id": "msg_1",
        "content": [{"type": "text", "text": "hi"}],
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }

    async def whole(asked: Asked) -> None:
        await asked.whole(answer)

    upstream.answer = whole
    _, raw, usage = await collect(bedrock, passing(MESSAGES, dict(BODY), NEW))
    assert isinstance(raw, Raw)
    assert (json.loads(raw.data), usage) == (answer, Usage(input=3, output=2))
    assert upstream.asked[0].path.endswith("/invoke")


@pytest.mark.parametrize(
    ("rest", "error"),
    [
        (b"", UpstreamFailed),
        (frame(b'{"message":"slow down"}', exception_type="throttlingException", message_type="exception"), TooMany),
        (frame(b'{"bytes":"!"}', event_type="chunk", message_type="event"), UpstreamFailed),
        (frame(b"[]", event_type="chunk", message_type="event"), UpstreamFailed),
        (wrapped({"type": "error", "error": {"type": "overloaded_error", "message": "full"}}), Unavailable),
    ],
)
async def test_a_passed_stream_that_breaks_is_no_whole_one(
    bedrock: Provider, upstream: Upstream, rest: bytes, error: type[Exception]
) -> None:
    answers(upstream, wrapped(*EVENTS) + rest, 0, STREAM)
    with pytest.raises(error):
        await collect(bedrock, passing(MESSAGES, {**BODY, "stream": True}, OLD))


def test_only_to_claude(bedrock: Provider) -> None:
    passthrough = Passthrough(MESSAGES, dict(BODY), False)
    assert isinstance(bedrock, Bedrock)
    assert [bedrock.passes(model, passthrough) for model in (OLD, NEW, NOVA)] == [True, True, False]


# ---------------------------------------------------------------------------- credentials of the server's own


async def signed_by(upstream: Upstream, http: HttpPool, **settings: Any) -> tuple[str, str | None]:
    """Which access key and session token a request was signed with."""
    answers(upstream, BEDROCK.first + BEDROCK.rest, 0, STREAM)
    made = provider("bedrock", http, base_url=f"http://127.0.0.1:{upstream.port}", **settings)
    await collect(made, job(HI))
    headers = upstream.asked[-1].headers
    return headers["authorization"].partition("Credential=")[2].partition("/")[0], headers.get("x-amz-security-token")


async def test_the_servers_environment_signs(
    upstream: Upstream, http: HttpPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with pytest.raises(BadInput, match="AWS_ACCESS_KEY_ID"):
        provider("bedrock", http, credentials="environment")
    for name, value in (("ACCESS_KEY_ID", "AKID"), ("SECRET_ACCESS_KEY", "s"), ("SESSION_TOKEN", "tok")):
        monkeypatch.setenv(f"AWS_{name}", value)
    assert await signed_by(upstream, http, credentials="environment") == ("AKID", "tok")


async def test_a_profile_signs_and_is_read_again_when_it_changed(
    upstream: Upstream, http: HttpPool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    with pytest.raises(BadInput, match="cannot be read"):
        provider("bedrock", http, credentials="profile")
    file.write_text("[default]\naws_access_key_id = ONE\naws_secret_access_key = a%b\n[work]\nregion = eu-west-1\n")
    with pytest.raises(BadInput, match="no keys for the profile 'work'"):
        provider("bedrock", http, credentials="profile", profile="work")
    with pytest.raises(BadInput, match="no profile 'home'"):
        provider("bedrock", http, credentials="profile", profile="home")
    answers(upstream, BEDROCK.first + BEDROCK.rest, 0, STREAM)
    made = provider("bedrock", http, base_url=f"http://127.0.0.1:{upstream.port}", credentials="profile")
    await collect(made, job(HI))
    assert "Credential=ONE/" in upstream.asked[-1].headers["authorization"]
    newer = tmp_path / "newer"
    newer.write_text("[default]\naws_access_key_id=TWO\naws_secret_access_key=c\naws_session_token=tok\n")
    newer.replace(file)
    await collect(made, job(HI))
    assert "Credential=TWO/" in upstream.asked[-1].headers["authorization"]
    assert upstream.asked[-1].headers["x-amz-security-token"] == "tok"


def test_a_file_that_is_none_is_not_quoted(http: HttpPool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("aws_secret_access_key = hush\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    with pytest.raises(BadInput) as caught:
        provider("bedrock", http, credentials="profile")
    assert "hush" not in str(caught.value)
