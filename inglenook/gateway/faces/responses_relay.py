"""Responses of a provider that speaks the protocol itself, relayed: the object names what is kept here, not there."""

from typing import Any

import orjson

from inglenook.gateway.faces.responses_answers import failure, written
from inglenook.kit.errors import InglenookError, UpstreamFailed

_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})


class Relay:
    """Changes the response object wherever it stands in an answer, and keeps its last state in `response`.

    Args:
        ours: The fields that are ours to say: `id`, `previous_response_id`, `store`.
    """

    conclusive = True

    def __init__(self, ours: dict[str, Any]) -> None:
        self._ours = ours
        self._rest = b""
        self._last = b""
        self._number = 0
        self.response: dict[str, Any] = {}

    def whole(self, data: bytes) -> bytes:
        """See `answering.Editor`."""
        try:
            response = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise UpstreamFailed(f"the provider's response is not JSON: {error}") from None
        if not isinstance(response, dict):
            raise UpstreamFailed("the provider's response is no object")
        self.response = response | self._ours
        return orjson.dumps(self.response)

    def feed(self, data: bytes) -> bytes:
        """See `answering.Editor`. The last event waits for `rest`."""
        *frames, self._rest = (self._rest + data).replace(b"\r\n", b"\n").split(b"\n\n")
        return b"".join([self._event(frame) for frame in frames if frame.strip()])

    def rest(self) -> bytes:
        """See `answering.Editor`."""
        return self._last + self._rest

    def broken(self, error: InglenookError) -> bytes:
        """See `answering.Writer`."""
        failed = self.response | self._ours | {"status": "failed", "error": failure(error)}
        return written({"type": "response.failed", "sequence_number": self._number, "response": failed})

    def _event(self, frame: bytes) -> bytes:
        data = b"\n".join([line[5:].lstrip() for line in frame.split(b"\n") if line.startswith(b"data:")])
        if not data.startswith(b"{"):
            return frame + b"\n\n"
        self._number += 1
        if b'"response"' not in data:
            return frame + b"\n\n"
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise UpstreamFailed(f"the provider sent a malformed event: {error}") from None
        if not isinstance(event.get("response"), dict) or not isinstance(event.get("type"), str):
            return frame + b"\n\n"
        self.response = event["response"] = event["response"] | self._ours
        if event["type"] in _ENDS:
            self._last = written(event)
            return b""
        return written(event)
