"""A server of OpenAI's protocols, played on loopback byte by byte."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from inglenook.kit.errors import BadInput, InglenookError, TooMany, Unavailable, UpstreamFailed, UpstreamTimeout
from inglenook.kit.http.pool import HttpPool
from inglenook.kit.settings_schema import check_settings, secret_names
from inglenook.models.calls import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Event,
    Finished,
    ImagePart,
    LocalOptions,
    Logprobs,
    Message,
    Passthrough,
    Raw,
    RawHead,
    ReasoningDelta,
    ResponseFormat,
    Sampling,
    TextDelta,
    TextPart,
    ToolCall,
    ToolCallDelta,
    ToolSpec,
    Usage,
    Vectors,
)
from inglenook.models.errors import CannotCarry, KeyRefused, OutOfCredit
from inglenook.models.providers.base import Job, ProviderParts
from inglenook.models.providers.openai_compatible import KIND
from inglenook.models.providers.openai_family import OpenAIFamily
from tests.support.upstream import Asked, Upstream, open_upstream

USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}
END = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
HI = ChatRequest(messages=[Message("user", "hi")])


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with open_upstream() as opened:
        yield opened


def make(upstream: Upstream, http: HttpPool, **settings: Any) -> OpenAIFamily:
    given = {"base_url": upstream.url, "api_key": "sk-secret", **settings}
    check_settings(KIND.settings_schema, given)
    made = KIND.make(given, ProviderParts(http=http))
    assert isinstance(made, OpenAIFamily)
    return made


def job(request: Any) -> Job:
    return Job(model="up-model", stream=True, decode=lambda: request)


def relay(body: dict[str, Any], wire: str = "openai.chat") -> Job:
    def decode() -> Any:
        raise AssertionError("a body that passes through is not decoded")

    stream = bool(body.get("stream"))
    return Job(model="up-model", stream=stream, decode=decode, passthrough=Passthrough(wire, body, stream))


async def collect(provider: OpenAIFamily, asked: Job) -> list[Event]:
    async with aclosing(provider.stream(asked)) as events:
        return [event async for event in events]


def delta(text: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}], "usage": None}


# --------------------------------------------------------------------------------------------- translation


@pytest.mark.parametrize("size", [0, 1, 7])
async def test_a_chat_is_translated(upstream: Upstream, http: HttpPool, size: int) -> None:
    async def answer(asked: Asked) -> None:
        await asked.stream(
            {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
            {"choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}]},
            delta("Grüß "),
            delta("Gott 你好"),
            END,
            {"choices": [], "usage": USAGE},
            size=size,
        )

    upstream.answer = answer
    events = await collect(make(upstream, http), job(HI))
    assert events == [
        ReasoningDelta("hm"),
        TextDelta("Grüß "),
        TextDelta("Gott 你好"),
        Usage(input=9, output=3, cached=4),
        Finished("stop"),
    ]
    (asked,) = upstream.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == "Bearer sk-secret"
    assert asked.json == {
        "model": "up-model",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": "hi"}],
    }


async def test_every_field_is_carried(upstream: Upstream, http: HttpPool) -> None:
    async def answer(asked: Asked) -> None:
        await asked.stream(delta("x"), END)

    upstream.answer = answer
    provider = make(
        upstream, http, extensions=["top_k"], max_tokens_field="max_completion_tokens", headers={"X-Team": "a"}
    )
    request = ChatRequest(
        messages=[
            Message("system", "s"),
            Message("user", [TextPart("look"), ImagePart("image/png", "AAAA")]),
            Message("assistant", "", tool_calls=[ToolCall("c1", "f", '{"a":1}')], reasoning="secret thoughts"),
            Message("tool", "12", tool_call_id="c1"),
        ],
        sampling=Sampling(
            max_tokens=5, temperature=0.5, top_k=3, seed=1, stop=["x"], n=2, logprobs=True, top_logprobs=2
        ),
        tools=[ToolSpec("f", "does", {"type": "object"}, strict=True)],
        tool_choice={"name": "f"},
        parallel_tool_calls=False,
        response_format=ResponseFormat("json_schema", {"type": "object"}, "n", True),
        reasoning="low",
        local=LocalOptions(keep_alive=5, truncate=False),
    )
    await collect(provider, job(request))
    sent = upstream.asked[0].json
    assert sent["messages"] == [
        {"role": "system", "content": "s"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
        },
        {"role": "tool", "content": "12", "tool_call_id": "c1"},
    ]
    carried = {
        "max_completion_tokens": 5,
        "temperature": 0.5,
        "top_k": 3,
        "seed": 1,
        "stop": ["x"],
        "n": 2,
        "logprobs": True,
        "top_logprobs": 2,
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": False,
        "reasoning_effort": "low",
    }
    assert {name: sent[name] for name in carried} == carried
    assert sent["response_format"]["json_schema"] == {"name": "n", "schema": {"type": "object"}, "strict": True}
    assert sent["tools"][0]["function"]["strict"] is True
    assert upstream.asked[0].headers["x-team"] == "a"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (ChatRequest(messages=HI.messages, sampling=Sampling(top_k=1)), "top_k"),
        (ChatRequest(messages=HI.messages, sampling=Sampling(min_p=0.1)), "min_p"),
        (ChatRequest(messages=HI.messages, local=LocalOptions(num_ctx=5)), "num_ctx"),
        (CompletionRequest(prompt="x", local=LocalOptions(context=[1])), "context"),
        (EmbeddingRequest(inputs=["x"], local=LocalOptions(num_ctx=5)), "num_ctx"),
    ],
)
async def test_what_cannot_be_carried_is_named(upstream: Upstream, http: HttpPool, request_: Any, field: str) -> None:
    with pytest.raises(CannotCarry, match=field) as caught:
        await collect(make(upstream, http), job(request_))
    assert caught.value.field == field
    assert upstream.asked == []


async def test_tool_calls_and_logprobs(upstream: Upstream, http: HttpPool) -> None:
    token = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -1.0}]}

    def call(**fields: Any) -> dict[str, Any]:
        return {"choices": [{"index": 0, "delta": {"tool_calls": [fields]}}]}

    async def answer(asked: Asked) -> None:
        await asked.stream(
            {"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [token]}}]},
            call(index=0, id="c1", type="function", function={"name": "f", "arguments": ""}),
            call(index=0, function={"arguments": '{"a"'}),
            call(index=0, function={"arguments": ":1}"}),
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
        )

    upstream.answer = answer
    text, logprobs, *calls, finished = await collect(make(upstream, http), job(HI))
    assert text == TextDelta("a")
    assert isinstance(logprobs, Logprobs)
    assert (logprobs.tokens[0].logprob, logprobs.tokens[0].top[0].bytes) == (-0.5, [98])
    assert calls == [
        ToolCallDelta(0, "c1", "f"),
        ToolCallDelta(0, arguments='{"a"'),
        ToolCallDelta(0, arguments=":1}"),
    ]
    assert finished == Finished("tool_calls")


async def test_completions(upstream: Upstream, http: HttpPool) -> None:
    async def answer(asked: Asked) -> None:
        logprobs = {"tokens": ["a"], "token_logprobs": [-1.0], "top_logprobs": [{"a": -1.0}]}
        await asked.stream(
            {"choices": [{"index": 0, "text": "a", "logprobs": logprobs, "finish_reason": None}]},
            {"choices": [{"index": 0, "text": "", "finish_reason": "length"}]},
        )

    upstream.answer = answer
    request = CompletionRequest(prompt="p", suffix="s", sampling=Sampling(logprobs=True, top_logprobs=1, max_tokens=1))
    text, logprobs, finished = await collect(
        make(upstream, http, max_tokens_field="max_completion_tokens", stream_usage=False), job(request)
    )
    assert (text, finished) == (TextDelta("a"), Finished("length"))
    assert isinstance(logprobs, Logprobs)
    assert upstream.asked[0].path == "/v1/completions"
    assert upstream.asked[0].json == {
        "model": "up-model",
        "stream": True,
        "prompt": "p",
        "suffix": "s",
        "logprobs": 1,
        "max_tokens": 1,
    }
    await collect(make(upstream, http), job(CompletionRequest(prompt="p", others=[[1, 2]])))
    assert upstream.asked[1].json["prompt"] == ["p", [1, 2]]


async def test_embeddings(upstream: Upstream, http: HttpPool) -> None:
    async def answer(asked: Asked) -> None:
        data = [{"index": 1, "embedding": [3, 4.5]}, {"index": 0, "embedding": [1, 2]}]
        await asked.whole({"data": data, "usage": {"prompt_tokens": 2, "total_tokens": 2}})

    upstream.answer = answer
    provider = make(upstream, http)
    events = await collect(provider, job(EmbeddingRequest(inputs=["a", "b"], dimensions=2)))
    assert events == [Vectors([[1, 2], [3, 4.5]]), Usage(input=2)]
    assert upstream.asked[0].json == {
        "model": "up-model",
        "input": ["a", "b"],
        "encoding_format": "float",
        "dimensions": 2,
    }
    with pytest.raises(UpstreamFailed, match="2 usable vectors for 1 inputs"):
        await collect(provider, job(EmbeddingRequest(inputs=["a"])))
    assert await collect(provider, job(EmbeddingRequest(inputs=[]))) == [Vectors([])]


# ------------------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "says"),
    [
        (401, {"error": {"message": "Incorrect key sk-secret"}}, {}, KeyRefused, "refused our key"),
        (403, {"error": "no"}, {}, KeyRefused, "refused our key"),
        (402, {"error": {"message": "balance"}}, {}, OutOfCredit, "balance"),
        (429, {"error": {"message": "slow down"}}, {"retry_after": "3"}, TooMany, "slow down"),
        (400, {"error": {"message": "temperature too hot"}}, {}, BadInput, "^temperature too hot$"),
        (404, {"detail": "no model"}, {}, BadInput, "no model"),
        (422, {"detail": [{"msg": "field required"}]}, {}, BadInput, "field required"),
        (418, b"<html>teapot</html>", {}, BadInput, "status 418"),
        (500, b"oops", {}, UpstreamFailed, "status 500: oops"),
        (503, {"error": {"message": "busy"}}, {"retry_after": "9"}, Unavailable, "busy"),
        (504, b"", {}, UpstreamTimeout, "too long"),
        (302, b"", {"location": "http://elsewhere"}, UpstreamFailed, "status 302"),
    ],
)
@pytest.mark.parametrize("passing", [False, True])
async def test_refusals_are_translated(
    upstream: Upstream,
    http: HttpPool,
    status: int,
    body: Any,
    headers: dict[str, str],
    kind: type[InglenookError],
    says: str,
    passing: bool,
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.whole(body, status, **headers)

    upstream.answer = answer
    with pytest.raises(kind, match=says) as caught:
        await collect(make(upstream, http), relay({"model": "m", "stream": True}) if passing else job(HI))
    assert type(caught.value) is kind
    assert "sk-secret" not in caught.value.message
    assert caught.value.retry_after == (float(headers["retry_after"]) if "retry_after" in headers else None)


async def test_a_date_to_come_back_at(upstream: Upstream, http: HttpPool) -> None:
    async def answer(asked: Asked) -> None:
        await asked.whole({}, 429, retry_after="Fri, 31 Dec 1999 23:59:59 GMT")

    upstream.answer = answer
    with pytest.raises(TooMany) as caught:
        await collect(make(upstream, http), job(HI))
    assert caught.value.retry_after == 0


@pytest.mark.parametrize(
    ("pieces", "says"),
    [
        ([b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n', b"data: {nonsense\n\n"], "malformed chunk"),
        ([b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'], "before its answer was whole"),
        ([b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n', b'data: {"choices":[{"ind'], "whole"),
        (
            [
                b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\r\n\r\n: ping\r\n\r\n',
                b'data: {"error":{"message":"overheated","code":500}}\n\n',
            ],
            "overheated",
        ),
    ],
)
async def test_a_stream_that_breaks(upstream: Upstream, http: HttpPool, pieces: list[bytes], says: str) -> None:
    async def answer(asked: Asked) -> None:
        await asked.begin()
        for piece in pieces:
            await asked.piece(piece)
        await asked.end()

    upstream.answer = answer
    seen: list[Event] = []

    async def read() -> None:
        async with aclosing(make(upstream, http).stream(job(HI))) as events:
            async for event in events:
                seen.append(event)

    with pytest.raises(UpstreamFailed, match=says):
        await read()
    assert seen == [TextDelta("a")]


async def test_a_connection_that_breaks(upstream: Upstream, http: HttpPool) -> None:
    async def answer(asked: Asked) -> None:
        await asked.begin()
        await asked.piece(b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n')
        asked.cut()

    upstream.answer = answer
    for asked in (job(HI), relay({"model": "m", "stream": True})):
        with pytest.raises(UpstreamFailed):
            await collect(make(upstream, http), asked)


async def test_a_whole_answer_is_no_stream(upstream: Upstream, http: HttpPool) -> None:
    async def answer(asked: Asked) -> None:
        await asked.whole({"choices": []})

    upstream.answer = answer
    for asked in (job(HI), relay({"model": "m", "stream": True})):
        with pytest.raises(UpstreamFailed, match="asked for a stream"):
            await collect(make(upstream, http), asked)


@pytest.mark.parametrize("begun", [False, True])
async def test_silence_is_a_timeout(upstream: Upstream, http: HttpPool, begun: bool) -> None:
    async def answer(asked: Asked) -> None:
        if begun:
            await asked.begin()
        await asyncio.Event().wait()

    upstream.answer = answer
    with pytest.raises(UpstreamTimeout):
        await collect(make(upstream, http, first_byte_timeout=1, idle_timeout=1), job(HI))
    async with asyncio.timeout(10):
        assert await upstream.left.get() == "/v1/chat/completions"


async def test_nobody_listens(upstream: Upstream, http: HttpPool) -> None:
    provider = make(upstream, http, base_url="http://127.0.0.1:1/v1")
    with pytest.raises(UpstreamFailed, match="cannot connect") as caught:
        await collect(provider, job(HI))
    assert caught.value.details["host"] == "127.0.0.1"


@pytest.mark.parametrize("passing", [False, True])
async def test_who_leaves_cancels_upstream(upstream: Upstream, http: HttpPool, passing: bool) -> None:
    async def answer(asked: Asked) -> None:
        await asked.begin()
        await asked.piece(b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n')
        await asyncio.Event().wait()

    upstream.answer = answer
    asked = relay({"model": "m", "stream": True}) if passing else job(HI)
    async with aclosing(make(upstream, http).stream(asked)) as events:
        async for event in events:
            if isinstance(event, TextDelta | Raw):
                break
    async with asyncio.timeout(10):
        assert await upstream.left.get() == "/v1/chat/completions"


async def test_who_leaves_before_the_first_byte_cancels_upstream(upstream: Upstream, http: HttpPool) -> None:
    got = asyncio.Event()

    async def answer(asked: Asked) -> None:
        got.set()
        await asyncio.Event().wait()

    upstream.answer = answer
    task = asyncio.create_task(collect(make(upstream, http), job(HI)))
    await got.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10):
        assert await upstream.left.get() == "/v1/chat/completions"


# --------------------------------------------------------------------------------------------- pass-through


async def test_a_whole_body_passes_through(upstream: Upstream, http: HttpPool) -> None:
    answered = b'{"odd":  "spacing", "choices":[], "usage":{"prompt_tokens":1}}'

    async def answer(asked: Asked) -> None:
        await asked.whole(answered, content_type="application/json; charset=utf-8")

    upstream.answer = answer
    body = {"model": "alias", "vendor_field": {"a": [1]}, "messages": [{"role": "user", "content": "hi"}]}
    events = await collect(make(upstream, http), relay(body))
    assert events == [RawHead(200, "application/json; charset=utf-8"), Raw(answered)]
    assert upstream.asked[0].json == {**body, "model": "up-model"}


@pytest.mark.parametrize("size", [0, 1, 13])
async def test_a_stream_passes_through_without_the_usage_we_asked_for(
    upstream: Upstream, http: HttpPool, size: int
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.stream(delta('a "usage": {"x":1}'), END, {"choices": [], "usage": USAGE}, size=size)

    upstream.answer = answer
    provider = make(upstream, http)
    head, *raws, usage = await collect(provider, relay({"model": "m", "stream": True}))
    assert head == RawHead(200, "text/event-stream")
    assert usage == Usage(input=9, output=3, cached=4)
    relayed = b"".join(event.data for event in raws if isinstance(event, Raw))
    assert relayed.count(b"data: ") == 3
    assert relayed.endswith(b"data: [DONE]\n\n")
    assert b"prompt_tokens" not in relayed
    assert upstream.asked[0].json["stream_options"] == {"include_usage": True}

    body = {"model": "m", "stream": True, "stream_options": {"include_usage": True}}
    _, *raws = await collect(provider, relay(body))
    relayed = b"".join(event.data for event in raws if isinstance(event, Raw))
    assert relayed.count(b"data: ") == 4
    assert b"prompt_tokens" in relayed


async def test_a_stream_that_ends_without_done_is_whole_if_it_says_why_it_ended(
    upstream: Upstream, http: HttpPool
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.stream(delta("a"), *([END] if asked.json["seed"] else []), done=False)

    upstream.answer = answer
    provider = make(upstream, http)
    await collect(provider, relay({"model": "m", "stream": True, "seed": 1}))
    with pytest.raises(UpstreamFailed, match="before its answer was whole"):
        await collect(provider, relay({"model": "m", "stream": True, "seed": 0}))


# ---------------------------------------------------------------------------------------------------- models


async def test_models(upstream: Upstream, http: HttpPool) -> None:
    async def answer(asked: Asked) -> None:
        await asked.whole({"data": [{"id": "chatty", "max_model_len": 8192}, {"id": "text-embedding-3-small"}]})

    upstream.answer = answer
    chatty, embedding = await make(upstream, http).models()
    assert upstream.asked[0].path == "/v1/models"
    assert (chatty.name, chatty.context_length) == ("chatty", 8192)
    assert {"completion", "tools"} <= chatty.capabilities
    assert embedding.capabilities == {"embedding"}


async def test_models_of_something_else(upstream: Upstream, http: HttpPool) -> None:
    async def answer(asked: Asked) -> None:
        await asked.whole(b"<html>")

    upstream.answer = answer
    with pytest.raises(UpstreamFailed, match="base URL"):
        await make(upstream, http).models()


def test_settings() -> None:
    assert secret_names(KIND.settings_schema) == {"api_key", "api_keys"}
    for wrong in ("ftp://x", "http://user:pw@host/", "no url"):
        with pytest.raises(BadInput):
            KIND.make({"base_url": wrong}, ProviderParts(http=None))
    with pytest.raises(BadInput, match="header"):
        KIND.make({"base_url": "http://x", "headers": {"a": "b\r\nc"}}, ProviderParts(http=None))
