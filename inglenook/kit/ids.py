"""Sortable identifiers: a short prefix that says what it names, then a ULID (github.com/ulid/spec).

Ids made by one process are strictly increasing, so `ORDER BY id` is order of creation.
"""

import os
import threading
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_END = (1 << 20) - 1  # the last four characters of an id, at most
_lock = threading.Lock()
_ms = 0  # of the newest id
_head = ""  # of the newest id: its first 22 characters
_tail = 0  # the rest
_random = b""


def _forget() -> None:
    global _ms, _random
    _ms, _random = 0, b""


# A forked child must not repeat what its parent draws.
os.register_at_fork(after_in_child=_forget)


def new_id(prefix: str) -> str:
    """Return `<prefix>_<26 characters>`: 48 bits of milliseconds, then 80 bits, random for the first id of a
    millisecond and counting on from there for the next.

    Args:
        prefix: Three or four letters naming the kind of thing: `usr`, `key`, `run`, `msg`.
    """
    global _tail
    with _lock:
        now = time.time_ns() // 1_000_000
        if now > _ms or _tail == _END:
            _draw(max(now, _ms + 1))
        else:
            _tail += 1  # an id is made for every call through the gateway: counting takes a fifth of drawing
        head, tail = _head, _tail
    return f"{prefix}_{head}{_PAIRS[tail >> 10]}{_PAIRS[tail & 1023]}"


def _draw(ms: int) -> None:
    """Begin a millisecond."""
    global _ms, _head, _tail, _random
    if not _random:
        _random = os.urandom(1280)  # one system call for many
    drawn, _random = _random[:10], _random[10:]
    value = ms << 80 | int.from_bytes(drawn, "big")
    _ms, _head = ms, _encode(value)[:22]
    _tail = value & (_END >> 1)  # at most half, so that there is room to count


def _encode(value: int) -> str:
    # Two characters at a time.
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])
