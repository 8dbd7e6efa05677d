"""A model as the store on disk knows it."""

from pathlib import Path
from typing import Any

from msgspec import Struct, field

from inglenook.models.hub.names import ModelName


class Details(Struct, frozen=True, kw_only=True):
    """What `/api/tags` tells of a model; empty or 0 where unknown."""

    format: str = "gguf"
    family: str = ""
    families: tuple[str, ...] = ()
    parameter_size: str = ""
    quantization_level: str = ""
    context_length: int = 0
    embedding_length: int = 0

    @classmethod
    def of(cls, config: dict[str, Any]) -> "Details":
        """Read them from a config blob, whatever wrote it."""

        def text(key: str) -> str:
            return str(config.get(key) or "")

        def number(key: str) -> int:
            value = config.get(key)
            return value if isinstance(value, int) and value > 0 else 0

        families = config.get("model_families")
        return cls(
            format=text("model_format") or "gguf",
            family=text("model_family"),
            families=tuple(map(str, families)) if isinstance(families, list) else (),
            parameter_size=text("model_type"),
            quantization_level=text("file_type"),
            context_length=number("context_length"),
            embedding_length=number("embedding_length"),
        )


class StoredModel(Struct, frozen=True, kw_only=True):
    """A whole model on disk.

    Attributes:
        name: The shortest unambiguous form, always with a tag.
        gguf: The weights.
        digest: SHA-256 of the manifest file, hex without prefix.
        blob: SHA-256 of the weights, hex without prefix.
        size: Sum of its layers in bytes.
        modified_at: When its manifest was written, in ms since the epoch.
        params: Default options (`stop`, `num_ctx`, …).
        messages: Messages put before every chat: `{"role", "content"}`.
        config: The config blob, for facts not listed here.
    """

    name: str
    full_name: ModelName
    gguf: Path
    digest: str
    blob: str
    size: int
    modified_at: int
    details: Details
    projectors: tuple[Path, ...] = ()
    adapters: tuple[Path, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)
    template: str = ""
    system: str = ""
    license: str = ""
    messages: tuple[dict[str, Any], ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
