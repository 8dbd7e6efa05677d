"""Finding the `usage` object in answers of OpenAI's protocols that are relayed as bytes.

Answers are not parsed on their way. Only a line that holds `"usage"` with its quotes unescaped, which text written by
a model cannot, is looked at, and of it only that field.
"""

import json
import math
import re
from typing import Any

import msgspec
from msgspec import Struct

from inglenook.models.calls import Usage
from inglenook.models.prices import NANO

#: A line longer than this is not kept in order to find its usage.
LONGEST_LINE = 1024 * 1024
#: Bodies longer than this are searched from their end rather than read through.
_SMALL = 64 * 1024

#: xAI's unit of money, of which ten make a billionth of a dollar.
_TICKS = 10

_USAGE = re.compile(rb'"usage"\s*:\s*\{')


class _Details(Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None  # OpenRouter
    cache_creation_input_tokens: int | None = None  # Qwen
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


_NONE = _Details()


class _Usage(Struct):
    """Every vendor's words for it; most say it in OpenAI's."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    # `/responses`, images and transcriptions
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _Details | None = None
    input_token_details: _Details | None = None
    output_tokens_details: _Details | None = None
    seconds: float | None = None
    # DeepSeek, Moonshot; what OpenRouter and xAI ask for the call
    prompt_cache_hit_tokens: int | None = None
    cached_tokens: int | None = None
    cost: float | None = None
    cost_in_usd_ticks: int | None = None

    def usage(self) -> Usage:
        of_input = self.prompt_tokens_details or self.input_tokens_details or self.input_token_details or _NONE
        of_output = self.completion_tokens_details or self.output_tokens_details or _NONE
        given = self.prompt_tokens or self.input_tokens or 0
        made = self.completion_tokens or self.output_tokens or 0
        reasoning = of_output.reasoning_tokens or 0
        if reasoning and self.total_tokens == given + made + reasoning:
            made += reasoning  # some count what was thought beside what was said
        return Usage(
            input=given,
            output=made,
            cached=of_input.cached_tokens or self.prompt_cache_hit_tokens or self.cached_tokens or 0,
            cache_write=of_input.cache_write_tokens or of_input.cache_creation_input_tokens or 0,
            reasoning=reasoning,
            audio_input=of_input.audio_tokens or 0,
            audio_output=of_output.audio_tokens or 0,
            seconds=self.seconds or 0,
            cost=self._cost(),
        )

    def _cost(self) -> int | None:
        if self.cost_in_usd_ticks is not None:
            return -(-self.cost_in_usd_ticks // _TICKS)
        return None if self.cost is None else math.ceil(self.cost * NANO)


class _Answer(Struct):
    usage: _Usage | None = None


class _Inner(Struct):
    """Where else usage may be: in `response` (`/responses`), in `x_groq`, in the last choice (Moonshot)."""

    response: _Answer | None = None
    x_groq: _Answer | None = None
    choices: list[_Answer] | None = None


class _Envelope(_Answer):
    choices: list[msgspec.Raw] | None = None


_answer = msgspec.json.Decoder(_Answer)
_envelope = msgspec.json.Decoder(_Envelope)
_inner = msgspec.json.Decoder(_Inner)


def usage_of(value: dict[str, Any] | None) -> Usage | None:
    """Usage from a parsed `usage` object; None where there is none or it makes no sense."""
    if not value:
        return None
    try:
        return msgspec.convert(value, _Usage).usage()
    except msgspec.ValidationError:
        return None


def usage_in_body(body: bytes) -> Usage | None:
    """Usage of a whole answer."""
    if len(body) <= _SMALL:
        try:
            usage = _answer.decode(body).usage
        except msgspec.DecodeError:
            return None
        return usage.usage() if usage is not None else None
    return usage_near_end(body)


def usage_near_end(data: bytes) -> Usage | None:
    """The last usage in the last bytes of an answer that is too long to be read through."""
    found = [*_USAGE.finditer(data, max(0, len(data) - _SMALL))]
    if not found:
        return None
    try:
        value, _ = json.JSONDecoder().raw_decode(data[found[-1].end() - 1 :].decode())
    except ValueError:
        return None
    return usage_of(value)


def _decode(data: bytes) -> tuple[Usage | None, bool]:
    """Usage in a JSON object, and whether the object holds nothing else that a caller reads."""
    try:
        envelope = _envelope.decode(data)
    except msgspec.DecodeError:
        return None, False
    if envelope.usage is None:
        return _deeper(data), False
    return envelope.usage.usage(), envelope.choices is not None and not envelope.choices


def _deeper(data: bytes) -> Usage | None:
    try:
        inner = _inner.decode(data)
    except msgspec.DecodeError:
        return None
    places: list[_Answer | None] = [inner.response, inner.x_groq, *(inner.choices or ())]
    found = [place.usage for place in places if place is not None and place.usage is not None]
    return found[0].usage() if found else None


class UsageScanner:
    """Reads usage out of a stream of server-sent events, cut anywhere."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._line = bytearray()
        self._skipping = False

    def feed(self, chunk: bytes) -> None:
        """Look at the next bytes."""
        if not self._line and not self._skipping and chunk.endswith(b"\n"):
            whole = chunk
        else:
            head, newline, rest = chunk.rpartition(b"\n")
            if not newline:
                self._keep(rest)
                return
            if self._skipping:
                _, _, head = head.partition(b"\n")
                self._skipping = False
            whole = bytes(self._line) + head
            self._line.clear()
            self._keep(rest)
        if _USAGE.search(whole):
            for line in whole.splitlines():
                if line.startswith(b"data:") and b'"usage"' in line:
                    self.usage = _decode(line[5:])[0] or self.usage

    def _keep(self, rest: bytes) -> None:
        self._line += rest
        if len(self._line) > LONGEST_LINE:
            self._line.clear()
            self._skipping = True


class UsageStripper:
    """Takes the usage event that we asked for out of a stream whose caller did not.

    An event is passed on once it is whole. The event is known by its empty `choices`; usage that comes with the
    last piece of an answer stays where it is.
    """

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._part = bytearray()

    def feed(self, chunk: bytes) -> bytes:
        """What may be passed on now."""
        if self._part or not chunk.endswith((b"\n\n", b"\r\n\r\n")):
            # Only the new bytes, and those that a boundary may straddle, are searched for the end of an event.
            start = max(0, len(self._part) - 3)
            self._part += chunk
            end = _end_of_events(self._part, start)
            if end == 0:
                return b""
            whole = bytes(self._part[:end])
            del self._part[:end]
        else:
            whole = chunk
        kept: list[bytes] = []
        done = 0
        # Only events that may be the one are looked at: most of a stream passes as it is.
        while found := _USAGE.search(whole, done):
            start = _end_of_events(whole, done, found.start()) or done
            end = _end_of_event(whole, found.end())
            kept.append(whole[done : start if self._is_usage(whole[start:end]) else end])
            done = end
        return b"".join([*kept, whole[done:]]) if done else whole

    def rest(self) -> bytes:
        """What came after the last whole event."""
        return bytes(self._part)

    def _is_usage(self, event: bytes) -> bool:
        for line in event.splitlines():
            if line.startswith(b"data:") and b'"usage"' in line:
                usage, alone = _decode(line[5:])
                self.usage = usage or self.usage
                return alone
        return False


def _end_of_events(data: bytes | bytearray, start: int, end: int | None = None) -> int:
    """Where the last event that ends within `data[start:end]` ends; 0 if none does."""
    unix = data.rfind(b"\n\n", start, end)
    dos = data.rfind(b"\r\n\r\n", start, end)
    return max(unix + 2 if unix >= 0 else 0, dos + 4 if dos >= 0 else 0)


def _end_of_event(data: bytes, start: int) -> int:
    """Where the event that `start` lies in ends."""
    ends = [at + len(mark) for mark in (b"\n\n", b"\r\n\r\n") if (at := data.find(mark, start)) >= 0]
    return min(ends, default=len(data))
