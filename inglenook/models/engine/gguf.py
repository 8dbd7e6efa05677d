"""Reading the head of a GGUF file: its key-values and where its tensors lie. No weights are read.

The file is not trusted: every count, length and offset is checked against hard bounds and the file's end before it is
used, so that a crafted file costs a clear `BadModelFile` and nothing else. Arrays are stepped over; their values are
read when asked for (`GGUFFile.array`). Format: github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3,
little-endian.
"""

import mmap
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct

from inglenook.models.errors import BadModelFile

MAX_KEYS = 65_536
MAX_TENSORS = 65_536
MAX_KEY_LENGTH = 1_024
MAX_STRING = 16 * 1024 * 1024
#: Bytes of all texts that are kept in memory together.
MAX_TEXT = 64 * 1024 * 1024
MAX_TENSOR_NAME = 63
MAX_DIMENSIONS = 4
MAX_ALIGNMENT = 65_536

_STRING, _ARRAY = 8, 9


class _Scalar(NamedTuple):
    name: str
    layout: struct.Struct


_SCALARS = {
    0: _Scalar("uint8", struct.Struct("<B")),
    1: _Scalar("int8", struct.Struct("<b")),
    2: _Scalar("uint16", struct.Struct("<H")),
    3: _Scalar("int16", struct.Struct("<h")),
    4: _Scalar("uint32", struct.Struct("<I")),
    5: _Scalar("int32", struct.Struct("<i")),
    6: _Scalar("float32", struct.Struct("<f")),
    7: _Scalar("bool", struct.Struct("<?")),
    10: _Scalar("uint64", struct.Struct("<Q")),
    11: _Scalar("int64", struct.Struct("<q")),
    12: _Scalar("float64", struct.Struct("<d")),
}
_U32, _U64 = _SCALARS[4].layout, _SCALARS[10].layout


class _Block(NamedTuple):
    name: str
    values: int
    size: int


#: ggml's tensor types: values in a block, bytes of a block.
TENSOR_TYPES = {
    0: _Block("F32", 1, 4),
    1: _Block("F16", 1, 2),
    2: _Block("Q4_0", 32, 18),
    3: _Block("Q4_1", 32, 20),
    6: _Block("Q5_0", 32, 22),
    7: _Block("Q5_1", 32, 24),
    8: _Block("Q8_0", 32, 34),
    9: _Block("Q8_1", 32, 36),
    10: _Block("Q2_K", 256, 84),
    11: _Block("Q3_K", 256, 110),
    12: _Block("Q4_K", 256, 144),
    13: _Block("Q5_K", 256, 176),
    14: _Block("Q6_K", 256, 210),
    15: _Block("Q8_K", 256, 292),
    16: _Block("IQ2_XXS", 256, 66),
    17: _Block("IQ2_XS", 256, 74),
    18: _Block("IQ3_XXS", 256, 98),
    19: _Block("IQ1_S", 256, 50),
    20: _Block("IQ4_NL", 32, 18),
    21: _Block("IQ3_S", 256, 110),
    22: _Block("IQ2_S", 256, 82),
    23: _Block("IQ4_XS", 256, 136),
    24: _Block("I8", 1, 1),
    25: _Block("I16", 1, 2),
    26: _Block("I32", 1, 4),
    27: _Block("I64", 1, 8),
    28: _Block("F64", 1, 8),
    29: _Block("IQ1_M", 256, 56),
    30: _Block("BF16", 1, 2),
    34: _Block("TQ1_0", 256, 54),
    35: _Block("TQ2_0", 256, 66),
    39: _Block("MXFP4", 32, 17),
}


class Array(NamedTuple):
    """An array that was stepped over: what `GGUFFile.array` needs to read it."""

    type: int
    length: int
    start: int
    end: int


class Tensor(Struct, frozen=True):
    """Where one tensor lies. `offset` counts from the start of the tensor data, `size` is in bytes."""

    name: str
    shape: tuple[int, ...]
    type: str
    offset: int
    size: int

    @property
    def parameters(self) -> int:
        """How many numbers it holds."""
        return _product(self.shape)


class GGUFFile(Struct, frozen=True):
    """The head of a file. `values` has scalars and strings as they are, and `Array` in place of arrays; `spans` says
    from which byte to which each key stands with its value."""

    path: Path
    version: int
    size: int
    values: dict[str, Any]
    tensors: tuple[Tensor, ...]
    data_start: int
    spans: dict[str, tuple[int, int]]

    def array(self, key: str, limit: int | None = None) -> list[Any]:
        """Read the array under `key`, at most `limit` elements of it."""
        found = self.values[key]
        with self.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            cursor = _Cursor(self.path, data, found.start)
            count = found.length if limit is None else min(limit, found.length)
            return list(_elements(cursor, found.type, count))

    def mentions(self, key: str, needle: bytes) -> bool:
        """Whether `needle` stands anywhere in the bytes of the array under `key`: a quick look before reading it."""
        found = self.values.get(key)
        if not isinstance(found, Array):
            return False
        with self.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return data.find(needle, found.start, found.end) >= 0


def read_gguf(path: Path) -> GGUFFile:
    """Read and check the head of a GGUF file. Blocks for up to some 100 ms with a large vocabulary.

    Raises:
        BadModelFile: it is missing, not GGUF, truncated, or holds an impossible count, length or offset. The message
            names the file, and the key or tensor with its value.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size < 24:
                raise BadModelFile(f"{path.name} is not a GGUF file: it has only {size} bytes")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _read(path, _Cursor(path, data, 0))
    except FileNotFoundError:
        raise BadModelFile(f"model file {path.name} is missing; pull the model again") from None
    except OSError as error:
        raise BadModelFile(f"model file {path.name} cannot be read: {error.strerror}") from None


class _Cursor:
    """A place in the file that only moves forward and never past its end."""

    def __init__(self, path: Path, data: mmap.mmap, at: int) -> None:
        self.path = path
        self.data = data
        self.at = at
        self.size = len(data)
        self.text_read = 0

    def fail(self, what: str) -> BadModelFile:
        return BadModelFile(f"{self.path.name} is not a usable GGUF file: {what}")

    def skip(self, length: int, what: str) -> int:
        """Move on; returns where it was."""
        start = self.at
        if length > self.size - start:
            raise self.fail(f"it ends within {what} (byte {self.size}); it may be truncated, pull it again")
        self.at = start + length
        return start

    def unpack(self, layout: struct.Struct, what: str) -> Any:
        return layout.unpack_from(self.data, self.skip(layout.size, what))[0]

    def text(self, limit: int, what: str) -> str:
        length = self.unpack(_U64, what)
        if length > limit:
            raise self.fail(f"{what} is {length} bytes long, more than {limit}")
        self.text_read += length
        if self.text_read > MAX_TEXT:
            raise self.fail(f"it holds more than {MAX_TEXT} bytes of text")
        start = self.skip(length, what)
        return self.data[start : self.at].decode("utf-8", "replace")


def _read(path: Path, cursor: _Cursor) -> GGUFFile:
    if cursor.data[:4] != b"GGUF":
        raise cursor.fail(f"it starts with {bytes(cursor.data[:4])!r} instead of b'GGUF'")
    cursor.at = 4
    version = cursor.unpack(_U32, "its version")
    if version not in (2, 3):
        other_end = int.from_bytes(version.to_bytes(4, "little"), "big") in (1, 2, 3)
        raise cursor.fail("it is big-endian" if other_end else f"version {version} is not 2 or 3")
    tensor_count = cursor.unpack(_U64, "the number of tensors")
    key_count = cursor.unpack(_U64, "the number of keys")
    for what, count, limit in (("tensors", tensor_count, MAX_TENSORS), ("keys", key_count, MAX_KEYS)):
        if count > limit:
            raise cursor.fail(f"it claims {count} {what}, more than {limit}")
    values, spans = _read_values(cursor, key_count)
    alignment = values.get("general.alignment", 32)
    if type(alignment) is not int or not 0 < alignment <= MAX_ALIGNMENT or alignment & (alignment - 1):
        raise cursor.fail(f"general.alignment is {alignment!r}, not a power of two up to {MAX_ALIGNMENT}")
    tensors = _read_tensors(cursor, tensor_count, alignment)
    data_start = _aligned(cursor.at, alignment)
    for tensor in tensors:
        if data_start + tensor.offset + tensor.size > cursor.size:
            raise cursor.fail(
                f"tensor {tensor.name} ends at byte {data_start + tensor.offset + tensor.size}, but the file has only "
                f"{cursor.size}; it may be truncated, pull it again"
            )
    return GGUFFile(path, version, cursor.size, values, tuple(tensors), data_start, spans)


def _read_values(cursor: _Cursor, count: int) -> tuple[dict[str, Any], dict[str, tuple[int, int]]]:
    values: dict[str, Any] = {}
    spans: dict[str, tuple[int, int]] = {}
    for number in range(count):
        start = cursor.at
        key = cursor.text(MAX_KEY_LENGTH, f"key {number}")
        if key in values:
            raise cursor.fail(f"key {key} comes twice")
        kind = cursor.unpack(_U32, f"the type of {key}")
        values[key] = _read_value(cursor, key, kind)
        spans[key] = (start, cursor.at)
    return values, spans


def _read_value(cursor: _Cursor, key: str, kind: int) -> Any:
    if kind == _STRING:
        return cursor.text(MAX_STRING, f"the value of {key}")
    if kind == _ARRAY:
        return _skip_array(cursor, key)
    if kind in _SCALARS:
        return cursor.unpack(_SCALARS[kind].layout, f"the value of {key}")
    raise cursor.fail(f"{key} has the unknown type {kind}")


def _skip_array(cursor: _Cursor, key: str) -> Array:
    kind = cursor.unpack(_U32, f"the element type of {key}")
    count = cursor.unpack(_U64, f"the length of {key}")
    start = cursor.at
    if kind in _SCALARS:
        cursor.skip(count * _SCALARS[kind].layout.size, f"the {count} values of {key}")
    elif kind == _STRING:
        if count * 8 > cursor.size - start:
            raise cursor.fail(f"{key} claims {count} strings, more than fit in the file")
        _skip_strings(cursor, key, count)
    else:
        raise cursor.fail(f"{key} is an array of the unsupported type {kind}")
    return Array(kind, count, start, cursor.at)


def _skip_strings(cursor: _Cursor, key: str, count: int) -> None:
    # The one hot loop here: vocabularies have up to a quarter of a million tokens.
    unpack, data, size, at = _U64.unpack_from, cursor.data, cursor.size, cursor.at
    last = size - 8
    for _ in range(count):
        if at > last:
            raise cursor.fail(f"it ends within the strings of {key}; it may be truncated, pull it again")
        at += 8 + unpack(data, at)[0]
        if at > size:
            raise cursor.fail(f"a string of {key} reaches past the end of the file")
    cursor.at = at


def _elements(cursor: _Cursor, kind: int, count: int) -> Iterator[Any]:
    read: Callable[[], Any]
    if kind == _STRING:
        read = lambda: cursor.text(MAX_STRING, "an array")  # noqa: E731
    else:
        layout = _SCALARS[kind].layout
        read = lambda: cursor.unpack(layout, "an array")  # noqa: E731
    return (read() for _ in range(count))


def _read_tensors(cursor: _Cursor, count: int, alignment: int) -> list[Tensor]:
    tensors: list[Tensor] = []
    names: set[str] = set()
    expected = 0
    for number in range(count):
        name = cursor.text(MAX_TENSOR_NAME, f"the name of tensor {number}")
        if name in names:
            raise cursor.fail(f"tensor {name} comes twice")
        names.add(name)
        dimensions = cursor.unpack(_U32, f"the dimensions of {name}")
        if not 1 <= dimensions <= MAX_DIMENSIONS:
            raise cursor.fail(f"tensor {name} has {dimensions} dimensions")
        shape = tuple(cursor.unpack(_U64, f"the shape of {name}") for _ in range(dimensions))
        kind = cursor.unpack(_U32, f"the type of {name}")
        offset = cursor.unpack(_U64, f"the offset of {name}")
        tensor = _tensor(cursor, name, shape, kind, offset)
        if offset != expected:
            raise cursor.fail(f"tensor {name} starts at {offset} instead of {expected}")
        expected = _aligned(offset + tensor.size, alignment)
        tensors.append(tensor)
    return tensors


def _tensor(cursor: _Cursor, name: str, shape: tuple[int, ...], kind: int, offset: int) -> Tensor:
    block = TENSOR_TYPES.get(kind)
    if block is None:
        raise cursor.fail(f"tensor {name} has the unknown type {kind}")
    if 0 in shape or shape[0] % block.values:
        raise cursor.fail(f"tensor {name} of type {block.name} has the impossible shape {list(shape)}")
    size = _product(shape) // block.values * block.size
    if size > cursor.size:
        raise cursor.fail(f"tensor {name} with shape {list(shape)} is larger than the whole file")
    return Tensor(name, shape, block.name, offset, size)


def _aligned(offset: int, alignment: int) -> int:
    return (offset + alignment - 1) // alignment * alignment


def _product(shape: tuple[int, ...]) -> int:
    result = 1
    for length in shape:
        result *= length
    return result
