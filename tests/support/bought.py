"""Asking a bought provider in a test, through its real code and a real socket."""

import asyncio
import json
import zlib
from contextlib import aclosing
from typing import Any

from inglenook.kit.http.pool import HttpPool
from inglenook.kit.settings_schema import check_settings
from inglenook.models.calls import ChatRequest, Event, Message, Operation, Passthrough, Request
from inglenook.models.providers import registry
from inglenook.models.providers.base import Job, Provider, ProviderParts
from tests.support.upstream import Asked, Upstream

HI = ChatRequest(messages=[Message("user", "hi")])
KEY = "sk-very-secret"


def provider(kind: str, http: HttpPool, **settings: Any) -> Provider:
    """A provider as the catalogue would make it."""
    found = registry.get(kind)
    check_settings(found.settings_schema, settings)
    return found.make(settings, ProviderParts(http=http))


def job(request: Request, model: str = "up-model", operation: Operation = Operation.CHAT, key: int = 0) -> Job:
    """A request to be translated."""
    return Job(model=model, stream=True, decode=lambda: request, operation=operation, key=key)


def passing(
    wire: str, body: dict[str, Any], model: str = "up-model", headers: dict[str, str] | None = None, key: int = 0
) -> Job:
    """A body to be passed through."""

    def decode() -> Request:
        raise AssertionError("a body that passes through is not decoded")

    stream = bool(body.get("stream"))
    passed = Passthrough(wire, body, stream, headers=headers)
    return Job(model=model, stream=stream, decode=decode, passthrough=passed, key=key)


async def collect(asked: Provider, work: Job) -> list[Event]:
    """All events of an answer."""
    async with aclosing(asked.stream(work)) as events:  # type: ignore[type-var]
        return [event async for event in events]


async def read_into(seen: list[Event], asked: Provider, work: Job) -> None:
    """All events of an answer, kept although it breaks."""
    async with aclosing(asked.stream(work)) as events:  # type: ignore[type-var]
        async for event in events:
            seen.append(event)


def named_events(*events: dict[str, Any]) -> bytes:
    """Server-sent events with their `type` as name, as Anthropic writes them."""
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event, ensure_ascii=False).encode())
        for event in events
    )


def plain_events(*events: dict[str, Any]) -> bytes:
    """Server-sent events without names."""
    return b"".join(b"data: %b\n\n" % json.dumps(event, ensure_ascii=False).encode() for event in events)


def frame(payload: bytes, **headers: str) -> bytes:
    """One message of AWS's event streams; underscores of the headers' names are hyphens, and a colon goes before."""
    lines = b""
    for name, value in headers.items():
        shown = f":{name.replace('_', '-')}".encode()
        lines += bytes([len(shown)]) + shown + b"\x07" + len(value.encode()).to_bytes(2) + value.encode()
    head = (16 + len(lines) + len(payload)).to_bytes(4) + len(lines).to_bytes(4)
    message = head + zlib.crc32(head).to_bytes(4) + lines + payload
    return message + zlib.crc32(message).to_bytes(4)


def converse_events(*events: tuple[str, dict[str, Any]]) -> bytes:
    """Events of Converse's stream, by name."""
    return b"".join(
        frame(
            json.dumps({**payload, "p": "abcdef"}, ensure_ascii=False).encode(),
            event_type=name,
            content_type="application/json",
            message_type="event",
        )
        for name, payload in events
    )


async def pour(asked: Asked, data: bytes, size: int = 0, content_type: str = "text/event-stream") -> None:
    """Answer with a stream of bytes, cut every `size` of them if that is given."""
    await asked.begin(content_type)
    for start in range(0, len(data), size or len(data) or 1):
        await asked.piece(data[start : start + (size or len(data))])
    await asked.end()


def answers(upstream: Upstream, data: bytes, size: int = 0, content_type: str = "text/event-stream") -> None:
    """Let the server answer everything with a stream."""

    async def answer(asked: Asked) -> None:
        await pour(asked, data, size, content_type)

    upstream.answer = answer


def refuses(upstream: Upstream, status: int, body: Any, **headers: str) -> None:
    """Let the server answer everything with one body."""

    async def answer(asked: Asked) -> None:
        await asked.whole(body, status, **headers)

    upstream.answer = answer


def stalls(upstream: Upstream, data: bytes, content_type: str = "text/event-stream") -> asyncio.Event:
    """Let the server say something and then nothing; the event is set once a request is there."""
    there = asyncio.Event()

    async def answer(asked: Asked) -> None:
        there.set()
        if data:
            await asked.begin(content_type)
            await asked.piece(data)
        await asyncio.Event().wait()

    upstream.answer = answer
    return there
