"""Every vendor of the OpenAI family in its own documented shape, played on loopback.

A vendor is a file in `vendors/`; adding one adds data and no code:

    kind, model                   and `settings` beyond address and key
    [asks]                        how one and the same request is said to it: `fields` of the body (as JSON, without
                                  messages and tools), `off` what is there when it shall not think, `off_refused` that
                                  it cannot, `refuses` the fields it has no word for, `without` what the request omits
    [passes]                      what `body`, a caller's own, becomes
    [stream], [tools], [whole]    answers as its documentation prints them (`sse`, `body`), and what is read of them
    [[errors]]                    refusals with `status`, `headers` and `body`; what they become, and what is said
    [lists]                       a list of models, and facts read of it
"""

import importlib
import json
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from inglenook.kit import errors as kit_errors
from inglenook.kit.errors import InglenookError, TooMany, UpstreamFailed
from inglenook.kit.http.pool import HttpPool
from inglenook.models import errors as models_errors
from inglenook.models.calls import (
    ChatRequest,
    Event,
    Finished,
    Message,
    Passthrough,
    Raw,
    RawHead,
    ReasoningDelta,
    Sampling,
    TextDelta,
    ToolCallDelta,
    ToolSpec,
    Usage,
)
from inglenook.models.errors import CannotCarry, KeyRefused
from inglenook.models.providers import registry
from inglenook.models.providers.base import Job, Provider
from inglenook.models.providers.openai_family import OpenAIFamily
from inglenook.models.providers.wires.openai_usage import UsageScanner, usage_in_body
from tests.support.bought import KEY, answers, collect, job, passing, pour, provider, read_into, refuses
from tests.support.upstream import Asked, Upstream, open_upstream

FOLDER = Path(__file__).parent / "vendors"
VENDORS = sorted(path.stem for path in FOLDER.glob("*.toml"))
TOOL = ToolSpec("distance", "How far something is", {"type": "object", "properties": {"to": {"type": "string"}}})
QUESTION = [Message("system", "Be brief."), Message("user", "How far is the moon?")]
VALUES: dict[str, Any] = {"n": 2, "stop": ["x"], "logit_bias": {"1": 1.0}, "logprobs": True, "seed": 7}


class Vendor(msgspec.Struct):
    """One file of `vendors/`."""

    kind: str
    model: str
    stream: dict[str, Any]
    settings: dict[str, Any] = {}
    path: str = "/v1/chat/completions"
    base: str = "/v1"
    proof: tuple[str, str] = ("authorization", f"Bearer {KEY}")
    asks: dict[str, Any] = {}
    passes: dict[str, Any] = {}
    tools: dict[str, Any] = {}
    whole: dict[str, Any] = {}
    errors: list[dict[str, Any]] = []
    lists: dict[str, Any] = {}


def read(name: str) -> Vendor:
    return msgspec.convert(tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8")), Vendor)


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    return read(request.param)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with open_upstream() as opened:
        yield opened


@pytest.fixture
def asked(vendor: Vendor, upstream: Upstream, http: HttpPool) -> Provider:
    address = f"http://127.0.0.1:{upstream.port}{vendor.base}"
    return provider(vendor.kind, http, base_url=address, api_key=KEY, **vendor.settings)


def question(vendor: Vendor, reasoning: str | None = "high", **sampling: Any) -> Job:
    usual = {"max_tokens": 64, "temperature": 0.5}
    for name in vendor.asks.get("without", ()):
        usual.pop(name)
    given = {**usual, **sampling}
    request = ChatRequest(
        messages=QUESTION, tools=[TOOL], tool_choice="auto", reasoning=reasoning, user="u-1", sampling=Sampling(**given)
    )
    return job(request, vendor.model)


def kind_of(name: str) -> type[InglenookError]:
    found: type[InglenookError] = getattr(models_errors, name, None) or getattr(kit_errors, name)
    return found


def test_every_vendor_has_its_file() -> None:
    modules = {name: importlib.import_module(point.partition(":")[0]) for name, point in registry.BUILT_IN.items()}
    family = {name for name, module in modules.items() if hasattr(module, "VENDOR")}
    assert {read(name).kind for name in VENDORS} == family


# ------------------------------------------------------------------------------------------------- what is said


async def test_a_request_is_said_its_way(vendor: Vendor, asked: Provider, upstream: Upstream) -> None:
    sse(upstream, vendor.stream)
    await collect(asked, question(vendor))
    (request,) = upstream.asked
    assert request.path == vendor.path
    name, value = vendor.proof
    assert request.headers[name] == value
    body = request.json
    assert [message["role"] for message in body.pop("messages")] == ["system", "user"]
    assert [tool["function"]["name"] for tool in body.pop("tools")] == ["distance"]
    assert body == json.loads(vendor.asks["fields"])


async def test_it_is_told_not_to_think(vendor: Vendor, asked: Provider, upstream: Upstream) -> None:
    sse(upstream, vendor.stream)
    if vendor.asks.get("off_refused"):
        with pytest.raises(CannotCarry) as caught:
            await collect(asked, question(vendor, "none"))
        assert caught.value.field == "reasoning_effort"
        return
    await collect(asked, question(vendor, None))
    await collect(asked, question(vendor, "none"))
    unsaid, said = (request.json for request in upstream.asked)
    assert said == {**unsaid, **json.loads(vendor.asks.get("off", "{}"))}


async def test_what_it_does_not_take_is_refused_by_name(vendor: Vendor, asked: Provider, upstream: Upstream) -> None:
    for name in vendor.asks.get("refuses", ()):
        with pytest.raises(CannotCarry) as caught:
            await collect(asked, question(vendor, None, **{name: VALUES.get(name, 0.5)}))
        assert caught.value.field == name
    assert upstream.asked == []


async def test_a_callers_own_body_passes(vendor: Vendor, asked: Provider, upstream: Upstream) -> None:
    answers(upstream, vendor.stream.get("relayed", vendor.stream["sse"]).lstrip().encode())
    body = {
        "model": "alias",
        "messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "hi"}],
        "max_completion_tokens": 5,
        "reasoning_effort": "low",
        "vendor_field": {"a": [1]},
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    passthrough = Passthrough("openai.chat", body, True)
    passes = getattr(asked, "passes", None)
    assert passes is None or passes(vendor.model, passthrough)
    await collect(asked, passing("openai.chat", body, vendor.model))
    sent = upstream.asked[0].json
    assert sent.pop("vendor_field") == {"a": [1]}
    assert sent.pop("messages")[0]["role"] == vendor.passes.get("role", "system")
    assert sent == json.loads(vendor.passes["body"])


# ---------------------------------------------------------------------------------------------- what is answered


@pytest.mark.parametrize("size", [0, 1, 7])
async def test_a_stream_is_read(vendor: Vendor, asked: Provider, upstream: Upstream, size: int) -> None:
    sse(upstream, vendor.stream, size)
    *said, usage, finished = drop_timings(await collect(asked, question(vendor)))
    assert text(said) == vendor.stream["text"]
    assert "".join(event.text for event in said if isinstance(event, ReasoningDelta)) == vendor.stream.get(
        "reasoning", ""
    )
    assert usage == Usage(**vendor.stream["usage"])
    assert finished == Finished(vendor.stream.get("finish", "stop"))


async def test_tool_calls_are_read(vendor: Vendor, asked: Provider, upstream: Upstream) -> None:
    if not vendor.tools:
        pytest.skip("it calls no tools")
    sse(upstream, vendor.tools)
    events = await collect(asked, question(vendor, None))
    calls: dict[int, dict[str, str]] = {}
    for event in events:
        if isinstance(event, ToolCallDelta):
            call = calls.setdefault(event.index, {"id": "", "name": "", "arguments": ""})
            call["id"] += event.id
            call["name"] += event.name
            call["arguments"] += event.arguments
    found = [{**call, "arguments": json.loads(call["arguments"])} for _, call in sorted(calls.items())]
    if not vendor.tools["calls"][0].get("id"):  # it gives none, so we did
        assert all(call.pop("id") for call in found)
    assert found == vendor.tools["calls"]
    assert events[-1] == Finished("tool_calls")


async def test_a_whole_answer_passes_and_its_usage_is_found(
    vendor: Vendor, asked: Provider, upstream: Upstream
) -> None:
    body = vendor.whole["body"].encode()
    refuses(upstream, 200, body)
    events = await collect(asked, passing("openai.chat", {"model": "m", "messages": []}, vendor.model))
    assert events == [RawHead(200, "application/json"), Raw(body)]
    assert usage_in_body(body) == Usage(**vendor.whole["usage"])


async def test_a_stream_passes_byte_by_byte_and_its_usage_is_found(
    vendor: Vendor, asked: Provider, upstream: Upstream
) -> None:
    relayed = vendor.stream.get("relayed", vendor.stream["sse"]).lstrip().encode()
    answers(upstream, relayed)
    body = {"model": "m", "messages": [], "stream": True, "stream_options": {"include_usage": True}}
    head, *raws = await collect(asked, passing("openai.chat", body, vendor.model))
    assert head == RawHead(200, "text/event-stream")
    data = b"".join(event.data for event in raws if isinstance(event, Raw))
    assert data == relayed
    scanner = UsageScanner()
    scanner.feed(data)
    assert scanner.usage == Usage(**vendor.stream["usage"])


# ------------------------------------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize("translated", [True, False])
async def test_its_refusals_are_understood(
    vendor: Vendor, asked: Provider, upstream: Upstream, translated: bool
) -> None:
    for error in vendor.errors:
        headers = {name.replace("-", "_"): value for name, value in error.get("headers", {}).items()}
        refuses(upstream, error["status"], error["body"].replace("KEY", KEY).encode(), **headers)
        work = question(vendor, None) if translated else passing("openai.chat", {"messages": []}, vendor.model)
        with pytest.raises(InglenookError) as caught:
            await collect(asked, work)
        assert type(caught.value) is kind_of(error["becomes"]), (error, caught.value)
        assert error["says"] in caught.value.message
        assert KEY not in caught.value.message
        assert caught.value.retry_after == error.get("retry_after")


@pytest.mark.parametrize(
    ("status", "kind", "headers", "wait"),
    [
        (401, KeyRefused, {}, None),
        (429, TooMany, {"retry_after": "3"}, 3),
        (429, TooMany, {"retry_after_ms": "1500"}, 1.5),
        (500, UpstreamFailed, {}, None),
    ],
)
async def test_statuses_are_understood(
    vendor: Vendor,
    asked: Provider,
    upstream: Upstream,
    status: int,
    kind: type[InglenookError],
    headers: dict[str, str],
    wait: float | None,
) -> None:
    refuses(upstream, status, {"error": {"message": f"no, not with {KEY}"}}, **headers)
    with pytest.raises(kind, match="no, not with") as caught:
        await collect(asked, question(vendor, None))
    assert type(caught.value) is kind
    assert KEY not in caught.value.message
    assert caught.value.retry_after == wait


async def test_a_stream_that_is_cut(vendor: Vendor, asked: Provider, upstream: Upstream) -> None:
    whole = vendor.stream["sse"].lstrip().encode()
    answers(upstream, whole[: len(whole) // 3], 0, vendor.stream.get("type", "text/event-stream"))
    seen: list[Event] = []
    with pytest.raises(UpstreamFailed, match="before its answer was whole"):
        await read_into(seen, asked, question(vendor))
    assert not any(isinstance(event, Finished) for event in seen)


async def test_a_malformed_chunk(vendor: Vendor, asked: Provider, upstream: Upstream) -> None:
    line = "{nonsense\n" if "json" in vendor.stream.get("type", "") else "data: {nonsense\n\n"
    data = line + vendor.stream["sse"].lstrip()
    answers(upstream, data.encode(), 0, vendor.stream.get("type", "text/event-stream"))
    with pytest.raises(UpstreamFailed, match="malformed"):
        await collect(asked, question(vendor))


async def test_an_error_in_place_of_a_stream(vendor: Vendor, asked: Provider, upstream: Upstream) -> None:
    """Whoever has another target may ask it: nothing has gone to the caller yet."""
    if not vendor.stream.get("error"):
        pytest.skip("it says with the status what went wrong")
    data = vendor.stream["error"].lstrip().encode()

    async def answer(request: Asked) -> None:
        await pour(request, data)

    upstream.answer = answer
    for work in (question(vendor, None), passing("openai.chat", {"messages": [], "stream": True}, vendor.model)):
        seen: list[Event] = []
        with pytest.raises(InglenookError) as caught:
            await read_into(seen, asked, work)
        assert type(caught.value) is kind_of(vendor.stream["error_becomes"])
        assert all(isinstance(event, RawHead) for event in seen)


# ------------------------------------------------------------------------------------------------- what it offers


async def test_its_models_are_listed(vendor: Vendor, asked: Provider, upstream: Upstream) -> None:
    if not vendor.lists:
        assert isinstance(asked, OpenAIFamily)
        assert {facts.name for facts in await asked.models()} >= {vendor.model}
        assert upstream.asked == []
        return
    bodies = {path: orjson.loads(body) for path, body in vendor.lists["answers"].items()}

    async def answer(request: Asked) -> None:
        await request.whole(bodies[request.path])

    upstream.answer = answer
    found = {facts.name: facts for facts in await asked.models()}
    for name, wanted in vendor.lists.get("facts", {}).items():
        facts = msgspec.to_builtins(found[name])
        facts["capabilities"] = sorted(facts.get("capabilities", ["completion"]))
        for field, value in wanted.items():
            if field == "prices":
                assert {key: facts["prices"].get(key) for key in value} == value
            else:
                assert facts.get(field, 0) == value, (name, field)


async def test_its_models_are_known(vendor: Vendor) -> None:
    """What an administrator may choose without asking is there under its name."""
    data = registry.get(vendor.kind).known()
    assert len({facts.name for facts in data}) == len(data)


def sse(upstream: Upstream, told: dict[str, Any], size: int = 0) -> None:
    answers(upstream, told["sse"].lstrip().encode(), size, told.get("type", "text/event-stream"))


def text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def drop_timings(events: list[Event]) -> list[Event]:
    return [event for event in events if type(event).__name__ != "Timings"]
