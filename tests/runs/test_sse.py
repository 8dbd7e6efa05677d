"""The bytes of server-sent events: framing, pings, and letting go."""

import asyncio
from collections.abc import AsyncGenerator

import orjson

from inglenook.runs.live import WatchFrame
from inglenook.runs.sse import event_stream, frame_bytes, stream


def frame(n: int) -> WatchFrame:
    return WatchFrame(event="delta", id=f"1.1.{n}", data={"deltas": [{"n": n, "text": "line\nline"}]})


def test_a_frame_is_three_lines_and_an_empty_one() -> None:
    id_, event, data, *rest = frame_bytes(frame(3)).split(b"\n")
    assert (id_, event, rest) == (b"id: 1.1.3", b"event: delta", [b"", b""])
    assert orjson.loads(data.removeprefix(b"data: ")) == {"deltas": [{"n": 3, "text": "line\nline"}]}


def test_proxies_are_told_not_to_buffer() -> None:
    headers = event_stream(quiet(asyncio.Event(), [])).headers
    assert headers["content-type"].startswith("text/event-stream")
    assert headers["cache-control"] == "no-cache"
    assert headers["x-accel-buffering"] == "no"


async def quiet(go: asyncio.Event, closed: list[bool]) -> AsyncGenerator[WatchFrame, None]:
    try:
        yield frame(1)
        await go.wait()
        yield frame(2)
    finally:
        closed.append(True)


async def test_silence_is_filled_with_pings_and_loses_no_frame() -> None:
    go, closed = asyncio.Event(), list[bool]()
    body = stream(quiet(go, closed), ping_every=0.01)
    assert await anext(body) == b"retry: 1000\n\n"
    assert await anext(body) == frame_bytes(frame(1))
    for _ in range(3):
        assert await anext(body) == b": ping\n\n"
    go.set()
    while (piece := await anext(body)) == b": ping\n\n":
        pass
    assert piece == frame_bytes(frame(2))
    assert await anext(body, None) is None
    assert closed


async def test_a_client_that_leaves_closes_the_watch_at_once() -> None:
    closed: list[bool] = []
    body = stream(quiet(asyncio.Event(), closed), ping_every=0.01)
    assert [await anext(body) for _ in range(3)][-1] == b": ping\n\n"
    await body.aclose()
    assert closed


async def test_a_reader_who_may_no_longer_read_is_shown_nothing_more() -> None:
    go, closed, allowed = asyncio.Event(), list[bool](), [True]
    body = stream(quiet(go, closed), allowed=lambda: allowed[0], ping_every=3600)
    assert len([await anext(body) for _ in range(2)]) == 2
    allowed[0] = False
    go.set()
    assert await anext(body, None) is None
    assert closed
