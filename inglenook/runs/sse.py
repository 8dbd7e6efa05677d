"""Server-sent events: frames as `text/event-stream`, with pings so that proxies keep the connection."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress

from starlette.responses import StreamingResponse

from inglenook.runs.journal import encode
from inglenook.runs.live import WatchFrame

#: Seconds of silence before a ping.
PING_EVERY = 15.0
#: Milliseconds a client waits before it connects again.
RETRY = 1000
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def frame_bytes(frame: WatchFrame) -> bytes:
    """One frame on the wire."""
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (frame.id.encode(), frame.event.encode(), encode(frame.data))


def event_stream(
    frames: AsyncIterator[WatchFrame], *, allowed: Callable[[], bool] | None = None, ping_every: float = PING_EVERY
) -> StreamingResponse:
    """The response that sends `frames` until they end or the client goes away.

    Args:
        allowed: Asked before each frame and ping; the stream ends when it says no.
    """
    body = stream(frames, allowed=allowed, ping_every=ping_every)
    return StreamingResponse(body, media_type="text/event-stream", headers=HEADERS)


async def stream(
    frames: AsyncIterator[WatchFrame], *, allowed: Callable[[], bool] | None = None, ping_every: float = PING_EVERY
) -> AsyncGenerator[bytes, None]:
    """The body of `event_stream`."""
    coming: asyncio.Task[WatchFrame | None] | None = None
    try:
        yield b"retry: %d\n\n" % RETRY
        while True:
            coming = coming or asyncio.ensure_future(_next(frames))
            # Waiting with a time limit on the generator itself would cancel it.
            await asyncio.wait({coming}, timeout=ping_every)
            if allowed is not None and not allowed():
                return
            if not coming.done():
                yield b": ping\n\n"
                continue
            frame, coming = coming.result(), None
            if frame is None:
                return
            yield frame_bytes(frame)
    finally:
        if coming is not None:
            coming.cancel()
            with suppress(asyncio.CancelledError):
                await coming
        if isinstance(frames, AsyncGenerator):
            await frames.aclose()


async def _next(frames: AsyncIterator[WatchFrame]) -> WatchFrame | None:
    return await anext(frames, None)
