"""What every bought provider with an endpoint and a file of known models has."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import ClassVar

from inglenook.models.calls import (
    ChatRequest,
    EmbeddingRequest,
    Event,
    Message,
    Operation,
    Request,
    RerankRequest,
    Sampling,
)
from inglenook.models.providers.base import Job, ModelFacts
from inglenook.models.providers.catalogue_data import VendorData, vendor
from inglenook.models.providers.endpoint import Endpoint


class Account:
    """Keys, known models, and the proof that a key is right.

    Attributes:
        kind: Of the provider; its file in `data/` is called so too.
    """

    kind: ClassVar[str]
    _endpoint: Endpoint

    @property
    def keys(self) -> int:
        """See `Provider`."""
        return self._endpoint.keys

    @property
    def data(self) -> VendorData:
        """What is known of the vendor."""
        return vendor(self.kind)

    def stream(self, job: Job) -> AsyncIterator[Event]:
        """See `Provider`."""
        raise NotImplementedError

    def known(self, model: str) -> ModelFacts | None:
        """See `Provider`."""
        return self.data.facts(model)

    async def models(self, key: int = 0) -> list[ModelFacts]:
        """See `Provider`. Without a list to ask for: what is known."""
        return list(self.data.models())

    async def prove(self, key: int, model: str | None = None) -> list[ModelFacts] | None:
        """See `Provider`."""
        if model is None and type(self).models is not Account.models:
            return await self.models(key)
        facts = self.data.models()[0] if model is None else self.known(model) or ModelFacts(name=model)
        request, operation = _smallest(facts)
        job = Job(model=facts.name, stream=True, decode=lambda: request, operation=operation, key=key)
        async with aclosing(self.stream(job)) as events:  # type: ignore[type-var]
            async for _ in events:
                pass
        return None

    async def close(self) -> None:
        """Nothing of its own: the pool is the server's."""


def _smallest(facts: ModelFacts) -> tuple[Request, Operation]:
    """The least a model can be asked."""
    if "embedding" in facts.capabilities:
        return EmbeddingRequest(inputs=["hi"]), Operation.EMBEDDING
    if "rerank" in facts.capabilities:
        return RerankRequest(query="hi", documents=["hi"]), Operation.RERANK
    return ChatRequest(messages=[Message("user", "hi")], sampling=Sampling(max_tokens=1)), Operation.CHAT
