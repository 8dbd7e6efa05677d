"""The fake provider is a provider like others: what its scripts say comes out as events."""

import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest

from inglenook.kit.errors import BadInput, Forbidden, NotFound, TooMany, Unavailable, UpstreamFailed
from inglenook.models.calls import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Event,
    Finished,
    Logprobs,
    Message,
    Notice,
    ReasoningDelta,
    Request,
    ResponseFormat,
    Sampling,
    TextDelta,
    Timings,
    ToolCallDelta,
    ToolSpec,
    Usage,
    Vectors,
)
from inglenook.models.providers import registry
from inglenook.models.providers.base import Job, ProviderParts
from inglenook.models.providers.fake import KIND, Fake
from inglenook.models.providers.fake_media import DIMENSIONS, vector

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "array", "items": {"enum": [3]}}},
}


def make(**settings: Any) -> Fake:
    made = KIND.make(settings, ProviderParts(http=None))
    assert isinstance(made, Fake)
    return made


async def ask(fake: Fake, model: str, request: Request | str) -> list[Event]:
    asked = ChatRequest(messages=[Message("user", request)]) if isinstance(request, str) else request
    async with aclosing(fake.stream(Job(model=model, stream=True, decode=lambda: asked))) as events:
        return [event async for event in events]


def said(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_it_echoes_a_token_a_word_and_counts() -> None:
    assert await ask(make(), "echo", "one two") == [
        TextDelta("one"),
        TextDelta(" two"),
        Usage(input=2, output=2),
        Timings(load_ms=0.1, prompt_ms=1, predicted_ms=2),
        Finished("stop"),
    ]
    assert said(await ask(make(), "echo", CompletionRequest(prompt="raw words"))) == "raw words"


async def test_it_heeds_limits_stops_choices_and_logprobs() -> None:
    def with_(**sampling: Any) -> ChatRequest:
        return ChatRequest(messages=[Message("user", "one two three")], sampling=Sampling(**sampling))

    events = await ask(make(), "echo", with_(max_tokens=2))
    assert (said(events), events[-1]) == ("one two", Finished("length"))
    events = await ask(make(), "echo", with_(stop=["wo"]))
    assert (said(events), events[-1]) == ("one t", Finished("stop", stop_sequence="wo"))
    events = await ask(make(), "echo", with_(n=2))
    assert [event for event in events if isinstance(event, Finished)] == [Finished("stop"), Finished("stop", 1)]
    (first, *_) = [
        event
        for event in await ask(make(), "echo", with_(logprobs=True, top_logprobs=2))
        if isinstance(event, Logprobs)
    ]
    assert (first.tokens[0].token, bytes(first.tokens[0].bytes), len(first.tokens[0].top)) == ("one", b"one", 2)
    assert first.tokens[0].logprob < 0


async def test_it_thinks_calls_tools_and_fits_schemas() -> None:
    thought, *_ = await ask(make(), "think", "a")
    assert isinstance(thought, ReasoningDelta)

    tools = [ToolSpec("weather", parameters=SCHEMA)]
    events = await ask(make(), "tools", ChatRequest(messages=[Message("user", "x")], tools=tools))
    calls = [event for event in events if isinstance(event, ToolCallDelta)]
    assert (calls[0].name, calls[0].index) == ("weather", 0)
    assert json.loads("".join(call.arguments for call in calls)) == {"city": "text", "days": [3]}
    assert events[-1] == Finished("tool_calls")
    after = [Message("user", "x"), Message("assistant"), Message("tool", "sunny", tool_call_id="1")]
    assert said(await ask(make(), "tools", ChatRequest(messages=after, tools=tools))) == "The tools said: sunny"

    formatted = ChatRequest(messages=[Message("user", "x")], response_format=ResponseFormat("json_schema", SCHEMA))
    for model in ("json", "tools"):  # the second one as long as it has no tools to call
        assert json.loads(said(await ask(make(), model, formatted))) == {"city": "text", "days": [3]}
    assert said(await ask(make(), "tools", "x")) == "There are no tools."


async def test_scripts_of_the_settings_and_of_the_prompt() -> None:
    script = {
        "steps": [{"notice": {"message": "cut"}}, {"reasoning": "hm"}, {"text": "hi"}],
        "finish": "length",
        "usage": {"input": 100, "cached": 90},
    }
    for events in (
        await ask(make(scripts={"mine": script}), "mine", "whatever"),
        await ask(make(), "echo", json.dumps(script)),
    ):
        assert events[:3] == [Notice("truncated", "cut"), ReasoningDelta("hm"), TextDelta("hi")]
        assert (events[3], events[-1]) == (Usage(input=100, output=2, cached=90), Finished("length"))
    with pytest.raises(BadInput, match="settings"):
        make(scripts={"mine": {"steps": [{"dance": True}]}})
    with pytest.raises(BadInput, match="not a script"):
        await ask(make(), "echo", '{"steps": [{"dance": true}]}')


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, BadInput), (403, Forbidden), (429, TooMany), (500, UpstreamFailed), (503, Unavailable)],
)
async def test_it_fails_as_told(status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=str(status)):
        await ask(make(), f"error-{status}", "x")
    script = {"steps": [{"text": "before"}, {"error": {"status": status, "message": "now", "retry_after": 3}}]}
    seen: list[Event] = []

    async def read() -> None:
        fake = make(scripts={"late": script})
        request = ChatRequest(messages=[Message("user", "x")])
        async for event in fake.stream(Job(model="late", stream=True, decode=lambda: request)):
            seen.append(event)

    with pytest.raises(kind, match="now"):
        await read()
    assert seen == [TextDelta("before")]
    with pytest.raises(NotFound):
        await ask(make(), "nobody", "x")


async def test_a_gate_holds_until_it_is_opened() -> None:
    fake = make(scripts={"held": {"steps": [{"text": "a"}, {"wait": "door"}, {"text": "b"}]}})
    answer = asyncio.create_task(ask(fake, "held", "x"))
    await fake.gate("door").reached()
    assert not answer.done()
    fake.gate("door").open()
    assert said(await answer) == "ab"

    fake = make(scripts={"held": {"steps": [{"wait": "door"}]}})
    answer = asyncio.create_task(ask(fake, "held", "x"))
    await fake.gate("door").reached()
    answer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answer
    await fake.given_up(1)


async def test_vectors_depend_on_the_words_alone() -> None:
    events = await ask(make(), "embed", EmbeddingRequest(inputs=["sun rise", "sun set", "potato"]))
    assert isinstance(events[0], Vectors)
    rise, set_, potato = events[0].vectors
    assert rise == vector("sun rise")
    assert len(rise) == DIMENSIONS
    assert dot(rise, rise) == pytest.approx(1)
    assert dot(rise, set_) > dot(rise, potato)
    (cut, _) = await ask(make(), "embed", EmbeddingRequest(inputs=["a"], dimensions=8))
    assert isinstance(cut, Vectors)
    assert len(cut.vectors[0]) == 8
    with pytest.raises(BadInput, match="dimensions"):
        await ask(make(), "embed", EmbeddingRequest(inputs=["a"], dimensions=DIMENSIONS + 1))


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


async def test_it_is_registered_but_not_offered() -> None:
    assert registry.get("fake") is KIND
    assert KIND.hidden
    assert {"echo", "embed"} <= {facts.name for facts in await make().models()}


async def test_a_list_of_scripts_is_followed_one_a_turn() -> None:
    fake = make(scripts={"agent": [{"steps": [{"text": "first"}]}, {"steps": [{"text": "then"}]}]})
    request = ChatRequest(messages=[Message("user", "go")])
    for words in ("first", "then", "then"):
        assert said(await ask(fake, "agent", request)) == words
        request.messages += [Message("assistant", words), Message("user", "on")]
