"""Where credentials of AWS come from: given, the server's environment, or a profile of its user's AWS files.

Covered: keys, with or without a session token, in `AWS_*` variables and in the credentials file, which is read again
when it changed, since tools that sign people in write new ones there. Not covered: signing in (SSO), assuming roles,
programs that give credentials, and those of a machine in the cloud; such tools can write them into a profile.
"""

import configparser
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from inglenook.kit.errors import BadInput
from inglenook.models.providers.wires.aws_signature import Credentials


class Source(Protocol):
    """Gives the credentials as they are now."""

    def now(self) -> Credentials:
        """
        Raises:
            BadInput: there are none; says where they were looked for.
        """
        ...


class Given:
    """Credentials an administrator wrote into the settings."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def now(self) -> Credentials:
        """See `Source`."""
        return self._credentials


class Environment:
    """Those of `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment

    def now(self) -> Credentials:
        """See `Source`."""
        access, secret = self._environment.get("AWS_ACCESS_KEY_ID"), self._environment.get("AWS_SECRET_ACCESS_KEY")
        if not (access and secret):
            raise BadInput(
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not in the server's environment",
                field="settings.credentials",
            )
        return Credentials(access, secret, self._environment.get("AWS_SESSION_TOKEN", ""))


class Profile:
    """Those of a profile in the credentials file (`AWS_SHARED_CREDENTIALS_FILE`, else `~/.aws/credentials`)."""

    def __init__(self, name: str, file: Path | None = None) -> None:
        self._name = name
        self._file = file or Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()
        self._seen = (0, 0)
        self._credentials: Credentials | None = None

    def now(self) -> Credentials:
        """See `Source`."""
        try:
            found = self._file.stat()
            seen = (found.st_mtime_ns, found.st_ino)
            if self._credentials is None or seen != self._seen:
                self._credentials, self._seen = self._read(), seen
        except (OSError, UnicodeDecodeError, configparser.Error) as error:
            # The parser's own text may quote the line, and a key with it.
            what = error.strerror if isinstance(error, OSError) else "it is no such file"
            raise self._missing(f"cannot be read: {what}") from None
        return self._credentials

    def _read(self) -> Credentials:
        parser = configparser.ConfigParser(interpolation=None, default_section="")
        with self._file.open(encoding="utf-8") as file:
            parser.read_file(file)
        if not parser.has_section(self._name):
            raise self._missing(f"has no profile {self._name!r}")
        profile = parser[self._name]
        access, secret = profile.get("aws_access_key_id", ""), profile.get("aws_secret_access_key", "")
        if not (access and secret):
            raise self._missing(f"has no keys for the profile {self._name!r}")
        return Credentials(access, secret, profile.get("aws_session_token", ""))

    def _missing(self, what: str) -> BadInput:
        return BadInput(f"the server's file {self._file} {what}", field="settings.profile")
