"""Writing GGUF files: bare heads, tiny models with random weights that load at once, edited copies of real ones."""

import random
import struct
from pathlib import Path
from typing import Any

from inglenook.models.engine.gguf import Array, read_gguf

ALIGNMENT = 32
CONTEXT = 2048
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


class U64(int):
    """An integer to be written as uint64."""


def gguf(name: str = "tiny", **metadata: Any) -> bytes:
    """A GGUF file with no tensors, never to be run; `metadata` keys use `__` for a dot: `llama__context_length=128`."""
    values = {
        "general.architecture": "llama",
        "general.name": name,
        **{key.replace("__", "."): value for key, value in metadata.items()},
    }
    body = b"".join(_text(key) + _value(value) for key, value in values.items())
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(values)) + body


def write_gguf(path: Path, values: dict[str, Any], tensors: dict[str, tuple[tuple[int, ...], bytes]]) -> Path:
    """Write a GGUF file; `tensors` are F32: shape (fastest dimension first) and data by name."""
    head = bytearray(struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(values)))
    for key, value in values.items():
        head += _text(key) + _value(value)
    offset = 0
    for name, (shape, data) in tensors.items():
        head += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, offset)
        offset += _padded(len(data))
    with path.open("wb") as file:
        file.write(head.ljust(_padded(len(head)), b"\0"))
        for _, data in tensors.values():
            file.write(data.ljust(_padded(len(data)), b"\0"))
    return path


def edit_gguf(source: Path, target: Path, changes: dict[str, Any]) -> Path:
    """Copy a GGUF file with other metadata; the value None removes a key. The weights stay as they are."""
    file = read_gguf(source)
    raw = source.read_bytes()
    values = {key: value for key, value in file.values.items() if changes.get(key, key) is not None} | {
        key: value for key, value in changes.items() if value is not None
    }
    head = bytearray(struct.pack("<4sIQQ", b"GGUF", 3, len(file.tensors), len(values)))
    for key, value in values.items():
        head += _text(key)
        if isinstance(value, Array):
            head += struct.pack("<IIQ", 9, value.type, value.length) + raw[value.start : value.end]
        else:
            head += _value(value)
    types = {"F32": 0, "Q4_1": 3, "Q8_0": 8}
    for tensor in file.tensors:
        shape = tensor.shape
        head += _text(tensor.name)
        head += struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, types[tensor.type], tensor.offset)
    target.write_bytes(head.ljust(_padded(len(head)), b"\0") + raw[file.data_start :])
    return target


def tiny_llama(path: Path, *, seed: int = 1, **changes: Any) -> Path:
    """A llama of two layers that babbles bytes: one token a byte, ChatML template. About 0.2 MB.

    Args:
        changes: Metadata to set, `__` standing for a dot; None removes a key.
    """
    width, hidden, blocks = 32, 64, 2
    tokens = byte_vocabulary()["tokenizer.ggml.tokens"]
    values: dict[str, Any] = {
        "general.architecture": "llama",
        "general.type": "model",
        "general.name": "Tiny",
        "general.file_type": 0,
        "general.languages": ["en"],
        "llama.block_count": blocks,
        "llama.context_length": CONTEXT,
        "llama.embedding_length": width,
        "llama.feed_forward_length": hidden,
        "llama.attention.head_count": 2,
        "llama.attention.head_count_kv": 2,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": 16,
        "llama.vocab_size": len(tokens),
        **byte_vocabulary(),
    }
    for key, value in changes.items():
        values[key.replace("__", ".")] = value
    values = {key: value for key, value in values.items() if value is not None}
    noise = random.Random(seed)
    tensors = {
        "token_embd.weight": weights(noise, width, len(tokens)),
        "output.weight": weights(noise, width, len(tokens)),
        "output_norm.weight": ones(width),
    }
    for block in range(blocks):
        for name, shape in {
            "attn_q": (width, width),
            "attn_k": (width, width),
            "attn_v": (width, width),
            "attn_output": (width, width),
            "ffn_gate": (width, hidden),
            "ffn_up": (width, hidden),
            "ffn_down": (hidden, width),
        }.items():
            tensors[f"blk.{block}.{name}.weight"] = weights(noise, *shape)
        tensors[f"blk.{block}.attn_norm.weight"] = ones(width)
        tensors[f"blk.{block}.ffn_norm.weight"] = ones(width)
    return write_gguf(path, values, tensors)


def tiny_bert(path: Path, *, context: int = 64, ranks: bool = False, **changes: Any) -> Path:
    """An embedding model of one layer over letters: 32 numbers a vector, one token a letter. About 0.1 MB.

    Args:
        ranks: Make it one that tells how well a document answers.
    """
    width, hidden = 32, 64
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"▁{letter}" for letter in letters), *letters]
    values: dict[str, Any] = {
        "general.architecture": "bert",
        "general.name": "Tiny embedder",
        "bert.block_count": 1,
        "bert.context_length": context,
        "bert.embedding_length": width,
        "bert.feed_forward_length": hidden,
        "bert.attention.head_count": 2,
        "bert.attention.layer_norm_epsilon": 1e-12,
        "bert.attention.causal": False,
        "bert.pooling_type": 4 if ranks else 1,
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3, 3, 3, 3, 3, *[1] * (len(tokens) - 5)],
        "tokenizer.ggml.token_type_count": 2,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.unknown_token_id": 1,
        "tokenizer.ggml.cls_token_id": 2,
        "tokenizer.ggml.bos_token_id": 2,
        "tokenizer.ggml.seperator_token_id": 3,
        "tokenizer.ggml.eos_token_id": 3,
        "tokenizer.ggml.mask_token_id": 4,
        **{key.replace("__", "."): value for key, value in changes.items()},
    }
    noise = random.Random(3)
    tensors = {
        "token_embd.weight": weights(noise, width, len(tokens)),
        "token_types.weight": weights(noise, width, 2),
        "position_embd.weight": weights(noise, width, context),
        "token_embd_norm.weight": ones(width),
        "token_embd_norm.bias": zeros(width),
    }
    for name, shape in {
        "attn_q": (width, width),
        "attn_k": (width, width),
        "attn_v": (width, width),
        "attn_output": (width, width),
        "ffn_up": (width, hidden),
        "ffn_down": (hidden, width),
    }.items():
        tensors[f"blk.0.{name}.weight"] = weights(noise, *shape)
        tensors[f"blk.0.{name}.bias"] = zeros(shape[1])
    for name in ("attn_output_norm", "layer_output_norm"):
        tensors[f"blk.0.{name}.weight"] = ones(width)
        tensors[f"blk.0.{name}.bias"] = zeros(width)
    if ranks:
        tensors |= {
            "cls.weight": weights(noise, width, width),
            "cls.bias": zeros(width),
            "cls.output.weight": weights(noise, width, 1),
            "cls.output.bias": zeros(1),
        }
    return write_gguf(path, values, tensors)


def byte_vocabulary() -> dict[str, Any]:
    """Metadata of a tokenizer with one token a byte, and a ChatML template."""
    tokens, types = _byte_tokens()
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": ["Ġ t"],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": CHATML,
    }


def _byte_tokens() -> tuple[list[str], list[int]]:
    """The 256 bytes as GPT-2 writes them, with the control tokens before them."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = [chr(byte) for byte in printable] + [chr(256 + place) for place in range(len(others))]
    control = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    return [*control, *letters, "Ġt"], [3, 3, 3, *[1] * 257]


def weights(noise: random.Random, columns: int, rows: int, strength: float = 0.3) -> tuple[tuple[int, ...], bytes]:
    """Random numbers: shape and data of a tensor."""
    count = columns * rows
    return (columns, rows), struct.pack(f"<{count}f", *(noise.gauss(0, strength) for _ in range(count)))


def ones(count: int) -> tuple[tuple[int, ...], bytes]:
    """A tensor of ones."""
    return (count,), struct.pack(f"<{count}f", *[1.0] * count)


def zeros(count: int) -> tuple[tuple[int, ...], bytes]:
    """A tensor of zeros."""
    return (count,), bytes(4 * count)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Any) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, U64):
        return struct.pack("<IQ", 10, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value) if value >= 0 else struct.pack("<Ii", 5, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    if all(isinstance(item, str) for item in value):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(_text(item) for item in value)
    if all(isinstance(item, float) for item in value):
        return struct.pack(f"<IIQ{len(value)}f", 9, 6, len(value), *value)
    return struct.pack(f"<IIQ{len(value)}i", 9, 5, len(value), *value)


def _padded(length: int) -> int:
    return -(-length // ALIGNMENT) * ALIGNMENT


def split_gguf(whole: Path, folder: Path, parts: int) -> list[Path]:
    """Split a file as llama.cpp's own tool does: the metadata in the first part, the tensors one after the other."""
    file = read_gguf(whole)
    raw = whole.read_bytes()
    types = {"F32": 0, "Q4_1": 3, "Q8_0": 8}
    share = -(-len(file.tensors) // parts)
    made = []
    for number in range(parts):
        tensors = file.tensors[number * share : (number + 1) * share]
        own = {"split.no": number, "split.count": parts, "split.tensors.count": len(file.tensors)}
        values = {**(file.values if number == 0 else {}), **own}
        head = bytearray(struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(values)))
        for key, value in values.items():
            head += _text(key)
            if isinstance(value, Array):
                head += struct.pack("<IIQ", 9, value.type, value.length) + raw[value.start : value.end]
            else:
                head += _value(value)
        data = bytearray()
        for tensor in tensors:
            shape = tensor.shape
            head += _text(tensor.name)
            head += struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, types[tensor.type], len(data))
            start = file.data_start + tensor.offset
            data += raw[start : start + tensor.size].ljust(_padded(tensor.size), b"\0")
        path = folder / f"{whole.stem}-{number + 1:05}-of-{parts:05}.gguf"
        path.write_bytes(head.ljust(_padded(len(head)), b"\0") + data)
        made.append(path)
    return made
