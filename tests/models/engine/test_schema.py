import time
from typing import Any

import pytest

from inglenook.kit.errors import BadInput
from inglenook.models.engine.schema import check_schema

DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
HOST = r"^[a-z]{1,63}(\.[a-z]{1,63}){0,20}$"


def _nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"]},
        {"enum": list(range(1000))},
        {"properties": {f"p{n}": {"type": "string"} for n in range(3000)}, "required": [f"p{n}" for n in range(3000)]},
        {"properties": {f"p{n}": {} for n in range(900)}, "required": "p1"},
        {"pattern": DATE},
        {"pattern": HOST},
        {"pattern": "^(a*)*$"},
        {"pattern": "^(a|b){0,2000}$"},
        {"pattern": "^(a?b){3}$"},
        {"pattern": "("},
        {"properties": {"pattern": {"type": "string"}, "enum": {"type": "array"}, "required": {}}},
        _nested(20),
    ],
)
def test_usual_schemas_are_let_through(schema: Any) -> None:
    check_schema(schema, "format")


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"enum": list(range(1001))}, "too many choices"),
        ({"items": {"oneOf": [{"const": n} for n in range(1200)]}}, "too many choices"),
        ({"$defs": {str(n): {"enum": list(range(500))} for n in range(5)}}, "too many choices"),
        ({"properties": {f"p{n}": {} for n in range(3000)}}, "too many choices"),
        ({"x": [{"y": 1}] * 6_000}, "parts"),
        (_nested(100), "nested"),
        ({"pattern": "a" * 10_000}, "characters"),
        ({"pattern": "^(a?){200}$"}, "may be empty"),
        ({"pattern": "^(a{0,200}){0,200}$"}, "may be empty"),
        ({"properties": {"deep": {"pattern": "^x(?:y|(z*){2,30})$"}}}, "may be empty"),
        ({"pattern": r"^(?=(b|)(c?){9})$"}, "may be empty"),
        ({"pattern": r"^\p{L}{3}$"}, "understood"),
        ({"pattern": "(" * 3000 + "a{2}" + ")" * 3000}, "understood|characters"),
    ],
)
def test_what_would_keep_llama_cpp_busy_is_refused(schema: Any, why: str) -> None:
    with pytest.raises(BadInput, match=why) as caught:
        check_schema(schema, "format")
    assert caught.value.field == "format"


def test_looking_takes_no_time_to_speak_of() -> None:
    schema = {"items": [{"a": n} for n in range(1_000_000)]}
    began = time.process_time()
    with pytest.raises(BadInput):
        check_schema(schema, "format")
    assert time.process_time() - began < 0.5
