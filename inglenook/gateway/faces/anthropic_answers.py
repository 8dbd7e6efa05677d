"""Our events, written as answers of Anthropic's protocol: whole messages and streams of blocks."""

from typing import Any

import orjson
from msgspec import Struct, field

from inglenook.gateway.faces.answering import with_notices
from inglenook.gateway.faces.sealing import sealed
from inglenook.kit.errors import InglenookError, UpstreamFailed
from inglenook.kit.ids import new_id
from inglenook.models.calls import (
    Event,
    Finished,
    Notice,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)

Body = dict[str, Any]

_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_TYPES_BY_CODE = {"provider_out_of_credit": "billing_error"}
_PARTS = (TextDelta, ReasoningDelta, ToolCallDelta, Finished)
_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


# -------------------------------------------------------------------------------------------------- errors


def render_error(error: InglenookError) -> bytes:
    """An error's body, of a request that has no id yet."""
    return error_body(error, new_id("req"))


def error_body(error: InglenookError, request_id: str) -> bytes:
    """An error's body."""
    usual = _TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    kind = _TYPES_BY_CODE.get(error.code, usual)
    details = {"error_code": error.code, **({"field": error.field} if error.field else {}), **error.details}
    told = {"type": kind, "message": error.message, "details": details}
    return orjson.dumps({"type": "error", "error": told, "request_id": request_id}, default=str)


def broken(error: InglenookError, request_id: str) -> bytes:
    """How a stream says that it broke."""
    return b"event: error\ndata: %b\n\n" % error_body(error, request_id)


# -------------------------------------------------------------------------------------------------- answers


def usage_object(usage: Usage) -> Body:
    """What stands under `usage`: classes of input apart, which they are not in ours."""
    written = usage.cache_write + usage.cache_write_1h
    return {
        "input_tokens": max(0, usage.input - usage.cached - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": usage.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
    }


class _Call(Struct):
    """A tool call in the making: its place among the blocks, -1 before it has one, and what was not sent yet."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    place: int = -1
    waiting: list[str] = field(default_factory=list)


class Answer:
    """Gathers events into one message, and gives the protocol's events for each on the way.

    Blocks follow one another: a tool call that begins before another one is whole waits until it is.

    Args:
        thinking: Whether the caller wants to read what was thought.
    """

    def __init__(self, message_id: str, model: str, notices: list[Notice], *, thinking: bool = True) -> None:
        self._id = message_id
        self._model = model
        self._notices = notices
        self._shows_thinking = thinking
        self._begun = False
        self._content: list[Body] = []
        self._kind = ""  # of the block that is open
        self._text: list[str] = []  # of that block
        self._calls: dict[int, _Call] = {}
        self._open: _Call | None = None
        self._usage = Usage()
        self._reason: str | None = None
        self._stop: str | None = None

    def message(self) -> Body:
        """The message as it is now."""
        found: Body = {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [*self._content],
            "stop_reason": self._reason,
            "stop_sequence": self._stop,
            "usage": usage_object(self._usage),
        }
        return with_notices(found, self._notices)

    def event(self, event: Event) -> list[Body]:
        """Take an event in; gives what to send for it.

        Raises:
            UpstreamFailed: the model wrote arguments for a tool that are not a JSON object.
        """
        if type(event) is Usage:
            self._usage = event
            return []
        before: list[Body] = []
        if not self._begun and isinstance(event, _PARTS):
            self._begun = True
            before = [{"type": "message_start", "message": self.message()}]
        match event:
            case TextDelta():
                return before + self._said(event.text)
            case ReasoningDelta():
                return before + self._thought(event)
            case ToolCallDelta():
                return before + self._called(event)
            case Finished():
                return before + self._finish(event)
        return before

    # ---------------------------------------------------------------------------------------------- blocks

    def _said(self, text: str) -> list[Body]:
        if not text:
            return []
        events = self._into("text", {"type": "text", "text": ""})
        self._text.append(text)
        return [*events, self._delta({"type": "text_delta", "text": text})]

    def _thought(self, event: ReasoningDelta) -> list[Body]:
        events: list[Body] = []
        if event.text:
            events += self._into("thinking", {"type": "thinking", "thinking": "", "signature": ""})
            if self._shows_thinking:
                self._text.append(event.text)
                events.append(self._delta({"type": "thinking_delta", "thinking": event.text}))
        if event.signature is not None:
            events += self._into("thinking", {"type": "thinking", "thinking": "", "signature": ""})
            self._content[-1]["signature"] = event.signature
            events += [self._delta({"type": "signature_delta", "signature": event.signature}), *self._close()]
        if event.data is not None:
            events += [*self._into("redacted", {"type": "redacted_thinking", "data": event.data}), *self._close()]
        return events

    def _called(self, event: ToolCallDelta) -> list[Body]:
        call = self._calls.setdefault(event.index, _Call())
        call.id += sealed(event.id, event.signature)
        call.name += event.name
        if event.arguments:
            call.arguments.append(event.arguments)
            call.waiting.append(event.arguments)
        if self._open is None or self._open is call or _is_whole(self._open):
            return self._show(call)
        return []

    def _show(self, call: _Call) -> list[Body]:
        events: list[Body] = []
        if call.place < 0:
            call.id = call.id or new_id("toolu")
            events += self._into("tool_use", {"type": "tool_use", "id": call.id, "name": call.name, "input": {}})
            call.place, self._open = len(self._content) - 1, call
        for piece in call.waiting:
            events.append(
                {
                    "type": "content_block_delta",
                    "index": call.place,
                    "delta": {"type": "input_json_delta", "partial_json": piece},
                }
            )
        call.waiting = []
        return events

    def _into(self, kind: str, block: Body) -> list[Body]:
        """Be in a block of that kind: the open one, or a new one."""
        if self._kind == kind != "tool_use":
            return []
        events = self._close()
        self._kind, self._text = kind, []
        self._content.append(block)
        shown = {**block}
        return [*events, {"type": "content_block_start", "index": len(self._content) - 1, "content_block": shown}]

    def _delta(self, delta: Body) -> Body:
        return {"type": "content_block_delta", "index": len(self._content) - 1, "delta": delta}

    def _close(self) -> list[Body]:
        """End the open block."""
        if not self._kind:
            return []
        kind, self._kind, self._open = self._kind, "", None
        if kind in ("text", "thinking"):
            self._content[-1][kind] = "".join(self._text)
        return [{"type": "content_block_stop", "index": len(self._content) - 1}]

    def _finish(self, event: Finished) -> list[Body]:
        events: list[Body] = []
        for _, call in sorted(self._calls.items()):
            if call.place < 0 or call.waiting:
                events += self._show(call)
        events += self._close()
        for call in self._calls.values():
            self._content[call.place]["input"] = _input(call, cut=event.reason == "length")
        self._reason = _REASONS.get(event.reason, "end_turn")
        if event.stop_sequence is not None:
            self._reason, self._stop = "stop_sequence", event.stop_sequence
        elif self._calls and event.reason == "stop":
            self._reason = "tool_use"
        ending = {"stop_reason": self._reason, "stop_sequence": self._stop}
        return [
            *events,
            {"type": "message_delta", "delta": ending, "usage": usage_object(self._usage)},
            {"type": "message_stop"},
        ]


class Stream:
    """Writes an answer as server-sent events."""

    conclusive = False

    def __init__(self, answer: Answer, request_id: str) -> None:
        self._answer = answer
        self._request_id = request_id

    def event(self, event: Event) -> bytes:
        """See `answering.Writer`."""
        pieces = [(one["type"].encode(), orjson.dumps(one)) for one in self._answer.event(event)]
        return b"".join([b"event: %b\ndata: %b\n\n" % piece for piece in pieces])

    def end(self) -> bytes:
        """See `answering.Writer`."""
        return b""

    def broken(self, error: InglenookError) -> bytes:
        """See `answering.Writer`."""
        return broken(error, self._request_id)


def _is_whole(call: _Call) -> bool:
    """Whether nothing can follow: a JSON object that has ended."""
    try:
        return isinstance(orjson.loads("".join(call.arguments)), dict)
    except orjson.JSONDecodeError:
        return False


def _input(call: _Call, *, cut: bool) -> Body:
    text = "".join(call.arguments)
    try:
        parsed = orjson.loads(text) if text.strip() else {}
    except orjson.JSONDecodeError:
        parsed = None
    if not isinstance(parsed, dict):
        if cut:
            return {}
        raise UpstreamFailed(f"the model wrote arguments for the tool {call.name!r} that are not a JSON object")
    return parsed
