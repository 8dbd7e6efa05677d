"""What is kept of an answer while it is written."""

import pytest

from inglenook.chat.draft import Draft
from inglenook.models.calls import Timings, Usage


def test_a_draft_gathers_text_and_reasoning() -> None:
    draft = Draft()
    assert [draft.add_reasoning("h"), draft.add_reasoning("m"), draft.add_text("Yes"), draft.add_text(".")] == [
        "h",
        "m",
        "Yes",
        ".",
    ]
    assert (draft.reasoning, draft.text) == ("hm", "Yes.")


@pytest.mark.parametrize(
    ("earlier", "more", "whole"),
    [
        ("The rain", ["bow", " is red"], "The rainbow is red"),
        ("red, ", [" green"], "red, green"),
        ("red, ", ["green"], "red, green"),
        ("One.\n\n", ["\n\nTwo"], "One.\n\nTwo"),
        ("One.\n\n", ["Two"], "One.\n\nTwo"),
        ("One.\n\n", ["", "Two"], "One.\n\nTwo"),
    ],
)
def test_white_space_at_the_cut_is_kept_once(earlier: str, more: list[str], whole: str) -> None:
    draft = Draft.after(earlier, "")
    shown = draft.text + "".join(draft.add_text(piece) for piece in more)
    assert draft.text == shown == whole


def test_thinking_anew_is_set_apart_from_earlier_thinking() -> None:
    draft = Draft.after("Yes", "first")
    draft.add_reasoning("second")
    draft.add_reasoning(" thought")
    assert draft.reasoning == "first\n\nsecond thought"


def test_the_pace_is_the_models_own_measure() -> None:
    draft = Draft(asked_at=1000)
    assert draft.pace() is None
    draft.usage = Usage(input=12, output=50, cached=4)
    draft.timings = Timings(predicted_ms=2000)
    draft.first_at = 1200
    pace = draft.pace()
    assert pace is not None
    assert (pace["input"], pace["output"], pace["cached"], pace["ttft_ms"]) == (12, 50, 4, 200)
    assert pace["tokens_per_second"] == 25.0


def test_without_a_measure_the_pace_counts_from_the_first_token() -> None:
    draft = Draft()
    draft.asked_at -= 2000
    draft.add_text("a")
    draft.first_at -= 1000
    draft.usage = Usage(output=100)
    pace = draft.pace()
    assert pace is not None
    assert 90 <= pace["tokens_per_second"] <= 100
    assert pace["duration_ms"] >= 2000
