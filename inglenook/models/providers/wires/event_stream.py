"""AWS's event streams: messages of headers and a payload in binary frames, each with two checksums.

total length (4 bytes) | length of headers (4) | CRC-32 of these (4) | headers | payload | CRC-32 of all before (4)
"""

import zlib
from collections.abc import Iterator

from msgspec import Struct

from inglenook.kit.errors import UpstreamFailed

CONTENT_TYPE = b"vnd.amazon.eventstream"
#: Bytes one message may have.
LONGEST_MESSAGE = 24 * 1024 * 1024
_AROUND = 16  # bytes of a message without headers and payload
_STRING = 7
#: Bytes of values of a fixed length, by the number of their type.
_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}


class Frame(Struct):
    """One message; of its headers, those that are texts."""

    headers: dict[str, str]
    payload: bytes


class EventStreamReader:
    """Gives each message of a stream of bytes cut anywhere, once it is whole."""

    def __init__(self) -> None:
        self._part = bytearray()

    @property
    def is_whole(self) -> bool:
        """Whether nothing of a message is left over."""
        return not self._part

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """The messages that `chunk` completes.

        Raises:
            UpstreamFailed: a checksum is wrong, or the frame makes no sense.
        """
        self._part += chunk
        start = 0
        while len(self._part) - start >= _AROUND:
            size = int.from_bytes(self._part[start : start + 4])
            if size < _AROUND or size > LONGEST_MESSAGE:
                raise _malformed(f"a message of {size} bytes")
            if zlib.crc32(self._part[start : start + 8]) != int.from_bytes(self._part[start + 8 : start + 12]):
                raise _malformed("the checksum of a message's beginning is wrong")
            if len(self._part) - start < size:
                break
            yield _frame(bytes(self._part[start : start + size]))
            start += size
        del self._part[:start]


def _frame(data: bytes) -> Frame:
    if zlib.crc32(data[:-4]) != int.from_bytes(data[-4:]):
        raise _malformed("the checksum of a message is wrong")
    end = 12 + int.from_bytes(data[4:8])
    if end > len(data) - 4:
        raise _malformed("a message's headers are longer than itself")
    return Frame(_headers(data[12:end]), data[end:-4])


def _headers(data: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(data):
        try:
            end = at + 1 + data[at]
            name, kind = data[at + 1 : end].decode(), data[end]
            at = end + 1
            if kind in _FIXED:
                at += _FIXED[kind]
                continue
            size = int.from_bytes(data[at : at + 2])
            value = data[at + 2 : at + 2 + size]
            at += 2 + size
            if kind == _STRING:
                found[name] = value.decode()
        except (IndexError, UnicodeDecodeError):
            raise _malformed("a message's headers cannot be read") from None
    if at != len(data):
        raise _malformed("a message's headers cannot be read")
    return found


def _malformed(what: str) -> UpstreamFailed:
    return UpstreamFailed(f"the provider sent a malformed chunk: {what}")
