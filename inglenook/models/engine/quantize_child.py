"""The process that stores a model's weights in fewer bits: `python -m inglenook.models.engine.quantize_child`.

It reads its configuration as JSON from its standard input (`source`, `target`, `level`, `threads`), whose end also
means that the parent is gone. It answers with a line of JSON for each step: `{"done": bytes, "total": bytes}` of the
source, and at last `{"ok": true}` or `{"error": …}`. The numbers are made by the engine's own `ggml_quantize_chunk`, so
that they are what llama.cpp's tools make.

It works at low priority on pieces of a few million numbers: memory does not grow with the model.
"""

import ctypes
import importlib.util
import json
import os
import resource
import signal
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from inglenook.models.engine.gguf import TENSOR_TYPES, Array, GGUFFile, Tensor, read_gguf
from inglenook.models.engine.quantization import LEVELS, Heads, choose

_PR_SET_PDEATHSIG = 1
_NICE = 15
#: Numbers worked on at once by one thread.
_PIECE = 1 << 21
_MEMORY = 4 << 30
_ALIGNMENT = 32
_NUMBERS = {block.name: number for number, block in TENSOR_TYPES.items()}
_BLOCKS = {block.name: block for block in TENSOR_TYPES.values()}


def quantize(source: Path, target: Path, level: str, threads: int, tell: Callable[[int, int], None]) -> None:
    """Write `source` to `target` at `level`.

    Raises:
        ValueError, OSError: it cannot be; says why.
    """
    file = read_gguf(source)
    types = choose(file.tensors, level, _heads(file))
    total = sum(tensor.size for tensor in file.tensors)
    done = 0
    with source.open("rb") as read, target.open("xb") as out, ThreadPoolExecutor(threads) as pool:
        out.write(_head(file, read, types, level))
        for tensor in file.tensors:
            start = out.tell()
            for piece in pool.map(_converter(tensor, types[tensor.name]), _pieces(file, read, tensor)):
                out.write(piece)
            out.write(bytes(-(out.tell() - start) % _ALIGNMENT))
            done += tensor.size
            tell(done, total)
        out.flush()
        os.fsync(out.fileno())


def _heads(file: GGUFFile) -> Heads:
    architecture = str(file.values["general.architecture"])

    def number(key: str) -> int:
        value = file.values.get(f"{architecture}.{key}", 0)
        if isinstance(value, Array):
            value = max(file.array(f"{architecture}.{key}", 1024), default=0)
        return value if isinstance(value, int) else 0

    heads, shared = number("attention.head_count"), number("attention.head_count_kv")
    return Heads(heads // shared if shared else 1, number("expert_count"), architecture)


def _head(file: GGUFFile, read: Any, types: dict[str, str], level: str) -> bytes:
    """The head of the new file: the metadata as it was, but for what the weights are stored as."""
    own = {"general.file_type": LEVELS[level].file_type, "general.quantization_version": 2, "general.alignment": 32}
    kept = {key: span for key, span in file.spans.items() if key not in own}
    head = bytearray(struct.pack("<4sIQQ", b"GGUF", 3, len(file.tensors), len(kept) + len(own)))
    for start, end in kept.values():
        read.seek(start)
        head += read.read(end - start)
    for key, value in own.items():
        head += struct.pack("<Q", len(key)) + key.encode() + struct.pack("<II", 4, value)
    offset = 0
    for tensor in file.tensors:
        name, kind = tensor.name.encode(), types[tensor.name]
        head += struct.pack("<Q", len(name)) + name
        head += struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
        head += struct.pack("<IQ", _NUMBERS[kind], offset)
        size = tensor.parameters // _BLOCKS[kind].values * _BLOCKS[kind].size
        offset += size + -size % _ALIGNMENT
    return bytes(head + bytes(-len(head) % _ALIGNMENT))


def _pieces(file: GGUFFile, read: Any, tensor: Tensor) -> Iterator[bytes]:
    """The data of a tensor, whole rows at a time."""
    row = tensor.size // (tensor.parameters // tensor.shape[0])
    step = max(1, _PIECE // tensor.shape[0]) * row
    for at in range(0, tensor.size, step):
        read.seek(file.data_start + tensor.offset + at)
        yield read.read(min(step, tensor.size - at))


def _converter(tensor: Tensor, kind: str) -> Callable[[bytes], bytes]:
    if kind == tensor.type:
        return lambda piece: piece
    if tensor.type not in ("F32", "F16", "BF16"):
        raise ValueError(f"tensor {tensor.name} is {tensor.type} already")

    def convert(piece: bytes) -> bytes:
        if tensor.type == "BF16":
            numbers = (np.frombuffer(piece, "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            numbers = np.frombuffer(piece, "<f4" if tensor.type == "F32" else "<f2").astype(np.float32)
        if not np.isfinite(numbers).all():
            raise ValueError(f"tensor {tensor.name} holds values that are no numbers")
        if kind == "F32":
            return numbers.tobytes()
        if kind == "F16":
            return numbers.astype("<f2").tobytes()
        return _packed(numbers, tensor.shape[0], kind)

    return convert


def _packed(numbers: "np.ndarray[Any, np.dtype[np.float32]]", columns: int, kind: str) -> bytes:
    block = _BLOCKS[kind]
    packed = ctypes.create_string_buffer(numbers.size // block.values * block.size)
    source = np.ascontiguousarray(numbers)
    made = _ggml().ggml_quantize_chunk(
        _NUMBERS[kind], source.ctypes.data_as(ctypes.c_void_p), packed, 0, numbers.size // columns, columns, None
    )
    if made != len(packed):
        raise ValueError(f"the engine made {made} bytes of {kind} instead of {len(packed)}")
    return packed.raw


_loaded: list[Any] = []


def _ggml() -> Any:
    """The engine's library. `ggml_quantize_chunk` lets other threads run."""
    if not _loaded:
        spec = importlib.util.find_spec("xllamacpp")
        folder = Path(spec.origin).parent if spec is not None and spec.origin is not None else Path()
        library = ctypes.CDLL(str(next(folder.glob("xllamacpp*.so"))))
        library.ggml_quantize_chunk.restype = ctypes.c_size_t
        library.ggml_quantize_chunk.argtypes = [
            ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64,
            ctypes.c_void_p,
        ]  # fmt: skip
        library.ggml_quantize_init.argtypes = [ctypes.c_int]
        _loaded.append(library)
    return _loaded[0]


def main() -> None:
    """Be that process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    answer = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    config = json.loads(sys.stdin.buffer.readline() or b"{}")
    if os.getppid() != config.get("parent"):
        os._exit(1)
    threading.Thread(target=_exit_at_end_of_pipe, daemon=True).start()
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))

    def say(**words: Any) -> None:
        answer.write(json.dumps(words) + "\n")

    try:
        _ggml()
        quantize(
            Path(config["source"]),
            Path(config["target"]),
            config["level"],
            config["threads"],
            lambda done, total: say(done=done, total=total),
        )
    except OSError as error:
        say(error=error.strerror or str(error), errno=error.errno)
    except Exception as error:  # noqa: BLE001 - whatever it was, the parent should hear of it
        say(error=str(error) or type(error).__name__)
    else:
        say(ok=True)
    os._exit(0)


def _exit_at_end_of_pipe() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
