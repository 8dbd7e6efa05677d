"""What is noted of each call when it ends."""

import logging
from contextlib import suppress

import pytest

from inglenook.gateway.call import Call, Exchange, Outcome
from inglenook.gateway.steps import observe
from inglenook.kit.errors import InglenookError
from inglenook.models.calls import ChatRequest, Message, Operation
from tests.support.gateway import Desk


def chat(desk: Desk, model: str) -> Call:
    request = ChatRequest(messages=[Message("user", "one two three")])
    return Call(operation=Operation.CHAT, model=model, decode=lambda: request, principal=desk.principal)


async def test_calls_are_counted_by_kind(desk: Desk) -> None:
    for _ in range(2):
        await desk.gateway.whole(chat(desk, "echo"))
    for model in ("error-500", "nobody"):
        with pytest.raises(InglenookError):
            await desk.gateway.whole(chat(desk, model))
    counts = desk.gateway.observe.counts
    assert {kind: found.calls for kind, found in counts.items()} == {
        ("echo", "fake", "fake", "chat", "finished"): 2,
        ("error-500", "fake", "fake", "chat", "upstream_failed"): 1,
        ("", "", "", "chat", "model_not_found"): 1,
    }
    echo = counts["echo", "fake", "fake", "chat", "finished"]
    assert (echo.input, echo.output, sum(echo.durations.buckets), sum(echo.first_tokens.buckets)) == (6, 6, 2, 2)


async def test_kinds_beyond_a_number_are_counted_together(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "KINDS", 1)
    for model in ("echo", "error-500", "slow", "error-500"):
        with suppress(InglenookError):
            await desk.gateway.whole(chat(desk, model))
    assert {kind: found.calls for kind, found in desk.gateway.observe.counts.items()} == {
        ("echo", "fake", "fake", "chat", "finished"): 1,
        ("(other)", "(other)", "(other)", "chat", "upstream_failed"): 2,
        ("(other)", "(other)", "(other)", "chat", "finished"): 1,
    }


async def test_names_that_callers_make_up_are_not_told_apart(desk: Desk) -> None:
    for number in range(50):
        with pytest.raises(InglenookError):
            await desk.gateway.whole(chat(desk, f"made-up-{number}"))
    assert len(desk.gateway.observe.counts) == 1


async def test_a_listener_that_fails_troubles_nobody(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def broken(exchange: Exchange, outcome: Outcome) -> None:
        raise RuntimeError("out of paper")

    desk.gateway.observe.listeners += [broken, lambda exchange, outcome: seen.append(outcome.status)]
    await desk.gateway.whole(chat(desk, "echo"))
    assert seen == ["finished"]
    assert "could not take note" in caplog.text


async def test_a_line_of_the_log_for_each_call(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    call = chat(desk, "echo")
    with caplog.at_level(logging.INFO, "inglenook.gateway.steps.observe"):
        await desk.gateway.whole(call)
    (record,) = [record for record in caplog.records if record.message == "call"]
    facts = vars(record)["facts"]
    assert (facts["id"], facts["model"], facts["status"], facts["output"]) == (call.id, "echo", "finished", 3)
    assert "one two three" not in str(facts)
