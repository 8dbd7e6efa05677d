"""Gemini's protocol over an endpoint: what Google's API for developers and its cloud have in common."""

from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import quote

from inglenook.kit.http.pool import Response
from inglenook.models.calls import ChatRequest, EmbeddingRequest, Event, Finished, Operation, Usage, Vectors
from inglenook.models.providers.base import Job, not_offered
from inglenook.models.providers.endpoint import Endpoint, must_stream
from inglenook.models.providers.wires.carrying import total
from inglenook.models.providers.wires.gemini_answers import GenerateStream, read_count, read_embeddings
from inglenook.models.providers.wires.gemini_requests import embedding_bodies, generate_body, prompt_body

OPERATIONS = frozenset({Operation.CHAT, Operation.COUNT, Operation.EMBEDDING})
#: Texts in one request for embeddings.
_BATCH = 100


class Generate:
    """Answers jobs of chat, count and embedding; always by a stream where there is one."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def path(self, model: str, method: str) -> str:
        """Where a method of a model is. Names with a slash (`tunedModels/x`) say themselves where they are."""
        name = quote(model, safe="/-._~")
        return f"/{name}:{method}" if "/" in name else f"/models/{name}:{method}"

    async def count(self, job: Job, request: ChatRequest) -> Response:
        """Ask how many tokens a prompt has."""
        body = {"generateContentRequest": {"model": f"models/{job.model}", **prompt_body(job.model, request)}}
        return await self._post(job, "countTokens", body)

    async def embed(self, job: Job, bodies: list[dict[str, Any]]) -> Response:
        """Ask for the vectors of some inputs."""
        requests = [{"model": f"models/{job.model}", **body} for body in bodies]
        return await self._post(job, "batchEmbedContents", {"requests": requests})

    def stream(self, job: Job) -> AsyncGenerator[Event, None]:
        """See `Provider.stream`."""
        request = job.request
        if isinstance(request, EmbeddingRequest):
            return self._embed(job, request)
        if not isinstance(request, ChatRequest):
            raise not_offered(job)
        return self._count(job, request) if job.operation is Operation.COUNT else self._answer(job, request)

    async def _answer(self, job: Job, request: ChatRequest) -> AsyncGenerator[Event, None]:
        if not request.messages:
            yield Finished("unload" if request.local.keep_alive == 0 else "load")
            return
        answer = GenerateStream()
        body = generate_body(job.model, request)
        async with await self._post(job, "streamGenerateContent?alt=sse", body) as response:
            must_stream(response)
            async for chunk in response:
                for event in answer.feed(chunk):
                    yield event
        for event in answer.end():
            yield event

    async def _count(self, job: Job, request: ChatRequest) -> AsyncGenerator[Event, None]:
        async with await self.count(job, request) as response:
            data = await response.read()
        for event in read_count(data):
            yield event

    async def _embed(self, job: Job, request: EmbeddingRequest) -> AsyncGenerator[Event, None]:
        bodies = embedding_bodies(job.model, request)
        vectors: list[list[float]] = []
        usages: list[Usage] = []
        for start in range(0, len(bodies), _BATCH):
            batch = bodies[start : start + _BATCH]
            async with await self.embed(job, batch) as response:
                data = await response.read()
            for event in read_embeddings(data, len(batch)):
                if isinstance(event, Vectors):
                    vectors += event.vectors
                elif isinstance(event, Usage):
                    usages.append(event)
        yield Vectors(vectors)
        if usages:
            yield total(usages)

    async def _post(self, job: Job, method: str, body: dict[str, Any]) -> Response:
        return await self._endpoint.post(self.path(job.model, method), body, key=job.key)
