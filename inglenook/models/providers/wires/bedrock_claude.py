"""Anthropic's models on Bedrock in Anthropic's own words (`/invoke`), so that of a caller's body nothing is lost.

The body is that of Messages without model and stream, which the path has; version and betas are fields of it. A
streamed answer comes as messages of AWS's event stream, each with one event in base64; they go on as server-sent
events.
"""

import base64
import binascii
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import orjson

from inglenook.kit.errors import UpstreamFailed
from inglenook.kit.http.pool import Response
from inglenook.models.calls import RawHead
from inglenook.models.providers.base import Job
from inglenook.models.providers.endpoint import must_stream
from inglenook.models.providers.wires.anthropic import Messages
from inglenook.models.providers.wires.bedrock_answers import failure_of
from inglenook.models.providers.wires.event_stream import CONTENT_TYPE, EventStreamReader

#: The only version there is.
VERSION = "bedrock-2023-05-31"
#: What Bedrock adds to the last event, which is none of Anthropic's.
_ADDED = "amazon-bedrock-invocationMetrics"


class InvokeClaude(Messages):
    """Passes bodies of Messages through."""

    async def ask(self, name: str, job: Job, body: dict[str, Any], headers: dict[str, str]) -> Response:
        """See `Messages`."""
        body.pop("model", None)
        action = "invoke-with-response-stream" if body.pop("stream", False) else "invoke"
        body.setdefault("anthropic_version", VERSION)
        if betas := [beta for part in headers.get("anthropic-beta", "").split(",") if (beta := part.strip())]:
            body["anthropic_beta"] = [*body.get("anthropic_beta", ()), *betas]
        path = f"/model/{quote(job.model, safe='-._~')}/{action}"
        return await self._endpoint.post(path, body, key=job.key)

    def events(self, response: Response) -> tuple[RawHead, AsyncIterator[bytes]]:
        """See `Messages`."""
        must_stream(response, CONTENT_TYPE)
        return RawHead(200, "text/event-stream; charset=utf-8"), _unwrapped(response)


async def _unwrapped(response: Response) -> AsyncIterator[bytes]:
    frames = EventStreamReader()
    async for chunk in response:
        events: list[bytes] = []
        for frame in frames.feed(chunk):
            if frame.headers.get(":message-type", "event") != "event":
                if events:
                    yield b"".join(events)
                raise failure_of(frame)
            events.append(_event(frame.payload))
        if events:
            yield b"".join(events)


def _event(payload: bytes) -> bytes:
    """One event, as Anthropic sends it."""
    try:
        data = base64.b64decode(orjson.loads(payload)["bytes"], validate=True)
        event = orjson.loads(data)
        name = event["type"]
        if event.pop(_ADDED, None) is not None:
            data = orjson.dumps(event)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        shown = payload[:80].decode("utf-8", "replace")
        raise UpstreamFailed(f"the provider sent a malformed chunk: {error} in {shown!r}") from None
    return b"event: %b\ndata: %b\n\n" % (str(name).encode(), data)
