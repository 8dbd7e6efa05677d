"""Passwords: what one must look like, and argon2id, always in a thread of its own."""

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from inglenook.kit.errors import BadInput, TooMany

T = TypeVar("T")

MIN_LENGTH = 8
MAX_LENGTH = 256

# Above OWASP's floor (19 MiB, 2 passes, 1 lane); about 60 ms of one core. The two threads bound what a burst of
# logins takes: 92 MiB and two cores' worth of time.
_HASHER = PasswordHasher(time_cost=2, memory_cost=46 * 1024, parallelism=1)
_THREADS = 2
#: Hashings that may wait for the threads, some five seconds' worth.
_MOST_WAITING = 100


class Passwords:
    """Hashes and verifies; too many at once are refused with `TooMany`. `close` it when done."""

    def __init__(self, hasher: PasswordHasher = _HASHER) -> None:
        self._hasher = hasher
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="password")
        self._dummy: str | None = None
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The hash to store.

        Raises:
            BadInput: the password is too short or too long.
        """
        check(password)
        return await self.hash_anew(password)

    async def hash_anew(self, password: str) -> str:
        """The hash to store of a password that somebody already has."""
        return await self._run(self._hasher.hash, _normal(password))

    async def verify(self, hashed: str | None, password: str) -> bool:
        """Whether `password` is the one behind `hashed`. Takes as long when there is no such account (None)."""
        return await self._run(self._verify, hashed, password)

    def outdated(self, hashed: str) -> bool:
        """Whether `hashed` was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(hashed)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False)

    async def _run(self, fn: Callable[..., T], *args: str | None) -> T:
        if self._waiting >= _MOST_WAITING:
            raise TooMany("too many people are signing in at the moment; try again in a few seconds", retry_after=5)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, fn, *args)
        finally:
            self._waiting -= 1

    def _verify(self, hashed: str | None, password: str) -> bool:
        if self._dummy is None:
            self._dummy = self._hasher.hash(secrets.token_urlsafe(16))
        if len(password) > MAX_LENGTH:
            return False
        try:
            return self._hasher.verify(hashed or self._dummy, _normal(password)) and hashed is not None
        except (VerificationError, InvalidHashError):
            return False


def check(password: str) -> None:
    """Raise `BadInput` unless `password` may be chosen."""
    if len(password) < MIN_LENGTH:
        raise BadInput(
            f"a password has at least {MIN_LENGTH} characters; this one has {len(password)}", field="password"
        )
    if len(password) > MAX_LENGTH:
        raise BadInput(
            f"a password has at most {MAX_LENGTH} characters; this one has {len(password)}", field="password"
        )


def generate() -> str:
    """A password to hand to somebody: 96 random bits."""
    return secrets.token_urlsafe(12)


def _normal(password: str) -> str:
    # The same password typed on another system may arrive decomposed (RFC 8265).
    return unicodedata.normalize("NFC", password)
