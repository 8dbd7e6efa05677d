"""Checking settings against the JSON schema their form is made from: the part of JSON Schema that forms need.

Understood: `type` (object, string, boolean, integer, number, array), `properties`, `required`, `enum`, `minimum`,
`maximum`, `maxLength`, `additionalProperties`, `items`. What else a kind demands it says itself in `make`.
"""

from typing import Any

from inglenook.kit.errors import BadInput

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


def secret_names(schema: dict[str, Any]) -> set[str]:
    """The settings marked `"secret": true`."""
    return {name for name, rule in schema.get("properties", {}).items() if rule.get("secret")}


def in_words(schema: dict[str, Any], words: dict[str, str]) -> dict[str, Any]:
    """The schema with the titles and descriptions of its properties replaced by `words`, where they are there, and so
    the `titles` of an `enum`'s choices."""
    properties = {}
    for name, rule in schema.get("properties", {}).items():
        said = {key: words.get(rule[key], rule[key]) for key in ("title", "description") if key in rule}
        if "titles" in rule:
            said["titles"] = {choice: words.get(title, title) for choice, title in rule["titles"].items()}
        properties[name] = {**rule, **said}
    return {**schema, "properties": properties}


def check_settings(schema: dict[str, Any], settings: dict[str, Any]) -> None:
    """Return if `settings` fit `schema`.

    Raises:
        BadInput: they do not; `field` names the setting.
    """
    _check({"type": "object", "additionalProperties": False, **schema}, settings, "settings")


def _check(rule: dict[str, Any], value: Any, path: str) -> None:
    expected = rule.get("type")
    if isinstance(expected, str) and expected in _TYPES:
        is_bool = isinstance(value, bool)
        if not isinstance(value, _TYPES[expected]) or (is_bool and expected != "boolean"):
            raise _wrong(path, f"must be of type {expected}")
    if "enum" in rule and value not in rule["enum"]:
        raise _wrong(path, f"must be one of {', '.join(map(str, rule['enum']))}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value < rule.get("minimum", value):
            raise _wrong(path, f"must be at least {rule['minimum']}")
        if value > rule.get("maximum", value):
            raise _wrong(path, f"must be at most {rule['maximum']}")
    if isinstance(value, str) and len(value) > rule.get("maxLength", 10_000):
        raise _wrong(path, f"must have at most {rule.get('maxLength', 10_000)} characters")
    if isinstance(value, list) and "items" in rule:
        for place, item in enumerate(value):
            _check(rule["items"], item, f"{path}[{place}]")
    if isinstance(value, dict):
        _check_object(rule, value, path)


def _check_object(rule: dict[str, Any], value: dict[str, Any], path: str) -> None:
    properties = rule.get("properties", {})
    for name in rule.get("required", ()):
        if value.get(name) in (None, ""):
            raise _wrong(f"{path}.{name}", "is needed")
    others = rule.get("additionalProperties", True)
    for name, item in value.items():
        if name in properties:
            if item is not None:
                _check(properties[name], item, f"{path}.{name}")
        elif others is False:
            known = ", ".join(properties) or "none"
            raise _wrong(f"{path}.{name}", f"is not a setting of this kind (there are: {known})")
        elif isinstance(others, dict):
            _check(others, item, f"{path}.{name}")


def _wrong(path: str, what: str) -> BadInput:
    return BadInput(f"{path} {what}", field=path)
