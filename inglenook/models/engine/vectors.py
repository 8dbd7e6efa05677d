"""Embedding by a child: batches of inputs in, vectors of unit length out."""

import base64
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from inglenook.kit.errors import BadInput, UpstreamFailed
from inglenook.models.calls import EmbeddingRequest, Event, Notice, Usage, Vectors
from inglenook.models.engine.wire import PromptTooLong

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

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
    rows: list[Floats] = []
    tokens = 0
    notice: Notice | None = None
    for texts in batches(request.inputs):
        batch, cut = await _cut(texts, child, context, request.local.truncate)
        notice = notice or cut
        answer = await child.ask("/v1/embeddings", {"input": batch, "encoding_format": "base64"})
        rows += [decode(item["embedding"]) for item in sorted(answer["data"], key=lambda item: int(item["index"]))]
        tokens += answer["usage"]["prompt_tokens"]
    if notice is not None:
        yield notice
    yield Vectors(finish(rows, request.dimensions))
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


def decode(vector: str | list[float]) -> "Floats":
    """A vector as the child sends it: base64 of little-endian float32, or numbers."""
    import numpy as np  # noqa: PLC0415 - a tenth of a second that only embedding needs

    if isinstance(vector, str):
        return np.frombuffer(base64.b64decode(vector), dtype="<f4")
    return np.asarray(vector, dtype=np.float32)


def finish(rows: "list[Floats]", dimensions: int | None) -> list[list[float]]:
    """Vectors cut to `dimensions`, of unit length.

    Raises:
        BadInput: `dimensions` is not between 1 and the model's.
        UpstreamFailed: the model gave no numbers.
    """
    import numpy as np  # noqa: PLC0415

    if not rows:
        return []
    matrix = np.stack(rows)
    if dimensions is not None:
        if not 1 <= dimensions <= matrix.shape[1]:
            raise BadInput(f"dimensions must be between 1 and {matrix.shape[1]}, not {dimensions}", field="dimensions")
        matrix = matrix[:, :dimensions]
    if not np.isfinite(matrix).all():
        raise UpstreamFailed("the model gave a vector that is not of numbers")
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    vectors: list[list[float]] = (matrix / np.where(norms > 0, norms, 1)).tolist()
    return vectors
