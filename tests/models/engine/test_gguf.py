import random
import struct
from pathlib import Path

import pytest

from inglenook.models.engine.gguf import Array, read_gguf
from inglenook.models.errors import BadModelFile
from tests.support.gguf import U64, gguf, tiny_llama, write_gguf


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return tiny_llama(tmp_path / "tiny.gguf")


def _head(path: Path) -> int:
    return read_gguf(path).data_start


def test_reads_values_of_every_kind(tmp_path: Path) -> None:
    values = {
        "general.architecture": "x",
        "text": "häuschen",
        "whole": 7,
        "negative": -7,
        "long": U64(1 << 40),
        "real": 0.5,
        "yes": True,
        "words": ["a", "bc", ""],
        "numbers": [1, 2, 3],
    }
    file = read_gguf(write_gguf(tmp_path / "f", values, {"t": ((2, 3), bytes(24))}))
    assert {key: value for key, value in file.values.items() if not isinstance(value, Array)} == {
        key: value for key, value in values.items() if not isinstance(value, list)
    }
    assert file.array("words") == ["a", "bc", ""]
    assert file.array("words", 2) == ["a", "bc"]
    assert file.array("numbers") == [1, 2, 3]
    assert file.mentions("words", b"bc")
    assert not file.mentions("words", b"zz")
    assert not file.mentions("absent", b"bc")


def test_texts_beyond_all_measure_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inglenook.models.engine.gguf.MAX_TEXT", 3_000)
    texts = {f"text.{number}": "x" * 1_000 for number in range(4)}
    with pytest.raises(BadModelFile, match=r"more than 3000 bytes of text"):
        read_gguf(write_gguf(tmp_path / "wordy.gguf", texts, {}))


def test_tensors_have_places_and_sizes(tiny: Path) -> None:
    file = read_gguf(tiny)
    assert {tensor.type for tensor in file.tensors} == {"F32"}
    last = file.tensors[-1]
    assert file.data_start + last.offset + last.size <= tiny.stat().st_size
    assert sum(tensor.parameters for tensor in file.tensors) * 4 == sum(tensor.size for tensor in file.tensors)


def test_a_truncated_file_is_refused_wherever_it_is_cut(tiny: Path, tmp_path: Path) -> None:
    whole = tiny.read_bytes()
    cut = tmp_path / "cut.gguf"
    last = read_gguf(tiny).tensors[-1]
    needed = _head(tiny) + last.offset + last.size
    for length in [*range(0, 200, 7), *range(200, needed, 997), needed - 1]:
        cut.write_bytes(whole[:length])
        with pytest.raises(BadModelFile, match=r"cut\.gguf"):
            read_gguf(cut)


@pytest.mark.parametrize("content", [b"", b"GGUF", bytes(4096), random.Random(1).randbytes(4096), b"GGUF" * 1000])
def test_garbage_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "garbage.gguf"
    path.write_bytes(content)
    with pytest.raises(BadModelFile, match=r"garbage\.gguf"):
        read_gguf(path)


def test_damaged_heads_cost_no_more_than_an_error(tiny: Path, tmp_path: Path) -> None:
    noise = random.Random(7)
    head, whole = _head(tiny), tiny.read_bytes()
    damaged = tmp_path / "damaged.gguf"
    refused = 0
    for _ in range(600):
        content = bytearray(whole)
        for _ in range(noise.randint(1, 4)):
            content[noise.randrange(4, head)] = noise.randrange(256)
        damaged.write_bytes(content)
        try:
            read_gguf(damaged)
        except BadModelFile:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize(
    ("offset", "value", "complaint"),
    [
        (4, struct.pack("<I", 1), "version 1"),
        (4, struct.pack(">I", 3), "big-endian"),
        (8, struct.pack("<Q", 1 << 60), "tensors"),
        (16, struct.pack("<Q", 1 << 60), "keys"),
        (24, struct.pack("<Q", 1 << 60), "key 0 is"),
    ],
)
def test_absurd_counts_are_named(tiny: Path, offset: int, value: bytes, complaint: str) -> None:
    content = bytearray(tiny.read_bytes())
    content[offset : offset + len(value)] = value
    tiny.write_bytes(content)
    with pytest.raises(BadModelFile, match=complaint):
        read_gguf(tiny)


def test_a_key_comes_once(tmp_path: Path) -> None:
    path = tmp_path / "twice.gguf"
    path.write_bytes(gguf(first=1, other=2).replace(b"other", b"first"))
    with pytest.raises(BadModelFile, match="key first comes twice"):
        read_gguf(path)


@pytest.mark.parametrize("alignment", [0, 3, 1 << 20, "32"])
def test_an_impossible_alignment_is_refused(alignment: object, tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "f", {"general.alignment": alignment}, {})
    with pytest.raises(BadModelFile, match=r"general\.alignment"):
        read_gguf(path)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadModelFile, match="missing"):
        read_gguf(tmp_path / "absent.gguf")
