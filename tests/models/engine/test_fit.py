from typing import Literal

from inglenook.models.calls import Message, ToolCall
from inglenook.models.engine.fit import Fitted, fit

Role = Literal["system", "user", "assistant", "tool"]


def _say(role: Role, size: int) -> Message:
    return Message(role=role, content="x" * size)


async def _fit(messages: list[Message], *, limit: int, comfortable: int) -> tuple[Fitted, int]:
    """The result, and how often it had to count."""
    counts = 0

    async def count(some: list[Message]) -> int:
        nonlocal counts
        counts += 1
        return sum(len(message.text) for message in some)

    return await fit(messages, count, limit=limit, comfortable=comfortable), counts


async def test_as_little_as_needed_is_dropped() -> None:
    chat = [_say("system", 10), *[_say(role, 10) for _ in range(50) for role in ("user", "assistant")], _say("user", 5)]  # type: ignore[arg-type]
    fitted, counts = await _fit(chat, limit=100, comfortable=80)
    assert fitted.tokens == 10 + 3 * 20 + 5
    assert fitted.messages[0].role == "system"
    assert fitted.messages[1].role == "user"
    assert fitted.dropped == 94
    assert counts <= 8


async def test_every_system_message_stays() -> None:
    chat = [_say("user", 50), _say("system", 7), _say("assistant", 50), _say("user", 3)]
    fitted, _ = await _fit(chat, limit=20, comfortable=20)
    assert [(message.role, len(message.text)) for message in fitted.messages] == [("system", 7), ("user", 3)]


async def test_a_last_turn_may_use_the_room_for_the_answer() -> None:
    fitted, _ = await _fit([_say("user", 50), _say("assistant", 9), _say("user", 95)], limit=100, comfortable=80)
    assert (fitted.tokens, fitted.dropped) == (95, 2)


async def test_what_cannot_fit_is_told_by_its_size() -> None:
    fitted, _ = await _fit([_say("user", 50), _say("user", 200)], limit=100, comfortable=80)
    assert (fitted.tokens, fitted.dropped) == (200, 1)


async def test_a_tools_result_stays_with_its_call() -> None:
    call = Message(role="assistant", tool_calls=[ToolCall(id="1", name="f", arguments="{}")], content="x" * 10)
    chat = [_say("user", 60), call, _say("tool", 10), _say("tool", 10)]
    fitted, _ = await _fit(chat, limit=50, comfortable=40)
    assert [message.role for message in fitted.messages] == ["assistant", "tool", "tool"]


async def test_the_beginning_of_an_answer_stays_with_its_question() -> None:
    chat = [_say("user", 50), _say("assistant", 20), _say("user", 30), _say("assistant", 10)]
    fitted, _ = await _fit(chat, limit=60, comfortable=50)
    assert [(message.role, len(message.text)) for message in fitted.messages] == [("user", 30), ("assistant", 10)]
    fitted, _ = await _fit(chat, limit=35, comfortable=30)
    assert (fitted.tokens, fitted.dropped) == (40, 2)


async def test_one_message_is_left_alone() -> None:
    fitted, _ = await _fit([_say("user", 10)], limit=5, comfortable=5)
    assert (fitted.tokens, fitted.dropped) == (10, 0)
