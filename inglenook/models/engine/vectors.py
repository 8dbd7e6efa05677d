"""Embedding and reranking by a child: batches of texts in, vectors of unit length or scores out."""

import base64
import math
import sys
from array import array
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Protocol

from inglenook.kit.errors import BadInput, UpstreamFailed
from inglenook.models.calls import EmbeddingRequest, Event, Notice, RerankRequest, Score, Scores, Usage, Vectors
from inglenook.models.engine.wire import PromptTooLong

#: Inputs and characters sent at once: few enough for callers to take turns, and for one who leaves to stop costing.
_BATCH = 16
_BATCH_CHARACTERS = 4_096


class EmbeddingChild(Protocol):
    """A child that embeds."""

    async def ask(self, path: str, body: dict[str, Any]) -> Any:
        """Post and read the JSON of the answer."""
        ...

    async def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        """The tokens of a text."""
        ...


async def embed(request: EmbeddingRequest, child: EmbeddingChild, *, context: int) -> AsyncIterator[Event]:
    """Answer an embedding request: a `Notice` if an input had to be cut, `Vectors`, `Usage`.

    Raises:
        PromptTooLong: an input is longer than `context` tokens and `truncate` is False.
        BadInput: more dimensions are asked for than the model has.
    """
    vectors: list[list[float]] = []
    tokens = 0
    notice: Notice | None = None
    for texts in batches(request.inputs):
        batch, cut = await _cut(texts, child, context, request.local.truncate)
        notice = notice or cut
        answer = await child.ask("/v1/embeddings", {"input": batch, "encoding_format": "base64"})
        rows = sorted(answer["data"], key=lambda item: int(item["index"]))
        vectors += [unit(row["embedding"], request.dimensions) for row in rows]
        tokens += answer["usage"]["prompt_tokens"]
    if notice is not None:
        yield notice
    yield Vectors(vectors)
    yield Usage(input=tokens)


#: Tokens that a reranking model puts around a question and a document.
_AROUND = 4


async def rerank(request: RerankRequest, child: EmbeddingChild, *, context: int) -> AsyncIterator[Event]:
    """Answer a rerank request: a `Notice` if a document had to be cut, `Scores` from 0 to 1, `Usage`.

    Raises:
        PromptTooLong: the question leaves no room for a document, or a document is too long and `truncate` is False.
    """
    question = len(await child.tokenize(request.query, special=False))
    room = context - question - _AROUND
    if room < 1:
        raise PromptTooLong(question + _AROUND, context, what="the question")
    scores: list[Score] = []
    tokens = 0
    notice: Notice | None = None
    place = 0
    for texts in batches(request.documents):
        documents = []
        for text in texts:
            found = await child.tokenize(text, special=False) if len(text.encode()) > room else []
            if len(found) > room:
                if request.local.truncate is False:
                    raise PromptTooLong(question + len(found) + _AROUND, context, what="a document with its question")
                text = (await child.ask("/detokenize", {"tokens": found[:room]}))["content"]
                notice = notice or too_long(
                    question + len(found) + _AROUND, context, "only the beginning of a document was read"
                )
            documents.append(text)
        answer = await child.ask("/v1/rerank", {"query": request.query, "documents": documents})
        for result in answer["results"]:
            scores.append(Score(place + int(result["index"]), _between(float(result["relevance_score"]))))
        tokens += answer["usage"]["prompt_tokens"]
        place += len(texts)
    if notice is not None:
        yield notice
    yield Scores(sorted(scores, key=lambda score: -score.score)[: request.top_n])
    yield Usage(input=tokens, searches=1)


def _between(logit: float) -> float:
    """A score from 0 to 1 of a number without bounds."""
    if not math.isfinite(logit):
        raise UpstreamFailed("the model gave a score that is no number")
    return 1 / (1 + math.exp(-max(-500.0, min(500.0, logit))))


def batches(inputs: list[str]) -> Iterator[list[str]]:
    """The inputs in order, in batches of a bearable size; a long one is a batch by itself."""
    batch: list[str] = []
    size = 0
    for text in inputs:
        if batch and (len(batch) == _BATCH or size + len(text) > _BATCH_CHARACTERS):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch


async def _cut(
    batch: list[str], child: EmbeddingChild, context: int, truncate: bool | None
) -> tuple[list[Any], Notice | None]:
    """Inputs that are too long as the tokens that fit; the others as they are."""
    notice = None
    inputs: list[Any] = []
    for text in batch:
        # A token is at least a byte of the text, but for the two around it.
        tokens = await child.tokenize(text) if len(text.encode()) + 2 > context else []
        if len(tokens) <= context:
            inputs.append(text)
            continue
        if truncate is False:
            raise PromptTooLong(len(tokens), context, what="an input")
        # The last token closes the text for the model: it stays.
        inputs.append([*tokens[: context - 1], tokens[-1]])
        notice = notice or too_long(len(tokens), context, f"only its first {context} were embedded")
    return inputs, notice


def too_long(tokens: int, context: int, consequence: str) -> Notice:
    """The notice for an input longer than the context."""
    return Notice(
        "truncated",
        f"An input has {tokens} tokens, more than the context of {context}: {consequence}.",
        {"prompt_tokens": tokens, "kept_tokens": context, "context_length": context, "dropped_messages": 0},
    )


def unit(vector: str | list[float], dimensions: int | None) -> list[float]:
    """A vector as a child sends it (base64 of little-endian float32, or numbers), cut to `dimensions`, of length 1.

    Raises:
        BadInput: `dimensions` is not between 1 and the vector's own.
        UpstreamFailed: the model gave no numbers.
    """
    values: Sequence[float] = vector if isinstance(vector, list) else _floats(vector)
    if dimensions is not None:
        if not 1 <= dimensions <= len(values):
            raise BadInput(f"dimensions must be between 1 and {len(values)}, not {dimensions}", field="dimensions")
        values = values[:dimensions]
    length = math.hypot(*values)
    if not math.isfinite(length):
        raise UpstreamFailed("the model gave a vector that is not of numbers")
    return [value / length for value in values] if length else list(values)


def _floats(packed: str) -> "array[float]":
    values = array("f", base64.b64decode(packed))
    if sys.byteorder == "big":
        values.byteswap()
    return values
