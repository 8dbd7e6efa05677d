"""What the meter reads off relayed bytes, and what it counts itself."""

import json
from contextlib import aclosing
from typing import Any

import pytest

from inglenook.gateway.call import Call
from inglenook.models.calls import ChatRequest, Message, Operation, Passthrough, Raw, RawHead
from inglenook.models.prices import Prices
from inglenook.models.providers.base import ModelFacts
from tests.support.gateway import Desk

WORD = "wörter "  # 8 bytes: two tokens by our count


class Relaying:
    """A provider that relays what it is given."""

    kind = "relaying"
    wires = frozenset({"openai.chat"})

    def __init__(self, chunks: list[bytes], content_type: str = "text/event-stream") -> None:
        self._chunks = chunks
        self._content_type = content_type

    async def stream(self, job: Any) -> Any:
        yield RawHead(200, self._content_type)
        for chunk in self._chunks:
            yield Raw(chunk)

    async def models(self) -> list[ModelFacts]:
        return [ModelFacts(name="relay")]

    async def close(self) -> None: ...


def event(text: str, usage: Any = None) -> bytes:
    choices = [{"index": 0, "delta": {"content": text}}] if text else []
    return b"data: " + json.dumps({"choices": choices, "usage": usage}).encode() + b"\n\n"


async def relay(desk: Desk, provider: Relaying, *, leave_after: int = 0, bought: bool = False, longest: int = 0) -> Any:
    await desk.shelf.put(provider, "prv_1")
    entry = desk.shelf.resolve("relay")
    entry.prices = Prices(input=1, output=1) if bought else None
    entry.facts.output_length = longest
    body = {"model": "relay", "messages": [{"role": "user", "content": "12345678"}]}
    call = Call(
        operation=Operation.CHAT,
        model="relay",
        decode=lambda: ChatRequest(messages=[Message("user", "12345678")]),
        passthrough=Passthrough("openai.chat", body, True),
        principal=desk.principal,
    )
    seen = 0
    async with aclosing(desk.gateway.call(call)) as events:
        async for one in events:
            seen += isinstance(one, Raw)
            if leave_after and seen == leave_after:
                break
    (entry,) = await desk.ledger.entries()
    return entry


@pytest.mark.parametrize("count", [1, 100, 3000])
async def test_usage_at_the_end_of_a_stream(desk: Desk, count: int) -> None:
    chunks = [*[event(WORD)] * count, event("", {"prompt_tokens": 5, "completion_tokens": 6}), b"data: [DONE]\n\n"]
    entry = await relay(desk, Relaying(chunks))
    assert (entry.input_tokens, entry.output_tokens, entry.estimated) == (5, 6, False)


@pytest.mark.parametrize("count", [1, 100, 3000])
@pytest.mark.parametrize("leaves", [False, True])
async def test_a_stream_that_does_not_tell_is_counted(desk: Desk, count: int, leaves: bool) -> None:
    chunks = [*[event(WORD)] * count, event("never seen") if leaves else b"data: [DONE]\n\n"]
    entry = await relay(desk, Relaying(chunks), leave_after=count if leaves else 0)
    assert entry.status == ("cancelled" if leaves else "finished")
    assert entry.estimated
    assert entry.output_tokens == 2 * count
    assert entry.input_tokens == 3  # "user" and eight digits


async def test_a_whole_body_tells(desk: Desk) -> None:
    body = json.dumps({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 6}}).encode()
    entry = await relay(desk, Relaying([body[:10], body[10:]], "application/json"))
    assert (entry.input_tokens, entry.output_tokens, entry.estimated) == (5, 6, False)


async def test_of_a_bought_answer_that_is_left_some_was_on_its_way(desk: Desk) -> None:
    left = await relay(desk, Relaying([event(WORD * 50)] * 3), leave_after=2, bought=True)
    assert (left.status, left.estimated, left.output_tokens) == ("cancelled", True, 200 + 50 + 32)


async def test_it_is_never_more_than_the_answer_could_have(desk: Desk) -> None:
    left = await relay(desk, Relaying([event(WORD * 50)] * 3), leave_after=2, bought=True, longest=210)
    assert left.output_tokens == 210


async def test_usage_that_came_before_the_answer_tells_of_the_prompt_alone(desk: Desk) -> None:
    early = event("", {"prompt_tokens": 9, "completion_tokens": 1})
    left = await relay(desk, Relaying([early, event(WORD * 50), event(WORD)]), leave_after=2, bought=True)
    assert (left.input_tokens, left.output_tokens, left.estimated) == (9, 100 + 25 + 32, True)
