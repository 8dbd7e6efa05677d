"""JSON schemas as Gemini takes them for structured answers: a part of JSON Schema; the rest it would pass over."""

from typing import Any

from inglenook.models.errors import CannotCarry

_KNOWN = frozenset(
    {
        *("$id", "$defs", "$ref", "$anchor", "type", "format", "title", "description", "enum", "items", "prefixItems"),
        *("minItems", "maxItems", "minimum", "maximum", "anyOf", "oneOf", "properties", "additionalProperties"),
        *("required", "propertyOrdering"),
    }
)
#: Words that say nothing about what fits.
_REMARKS = frozenset({"$schema", "$comment", "default", "example", "examples", "deprecated", "readOnly", "writeOnly"})
_INNER = frozenset({"items", "additionalProperties"})
_INNER_LISTS = frozenset({"anyOf", "oneOf", "prefixItems"})
_INNER_NAMED = frozenset({"properties", "$defs"})


def carried_schema(schema: dict[str, Any], path: str) -> dict[str, Any]:
    """The schema without remarks, and with `const` and an `allOf` of one said in words that Gemini knows.

    Raises:
        CannotCarry: it demands what Gemini would not see to; the message names where.
    """
    found: dict[str, Any] = {}
    for word, value in schema.items():
        where = f"{path}.{word}"
        if word in _REMARKS:
            continue
        if word == "const":
            found["enum"] = [value]
        elif word == "allOf" and isinstance(value, list) and len(value) == 1:
            found.update(_inner(value[0], f"{where}[0]"))
        elif word not in _KNOWN:
            raise CannotCarry(
                f"'{where}' cannot be carried to a Gemini model: it does not see to '{word}'; leave it out", field=where
            )
        elif word in _INNER:
            found[word] = _inner(value, where)
        elif word in _INNER_LISTS and isinstance(value, list):
            found[word] = [_inner(item, f"{where}[{number}]") for number, item in enumerate(value)]
        elif word in _INNER_NAMED and isinstance(value, dict):
            found[word] = {name: _inner(item, f"{where}.{name}") for name, item in value.items()}
        else:
            found[word] = value
    return found


def _inner(value: Any, path: str) -> Any:
    return carried_schema(value, path) if isinstance(value, dict) else value
