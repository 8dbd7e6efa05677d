"""Amazon Bedrock's runtime over an endpoint: conversations by Converse, all else in the words of each model's maker."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import quote

from inglenook.kit.http.pool import Response
from inglenook.models.calls import (
    ChatRequest,
    EmbeddingRequest,
    Event,
    Finished,
    Operation,
    RerankRequest,
    Scores,
    Usage,
    Vectors,
)
from inglenook.models.providers.base import Job, not_offered
from inglenook.models.providers.endpoint import Endpoint, must_stream
from inglenook.models.providers.wires.bedrock_answers import ConverseStream, read_count
from inglenook.models.providers.wires.bedrock_invoke import (
    Embedded,
    embedding_bodies,
    read_embeddings,
    read_ranking,
    rerank_body,
)
from inglenook.models.providers.wires.bedrock_requests import converse_body, is_claude, prompt_body
from inglenook.models.providers.wires.event_stream import CONTENT_TYPE

OPERATIONS = frozenset({Operation.CHAT, Operation.COUNT, Operation.EMBEDDING, Operation.RERANK})
#: Requests for vectors under way at once, where each takes one text.
_AT_ONCE = 8
#: Documents in one unit of reranking that is billed.
_UNIT = 100


class Converse:
    """Answers jobs of chat, count, embedding and reranking."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def output_length(self, model: str) -> int:
        """Most tokens an answer of the model can have; 0 if unknown, and then the model's own default holds."""
        return 0

    def stream(self, job: Job) -> AsyncGenerator[Event, None]:
        """See `Provider.stream`."""
        request = job.request
        if isinstance(request, EmbeddingRequest):
            return self._embed(job, request)
        if isinstance(request, RerankRequest):
            return self._rerank(job, request)
        if not isinstance(request, ChatRequest):
            raise not_offered(job)
        return self._count(job, request) if job.operation is Operation.COUNT else self._answer(job, request)

    async def _answer(self, job: Job, request: ChatRequest) -> AsyncGenerator[Event, None]:
        if not request.messages:
            yield Finished("unload" if request.local.keep_alive == 0 else "load")
            return
        body = converse_body(job.model, request, output_length=self.output_length(job.model))
        answer = ConverseStream(claude=is_claude(job.model))
        async with await self._post(job, "converse-stream", body) as response:
            must_stream(response, CONTENT_TYPE)
            async for chunk in response:
                for event in answer.feed(chunk):
                    yield event
        for event in answer.end():
            yield event

    async def _count(self, job: Job, request: ChatRequest) -> AsyncGenerator[Event, None]:
        prompt = prompt_body(job.model, request)
        prompt.pop("outputConfig", None)  # how to answer is no part of it
        async with await self._post(job, "count-tokens", {"input": {"converse": prompt}}) as response:
            data = await response.read()
        for event in read_count(data):
            yield event

    async def _embed(self, job: Job, request: EmbeddingRequest) -> AsyncGenerator[Event, None]:
        bodies = embedding_bodies(job.model, request)
        found: list[Embedded] = []
        for start in range(0, len(bodies), _AT_ONCE):
            asking = [asyncio.ensure_future(self._vectors(job, *body)) for body in bodies[start : start + _AT_ONCE]]
            try:
                found += await asyncio.gather(*asking)
            except BaseException:
                for task in asking:
                    task.cancel()
                raise
        yield Vectors([vector for answer in found for vector in answer.vectors])
        if found and all(answer.tokens is not None for answer in found):
            yield Usage(input=sum(answer.tokens or 0 for answer in found))

    async def _vectors(self, job: Job, body: dict[str, Any], count: int) -> Embedded:
        async with await self._post(job, "invoke", body) as response:
            data = await response.read()
        return read_embeddings(data, count, response.header(b"x-amzn-bedrock-input-token-count"))

    async def _rerank(self, job: Job, request: RerankRequest) -> AsyncGenerator[Event, None]:
        if not request.documents:
            yield Scores([])
            return
        async with await self._post(job, "invoke", rerank_body(job.model, request)) as response:
            data = await response.read()
        yield Scores(read_ranking(data, len(request.documents)))
        yield Usage(searches=-(-len(request.documents) // _UNIT))

    async def _post(self, job: Job, action: str, body: dict[str, Any]) -> Response:
        return await self._endpoint.post(f"/model/{quote(job.model, safe='-._~')}/{action}", body, key=job.key)
