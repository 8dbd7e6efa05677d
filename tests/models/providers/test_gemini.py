"""Gemini's protocol in its own documented shape; what all bought providers do alike is in `test_bought`."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from inglenook.kit.errors import TooMany, UpstreamFailed
from inglenook.kit.http.pool import HttpPool
from inglenook.models.calls import (
    AudioPart,
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Event,
    FilePart,
    Finished,
    ImagePart,
    Logprobs,
    Message,
    Operation,
    ReasoningDelta,
    ResponseFormat,
    Sampling,
    TextDelta,
    TextPart,
    Thought,
    TokenLogprob,
    ToolCall,
    ToolCallDelta,
    ToolSpec,
    Usage,
    Vectors,
)
from inglenook.models.errors import CannotCarry, ContentRefused, KeyRefused
from inglenook.models.providers.base import Provider
from inglenook.models.providers.wires.gemini_requests import embedding_bodies, generate_body
from tests.support.bought import HI, KEY, answers, collect, job, plain_events, provider, read_into, refuses
from tests.support.bought_cases import GEMINI_USAGE, gemini_chunk
from tests.support.upstream import Asked, Upstream, open_upstream

NEW, OLD = "gemini-3.8-flash", "gemini-2.5-flash"


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with open_upstream() as opened:
        yield opened


@pytest.fixture
def gemini(upstream: Upstream, http: HttpPool) -> Provider:
    return provider("gemini", http, base_url=f"http://127.0.0.1:{upstream.port}/v1beta", api_key=KEY)


def chat(*messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest(messages=list(messages) or HI.messages, **fields)


# ------------------------------------------------------------------------------------------------- requests


def test_every_field_is_carried() -> None:
    request = chat(
        Message("system", "Be brief."),
        Message(
            "user",
            [
                TextPart("look", cache="5m"),
                ImagePart("image/png", "AAAA"),
                FilePart("application/pdf", "BBBB"),
                AudioPart("wav", "CCCC"),
            ],
        ),
        Message(
            "assistant",
            "I look.",
            thoughts=[Thought("hm"), Thought(signature="~gemini~proof"), Thought("x", signature="claude's")],
            tool_calls=[ToolCall("c1", "f", '{"a":1}', "~gemini~sig"), ToolCall("c2", "g", "{}")],
        ),
        Message("tool", "12", tool_call_id="c1"),
        Message("tool", [TextPart("no"), ImagePart("image/png", "DDDD")], tool_call_id="c2", failed=True),
        Message("system", "And polite."),
        sampling=Sampling(
            max_tokens=5,
            temperature=0.5,
            top_p=0.9,
            top_k=3,
            n=2,
            seed=7,
            stop=["END"],
            presence_penalty=0.1,
            frequency_penalty=0.2,
            logprobs=True,
            top_logprobs=3,
        ),
        tools=[ToolSpec("f", "does", {"type": "object", "properties": {"a": {"type": "integer"}}}), ToolSpec("g")],
        tool_choice={"name": "f"},
        reasoning="low",
    )
    assert generate_body(NEW, request) == {
        "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "And polite."}]},
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "look"},
                    {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
                    {"inlineData": {"mimeType": "application/pdf", "data": "BBBB"}},
                    {"inlineData": {"mimeType": "audio/wav", "data": "CCCC"}},
                ],
            },
            {
                "role": "model",
                "parts": [
                    {"text": "I look.", "thoughtSignature": "proof"},
                    {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "sig"},
                    {"functionCall": {"id": "c2", "name": "g", "args": {}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"id": "c1", "name": "f", "response": {"output": "12"}}},
                    {
                        "functionResponse": {
                            "id": "c2",
                            "name": "g",
                            "response": {"error": "no"},
                            "parts": [{"inlineData": {"mimeType": "image/png", "data": "DDDD"}}],
                        }
                    },
                ],
            },
        ],
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "f",
                        "description": "does",
                        "parametersJsonSchema": {"type": "object", "properties": {"a": {"type": "integer"}}},
                    },
                    {"name": "g"},
                ]
            }
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "generationConfig": {
            "maxOutputTokens": 5,
            "temperature": 0.5,
            "topP": 0.9,
            "topK": 3,
            "candidateCount": 2,
            "seed": 7,
            "stopSequences": ["END"],
            "presencePenalty": 0.1,
            "frequencyPenalty": 0.2,
            "responseLogprobs": True,
            "logprobs": 3,
            "thinkingConfig": {"includeThoughts": True, "thinkingLevel": "LOW"},
        },
    }


@pytest.mark.parametrize(
    ("choice", "strict", "mode"),
    [(None, None, "AUTO"), ("auto", True, "VALIDATED"), ("none", None, "NONE"), ("required", True, "ANY")],
)
def test_the_choice_of_tools(choice: str | None, strict: bool | None, mode: str) -> None:
    body = generate_body(NEW, chat(tools=[ToolSpec("f", strict=strict)], tool_choice=choice))
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": mode}}


@pytest.mark.parametrize(
    ("model", "fields", "thinking"),
    [
        (NEW, {}, None),
        (NEW, {"reasoning": "minimal"}, {"includeThoughts": True, "thinkingLevel": "MINIMAL"}),
        (NEW, {"reasoning": "max"}, {"includeThoughts": True, "thinkingLevel": "HIGH"}),
        ("gemini-4-hydrogen", {"reasoning": "xhigh"}, {"includeThoughts": True, "thinkingLevel": "XHIGH"}),
        (OLD, {"reasoning": "none"}, {"thinkingBudget": 0}),
        (OLD, {"reasoning": "medium"}, {"includeThoughts": True, "thinkingBudget": 8192}),
        ("gemini-2.5-pro", {"reasoning_budget": 300}, {"includeThoughts": True, "thinkingBudget": 300}),
        ("gemini-2.0-flash", {"reasoning": "none"}, None),
    ],
)
def test_how_it_is_told_to_think(model: str, fields: dict[str, Any], thinking: Any) -> None:
    assert generate_body(model, chat(**fields)).get("generationConfig", {}).get("thinkingConfig") == thinking


def test_a_call_of_another_model_has_no_proof() -> None:
    history = (
        Message("user", "hi"),
        Message("assistant", tool_calls=[ToolCall("toolu_1", "f", "{}"), ToolCall("toolu_2", "f", "{}")]),
        Message("tool", "1", tool_call_id="toolu_1"),
    )
    first, second = generate_body(NEW, chat(*history))["contents"][1]["parts"]
    assert first["thoughtSignature"] == "skip_thought_signature_validator"
    assert "thoughtSignature" not in second
    assert "thoughtSignature" not in generate_body(OLD, chat(*history))["contents"][1]["parts"][0]


def test_a_proof_without_text_has_a_part_of_its_own() -> None:
    said = Message("assistant", thoughts=[Thought(signature="~gemini~p")])
    assert generate_body(NEW, chat(Message("user", "hi"), said))["contents"][1]["parts"] == [
        {"text": "", "thoughtSignature": "p"}
    ]


def test_an_answer_by_a_schema() -> None:
    inner = {"type": "string", "minLength": 1}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "kind": {"const": "cat", "default": "cat"},
            "colour": {"allOf": [{"$ref": "#/$defs/colour"}], "description": "of the fur"},
            "sizes": {"type": "array", "items": {"anyOf": [{"type": "number", "minimum": 0}, {"type": "null"}]}},
        },
        "$defs": {"colour": {"enum": ["red", "black"]}},
        "required": ["kind"],
        "additionalProperties": False,
    }
    config = generate_body(NEW, chat(response_format=ResponseFormat("json_schema", schema)))["generationConfig"]
    assert config == {
        "responseMimeType": "application/json",
        "responseJsonSchema": {
            "type": "object",
            "properties": {
                "kind": {"enum": ["cat"]},
                "colour": {"$ref": "#/$defs/colour", "description": "of the fur"},
                "sizes": {"type": "array", "items": {"anyOf": [{"type": "number", "minimum": 0}, {"type": "null"}]}},
            },
            "$defs": {"colour": {"enum": ["red", "black"]}},
            "required": ["kind"],
            "additionalProperties": False,
        },
    }
    schema["properties"]["sizes"]["items"]["anyOf"].append(inner)  # type: ignore[index]
    with pytest.raises(CannotCarry, match="does not see to 'minLength'") as caught:
        generate_body(NEW, chat(response_format=ResponseFormat("json_schema", schema)))
    assert caught.value.field == "response_format.json_schema.schema.properties.sizes.items.anyOf[2].minLength"
    config = generate_body(NEW, chat(response_format=ResponseFormat("json_object")))["generationConfig"]
    assert config == {"responseMimeType": "application/json"}


@pytest.mark.parametrize(
    ("model", "request_", "field"),
    [
        (NEW, chat(sampling=Sampling(min_p=0.1)), "min_p"),
        (NEW, chat(sampling=Sampling(repeat_penalty=1.1)), "repeat_penalty"),
        (NEW, chat(sampling=Sampling(logit_bias={"1": 1.0})), "logit_bias"),
        (NEW, chat(reasoning="none"), "reasoning_effort"),
        (NEW, chat(reasoning_budget=100), "reasoning_budget"),
        ("gemini-2.5-pro", chat(reasoning="none"), "reasoning_effort"),
        ("gemini-2.0-flash", chat(reasoning="low"), "reasoning_effort"),
        (NEW, chat(tools=[ToolSpec("f")], parallel_tool_calls=False), "parallel_tool_calls"),
        (NEW, chat(Message("tool", "x", tool_call_id="c9")), "messages[0].tool_call_id"),
        (NEW, chat(Message("system", [ImagePart("image/png", "AAAA")])), "messages[0].content[0]"),
    ],
)
def test_what_cannot_be_carried_is_named(model: str, request_: ChatRequest, field: str) -> None:
    with pytest.raises(CannotCarry) as caught:
        generate_body(model, request_)
    assert caught.value.field == field


# -------------------------------------------------------------------------------------------------- answers


async def test_parallel_tool_calls(gemini: Provider, upstream: Upstream) -> None:
    call = {"functionCall": {"id": "fc1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "U2ln"}
    chunks = [
        gemini_chunk({"text": "Let me look."}),
        gemini_chunk(call, {"functionCall": {"name": "g"}}),
        gemini_chunk({"text": ""}, reason="STOP", usageMetadata=GEMINI_USAGE),
    ]
    answers(upstream, plain_events(*chunks), 17)
    text, first, second, usage, finished = await collect(gemini, job(HI))
    assert text == TextDelta("Let me look.")
    assert first == ToolCallDelta(0, "fc1", "f", '{"a":1}', signature="~gemini~U2ln")
    assert isinstance(second, ToolCallDelta)
    assert (second.index, second.name, second.arguments, second.signature) == (1, "g", "{}", None)
    assert second.id.startswith("call_")
    assert usage == Usage(input=9, output=3)
    assert finished == Finished("tool_calls")


async def test_thinking_with_its_proof(gemini: Provider, upstream: Upstream) -> None:
    usage = {**GEMINI_USAGE, "thoughtsTokenCount": 20, "cachedContentTokenCount": 4}
    chunks = [
        gemini_chunk({"text": "**Looking**", "thought": True}),
        gemini_chunk({"text": "42"}),
        gemini_chunk({"text": "", "thoughtSignature": "UHJvb2Y="}, reason="STOP", usageMetadata=usage),
    ]
    answers(upstream, plain_events(*chunks))
    assert await collect(gemini, job(HI)) == [
        ReasoningDelta("**Looking**"),
        TextDelta("42"),
        ReasoningDelta("", signature="~gemini~UHJvb2Y="),
        Usage(input=9, output=23, cached=4, reasoning=20),
        Finished("stop"),
    ]


async def test_several_answers_with_logprobs(gemini: Provider, upstream: Upstream) -> None:
    logprobs = {
        "chosenCandidates": [{"token": "é", "tokenId": 5, "logProbability": -0.1}],
        "topCandidates": [
            {"candidates": [{"token": "é", "logProbability": -0.1}, {"token": "b", "logProbability": -2}]}
        ],
    }
    first = gemini_chunk({"text": "é"}, reason="STOP")
    first["candidates"][0]["logprobsResult"] = logprobs
    second = gemini_chunk({"text": "b"}, reason="MAX_TOKENS")
    second["candidates"][0]["index"] = 1
    answers(upstream, plain_events(first, second))
    assert await collect(gemini, job(HI)) == [
        TextDelta("é"),
        Logprobs(
            [TokenLogprob("é", -0.1, [195, 169], [TokenLogprob("é", -0.1, [195, 169]), TokenLogprob("b", -2, [98])])]
        ),
        TextDelta("b", 1),
        Finished("stop", 0),
        Finished("length", 1),
    ]


async def test_sound_is_counted_apart(gemini: Provider, upstream: Upstream) -> None:
    usage = {
        **GEMINI_USAGE,
        "toolUsePromptTokenCount": 2,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 2}, {"modality": "AUDIO", "tokenCount": 7}],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 3}],
        "cachedContentTokenCount": 3,
    }
    answers(upstream, plain_events(gemini_chunk({"text": "x"}, reason="STOP", usageMetadata=usage)))
    assert (await collect(gemini, job(HI)))[1] == Usage(input=11, output=3, cached=3, audio_input=4)


@pytest.mark.parametrize(
    ("reason", "finished"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("OTHER", "stop"),
        ("SOMETHING_NEW", "stop"),
    ],
)
async def test_why_it_ended(gemini: Provider, upstream: Upstream, reason: str, finished: Any) -> None:
    answers(upstream, plain_events(gemini_chunk({"text": "x"}), {"candidates": [{"finishReason": reason}]}))
    assert (await collect(gemini, job(HI)))[-1] == Finished(finished)


async def test_a_tool_call_that_cannot_be_read(gemini: Provider, upstream: Upstream) -> None:
    answers(upstream, plain_events(gemini_chunk(reason="MALFORMED_FUNCTION_CALL")))
    with pytest.raises(UpstreamFailed, match="a tool call that cannot be read"):
        await collect(gemini, job(HI))


async def test_a_prompt_that_is_refused(gemini: Provider, upstream: Upstream) -> None:
    answers(upstream, plain_events({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {}}))
    seen: list[Event] = []
    with pytest.raises(ContentRefused, match="SAFETY"):
        await read_into(seen, gemini, job(HI))
    assert seen == []


async def test_refusals_with_their_details(gemini: Provider, upstream: Upstream) -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
    quota = {"code": 429, "message": "You exceeded your quota", "status": "RESOURCE_EXHAUSTED", "details": [info]}
    refuses(upstream, 429, {"error": quota})
    with pytest.raises(TooMany) as caught:
        await collect(gemini, job(HI))
    assert caught.value.retry_after == 34.5
    reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    wrong = {"code": 400, "message": "Bad key", "status": "INVALID_ARGUMENT", "details": [reason]}
    refuses(upstream, 400, [{"error": wrong}])
    with pytest.raises(KeyRefused):
        await collect(gemini, job(HI))


async def test_a_prompt_is_counted(gemini: Provider, upstream: Upstream) -> None:
    refuses(upstream, 200, {"totalTokens": 31, "cachedContentTokenCount": 4})
    request = chat(
        Message("system", "s"), Message("user", "hi"), sampling=Sampling(max_tokens=5), tools=[ToolSpec("f")]
    )
    events = await collect(gemini, job(request, NEW, Operation.COUNT))
    assert events == [Usage(input=31, cached=4), Finished("stop")]
    (asked,) = upstream.asked
    assert asked.path == f"/v1beta/models/{NEW}:countTokens"
    assert set(asked.json["generateContentRequest"]) == {"model", "contents", "systemInstruction", "tools"}
    refuses(upstream, 200, {})
    with pytest.raises(UpstreamFailed, match="malformed count"):
        await collect(gemini, job(request, NEW, Operation.COUNT))


# ----------------------------------------------------------------------------------------------- embeddings


async def test_embeddings_in_batches(gemini: Provider, upstream: Upstream) -> None:
    async def answer(asked: Asked) -> None:
        texts = [request["content"]["parts"][0]["text"] for request in asked.json["requests"]]
        vectors = [{"values": [float(text), 0.5]} for text in texts]
        await asked.whole({"embeddings": vectors, "usageMetadata": {"promptTokenCount": len(texts)}})

    upstream.answer = answer
    request = EmbeddingRequest(inputs=[str(number) for number in range(150)], purpose="query", dimensions=2)
    vectors, usage = await collect(gemini, job(request, "gemini-embedding-001"))
    assert isinstance(vectors, Vectors)
    assert [vector[0] for vector in vectors.vectors] == list(range(150))
    assert usage == Usage(input=150)
    first, second = upstream.asked
    assert first.path == "/v1beta/models/gemini-embedding-001:batchEmbedContents"
    assert (len(first.json["requests"]), len(second.json["requests"])) == (100, 50)
    assert first.json["requests"][0] == {
        "model": "models/gemini-embedding-001",
        "content": {"parts": [{"text": "0"}]},
        "outputDimensionality": 2,
        "taskType": "RETRIEVAL_QUERY",
    }
    assert await collect(gemini, job(EmbeddingRequest(inputs=[]))) == [Vectors([])]


def text(said: str) -> dict[str, Any]:
    return {"content": {"parts": [{"text": said}]}}


def test_what_an_embedding_is_for_is_said_as_its_model_wants_it() -> None:
    request = EmbeddingRequest(inputs=["a {b}"], purpose="passage")
    assert embedding_bodies("gemini-embedding-2", request) == [text("title: none | text: a {b}")]
    (body,) = embedding_bodies("text-embedding-005", request)
    assert body["taskType"] == "RETRIEVAL_DOCUMENT"
    (body,) = embedding_bodies("gemini-embedding-2", EmbeddingRequest(inputs=["x"]))
    assert body == text("x")


@pytest.mark.parametrize(
    ("body", "says"),
    [(b"{", "malformed embeddings"), ({"embeddings": [{"values": [1]}]}, "1 usable vectors for 2"), ({}, "0 usable")],
)
async def test_embeddings_that_are_none(gemini: Provider, upstream: Upstream, body: Any, says: str) -> None:
    refuses(upstream, 200, body)
    with pytest.raises(UpstreamFailed, match=says):
        await collect(gemini, job(EmbeddingRequest(inputs=["a", "b"])))


# ---------------------------------------------------------------------------------------------------- others


async def test_what_it_has_no_way_to_do(gemini: Provider, upstream: Upstream) -> None:
    with pytest.raises(CannotCarry, match="no way to do this"):
        await collect(gemini, job(CompletionRequest(prompt="x")))
    assert await collect(gemini, job(ChatRequest(messages=[]))) == [Finished("load")]
    assert upstream.asked == []


async def test_models(gemini: Provider, upstream: Upstream) -> None:
    async def answer(asked: Asked) -> None:
        if "pageToken" in asked.path:
            model = {"name": "models/aqa", "supportedGenerationMethods": ["generateAnswer"]}
            await asked.whole({"models": [model]})
            return
        models = [
            {
                "name": "models/gemini-9",
                "inputTokenLimit": 1000,
                "outputTokenLimit": 10,
                "supportedGenerationMethods": ["generateContent", "countTokens"],
                "thinking": True,
            },
            {"name": "models/gemini-2.5-pro", "supportedGenerationMethods": ["generateContent"]},
            {
                "name": "models/gemini-embedding-001",
                "inputTokenLimit": 2048,
                "supportedGenerationMethods": ["embedContent"],
            },
        ]
        await asked.whole({"models": models, "nextPageToken": "n"})

    upstream.answer = answer
    new, known, embedding = await gemini.models()
    assert upstream.asked[1].path == "/v1beta/models?pageSize=1000&pageToken=n"
    assert (new.name, new.context_length, new.output_length) == ("gemini-9", 1000, 10)
    assert "thinking" in new.capabilities
    assert known.prices is not None
    assert known.prices.tiers[0].above == 200_000
    assert embedding.capabilities == {"embedding"}
    assert (embedding.context_length, embedding.output_length) == (2048, 0)
