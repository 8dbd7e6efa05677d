"""What differs between servers of OpenAI's protocol, and between the models behind them: data, no code.

A vendor's `Profile` says how its server wants things said; a model's `Family` (a table of a TOML file in this folder,
see `families.py`) says what that model can and what it refuses. `fitted` lays one over the other.
"""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, field, structs

from inglenook.models.profiles.families import Families, families

#: Words for how much to think, from none to most.
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

#: Ways to choose a tool; `named`: one tool by its name.
TOOL_CHOICES = frozenset({"auto", "none", "required", "named"})


class Thinking(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a model is told how much to think. Paths name a field of the body, inner ones behind dots.

    Attributes:
        efforts: The words it takes, from least to most; empty: it can only be switched.
        effort: Path of the field the word goes to.
        on, off: Fields that make it think, and that stop it; `off` None: nothing but the word `none` does, if it is
            among `efforts`.
        budget: Path of the field that takes a number of tokens at most; empty: there is none.
    """

    efforts: tuple[str, ...] = EFFORTS
    effort: str = "reasoning_effort"
    on: dict[str, Any] = field(default_factory=dict)
    off: dict[str, Any] | None = None
    budget: str = ""


class Profile(Struct, frozen=True, kw_only=True):
    """How a server of this protocol wants things said.

    Attributes:
        names: From OpenAI's name of a field of `/chat/completions` to this server's; to "": it is left out, since
            the server does so anyway. `max_tokens` is what limits an answer.
        extensions: Which of `wires.openai.EXTENSIONS` it understands.
        refuses: Fields it does not take, and `refuses_thinking` those it does not take when told to think.
        stream_usage: Whether it tells the usage of a stream when asked by `stream_options`.
        developer: Whether it knows the role `developer`; if not, `system` is said.
        tool_choices: Which of `TOOL_CHOICES` it knows. (`none` can always be said, by leaving the tools out.)
        formats: Which response formats beyond text.
        reasoning: The field of an assistant's message in which it wants its earlier thinking back; empty: it does not.
        user: The field that takes the caller's name for its end user; empty: there is none.
        extras: Fields to set unless the caller did.
        think_tags: Whether thinking stands in the text, between `<think>` and `</think>`.
        cache_marks: Whether a part may carry `cache_control`.
        base64: Whether `/embeddings` can answer in base64.
        responses: Whether the model is asked at `/responses`: `only` there, or there where that can carry what is
            asked (`preferred`: thinking then goes back sealed, and tools may be used while it thinks).
        summaries: Whether to ask `/responses` to tell what was thought.
    """

    names: dict[str, str] = field(default_factory=dict)
    extensions: frozenset[str] = frozenset()
    refuses: frozenset[str] = frozenset()
    refuses_thinking: frozenset[str] = frozenset()
    stream_usage: bool = True
    developer: bool = True
    tool_choices: frozenset[str] = TOOL_CHOICES
    formats: frozenset[str] = frozenset({"json_object", "json_schema"})
    thinking: Thinking = Thinking()
    reasoning: str = ""
    user: str = ""
    extras: dict[str, Any] = field(default_factory=dict)
    think_tags: bool = False
    cache_marks: bool = False
    base64: bool = True
    responses: Literal["", "preferred", "only"] = ""
    summaries: bool = False


class Family(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is peculiar to a family of models; what is left out is as the vendor's profile says.

    Attributes:
        efforts: As `Thinking.efforts`, and `switchable`: whether thinking can be switched off at all.
        thinking: All of `Thinking`, where a family is told in another way than the vendor's others; then `efforts` and
            `switchable` say nothing.
        refuses, refuses_thinking: Besides what the vendor refuses.
        extras: Besides the vendor's own.
    """

    efforts: tuple[str, ...] | UnsetType = UNSET
    switchable: bool | UnsetType = UNSET
    thinking: Thinking | UnsetType = UNSET
    refuses: frozenset[str] = frozenset()
    refuses_thinking: frozenset[str] = frozenset()
    extras: dict[str, Any] = field(default_factory=dict)
    tool_choices: frozenset[str] | UnsetType = UNSET
    formats: frozenset[str] | UnsetType = UNSET
    think_tags: bool | UnsetType = UNSET
    base64: bool | UnsetType = UNSET
    responses: Literal["", "preferred", "only"] | UnsetType = UNSET


def fitted(profile: Profile, model: str, file: str) -> Profile:
    """The profile of a model.

    Args:
        file: A file of families in this folder, without `.toml`; empty: the vendor's models are all alike. A family
            whose name begins with a slash is that of models whose names begin with the rest.
    """
    if not file:
        return profile
    known: Families[Family] = families(f"{file}.toml", Family)
    family = known.of(f"/{model}")
    thinking = profile.thinking
    if family.thinking is not UNSET:
        thinking = family.thinking
    else:
        if family.efforts is not UNSET:
            thinking = structs.replace(thinking, efforts=family.efforts)
        if family.switchable is False:
            efforts = tuple(word for word in thinking.efforts if word != "none")
            thinking = structs.replace(thinking, efforts=efforts, off=None)
    set_ = {
        name: value
        for name in ("tool_choices", "formats", "think_tags", "base64", "responses")
        if (value := getattr(family, name)) is not UNSET
    }
    return structs.replace(
        profile,
        thinking=thinking,
        refuses=profile.refuses | family.refuses,
        refuses_thinking=profile.refuses_thinking | family.refuses_thinking,
        extras={**profile.extras, **family.extras},
        **set_,
    )


class Guess(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model can, going by its name alone."""

    capabilities: frozenset[str] = frozenset({"completion", "tools", "vision", "audio", "files", "thinking", "insert"})


def guess(model: str) -> frozenset[str]:
    """Capabilities of a model of which nothing is known but its name: its provider judges what it is asked."""
    known: Families[Guess] = families("names.toml", Guess)
    return known.of(model).capabilities
