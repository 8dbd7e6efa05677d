"""Print `docs/settings.md` from the settings class. Usage: python scripts/settings_page.py > docs/settings.md"""

import typing
from typing import Any

from pydantic.fields import FieldInfo

from inglenook.kit.config import Settings

HEAD = """# Settings

What the process reads at start. Strongest first: command line (`--port`), environment (`INGLENOOK_PORT`), the file
`inglenook.toml` in the data directory (`port = 8642`), the default. Lists have commas in the environment:
`INGLENOOK_ALLOWED_HOSTS=ai.example.org,localhost`. This page is generated from `inglenook/kit/config.py`.

| Setting | Environment | Type | Default | What it does |
|---|---|---|---|---|
"""


def kind(annotation: Any) -> str:
    """A type as a person would say it."""
    if typing.get_origin(annotation) is typing.Literal:
        return " or ".join(f"`{value}`" for value in typing.get_args(annotation))
    names = {"int": "number", "float": "number", "str": "text", "bool": "yes/no", "Path": "path"}
    if isinstance(annotation, type) and typing.get_origin(annotation) is None:
        return names.get(annotation.__name__, annotation.__name__)
    if typing.get_origin(annotation) is list:
        return f"list of {kind(typing.get_args(annotation)[0])}"
    return kind(next(part for part in typing.get_args(annotation) if part is not type(None)))


def default(name: str, field: FieldInfo) -> str:
    """A default as it would be written."""
    if name == "data":
        return "`~/.local/share/inglenook`"
    value = field.get_default(call_default_factory=True, validated_data={})
    return "" if value in (None, "", []) else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def page() -> str:
    """The whole page."""
    rows = [
        f"| `{name}` | `INGLENOOK_{name.upper()}` | {kind(field.annotation)} | {default(name, field)} "
        f"| {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(page(), end="")
