"""Which JSON schemas a model here can be held to.

llama.cpp makes a grammar of a schema in the thread that writes everybody's answers, and some schemas keep it there for
minutes or for ever: its time grows with the square of the alternatives at one place (1,000 values of an `enum` take
some seconds), and a pattern that repeats by number what may be empty (`(a?){200}`) never comes to an end. Such schemas
are refused before they get there; what is let through takes seconds at most.
"""

import re
from typing import Any

from inglenook.kit.errors import BadInput

MAX_DEPTH = 64
MAX_NODES = 10_000
#: Of the squares of the alternatives at each place.
MAX_CHOICES = 1_000_000
MAX_PATTERN = 5_000


def check_schema(schema: Any, field: str) -> None:
    """Return if a model here can be held to `schema`.

    Args:
        field: Where the schema stands in the request, for the message.

    Raises:
        BadInput: it cannot; says what is too much.
    """
    nodes = choices = 0
    ahead = [(schema, 0)]
    while ahead:
        value, depth = ahead.pop()
        nodes += len(value) if isinstance(value, dict | list) else 0
        if nodes > MAX_NODES:
            raise _too_much(field, f"it has more than {MAX_NODES:,} parts")
        if depth > MAX_DEPTH:
            raise _too_much(field, f"it is nested more than {MAX_DEPTH} deep")
        if isinstance(value, dict):
            choices += _choices(value)
            _check_pattern(value.get("pattern"), field)
            ahead += [(inner, depth + 1) for inner in value.values()]
        elif isinstance(value, list):
            ahead += [(inner, depth + 1) for inner in value]
        if choices > MAX_CHOICES:
            raise _too_much(field, "it leaves too many choices: at most 1,000 alternatives or optional properties")


def _choices(value: dict[str, Any]) -> int:
    """The cost of the alternatives at one place."""
    listed = sum(len(value[name]) ** 2 for name in ("enum", "anyOf", "oneOf") if isinstance(value.get(name), list))
    properties, required = value.get("properties"), value.get("required")
    if not isinstance(properties, dict):
        return listed
    needed = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
    return listed + len(properties.keys() - needed) ** 2


def _check_pattern(pattern: Any, field: str) -> None:
    if not isinstance(pattern, str):
        return
    if len(pattern) > MAX_PATTERN:
        raise _too_much(field, f"a pattern has more than {MAX_PATTERN:,} characters")
    if "{" not in pattern:
        return
    try:
        endless = _repeats_nothing(_parser.parse(pattern))
    except (re.error, RecursionError, OverflowError):
        raise _too_much(field, f"the pattern {pattern[:80]!r} cannot be understood") from None
    if endless:
        raise _too_much(field, f"the pattern {pattern[:80]!r} repeats a number of times what may be empty")


def _repeats_nothing(parsed: Any) -> bool:
    """Whether something that may be empty is repeated a number of times, anywhere in a parsed pattern."""
    for operator, argument in parsed:
        if operator in _REPEATS:
            _, most, inner = argument
            if most is not _parser.MAXREPEAT and most > 1 and inner.getwidth()[0] == 0:
                return True
        if any(_repeats_nothing(inner) for inner in _inside(argument)):
            return True
    return False


def _inside(argument: Any) -> list[Any]:
    """The parsed patterns within the argument of an operator."""
    if isinstance(argument, _parser.SubPattern):
        return [argument]
    if isinstance(argument, tuple | list):
        return [inner for each in argument for inner in _inside(each)]
    return []


def _too_much(field: str, why: str) -> BadInput:
    return BadInput(f"the JSON schema cannot be used with a model that runs here: {why}; simplify it", field=field)


_parser: Any = re._parser  # type: ignore[attr-defined]  # the only way to look inside a pattern
_REPEATS = (_parser.MAX_REPEAT, _parser.MIN_REPEAT, _parser.POSSESSIVE_REPEAT)
