"""Our events, written as OpenAI's Responses: the object, and the stream of events that builds it."""

import time
from typing import Any

import orjson
from msgspec import Struct, field

from inglenook.gateway.faces.answering import with_notices
from inglenook.gateway.faces.openai_answers import error_object
from inglenook.gateway.faces.responses_items import sealed
from inglenook.gateway.faces.responses_tools import Named, plain_input
from inglenook.gateway.faces.sealing import sealed as sealed_id
from inglenook.kit.errors import InglenookError
from inglenook.kit.ids import new_id
from inglenook.models.calls import (
    Event,
    Finished,
    Logprobs,
    Notice,
    ReasoningDelta,
    TextDelta,
    Thought,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)

Body = dict[str, Any]
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_PARTS = (TextDelta, ReasoningDelta, ToolCallDelta, Logprobs, Finished)


def usage_object(usage: Usage) -> Body:
    """What stands under `usage`."""
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {
            "cached_tokens": usage.cached,
            "cache_write_tokens": usage.cache_write + usage.cache_write_1h,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }


def failure(error: InglenookError) -> Body:
    """What stands under `error` of a response that failed."""
    told = error_object(error)
    return {"code": told["code"] if error.status < 500 else "server_error", "message": error.message}


class Wanted(Struct, kw_only=True):
    """What a caller wants of an answer's form.

    Attributes:
        names: What the names of tools stand for (`responses_tools.names_of`).
        summary: Thinking is shown as its summary, not as text of its own.
        seals: Thinking is given sealed, so that the caller can bring it back.
        logprobs: Text waits for the log probabilities that follow it.
    """

    names: dict[str, Named] = field(default_factory=dict)
    summary: bool = False
    seals: bool = False
    logprobs: bool = False


class _Call(Struct, kw_only=True):
    """A tool call in the making."""

    item: Body
    place: int
    custom: bool
    arguments: list[str] = field(default_factory=list)
    open: bool = True


class Answer:
    """Gathers events into a response, and gives the protocol's events for each on the way."""

    def __init__(self, head: Body, wanted: Wanted, notices: list[Notice]) -> None:
        self.response: Body = with_notices(head, notices)
        self._wanted = wanted
        self._output: list[Body] = head["output"]
        self._number = 0
        self._begun = False
        self._kind = ""  # of the item that is open besides tool calls: message or reasoning
        self._place = 0  # of that item
        self._text: list[str] = []  # of that item
        self._logprobs: list[Body] = []
        self._thoughts: list[Thought] = []
        self._thought: list[str] = []  # of the block that is not signed yet
        self._calls: dict[int, _Call] = {}
        self._held: str | None = None
        self._finished = "stop"

    def event(self, event: Event) -> list[Body]:
        """Take an event in; gives what to send for it. The last event of all is `end`'s."""
        if type(event) is Usage:
            self.response["usage"] = usage_object(event)
            return []
        if not isinstance(event, _PARTS):
            return []
        before: list[Body] = []
        if not self._begun:
            self._begun = True
            before = [self._of("response.created", self._now()), self._of("response.in_progress", self._now())]
        if self._held is not None and type(event) is not Logprobs:
            before += self._said(self._held, [])
            self._held = None
        match event:
            case TextDelta():
                if self._wanted.logprobs:
                    self._held = event.text
                    return before
                return before + self._said(event.text, [])
            case Logprobs():
                held, self._held = self._held, None
                return before + self._said(held or "", [_logprob(token) for token in event.tokens])
            case ReasoningDelta():
                return before + self._thinks(event)
            case ToolCallDelta():
                return before + self._calls_tool(event)
            case Finished():
                self._finished = event.reason
                return before + self._close() + self._close_calls()
        return before

    def finish(self) -> Body:
        """The response, which is whole as far as it came."""
        reason = _INCOMPLETE.get(self._finished)
        if reason is None:
            self.response |= {"status": "completed", "completed_at": int(time.time())}
        else:
            self.response |= {"status": "incomplete", "incomplete_details": {"reason": reason}}
        return self.response

    def end(self) -> Body:
        """The last event."""
        response = self.finish()
        return self._of(f"response.{response['status']}", {"response": response})

    def failed(self, error: InglenookError) -> Body:
        """The last event of a response that broke."""
        self.response |= {"status": "failed", "error": failure(error)}
        return self._of("response.failed", {"response": self.response})

    # ----------------------------------------------------------------------------------------------- events

    def _of(self, kind: str, rest: Body) -> Body:
        number, self._number = self._number, self._number + 1
        return {"type": kind, "sequence_number": number, **rest}

    def _now(self) -> Body:
        return {"response": {**self.response, "output": [*self._output]}}

    def _add(self, item: Body) -> tuple[int, list[Body]]:
        """Give an item its place in the output."""
        self._output.append(item)
        place = len(self._output) - 1
        return place, [self._of("response.output_item.added", {"output_index": place, "item": {**item}})]

    def _at(self, kind: str, rest: Body) -> Body:
        """An event of the open item."""
        return self._of(kind, {"item_id": self._output[self._place]["id"], "output_index": self._place, **rest})

    def _done(self, place: int) -> Body:
        return self._of("response.output_item.done", {"output_index": place, "item": self._output[place]})

    # ------------------------------------------------------------------------------------------------- text

    def _said(self, text: str, logprobs: list[Body]) -> list[Body]:
        if not text and not logprobs:
            return []
        events: list[Body] = []
        if self._kind != "message":
            events += self._close()
            item = {"id": new_id("msg"), "type": "message", "status": "in_progress", "role": "assistant", "content": []}
            self._place, added = self._add(item)
            self._kind, self._text, self._logprobs = "message", [], []
            events += added
            part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            events.append(self._at("response.content_part.added", {"content_index": 0, "part": part}))
        self._text.append(text)
        self._logprobs += logprobs
        delta = {"content_index": 0, "delta": text, "logprobs": logprobs}
        return [*events, self._at("response.output_text.delta", delta)]

    def _thinks(self, event: ReasoningDelta) -> list[Body]:
        events: list[Body] = []
        if self._kind != "reasoning":
            events += self._close()
            item: Body = {"id": new_id("rs"), "type": "reasoning", "summary": []}
            if not self._wanted.summary:
                item["content"] = []
            self._place, added = self._add(item)
            self._kind, self._text, self._thoughts, self._thought = "reasoning", [], [], []
            events += added
        if event.text:
            events += self._think_aloud(event.text)
        if event.signature is not None or event.data is not None:
            text, self._thought = "".join(self._thought), []
            self._thoughts.append(Thought(text, event.signature, event.data))
        return events

    def _think_aloud(self, text: str) -> list[Body]:
        events = []
        if not self._text:
            events.append(self._part_event("added", ""))
        self._text.append(text)
        self._thought.append(text)
        kind = "reasoning_summary_text" if self._wanted.summary else "reasoning_text"
        return [*events, self._at(f"response.{kind}.delta", {**self._index(), "delta": text})]

    def _index(self) -> Body:
        return {"summary_index": 0} if self._wanted.summary else {"content_index": 0}

    def _part_event(self, what: str, text: str) -> Body:
        if self._wanted.summary:
            kind, part = f"response.reasoning_summary_part.{what}", {"type": "summary_text", "text": text}
        else:
            kind, part = f"response.content_part.{what}", {"type": "reasoning_text", "text": text}
        return self._at(kind, {**self._index(), "part": part})

    def _close(self) -> list[Body]:
        """End the open message or thinking."""
        kind, self._kind = self._kind, ""
        if not kind:
            return []
        text, item = "".join(self._text), self._output[self._place]
        if kind == "reasoning":
            return [*self._close_thinking(text, item), self._done(self._place)]
        part: Body = {"type": "output_text", "text": text, "annotations": [], "logprobs": self._logprobs}
        item |= {"status": "completed", "content": [part]}
        done = {"content_index": 0, "text": text, "logprobs": self._logprobs}
        return [
            self._at("response.output_text.done", done),
            self._at("response.content_part.done", {"content_index": 0, "part": part}),
            self._done(self._place),
        ]

    def _close_thinking(self, text: str, item: Body) -> list[Body]:
        if self._thought and self._thoughts:
            self._thoughts.append(Thought("".join(self._thought)))
        if self._wanted.seals:
            item["encrypted_content"] = sealed(self._thoughts or [Thought(text)])
        if not text:
            return []
        if self._wanted.summary:
            item["summary"] = [{"type": "summary_text", "text": text}]
        else:
            item["content"] = [{"type": "reasoning_text", "text": text}]
        kind = "reasoning_summary_text" if self._wanted.summary else "reasoning_text"
        return [
            self._at(f"response.{kind}.done", {**self._index(), "text": text}),
            self._part_event("done", text),
        ]

    # ------------------------------------------------------------------------------------------------ tools

    def _calls_tool(self, event: ToolCallDelta) -> list[Body]:
        events: list[Body] = []
        call = self._calls.get(event.index)
        if call is None:
            events += self._close()
            for other in self._calls.values():
                if other.open and _is_whole(other):
                    events += self._close_call(other)
            call, added = self._begin_call(event)
            events += added
        if event.arguments:
            call.arguments.append(event.arguments)
            if not call.custom:
                events.append(self._of_call("function_call_arguments.delta", call, {"delta": event.arguments}))
        return events

    def _begin_call(self, event: ToolCallDelta) -> tuple[_Call, list[Body]]:
        named = self._wanted.names.get(event.name) or Named(event.name)
        item: Body = {
            "id": new_id("ctc" if named.custom else "fc"),
            "type": "custom_tool_call" if named.custom else "function_call",
            "call_id": sealed_id(event.id, event.signature) or new_id("call"),
            "name": named.name,
            **({"input": ""} if named.custom else {"status": "in_progress", "arguments": ""}),
            **({"namespace": named.namespace} if named.namespace else {}),
        }
        place, events = self._add(item)
        call = self._calls[event.index] = _Call(item=item, place=place, custom=named.custom)
        return call, events

    def _of_call(self, kind: str, call: _Call, rest: Body) -> Body:
        return self._of(f"response.{kind}", {"item_id": call.item["id"], "output_index": call.place, **rest})

    def _close_call(self, call: _Call) -> list[Body]:
        call.open = False
        arguments = "".join(call.arguments)
        if call.custom:
            call.item["input"] = text = plain_input(arguments)
            return [
                self._of_call("custom_tool_call_input.delta", call, {"delta": text}),
                self._of_call("custom_tool_call_input.done", call, {"input": text}),
                self._done(call.place),
            ]
        call.item |= {"arguments": arguments, "status": "completed"}
        return [
            self._of_call("function_call_arguments.done", call, {"arguments": arguments, "name": call.item["name"]}),
            self._done(call.place),
        ]

    def _close_calls(self) -> list[Body]:
        return [event for call in self._calls.values() if call.open for event in self._close_call(call)]


class Stream:
    """Writes an answer as server-sent events."""

    conclusive = True

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def event(self, event: Event) -> bytes:
        """See `answering.Writer`."""
        return b"".join([written(one) for one in self._answer.event(event)])

    def end(self) -> bytes:
        """See `answering.Writer`."""
        return written(self._answer.end())

    def broken(self, error: InglenookError) -> bytes:
        """See `answering.Writer`."""
        return written(self._answer.failed(error))


def written(event: Body) -> bytes:
    """An event as it is sent."""
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), orjson.dumps(event, default=str))


def _is_whole(call: _Call) -> bool:
    """Whether nothing can follow: a JSON object that has ended."""
    try:
        return isinstance(orjson.loads("".join(call.arguments)), dict)
    except orjson.JSONDecodeError:
        return False


def _logprob(token: TokenLogprob) -> Body:
    def one(some: TokenLogprob) -> Body:
        return {"token": some.token, "logprob": some.logprob, "bytes": some.bytes}

    return {**one(token), "top_logprobs": [one(other) for other in token.top]}
