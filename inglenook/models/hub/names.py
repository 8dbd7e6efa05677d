"""Names of models as Ollama writes them: `[host/][namespace/]model[:tag]`."""

import re
from pathlib import PurePosixPath
from typing import NamedTuple, Self

from inglenook.models.errors import InvalidModelName

DEFAULT_HOST = "registry.ollama.ai"
DEFAULT_NAMESPACE = "library"
DEFAULT_TAG = "latest"

_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}", re.ASCII)
_NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}", re.ASCII)
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}", re.ASCII)
_PATTERNS = (_HOST, _NAMESPACE, _PART, _PART)


class ModelName(NamedTuple):
    """A whole name. Two names that differ only in case mean the same model."""

    host: str
    namespace: str
    model: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a name; what it leaves out is `registry.ollama.ai`, `library` and `latest`.

        A leading `https://` or `http://` is dropped.

        Raises:
            InvalidModelName: a part is empty, too long (host 350, others 80) or holds a refused character.
        """
        rest = text.strip()
        _, found, after = rest.partition("://")
        rest = after if found else rest
        path, colon, tag = rest.rpartition(":")
        if not colon or "/" in tag:
            path, tag = rest, DEFAULT_TAG
        parts = path.split("/")
        if len(parts) > 3:
            raise InvalidModelName(
                f"model name {_shown(text)} has too many slashes; write [host/][namespace/]model:tag"
            )
        model = parts[-1]
        namespace = parts[-2] if len(parts) > 1 else DEFAULT_NAMESPACE
        host = parts[-3] if len(parts) > 2 else DEFAULT_HOST
        name = cls(host, namespace, model, tag)
        for what, value, pattern in zip(cls._fields, name, _PATTERNS, strict=True):
            if not pattern.fullmatch(value):
                raise InvalidModelName(
                    f"model name {_shown(text)} has an invalid {what} {_shown(value)}: it must start with a letter, a "
                    "digit or _ and go on with those, '-' or '.' (no '.' in a namespace), 80 characters at most"
                )
        return name

    @property
    def full(self) -> str:
        """`host/namespace/model:tag`."""
        return f"{self.host}/{self.namespace}/{self.model}:{self.tag}"

    @property
    def short(self) -> str:
        """For display: without a default host and namespace, always with the tag."""
        if self.host.lower() != DEFAULT_HOST:
            return self.full
        if self.namespace.lower() != DEFAULT_NAMESPACE:
            return f"{self.namespace}/{self.model}:{self.tag}"
        return f"{self.model}:{self.tag}"

    @property
    def key(self) -> str:
        """What equal names share."""
        return self.full.lower()

    @property
    def family(self) -> str:
        """What names share that are equal but for the tag."""
        return self.key.rpartition(":")[0]

    @property
    def path(self) -> PurePosixPath:
        """Where its manifest lies below `manifests/`."""
        return PurePosixPath(self.host, self.namespace, self.model, self.tag)


def has_tag(text: str) -> bool:
    """Whether a name says its tag."""
    return ":" in text.rpartition("/")[2]


def is_valid(name: ModelName) -> bool:
    """Whether every part of `name` is well formed."""
    return all(pattern.fullmatch(part) for pattern, part in zip(_PATTERNS, name, strict=True))


def _shown(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:97] + "…")
