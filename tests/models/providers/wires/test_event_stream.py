"""AWS's event streams: frames cut anywhere, of every type of header, and broken ones."""

import zlib

import pytest

from inglenook.kit.errors import UpstreamFailed
from inglenook.models.providers.wires.event_stream import EventStreamReader, Frame
from tests.support.bought import frame

#: Messages that Amazon's own libraries are tested with.
EMPTY = bytes.fromhex("00000010 00000000 05c248eb 7d98c8ff")
WITHOUT_HEADERS = bytes.fromhex("0000001d 00000000 fd528c5a 7b27666f6f273a27626172277d c3653936")
STREAM = EMPTY + WITHOUT_HEADERS + frame("你好".encode(), event_type="e", message_type="event") + EMPTY


def read(data: bytes, size: int = 0) -> list[Frame]:
    reader = EventStreamReader()
    found: list[Frame] = []
    for start in range(0, len(data), size or len(data)):
        found += reader.feed(data[start : start + (size or len(data))])
    assert reader.is_whole
    return found


def with_headers(lines: bytes) -> bytes:
    head = (16 + len(lines)).to_bytes(4) + len(lines).to_bytes(4)
    message = head + zlib.crc32(head).to_bytes(4) + lines
    return message + zlib.crc32(message).to_bytes(4)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 16, 17, 40])
def test_messages_are_whole_wherever_the_stream_is_cut(size: int) -> None:
    assert read(STREAM, size) == [
        Frame({}, b""),
        Frame({}, b"{'foo':'bar'}"),
        Frame({":event-type": "e", ":message-type": "event"}, "你好".encode()),
        Frame({}, b""),
    ]


def test_headers_of_every_type() -> None:
    lines = b"".join(
        b"\x01" + bytes([97 + kind]) + bytes([kind]) + value
        for kind, value in enumerate(
            [b"", b"", b"\x01", b"12", b"1234", b"12345678", b"\x00\x03xyz", b"\x00\x02hi", b"12345678", b"1" * 16]
        )
    )
    assert read(with_headers(lines)) == [Frame({"h": "hi"}, b"")]


@pytest.mark.parametrize("at", range(len(WITHOUT_HEADERS)))
def test_no_broken_byte_is_overlooked(at: int) -> None:
    broken = bytearray(WITHOUT_HEADERS)
    broken[at] ^= 0x41
    with pytest.raises((UpstreamFailed, AssertionError)):  # or it waits for more than came
        read(bytes(broken))


@pytest.mark.parametrize(
    "lines",
    [b"\x05a", b"\x01a\x07\x00\x09short", b"\x01a\x63", b"\x01\xff\x00", b"\x01a\x07"],
)
def test_headers_that_cannot_be_read(lines: bytes) -> None:
    with pytest.raises(UpstreamFailed, match="malformed"):
        read(with_headers(lines))


def test_a_length_that_makes_no_sense() -> None:
    for size in (0, 15, 2**31):
        head = size.to_bytes(4) + bytes(4)
        with pytest.raises(UpstreamFailed, match=f"a message of {size} bytes"):
            read(head + zlib.crc32(head).to_bytes(4) + bytes(4))
