from pathlib import Path
from typing import Any

import pytest

from inglenook.models.engine.model_file import MAX_TEMPLATE, inspect
from inglenook.models.errors import BadModelFile
from tests.support.engine import starter_gguf
from tests.support.gguf import edit_gguf, tiny_llama


def test_facts_of_a_model(tmp_path: Path) -> None:
    facts = inspect(tiny_llama(tmp_path / "tiny.gguf"))
    assert (facts.architecture, facts.name, facts.quantization) == ("llama", "Tiny", "F32")
    assert (facts.context_length, facts.embedding_length, facts.block_count) == (2048, 32, 2)
    assert facts.capabilities == {"completion"}
    assert facts.languages == ("en",)
    assert facts.parameter_size == "37.28K"
    assert facts.shape.cache(100) == 100 * 2 * 2 * (16 + 16) * 2
    assert not facts.embeds


def test_facts_of_the_starter() -> None:
    facts = inspect(starter_gguf())
    assert (facts.architecture, facts.quantization, facts.parameter_size) == ("llama", "Q4_1", "134.52M")
    assert (facts.context_length, facts.vocabulary) == (8192, 49152)
    assert facts.capabilities == {"completion"}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"llama__block_count": 0}, r"llama\.block_count is 0"),
        ({"llama__block_count": 999}, r"llama\.block_count is 999"),
        ({"llama__block_count": 1}, r"llama\.block_count is 1"),
        ({"llama__block_count": 10**9}, r"llama\.block_count is 1000000000"),
        ({"llama__block_count": "two"}, r"llama\.block_count is 'two'"),
        ({"llama__block_count": None}, r"llama\.block_count is None: the key is missing"),
        ({"llama__context_length": 0}, r"llama\.context_length is 0"),
        ({"llama__context_length": -5}, r"llama\.context_length is -5"),
        ({"llama__embedding_length": 0}, r"llama\.embedding_length is 0"),
        ({"general__architecture": None}, r"general\.architecture"),
        ({"general__architecture": 5}, r"general\.architecture is 5"),
        ({"general__type": "mmproj"}, "part for another model"),
        ({"split__count": 3}, r"split\.count is 3"),
        ({"tokenizer__ggml__tokens": None}, r"tokenizer\.ggml\.tokens"),
        ({"tokenizer__ggml__tokens": ["x"] * 4000}, r"token_embd\.weight has only 260"),
        ({"tokenizer__chat_template": "x" * (MAX_TEMPLATE + 1)}, r"tokenizer\.chat_template"),
        ({"tokenizer__chat_template": 1}, r"tokenizer\.chat_template is 1"),
    ],
)
def test_impossible_metadata_is_named(changes: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    path = tiny_llama(tmp_path / "odd.gguf", **changes)
    with pytest.raises(BadModelFile, match=complaint) as caught:
        inspect(path)
    assert "odd.gguf" in caught.value.message
    assert caught.value.status == 400


@pytest.mark.parametrize("count", [0, 999])
def test_an_edited_starter_is_refused(count: int, tmp_path: Path) -> None:
    path = edit_gguf(starter_gguf(), tmp_path / "edited.gguf", {"llama.block_count": count})
    with pytest.raises(BadModelFile, match=f"llama.block_count is {count}"):
        inspect(path)


@pytest.mark.parametrize(
    ("changes", "capabilities"),
    [
        ({"tokenizer__chat_template": "{% if tools %}{% endif %}"}, {"completion", "tools"}),
        ({"tokenizer__chat_template": "{{ enable_thinking }}"}, {"completion", "thinking"}),
        ({"tokenizer__ggml__fim_pre_token_id": 3}, {"completion", "insert"}),
        ({"llama__pooling_type": 1}, {"embedding"}),
    ],
)
def test_capabilities(changes: dict[str, Any], capabilities: set[str], tmp_path: Path) -> None:
    assert inspect(tiny_llama(tmp_path / "m.gguf", **changes)).capabilities == capabilities


def test_fill_in_is_seen_in_the_vocabulary(tmp_path: Path) -> None:
    tokens = ["<|endoftext|>", "<|fim_prefix|>"]
    assert "insert" in inspect(tiny_llama(tmp_path / "m.gguf", tokenizer__ggml__tokens=tokens)).capabilities


def test_values_may_differ_by_layer(tmp_path: Path) -> None:
    path = tiny_llama(tmp_path / "m.gguf", llama__attention__head_count_kv=[1, 2])
    assert inspect(path).shape.cache(1) == (1 + 2) * 32 * 2


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    path = tiny_llama(tmp_path / "m.gguf")
    assert inspect(path) is inspect(path)
    tiny_llama(path, general__name="Another")
    assert inspect(path).name == "Another"
