"""Making a chat fit the context: which of its oldest messages to leave out."""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from inglenook.models.calls import Message


class Fitted(Struct):
    """The messages that are kept, the tokens of their prompt, and how many were dropped."""

    messages: list[Message]
    tokens: int
    dropped: int


async def fit(
    messages: list[Message], count: Callable[[list[Message]], Awaitable[int]], *, limit: int, comfortable: int
) -> Fitted:
    """Drop as few of the oldest messages as needed; system messages and the last turn always stay.

    The kept chat begins with a user's message (many templates demand it), a tool's result is never parted from the
    call it answers, nor the beginning of an answer that the model is to go on with from its question.

    Args:
        count: Tokens of the prompt made of messages.
        limit: Tokens the prompt may have at most.
        comfortable: Tokens that leave room for an answer; aimed at, unless only the last turn would remain above it.

    Returns:
        What fits; `tokens` is above `limit` if even the last turn alone does not.
    """
    starts = _starts(messages)
    # More dropped is never longer: search for the earliest start that is comfortable.
    low, high = 0, len(starts) - 1
    while low < high:
        middle = (low + high) // 2
        if await count(_from(messages, starts[middle])) <= comfortable:
            high = middle
        else:
            low = middle + 1
    kept = _from(messages, starts[low])
    return Fitted(kept, await count(kept), len(messages) - len(kept))


def _starts(messages: list[Message]) -> list[int]:
    """Places at which the kept part may begin, the last turn's being the last."""
    last = len(messages) - 1
    while last > 0 and messages[last].role == "tool":
        last -= 1
    if last == len(messages) - 1:
        while last > 0 and messages[last].role == "assistant":
            last -= 1
    return [place for place, message in enumerate(messages[:last]) if message.role == "user"] + [last]


def _from(messages: list[Message], start: int) -> list[Message]:
    return [message for place, message in enumerate(messages) if place >= start or message.role == "system"]
