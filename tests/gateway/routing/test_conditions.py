"""Which calls are taken: tables of cases."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from inglenook.gateway.routing.conditions import Asked, cannot, compiled, price, room
from inglenook.gateway.routing.definition import RouteConditions
from inglenook.models import prices
from inglenook.models.calls import ChatRequest, EmbeddingRequest, Message, Operation, Passthrough, Sampling
from inglenook.models.prices import Prices
from tests.support.routing import Call, chat, entry, exchange


def asked(call: Call | None = None, **more: Any) -> Asked:
    return Asked(exchange(call or chat("m"), **more), prices.cost)


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("given", "call", "why"),
    [
        ({}, {}, ""),
        ({"needs": ["vision"]}, {"needs": frozenset({"vision", "tools"})}, ""),
        ({"needs": ["vision"]}, {"needs": frozenset({"tools"})}, "needs"),
        ({"needs": ["completion"]}, {}, ""),  # the operation needs it
        ({"tags": ["batch", "night"]}, {"tags": frozenset({"night"})}, ""),
        ({"tags": ["batch"]}, {}, "tags"),
        ({"without_tags": ["secret"]}, {}, ""),
        ({"without_tags": ["secret"]}, {"tags": frozenset({"secret", "batch"})}, "tags"),
    ],
)
def test_of_what_the_call_says(given: dict[str, Any], call: dict[str, Any], why: str) -> None:
    when = compiled(RouteConditions(**given))
    assert (when.passed_over(asked(chat("m", **call))) if when else "") == why


@pytest.mark.parametrize(
    ("given", "tokens", "why"),
    [
        ({"max_prompt_tokens": 100}, 100, ""),
        ({"max_prompt_tokens": 100}, 101, "prompt"),
        ({"min_prompt_tokens": 100}, 100, ""),
        ({"min_prompt_tokens": 100}, 99, "prompt"),
        ({"min_prompt_tokens": 100, "max_prompt_tokens": 200}, 150, ""),
    ],
)
def test_of_the_prompt(given: dict[str, Any], tokens: int, why: str) -> None:
    when = compiled(RouteConditions(**given))
    assert when is not None
    assert when.passed_over(asked(prompt_tokens=tokens)) == why


#: 2026-11-23 is a Monday.
@pytest.mark.parametrize(
    ("window", "moment", "holds"),
    [
        ({"start": "09:00", "end": "17:00"}, at("2026-11-23T09:00"), True),
        ({"start": "09:00", "end": "17:00"}, at("2026-11-23T16:59"), True),
        ({"start": "09:00", "end": "17:00"}, at("2026-11-23T17:00"), False),
        ({"start": "09:00", "end": "17:00"}, at("2026-11-23T08:59"), False),
        ({"days": ["sat", "sun"]}, at("2026-11-22T12:00"), True),
        ({"days": ["sat", "sun"]}, at("2026-11-23T12:00"), False),
        ({"start": "22:00", "end": "06:00"}, at("2026-11-23T23:30"), True),
        ({"start": "22:00", "end": "06:00"}, at("2026-11-23T05:59"), True),
        ({"start": "22:00", "end": "06:00"}, at("2026-11-23T06:00"), False),
        # A night belongs to the day it begins on.
        ({"days": ["sun"], "start": "22:00", "end": "06:00"}, at("2026-11-23T05:00"), True),
        ({"days": ["mon"], "start": "22:00", "end": "06:00"}, at("2026-11-23T05:00"), False),
        ({"days": ["mon"], "start": "22:00", "end": "06:00"}, at("2026-11-24T05:00"), True),
        ({"start": "08:00", "end": "00:00"}, at("2026-11-23T23:59"), True),
        ({"start": "08:00", "end": "00:00"}, at("2026-11-23T00:00"), False),
        # 23:30 in London is 07:30 of the next day in Shanghai.
        ({"days": ["tue"], "zone": "Asia/Shanghai"}, at("2026-11-23T23:30", "Europe/London"), True),
        ({"start": "07:00", "end": "08:00", "zone": "Asia/Shanghai"}, at("2026-11-23T23:30", "Europe/London"), True),
        # Summer time: the same hour on the wall.
        ({"start": "09:00", "end": "10:00", "zone": "Europe/Berlin"}, at("2026-07-20T07:30"), True),
        ({"start": "09:00", "end": "10:00", "zone": "Europe/Berlin"}, at("2026-11-23T08:30"), True),
        ({"start": "09:00", "end": "10:00", "zone": "Europe/Berlin"}, at("2026-11-23T07:30"), False),
    ],
)
def test_of_the_time(window: dict[str, Any], moment: int, holds: bool) -> None:
    when = compiled(RouteConditions(times=[window]))
    assert when is not None
    assert when.passed_over(asked(at=moment)) == ("" if holds else "time")


def test_one_of_several_windows_suffices() -> None:
    when = compiled(RouteConditions(times=[{"days": ["sat"]}, {"days": ["mon"], "start": "10:00", "end": "11:00"}]))
    assert when is not None
    assert when.passed_over(asked(at=at("2026-11-23T10:30"))) == ""
    assert when.passed_over(asked(at=at("2026-11-23T11:30"))) == "time"


def test_a_zone_this_system_forgot_never_holds() -> None:
    when = compiled(RouteConditions(times=[{"zone": "Mars/Olympus"}]))
    assert when is not None
    assert when.passed_over(asked()) == "time"


def test_of_what_a_model_can() -> None:
    seeing = entry("m", capabilities=("completion", "vision"))
    assert cannot(seeing, asked(chat("m", needs=frozenset({"vision"})))) == ""
    assert cannot(seeing, asked(chat("m", needs=frozenset({"tools"})))) == "capability"
    rerank = Call(operation=Operation.RERANK, model="m", decode=lambda: EmbeddingRequest(inputs=[]))
    judge = entry("m", capabilities=("rerank",))
    assert cannot(judge, asked(rerank)) == "operation"  # it could, but its provider has no way to
    judge.provider.operations = frozenset({Operation.RERANK})  # type: ignore[attr-defined]
    assert cannot(judge, asked(rerank)) == ""


@pytest.mark.parametrize(
    ("context", "prompt", "max_tokens", "taken"),
    [
        (0, 10**6, None, "fits"),  # nobody knows
        (1000, 1000, None, "fits"),
        (1000, 1001, None, "unsure"),
        (1000, 1299, None, "unsure"),
        (1000, 1301, None, "no"),
        (1000, 900, 100, "fits"),
        (1000, 900, 101, "unsure"),
        (1000, 900, 10**6, "unsure"),
    ],
)
def test_of_the_context(context: int, prompt: int, max_tokens: int | None, taken: str) -> None:
    part = room(entry("m", context=context), asked(chat("m", max_tokens=max_tokens), prompt_tokens=prompt))
    assert ("fits" if part <= 1 else "unsure" if part <= 1.3 else "no") == taken


def test_texts_to_embed_are_many_prompts() -> None:
    request = EmbeddingRequest(inputs=["x" * 4000] * 10)
    call = Call(operation=Operation.EMBEDDING, model="m", decode=lambda: request)
    assert room(entry("m", context=512), asked(call)) == 0


CHEAP = Prices(input=1_000_000, output=2_000_000)  # a millionth of a dollar a token, and two


@pytest.mark.parametrize(
    ("model", "max_tokens", "cost"),
    [
        (entry("here", local=True), 50, 0),
        (entry("unknown"), 50, None),
        (entry("bought", prices=CHEAP), 50, (100 + 2 * 50) * 1000),
        (entry("bought", prices=CHEAP), None, 100 * 1000),  # how long the answer can be is not known
        (entry("bought", prices=CHEAP, output=1000), None, (100 + 2 * 1000) * 1000),
        (entry("bought", prices=CHEAP, output=1000), 50, (100 + 2 * 50) * 1000),
    ],
)
def test_of_the_price(model: Any, max_tokens: int | None, cost: int | None) -> None:
    assert price(model, asked(chat("m", max_tokens=max_tokens), prompt_tokens=100)) == cost


def test_what_a_body_says_is_not_decoded() -> None:
    def decode() -> ChatRequest:
        raise AssertionError("nobody needed it")

    body = {"messages": [{"role": "user", "content": "x" * 400}], "max_completion_tokens": 7}
    call = Call(operation=Operation.CHAT, model="m", decode=decode, passthrough=Passthrough("openai.chat", body, False))
    seen = asked(call)
    assert (seen.prompt_tokens, seen.max_tokens) == (101, 7)


def test_what_a_request_says() -> None:
    request = ChatRequest(messages=[Message("user", "x" * 400)], sampling=Sampling(max_tokens=9))
    seen = asked(Call(operation=Operation.CHAT, model="m", decode=lambda: request))
    assert (seen.prompt_tokens, seen.max_tokens) == (104, 9)
