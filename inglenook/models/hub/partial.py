"""A file on its way: what is here of it, and of which version of the original.

`<name>-partial` is its beginning, `<name>-partial-note` says which version it is of. While several connections write,
the file has holes behind what is whole; the note says where that ends, for whoever finds it after a crash.
"""

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    import httpx

_CHUNK = 4 * 1024 * 1024


class Broken(Exception):
    """Worth another try."""


def note_of(partial: Path) -> Path:
    """The note beside a partial file."""
    return partial.with_name(f"{partial.name}-note")


class Partial:
    """A file that grows. `size` is how much of it is whole, `sha` the hash of that."""

    def __init__(self, path: Path, *, content_addressed: bool) -> None:
        self.path = path
        self.content_addressed = content_addressed
        self.note = note_of(path)
        self.size = 0
        self.handle = -1
        self.sha = hashlib.sha256()
        self._version = ""

    def open(self) -> None:
        """Open it and hash what is here. Blocks as long as reading that takes."""
        self.handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        noted = self._noted()
        self._version = str(noted.get("version") or "")
        whole = noted.get("whole")
        if isinstance(whole, int) and whole < os.fstat(self.handle).st_size:
            os.ftruncate(self.handle, whole)
        while chunk := os.read(self.handle, _CHUNK):
            self.sha.update(chunk)
            self.size += len(chunk)

    def close(self) -> None:
        """Close it; what is whole stays."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1

    def write(self, chunk: bytes | bytearray) -> None:
        """Put `chunk` behind what is whole."""
        written = 0
        while written < len(chunk):
            count = os.pwrite(self.handle, memoryview(chunk)[written:], self.size)
            self.sha.update(memoryview(chunk)[written : written + count])
            written += count
            self.size += count

    def write_at(self, chunk: bytes | bytearray, offset: int) -> None:
        """Put `chunk` somewhere further on."""
        written = 0
        while written < len(chunk):
            written += os.pwrite(self.handle, memoryview(chunk)[written:], offset + written)

    def absorb(self, end: int) -> None:
        """Count what was written up to `end` as whole."""
        while self.size < end:
            chunk = os.pread(self.handle, min(_CHUNK, end - self.size), self.size)
            if not chunk:
                raise Broken("the file here became shorter")
            self.sha.update(chunk)
            self.size += len(chunk)

    def mark(self) -> None:
        """Note how much is whole, since the file has holes behind it."""
        self.note.write_bytes(orjson.dumps({"version": self._version, "whole": self.size}))

    def settle(self) -> None:
        """Cut off what is not whole."""
        os.ftruncate(self.handle, self.size)
        self.note.write_bytes(orjson.dumps({"version": self._version}))

    def restart(self) -> None:
        """Begin anew."""
        os.ftruncate(self.handle, 0)
        self.sha = hashlib.sha256()
        self.size = 0
        self._version = ""
        self.note.unlink(missing_ok=True)

    def conditions(self) -> dict[str, str]:
        """Request headers that ask for the rest of the same version."""
        plain = {"accept-encoding": "identity"}
        if self.size and not self._version and not self.content_addressed:
            self.restart()
        if not self.size:
            return plain
        return {**plain, "range": f"bytes={self.size}-", **self._same_version()}

    def part(self, start: int, end: int) -> dict[str, str]:
        """Request headers that ask for the bytes from `start` to before `end` of the same version."""
        asked = {"accept-encoding": "identity", "range": f"bytes={start}-{end - 1}"}
        return {**asked, **self._same_version()}

    @property
    def has_version(self) -> bool:
        """Whether it can be said what a part must belong to."""
        return self.content_addressed or bool(self._version)

    def remember(self, response: "httpx.Response") -> None:
        """Note the version that is being fetched. A weak ETag cannot vouch for bytes."""
        tag = response.headers.get("etag", "")
        version = tag if tag and not tag.startswith("W/") else response.headers.get("last-modified", "")
        if version:
            self._version = version
            self.note.write_bytes(orjson.dumps({"version": version}))

    def _same_version(self) -> dict[str, str]:
        return {} if self.content_addressed else {"if-range": self._version}

    def _noted(self) -> dict[str, Any]:
        try:
            note: Any = orjson.loads(self.note.read_bytes())
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}
