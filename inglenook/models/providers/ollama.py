"""An Ollama elsewhere. Callers of OpenAI's protocol pass through to its OpenAI face, unless they ask for what only its
own protocol has a word for (`num_ctx`, `keep_alive`, `truncate`); everybody else is translated to its own."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from msgspec import Struct, field

from inglenook.kit.errors import BadInput, InglenookError, UpstreamFailed
from inglenook.kit.http.pool import HttpPool, Response
from inglenook.models.calls import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Event,
    Passthrough,
    Vectors,
)
from inglenook.models.profiles.base import Profile, Thinking, guess
from inglenook.models.providers.base import Job, ModelFacts, ProviderKind, ProviderParts
from inglenook.models.providers.endpoint import EndpointSettings
from inglenook.models.providers.openai_family import OpenAIFamily
from inglenook.models.providers.openai_vendor import Vendor, VendorSettings, paths, read_settings, vendor_kind
from inglenook.models.providers.wires import ollama

VENDOR = Vendor(
    name="ollama",
    icon="ollama",
    paths={name: f"/v1{path}" for name, path in paths("chat", "completions", "embeddings", "responses").items()},
    profile=Profile(thinking=Thinking(efforts=("none", "low", "medium", "high"))),
    needs_key=False,
    own=True,
)

#: Fields of a caller's body that Ollama's OpenAI face passes over.
_ONLY_ITS_OWN = frozenset({"num_ctx", "keep_alive", "truncate"})
#: Models whose facts are asked for at a time.
_AT_ONCE = 8
_CAPABILITIES = frozenset({"completion", "embedding", "tools", "vision", "thinking", "insert", "audio"})


class Ollama(OpenAIFamily):
    """One such server."""

    def __init__(self, vendor: Vendor, settings: EndpointSettings, http: HttpPool) -> None:
        settings.base_url = settings.base_url.strip().rstrip("/").removesuffix("/v1").removesuffix("/api")
        super().__init__(vendor, settings, http)

    def passes(self, model: str, passthrough: Passthrough) -> bool:
        """See `Provider`."""
        return _ONLY_ITS_OWN.isdisjoint(passthrough.body)

    async def models(self, key: int = 0) -> list[ModelFacts]:
        """What `/api/tags` lists, and what `/api/show` tells of each."""
        try:
            listed = msgspec.convert(await self._endpoint.get("/api/tags", key=key), _Tags)
        except msgspec.ValidationError:
            raise UpstreamFailed(
                "the server did not answer with a list of models; is the base URL right?",
                details={"cause": "no_such_api"},
            ) from None
        gate = asyncio.Semaphore(_AT_ONCE)

        async def facts(name: str) -> ModelFacts:
            async with gate:
                return await self._facts(name, key)

        return list(await asyncio.gather(*(facts(model.name) for model in listed.models)))

    async def _facts(self, name: str, key: int) -> ModelFacts:
        try:
            async with await self._endpoint.post("/api/show", {"model": name}, key=key) as response:
                shown = msgspec.json.decode(await response.read(), type=_Shown)
        except (InglenookError, msgspec.DecodeError):  # a broken model does not hide the others
            return ModelFacts(name=name, capabilities=guess(name))
        sizes = {key.rpartition(".")[2]: value for key, value in shown.model_info.items() if type(value) is int}
        return ModelFacts(
            name=name,
            capabilities=frozenset(shown.capabilities) & _CAPABILITIES or guess(name),
            context_length=sizes.get("context_length", 0),
            embedding_length=sizes.get("embedding_length", 0) if "embedding" in shown.capabilities else 0,
        )

    async def prove(self, key: int, model: str | None = None) -> list[ModelFacts] | None:
        """See `Provider`."""
        if model is None:
            return await self.models(key)
        body = {"model": model, "prompt": "hi", "stream": False, "options": {"num_predict": 1}}
        async with await self._endpoint.post("/api/generate", body, key=key) as response:
            await response.read()
        return None

    # ------------------------------------------------------------------------------------------- translation

    async def _chat(self, job: Job, request: ChatRequest) -> AsyncGenerator[Event, None]:
        async for event in self._lines("/api/chat", ollama.chat_body(job.model, request), job.key):
            yield event

    async def _complete(self, job: Job, request: CompletionRequest) -> AsyncGenerator[Event, None]:
        async for event in self._lines("/api/generate", ollama.completion_body(job.model, request), job.key):
            yield event

    async def _embed(self, job: Job, request: EmbeddingRequest) -> AsyncGenerator[Event, None]:
        if not request.inputs:
            yield Vectors([])
            return
        async with await self._own("/api/embed", ollama.embedding_body(job.model, request), job.key) as response:
            body = await response.read()
        for event in ollama.read_embeddings(body, len(request.inputs)):
            yield event

    async def _lines(self, path: str, body: dict[str, Any], key: int) -> AsyncGenerator[Event, None]:
        answer = ollama.OllamaStream()
        async with await self._own(path, body, key) as response:
            async for chunk in response:
                for event in answer.feed(chunk):
                    yield event
        for event in answer.end():
            yield event

    async def _own(self, path: str, body: dict[str, Any], key: int) -> Response:
        return await self._post(self._endpoint.url(path), body, key)


class _Tag(Struct):
    name: str


class _Tags(Struct):
    models: list[_Tag]


class _Shown(Struct):
    capabilities: list[str] = field(default_factory=list)
    model_info: dict[str, Any] = field(default_factory=dict)


def ollama_kind(vendor: Vendor, kind: type[Ollama], chinese: dict[str, str]) -> ProviderKind:
    """A kind of server that speaks Ollama's protocol."""

    def make(given: dict[str, Any], parts: ProviderParts) -> Ollama:
        settings = read_settings(vendor, given, VendorSettings)
        if not settings.base_url.strip():
            raise BadInput("settings.base_url is needed", field="settings.base_url")
        return kind(vendor, settings, parts.http)

    return vendor_kind(vendor, make, chinese=chinese)


KIND = ollama_kind(VENDOR, Ollama, {})
