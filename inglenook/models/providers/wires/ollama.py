"""Ollama's own protocol as a caller: our requests to bodies, its lines to our events."""

from collections.abc import Iterator
from typing import Any

import msgspec
import orjson
from msgspec import Struct, field

from inglenook.kit.errors import UpstreamFailed
from inglenook.kit.ids import new_id
from inglenook.models.calls import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Event,
    Finished,
    FinishReason,
    ImagePart,
    LocalOptions,
    Logprobs,
    Message,
    ReasoningDelta,
    ResponseFormat,
    Sampling,
    TextDelta,
    TextPart,
    Timings,
    TokenLogprob,
    ToolCallDelta,
    Usage,
    Vectors,
)
from inglenook.models.providers.refusals import USUAL
from inglenook.models.providers.wires.carrying import arguments_of, check_sampling, refuse

Body = dict[str, Any]

_OPTIONS = {
    **{name: name for name in ("temperature", "top_p", "top_k", "min_p", "typical_p", "seed")},
    **{name: name for name in ("frequency_penalty", "presence_penalty", "repeat_penalty", "repeat_last_n")},
    "max_tokens": "num_predict",
}
_KNOWN = frozenset({*_OPTIONS, "stop", "logprobs", "top_logprobs"})
#: Efforts as Ollama says them; others ask for what is nearest.
_THINK: dict[str, bool | str] = {"none": False, "minimal": "low", "xhigh": "high", "max": "high"}
#: Families that take how much to think rather than whether to.
_GRADED = ("gpt-oss",)
_LINE_LIMIT = 16 * 1024 * 1024


def chat_body(model: str, request: ChatRequest) -> Body:
    """A body for `/api/chat`; it always streams.

    Raises:
        CannotCarry: a field is set that Ollama has no word for; names it.
    """
    choice = request.tool_choice
    if choice not in (None, "auto", "none"):
        raise refuse("tool_choice", model, "Ollama leaves the choice to the model")
    if request.parallel_tool_calls is False:
        raise refuse("parallel_tool_calls", model)
    body = _body(model, request.sampling, request.local)
    body["messages"] = [_message(message, f"messages[{at}]", model) for at, message in enumerate(request.messages)]
    if request.tools and choice != "none":
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters or {"type": "object", "properties": {}},
                },
            }
            for tool in request.tools
        ]
    if request.reasoning is not None or request.reasoning_budget is not None:
        body["think"] = _think(model, request)
    _set_format(body, request.response_format)
    return body


def completion_body(model: str, request: CompletionRequest) -> Body:
    """A body for `/api/generate`; it always streams. Raises as `chat_body`."""
    if request.others or not isinstance(request.prompt, str):
        raise refuse("prompt", model, "Ollama takes one text")
    body = _body(model, request.sampling, request.local)
    body["prompt"] = request.prompt
    if request.suffix is not None:
        body["suffix"] = request.suffix  # goes through the model's template
    else:
        body["raw"] = True
    if request.local.context is not None:
        body["context"] = request.local.context
    _set_format(body, request.response_format)
    return body


def embedding_body(model: str, request: EmbeddingRequest) -> Body:
    """A body for `/api/embed`."""
    body = _body(model, Sampling(), request.local)
    del body["stream"]
    body["input"] = request.inputs
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    return body


def _body(model: str, sampling: Sampling, local: LocalOptions) -> Body:
    check_sampling(sampling, model, _KNOWN)
    options = {theirs: value for name, theirs in _OPTIONS.items() if (value := getattr(sampling, name)) is not None}
    if sampling.stop:
        options["stop"] = sampling.stop
    if local.num_ctx is not None:
        options["num_ctx"] = local.num_ctx
    body: Body = {"model": model, "stream": True}
    if options:
        body["options"] = options
    if sampling.logprobs:
        body["logprobs"] = True
        body["top_logprobs"] = sampling.top_logprobs or 0
    if local.keep_alive is not None:
        body["keep_alive"] = local.keep_alive
    if local.truncate is not None:
        body["truncate"] = local.truncate
    return body


def _think(model: str, request: ChatRequest) -> bool | str:
    effort = request.reasoning
    if effort is None:
        effort = "none" if (request.reasoning_budget or 0) <= 0 else "medium"
    said = _THINK.get(effort, effort)
    return said if said is False or any(name in model.lower() for name in _GRADED) else True


def _set_format(body: Body, wanted: ResponseFormat | None) -> None:
    if wanted is not None and wanted.kind != "text":
        body["format"] = wanted.schema if wanted.kind == "json_schema" and wanted.schema is not None else "json"


def _message(message: Message, where: str, model: str) -> Body:
    body: Body = {"role": message.role, "content": message.text}
    if not isinstance(message.content, str):
        images = [part.data for part in message.content if isinstance(part, ImagePart)]
        if len(images) + sum(isinstance(part, TextPart) for part in message.content) < len(message.content):
            raise refuse(where, model, "Ollama takes text and images")
        if images:
            body["images"] = images
    if message.reasoning:
        body["thinking"] = message.reasoning
    if message.tool_calls:
        body["tool_calls"] = [
            {"id": call.id, "function": {"name": call.name, "arguments": arguments_of(call, where)}}
            for call in message.tool_calls
        ]
    if message.role == "tool":
        body["tool_call_id"] = message.tool_call_id or ""
        if message.name:
            body["tool_name"] = message.name
    return body


# --------------------------------------------------------------------------------------------------- answers


class _Function(Struct):
    name: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)


class _Call(Struct):
    function: _Function
    id: str = ""


class _Said(Struct):
    content: str = ""
    thinking: str = ""
    tool_calls: list[_Call] | None = None


class _Token(Struct):
    token: str = ""
    logprob: float = 0.0
    bytes: list[int] | None = None
    top_logprobs: list["_Token"] | None = None

    def read(self) -> TokenLogprob:
        alternatives = [other.read() for other in self.top_logprobs or ()]
        return TokenLogprob(self.token, self.logprob, self.bytes or list(self.token.encode()), alternatives)


class _Line(Struct):
    message: _Said | None = None
    response: str = ""
    thinking: str = ""
    done: bool = False
    done_reason: str = ""
    context: list[int] | None = None
    logprobs: list[_Token] | None = None
    load_duration: int = 0
    prompt_eval_count: int = 0
    prompt_eval_duration: int = 0
    eval_count: int = 0
    eval_duration: int = 0
    error: str | None = None


class _Embeddings(Struct):
    embeddings: list[list[float]]
    prompt_eval_count: int = 0


_line = msgspec.json.Decoder(_Line)
_REASONS: dict[str, FinishReason] = {"stop": "stop", "length": "length", "load": "load", "unload": "unload"}


class OllamaStream:
    """Reads one stream of `/api/chat` or `/api/generate`: a JSON object a line."""

    def __init__(self) -> None:
        self._part = bytearray()
        self._calls = 0
        self._last: list[Event] | None = None

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events in the next bytes.

        Raises:
            InglenookError: the server says that it failed, or what it sends makes no sense.
        """
        self._part += data
        *lines, rest = bytes(self._part).split(b"\n") if b"\n" in data else (bytes(self._part),)
        self._part = bytearray(rest)
        if len(rest) > _LINE_LIMIT:
            raise UpstreamFailed(f"the provider sent a line of more than {_LINE_LIMIT} bytes")
        for line in lines:
            if line.strip():
                yield from self._read(line)

    def end(self) -> Iterator[Event]:
        """The last events, once the stream has ended.

        Raises:
            UpstreamFailed: it ended before the answer was whole.
        """
        if self._last is None and self._part.rstrip().endswith(b"}"):
            yield from self._read(bytes(self._part))  # its last line has no end
        if self._last is None:
            raise UpstreamFailed("the provider's stream ended before its answer was whole; try again")
        yield from self._last

    def _read(self, data: bytes) -> Iterator[Event]:
        try:
            line = _line.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            shown = data[:80].decode("utf-8", "replace")
            raise UpstreamFailed(f"the provider sent a malformed line: {error} in {shown!r}") from None
        if line.error is not None:
            raise USUAL.inside(data) or UpstreamFailed(f"the provider broke off: {line.error}")
        said = line.message or _Said(line.response, line.thinking)
        if said.thinking:
            yield ReasoningDelta(said.thinking)
        if said.content:
            yield TextDelta(said.content)
        if line.logprobs:
            yield Logprobs([token.read() for token in line.logprobs])
        for call in said.tool_calls or ():
            arguments = orjson.dumps(call.function.arguments).decode()
            yield ToolCallDelta(self._calls, call.id or new_id("call"), call.function.name, arguments)
            self._calls += 1
        if line.done:
            self._last = self._ending(line)

    def _ending(self, line: _Line) -> list[Event]:
        reason = _REASONS.get(line.done_reason, "stop")
        if reason in ("load", "unload"):
            return [Finished(reason)]
        timings = Timings(line.load_duration / 1e6, line.prompt_eval_duration / 1e6, line.eval_duration / 1e6)
        finished = Finished("tool_calls" if self._calls and reason == "stop" else reason, context=line.context)
        return [Usage(input=line.prompt_eval_count, output=line.eval_count), timings, finished]


def read_embeddings(body: bytes, count: int) -> Iterator[Event]:
    """The events of an answer of `/api/embed`.

    Raises:
        UpstreamFailed: it is malformed, or has not `count` vectors.
    """
    try:
        answer = msgspec.json.decode(body, type=_Embeddings)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UpstreamFailed(f"the provider sent malformed embeddings: {error}") from None
    if len(answer.embeddings) != count:
        raise UpstreamFailed(f"the provider sent {len(answer.embeddings)} usable vectors for {count} inputs")
    yield Vectors(answer.embeddings)
    yield Usage(input=answer.prompt_eval_count)
