"""A provider that answers every prompt with one phrase: all that a plugin needs."""

from collections.abc import AsyncIterator
from typing import Any, ClassVar

from inglenook.kit.errors import BadInput
from inglenook.models.calls import ChatRequest, Event, Finished, TextDelta, Usage
from inglenook.models.providers.base import Job, ModelFacts, ProviderKind, ProviderParts


class Parrot:
    """The provider.

    Args:
        phrase: What it says.
    """

    kind: ClassVar[str] = "parrot"
    wires: frozenset[str] = frozenset()

    def __init__(self, phrase: str) -> None:
        self._phrase = phrase

    async def stream(self, job: Job) -> AsyncIterator[Event]:
        """Say the phrase, whoever asks."""
        if not isinstance(job.request, ChatRequest):
            raise BadInput("a parrot only talks", field="model")
        words = self._phrase.split()
        for index, word in enumerate(words):
            yield TextDelta(f" {word}" if index else word)
        yield Usage(input=len(job.request.messages), output=len(words))
        yield Finished("stop")

    async def models(self) -> list[ModelFacts]:
        """The one it has."""
        return [ModelFacts(name="polly", context_length=64, languages=("en",))]

    async def close(self) -> None:
        """Nothing to free."""


def _make(settings: dict[str, Any], _: ProviderParts) -> Parrot:
    return Parrot(settings.get("phrase", "Hello"))


KIND = ProviderKind(
    name="parrot",
    title="Parrot",
    icon="bird",
    settings_schema={
        "type": "object",
        "required": ["phrase"],
        "properties": {
            "phrase": {"type": "string", "title": "Phrase", "description": "What it says."},
            "token": {"type": "string", "title": "Token", "secret": True},
        },
        "additionalProperties": False,
    },
    make=_make,
)
