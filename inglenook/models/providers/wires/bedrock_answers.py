"""Amazon Bedrock's Converse as a caller reads it: event streams to events, and counts."""

from collections.abc import Iterator
from contextlib import suppress

import msgspec
from msgspec import Struct, field

from inglenook.kit.errors import InglenookError, UpstreamFailed
from inglenook.models.calls import (
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from inglenook.models.providers.refusals import Refusal, error_of
from inglenook.models.providers.wires.bedrock_requests import ORIGIN
from inglenook.models.providers.wires.event_stream import EventStreamReader, Frame
from inglenook.models.providers.wires.provenance import sealed

_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
_FAILURES = {
    "malformed_tool_use": "the model wrote a tool call that cannot be read; try again",
    "malformed_model_output": "the model's answer is malformed; try again",
}


class _ToolUse(Struct, rename="camel"):
    tool_use_id: str = ""
    name: str = ""
    input: str = ""


class _Reasoning(Struct, rename="camel"):
    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class _Block(Struct, rename="camel"):
    text: str | None = None
    tool_use: _ToolUse | None = None
    reasoning_content: _Reasoning | None = None


class _CacheDetail(Struct, rename="camel"):
    ttl: str = ""
    input_tokens: int = 0


class _TokenUsage(Struct, rename="camel"):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    cache_details: list[_CacheDetail] = field(default_factory=list)

    def usage(self) -> Usage:
        """The same as ours: there, what was read from and written to the cache is not part of the input."""
        hour = sum(detail.input_tokens for detail in self.cache_details if detail.ttl == "1h")
        return Usage(
            input=self.input_tokens + self.cache_read_input_tokens + self.cache_write_input_tokens,
            output=self.output_tokens,
            cached=self.cache_read_input_tokens,
            cache_write=max(0, self.cache_write_input_tokens - hour),
            cache_write_1h=hour,
        )


class _Event(Struct, rename="camel"):
    """The fields of all events: which of them are there, the event's name tells."""

    content_block_index: int = 0
    start: _Block | None = None
    delta: _Block | None = None
    stop_reason: str = ""
    usage: _TokenUsage | None = None


class _Exception(Struct):
    message: str = ""


_event = msgspec.json.Decoder(_Event)


class ConverseStream:
    """Reads one stream of a conversation's next message.

    Args:
        claude: Whether the model is Anthropic's, whose signatures are good elsewhere too.
    """

    def __init__(self, *, claude: bool) -> None:
        self._claude = claude
        self._frames = EventStreamReader()
        self._tools: dict[int, int] = {}
        self._begun: set[int] = set()
        self._reason: str | None = None
        self._usage: Usage | None = None

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events in the next bytes.

        Raises:
            UpstreamFailed, Unavailable, …: the provider says that it failed, or what it sends makes no sense.
        """
        for frame in self._frames.feed(data):
            if frame.headers.get(":message-type", "event") != "event":
                raise failure_of(frame)
            try:
                event = _event.decode(frame.payload)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                shown = frame.payload[:80].decode("utf-8", "replace")
                raise UpstreamFailed(f"the provider sent a malformed chunk: {error} in {shown!r}") from None
            yield from self._read(frame.headers.get(":event-type", ""), event)

    def end(self) -> Iterator[Event]:
        """The last events, once the stream has ended.

        Raises:
            UpstreamFailed: it ended before the answer was whole.
        """
        if self._reason is None or not self._frames.is_whole:
            raise UpstreamFailed("the provider's stream ended before its answer was whole; try again")
        if self._reason in _FAILURES:
            raise UpstreamFailed(_FAILURES[self._reason])
        if self._usage is not None:
            yield self._usage
        yield Finished(_REASONS.get(self._reason, "stop"))

    def _read(self, kind: str, event: _Event) -> Iterator[Event]:
        match kind:
            case "contentBlockDelta" if event.delta is not None:
                yield from self._delta(event.content_block_index, event.delta)
            case "contentBlockStart" if event.start is not None and event.start.tool_use is not None:
                use = event.start.tool_use
                number = self._tools[event.content_block_index] = len(self._tools)
                yield ToolCallDelta(number, use.tool_use_id, use.name)
            case "contentBlockStop":
                index = event.content_block_index
                if index in self._tools and index not in self._begun:
                    yield ToolCallDelta(self._tools[index], arguments="{}")
            case "messageStop":
                self._reason = event.stop_reason
            case "metadata" if event.usage is not None:
                self._usage = event.usage.usage()

    def _delta(self, index: int, delta: _Block) -> Iterator[Event]:
        if delta.text:
            yield TextDelta(delta.text)
        if delta.reasoning_content is not None:
            thought = delta.reasoning_content
            data = sealed(ORIGIN, thought.redacted_content) if thought.redacted_content else None
            signature = thought.signature or None
            if signature is not None and not self._claude:
                signature = sealed(ORIGIN, signature)
            if thought.text or signature or data:
                yield ReasoningDelta(thought.text or "", signature=signature, data=data)
        if delta.tool_use is not None and delta.tool_use.input and index in self._tools:
            self._begun.add(index)
            yield ToolCallDelta(self._tools[index], arguments=delta.tool_use.input)


def failure_of(frame: Frame) -> InglenookError:
    """The error in a message that is no event."""
    word = frame.headers.get(":exception-type") or frame.headers.get(":error-code") or ""
    said = frame.headers.get(":error-message") or word
    with suppress(msgspec.DecodeError, UnicodeDecodeError):  # some come without a payload
        said = msgspec.json.decode(frame.payload, type=_Exception).message or said
    return error_of(0, Refusal(said, word))


class _Count(Struct, rename="camel"):
    input_tokens: int


def read_count(body: bytes) -> Iterator[Event]:
    """The events of an answer of `/count-tokens`.

    Raises:
        UpstreamFailed: it is none.
    """
    try:
        count = msgspec.json.decode(body, type=_Count)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UpstreamFailed(f"the provider sent a malformed count: {error}") from None
    yield Usage(input=count.input_tokens)
    yield Finished("stop")
