"""Our events, written as answers of OpenAI's protocols: whole ones and streams."""

import base64
import time
from array import array
from typing import Any

import orjson
from msgspec import Struct, field

from inglenook.gateway.faces.answering import notices_object
from inglenook.gateway.faces.sealing import sealed
from inglenook.kit.errors import InglenookError, NotFound
from inglenook.models.calls import (
    Event,
    Finished,
    Logprobs,
    Notice,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
    Vectors,
)

DONE = b"data: [DONE]\n\n"
_TYPES = {401: "authentication_error", 402: "insufficient_quota", 403: "permission_error", 429: "rate_limit_error"}
#: Our codes that the protocol has its own word for.
_CODES = {
    "unauthenticated": "invalid_api_key",
    "prompt_too_long": "context_length_exceeded",
    "context_too_long": "context_length_exceeded",
    "content_refused": "content_filter",
    "too_many": "rate_limit_exceeded",
    "provider_out_of_credit": "insufficient_quota",
}


def render_error(error: InglenookError) -> bytes:
    """An error's body."""
    return orjson.dumps({"error": error_object(error)})


def broken(error: InglenookError) -> bytes:
    """How a stream says that it broke."""
    return b"data: %b\n\n" % render_error(error)


def error_object(error: InglenookError) -> dict[str, Any]:
    """What stands under `error`."""
    code = _CODES.get(error.code, error.code)
    if isinstance(error, NotFound) and error.field == "model":
        code = "model_not_found"
    kind = _TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    found: dict[str, Any] = {"message": error.message, "type": kind, "param": error.field, "code": code}
    if error.details:
        found["details"] = error.details
    return found


def usage_object(usage: Usage) -> dict[str, Any]:
    """What stands under `usage`."""
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached,
            "cache_write_tokens": usage.cache_write + usage.cache_write_1h,
            "audio_tokens": usage.audio_input,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": usage.audio_output},
    }


class Answer(Struct, kw_only=True):
    """What is the same in all pieces of one answer.

    Attributes:
        model: The catalogue's name of the model that answers.
        include_usage: Whether the caller wants the usage at the end of a stream.
        logprobs: Whether log probabilities were asked for: text then waits for those that follow it.
    """

    id: str
    model: str
    include_usage: bool = False
    logprobs: bool = False
    notices: list[Notice] = field(default_factory=list)
    created: int = field(default_factory=lambda: int(time.time()))

    def head(self, kind: str) -> dict[str, Any]:
        """The fields every object begins with."""
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


class Thinking:
    """Follows the blocks of thinking of one choice, and writes those that are signed as `reasoning_details`."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._blocks = 0

    def add(self, delta: ReasoningDelta) -> list[dict[str, Any]]:
        """Take more of it in; gives the block that this ends, if it is signed or sealed."""
        if delta.text:
            self._text.append(delta.text)
        if delta.signature is None and delta.data is None:
            return []
        index, self._blocks = self._blocks, self._blocks + 1
        text, self._text = "".join(self._text), []
        if delta.data is not None:
            return [{"type": "reasoning.encrypted", "data": delta.data, "text": text or None, "index": index}]
        return [{"type": "reasoning.text", "text": text, "signature": delta.signature, "index": index}]


class _Choice(Struct):
    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    thinking: Thinking = field(default_factory=Thinking)
    details: list[dict[str, Any]] = field(default_factory=list)
    calls: dict[int, dict[str, Any]] = field(default_factory=dict)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    finish: str = "stop"


class Whole:
    """Gathers events into one body."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.usage = Usage()
        self._choices: dict[int, _Choice] = {}
        self._vectors: list[list[float]] = []

    def add(self, event: Event) -> None:
        """Take an event in."""
        match event:
            case TextDelta():
                self._choice(event.choice).text.append(event.text)
            case ReasoningDelta():
                choice = self._choice(event.choice)
                choice.reasoning.append(event.text)
                choice.details += choice.thinking.add(event)
            case ToolCallDelta():
                call = self._choice(event.choice).calls.setdefault(
                    event.index, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
                )
                call["id"] += sealed(event.id, event.signature)
                call["function"]["name"] += event.name
                call["function"]["arguments"] += event.arguments
            case Logprobs():
                self._choice(event.choice).logprobs += event.tokens
            case Finished():
                self._choice(event.choice).finish = event.reason
            case Usage():
                self.usage = event
            case Vectors():
                self._vectors = event.vectors

    def chat(self) -> bytes:
        """A `chat.completion`."""
        choices = []
        for index, choice in sorted(self._choices.items()):
            message: dict[str, Any] = {"role": "assistant", "content": "".join(choice.text), "refusal": None}
            if thought := "".join(choice.reasoning):
                message["reasoning_content"] = thought
            if choice.details:
                message["reasoning_details"] = choice.details
            if choice.calls:
                message["tool_calls"] = [call for _, call in sorted(choice.calls.items())]
                message["content"] = message["content"] or None
            choices.append(
                {
                    "index": index,
                    "message": message,
                    "logprobs": _chat_logprobs(choice.logprobs) if self.answer.logprobs else None,
                    "finish_reason": choice.finish,
                }
            )
        return self._body("chat.completion", {"choices": choices, "usage": usage_object(self.usage)})

    def completion(self) -> bytes:
        """A `text_completion`."""
        choices = [
            {
                "index": index,
                "text": "".join(choice.text),
                "logprobs": _completion_logprobs(choice.logprobs, 0)[0] if self.answer.logprobs else None,
                "finish_reason": choice.finish,
            }
            for index, choice in sorted(self._choices.items())
        ]
        return self._body("text_completion", {"choices": choices, "usage": usage_object(self.usage)})

    def embeddings(self, encoding: str) -> bytes:
        """A `list` of embeddings, each of floats or (`base64`) of little-endian float32 bytes."""
        data = [
            {"object": "embedding", "index": index, "embedding": _base64(vector) if encoding == "base64" else vector}
            for index, vector in enumerate(self._vectors)
        ]
        body: dict[str, Any] = {
            "object": "list",
            "data": data,
            "model": self.answer.model,
            "usage": {"prompt_tokens": self.usage.input, "total_tokens": self.usage.input},
        }
        if self.answer.notices:
            body["inglenook"] = notices_object(self.answer.notices)
        return orjson.dumps(body)

    def _choice(self, index: int) -> _Choice:
        return self._choices.setdefault(index, _Choice())

    def _body(self, kind: str, rest: dict[str, Any]) -> bytes:
        body = self.answer.head(kind) | rest
        if self.answer.notices:
            body["inglenook"] = notices_object(self.answer.notices)
        return orjson.dumps(body)


class Stream:
    """Writes events as server-sent events; `kind` is the object's name."""

    kind = ""
    conclusive = False

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        head = orjson.dumps(answer.head(self.kind))
        self._head = b"data: " + head[:-1] + b',"choices":['
        self._first = True
        self._usage: Usage | None = None
        self._held: TextDelta | None = None

    def event(self, event: Event) -> bytes:
        """What to send for an event; may be nothing."""
        if self.answer.logprobs:
            held, self._held = self._held, None
            if type(event) is TextDelta:
                self._held = event
                return self.piece(held) if held is not None else b""
            if type(event) is Logprobs:
                return self.piece(held or TextDelta("", event.choice), event.tokens)
            before = self.piece(held) if held is not None else b""
            return before + self._other(event)
        return self.piece(event) if type(event) is TextDelta else self._other(event)

    def end(self) -> bytes:
        """The stream's end."""
        if not self.answer.include_usage or self._usage is None:
            return DONE
        body = self.answer.head(self.kind) | {"choices": [], "usage": usage_object(self._usage)}
        return b"data: %b\n\n%b" % (orjson.dumps(body), DONE)

    def broken(self, error: InglenookError) -> bytes:
        """How the stream says that it broke."""
        return broken(error)

    def piece(self, delta: TextDelta, logprobs: list[TokenLogprob] | None = None) -> bytes:
        """A piece of text."""
        raise NotImplementedError

    def _other(self, event: Event) -> bytes:
        if type(event) is Usage:
            self._usage = event
        return b""

    def _chunk(self, choice: dict[str, Any]) -> bytes:
        tail = b"]}\n\n"
        if self._first:
            self._first = False
            if self.answer.notices:
                tail = b'],"inglenook":%b}\n\n' % orjson.dumps(notices_object(self.answer.notices))
        return self._head + orjson.dumps(choice) + tail


class ChatStream(Stream):
    """`chat.completion.chunk`s: the role in the first delta of each choice only."""

    kind = "chat.completion.chunk"

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self._begun: set[int] = set()
        self._thinking: dict[int, Thinking] = {}

    def piece(self, delta: TextDelta, logprobs: list[TokenLogprob] | None = None) -> bytes:
        """See `Stream.piece`."""
        return self._delta(delta.choice, {"content": delta.text}, logprobs=logprobs)

    def _other(self, event: Event) -> bytes:
        match event:
            case ReasoningDelta():
                delta: dict[str, Any] = {"reasoning_content": event.text} if event.text else {}
                details = self._thinking.setdefault(event.choice, Thinking()).add(event)
                return self._delta(event.choice, delta | ({"reasoning_details": details} if details else {}))
            case ToolCallDelta():
                call: dict[str, Any] = {"index": event.index, "function": {"arguments": event.arguments}}
                if event.id or event.name:
                    call |= {"id": sealed(event.id, event.signature), "type": "function"}
                    call["function"] = {"name": event.name, "arguments": event.arguments}
                return self._delta(event.choice, {"tool_calls": [call]})
            case Finished():
                return self._delta(event.choice, {}, finish=event.reason)
            case _:
                return super()._other(event)

    def _delta(
        self,
        index: int,
        delta: dict[str, Any],
        *,
        finish: str | None = None,
        logprobs: list[TokenLogprob] | None = None,
    ) -> bytes:
        if index not in self._begun:
            self._begun.add(index)
            delta = {"role": "assistant", "content": "", **delta}
        found = _chat_logprobs(logprobs) if logprobs else None
        return self._chunk({"index": index, "delta": delta, "logprobs": found, "finish_reason": finish})


class CompletionStream(Stream):
    """`text_completion`s."""

    kind = "text_completion"

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self._offsets: dict[int, int] = {}

    def piece(self, delta: TextDelta, logprobs: list[TokenLogprob] | None = None) -> bytes:
        """See `Stream.piece`."""
        found = None
        if logprobs:
            found, end = _completion_logprobs(logprobs, self._offsets.get(delta.choice, 0))
            self._offsets[delta.choice] = end
        return self._chunk({"index": delta.choice, "text": delta.text, "logprobs": found, "finish_reason": None})

    def _other(self, event: Event) -> bytes:
        if type(event) is Finished:
            return self._chunk({"index": event.choice, "text": "", "logprobs": None, "finish_reason": event.reason})
        return super()._other(event)


def _chat_logprobs(tokens: list[TokenLogprob]) -> dict[str, Any]:
    def one(token: TokenLogprob) -> dict[str, Any]:
        return {"token": token.token, "logprob": token.logprob, "bytes": token.bytes}

    content = [{**one(token), "top_logprobs": [one(other) for other in token.top]} for token in tokens]
    return {"content": content, "refusal": None}


def _completion_logprobs(tokens: list[TokenLogprob], offset: int) -> tuple[dict[str, Any], int]:
    """The older shape, which counts offsets in the text; and where the text ends."""
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token.token)
    found = {
        "tokens": [token.token for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [{other.token: other.logprob for other in token.top} for token in tokens],
        "text_offset": offsets,
    }
    return found, offset


def _base64(vector: list[float]) -> str:
    numbers = array("f", vector)
    if numbers.itemsize != 4:
        raise AssertionError("this platform's floats are not IEEE 754 single precision")
    return base64.b64encode(numbers.tobytes()).decode()
