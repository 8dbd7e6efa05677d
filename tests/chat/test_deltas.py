"""Joining small pieces, on a real event loop."""

import asyncio
from typing import Any

from inglenook.chat.deltas import PAUSE, Deltas


class Sink:
    """Notes what is sent and when, and lets one wait for the next piece."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.news = asyncio.Event()

    def __call__(self, payload: dict[str, Any]) -> None:
        self.sent.append(payload)
        self.news.set()


async def test_the_first_piece_goes_at_once_and_the_next_ones_together() -> None:
    sink = Sink()
    deltas = Deltas(sink)
    deltas.add("text", "a")
    assert sink.sent == [{"type": "text", "text": "a"}]
    for piece in "bcd":
        deltas.add("text", piece)
    assert len(sink.sent) == 1
    sink.news.clear()
    await asyncio.wait_for(sink.news.wait(), PAUSE * 50)
    assert sink.sent[1:] == [{"type": "text", "text": "bcd"}]


async def test_types_keep_their_order() -> None:
    sink = Sink()
    deltas = Deltas(sink)
    deltas.add("reasoning", "a")
    deltas.add("reasoning", "b")
    deltas.add("text", "c")
    deltas.add("text", "d")
    deltas.add("reasoning", "e")
    deltas.flush()
    assert [(d["type"], d["text"]) for d in sink.sent] == [
        ("reasoning", "a"),
        ("reasoning", "b"),
        ("text", "cd"),
        ("reasoning", "e"),
    ]


async def test_flushing_sends_what_waits_and_nothing_twice() -> None:
    sink = Sink()
    deltas = Deltas(sink)
    deltas.add("text", "")
    deltas.flush()
    assert sink.sent == []
    deltas.add("text", "a")
    deltas.add("text", "b")
    deltas.flush()
    deltas.flush()
    assert [d["text"] for d in sink.sent] == ["a", "b"]


async def test_nothing_is_lost_and_far_fewer_frames_are_sent() -> None:
    sink = Sink()
    deltas = Deltas(sink)
    for n in range(2000):
        deltas.add("text", f"{n},")
        if n % 10 == 0:
            await asyncio.sleep(0)
    deltas.flush()
    assert "".join(d["text"] for d in sink.sent) == "".join(f"{n}," for n in range(2000))
    assert len(sink.sent) < 200
