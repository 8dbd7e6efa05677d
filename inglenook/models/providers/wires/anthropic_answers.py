"""Anthropic's Messages as a caller reads them: streams of events to ours, and counts."""

from collections.abc import Iterator
from typing import Any

import msgspec
import orjson
from msgspec import Struct

from inglenook.kit.errors import UpstreamFailed
from inglenook.models.calls import (
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from inglenook.models.providers.refusals import error_of, read_refusal
from inglenook.models.providers.wires.anthropic_usage import WireUsage
from inglenook.models.providers.wires.sse import SseReader

_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class _Message(Struct):
    usage: WireUsage | None = None


class _Block(Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str | None = None
    data: str | None = None
    id: str = ""
    name: str = ""
    input: Any = None


class _Delta(Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    partial_json: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None


class _Event(Struct):
    type: str
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: WireUsage | None = None
    error: Any = None


class _Tool:
    """A tool call that is being written."""

    __slots__ = ("begun", "given", "index")

    def __init__(self, index: int, given: Any) -> None:
        self.index = index
        self.given = given
        self.begun = False


_event = msgspec.json.Decoder(_Event)


class MessageStream:
    """Reads one stream of a message."""

    def __init__(self) -> None:
        self._events = SseReader()
        self._usage = WireUsage()
        self._tools: dict[int, _Tool] = {}
        self._reason: str | None = None
        self._stop: str | None = None
        self._done = False

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events in the next bytes.

        Raises:
            UpstreamFailed, Unavailable, …: the provider says that it failed, or what it sends makes no sense.
        """
        for raw in self._events.feed(data):
            if self._done:
                return
            try:
                event = _event.decode(raw)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                shown = raw[:80].decode("utf-8", "replace")
                raise UpstreamFailed(f"the provider sent a malformed chunk: {error} in {shown!r}") from None
            yield from self._read(event)

    def end(self) -> Iterator[Event]:
        """The last events, once the stream has ended.

        Raises:
            UpstreamFailed: it ended before the answer was whole.
        """
        if not self._done:
            raise UpstreamFailed("the provider's stream ended before its answer was whole; try again")
        yield self._usage.usage()
        reason = _REASONS.get(self._reason or "", "stop")
        yield Finished(reason, stop_sequence=self._stop if self._reason == "stop_sequence" else None)

    def _read(self, event: _Event) -> Iterator[Event]:
        match event.type:
            case "content_block_delta":
                if event.delta is not None:
                    yield from self._delta(event.index, event.delta)
            case "content_block_start":
                if event.content_block is not None:
                    yield from self._start(event.index, event.content_block)
            case "content_block_stop":
                tool = self._tools.get(event.index)
                if tool is not None and not tool.begun:
                    yield ToolCallDelta(tool.index, arguments=orjson.dumps(tool.given or {}).decode())
            case "message_start":
                if event.message is not None:
                    self._usage.add(event.message.usage)
            case "message_delta":
                self._usage.add(event.usage)
                if event.delta is not None and event.delta.stop_reason:
                    self._reason, self._stop = event.delta.stop_reason, event.delta.stop_sequence
            case "message_stop":
                self._done = True
            case "error":
                raise error_of(0, read_refusal({"error": event.error}))

    def _start(self, index: int, block: _Block) -> Iterator[Event]:
        match block.type:
            case "tool_use":
                self._tools[index] = tool = _Tool(len(self._tools), block.input)
                yield ToolCallDelta(tool.index, block.id, block.name)
            case "text" if block.text:
                yield TextDelta(block.text)
            case "thinking" if block.thinking or block.signature:
                yield ReasoningDelta(block.thinking, signature=block.signature or None)
            case "redacted_thinking":
                yield ReasoningDelta("", data=block.data)

    def _delta(self, index: int, delta: _Delta) -> Iterator[Event]:
        match delta.type:
            case "text_delta" if delta.text:
                yield TextDelta(delta.text)
            case "thinking_delta" if delta.thinking:
                yield ReasoningDelta(delta.thinking)
            case "signature_delta" if delta.signature:
                yield ReasoningDelta("", signature=delta.signature)
            case "input_json_delta" if delta.partial_json:
                tool = self._tools.get(index)
                if tool is not None:
                    tool.begun = True
                    yield ToolCallDelta(tool.index, arguments=delta.partial_json)


class _Count(Struct):
    input_tokens: int


def read_count(body: bytes) -> Iterator[Event]:
    """The events of an answer of `/v1/messages/count_tokens`.

    Raises:
        UpstreamFailed: it is none.
    """
    try:
        count = msgspec.json.decode(body, type=_Count)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UpstreamFailed(f"the provider sent a malformed count: {error}") from None
    yield Usage(input=count.input_tokens)
    yield Finished("stop")
