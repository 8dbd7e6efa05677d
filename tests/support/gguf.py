"""Small GGUF files (version 3, little-endian) made of given metadata, for tests that never run them."""

import struct
from typing import Any

_TYPES = {int: 4, float: 6, bool: 7, str: 8}


def gguf(name: str = "tiny", **metadata: Any) -> bytes:
    """A GGUF file with no tensors. `metadata` keys use `__` for the dot: `llama__context_length=128`."""
    values = {
        "general.architecture": "llama",
        "general.name": name,
        **{key.replace("__", "."): value for key, value in metadata.items()},
    }
    body = b"".join(_text(key) + _value(value) for key, value in values.items())
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(values)) + body


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Any) -> bytes:
    if isinstance(value, list):
        kind = _TYPES[type(value[0])]
        return struct.pack("<IIQ", 9, kind, len(value)) + b"".join(_plain(item) for item in value)
    return struct.pack("<I", _TYPES[type(value)]) + _plain(value)


def _plain(value: Any) -> bytes:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return struct.pack("<?", value)
    return struct.pack("<f", value) if isinstance(value, float) else struct.pack("<I", value)
