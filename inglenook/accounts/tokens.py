"""Links that are good once: 256 random bits for the reader, their SHA-256 for us.

The token stands behind a `#`, so that it enters no log of a proxy.
"""

import secrets
from hashlib import sha256
from typing import NamedTuple

INVITE_PATH, RESET_PATH = "/invite", "/reset"


class Token(NamedTuple):
    """A new token, and what is kept of it."""

    token: str
    digest: str


def new_token() -> Token:
    """Make one."""
    token = secrets.token_urlsafe(32)
    return Token(token, digest(token))


def digest(token: str) -> str:
    """What is kept of a token."""
    return sha256(token.encode()).hexdigest()


def path(page: str, token: str) -> str:
    """The way to the page that takes a token: `/invite#token=…`."""
    return f"{page}#token={token}"
