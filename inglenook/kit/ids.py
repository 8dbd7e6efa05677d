"""Sortable identifiers: a short prefix that says what it names, then a ULID (github.com/ulid/spec).

Ids made by one process are strictly increasing, so `ORDER BY id` is order of creation.
"""

import os
import threading
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_lock = threading.Lock()
_last = 0
_random = b""


def _forget_random() -> None:
    global _random
    _random = b""


# A forked child must not repeat what its parent draws.
os.register_at_fork(after_in_child=_forget_random)


def new_id(prefix: str) -> str:
    """Return `<prefix>_<26 characters>`: 48 bits of milliseconds, then 80 random bits that only grow.

    Args:
        prefix: Three or four letters naming the kind of thing: `usr`, `key`, `run`, `msg`.
    """
    global _last, _random
    with _lock:
        if not _random:
            _random = os.urandom(1280)  # one system call for many ids
        drawn, _random = _random[:10], _random[10:]
        value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(drawn, "big")
        if value <= _last:
            value = _last + 1
        _last = value
    return f"{prefix}_{_encode(value)}"


def _encode(value: int) -> str:
    # Two characters at a time: an id is made for every call through the gateway.
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])
