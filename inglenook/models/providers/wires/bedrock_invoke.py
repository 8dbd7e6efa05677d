"""Models of Amazon Bedrock that are not for conversation, each asked in its maker's own words (`/invoke`): embeddings
of Titan and Cohere, reranking of Amazon and Cohere."""

import math
from typing import Any

import msgspec
from msgspec import Struct, field

from inglenook.kit.errors import UpstreamFailed
from inglenook.models.calls import EmbeddingRequest, RerankRequest, Score
from inglenook.models.providers.wires.carrying import check_local, refuse

#: Texts Cohere's models take at once; Titan takes one.
COHERE_BATCH = 96
_INPUT_TYPES = {"query": "search_query", "passage": "search_document", None: "search_document"}


class Embedded(Struct):
    """The vectors of one answer, and how many tokens they took; None: it is not told."""

    vectors: list[list[float]]
    tokens: int | None


def embedding_bodies(model: str, request: EmbeddingRequest) -> list[tuple[dict[str, Any], int]]:
    """The bodies that embed the inputs in turn, each with how many it embeds.

    Raises:
        CannotCarry: a field is set, or a model named, that there is no way to ask for; names it.
    """
    check_local(request.local)
    if "titan-embed" in model:
        how: dict[str, Any] = {}
        if request.dimensions is not None:
            if "v2" not in model:
                raise refuse("dimensions", model, "its vectors have one length")
            how["dimensions"] = request.dimensions
        return [({"inputText": text, **how}, 1) for text in request.inputs]
    if "cohere.embed" in model:
        how = {
            "input_type": _INPUT_TYPES[request.purpose],
            "truncate": "NONE" if request.local.truncate is False else "END",
            "embedding_types": ["float"],
        }
        if request.dimensions is not None:
            if "v3" in model:
                raise refuse("dimensions", model, "its vectors have one length")
            how["output_dimension"] = request.dimensions
        starts = range(0, len(request.inputs), COHERE_BATCH)
        batches = [request.inputs[start : start + COHERE_BATCH] for start in starts]
        return [({"texts": batch, **how}, len(batch)) for batch in batches]
    raise refuse("model", model, "of its provider's embedding models, those of Titan and Cohere can be asked")


def rerank_body(model: str, request: RerankRequest) -> dict[str, Any]:
    """A body that ranks the documents. Raises as `embedding_bodies`."""
    check_local(request.local)
    if "rerank" not in model:
        raise refuse("model", model, "it does not rerank")
    body: dict[str, Any] = {"query": request.query, "documents": request.documents}
    if request.top_n is not None:
        body["top_n"] = request.top_n
    if "cohere" in model:
        body["api_version"] = 2
    return body


class _ByType(Struct):
    vectors: list[list[float]] = field(name="float")


class _Embeddings(Struct, rename={"input_text_token_count": "inputTextTokenCount"}):
    embedding: list[float] | None = None
    embeddings: list[list[float]] | _ByType | None = None
    input_text_token_count: int | None = None


class _Result(Struct):
    index: int
    relevance_score: float


class _Ranking(Struct):
    results: list[_Result]


def read_embeddings(body: bytes, count: int, told: bytes) -> Embedded:
    """The vectors of an answer.

    Args:
        told: The header `x-amzn-bedrock-input-token-count`.

    Raises:
        UpstreamFailed: it is malformed, or has not `count` vectors of numbers.
    """
    try:
        answer = msgspec.json.decode(body, type=_Embeddings)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UpstreamFailed(f"the provider sent malformed embeddings: {error}") from None
    many = answer.embeddings
    vectors = many.vectors if isinstance(many, _ByType) else many or []
    if answer.embedding is not None:
        vectors = [answer.embedding]
    if len(vectors) != count or not all(vector and math.isfinite(sum(vector)) for vector in vectors):
        raise UpstreamFailed(f"the provider sent {len(vectors)} usable vectors for {count} inputs")
    tokens = answer.input_text_token_count
    return Embedded(vectors, int(told) if tokens is None and told.isdigit() else tokens)


def read_ranking(body: bytes, documents: int) -> list[Score]:
    """The scores of an answer, best first.

    Raises:
        UpstreamFailed: it is malformed, or names documents that are none.
    """
    try:
        results = msgspec.json.decode(body, type=_Ranking).results
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UpstreamFailed(f"the provider sent a malformed ranking: {error}") from None
    if not all(0 <= result.index < documents for result in results):
        raise UpstreamFailed(f"the provider ranked documents that are not among the {documents} it was given")
    scores = [Score(result.index, result.relevance_score) for result in results]
    return sorted(scores, key=lambda score: -score.score)
