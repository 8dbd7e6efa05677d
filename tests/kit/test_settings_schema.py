"""Settings of providers against their schema."""

from typing import Any

import pytest

from inglenook.kit.errors import BadInput
from inglenook.kit.settings_schema import check_settings, in_words, secret_names

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["url"],
    "properties": {
        "url": {"type": "string", "maxLength": 20},
        "key": {"type": "string", "secret": True},
        "retries": {"type": "integer", "minimum": 0, "maximum": 5},
        "style": {"enum": ["a", "b"]},
        "strict": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def test_good_settings() -> None:
    check_settings(SCHEMA, {"url": "x"})
    check_settings(
        SCHEMA,
        {"url": "x", "key": "k", "retries": 5, "style": "a", "strict": True, "tags": ["t"], "headers": {"a": "b"}},
    )
    assert secret_names(SCHEMA) == {"key"}


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({}, "settings.url"),
        ({"url": ""}, "settings.url"),
        ({"url": 1}, "settings.url"),
        ({"url": "x" * 21}, "settings.url"),
        ({"url": "x", "retries": 6}, "settings.retries"),
        ({"url": "x", "retries": -1}, "settings.retries"),
        ({"url": "x", "retries": True}, "settings.retries"),
        ({"url": "x", "retries": 1.5}, "settings.retries"),
        ({"url": "x", "style": "c"}, "settings.style"),
        ({"url": "x", "strict": "yes"}, "settings.strict"),
        ({"url": "x", "tags": ["a", 2]}, "settings.tags[1]"),
        ({"url": "x", "headers": {"a": 1}}, "settings.headers.a"),
        ({"url": "x", "other": 1}, "settings.other"),
    ],
)
def test_bad_settings_name_their_place(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_settings(SCHEMA, settings)
    assert caught.value.field == field


def test_choices_are_called_something_in_every_language() -> None:
    rule = {"title": "Encryption", "enum": ["tls", "none"], "titles": {"tls": "TLS", "none": "None"}}
    said = in_words({"properties": {"security": rule}}, {"Encryption": "加密方式", "None": "不加密"})
    assert said["properties"]["security"] == {
        "title": "加密方式",
        "enum": ["tls", "none"],
        "titles": {"tls": "TLS", "none": "不加密"},
    }
    assert rule["titles"] == {"tls": "TLS", "none": "None"}
