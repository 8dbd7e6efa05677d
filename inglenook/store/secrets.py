"""Secrets at rest: encrypted in the database, with a key file outside it (`secret.key`, mode 0600).

Without the key file the secrets cannot be read back; `inglenook backup` includes it.
"""

import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from inglenook.kit.errors import Unavailable

KEY_FILE = "secret.key"


class Secrets:
    """Encrypts and decrypts short texts with the key file of a data directory, made on first use."""

    def __init__(self, data: Path) -> None:
        self._path = data / KEY_FILE
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(handle, "wb") as file:
                file.write(Fernet.generate_key())
                file.flush()
                os.fsync(file.fileno())
        self._fernet = Fernet(self._path.read_bytes())

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
