"""A provider's API keys in its settings: `api_key`, and what more there is in `api_keys`.

Keys never leave the server, so whoever puts them in order or removes one names them by their numbers.
"""

from typing import Any

from inglenook.kit.errors import BadInput
from inglenook.models.providers.endpoint import api_keys


def keys_of(settings: dict[str, Any]) -> tuple[str, ...]:
    """The API keys in settings, in the order of their numbers, which begin at 1."""
    return api_keys(*(text for text in (settings.get("api_key"), *(settings.get("api_keys") or ())) if text))


def with_kept_keys(settings: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """Settings in which `{"kept": 2}` is replaced by the second of the keys there were.

    Args:
        kept: The secret settings as they were.

    Raises:
        BadInput: there was no such key.
    """
    keys = keys_of(kept)

    def meant(value: Any, field: str) -> Any:
        if not isinstance(value, dict):
            return value
        number = value.get("kept")
        if set(value) != {"kept"} or type(number) is not int or not 1 <= number <= len(keys):
            raise BadInput(f"{field}: there is no key {number!r} to keep; there are {len(keys)}", field=field)
        return keys[number - 1]

    found = dict(settings)
    if "api_key" in settings:
        found["api_key"] = meant(settings["api_key"], "settings.api_key")
    if isinstance(settings.get("api_keys"), list):
        found["api_keys"] = [
            meant(value, f"settings.api_keys[{place}]") for place, value in enumerate(settings["api_keys"])
        ]
    return found
