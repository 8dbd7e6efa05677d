"""What every face writes in the same way: the headers of an answer, relayed bytes, streams that break."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import quote

import orjson

from inglenook.gateway.call import Call
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.routing import reasons
from inglenook.gateway.wire.routes import Headers, WireResponse
from inglenook.kit.errors import InglenookError
from inglenook.models.calls import Event, Notice, Raw, RawHead, Routed

JSON = "application/json"
SSE = "text/event-stream; charset=utf-8"

HeaderList = list[tuple[bytes, bytes]]


class Writer(Protocol):
    """Writes one streamed answer in its protocol's events.

    Attributes:
        conclusive: What `broken` says is an end of its own in this protocol, which nobody can take for the other one;
            the connection then stays whole.
    """

    conclusive: bool

    def event(self, event: Event) -> bytes:
        """What to send for an event; may be nothing."""
        ...

    def end(self) -> bytes:
        """The stream's end."""
        ...

    def broken(self, error: InglenookError) -> bytes:
        """How the protocol says that the answer broke."""
        ...


class Editor(Protocol):
    """Changes a relayed answer on its way, and looks at it. `conclusive` and `broken` are as a `Writer`'s."""

    conclusive: bool

    def whole(self, data: bytes) -> bytes:
        """A whole body."""
        ...

    def feed(self, data: bytes) -> bytes:
        """The next bytes of a stream; what may go of them."""
        ...

    def rest(self) -> bytes:
        """What was held back of a stream that ended."""
        ...

    def broken(self, error: InglenookError) -> bytes:
        """How the protocol says that the answer broke."""
        ...


async def prelude(events: AsyncIterator[Event]) -> tuple[Routed, list[Notice], Event]:
    """What precedes the answer, and the answer's first event. The gateway never ends a call without one."""
    routed = await anext(events)
    assert isinstance(routed, Routed)
    notices: list[Notice] = []
    while type(event := await anext(events)) is Notice:
        notices.append(event)
    return routed, notices, event


def parted(events: list[Event]) -> tuple[Routed, list[Notice], list[Event]]:
    """The same of a whole answer: what precedes it, and the answer's events, of which there is at least one."""
    routed = events[0]
    assert isinstance(routed, Routed)
    at = 1
    while type(events[at]) is Notice:
        at += 1
    return routed, [event for event in events[1:at] if type(event) is Notice], events[at:]


async def give(
    gateway: Gateway,
    call: Call,
    response: WireResponse,
    *,
    whole: Callable[[Routed, list[Notice], list[Event]], bytes],
    stream: Callable[[Routed, list[Notice]], Writer],
    broken: Callable[[InglenookError], bytes],
    more: Headers = (),
    told: Sequence[Notice] = (),
    editor: Editor | None = None,
    settle: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Answer a call, at once or as it is made, relayed or in the words of a protocol.

    Args:
        whole: The body of a whole answer.
        stream: Writes a streamed one.
        broken: How a relayed stream says that it broke.
        more: Headers of the protocol's own.
        told: What the face has to tell of an answer that is not relayed.
        editor: Changes what is relayed.
        settle: What is to be done before the caller can know that the answer is whole.
    """
    if not call.stream:
        routed, notices, rest = parted(await gateway.whole(call))
        first = rest[0]
        if type(first) is RawHead:
            data = relayed(rest, notices)
            body = data if editor is None else editor.whole(data)
        else:
            notices += told
            body = whole(routed, notices, rest)
        if settle is not None:
            await settle()
        headers = headers_of(call, routed, notices, more)
        if type(first) is RawHead:
            response.send(first.status, body, first.content_type, headers)
        else:
            response.send(200, body, JSON, headers)
        return
    events = gateway.call(call)
    try:
        routed, notices, first = await prelude(events)
        if type(first) is RawHead:
            headers = headers_of(call, routed, notices, more)
            await relay_stream(events, first, notices, headers, response, broken, editor, settle)
        else:
            notices += told
            headers = headers_of(call, routed, notices, more)
            await write_stream(events, first, stream(routed, notices), headers, response, settle)
    except BaseException:
        await events.aclose()  # settles the call
        raise


def never(*_: object) -> Writer:
    """The `stream` of an answer that only a provider's own bytes can be a stream of."""
    raise AssertionError("what cannot be translated was to be refused before it was asked")


# ------------------------------------------------------------------------------------------------- headers


def headers_of(call: Call, routed: Routed, notices: list[Notice], more: Headers = ()) -> HeaderList:
    """The headers every answer to a call has, and `more`."""
    found = [
        *more,
        (b"x-request-id", call.id.encode()),
        (b"x-inglenook-model", in_header(routed.model)),
        *reasons.headers(routed.reasons),
    ]
    if notices:
        found.append((b"x-inglenook-notice", b", ".join({notice.kind.encode(): None for notice in notices})))
    return found


@lru_cache(maxsize=1024)
def in_header(name: str) -> bytes:
    """A model's name as a header can hold it."""
    return quote(name, safe="/:@ ").encode()


# ------------------------------------------------------------------------------------------------- notices


def notices_object(notices: list[Notice]) -> dict[str, Any]:
    """What stands under `inglenook` in an answer that has something to tell."""
    return {"notices": [{"kind": n.kind, "message": n.message, "details": n.details} for n in notices]}


def with_notices(body: dict[str, Any], notices: list[Notice]) -> dict[str, Any]:
    """The body of an answer with what there is to tell of it."""
    return body | {"inglenook": notices_object(notices)} if notices else body


def raw(events: list[Event]) -> bytes:
    """The body of a relayed answer."""
    parts = [event.data for event in events if type(event) is Raw]
    return parts[0] if len(parts) == 1 else b"".join(parts)


def relayed(events: list[Event], notices: list[Notice]) -> bytes:
    """The body of a relayed answer in JSON, with the notices in it."""
    data = raw(events)
    if notices:
        data = orjson.dumps(orjson.loads(data) | {"inglenook": notices_object(notices)})
    return data


def _told(data: bytes, notices: list[Notice]) -> tuple[bytes | None, bytes]:
    """Put the notices into the first event of a relayed stream; gives what still waits for it, and what may go."""
    before, found, after = data.partition(b"data: {")
    if not found:
        return data, b""
    return None, b'%bdata: {"inglenook":%b,%b' % (before, orjson.dumps(notices_object(notices)), after)


# ------------------------------------------------------------------------------------------------- streams


async def write_stream(
    events: AsyncIterator[Event],
    first: Event,
    writer: Writer,
    headers: HeaderList,
    response: WireResponse,
    settle: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Write an answer as it is made. One that breaks says so in its protocol's words and, unless those are conclusive,
    breaks the connection, so that nobody takes the part for the whole."""
    response.start(200, SSE, headers)
    try:
        if data := writer.event(first):
            await response.write(data)
        async for event in events:
            if data := writer.event(event):
                await response.write(data)
        if settle is not None:
            await settle()
    except Exception as error:
        await response.write(writer.broken(shown(error)))
        if not writer.conclusive or not isinstance(error, InglenookError):
            raise
        response.end()
        return
    await response.write(writer.end())
    response.end()


async def relay_stream(
    events: AsyncIterator[Event],
    head: RawHead,
    notices: list[Notice],
    headers: HeaderList,
    response: WireResponse,
    broken: Callable[[InglenookError], bytes] | None,
    editor: Editor | None = None,
    settle: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Relay an answer's bytes, with the notices in its first event; breaks as `write_stream` does, without a word where
    the bytes are no text (`broken` None)."""
    response.start(head.status, head.content_type, headers)
    waiting = b"" if notices else None
    try:
        async for event in events:
            if type(event) is not Raw:
                continue
            data = event.data
            if waiting is not None:
                waiting, data = _told(waiting + data, notices)
            if editor is not None:
                data = editor.feed(data)
            if data:
                await response.write(data)
        if settle is not None:
            await settle()
    except Exception as error:
        if broken is not None:
            await response.write(b"\n\n" + broken(shown(error)))
        if editor is None or not editor.conclusive or not isinstance(error, InglenookError):
            raise
        response.end()
        return
    if editor is not None:
        await response.write(editor.rest())
    response.end()


def shown(error: Exception) -> InglenookError:
    """What a caller is told of an error: a bug of ours stays in the log."""
    return error if isinstance(error, InglenookError) else InglenookError()
