"""An Ollama elsewhere: what only its own protocol has a word for, and its embeddings."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from inglenook.kit.errors import UpstreamFailed
from inglenook.kit.http.pool import HttpPool
from inglenook.models.calls import (
    AudioPart,
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Finished,
    ImagePart,
    LocalOptions,
    Logprobs,
    Message,
    Operation,
    Passthrough,
    ResponseFormat,
    Sampling,
    TextDelta,
    TextPart,
    Timings,
    ToolCall,
    Usage,
    Vectors,
)
from inglenook.models.errors import CannotCarry
from inglenook.models.providers.base import Provider
from tests.support.bought import HI, answers, collect, job, provider, refuses
from tests.support.upstream import Asked, Upstream, open_upstream

DONE = {"done": True, "done_reason": "stop", "prompt_eval_count": 2, "eval_count": 1, "load_duration": 5_000_000}


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with open_upstream() as opened:
        yield opened


@pytest.fixture(params=["", "/v1", "/api/"])
def ollama(upstream: Upstream, http: HttpPool, request: pytest.FixtureRequest) -> Provider:
    return provider("ollama", http, base_url=f"http://127.0.0.1:{upstream.port}{request.param}")


def lines(*told: dict[str, Any]) -> bytes:
    return b"".join(orjson.dumps(line) + b"\n" for line in told)


async def test_every_field_is_carried(ollama: Provider, upstream: Upstream) -> None:
    answers(upstream, lines({"message": {"content": "{}"}}, DONE), 0, "application/x-ndjson")
    request = ChatRequest(
        messages=[
            Message("user", [TextPart("look"), ImagePart("image/png", "AAAA")]),
            Message("assistant", "", tool_calls=[ToolCall("c1", "f", '{"a":1}')], reasoning="hm"),
            Message("tool", "12", tool_call_id="c1", name="f"),
        ],
        sampling=Sampling(max_tokens=5, top_k=3, min_p=0.1, repeat_penalty=1.1, stop=["x"], logprobs=True, n=1),
        response_format=ResponseFormat("json_schema", {"type": "object"}),
        reasoning="high",
        local=LocalOptions(num_ctx=8192, keep_alive=60, truncate=False),
    )
    found = await collect(ollama, job(request, "qwen3:8b"))
    assert found == [TextDelta("{}"), Usage(input=2, output=1), Timings(5.0), Finished("stop")]
    (asked,) = upstream.asked
    assert asked.path == "/api/chat"
    assert asked.json == {
        "model": "qwen3:8b",
        "stream": True,
        "think": True,
        "format": {"type": "object"},
        "keep_alive": 60,
        "truncate": False,
        "logprobs": True,
        "top_logprobs": 0,
        "options": {
            "num_predict": 5,
            "top_k": 3,
            "min_p": 0.1,
            "repeat_penalty": 1.1,
            "stop": ["x"],
            "num_ctx": 8192,
        },
        "messages": [
            {"role": "user", "content": "look", "images": ["AAAA"]},
            {
                "role": "assistant",
                "content": "",
                "thinking": "hm",
                "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": {"a": 1}}}],
            },
            {"role": "tool", "content": "12", "tool_call_id": "c1", "tool_name": "f"},
        ],
    }


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (ChatRequest(messages=HI.messages, tool_choice="required"), "tool_choice"),
        (ChatRequest(messages=HI.messages, parallel_tool_calls=False), "parallel_tool_calls"),
        (ChatRequest(messages=[Message("user", [AudioPart("wav", "AA")])]), "messages[0]"),
        (ChatRequest(messages=HI.messages, sampling=Sampling(n=2)), "n"),
        (CompletionRequest(prompt="a", others=["b"]), "prompt"),
    ],
)
async def test_what_it_has_no_word_for_is_refused(
    ollama: Provider, upstream: Upstream, request_: Any, field: str
) -> None:
    with pytest.raises(CannotCarry) as caught:
        await collect(ollama, job(request_))
    assert caught.value.field == field
    assert upstream.asked == []


async def test_texts_go_on(ollama: Provider, upstream: Upstream) -> None:
    told = {"response": "b", "logprobs": [{"token": "b", "logprob": -1, "top_logprobs": []}]}
    answers(upstream, lines(told, {**DONE, "done_reason": "length", "context": [1, 2]}))
    request = CompletionRequest(prompt="a", local=LocalOptions(context=[7]))
    text, logprobs, *_, finished = await collect(ollama, job(request, operation=Operation.COMPLETION))
    assert (text, finished) == (TextDelta("b"), Finished("length", context=[1, 2]))
    assert isinstance(logprobs, Logprobs)
    await collect(ollama, job(CompletionRequest(prompt="a", suffix="z"), operation=Operation.COMPLETION))
    raw, filled = (asked.json for asked in upstream.asked)
    assert (raw["prompt"], raw["raw"], raw["context"]) == ("a", True, [7])
    assert (filled["suffix"], "raw" in filled) == ("z", False)


async def test_a_model_is_loaded_and_unloaded(ollama: Provider, upstream: Upstream) -> None:
    answers(upstream, lines({"message": {"content": ""}, "done": True, "done_reason": "unload"}))
    request = ChatRequest(messages=[], local=LocalOptions(keep_alive=0))
    assert await collect(ollama, job(request)) == [Finished("unload")]
    assert (upstream.asked[0].json["keep_alive"], upstream.asked[0].json["messages"]) == (0, [])


async def test_embeddings(ollama: Provider, upstream: Upstream) -> None:
    refuses(upstream, 200, {"embeddings": [[1, 2.5]], "prompt_eval_count": 3})
    request = EmbeddingRequest(inputs=["a"], dimensions=2, local=LocalOptions(truncate=False))
    assert await collect(ollama, job(request, "bge")) == [Vectors([[1, 2.5]]), Usage(input=3)]
    assert upstream.asked[0].json == {"model": "bge", "input": ["a"], "dimensions": 2, "truncate": False}
    with pytest.raises(UpstreamFailed, match="1 usable vectors for 2 inputs"):
        await collect(ollama, job(EmbeddingRequest(inputs=["a", "b"])))


async def test_an_error_in_the_middle(ollama: Provider, upstream: Upstream) -> None:
    answers(upstream, lines({"message": {"content": "a"}}, {"error": "an error was encountered while running"}))
    with pytest.raises(UpstreamFailed, match="while running"):
        await collect(ollama, job(HI))


def test_a_body_passes_unless_its_openai_face_would_pass_over_what_it_says(ollama: Any, http: HttpPool) -> None:
    inglenook: Any = provider("inglenook", http, base_url="http://127.0.0.1:1", api_key="ink-1")
    for field, passes in (("temperature", True), ("num_ctx", False), ("keep_alive", False), ("truncate", False)):
        passthrough = Passthrough("openai.chat", {"model": "m", field: 1}, False)
        assert ollama.passes("m", passthrough) is passes
        assert inglenook.passes("m", passthrough)


async def test_a_broken_model_does_not_hide_the_others(ollama: Provider, upstream: Upstream) -> None:
    async def answer(asked: Asked) -> None:
        if asked.path == "/api/tags":
            await asked.whole({"models": [{"name": "good"}, {"name": "bad-embed"}]})
        elif asked.json["model"] == "good":
            await asked.whole({"capabilities": ["embedding"], "model_info": {"bert.embedding_length": 384}})
        else:
            await asked.whole({"error": "blob missing"}, 500)

    upstream.answer = answer
    good, bad = await ollama.models()
    assert (good.capabilities, good.embedding_length) == ({"embedding"}, 384)
    assert (bad.name, bad.capabilities) == ("bad-embed", {"embedding"})
