"""Reranking in the shape that Jina and Cohere share, and vLLM, SiliconFlow, DashScope and Inglenook with them.

    {"model", "query", "documents": [...], "top_n"}  ->  {"results": [{"index", "relevance_score"}], …}

Voyage's is the same but for two names, which are read here too. What was used is told in tokens (`usage.total_tokens`,
`meta.tokens`) or in units of search (`meta.billed_units.search_units`), in which it is then billed.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from inglenook.kit.errors import UpstreamFailed
from inglenook.models.calls import Event, RerankRequest, Score, Scores, Usage
from inglenook.models.providers.wires.carrying import check_local

#: The protocol's name, by which callers of it pass through.
WIRE = "rerank"


class _Result(Struct):
    index: int
    relevance_score: float | None = None
    score: float | None = None


class _Tokens(Struct):
    input_tokens: float | None = None
    total_tokens: float | None = None
    prompt_tokens: float | None = None
    search_units: float | None = None


class _Meta(Struct):
    tokens: _Tokens | None = None
    billed_units: _Tokens | None = None


class _Used(Struct):
    usage: _Tokens | None = None
    meta: _Meta | None = None

    def used(self) -> Usage | None:
        """What it took, if it is told."""
        meta = self.meta or _Meta()
        if meta.billed_units is not None and meta.billed_units.search_units:
            return Usage(searches=int(meta.billed_units.search_units))
        for tokens in (meta.billed_units, self.usage, meta.tokens):
            if tokens is not None:
                count = tokens.total_tokens or tokens.prompt_tokens or tokens.input_tokens
                if count:
                    return Usage(input=int(count))
        return None


class _Answer(_Used):
    results: list[_Result] | None = None
    data: list[_Result] | None = None


def rerank_body(model: str, request: RerankRequest, *, top_n: str = "top_n") -> dict[str, Any]:
    """A body for `/rerank`.

    Args:
        top_n: The name of the field for how many are wanted.

    Raises:
        CannotCarry: a field is set that only models run here understand.
    """
    check_local(request.local)
    body: dict[str, Any] = {"model": model, "query": request.query, "documents": request.documents}
    if request.top_n is not None:
        body[top_n] = request.top_n
    return body


def read_ranking(body: bytes, documents: int) -> Iterator[Event]:
    """The events of an answer.

    Raises:
        UpstreamFailed: it is malformed, or ranks documents that were not given.
    """
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UpstreamFailed(f"the provider sent a malformed ranking: {error}") from None
    results = answer.results if answer.results is not None else answer.data
    if results is None:
        raise UpstreamFailed("the provider sent a malformed ranking: it has no results")
    scores = []
    for result in results:
        score = result.relevance_score if result.relevance_score is not None else result.score
        if score is None or not 0 <= result.index < documents:
            raise UpstreamFailed(f"the provider ranked what is not among the {documents} documents it was given")
        scores.append(Score(result.index, score))
    yield Scores(sorted(scores, key=lambda score: -score.score))
    if (used := answer.used()) is not None:
        yield used


def usage_in_ranking(body: bytes) -> Usage | None:
    """What an answer that is relayed says it took; None where it does not."""
    try:
        return msgspec.json.decode(body, type=_Used).used()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
