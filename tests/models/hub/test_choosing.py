"""Which files of a repository are meant."""

import pytest

from inglenook.kit.errors import BadInput
from inglenook.models.errors import ModelNotFound
from inglenook.models.hub.choosing import RepositoryFile, choose, quantization_of


def files(*paths: str) -> list[RepositoryFile]:
    return [RepositoryFile(path, 1000 + number, "0" * 64) for number, path in enumerate(paths)]


def chosen(wanted: str, *paths: str) -> list[str]:
    return [file.path for file in choose(files(*paths), wanted, "hf.co/u/r").weights]


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("Qwen3-0.6B-Q4_K_M.gguf", "Q4_K_M"),
        ("model.q8_0.gguf", "Q8_0"),
        ("Qwen3-30B-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("BF16/Model-00001-of-00002.gguf", "BF16"),
        ("Model-IQ2_XXS-00001-of-00003.gguf", "IQ2_XXS"),
        ("gpt-oss-20b-MXFP4.gguf", "MXFP4"),
        ("Q3-model.gguf", "Q3"),
        ("plain.gguf", ""),
    ],
)
def test_quantizations_are_read_from_names(path: str, label: str) -> None:
    assert quantization_of(path) == label


@pytest.mark.parametrize("wanted", ["Q4_K_M", "q4_k_m", "m-Q4_K_M.gguf", "m-q4_k_m"])
def test_one_is_named_by_quantization_or_file(wanted: str) -> None:
    assert chosen(wanted, "m-Q8_0.gguf", "m-Q4_K_M.gguf", "README.md") == ["m-Q4_K_M.gguf"]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (("m-Q8_0.gguf", "m-Q4_K_M.gguf", "m-F16.gguf"), "m-Q4_K_M.gguf"),
        (("m-Q8_0.gguf", "m-F16.gguf"), "m-Q8_0.gguf"),
        (("m-IQ1_S.gguf", "m-Q5_K_M.gguf"), "m-Q5_K_M.gguf"),
        (("b.gguf", "a-larger.gguf"), "b.gguf"),
        (("mmproj-F16.gguf", "m.imatrix.gguf", "m.gguf"), "m.gguf"),
    ],
)
@pytest.mark.parametrize("wanted", ["", "latest"])
def test_the_usual_choice(wanted: str, paths: tuple[str, ...], expected: str) -> None:
    assert chosen(wanted, *paths) == [expected]


def test_parts_are_taken_together_and_in_order() -> None:
    parts = [f"Q4_K_M/m-Q4_K_M-0000{number}-of-00003.gguf" for number in (1, 2, 3)]
    assert chosen("Q4_K_M", parts[2], parts[0], parts[1], "m-Q8_0.gguf") == parts
    assert chosen(parts[1], *parts) == parts


def test_missing_parts_are_said() -> None:
    with pytest.raises(BadInput, match="only 1 of the 2 parts"):
        chosen("Q8_0", "m-Q8_0-00001-of-00002.gguf")


def test_what_is_not_there_is_answered_with_what_is() -> None:
    with pytest.raises(ModelNotFound, match="has no Q2_K; there is Q4_K_M, Q8_0"):
        chosen("Q2_K", "m-Q4_K_M.gguf", "m-Q8_0.gguf")
    with pytest.raises(ModelNotFound, match="no GGUF file"):
        chosen("Q2_K", "model.safetensors", "mmproj-F16.gguf")


def test_two_that_are_meant_alike_are_asked_about() -> None:
    with pytest.raises(BadInput, match=r"one of them: a-Q8_0\.gguf, b-Q8_0\.gguf"):
        chosen("Q8_0", "a-Q8_0.gguf", "b-Q8_0.gguf")
    assert chosen("UD-Q4_K_XL", "m-Q4_K_XL.gguf", "m-UD-Q4_K_XL.gguf") == ["m-UD-Q4_K_XL.gguf"]


def test_a_projector_comes_along_the_best_one_and_from_the_same_folder() -> None:
    def projector(*paths: str) -> str | None:
        found = choose(files(*paths), "Q8_0", "r").projector
        return found.path if found else None

    assert projector("m-Q8_0.gguf") is None
    assert projector("m-Q8_0.gguf", "mmproj-F32.gguf", "mmproj-F16.gguf") == "mmproj-F16.gguf"
    assert projector("a/m-Q8_0.gguf", "b/mmproj-F16.gguf") is None
    assert projector("a/m-Q8_0.gguf", "mmproj-F16.gguf", "a/mmproj-BF16.gguf") == "a/mmproj-BF16.gguf"
