"""OpenAI's `/responses` as a caller: a chat to its body, its stream to our events.

Asked for models that have nothing else. Nothing is kept there (`store: false`): the whole conversation is sent each
time, and thinking goes back sealed, as it came.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from inglenook.kit.errors import UpstreamFailed
from inglenook.models.calls import (
    AudioPart,
    ChatRequest,
    Event,
    FilePart,
    Finished,
    FinishReason,
    ImagePart,
    Logprobs,
    Message,
    Part,
    ReasoningDelta,
    ResponseFormat,
    TextDelta,
    TextPart,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)
from inglenook.models.errors import CannotCarry
from inglenook.models.profiles.base import Profile
from inglenook.models.providers.refusals import USUAL, Refusal, Wording
from inglenook.models.providers.wires.carrying import check_local, refuse
from inglenook.models.providers.wires.openai_usage import usage_of
from inglenook.models.providers.wires.provenance import sealed, unsealed
from inglenook.models.providers.wires.sse import SseReader
from inglenook.models.providers.wires.thinking import said_thinking

Body = dict[str, Any]

_UNKNOWN = (
    *("top_k", "min_p", "typical_p", "seed", "frequency_penalty", "presence_penalty"),
    *("repeat_penalty", "repeat_last_n", "logit_bias"),
)


#: Fields of a body that its tokens depend on, and that may be counted.
COUNTED = ("model", "input", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning")


def can_carry(request: ChatRequest) -> bool:
    """Whether this protocol has words for all that is asked of the sampling."""
    sampling = request.sampling
    return not sampling.stop and sampling.n in (None, 1) and all(getattr(sampling, name) is None for name in _UNKNOWN)


def responses_body(model: str, request: ChatRequest, profile: Profile, origin: str) -> Body:
    """A body for `/responses`; it always streams.

    Args:
        origin: Whose sealed thoughts may go back.

    Raises:
        CannotCarry: a field is set that this protocol has no word for; names it.
    """
    sampling = request.sampling
    check_local(request.local)
    body: Body = {
        "model": model,
        "stream": True,
        "store": False,
        "input": [item for message in request.messages for item in _items(message, origin)],
        "include": ["reasoning.encrypted_content"],
    }
    thinks = request.reasoning not in (None, "none") or bool(request.reasoning_budget)
    refused = profile.refuses | profile.refuses_thinking if thinks else profile.refuses
    for name in _UNKNOWN:
        if getattr(sampling, name) is not None:
            raise refuse(name, model, "its API has no word for it")
    if sampling.n not in (None, 1):
        raise refuse("n", model, "its API has no word for it")
    if sampling.stop:
        raise refuse("stop", model, "its API has no word for it")
    for name, theirs in (("temperature", "temperature"), ("top_p", "top_p"), ("max_tokens", "max_output_tokens")):
        value = getattr(sampling, name)
        if value is not None:
            if name in refused:
                raise refuse(name, model, "its API has no word for it")
            body[theirs] = value
    if sampling.logprobs:
        body["include"].append("message.output_text.logprobs")
        body["top_logprobs"] = sampling.top_logprobs or 0
    _tools(body, request)
    if (form := _form(request.response_format)) is not None:
        body["text"] = {"format": form}
    if request.user is not None and profile.user:
        body["user"] = request.user
    effort = said_thinking(model, profile.thinking, request.reasoning, request.reasoning_budget).get("reasoning_effort")
    if effort is not None:
        body["reasoning"] = {"effort": effort}
    if profile.summaries and effort != "none":
        body["reasoning"] = {**body.get("reasoning", {}), "summary": "auto"}
    return body


def _tools(body: Body, request: ChatRequest) -> None:
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters or {"type": "object", "properties": {}},
                "strict": bool(tool.strict),
            }
            for tool in request.tools
        ]
        if request.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = request.parallel_tool_calls
    choice = request.tool_choice
    if isinstance(choice, dict):
        choice = {"type": "function", "name": choice["name"]}
    if choice is not None:
        body["tool_choice"] = choice


def _form(wanted: ResponseFormat | None) -> Body | None:
    if wanted is None or wanted.kind == "text":
        return None
    if wanted.kind == "json_object" or wanted.schema is None:
        return {"type": "json_object"}
    return {
        "type": "json_schema",
        "name": wanted.name or "answer",
        "schema": wanted.schema,
        "strict": bool(wanted.strict),
    }


def _items(message: Message, origin: str) -> Iterator[Body]:
    if message.role == "tool":
        output: Any = message.content if isinstance(message.content, str) else [_part(p) for p in message.content]
        yield {"type": "function_call_output", "call_id": message.tool_call_id or "", "output": output}
        return
    for thought in message.thoughts:
        if (proof := unsealed(origin, thought.data)) is not None:
            summary = [{"type": "summary_text", "text": thought.text}] if thought.text else []
            yield {"type": "reasoning", "summary": summary, "encrypted_content": proof}
    if message.role == "assistant":
        if text := message.text:
            yield {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
        for call in message.tool_calls:
            yield {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}
    else:
        parts: list[Part] = [TextPart(message.content)] if isinstance(message.content, str) else message.content
        yield {"type": "message", "role": message.role, "content": [_part(part) for part in parts]}


def _part(part: Part) -> Body:
    match part:
        case TextPart():
            return {"type": "input_text", "text": part.text}
        case ImagePart():
            url = f"data:{part.media_type};base64,{part.data}"
            return {"type": "input_image", "image_url": url, "detail": part.detail or "auto"}
        case FilePart():
            data = f"data:{part.media_type};base64,{part.data}"
            return {"type": "input_file", "filename": part.name or "document", "file_data": data}
        case AudioPart():
            raise CannotCarry("sound cannot be carried to this model: its API takes none", field="messages")


# --------------------------------------------------------------------------------------------------- answers


class _Logprob(Struct):
    token: str = ""
    logprob: float = 0.0
    bytes: list[int] | None = None
    top_logprobs: list["_Logprob"] | None = None

    def read(self) -> TokenLogprob:
        alternatives = [other.read() for other in self.top_logprobs or ()]
        return TokenLogprob(self.token, self.logprob, self.bytes or list(self.token.encode()), alternatives)


class _Item(Struct):
    type: str = ""
    call_id: str = ""
    name: str = ""
    encrypted_content: str | None = None


class _Reason(Struct):
    reason: str = ""


class _Problem(Struct):
    code: str | None = None
    message: str | None = None


class _Response(Struct):
    usage: dict[str, Any] | None = None
    incomplete_details: _Reason | None = None
    error: _Problem | None = None


class _Event(Struct):
    type: str = ""
    delta: str = ""
    output_index: int = 0
    summary_index: int = 0
    item: _Item | None = None
    response: _Response | None = None
    logprobs: list[_Logprob] | None = None
    code: str | None = None
    message: str | None = None
    error: _Problem | None = None


_event = msgspec.json.Decoder(_Event)


class _Count(Struct):
    input_tokens: int


def read_count(body: bytes) -> int:
    """How many tokens an answer of `/responses/input_tokens` says there are.

    Raises:
        UpstreamFailed: it is malformed.
    """
    try:
        return msgspec.json.decode(body, type=_Count).input_tokens
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UpstreamFailed(f"the provider was asked to count and sent something else: {error}") from None


class ResponsesStream:
    """Reads one stream of `/responses`.

    Args:
        origin: Whose sealed thoughts these are.
    """

    def __init__(self, origin: str, wording: Wording = USUAL) -> None:
        self._origin = origin
        self._events = SseReader()
        self._wording = wording
        self._calls: dict[int, int] = {}  # from places in the output to numbers of tool calls
        self._last: list[Event] | None = None

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events in the next bytes.

        Raises:
            InglenookError: the provider says that it failed, or what it sends makes no sense.
        """
        for event in self._events.feed(data):
            if event != b"[DONE]":
                yield from self._read(event)

    def end(self) -> Iterator[Event]:
        """The last events, once the stream has ended.

        Raises:
            UpstreamFailed: it ended before the answer was whole.
        """
        if self._last is None:
            raise UpstreamFailed("the provider's stream ended before its answer was whole; try again")
        yield from self._last

    def _read(self, data: bytes) -> Iterator[Event]:
        try:
            event = _event.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            shown = data[:80].decode("utf-8", "replace")
            raise UpstreamFailed(f"the provider sent a malformed event: {error} in {shown!r}") from None
        match event.type:
            case "response.output_text.delta" | "response.refusal.delta":
                yield TextDelta(event.delta)
                if event.logprobs:
                    yield Logprobs([token.read() for token in event.logprobs])
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                yield ReasoningDelta(event.delta)
            case "response.reasoning_summary_part.added" if event.summary_index:
                yield ReasoningDelta("\n\n")
            case "response.output_item.added" if event.item is not None and event.item.type == "function_call":
                number = self._calls.setdefault(event.output_index, len(self._calls))
                yield ToolCallDelta(number, event.item.call_id, event.item.name)
            case "response.function_call_arguments.delta":
                yield ToolCallDelta(self._calls.get(event.output_index, 0), arguments=event.delta)
            case "response.output_item.done" if event.item is not None and event.item.encrypted_content:
                yield ReasoningDelta("", data=sealed(self._origin, event.item.encrypted_content))
            case "response.completed" | "response.incomplete":
                self._last = list(self._ending(event.response or _Response()))
            case "response.failed" | "error":
                told = event.error or (event.response.error if event.response is not None else None)
                problem = told or _Problem(event.code, event.message)
                raise self._wording.error(0, Refusal(problem.message or "", problem.code or ""))

    def _ending(self, response: _Response) -> Iterator[Event]:
        usage: Usage | None = usage_of(response.usage)
        if usage is not None:
            yield usage
        reason: FinishReason = "tool_calls" if self._calls else "stop"
        if (cut := response.incomplete_details) is not None:
            reason = "content_filter" if cut.reason == "content_filter" else "length"
        yield Finished(reason)
