"""Which better models are offered for a machine."""

import pytest

from inglenook.models.hub.registry import parse_source
from inglenook.models.hub.suggestions import SUGGESTIONS, suggest

GIB = 1024**3


def names(budget: int, **options: object) -> list[str]:
    return [found.suggestion.name for found in suggest(budget, **options)]  # type: ignore[arg-type]


def test_every_source_can_be_read_and_has_a_size() -> None:
    for suggestion in SUGGESTIONS:
        assert suggestion.places
        for place in suggestion.places:
            assert parse_source(place.source, suggestion.name).name == suggestion.name
            assert place.size < suggestion.memory
        assert suggestion.en.endswith(".")
        assert suggestion.zh.endswith("。")


@pytest.mark.parametrize("gib", [0, 1, 2, 4, 8, 16, 64])
def test_what_is_offered_fits_and_the_starter_is_last(gib: int) -> None:
    found = suggest(gib * GIB, cores=4)
    assert found[-1].suggestion.starter
    assert found[-1].suggestion.languages == ("en",)
    assert all(f.suggestion.memory <= gib * GIB for f in found[:-1])
    assert [f.recommended for f in found] == [True] * (len(found) > 1) + [False] * (len(found) - (len(found) > 1))


def test_models_that_speak_the_readers_language_come_first() -> None:
    found = suggest(16 * GIB, language="zh-CN", cores=8)
    speaks = ["zh" in f.suggestion.languages for f in found]
    assert speaks == sorted(speaks, reverse=True)
    assert found[0].suggestion.name == "qwen3:4b"
    assert found[0].places[0].source.startswith("modelscope:")
    assert found[0].places != suggest(16 * GIB, language="en", cores=8)[0].places


def test_a_small_machine_is_offered_what_it_can_run_at_a_useful_speed() -> None:
    assert names(16 * GIB, language="zh", cores=2)[0] == "qwen3:1.7b"
    assert names(16 * GIB, language="zh", cores=32)[0] == "qwen3:14b"
    assert names(0, language="zh", cores=2) == ["smollm2:135m"]


def test_what_is_here_is_not_recommended() -> None:
    first = suggest(16 * GIB, cores=4)[0].suggestion.name
    found = suggest(16 * GIB, cores=4, installed=lambda name: name == first)
    assert [f.recommended for f in found[:2]] == [False, True]
