"""Server-sent events in a stream of bytes cut anywhere: reading them, and passing them on."""

import re
from collections.abc import Iterator

from inglenook.kit.errors import UpstreamFailed

#: Bytes one event may have.
LONGEST_EVENT = 16 * 1024 * 1024
_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")


class SseReader:
    """Gives the data of each event, once it is whole. Comments and other fields are passed over."""

    def __init__(self) -> None:
        self._part = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The data of the events that `chunk` completes.

        Raises:
            UpstreamFailed: an event is longer than any that makes sense.
        """
        seen = max(0, len(self._part) - 3)
        self._part += chunk
        start = 0
        for end in _END.finditer(self._part, seen):
            data = _data(bytes(self._part[start : end.start()]))
            start = end.end()
            if data:
                yield data
        del self._part[:start]
        if len(self._part) > LONGEST_EVENT:
            raise UpstreamFailed(f"the provider sent an event of more than {LONGEST_EVENT} bytes")


class WholeEvents:
    """Passes a stream's bytes on unchanged, event by whole event."""

    def __init__(self) -> None:
        self._part = bytearray()

    def feed(self, chunk: bytes) -> bytes:
        """What may be passed on now.

        Raises:
            UpstreamFailed: an event is longer than any that makes sense.
        """
        if not self._part and chunk.endswith((b"\n\n", b"\r\n\r\n")):
            return chunk
        seen = max(0, len(self._part) - 3)
        self._part += chunk
        end = max(self._part.rfind(b"\n\n", seen) + 2, self._part.rfind(b"\r\n\r\n", seen) + 4)
        if end < 4:  # neither was found
            if len(self._part) > LONGEST_EVENT:
                raise UpstreamFailed(f"the provider sent an event of more than {LONGEST_EVENT} bytes")
            return b""
        whole = bytes(self._part[:end])
        del self._part[:end]
        return whole

    def rest(self) -> bytes:
        """What came after the last whole event."""
        return bytes(self._part)


def _data(event: bytes) -> bytes:
    lines = [line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:")]
    return lines[0] if len(lines) == 1 else b"\n".join(lines)
