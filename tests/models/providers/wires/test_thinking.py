"""How much to think, in every server's words."""

from typing import Any

import pytest

from inglenook.models.errors import CannotCarry
from inglenook.models.profiles.base import Family, Profile, Thinking, fitted
from inglenook.models.providers.wires.thinking import said_thinking, says_otherwise

WORDS = Thinking()
FEW = Thinking(efforts=("low", "high"))
SWITCH = Thinking(efforts=(), on={"thinking.type": "on"}, off={"thinking.type": "off"}, budget="thinking.tokens")
BARE_SWITCH = Thinking(efforts=(), on={"think": True}, off={"think": False})
ALWAYS = Thinking(efforts=())
NEVER = Thinking(efforts=(), off={})
BOTH = Thinking(efforts=("none", "low", "medium", "high"), effort="reasoning.effort", budget="reasoning.max_tokens")


@pytest.mark.parametrize(
    ("thinking", "effort", "budget", "said"),
    [
        (WORDS, None, None, {}),
        (WORDS, "low", None, {"reasoning_effort": "low"}),
        (WORDS, "none", None, {"reasoning_effort": "none"}),
        (WORDS, "ultra", None, {"reasoning_effort": "ultra"}),
        (FEW, "minimal", None, {"reasoning_effort": "low"}),
        (FEW, "medium", None, {"reasoning_effort": "high"}),
        (FEW, "max", None, {"reasoning_effort": "high"}),
        (FEW, None, 1000, {"reasoning_effort": "low"}),
        (FEW, None, 100_000, {"reasoning_effort": "high"}),
        (SWITCH, "low", None, {"thinking": {"type": "on", "tokens": 2048}}),
        (SWITCH, "max", None, {"thinking": {"type": "on"}}),
        (SWITCH, "none", None, {"thinking": {"type": "off"}}),
        (SWITCH, None, 777, {"thinking": {"type": "on", "tokens": 777}}),
        (SWITCH, "low", 777, {"thinking": {"type": "on", "tokens": 777}}),
        (SWITCH, None, 0, {"thinking": {"type": "off"}}),
        (BARE_SWITCH, "high", None, {"think": True}),
        (BARE_SWITCH, None, 500, {"think": True}),
        (ALWAYS, "high", None, {}),
        (NEVER, "none", None, {}),
        (BOTH, "high", None, {"reasoning": {"effort": "high"}}),
        (BOTH, None, 500, {"reasoning": {"max_tokens": 500}}),
        (BOTH, "none", None, {"reasoning": {"effort": "none"}}),
    ],
)
def test_it_is_said(thinking: Thinking, effort: str | None, budget: int | None, said: dict[str, Any]) -> None:
    assert said_thinking("m", thinking, effort, budget) == said


@pytest.mark.parametrize("thinking", [FEW, ALWAYS])
def test_what_cannot_be_said_is_refused(thinking: Thinking) -> None:
    with pytest.raises(CannotCarry, match="cannot be told not to think") as caught:
        said_thinking("m", thinking, "none", None)
    assert caught.value.field == "reasoning_effort"


def test_what_is_said_is_nobody_elses() -> None:
    first = said_thinking("m", SWITCH, "low", None)
    first["thinking"]["type"] = "changed"
    assert said_thinking("m", SWITCH, "low", None)["thinking"]["type"] == "on"


def test_who_says_otherwise() -> None:
    assert [says_otherwise(thinking) for thinking in (WORDS, FEW, SWITCH, ALWAYS, BOTH)] == [
        *(False, False),
        *(True, True, True),
    ]


@pytest.mark.parametrize(
    ("model", "refuses", "responses", "efforts"),
    [
        ("gpt-4o-2024-08-06", False, "", ()),
        ("gpt-5-mini", True, "preferred", ("minimal", "low", "medium", "high")),
        ("gpt-5-chat-latest", False, "", ()),
        ("gpt-5.2", False, "preferred", ("none", "low", "medium", "high", "xhigh")),
        ("gpt-5.1-codex-max", False, "only", ("low", "medium", "high", "xhigh")),
        ("gpt-6.1-sol", False, "preferred", ("none", "low", "medium", "high", "xhigh", "max")),
        ("o3-mini", True, "preferred", ("low", "medium", "high")),
        ("o1-pro-2025-03-19", True, "only", ("low", "medium", "high")),
        ("demo1", False, "", Thinking().efforts),
    ],
)
def test_a_family_changes_what_a_vendor_says(
    model: str, refuses: bool, responses: str, efforts: tuple[str, ...]
) -> None:
    profile = fitted(Profile(), model, "gpt")
    assert ("temperature" in profile.refuses) is refuses
    assert profile.responses == responses
    assert profile.thinking.efforts == efforts


@pytest.mark.parametrize(
    "file",
    [
        *("gpt", "grok", "mistral", "qwen", "doubao", "kimi", "glm", "ernie", "hunyuan", "spark", "minimax", "step"),
        *("groq", "together", "siliconflow", "open"),
    ],
)
def test_every_file_of_families_is_valid(file: str) -> None:
    from inglenook.models.profiles.families import Families

    assert Families(f"{file}.toml", Family).of("x") == Family()
    assert fitted(Profile(), "a-model-of-no-family", file) == Profile()
