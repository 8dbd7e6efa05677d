"""Putting a split GGUF model together: llama.cpp looks for parts by their file names, which blobs do not have, and one
whole file can be checked, measured, copied and pushed like any other.

The parts carry the metadata (the first) and the tensors one after the other; nothing of a tensor changes but where it
lies.
"""

import hashlib
import mmap
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from inglenook.kit.ids import new_id
from inglenook.models.engine.gguf import Array, GGUFFile, read_gguf
from inglenook.models.errors import BadModelFile
from inglenook.models.hub import manifest as media
from inglenook.models.hub.files import full_disk, put_in_place, sync
from inglenook.models.hub.layout import CHUNK, ModelStore
from inglenook.models.hub.manifest import Layer

_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")
#: Bytes of a value by its type in the file; strings (8) and arrays (9) tell their own.
_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING = 8


class _Head(NamedTuple):
    """The raw parts of a file's head: each key with its value, and what is said of each tensor but its offset."""

    keys: dict[str, bytes]
    tensors: list[bytes]


def merge(models: ModelStore, parts: Sequence[Path], progress: Callable[[int, int], None]) -> Layer:
    """Put the parts together as a blob; they are removed on the way, since each is here twice while it is put in.

    Raises:
        BadModelFile: they do not belong together.
        DiskFull: nothing was kept but the parts that were not put in yet.
    """
    files = [read_gguf(part) for part in parts]
    _check(files)
    head = _whole_head(files)
    total = len(head) + sum(_data_size(file) for file in files)
    target = models.blobs / f"import-{new_id('tmp')}-partial"
    sha = hashlib.sha256(head)
    try:
        with full_disk(models.root), target.open("xb") as out:
            out.write(head)
            done = len(head)
            for number, file in enumerate(files):
                padding = 0 if number == len(files) - 1 else -_data_size(file) % _alignment(files[0])
                for chunk in _data(file, padding):
                    out.write(chunk)
                    sha.update(chunk)
                    done += len(chunk)
                    progress(min(done, total), total)
                out.flush()
                sync(out.fileno())
                models.drop_unused([f"sha256:{file.path.name.removeprefix('sha256-')}"], forced=True)
        layer = Layer(media_type=media.MODEL, digest=f"sha256:{sha.hexdigest()}", size=target.stat().st_size)
        put_in_place(target, models.place(layer.digest))
        return layer
    finally:
        target.unlink(missing_ok=True)


def _check(files: Sequence[GGUFFile]) -> None:
    count = files[0].values.get("split.count")
    for number, file in enumerate(files):
        if file.values.get("split.count") != count or file.values.get("split.no") != number or count != len(files):
            raise BadModelFile(
                f"the parts of this model do not belong together: part {number + 1} of {len(files)} says it is "
                f"number {file.values.get('split.no')} of {file.values.get('split.count')}, counted from 0"
            )
    expected = files[0].values.get("split.tensors.count")
    found = sum(len(file.tensors) for file in files)
    if isinstance(expected, int) and expected != found:
        raise BadModelFile(f"the parts of this model hold {found} tensors instead of {expected}")
    names = {tensor.name for file in files for tensor in file.tensors}
    if len(names) != found:
        raise BadModelFile("two parts of this model hold the same tensor")


def _alignment(file: GGUFFile) -> int:
    return int(file.values.get("general.alignment", 32))


def _data_size(file: GGUFFile) -> int:
    return max((tensor.offset + tensor.size for tensor in file.tensors), default=0)


def _whole_head(files: Sequence[GGUFFile]) -> bytes:
    alignment = _alignment(files[0])
    if any(_alignment(file) != alignment for file in files if file.tensors):
        raise BadModelFile("the parts of this model are aligned differently")
    heads = [_read_head(file) for file in files]
    keys = {key: raw for key, raw in heads[0].keys.items() if not key.startswith("split.")}
    out = bytearray(b"GGUF" + _U32.pack(files[0].version))
    out += _U64.pack(sum(len(head.tensors) for head in heads)) + _U64.pack(len(keys))
    for raw in keys.values():
        out += raw
    start = 0
    for file, head in zip(files, heads, strict=True):
        for tensor, raw in zip(file.tensors, head.tensors, strict=True):
            out += raw + _U64.pack(start + tensor.offset)
        start += _data_size(file)
        start += -start % alignment
    return bytes(out) + bytes(-len(out) % alignment)


def _data(file: GGUFFile, padding: int) -> Iterator[bytes]:
    left = _data_size(file)
    with file.path.open("rb") as source:
        source.seek(file.data_start)
        while left:
            chunk = source.read(min(CHUNK, left))
            if not chunk:
                raise BadModelFile(f"{file.path.name} became shorter while it was read")
            left -= len(chunk)
            yield chunk
    if padding:
        yield bytes(padding)


def _read_head(file: GGUFFile) -> _Head:
    """Take the head of a file, which has been checked as a whole, into its raw pieces."""
    with file.path.open("rb") as source, mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = 24
        keys: dict[str, bytes] = {}
        for key, value in file.values.items():
            start = at
            at += 8 + _U64.unpack_from(data, at)[0]
            at = value.end if isinstance(value, Array) else _after(data, at)
            keys[key] = data[start:at]
        tensors = []
        for _ in file.tensors:
            start = at
            at += 8 + _U64.unpack_from(data, at)[0]
            at += 4 + 8 * _U32.unpack_from(data, at)[0] + 4
            tensors.append(data[start:at])
            at += 8
        return _Head(keys, tensors)


def _after(data: mmap.mmap, at: int) -> int:
    """The end of a value that is no array and whose type stands at `at`."""
    kind = _U32.unpack_from(data, at)[0]
    if kind == _STRING:
        return int(at + 12 + _U64.unpack_from(data, at + 4)[0])
    return int(at + 4 + _WIDTHS[kind])
