"""Embeddings in OpenAI's shape, by providers who add what a text is for: Jina and Voyage."""

import math
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from inglenook.kit.errors import UpstreamFailed
from inglenook.models.calls import Event, Usage, Vectors


class _Item(Struct):
    embedding: list[float]
    index: int = 0


class _Tokens(Struct):
    total_tokens: int = 0


class _Embeddings(Struct):
    data: list[_Item]
    usage: _Tokens | None = None


def read_embeddings(body: bytes, count: int) -> Iterator[Event]:
    """The events of an answer.

    Raises:
        UpstreamFailed: it is malformed, or has not `count` vectors of numbers.
    """
    try:
        answer = msgspec.json.decode(body, type=_Embeddings)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UpstreamFailed(f"the provider sent malformed embeddings: {error}") from None
    vectors = [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
    if len(vectors) != count or not all(vector and math.isfinite(sum(vector)) for vector in vectors):
        raise UpstreamFailed(f"the provider sent {len(vectors)} usable vectors for {count} inputs")
    yield Vectors(vectors)
    if answer.usage is not None:
        yield Usage(input=answer.usage.total_tokens)
