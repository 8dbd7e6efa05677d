"""The gateway as a function."""

import asyncio
from contextlib import aclosing

import pytest

from inglenook.accounts.principal import CONSOLE
from inglenook.gateway.call import Call
from inglenook.gateway.errors import NotCapable
from inglenook.kit.errors import NotFound, TooMany, Unauthenticated, UpstreamFailed
from inglenook.models.calls import (
    ChatRequest,
    EmbeddingRequest,
    Event,
    Finished,
    Message,
    Notice,
    Operation,
    Passthrough,
    Routed,
    TextDelta,
    Usage,
    Vectors,
)
from tests.support.gateway import Desk


def chat(model: str, text: str = "one two three", **more: object) -> Call:
    """A chat call with one user message."""
    request = ChatRequest(messages=[Message("user", text)])
    return Call(operation=Operation.CHAT, model=model, decode=lambda: request, **more)  # type: ignore[arg-type]


async def collect(desk: Desk, call: Call) -> list[Event]:
    """Every event of a call."""
    async with aclosing(desk.gateway.call(call)) as events:
        return [event async for event in events]


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_a_call_says_who_answers_and_answers(desk: Desk) -> None:
    events = await collect(desk, chat("echo", credential=desk.key.encode(), source="openai", run_id="run_1"))

    assert events[0] == Routed("echo", "fake", False, [{"step": "route", "why": "named"}])
    assert text_of(events) == "one two three"
    assert events[-1] == Finished("stop")

    (entry,) = await desk.ledger.entries()
    assert (entry.user_id, entry.key_id) == (desk.principal.user_id, desk.principal.key_id)
    assert (entry.model, entry.provider, entry.operation, entry.source) == ("echo", "fake", "chat", "openai")
    assert (entry.input_tokens, entry.output_tokens, entry.estimated) == (3, 3, False)
    assert (entry.status, entry.run_id, entry.cost) == ("finished", "run_1", None)
    assert entry.ttft_ms is not None
    assert 0 <= entry.ttft_ms <= entry.duration_ms


async def test_callers_inside_bring_their_principal(desk: Desk) -> None:
    events = await collect(desk, chat("echo", principal=desk.principal))
    assert text_of(events) == "one two three"


@pytest.mark.parametrize("credential", [None, b"", b"ink-nobody"])
async def test_without_a_good_key_nothing_is_asked(desk: Desk, credential: bytes | None) -> None:
    with pytest.raises(Unauthenticated, match="API key"):
        await collect(desk, chat("echo", credential=credential))
    assert desk.fake.jobs == []
    assert await desk.ledger.entries() == []


async def test_a_model_one_may_not_use_is_not_there(desk: Desk) -> None:
    await desk.revoke_models()
    with pytest.raises(NotFound) as forbidden:
        await collect(desk, chat("echo", principal=desk.principal))
    with pytest.raises(NotFound) as unknown:
        await collect(desk, chat("nothing", principal=desk.principal))
    assert forbidden.value.message.replace("echo", "nothing") == unknown.value.message
    assert desk.gateway.visible(desk.principal) == []


async def test_a_key_calls_the_models_it_is_for(desk: Desk) -> None:
    key = await desk.accounts.keys.create(CONSOLE, desk.principal.user_id, "narrow", models=["think"])
    credential = key.secret.encode()
    assert text_of(await collect(desk, chat("think", credential=credential)))
    with pytest.raises(NotFound):
        await collect(desk, chat("echo", credential=credential))
    narrow = desk.gateway.principal(credential)
    assert [entry.name for entry in desk.gateway.visible(narrow)] == ["think"]


async def test_a_model_must_be_able_to(desk: Desk) -> None:
    with pytest.raises(NotCapable, match="'embed' does not support chat"):
        await collect(desk, chat("embed", principal=desk.principal))
    with pytest.raises(NotCapable, match="'plain' does not support tools"):
        await collect(desk, chat("plain", principal=desk.principal, needs=frozenset({"tools"})))
    request = EmbeddingRequest(inputs=["a"])
    with pytest.raises(NotCapable, match="embeddings"):
        await collect(
            desk,
            Call(operation=Operation.EMBEDDING, model="echo", decode=lambda: request, principal=desk.principal),
        )


@pytest.mark.parametrize("stream", [False, True])
async def test_a_body_that_cannot_pass_is_read(desk: Desk, stream: bool) -> None:
    desk.fake.wires = frozenset({"openai.chat"})
    asked: list[tuple[str, Passthrough]] = []

    def passes(model: str, passthrough: Passthrough) -> bool:
        asked.append((model, passthrough))
        return False

    desk.fake.passes = passes  # type: ignore[attr-defined]
    passthrough = Passthrough("openai.chat", {"model": "echo"}, stream)
    call = chat("echo", principal=desk.principal, passthrough=passthrough)
    events = await collect(desk, call) if stream else await desk.gateway.whole(call)
    assert text_of(events) == "one two three"
    assert desk.fake.jobs[-1].passthrough is None
    assert asked[0] == ("echo", passthrough)


async def test_embeddings(desk: Desk) -> None:
    request = EmbeddingRequest(inputs=["a b", "c"])
    call = Call(operation=Operation.EMBEDDING, model="embed", decode=lambda: request, principal=desk.principal)
    events = await collect(desk, call)
    vectors = next(event.vectors for event in events if isinstance(event, Vectors))
    assert len(vectors) == 2
    (entry,) = await desk.ledger.entries()
    assert (entry.operation, entry.input_tokens, entry.status) == ("embedding", 3, "finished")


async def test_an_error_before_the_answer_is_raised_and_settled(desk: Desk) -> None:
    with pytest.raises(TooMany) as caught:
        await collect(desk, chat("error-429", principal=desk.principal))
    assert caught.value.retry_after == 7
    (entry,) = await desk.ledger.entries()
    assert (entry.status, entry.input_tokens, entry.output_tokens, entry.ttft_ms) == ("failed", 0, 0, None)
    assert desk.gateway.running == {}


@pytest.mark.parametrize("model", ["cut", "silent-cut"])
async def test_an_answer_that_breaks_is_never_whole(desk: Desk, model: str) -> None:
    seen: list[Event] = []

    async def watch() -> None:
        async for event in desk.gateway.call(chat(model, principal=desk.principal)):
            seen.append(event)

    with pytest.raises(UpstreamFailed):
        await watch()
    assert text_of(seen) == "one two three four five"
    (entry,) = await desk.ledger.entries()
    assert (entry.status, entry.estimated) == ("failed", True)
    assert entry.output_tokens > 0


async def test_a_reader_who_leaves_cancels_and_pays_for_what_came(desk: Desk) -> None:
    script = '{"steps": [{"text": "one two three four"}, {"wait": "gate"}, {"text": "five"}]}'
    async with aclosing(desk.gateway.call(chat("echo", script, principal=desk.principal))) as events:
        async for event in events:
            if isinstance(event, TextDelta) and event.text.strip() == "four":
                assert len(desk.gateway.running) == 1
                break
    assert desk.fake.cancelled == 1
    (entry,) = await desk.ledger.entries()
    assert (entry.status, entry.estimated) == ("cancelled", True)
    assert entry.input_tokens > 0
    assert entry.output_tokens == 5  # 18 bytes
    assert desk.gateway.running == {}


async def test_a_cancelled_task_settles_once(desk: Desk) -> None:
    call = chat("echo", '{"steps": [{"text": "one"}, {"wait": "gate"}]}', principal=desk.principal)
    task = asyncio.create_task(collect(desk, call))
    await desk.fake.gate("gate").reached()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert desk.fake.cancelled == 1
    assert [entry.status for entry in await desk.ledger.entries()] == ["cancelled"]


async def test_a_whole_answer_is_what_a_call_gives(desk: Desk) -> None:
    read = await collect(desk, chat("think", principal=desk.principal))
    assert await desk.gateway.whole(chat("think", principal=desk.principal)) == read
    one, other = await desk.ledger.entries()
    assert (one.status, one.input_tokens, one.output_tokens) == ("finished", other.input_tokens, other.output_tokens)


@pytest.mark.parametrize("model", ["cut", "silent-cut", "error-429"])
async def test_there_is_no_whole_of_an_answer_that_breaks(desk: Desk, model: str) -> None:
    with pytest.raises(TooMany if model == "error-429" else UpstreamFailed):
        await desk.gateway.whole(chat(model, principal=desk.principal))
    assert [entry.status for entry in await desk.ledger.entries()] == ["failed"]
    assert desk.gateway.running == {}


async def test_a_cancelled_wait_for_the_whole_settles_once(desk: Desk) -> None:
    call = chat("echo", '{"steps": [{"text": "one"}, {"wait": "gate"}]}', principal=desk.principal)
    task = asyncio.create_task(desk.gateway.whole(call))
    await desk.fake.gate("gate").reached()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert desk.fake.cancelled == 1
    assert [entry.status for entry in await desk.ledger.entries()] == ["cancelled"]
    assert desk.gateway.running == {}


async def test_who_stops_reading_after_the_end_has_it_all(desk: Desk) -> None:
    async with aclosing(desk.gateway.call(chat("echo", principal=desk.principal))) as events:
        async for event in events:
            if isinstance(event, Finished):
                break
    (entry,) = await desk.ledger.entries()
    assert (entry.status, entry.estimated) == ("finished", False)


async def test_usage_follows_the_words(desk: Desk) -> None:
    events = await collect(desk, chat("long", principal=desk.principal))
    usage = next(event for event in events if isinstance(event, Usage))
    assert (usage.input, usage.output) == (3, 200)


async def test_where_nobody_counts_a_prompt_is_estimated_and_costs_nothing(desk: Desk) -> None:
    request = ChatRequest(messages=[Message("user", "x" * 400)])
    call = Call(operation=Operation.COUNT, model="echo", decode=lambda: request, principal=desk.principal)
    _, notice, usage, finished = await collect(desk, call)
    assert isinstance(notice, Notice)
    assert notice.kind == "estimated"
    assert usage == Usage(input=104, estimated=True)
    assert finished == Finished("stop")
    assert desk.fake.jobs == []
    (entry,) = await desk.ledger.entries()
    assert (entry.operation, entry.input_tokens, entry.status) == ("count", 0, "finished")
