"""Our events, written as answers of Ollama's protocol."""

import time
from typing import Any

import orjson
from msgspec import Struct, field

from inglenook.gateway.faces.sealing import sealed
from inglenook.kit.errors import UpstreamFailed
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms, rfc3339
from inglenook.models.calls import (
    Event,
    Finished,
    Logprobs,
    ReasoningDelta,
    TextDelta,
    Timings,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)

#: What Ollama calls the reasons it has no word for.
_REASONS = {"tool_calls": "stop", "content_filter": "stop"}


class Clock(Struct):
    """When an answer began, its model was found, and its first token came, by the nanosecond clock; 0 before."""

    began: int = field(default_factory=time.perf_counter_ns)
    found: int = 0
    first: int = 0


class Answer:
    """Writes one answer of `/api/chat` or `/api/generate` (`chat` tells which)."""

    def __init__(
        self, model: str, *, chat: bool, clock: Clock, notices: list[dict[str, Any]], logprobs: bool = False
    ) -> None:
        self._model = model
        self._chat = chat
        self._clock = clock
        self._notices = notices
        self._hold = logprobs
        self._held: TextDelta | None = None
        self._usage = Usage()
        self._timings = Timings()
        self._calls: dict[int, list[str]] = {}

    def event(self, event: Event) -> list[dict[str, Any]]:
        """The objects to send for an event; the last one has `done`."""
        if not self._clock.first and isinstance(event, TextDelta | ReasoningDelta | ToolCallDelta):
            self._clock.first = time.perf_counter_ns()
        before = []
        if self._held is not None and type(event) is not Logprobs:
            before, self._held = [self._piece(text=self._held.text)], None
        match event:
            case TextDelta():
                if not self._hold:
                    return [self._piece(text=event.text)]
                self._held = event
            case Logprobs():
                held, self._held = self._held, None
                return [self._piece(text=held.text if held else "", logprobs=event.tokens)]
            case ReasoningDelta():
                before.append(self._piece(thinking=event.text))
            case ToolCallDelta():
                call = self._calls.setdefault(event.index, ["", "", ""])
                for at, text in enumerate((sealed(event.id, event.signature), event.name, event.arguments)):
                    call[at] += text
            case Usage():
                self._usage = event
            case Timings():
                self._timings = event
            case Finished():
                if self._calls:
                    before.append(self._piece(tool_calls=self._tool_calls()))
                before.append(self._last(event))
        return before

    def whole(self, pieces: list[dict[str, Any]]) -> dict[str, Any]:
        """The same pieces as one object."""
        last = pieces[-1]
        text, thinking, logprobs, calls = "", "", [], []
        for piece in pieces:
            inner = piece["message"] if self._chat else piece
            text += inner["content" if self._chat else "response"]
            thinking += inner.get("thinking", "")
            calls += inner.get("tool_calls", ())
            logprobs += piece.get("logprobs", ())
        whole = self._piece(text=text, thinking=thinking, tool_calls=calls) | {
            key: value for key, value in last.items() if key not in ("message", "response", "created_at")
        }
        return whole | ({"logprobs": logprobs} if logprobs else {})

    def _piece(
        self,
        *,
        text: str = "",
        thinking: str = "",
        tool_calls: list[dict[str, Any]] | None = None,
        logprobs: list[TokenLogprob] | None = None,
    ) -> dict[str, Any]:
        piece: dict[str, Any] = {"model": self._model, "created_at": rfc3339(now_ms())}
        inner = piece
        if self._chat:
            inner = piece["message"] = {"role": "assistant", "content": text}
        else:
            piece["response"] = text
        if thinking:
            inner["thinking"] = thinking
        if tool_calls:
            inner["tool_calls"] = tool_calls
        piece["done"] = False
        if logprobs:
            piece["logprobs"] = [_logprob(token) for token in logprobs]
        return piece

    def _last(self, finished: Finished) -> dict[str, Any]:
        last = self._piece()
        last["done"] = True
        last["done_reason"] = _REASONS.get(finished.reason, finished.reason)
        if finished.context is not None and not self._chat:
            last["context"] = finished.context
        last |= {key: value for key, value in self._metrics().items() if value}
        if self._notices:
            last["notices"] = self._notices
        return last

    def _metrics(self) -> dict[str, int]:
        now = time.perf_counter_ns()
        first = self._clock.first or now
        timings = self._timings
        return {
            "total_duration": now - self._clock.began,
            # Of a model that was loaded already, the time to find it: never nothing, as with Ollama.
            "load_duration": _ns(timings.load_ms) or max(0, self._clock.found - self._clock.began),
            "prompt_eval_count": self._usage.input,
            "prompt_eval_duration": _ns(timings.prompt_ms) or first - self._clock.began,
            "eval_count": self._usage.output,
            "eval_duration": _ns(timings.predicted_ms) or now - first,
        }

    def _tool_calls(self) -> list[dict[str, Any]]:
        calls = []
        for index, (call_id, name, arguments) in sorted(self._calls.items()):
            try:
                parsed = orjson.loads(arguments) if arguments.strip() else {}
            except orjson.JSONDecodeError:
                parsed = None
            if not isinstance(parsed, dict):
                raise UpstreamFailed(f"the model wrote arguments for the tool {name!r} that are not a JSON object")
            calls.append(
                {
                    "id": call_id or f"call_{new_id('x')[-8:]}",
                    "function": {"index": index, "name": name, "arguments": parsed},
                }
            )
        return calls


def _ns(ms: float) -> int:
    return int(ms * 1_000_000)


def _logprob(token: TokenLogprob) -> dict[str, Any]:
    def one(some: TokenLogprob) -> dict[str, Any]:
        return {"token": some.token, "logprob": some.logprob, "bytes": some.bytes}

    return one(token) | ({"top_logprobs": [one(other) for other in token.top]} if token.top else {})


def unit(vector: list[float]) -> list[float]:
    """The vector at length 1."""
    length = sum(value * value for value in vector) ** 0.5
    if not length or abs(length - 1) < 1e-6:
        return vector
    return [value / length for value in vector]
