"""Usage is found wherever a stream is cut."""

import json

import pytest

from inglenook.models.calls import Usage
from inglenook.models.providers.wires.openai_usage import (
    LONGEST_LINE,
    UsageScanner,
    UsageStripper,
    usage_in_body,
)

USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 5, "audio_tokens": None},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
FOUND = Usage(input=11, output=7, cached=5, reasoning=2)
#: Text that looks like usage, as a model might write it.
TRAP = 'she said "usage": {"prompt_tokens": 999}'


def events(newline: bytes = b"\n") -> list[bytes]:
    bodies = [
        {"choices": [{"delta": {"content": TRAP}}], "usage": None},
        {"choices": [{"delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": USAGE},
    ]
    found = [b": a comment" + newline * 2]
    found += [b"data: " + json.dumps(body).encode() + newline * 2 for body in bodies]
    return [*found, b"data: [DONE]" + newline * 2]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 17, 64, 1000, 100_000])
def test_a_scanner_finds_it_over_any_cut(newline: bytes, size: int) -> None:
    data = b"".join(events(newline))
    scanner = UsageScanner()
    for start in range(0, len(data), size):
        scanner.feed(data[start : start + size])
    assert scanner.usage == FOUND


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 17, 64, 1000, 100_000])
def test_a_stripper_takes_that_event_and_no_other_byte(newline: bytes, size: int) -> None:
    data = b"".join(events(newline))
    stripper = UsageStripper()
    passed = b"".join(stripper.feed(data[start : start + size]) for start in range(0, len(data), size))
    assert stripper.usage == FOUND
    assert stripper.rest() == b""
    kept = events(newline)
    del kept[3]
    assert passed == b"".join(kept)


def test_usage_with_the_last_piece_stays_where_it_is() -> None:
    event = b"data: " + json.dumps({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": USAGE}).encode()
    stripper = UsageStripper()
    assert stripper.feed(event + b"\n\n") == event + b"\n\n"
    assert stripper.usage == FOUND


def test_a_line_without_end_is_let_go_and_what_follows_is_found() -> None:
    scanner = UsageScanner()
    scanner.feed(b"data: ")
    for _ in range(3):
        scanner.feed(b"x" * LONGEST_LINE)
    scanner.feed(b'x "usage": {"prompt_tokens": 1}\n\ndata: {"usage": {"prompt_tokens": 2}}\n\n')
    assert scanner.usage == Usage(input=2)


@pytest.mark.parametrize("padding", [0, 200_000])
def test_a_body(padding: int) -> None:
    body = {"data": ["x" * padding], "note": TRAP, "usage": USAGE, "after": {"deep": [1]}}
    assert usage_in_body(json.dumps(body).encode()) == FOUND
    assert usage_in_body(json.dumps({**body, "usage": None}).encode()) is None
    assert usage_in_body(b"x" * padding) is None


@pytest.mark.parametrize(
    "wrong", [b'{"usage": 5}', b'{"usage": {"prompt_tokens": "many"}}', b'{"usage": {', b"[]", b"\xff"]
)
def test_nonsense_is_no_usage(wrong: bytes) -> None:
    assert usage_in_body(wrong) is None
    scanner, stripper = UsageScanner(), UsageStripper()
    scanner.feed(b"data: " + wrong + b"\n\n")
    assert scanner.usage is None
    assert stripper.feed(b"data: " + wrong + b"\n\n") == b"data: " + wrong + b"\n\n"
