"""OpenAI's protocols as a caller writes and reads them: our requests to bodies, streams to our events."""

import math
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct, field

from inglenook.kit.errors import UpstreamFailed
from inglenook.models.calls import (
    AudioPart,
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Event,
    FilePart,
    Finished,
    FinishReason,
    ImagePart,
    LocalOptions,
    Logprobs,
    Message,
    Part,
    ReasoningDelta,
    ResponseFormat,
    Sampling,
    TextDelta,
    TextPart,
    TokenLogprob,
    ToolCallDelta,
    Usage,
    Vectors,
)
from inglenook.models.errors import CannotCarry
from inglenook.models.providers.wires.openai_usage import usage_of
from inglenook.models.providers.wires.sse import SseReader

#: Sampling fields that OpenAI's own API does not have, and some servers that speak its protocol do.
EXTENSIONS = ("top_k", "min_p", "typical_p", "repeat_penalty", "repeat_last_n")
_STANDARD = ("temperature", "top_p", "seed", "frequency_penalty", "presence_penalty", "n", "logit_bias")


class Profile(Struct, frozen=True, kw_only=True):
    """What differs between servers of this protocol.

    Attributes:
        max_tokens: The field that limits an answer: `max_tokens`, or `max_completion_tokens` of OpenAI's newer models.
        extensions: Which of `EXTENSIONS` it understands.
        stream_usage: Whether it tells the usage of a stream when asked by `stream_options`.
    """

    max_tokens: str = "max_tokens"
    extensions: frozenset[str] = frozenset()
    stream_usage: bool = True


# ---------------------------------------------------------------------------------------------------- bodies


def chat_body(model: str, request: ChatRequest, profile: Profile) -> dict[str, Any]:
    """A body for `/chat/completions`; it always streams.

    Raises:
        CannotCarry: a field is set that this server does not understand; names it.
    """
    body = _body(model, request.sampling, request.local, profile)
    body["messages"] = [_message(message) for message in request.messages]
    if request.sampling.logprobs:
        body["logprobs"] = True
        if request.sampling.top_logprobs is not None:
            body["top_logprobs"] = request.sampling.top_logprobs
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters or {"type": "object", "properties": {}},
                    **({} if tool.strict is None else {"strict": tool.strict}),
                },
            }
            for tool in request.tools
        ]
    for name, value in (
        ("tool_choice", _tool_choice(request.tool_choice)),
        ("parallel_tool_calls", request.parallel_tool_calls),
        ("reasoning_effort", request.reasoning),
        ("response_format", _response_format(request.response_format)),
    ):
        if value is not None:
            body[name] = value
    return body


def completion_body(model: str, request: CompletionRequest, profile: Profile) -> dict[str, Any]:
    """A body for `/completions`; it always streams. Raises as `chat_body`."""
    body = _body(model, request.sampling, request.local, profile)
    if profile.max_tokens in body:
        body["max_tokens"] = body.pop(profile.max_tokens)
    body["prompt"] = [request.prompt, *request.others] if request.others else request.prompt
    if request.suffix is not None:
        body["suffix"] = request.suffix
    if request.sampling.logprobs:
        body["logprobs"] = request.sampling.top_logprobs or 0
    response_format = _response_format(request.response_format)
    if response_format is not None:
        body["response_format"] = response_format
    return body


def embedding_body(model: str, request: EmbeddingRequest) -> dict[str, Any]:
    """A body for `/embeddings`. The protocol has no word for `purpose`."""
    _check_local(request.local)
    body: dict[str, Any] = {"model": model, "input": request.inputs, "encoding_format": "float"}
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    return body


def _body(model: str, sampling: Sampling, local: LocalOptions, profile: Profile) -> dict[str, Any]:
    _check_local(local)
    body: dict[str, Any] = {"model": model, "stream": True}
    if profile.stream_usage:
        body["stream_options"] = {"include_usage": True}
    for name in (*_STANDARD, *EXTENSIONS):
        value = getattr(sampling, name)
        if value is None:
            continue
        if name in EXTENSIONS and name not in profile.extensions:
            raise CannotCarry(
                f"field '{name}' cannot be carried to model '{model}': its provider does not know it "
                "(an administrator can say in the provider's settings that it does)",
                field=name,
            )
        body[name] = value
    if sampling.stop:
        body["stop"] = sampling.stop
    if sampling.max_tokens is not None:
        body[profile.max_tokens] = sampling.max_tokens
    return body


def _check_local(local: LocalOptions) -> None:
    """`keep_alive` asks for nothing that a model elsewhere lacks, and a prompt too long is refused there anyway."""
    for name, value in (("num_ctx", local.num_ctx), ("context", local.context)):
        if value is not None:
            raise CannotCarry(
                f"field '{name}' cannot be carried: this model does not run here; leave it out", field=name
            )


def _message(message: Message) -> dict[str, Any]:
    """A message. Earlier thinking is not sent: the protocol has no place for it."""
    body: dict[str, Any] = {"role": message.role}
    if isinstance(message.content, str):
        body["content"] = message.content if message.content or not message.tool_calls else None
    else:
        body["content"] = [_part(part) for part in message.content]
    if message.tool_calls:
        body["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        body["tool_call_id"] = message.tool_call_id
    if message.name and message.role != "tool":
        body["name"] = message.name
    return body


def _part(part: Part) -> dict[str, Any]:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text}
        case ImagePart():
            image: dict[str, Any] = {"url": f"data:{part.media_type};base64,{part.data}"}
            if part.detail is not None:
                image["detail"] = part.detail
            return {"type": "image_url", "image_url": image}
        case FilePart():
            name = part.name or "document"
            return {
                "type": "file",
                "file": {"filename": name, "file_data": f"data:{part.media_type};base64,{part.data}"},
            }
        case AudioPart():
            return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}


def _tool_choice(wanted: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    return {"type": "function", "function": {"name": wanted["name"]}} if isinstance(wanted, dict) else wanted


def _response_format(wanted: ResponseFormat | None) -> dict[str, Any] | None:
    if wanted is None or wanted.kind == "text":
        return None
    if wanted.kind == "json_object" or wanted.schema is None:
        return {"type": "json_object"}
    schema: dict[str, Any] = {"name": wanted.name or "answer", "schema": wanted.schema}
    if wanted.strict is not None:
        schema["strict"] = wanted.strict
    return {"type": "json_schema", "json_schema": schema}


# --------------------------------------------------------------------------------------------------- answers


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


class _Delta(Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_ToolCall] | None = None


_NULL = msgspec.Raw(b"null")


class _Choice(Struct):
    index: int = 0
    delta: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: msgspec.Raw = _NULL


class _Chunk(Struct):
    choices: list[_Choice] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None


class _Embedding(Struct):
    embedding: list[float]
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
}
_chunk = msgspec.json.Decoder(_Chunk)
_embeddings = msgspec.json.Decoder(_Embeddings)


class AnswerStream:
    """Reads one stream of chat or completion chunks."""

    def __init__(self) -> None:
        self._events = SseReader()
        self._finished: dict[int, FinishReason] = {}
        self._usage: Usage | None = None
        self._done = False

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events in the next bytes.

        Raises:
            UpstreamFailed: the provider says that it failed, or what it sends makes no sense.
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
        if self._usage is not None:
            yield self._usage
        for choice, reason in sorted((self._finished or {0: "stop"}).items()):
            yield Finished(reason, choice)

    def _read(self, event: bytes) -> Iterator[Event]:
        try:
            chunk = _chunk.decode(event)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            shown = event[:80].decode("utf-8", "replace")
            raise UpstreamFailed(f"the provider sent a malformed chunk: {error} in {shown!r}") from None
        if chunk.error:
            raise UpstreamFailed(f"the provider broke off: {message_of(chunk.error)}")
        if chunk.usage is not None:
            self._usage = usage_of(chunk.usage) or self._usage
        for choice in chunk.choices or ():
            yield from _events_of(choice)
            if choice.finish_reason:
                self._finished[choice.index] = _REASONS.get(choice.finish_reason, "stop")


def _events_of(choice: _Choice) -> Iterator[Event]:
    delta, number = choice.delta, choice.index
    if delta is not None:
        if thought := delta.reasoning_content or delta.reasoning:
            yield ReasoningDelta(thought, number)
        if text := delta.content or delta.refusal:
            yield TextDelta(text, number)
        for place, call in enumerate(delta.tool_calls or ()):
            function = call.function or _Function()
            index = place if call.index is None else call.index
            yield ToolCallDelta(index, call.id or "", function.name or "", function.arguments or "", number)
    if choice.text:
        yield TextDelta(choice.text, number)
    if choice.logprobs != _NULL:
        tokens = _chat_logprobs(choice.logprobs) if delta is not None else _completion_logprobs(choice.logprobs)
        if tokens:
            yield Logprobs(tokens, number)


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
    vectors = [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
    if len(vectors) != count or not all(math.isfinite(value) for vector in vectors for value in vector):
        raise UpstreamFailed(f"the provider sent {len(vectors)} usable vectors for {count} inputs")
    yield Vectors(vectors)
    if (usage := usage_of(answer.usage)) is not None:
        yield usage


def message_of(value: Any) -> str:
    """What an error of any usual shape says, in at most 1,000 characters."""
    for _ in range(4):
        if not isinstance(value, dict):
            break
        value = next((value[key] for key in ("error", "message", "detail", "msg") if value.get(key)), str(value))
    if isinstance(value, list):
        value = "; ".join(message_of(item) for item in value[:5])
    return str(value)[:1000]
