"""Anthropic's answers relayed as bytes: what was used, whether they are whole, and errors in the middle.

Of a stream only the events that tell of these are parsed. They are known by their `event:` lines, which text written by
a model cannot make: inside data, line ends are escaped.
"""

import re

import msgspec
import orjson
from msgspec import Struct

from inglenook.kit.errors import InglenookError, UpstreamFailed
from inglenook.models.calls import Usage
from inglenook.models.providers.refusals import error_of, read_refusal
from inglenook.models.providers.wires.sse import WholeEvents

_EVENT = re.compile(rb"^event: ?(message_start|message_delta|message_stop|error)\r?$", re.MULTILINE)
_DATA = re.compile(rb"^data: ?(.*)$", re.MULTILINE)


class _CacheCreation(Struct):
    ephemeral_5m_input_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0


class _OutputDetails(Struct):
    thinking_tokens: int = 0


class WireUsage(Struct):
    """A `usage` object. Those of a stream add up field by field: each is a total so far."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: _CacheCreation | None = None
    output_tokens_details: _OutputDetails | None = None

    def add(self, later: "WireUsage | None") -> None:
        """Take over what a later one tells."""
        for name in self.__struct_fields__ if later is not None else ():
            if (value := getattr(later, name)) is not None:
                setattr(self, name, value)

    def usage(self) -> Usage:
        """The same as ours: there, what was read from and written to the cache is not part of the input."""
        read, written = self.cache_read_input_tokens or 0, self.cache_creation_input_tokens or 0
        hour = self.cache_creation.ephemeral_1h_input_tokens if self.cache_creation is not None else 0
        return Usage(
            input=(self.input_tokens or 0) + read + written,
            output=self.output_tokens or 0,
            cached=read,
            cache_write=max(0, written - hour),
            cache_write_1h=hour,
            reasoning=self.output_tokens_details.thinking_tokens if self.output_tokens_details is not None else 0,
        )


class _Body(Struct):
    usage: WireUsage | None = None
    input_tokens: int | None = None


class _Start(Struct):
    message: _Body


_body = msgspec.json.Decoder(_Body)
_start = msgspec.json.Decoder(_Start)


def usage_in_body(body: bytes) -> Usage | None:
    """Usage of a whole message, or the count of a prompt; None where there is none or it makes no sense."""
    try:
        found = _body.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if found.usage is not None:
        return found.usage.usage()
    return None if found.input_tokens is None else Usage(input=found.input_tokens)


class MessageRelay:
    """Passes a stream on, event by whole event.

    Attributes:
        done: Whether its end was seen.
    """

    def __init__(self) -> None:
        self.done = False
        self._usage = WireUsage()
        self._events = WholeEvents()

    @property
    def usage(self) -> Usage | None:
        """What was used, if it was told."""
        return None if self._usage.input_tokens is None and self._usage.output_tokens is None else self._usage.usage()

    def feed(self, chunk: bytes) -> tuple[bytes, InglenookError | None]:
        """What may be passed on now, and the error the provider broke off with, which is not in it.

        Raises:
            UpstreamFailed: an event is longer than any that makes sense.
        """
        whole = self._events.feed(chunk)
        for found in _EVENT.finditer(whole):
            data = _DATA.search(whole, found.end())
            if found[1] == b"message_stop":
                self.done = True
            elif data is not None:
                if found[1] == b"error":
                    return whole[: found.start()], _error(data[1])
                self._note(found[1], data[1])
        return whole, None

    def rest(self) -> bytes:
        """What came after the last whole event."""
        return self._events.rest()

    def _note(self, kind: bytes, data: bytes) -> None:
        try:
            if kind == b"message_start":
                self._usage.add(_start.decode(data).message.usage)
            else:
                self._usage.add(_body.decode(data).usage)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass  # relayed as it is; what was used is then estimated


def _error(data: bytes) -> InglenookError:
    try:
        return error_of(0, read_refusal(orjson.loads(data)))
    except orjson.JSONDecodeError:
        return UpstreamFailed("the provider broke off")
