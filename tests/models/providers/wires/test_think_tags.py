"""Thinking between tags, however the text is cut."""

import pytest

from inglenook.models.calls import ReasoningDelta, TextDelta
from inglenook.models.providers.wires.think_tags import ThinkTags


def read(text: str, size: int) -> tuple[str, str]:
    tags = ThinkTags()
    events = [event for at in range(0, len(text), size) for event in tags.feed(text[at : at + size], 0)]
    events += tags.end(0)
    thought = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    return thought, "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("text", "thought", "answer"),
    [
        ("<think>\nhm, </thin> <b\n</think>\n\nyes", "hm, </thin> <b\n", "yes"),
        ("\n <think>hm</think>yes <think>no</think>", "hm", "yes <think>no</think>"),
        ("plain <think>no</think>", "", "plain <think>no</think>"),
        ("  leading", "", "  leading"),
        ("<thinking is hard", "", "<thinking is hard"),
        ("<think>never ends </thi", "never ends </thi", ""),
        ("<think></think>", "", ""),
        ("<thi", "", "<thi"),
        ("", "", ""),
    ],
)
def test_it_is_told_apart(text: str, thought: str, answer: str, size: int) -> None:
    assert read(text, size) == (thought, answer)
