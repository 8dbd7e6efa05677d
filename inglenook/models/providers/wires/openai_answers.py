"""OpenAI's protocols as a caller reads them: streams and bodies to our events."""

import base64
import binascii
import math
import sys
from array import array
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct, field

from inglenook.kit.errors import UpstreamFailed
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
from inglenook.models.providers.refusals import USUAL, Wording
from inglenook.models.providers.wires.openai_usage import usage_of
from inglenook.models.providers.wires.sse import SseReader
from inglenook.models.providers.wires.think_tags import ThinkTags


class _Token(Struct):
    token: str = ""
    logprob: float = 0.0
    bytes: list[int] | None = None
    top_logprobs: list["_Token"] | None = None


class _ChatLogprobs(Struct):
    content: list[_Token] | None = None


class _CompletionLogprobs(Struct):
    tokens: list[str] = field(default_factory=list)
    token_logprobs: list[float | None] = field(default_factory=list)
    top_logprobs: list[dict[str, float] | None] | None = None


class _Function(Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Thought(Struct):
    text: str | None = None


class _Piece(Struct):
    """A piece of an answer whose content is a list (Mistral)."""

    text: str | None = None
    thinking: list[_Thought] | None = None


class _Delta(Struct):
    content: str | list[_Piece] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[_Thought] | None = None
    tool_calls: list[_ToolCall] | _ToolCall | None = None


_NULL = msgspec.Raw(b"null")


class _Choice(Struct):
    index: int = 0
    delta: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: msgspec.Raw = _NULL
    usage: dict[str, Any] | None = None  # Moonshot


class _Chunk(Struct):
    choices: list[_Choice] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None


class _Embedding(Struct):
    embedding: list[float] | str
    index: int = 0


class _Embeddings(Struct):
    data: list[_Embedding]
    usage: dict[str, Any] | None = None


_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "sensitive": "content_filter",
    "model_context_window_exceeded": "length",
}
_chunk = msgspec.json.Decoder(_Chunk)
_embeddings = msgspec.json.Decoder(_Embeddings)


#: Reasons that say the answer broke off.
_BROKE = frozenset({"error", "network_error", "insufficient_system_resource", "abort"})


class AnswerStream:
    """Reads one stream of chat or completion chunks.

    Args:
        wording: How this vendor says what went wrong.
        think_tags: Whether thinking stands in the text, between tags.
    """

    def __init__(self, wording: Wording = USUAL, *, think_tags: bool = False) -> None:
        self._events = SseReader()
        self._wording = wording
        self._tags: dict[int, ThinkTags] | None = {} if think_tags else None
        self._finished: dict[int, FinishReason] = {}
        self._usage: Usage | None = None
        self._done = False

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events in the next bytes.

        Raises:
            InglenookError: the provider says that it failed, or what it sends makes no sense.
        """
        for event in self._events.feed(data):
            if event == b"[DONE]":
                self._done = True
            elif not self._done:
                yield from self._read(event)

    def end(self) -> Iterator[Event]:
        """The last events, once the stream has ended.

        Raises:
            UpstreamFailed: it ended before the answer was whole.
        """
        if not self._finished and not self._done:
            raise UpstreamFailed("the provider's stream ended before its answer was whole; try again")
        for choice, tags in (self._tags or {}).items():
            yield from tags.end(choice)
        if self._usage is not None:
            yield self._usage
        for choice, reason in sorted((self._finished or {0: "stop"}).items()):
            yield Finished(reason, choice)

    def _read(self, event: bytes) -> Iterator[Event]:
        try:
            chunk = _chunk.decode(event)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            # What is no chunk may be an error in the vendor's own shape.
            if (refused := self._wording.inside(event)) is not None:
                raise refused from None
            shown = event[:80].decode("utf-8", "replace")
            raise UpstreamFailed(f"the provider sent a malformed chunk: {error} in {shown!r}") from None
        if chunk.error or not chunk.choices or self._wording.code:
            refused = self._wording.inside(event)
            if refused is not None:
                raise refused
        if chunk.usage is not None:
            self._usage = usage_of(chunk.usage) or self._usage
        for choice in chunk.choices or ():
            yield from self._choice(choice)

    def _choice(self, choice: _Choice) -> Iterator[Event]:
        for event in _events_of(choice):
            if self._tags is not None and type(event) is TextDelta:
                tags = self._tags.setdefault(event.choice, ThinkTags())
                yield from tags.feed(event.text, event.choice)
            else:
                yield event
        if choice.usage is not None:
            self._usage = usage_of(choice.usage) or self._usage
        if reason := choice.finish_reason:
            if reason in _BROKE:
                raise UpstreamFailed(f"the provider broke its answer off ({reason}); try again")
            self._finished[choice.index] = _REASONS.get(reason, "stop")


def _events_of(choice: _Choice) -> Iterator[Event]:
    delta, number = choice.delta, choice.index
    if delta is not None:
        content = delta.content
        if thought := delta.reasoning_content or delta.reasoning or _joined(delta.reasoning_details):
            yield ReasoningDelta(thought, number)
        if type(content) is list:
            yield from _pieces(content, number)
        elif text := content or delta.refusal:
            yield TextDelta(text, number)  # type: ignore[arg-type]
        calls = delta.tool_calls or ()
        for place, call in enumerate([calls] if isinstance(calls, _ToolCall) else calls):
            function = call.function or _Function()
            index = place if call.index is None else call.index
            yield ToolCallDelta(index, call.id or "", function.name or "", function.arguments or "", number)
    if choice.text:
        yield TextDelta(choice.text, number)
    if choice.logprobs != _NULL:
        tokens = _chat_logprobs(choice.logprobs) if delta is not None else _completion_logprobs(choice.logprobs)
        if tokens:
            yield Logprobs(tokens, number)


def _pieces(pieces: list[_Piece], number: int) -> Iterator[Event]:
    for piece in pieces:
        if thought := _joined(piece.thinking):
            yield ReasoningDelta(thought, number)
        if piece.text:
            yield TextDelta(piece.text, number)


def _joined(thoughts: list[_Thought] | None) -> str:
    return "".join(thought.text or "" for thought in thoughts) if thoughts else ""


def _chat_logprobs(raw: msgspec.Raw) -> list[TokenLogprob]:
    try:
        found = msgspec.json.decode(raw, type=_ChatLogprobs)
    except msgspec.DecodeError:
        return []
    return [_logprob(token) for token in found.content or ()]


def _logprob(token: _Token) -> TokenLogprob:
    alternatives = [_logprob(other) for other in token.top_logprobs or ()]
    return TokenLogprob(token.token, token.logprob, token.bytes or list(token.token.encode()), alternatives)


def _completion_logprobs(raw: msgspec.Raw) -> list[TokenLogprob]:
    try:
        found = msgspec.json.decode(raw, type=_CompletionLogprobs)
    except msgspec.DecodeError:
        return []
    tops = found.top_logprobs or [None] * len(found.tokens)
    return [
        TokenLogprob(
            token,
            0.0 if logprob is None else logprob,
            list(token.encode()),
            [TokenLogprob(other, value, list(other.encode())) for other, value in (top or {}).items()],
        )
        for token, logprob, top in zip(found.tokens, found.token_logprobs, tops, strict=False)
    ]


def read_embeddings(body: bytes, count: int) -> Iterator[Event]:
    """The events of an answer of `/embeddings`.

    Raises:
        UpstreamFailed: it is malformed, or has not `count` vectors of numbers.
    """
    try:
        answer = _embeddings.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UpstreamFailed(f"the provider sent malformed embeddings: {error}") from None
    vectors = [_vector(item.embedding) for item in sorted(answer.data, key=lambda item: item.index)]
    if len(vectors) != count or not all(math.isfinite(value) for vector in vectors for value in vector):
        raise UpstreamFailed(f"the provider sent {len(vectors)} usable vectors for {count} inputs")
    yield Vectors(vectors)
    if (usage := usage_of(answer.usage)) is not None:
        yield usage


def _vector(value: list[float] | str) -> list[float]:
    """A vector as it is, or as little-endian 32-bit floats in base64."""
    if not isinstance(value, str):
        return value
    vector = array("f")
    try:
        vector.frombytes(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError) as error:
        raise UpstreamFailed(f"the provider sent a malformed vector: {error}") from None
    if sys.byteorder == "big":
        vector.byteswap()
    return vector.tolist()
