"""How much a model shall think, said as its server wants it."""

from typing import Any

from inglenook.models.errors import CannotCarry
from inglenook.models.profiles.base import EFFORTS, Thinking

#: Tokens of thinking that a word stands for, where a server takes a number and no words; more words have no limit.
_TOKENS = {"minimal": 512, "low": 2048, "medium": 8192, "high": 24576}


def says_otherwise(thinking: Thinking) -> bool:
    """Whether `reasoning_effort` alone is not how it is said."""
    switched = bool(thinking.on) or thinking.off is not None
    return switched or thinking.effort != "reasoning_effort" or not thinking.efforts


def said_thinking(model: str, thinking: Thinking, effort: str | None, budget: int | None) -> dict[str, Any]:
    """Fields of a body that ask for an effort (a word of `EFFORTS`) or at most `budget` tokens; none for neither.

    Both are wishes. A server with other words gets the nearest of its own, one that takes no number the word that
    number stands for, and one that can only be switched is switched on.

    Raises:
        CannotCarry: it shall not think, and cannot be told so.
    """
    if effort is None and budget is None:
        return {}
    if effort is None:
        assert budget is not None
        effort = _word(budget)
    if effort == "none":
        return _none(model, thinking)
    fields: dict[str, Any] = {}
    for name, value in thinking.on.items():
        _set(fields, name, value)
    if thinking.efforts and not (budget is not None and thinking.budget):
        _set(fields, thinking.effort, _nearest(thinking.efforts, effort))
    elif thinking.budget and (tokens := _TOKENS.get(effort) if budget is None else budget) is not None:
        _set(fields, thinking.budget, tokens)
    return fields


def _none(model: str, thinking: Thinking) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in (thinking.off or {}).items():
        _set(fields, name, value)
    if "none" in thinking.efforts:
        _set(fields, thinking.effort, "none")
    elif thinking.off is None:
        raise CannotCarry(
            f"model '{model}' cannot be told not to think; leave reasoning_effort out, or ask for little",
            field="reasoning_effort",
        )
    return fields


def _word(budget: int) -> str:
    if budget <= 0:
        return "none"
    return next((word for word, tokens in _TOKENS.items() if budget <= tokens), "high")


def _nearest(efforts: tuple[str, ...], wanted: str) -> str:
    """The wanted word, or the nearest among those there are; the greater one of two."""
    if wanted in efforts or wanted not in EFFORTS:
        return wanted
    known = [word for word in efforts if word in EFFORTS and word != "none"]
    place = EFFORTS.index(wanted)
    return min(known, key=lambda word: (abs(EFFORTS.index(word) - place), -EFFORTS.index(word)), default=efforts[-1])


def _set(fields: dict[str, Any], path: str, value: Any) -> None:
    *outer, last = path.split(".")
    for name in outer:
        fields = fields.setdefault(name, {})
    fields[last] = dict(value) if isinstance(value, dict) else value
