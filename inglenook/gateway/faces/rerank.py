"""Reranking, in the shape that Jina and Cohere share: `/v1/rerank`, and `/v2/rerank` for Cohere's client."""

from functools import partial
from typing import Any

import orjson
from msgspec import Struct

from inglenook.gateway.call import Call
from inglenook.gateway.faces.answering import give, never, with_notices
from inglenook.gateway.faces.asking import asker, duration, json_body, model_named, read_as, wish, without_nulls
from inglenook.gateway.faces.openai_answers import broken, render_error
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.wire.routes import WireRequest, WireResponse, WireRoute
from inglenook.kit.errors import BadInput
from inglenook.models.calls import (
    Event,
    LocalOptions,
    Notice,
    Operation,
    Passthrough,
    RerankRequest,
    Routed,
    Scores,
    Usage,
)


class _Document(Struct, forbid_unknown_fields=True):
    text: str


class _Body(Struct, forbid_unknown_fields=True, kw_only=True):
    model: str
    query: str
    documents: list[str | _Document]
    top_n: int | None = None
    return_documents: bool = False
    keep_alive: float | str | None = None
    num_ctx: int | None = None
    truncate: bool | None = None
    user: str | None = None


class RerankFace:
    """Decodes requests to rerank and encodes their scores."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> list[WireRoute]:
        """The face's routes."""
        return [
            WireRoute("POST", path, self._rerank, needs="use model", render_error=render_error)
            for path in ("/v1/rerank", "/v2/rerank")
        ]

    async def _rerank(self, request: WireRequest, response: WireResponse) -> None:
        principal = asker(self._gateway, request)
        body = await json_body(request)
        _check(body)
        call = Call(
            operation=Operation.RERANK,
            model=model_named(body),
            decode=partial(_decode, body),
            stream=False,
            passthrough=Passthrough("rerank", body, False),
            principal=principal,
            source="rerank",
        )
        wish(request, call)
        await give(
            self._gateway,
            call,
            response,
            whole=lambda routed, notices, events: _whole(call, body, routed, notices, events),
            stream=never,
            broken=broken,
        )


def _check(body: dict[str, Any]) -> None:
    """What is wrong whoever answers; a document of nothing but text becomes that text, which everybody takes."""
    if not isinstance(body.get("query"), str):
        raise BadInput("query: a text is required", field="query")
    documents = body.get("documents")
    if not isinstance(documents, list) or not documents:
        raise BadInput("documents: a list of at least one text is required", field="documents")
    body["documents"] = [
        document["text"] if isinstance(document, dict) and document.keys() == {"text"} else document
        for document in documents
    ]
    top_n = body.get("top_n")
    if top_n is not None and (type(top_n) is not int or top_n < 1):
        raise BadInput(f"top_n must be at least 1, got {top_n!r}", field="top_n")


def _decode(body: dict[str, Any]) -> RerankRequest:
    read = read_as(without_nulls(body), _Body)
    documents = [document if isinstance(document, str) else document.text for document in read.documents]
    local = LocalOptions(
        num_ctx=read.num_ctx, keep_alive=duration(read.keep_alive, "keep_alive"), truncate=read.truncate
    )
    return RerankRequest(query=read.query, documents=documents, top_n=read.top_n, local=local)


def _whole(call: Call, body: dict[str, Any], routed: Routed, notices: list[Notice], events: list[Event]) -> bytes:
    documents, usage, results = body["documents"], Usage(), []
    for event in events:
        if type(event) is Usage:
            usage = event
        elif type(event) is Scores:
            best = sorted(event.scores, key=lambda score: -score.score)[: body.get("top_n")]
            results = [{"index": score.index, "relevance_score": score.score} for score in best]
    if body.get("return_documents"):
        for result in results:
            result["document"] = {"text": documents[int(result["index"])]}  # type: ignore[assignment]
    found: dict[str, Any] = {
        "id": f"rerank-{call.id[5:]}",
        "object": "list",
        "model": routed.model,
        "results": results,
        "usage": {"prompt_tokens": usage.input, "total_tokens": usage.input},
        "meta": {"billed_units": {"search_units": usage.searches}},
    }
    return orjson.dumps(with_notices(found, notices))
