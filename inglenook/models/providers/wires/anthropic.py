"""Anthropic's Messages over an endpoint: what its own API and the clouds that serve its models have in common.

Callers of the same protocol are passed through: of their body only the model's name changes (and thoughts of other
providers are left out, over which Anthropic would refuse it), and of the answer nothing.
Other callers are translated (`anthropic_requests`, `anthropic_answers`), by a stream whatever they asked for.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from inglenook.kit.errors import UpstreamFailed
from inglenook.kit.http.pool import Response
from inglenook.models.calls import ChatRequest, Event, Finished, Operation, Passthrough, Raw, RawHead
from inglenook.models.providers.base import Job, not_offered
from inglenook.models.providers.endpoint import Endpoint, must_stream, rendered
from inglenook.models.providers.wires.anthropic_answers import MessageStream, read_count
from inglenook.models.providers.wires.anthropic_requests import VERSION, count_body, messages_body, version_for
from inglenook.models.providers.wires.anthropic_usage import MessageRelay, usage_in_body
from inglenook.models.providers.wires.provenance import own_messages

MESSAGES, COUNT = "anthropic.messages", "anthropic.count"
WIRES = frozenset({MESSAGES, COUNT})
OPERATIONS = frozenset({Operation.CHAT, Operation.COUNT})

_PATHS = {MESSAGES: "/v1/messages", COUNT: "/v1/messages/count_tokens"}
#: Of the headers that come with a caller's body, those that belong to the protocol; others might hold a key.
_HEADERS = ("anthropic-version", "anthropic-beta")


class Messages:
    """Answers jobs of chat and count, and passes both through."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def output_length(self, model: str) -> int:
        """Most tokens an answer of the model can have; 0 if unknown."""
        return 0

    async def ask(self, name: str, job: Job, body: dict[str, Any], headers: dict[str, str]) -> Response:
        """Post a body whose model is set. Clouds put model and version elsewhere.

        Args:
            name: `MESSAGES` or `COUNT`.
            headers: `anthropic-version`, and what else of the protocol's the caller sent.
        """
        return await self._endpoint.post(_PATHS[name], body, key=job.key, headers=rendered(headers))

    def events(self, response: Response) -> tuple[RawHead, AsyncIterator[bytes]]:
        """The head and the server-sent events of a streamed answer. Clouds may wrap them."""
        must_stream(response)
        return _head(response), aiter(response)

    def stream(self, job: Job) -> AsyncGenerator[Event, None]:
        """See `Provider.stream`."""
        if job.passthrough is not None:
            return self._relay(job, job.passthrough)
        request = job.request
        if not isinstance(request, ChatRequest):
            raise not_offered(job)
        return self._count(job, request) if job.operation is Operation.COUNT else self._answer(job, request)

    async def relay(self, job: Job) -> list[Event]:
        """See `Provider`."""
        assert job.passthrough is not None
        response = await self._pass(job, job.passthrough)
        try:
            data = await response.read()
        finally:
            response.close()
        usage = usage_in_body(data)
        return [_head(response), Raw(data), *([usage] if usage is not None else [])]

    # --------------------------------------------------------------------------------------------- pass-through

    async def _pass(self, job: Job, passthrough: Passthrough) -> Response:
        body = passthrough.body
        body["model"] = job.model
        body["messages"] = own_messages(body.get("messages"))
        given = passthrough.headers or {}
        headers = {"anthropic-version": VERSION, **{name: given[name] for name in _HEADERS if name in given}}
        return await self.ask(passthrough.wire, job, body, headers)

    async def _relay(self, job: Job, passthrough: Passthrough) -> AsyncGenerator[Event, None]:
        if not passthrough.stream:
            for event in await self.relay(job):
                yield event
            return
        relay = MessageRelay()
        async with await self._pass(job, passthrough) as response:
            head, events = self.events(response)
            yield head
            async for chunk in events:
                data, error = relay.feed(chunk)
                if data:
                    yield Raw(data)
                if error is not None:
                    raise error
        if not relay.done:
            raise UpstreamFailed("the provider's stream ended before its answer was whole; try again")
        if relay.usage is not None:
            yield relay.usage

    # ---------------------------------------------------------------------------------------------- translation

    async def _answer(self, job: Job, request: ChatRequest) -> AsyncGenerator[Event, None]:
        if not request.messages:
            yield Finished("unload" if request.local.keep_alive == 0 else "load")
            return
        body = messages_body(job.model, request, output_length=self.output_length(job.model))
        answer = MessageStream()
        async with await self.ask(MESSAGES, job, body, {"anthropic-version": version_for(body)}) as response:
            must_stream(response)
            async for chunk in response:
                for event in answer.feed(chunk):
                    yield event
        for event in answer.end():
            yield event

    async def _count(self, job: Job, request: ChatRequest) -> AsyncGenerator[Event, None]:
        body = count_body(job.model, request)
        async with await self.ask(COUNT, job, body, {"anthropic-version": VERSION}) as response:
            data = await response.read()
        for event in read_count(data):
            yield event


def _head(response: Response) -> RawHead:
    return RawHead(response.status, response.header(b"content-type", b"application/json").decode("latin-1"))
