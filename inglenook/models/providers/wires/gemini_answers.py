"""Gemini's `generateContent` and its kin as a caller reads them: streams of responses to events, embeddings, counts."""

import math
from collections.abc import Iterator
from typing import Any

import msgspec
import orjson
from msgspec import Struct, field

from inglenook.kit.errors import UpstreamFailed
from inglenook.kit.ids import new_id
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
from inglenook.models.errors import ContentRefused
from inglenook.models.providers.refusals import Refusal, error_of
from inglenook.models.providers.wires.gemini_requests import ORIGIN
from inglenook.models.providers.wires.provenance import sealed
from inglenook.models.providers.wires.sse import SseReader

_REASONS: dict[str, FinishReason] = {
    "STOP": "stop",
    "OTHER": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    **dict.fromkeys(
        (
            *("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"),
            *("IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "ESCALATION", "PUP_LIMITED_DISABLED", "MODEL_ARMOR"),
        ),
        "content_filter",
    ),
}
#: Reasons that are failures: what came before them is no answer.
_FAILURES = {
    "MALFORMED_FUNCTION_CALL": "the model wrote a tool call that cannot be read; try again",
    "MALFORMED_RESPONSE": "the model's answer is malformed; try again",
    "UNEXPECTED_TOOL_CALL": "the model called a tool that was not offered; try again",
    "TOO_MANY_TOOL_CALLS": "the model made too many tool calls",
    "MISSING_THOUGHT_SIGNATURE": "the provider misses the proof of an earlier thought",
}


class _FunctionCall(Struct):
    name: str = ""
    id: str | None = None
    args: Any = None


class _Part(Struct, rename="camel"):
    text: str | None = None
    thought: bool = False
    thought_signature: str | None = None
    function_call: _FunctionCall | None = None


class _Content(Struct):
    parts: list[_Part] | None = None


class _Token(Struct, rename="camel"):
    token: str = ""
    log_probability: float = 0.0


class _Top(Struct):
    candidates: list[_Token] = field(default_factory=list)


class _LogprobsResult(Struct, rename="camel"):
    chosen_candidates: list[_Token] = field(default_factory=list)
    top_candidates: list[_Top] = field(default_factory=list)


class _Candidate(Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    index: int = 0
    logprobs_result: _LogprobsResult | None = None


class _Feedback(Struct, rename="camel"):
    block_reason: str | None = None
    block_reason_message: str | None = None


class _Modality(Struct, rename="camel"):
    modality: str = ""
    token_count: int = 0


class _UsageMetadata(Struct, rename="camel"):
    prompt_token_count: int = 0
    candidates_token_count: int = 0
    cached_content_token_count: int = 0
    thoughts_token_count: int = 0
    tool_use_prompt_token_count: int = 0
    prompt_tokens_details: list[_Modality] = field(default_factory=list)
    cache_tokens_details: list[_Modality] = field(default_factory=list)
    candidates_tokens_details: list[_Modality] = field(default_factory=list)

    def usage(self) -> Usage:
        """The same as ours: there, thoughts are no part of the output. Sound read from the cache counts as that."""
        heard = _audio(self.prompt_tokens_details) - _audio(self.cache_tokens_details)
        return Usage(
            input=self.prompt_token_count + self.tool_use_prompt_token_count,
            output=self.candidates_token_count + self.thoughts_token_count,
            cached=self.cached_content_token_count,
            reasoning=self.thoughts_token_count,
            audio_input=max(0, heard),
            audio_output=_audio(self.candidates_tokens_details),
        )


def _audio(details: list[_Modality]) -> int:
    return sum(detail.token_count for detail in details if detail.modality == "AUDIO")


class _Error(Struct):
    message: str = ""
    status: str = ""


class _Response(Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: _UsageMetadata | None = None
    error: _Error | None = None


_response = msgspec.json.Decoder(_Response)


class GenerateStream:
    """Reads one stream of responses."""

    def __init__(self) -> None:
        self._events = SseReader()
        self._usage: Usage | None = None
        self._finished: dict[int, FinishReason] = {}
        self._calls: dict[int, int] = {}

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events in the next bytes.

        Raises:
            ContentRefused: the prompt is refused.
            UpstreamFailed, Unavailable, …: the provider says that it failed, or what it sends makes no sense.
        """
        for raw in self._events.feed(data):
            try:
                response = _response.decode(raw)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                shown = raw[:80].decode("utf-8", "replace")
                raise UpstreamFailed(f"the provider sent a malformed chunk: {error} in {shown!r}") from None
            yield from self._read(response)

    def end(self) -> Iterator[Event]:
        """The last events, once the stream has ended.

        Raises:
            UpstreamFailed: it ended before the answer was whole.
        """
        if not self._finished:
            raise UpstreamFailed("the provider's stream ended before its answer was whole; try again")
        if self._usage is not None:
            yield self._usage
        for choice, reason in sorted(self._finished.items()):
            yield Finished("tool_calls" if reason == "stop" and self._calls.get(choice) else reason, choice)

    def _read(self, response: _Response) -> Iterator[Event]:
        if response.error is not None:
            raise error_of(0, Refusal(response.error.message, response.error.status))
        feedback = response.prompt_feedback
        if feedback is not None and feedback.block_reason and not response.candidates:
            said = feedback.block_reason_message or feedback.block_reason
            raise ContentRefused(f"the provider's content policy refuses this prompt: {said}")
        if response.usage_metadata is not None:
            self._usage = response.usage_metadata.usage()
        for candidate in response.candidates or ():
            for part in (candidate.content and candidate.content.parts) or ():
                yield from self._part(part, candidate.index)
            if candidate.logprobs_result is not None:
                yield Logprobs(_logprobs(candidate.logprobs_result), candidate.index)
            if candidate.finish_reason and candidate.finish_reason != "FINISH_REASON_UNSPECIFIED":
                if candidate.finish_reason in _FAILURES:
                    more = f" ({candidate.finish_message})" if candidate.finish_message else ""
                    raise UpstreamFailed(_FAILURES[candidate.finish_reason] + more)
                self._finished[candidate.index] = _REASONS.get(candidate.finish_reason, "stop")

    def _part(self, part: _Part, choice: int) -> Iterator[Event]:
        signature = sealed(ORIGIN, part.thought_signature) if part.thought_signature else None
        if part.function_call is not None:
            call = part.function_call
            number = self._calls.get(choice, 0)
            self._calls[choice] = number + 1
            arguments = orjson.dumps(call.args or {}).decode()
            yield ToolCallDelta(number, call.id or new_id("call"), call.name, arguments, choice, signature)
            return
        if part.thought:
            if part.text or signature:
                yield ReasoningDelta(part.text or "", choice, signature)
            return
        if signature:
            yield ReasoningDelta("", choice, signature)
        if part.text:
            yield TextDelta(part.text, choice)


def _logprobs(result: _LogprobsResult) -> list[TokenLogprob]:
    tops = [top.candidates for top in result.top_candidates] or [[] for _ in result.chosen_candidates]
    return [
        TokenLogprob(token.token, token.log_probability, list(token.token.encode()), [_token(other) for other in top])
        for token, top in zip(result.chosen_candidates, tops, strict=False)
    ]


def _token(token: _Token) -> TokenLogprob:
    return TokenLogprob(token.token, token.log_probability, list(token.token.encode()))


# ------------------------------------------------------------------------------------- embeddings and counts


class _Statistics(Struct):
    token_count: float = 0


class _Embedding(Struct):
    values: list[float]
    statistics: _Statistics | None = None


class _Prediction(Struct):
    embeddings: _Embedding


class _Embeddings(Struct, rename="camel"):
    embeddings: list[_Embedding] = field(default_factory=list)
    predictions: list[_Prediction] = field(default_factory=list)
    usage_metadata: _UsageMetadata | None = None


class _Count(Struct, rename="camel"):
    total_tokens: int
    cached_content_token_count: int = 0


def read_embeddings(body: bytes, count: int) -> Iterator[Event]:
    """The events of an answer of `:batchEmbedContents`, or of `:predict` of an embedding model.

    Raises:
        UpstreamFailed: it is malformed, or has not `count` vectors of numbers.
    """
    try:
        answer = msgspec.json.decode(body, type=_Embeddings)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UpstreamFailed(f"the provider sent malformed embeddings: {error}") from None
    found = answer.embeddings or [prediction.embeddings for prediction in answer.predictions]
    vectors = [embedding.values for embedding in found]
    if len(vectors) != count or not all(vector and math.isfinite(sum(vector)) for vector in vectors):
        raise UpstreamFailed(f"the provider sent {len(vectors)} usable vectors for {count} inputs")
    yield Vectors(vectors)
    told = [embedding.statistics.token_count for embedding in found if embedding.statistics is not None]
    if answer.usage_metadata is not None:
        yield answer.usage_metadata.usage()
    elif told:
        yield Usage(input=int(sum(told)))


def read_count(body: bytes) -> Iterator[Event]:
    """The events of an answer of `:countTokens`.

    Raises:
        UpstreamFailed: it is none.
    """
    try:
        count = msgspec.json.decode(body, type=_Count)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UpstreamFailed(f"the provider sent a malformed count: {error}") from None
    yield Usage(input=count.total_tokens, cached=count.cached_content_token_count)
    yield Finished("stop")
