"""Content-addressed files: `blobs/ab/abcdef…`, named by the SHA-256 of what they hold.

A blob is written to a temporary name, synced and renamed, so a name that exists is whole. Blobs are written
before the row that refers to them commits.
"""

import hashlib
import os
import tempfile
from pathlib import Path

from inglenook.kit.errors import NotFound


class Blobs:
    """The blob folder of a data directory. All methods block: call them from a thread or a write function."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, data: bytes) -> str:
        """Keep `data` and return its digest (64 hexadecimal digits). Keeping the same data twice is free."""
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        if path.exists():
            return digest
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        return digest

    def get(self, digest: str) -> bytes:
        """The data kept under `digest`.

        Raises:
            NotFound: nothing is kept under it.
        """
        try:
            return self._path(digest).read_bytes()
        except FileNotFoundError:
            raise NotFound(f"blob {digest} is not in {self.root}") from None

    def delete(self, digest: str) -> None:
        """Forget `digest`; forgetting what is not there is no error."""
        self._path(digest).unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        if len(digest) != 64 or not all(c in "0123456789abcdef" for c in digest):
            raise NotFound(f"{digest!r} is not a blob digest")
        return self.root / digest[:2] / digest
