"""Cohere's API, version 2, as a caller reads it: streams to events, and embeddings."""

import math
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct, field

from inglenook.kit.errors import UpstreamFailed, UpstreamTimeout
from inglenook.models.calls import (
    Event,
    Finished,
    FinishReason,
    Logprobs,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
    Vectors,
)
from inglenook.models.providers.refusals import Refusal, error_of
from inglenook.models.providers.wires.sse import SseReader

_REASONS: dict[str, FinishReason] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
}


class _Function(Struct):
    name: str = ""
    arguments: str = ""


class _ToolCall(Struct):
    id: str = ""
    function: _Function | None = None


class _Content(Struct):
    text: str | None = None
    thinking: str | None = None


class _Message(Struct):
    """Part of a message; in the first event, where both are empty lists, all of it."""

    content: _Content | list[Any] | None = None
    tool_plan: str | None = None
    tool_calls: _ToolCall | list[Any] | None = None


class _Units(Struct):
    input_tokens: float | None = None
    output_tokens: float | None = None


class _Usage(Struct):
    billed_units: _Units | None = None
    tokens: _Units | None = None
    cached_tokens: float | None = None

    def usage(self) -> Usage:
        """What is billed: its count of tokens has those around the prompt too."""
        units = self.billed_units or self.tokens or _Units()
        given = int(units.input_tokens or 0)
        return Usage(input=given, output=int(units.output_tokens or 0), cached=min(given, int(self.cached_tokens or 0)))


class _Delta(Struct):
    message: _Message | None = None
    finish_reason: str | None = None
    usage: _Usage | None = None
    error: str | None = None


class _Logprob(Struct):
    text: str | None = None
    logprobs: list[float] | None = None


class _Event(Struct):
    type: str = ""
    index: int = 0
    delta: _Delta | None = None
    logprobs: _Logprob | None = None
    message: str = ""


_event = msgspec.json.Decoder(_Event)


class ChatStream:
    """Reads one stream of a chat."""

    def __init__(self) -> None:
        self._events = SseReader()
        self._tools: dict[int, int] = {}
        self._begun: set[int] = set()
        self._finished: FinishReason | None = None
        self._usage: Usage | None = None

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events in the next bytes.

        Raises:
            UpstreamFailed, …: the provider says that it failed, or what it sends makes no sense.
        """
        for raw in self._events.feed(data):
            if self._finished is not None:
                return
            try:
                event = _event.decode(raw)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                shown = raw[:80].decode("utf-8", "replace")
                raise UpstreamFailed(f"the provider sent a malformed chunk: {error} in {shown!r}") from None
            if event.type:
                yield from self._read(event, event.delta or _Delta())
            elif event.message:
                raise error_of(0, Refusal(event.message))

    def end(self) -> Iterator[Event]:
        """The last events, once the stream has ended.

        Raises:
            UpstreamFailed: it ended before the answer was whole.
        """
        if self._finished is None:
            raise UpstreamFailed("the provider's stream ended before its answer was whole; try again")
        if self._usage is not None:
            yield self._usage
        yield Finished(self._finished)

    def _read(self, event: _Event, delta: _Delta) -> Iterator[Event]:
        message = delta.message or _Message()
        match event.type:
            case "content-start" | "content-delta":
                if isinstance(message.content, _Content):
                    if message.content.thinking:
                        yield ReasoningDelta(message.content.thinking)
                    if message.content.text:
                        yield TextDelta(message.content.text)
                if event.logprobs is not None:
                    yield Logprobs(_tokens(event.logprobs))
            case "tool-plan-delta" if message.tool_plan:
                yield TextDelta(message.tool_plan)
            case "tool-call-start" if isinstance(message.tool_calls, _ToolCall):
                function = message.tool_calls.function or _Function()
                number = self._tools[event.index] = len(self._tools)
                yield ToolCallDelta(number, message.tool_calls.id, function.name, function.arguments)
                if function.arguments:
                    self._begun.add(event.index)
            case "tool-call-delta" if isinstance(message.tool_calls, _ToolCall) and event.index in self._tools:
                function = message.tool_calls.function or _Function()
                if function.arguments:
                    self._begun.add(event.index)
                    yield ToolCallDelta(self._tools[event.index], arguments=function.arguments)
            case "tool-call-end" if event.index in self._tools and event.index not in self._begun:
                yield ToolCallDelta(self._tools[event.index], arguments="{}")
            case "message-end":
                self._end(delta)

    def _end(self, delta: _Delta) -> None:
        if delta.finish_reason == "TIMEOUT":
            raise UpstreamTimeout(f"the provider took too long: {delta.error or 'it gave up'}")
        if delta.finish_reason == "ERROR" or delta.error:
            raise error_of(0, Refusal(delta.error or ""))
        self._finished = _REASONS.get(delta.finish_reason or "", "stop")
        self._usage = delta.usage.usage() if delta.usage is not None else None


def _tokens(item: _Logprob) -> list[TokenLogprob]:
    """Where several tokens came at once, which text is whose is not told: the first gets all of it."""
    texts = [item.text or "", *[""] * len(item.logprobs or ())]
    return [
        TokenLogprob(text, logprob, list(text.encode()))
        for text, logprob in zip(texts, item.logprobs or (), strict=False)
    ]


class _ByType(Struct):
    vectors: list[list[float]] = field(default_factory=list, name="float")


class _Meta(Struct):
    billed_units: _Units | None = None


class _Embeddings(Struct):
    embeddings: _ByType
    meta: _Meta | None = None


def read_embeddings(body: bytes, count: int) -> Iterator[Event]:
    """The events of an answer of `/v2/embed`.

    Raises:
        UpstreamFailed: it is malformed, or has not `count` vectors of numbers.
    """
    try:
        answer = msgspec.json.decode(body, type=_Embeddings)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UpstreamFailed(f"the provider sent malformed embeddings: {error}") from None
    vectors = answer.embeddings.vectors
    if len(vectors) != count or not all(vector and math.isfinite(sum(vector)) for vector in vectors):
        raise UpstreamFailed(f"the provider sent {len(vectors)} usable vectors for {count} inputs")
    yield Vectors(vectors)
    if answer.meta is not None and answer.meta.billed_units is not None:
        yield Usage(input=int(answer.meta.billed_units.input_tokens or 0))
