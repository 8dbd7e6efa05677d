import errno
import json
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from inglenook.kit.errors import BadInput
from inglenook.models.engine.gguf import Tensor, read_gguf
from inglenook.models.engine.model_file import inspect
from inglenook.models.engine.quantization import LEVELS, Heads, choose
from inglenook.models.engine.quantize import Stopped, quantize
from inglenook.models.errors import BadModelFile
from tests.support.gguf import tiny_llama, write_gguf


def _numbers(path: Path, name: str) -> bytes:
    """The data of a tensor."""
    file = read_gguf(path)
    [tensor] = [tensor for tensor in file.tensors if tensor.name == name]
    start = file.data_start + tensor.offset
    return path.read_bytes()[start : start + tensor.size]


@pytest.mark.parametrize("level", sorted(LEVELS))
def test_every_level_makes_a_model_file_of_that_level(level: str, tmp_path: Path) -> None:
    source = tiny_llama(tmp_path / "m.gguf")
    steps: list[tuple[int, int]] = []
    quantize(source, tmp_path / "q.gguf", level.lower(), progress=lambda done, total: steps.append((done, total)))
    before, after = inspect(source), inspect(tmp_path / "q.gguf")
    assert after.quantization == level
    assert (after.parameters, after.chat_template, after.vocabulary) == (
        before.parameters, before.chat_template, before.vocabulary
    )  # fmt: skip
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1] == sum(tensor.size for tensor in read_gguf(source).tensors)


def test_the_numbers_are_those_of_the_format(tmp_path: Path) -> None:
    """Q8_0: blocks of 32 with a scale of 16 bits, the largest number being 127 of it."""
    source = tiny_llama(tmp_path / "m.gguf")
    quantize(source, tmp_path / "q.gguf", "Q8_0")
    name = "blk.0.ffn_up.weight"
    numbers = np.frombuffer(_numbers(source, name), "<f4").reshape(-1, 32)
    scale = np.abs(numbers).max(axis=1, keepdims=True) / np.float32(127)
    whole = np.trunc(numbers / scale + np.copysign(np.float32(0.5), numbers)).astype("i1")
    expected = b"".join(struct.pack("<e", float(s[0])) + row.tobytes() for s, row in zip(scale, whole, strict=True))
    assert _numbers(tmp_path / "q.gguf", name) == expected


def test_norms_stay_and_the_last_step_keeps_more(tmp_path: Path) -> None:
    source = tiny_llama(tmp_path / "m.gguf")
    quantize(source, tmp_path / "q.gguf", "Q4_0")
    types = {tensor.name: tensor.type for tensor in read_gguf(tmp_path / "q.gguf").tensors}
    assert types["output_norm.weight"] == types["blk.1.ffn_norm.weight"] == "F32"
    assert types["blk.0.attn_q.weight"] == "Q4_0"
    assert types["output.weight"] == "Q8_0"  # its rows are too short for Q6_K


def test_the_mix_of_q4_k_m() -> None:
    layers = 32
    names = [f"blk.{n}.{part}.weight" for n in range(layers) for part in ("attn_q", "attn_v", "ffn_down", "ffn_norm")]
    tensors = [Tensor(name, (4096, 4096), "F16", 0, 0) for name in [*names, "token_embd.weight", "output.weight"]]
    types = choose(tensors, "Q4_K_M", Heads(1, 0, "llama"))
    more = [n for n in range(layers) if n < 4 or n >= 28 or (n - 4) % 3 == 2]
    assert [n for n in range(layers) if types[f"blk.{n}.attn_v.weight"] == "Q6_K"] == more
    assert [n for n in range(layers) if types[f"blk.{n}.ffn_down.weight"] == "Q6_K"] == more
    assert {types[f"blk.{n}.attn_q.weight"] for n in range(layers)} == {"Q4_K"}
    assert (types["token_embd.weight"], types["output.weight"]) == ("Q4_K", "Q6_K")
    tied = choose(tensors[:-1], "Q4_K_M", Heads(1, 0, "llama"))
    assert tied["token_embd.weight"] == "Q6_K"


def test_what_has_few_bits_already_and_what_is_no_level_is_refused(tmp_path: Path) -> None:
    source = tiny_llama(tmp_path / "m.gguf")
    quantize(source, tmp_path / "q8.gguf", "Q8_0")
    with pytest.raises(BadInput, match="only supported for F16, BF16 and F32 models; this one is Q8_0"):
        quantize(tmp_path / "q8.gguf", tmp_path / "q4.gguf", "Q4_0")
    with pytest.raises(BadInput, match="unsupported quantization type Q9; there are BF16, F16"):
        quantize(source, tmp_path / "q9.gguf", "Q9")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.gguf", "q8.gguf"]


def test_values_that_are_no_numbers_are_refused_by_tensor(tmp_path: Path) -> None:
    source = tiny_llama(tmp_path / "m.gguf")
    file = read_gguf(source)
    data = bytearray(source.read_bytes())
    [tensor] = [tensor for tensor in file.tensors if tensor.name == "blk.1.ffn_up.weight"]
    struct.pack_into("<f", data, file.data_start + tensor.offset, float("nan"))
    source.write_bytes(data)
    with pytest.raises(BadModelFile, match=r"tensor blk\.1\.ffn_up\.weight holds values that are no numbers"):
        quantize(source, tmp_path / "q.gguf", "Q8_0")
    assert not (tmp_path / "q.gguf").exists()


def _large(path: Path) -> Path:
    """A model whose weights take seconds to pack: most of them in tensors that are never run."""
    tiny = read_gguf(tiny_llama(path.with_suffix(".tiny")))
    values = {key: value for key, value in tiny.values.items() if not isinstance(value, tuple)}
    values |= {"tokenizer.ggml.tokens": ["a"], "general.file_type": 0}
    tensors = {"token_embd.weight": ((1024, 1), struct.pack("<f", 0.5) * 1024)}
    for block in range(2):
        for part in range(6):
            tensors[f"blk.{block}.part{part}.weight"] = ((4096, 1024), struct.pack("<f", 0.25) * (4096 * 1024))
    return write_gguf(path, values, tensors)


def test_when_it_is_stopped_nothing_is_left(tmp_path: Path) -> None:
    source, stop = _large(tmp_path / "m.gguf"), threading.Event()
    with pytest.raises(Stopped):
        quantize(source, tmp_path / "q.gguf", "Q4_K_M", progress=lambda done, total: stop.set(), stop=stop)
    assert not (tmp_path / "q.gguf").exists()


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "inglenook.models.engine.quantize_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdin is not None
    config = {"source": str(_large(tmp_path / "m.gguf")), "target": str(tmp_path / "q"), "level": "Q4_K_M"}
    child.stdin.write(json.dumps({**config, "threads": 1, "parent": os.getpid()}) + "\n")
    child.stdin.close()
    assert child.wait(20) == 1


def test_a_target_that_is_there_already_is_no_full_disk(tmp_path: Path) -> None:
    (tmp_path / "q.gguf").touch()
    with pytest.raises(BadModelFile, match=os.strerror(errno.EEXIST)):
        quantize(tiny_llama(tmp_path / "m.gguf"), tmp_path / "q.gguf", "Q8_0")
