"""Cohere: chat, embeddings and reranking, by version 2 of its API."""

from collections.abc import AsyncGenerator, Iterator
from typing import Any, ClassVar

import msgspec
from msgspec import Struct, field

from inglenook.kit.errors import UpstreamFailed
from inglenook.kit.http.pool import HttpPool
from inglenook.models.calls import ChatRequest, EmbeddingRequest, Event, Finished, Operation, Request
from inglenook.models.errors import KeyRefused
from inglenook.models.providers.base import Job, ModelFacts, ProviderKind, ProviderParts
from inglenook.models.providers.catalogue_data import vendor
from inglenook.models.providers.endpoint import (
    CHINESE,
    Endpoint,
    EndpointSettings,
    must_stream,
    read_settings,
    settings_schema,
)
from inglenook.models.providers.ranking import Ranking
from inglenook.models.providers.refusals import Wording
from inglenook.models.providers.wires.cohere_answers import ChatStream, read_embeddings
from inglenook.models.providers.wires.cohere_requests import chat_body, embedding_body

BASE_URL = "https://api.cohere.com"
#: What a model does, by the name of the endpoint that it is listed with.
_ENDPOINTS = {"chat": "completion", "embed": "embedding", "rerank": "rerank"}
_FEATURES = {"tools": "tools", "vision": "vision", "reasoning": "thinking"}


class CohereSettings(EndpointSettings, kw_only=True):
    """Settings of this kind of provider."""

    base_url: str = BASE_URL


class Cohere(Ranking):
    """One account."""

    kind: ClassVar[str] = "cohere"
    operations = frozenset({Operation.CHAT, Operation.EMBEDDING, Operation.RERANK})
    embed_path: ClassVar[str] = "/v2/embed"
    rerank_path: ClassVar[str] = "/v2/rerank"
    batch: ClassVar[int] = 96

    def __init__(self, settings: CohereSettings, http: HttpPool) -> None:
        self._endpoint = Endpoint(settings, http, wording=Wording(statuses={498: KeyRefused}))

    def other(self, job: Job, request: Request) -> AsyncGenerator[Event, None]:
        """See `Ranking`."""
        return self._answer(job, request) if isinstance(request, ChatRequest) else super().other(job, request)

    def embedding_body(self, model: str, request: EmbeddingRequest, texts: list[str]) -> dict[str, Any]:
        """See `Ranking`."""
        return embedding_body(model, request, texts)

    def read_embeddings(self, body: bytes, count: int) -> Iterator[Event]:
        """See `Ranking`."""
        return read_embeddings(body, count)

    async def models(self, key: int = 0) -> list[ModelFacts]:
        """What `GET /v1/models` lists, page by page, with what is known of each."""
        found: list[ModelFacts] = []
        path = "/v1/models?page_size=1000"
        while path:
            try:
                page = msgspec.convert(await self._endpoint.get(path, key=key), _Page)
            except msgspec.ValidationError:
                raise UpstreamFailed(
                    "the provider did not answer with a list of models; is the base URL right?"
                ) from None
            found += [facts for model in page.models if (facts := _facts(model, self.known(model.name))) is not None]
            path = f"/v1/models?page_size=1000&page_token={page.next_page_token}" if page.next_page_token else ""
        return found

    async def _answer(self, job: Job, request: ChatRequest) -> AsyncGenerator[Event, None]:
        if not request.messages:
            yield Finished("unload" if request.local.keep_alive == 0 else "load")
            return
        answer = ChatStream()
        async with await self._post(job, "/v2/chat", chat_body(job.model, request)) as response:
            must_stream(response)
            async for chunk in response:
                for event in answer.feed(chunk):
                    yield event
        for event in answer.end():
            yield event


class _Model(Struct):
    name: str
    is_deprecated: bool = False
    endpoints: list[str] | None = None
    context_length: float = 0
    features: list[str] | None = None


class _Page(Struct):
    models: list[_Model] = field(default_factory=list)
    next_page_token: str | None = None


def _facts(model: _Model, known: ModelFacts | None) -> ModelFacts | None:
    """What its provider tells of a model, before what we knew of it; None for one that there is no way to ask."""
    does = {_ENDPOINTS[name] for name in model.endpoints or () if name in _ENDPOINTS}
    if model.is_deprecated or not does:
        return None
    can = {_FEATURES[name] for name in model.features or () if name in _FEATURES} if "completion" in does else set()
    facts = known or ModelFacts(name=model.name, capabilities=frozenset(does))
    return msgspec.structs.replace(
        facts,
        capabilities=facts.capabilities | can,
        context_length=int(model.context_length) or facts.context_length,
    )


def _make(settings: dict[str, Any], parts: ProviderParts) -> Cohere:
    return Cohere(read_settings(settings, CohereSettings), parts.http)


KIND = ProviderKind(
    name="cohere",
    title="Cohere",
    icon="cohere",
    settings_schema=settings_schema(base_url=BASE_URL),
    make=_make,
    known=lambda: vendor("cohere").models(),
    docs="https://docs.cohere.com",
    keys_page="https://dashboard.cohere.com/api-keys",
    translations={"zh-CN": CHINESE},
)
