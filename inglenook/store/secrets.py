"""Secrets at rest: encrypted in the database, with a key file outside it (`secret.key`, mode 0600).

Without the key file the secrets cannot be read back; `inglenook backup` includes it.
"""

import os
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from inglenook.kit.errors import Unavailable

KEY_FILE = "secret.key"


class Secrets:
    """Encrypts and decrypts short texts with the key file of a data directory, made on first use."""

    def __init__(self, data: Path) -> None:
        """
        Raises:
            Unavailable: the key file is damaged.
        """
        self._path = data / KEY_FILE
        if not self._path.exists():
            _write(self._path, Fernet.generate_key())
        try:
            self._fernet = Fernet(self._path.read_bytes())
        except ValueError:
            raise Unavailable(
                f"{self._path} is damaged: restore that file from a backup, or, if there is none, move it away and "
                "enter the stored secrets (keys of providers) again"
            ) from None

    def encrypt(self, text: str) -> str:
        """The ciphertext of `text`, safe to store in a text column."""
        return self._fernet.encrypt(text.encode()).decode()

    def decrypt(self, ciphertext: str) -> str:
        """The text behind `ciphertext`.

        Raises:
            Unavailable: it was encrypted with another key file.
        """
        try:
            return self._fernet.decrypt(ciphertext.encode()).decode()
        except InvalidToken:
            raise Unavailable(
                f"a stored secret cannot be decrypted: {self._path} is not the key it was encrypted with; "
                "restore that file from a backup, or enter the secret again"
            ) from None


def _write(path: Path, key: bytes) -> None:
    """Write a key file that is either whole or not there."""
    handle, temporary = tempfile.mkstemp(dir=path.parent)  # mode 0600
    with os.fdopen(handle, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
