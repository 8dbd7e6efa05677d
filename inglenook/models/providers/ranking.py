"""What providers of embeddings and reranking have in common: texts in batches, rankings translated or passed on."""

from collections.abc import AsyncGenerator, Iterator
from typing import Any, ClassVar

from inglenook.kit.http.pool import Response
from inglenook.models.calls import (
    EmbeddingRequest,
    Event,
    Operation,
    Raw,
    RawHead,
    Request,
    RerankRequest,
    Scores,
    Usage,
    Vectors,
)
from inglenook.models.providers.account import Account
from inglenook.models.providers.base import Job, not_offered
from inglenook.models.providers.wires import embed, rerank
from inglenook.models.providers.wires.carrying import total


class Ranking(Account):
    """One account.

    Attributes:
        embed_path, rerank_path: Where each is asked.
        batch: Texts in one request for embeddings.
        top_n: Its name of the field for how many documents are wanted.
    """

    wires: frozenset[str] = frozenset({rerank.WIRE})
    operations = frozenset({Operation.EMBEDDING, Operation.RERANK})
    embed_path: ClassVar[str] = "/embeddings"
    rerank_path: ClassVar[str] = "/rerank"
    batch: ClassVar[int] = 128
    top_n: ClassVar[str] = "top_n"

    def embedding_body(self, model: str, request: EmbeddingRequest, texts: list[str]) -> dict[str, Any]:
        """A body that embeds some of the request's texts.

        Raises:
            CannotCarry: a field is set that it does not understand; names it.
        """
        raise NotImplementedError

    def read_embeddings(self, body: bytes, count: int) -> Iterator[Event]:
        """The events of an answer with `count` vectors.

        Raises:
            UpstreamFailed: it is none.
        """
        return embed.read_embeddings(body, count)

    def other(self, job: Job, request: Request) -> AsyncGenerator[Event, None]:
        """The answer to a request that is neither.

        Raises:
            CannotCarry: it has no way to do it.
        """
        raise not_offered(job)

    def stream(self, job: Job) -> AsyncGenerator[Event, None]:
        """See `Provider`."""
        if job.passthrough is not None:
            return self._relay(job)
        request = job.request
        if isinstance(request, EmbeddingRequest):
            return self._embed(job, request)
        if isinstance(request, RerankRequest):
            return self._rank(job, request)
        return self.other(job, request)

    async def relay(self, job: Job) -> list[Event]:
        """See `Provider`."""
        passthrough = job.passthrough
        assert passthrough is not None
        passthrough.body["model"] = job.model
        response = await self._post(job, self.rerank_path, passthrough.body)
        async with response:
            data = await response.read()
        head = RawHead(response.status, response.header(b"content-type", b"application/json").decode("latin-1"))
        usage = rerank.usage_in_ranking(data)
        return [head, Raw(data), *([usage] if usage is not None else [])]

    async def _relay(self, job: Job) -> AsyncGenerator[Event, None]:
        for event in await self.relay(job):
            yield event

    async def _rank(self, job: Job, request: RerankRequest) -> AsyncGenerator[Event, None]:
        if not request.documents:
            yield Scores([])
            return
        body = rerank.rerank_body(job.model, request, top_n=self.top_n)
        async with await self._post(job, self.rerank_path, body) as response:
            data = await response.read()
        for event in rerank.read_ranking(data, len(request.documents)):
            yield event

    async def _embed(self, job: Job, request: EmbeddingRequest) -> AsyncGenerator[Event, None]:
        vectors: list[list[float]] = []
        usages: list[Usage] = []
        for start in range(0, len(request.inputs), self.batch):
            texts = request.inputs[start : start + self.batch]
            body = self.embedding_body(job.model, request, texts)
            async with await self._post(job, self.embed_path, body) as response:
                data = await response.read()
            for event in self.read_embeddings(data, len(texts)):
                if isinstance(event, Vectors):
                    vectors += event.vectors
                elif isinstance(event, Usage):
                    usages.append(event)
        yield Vectors(vectors)
        if usages:
            yield total(usages)

    async def _post(self, job: Job, path: str, body: dict[str, Any]) -> Response:
        return await self._endpoint.post(path, body, key=job.key)
