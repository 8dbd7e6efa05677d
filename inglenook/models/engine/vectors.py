"""Embedding by a child: batches of inputs in, vectors of unit length out."""

import base64
import math
import sys
from array import array
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Protocol

from inglenook.kit.errors import BadInput, UpstreamFailed
from inglenook.models.calls import EmbeddingRequest, Event, Notice, Usage, Vectors
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
