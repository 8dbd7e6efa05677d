"""llama.cpp's HTTP API, as far as we speak it: our requests to its bodies, its streams to our events."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct, field

from inglenook.kit.errors import BadInput, InglenookError, Unavailable
from inglenook.models.calls import (
    AudioPart,
    ChatRequest,
    CompletionRequest,
    Event,
    Finished,
    FinishReason,
    ImagePart,
    Logprobs,
    Message,
    ReasoningDelta,
    ResponseFormat,
    Sampling,
    TextDelta,
    TextPart,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)
from inglenook.models.errors import ContextTooLong, ModelFailed

# ---------------------------------------------------------------------------------------------------- bodies

#: Options a model may bring (Modelfile `PARAMETER`), by our names.
_OPTIONS = {
    "num_predict": "max_tokens",
    **{
        name: name
        for name in (
            "temperature", "top_p", "top_k", "min_p", "typical_p", "seed", "stop", "frequency_penalty",
            "presence_penalty", "repeat_penalty", "repeat_last_n",
        )
    },
}  # fmt: skip
_RANDOM_SEED = 0xFFFF_FFFF
#: Larger than any context, and small enough for llama.cpp's integers.
_MOST_TOKENS = 1 << 30


def chat_body(
    request: ChatRequest, messages: list[Message], defaults: dict[str, Any], *, context: int
) -> dict[str, Any]:
    """A body for `/v1/chat/completions`; `defaults` are the model's own options, `context` its tokens."""
    body = _sampling(request.sampling, defaults, context)
    body |= {
        "messages": [_message(message) for message in messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.sampling.logprobs or request.sampling.top_logprobs:
        body |= {"logprobs": True, "top_logprobs": max(request.sampling.top_logprobs or 0, 1)}
    if request.tools:
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
        if isinstance(request.tool_choice, dict):
            body["tool_choice"] = {"type": "function", "function": {"name": request.tool_choice["name"]}}
        elif request.tool_choice is not None:
            body["tool_choice"] = request.tool_choice
        if request.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = request.parallel_tool_calls
    if request.response_format is not None and request.response_format.kind != "text":
        body["response_format"] = _response_format(request.response_format)
    if request.reasoning is not None:
        thinks = request.reasoning not in ("none", "off", "false")
        body["chat_template_kwargs"] = {"enable_thinking": thinks}
        if thinks:
            body["chat_template_kwargs"]["reasoning_effort"] = request.reasoning
    return body


def completion_body(
    request: CompletionRequest, prompt: str | list[int], defaults: dict[str, Any], *, context: int
) -> tuple[str, dict[str, Any]]:
    """Path and body for a completion: `/completion`, or `/infill` when there is a suffix."""
    body = _sampling(request.sampling, defaults, context)
    if "max_tokens" in body:
        body["n_predict"] = body.pop("max_tokens")
    if request.sampling.logprobs or request.sampling.top_logprobs:
        body["n_probs"] = max(request.sampling.top_logprobs or 0, 1)
    if request.response_format is not None and request.response_format.kind != "text":
        body["json_schema"] = request.response_format.schema or {"type": "object"}
    body["stream"] = True
    if request.suffix is not None:
        return "/infill", {**body, "input_prefix": prompt, "input_suffix": request.suffix, "prompt": ""}
    return "/completion", {**body, "prompt": prompt}


def _sampling(sampling: Sampling, defaults: dict[str, Any], context: int) -> dict[str, Any]:
    body: dict[str, Any] = {_OPTIONS[name]: value for name, value in defaults.items() if name in _OPTIONS}
    for name in (*_OPTIONS.values(), "n", "logit_bias"):
        value = getattr(sampling, name)
        if value is not None and value != []:
            body[name] = value
    if body.get("max_tokens", 0) < 0:
        del body["max_tokens"]  # until the context is full
    if "max_tokens" in body:
        body["max_tokens"] = min(body["max_tokens"], _MOST_TOKENS)
    if "repeat_last_n" in body:
        # -1 means all there are. llama.cpp would set memory aside for any number.
        last = body["repeat_last_n"]
        body["repeat_last_n"] = min(last, context) if last >= 0 else context
    if body.get("seed") is not None and not 0 <= body["seed"] < _RANDOM_SEED:
        body["seed"] = _RANDOM_SEED if body["seed"] < 0 else body["seed"] % _RANDOM_SEED
    if isinstance(body.get("stop"), str):
        body["stop"] = [body["stop"]]
    if "stop" in body:
        body["stop"] = [stop for stop in body["stop"] if stop]  # an empty one would end every answer at once
    return body


def _message(message: Message) -> dict[str, Any]:
    body: dict[str, Any] = {"role": message.role, "content": _content(message)}
    if message.tool_calls:
        body["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    for key, value in (
        ("tool_call_id", message.tool_call_id),
        ("name", message.name),
        ("reasoning_content", message.reasoning),
    ):
        if value:
            body[key] = value
    return body


def _content(message: Message) -> str | list[dict[str, Any]]:
    """Text as text; pictures and sound in their places between it, for models with a projector."""
    if isinstance(message.content, str) or all(isinstance(part, TextPart) for part in message.content):
        return message.text
    parts: list[dict[str, Any]] = []
    for part in message.content:
        if isinstance(part, TextPart):
            parts.append({"type": "text", "text": part.text})
        elif isinstance(part, ImagePart):
            parts.append({"type": "image_url", "image_url": {"url": f"data:{part.media_type};base64,{part.data}"}})
        elif isinstance(part, AudioPart):
            parts.append({"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}})
    return parts


def _response_format(wanted: ResponseFormat) -> dict[str, Any]:
    if wanted.schema is None:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": wanted.name or "answer", "schema": wanted.schema}}


# ---------------------------------------------------------------------------------------------------- errors


class PromptTooLong(ContextTooLong):
    """The prompt is longer than the context."""

    def __init__(self, prompt_tokens: int, context_length: int, *, what: str = "the prompt") -> None:
        self.prompt_tokens = prompt_tokens
        self.context_length = context_length
        super().__init__(
            f"{what} has {prompt_tokens} tokens, but the context length is {context_length} tokens; shorten it, or "
            "raise the context length (num_ctx)",
            details={"prompt_tokens": prompt_tokens, "context_length": context_length},
        )


#: What llama.cpp says before the reason, which is of no use to anybody.
_PREAMBLE = "Unable to generate parser for this template. Automatic parser generation failed: "


class _Error(Struct):
    message: str = ""
    type: str = ""
    n_prompt_tokens: int = 0
    n_ctx: int = 0


class _ErrorBody(Struct):
    error: _Error


def error_of(status: int, body: bytes, name: str) -> InglenookError:
    """The error for a refused request to model `name`."""
    try:
        error = msgspec.json.decode(body, type=_ErrorBody).error
    except msgspec.MsgspecError:
        error = _Error(body[:300].decode("utf-8", "replace"))
    return _error(status, error, name)


def _error(status: int, error: _Error, name: str) -> InglenookError:
    if error.type == "exceed_context_size_error":
        return PromptTooLong(error.n_prompt_tokens, error.n_ctx)
    if status == 503:
        return Unavailable(f"model {name} is not ready: {error.message}")
    if status in (400, 404, 501) or error.type in ("invalid_request_error", "not_supported_error"):
        return BadInput(f"model {name} refused the request: {error.message.removeprefix(_PREAMBLE)}")
    return ModelFailed(f"model {name} failed: {error.message or f'status {status}'}")


# --------------------------------------------------------------------------------------------------- streams


class _Token(Struct):
    token: str = ""
    logprob: float = 0.0
    bytes: list[int] = field(default_factory=list)
    top_logprobs: list["_Token"] = field(default_factory=list)


class _Logprobs(Struct):
    content: list[_Token] = field(default_factory=list)


class _Function(Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(Struct):
    index: int = 0
    id: str | None = None
    function: _Function = field(default_factory=_Function)


class _Delta(Struct):
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(Struct):
    index: int = 0
    delta: _Delta = field(default_factory=_Delta)
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Cached(Struct):
    cached_tokens: int = 0


class _Usage(Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _Cached = field(default_factory=_Cached)


class _Timings(Struct):
    cache_n: int = 0
    prompt_ms: float = 0
    predicted_ms: float = 0


class _ChatChunk(Struct):
    choices: list[_Choice] = field(default_factory=list)
    usage: _Usage | None = None
    timings: _Timings | None = None
    error: _Error | None = None


class _CompletionChunk(Struct):
    index: int = 0
    content: str = ""
    stop: bool = False
    stop_type: str = ""
    tokens_predicted: int = 0
    tokens_evaluated: int = 0
    timings: _Timings | None = None
    completion_probabilities: list[_Token] | None = None
    error: _Error | None = None


_REASONS: dict[str, FinishReason] = {"stop": "stop", "length": "length", "tool_calls": "tool_calls", "limit": "length"}


class _Stream:
    """Reads one server-sent stream: bytes in as they come, events out. `complete` once it ended as it should."""

    def __init__(self, name: str, *, top: int) -> None:
        self.complete = False
        self.finished: list[Finished] = []
        self.usage = Usage()
        self.prompt_ms = 0.0
        self.predicted_ms = 0.0
        self.text: list[str] = []
        self._name = name
        self._top = top
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events in `data`."""
        *frames, self._rest = (self._rest + data).split(b"\n\n")
        for frame in frames:
            if frame.startswith(b"data: "):
                if frame == b"data: [DONE]":
                    self.complete = True
                else:
                    yield from self._frame(frame[6:])
            elif frame.startswith(b"error: "):
                raise error_of(500, b'{"error":' + frame[7:] + b"}", self._name)

    def _frame(self, data: bytes) -> Iterator[Event]:
        raise NotImplementedError

    def _time(self, timings: _Timings) -> None:
        self.prompt_ms = max(self.prompt_ms, timings.prompt_ms)
        self.predicted_ms = max(self.predicted_ms, timings.predicted_ms)

    def _logprobs(self, tokens: list[_Token], choice: int) -> Logprobs:
        return Logprobs([_logprob(token, self._top) for token in tokens], choice)


class ChatStream(_Stream):
    """A stream of `/v1/chat/completions`."""

    _decoder = msgspec.json.Decoder(_ChatChunk)

    def _frame(self, data: bytes) -> Iterator[Event]:
        chunk = self._decoder.decode(data)
        for choice in chunk.choices:
            delta = choice.delta
            if delta.content:
                self.text.append(delta.content)
                yield TextDelta(delta.content, choice.index)
            if delta.reasoning_content:
                yield ReasoningDelta(delta.reasoning_content, choice.index)
            for call in delta.tool_calls or ():
                function = call.function
                yield ToolCallDelta(
                    call.index, call.id or "", function.name or "", function.arguments or "", choice.index
                )
            if choice.logprobs is not None and choice.logprobs.content:
                yield self._logprobs(choice.logprobs.content, choice.index)
            if choice.finish_reason is not None:
                self.finished.append(Finished(_REASONS.get(choice.finish_reason, "stop"), choice.index))
        if chunk.usage is not None:
            usage = chunk.usage
            self.usage.input = usage.prompt_tokens
            self.usage.cached = usage.prompt_tokens_details.cached_tokens
            self.usage.output += usage.completion_tokens
        if chunk.timings is not None:
            self._time(chunk.timings)
        if chunk.error is not None:
            raise _error(500, chunk.error, self._name)


class CompletionStream(_Stream):
    """A stream of `/completion` or `/infill`. Tokens that only together make a character come as one, with the log
    probability of the last."""

    _decoder = msgspec.json.Decoder(_CompletionChunk)

    def _frame(self, data: bytes) -> Iterator[Event]:
        chunk = self._decoder.decode(data)
        if chunk.error is not None:
            raise _error(500, chunk.error, self._name)
        if chunk.content:
            self.text.append(chunk.content)
            yield TextDelta(chunk.content, chunk.index)
        if chunk.completion_probabilities:
            yield self._logprobs(chunk.completion_probabilities, chunk.index)
        if chunk.stop:
            self.finished.append(Finished(_REASONS.get(chunk.stop_type, "stop"), chunk.index))
            self.usage.input = chunk.tokens_evaluated
            self.usage.output += chunk.tokens_predicted
            if chunk.timings is not None:
                self.usage.cached = chunk.timings.cache_n
                self._time(chunk.timings)
            self.complete = True


def _logprob(token: _Token, top: int) -> TokenLogprob:
    alternatives = [_logprob(other, 0) for other in token.top_logprobs[:top]]
    return TokenLogprob(token.token, token.logprob, token.bytes, alternatives)
