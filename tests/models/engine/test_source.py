from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from inglenook.kit.config import Settings
from inglenook.kit.errors import Unavailable
from inglenook.models.engine import machine
from inglenook.models.engine.defaults import from_modelfile
from inglenook.models.engine.memory import MIB
from inglenook.models.engine.source import BOUNDLESS, Room, Source, built_in_embedder

Tiny = Callable[..., Source]


def _large(source: Source) -> Source:
    """The tiny model with a costly cache: 1 MiB a token."""
    assert source.file is not None
    shape = replace(source.file.shape, key=MIB // 4, value=MIB // 4)
    return replace(source, file=replace(source.file, shape=shape, context_length=32768))


def _room(budget: int, *, free: int | None = None, available: int = 1 << 50) -> Room:
    return Room(budget=budget, free=budget if free is None else free, available=available)


@pytest.mark.parametrize(
    ("num_ctx", "params", "context"),
    [
        (None, {}, 512),
        (None, {"num_ctx": 1024}, 1024),
        (768, {"num_ctx": 1024}, 768),
        (700, {}, 768),
        (None, {"num_ctx": "plenty"}, 512),
        (1, {}, 256),
        (99999, {}, 2048),
    ],
)
def test_context(num_ctx: int | None, params: dict[str, Any], context: int, tiny: Tiny) -> None:
    defaults = from_modelfile(params, "", "")
    assert replace(tiny(), defaults=defaults).context(num_ctx, Settings(context_length=512)) == context


def test_what_was_not_asked_for_is_made_smaller_to_fit(tiny: Tiny) -> None:
    settings = Settings(context_length=8192, parallel=4)
    source = _large(tiny())
    roomy = source.plan(None, settings, _room(64 << 30))
    assert (roomy.context, roomy.slots) == (8192, 4)
    fewer = source.plan(None, settings, _room(20 << 30))
    assert (fewer.context, fewer.slots) == (8192, 2)
    smaller = source.plan(None, settings, _room(5 << 30))
    assert (smaller.context, smaller.slots) == (4096, 1)
    assert smaller.memory <= 5 << 30


def test_the_cache_of_prompts_goes_before_slots_do(tiny: Tiny) -> None:
    settings = Settings(context_length=8192, parallel=4)
    source = _large(tiny())
    roomy = source.plan(None, settings, BOUNDLESS)
    assert roomy.spec.config["cache_mib"] == 256
    tight = source.plan(None, settings, _room(roomy.memory - 100 * MIB))
    assert (tight.slots, tight.spec.config["cache_mib"]) == (4, 0)


def test_what_does_not_fit_is_refused_with_what_it_needs_what_there_is_and_what_would_fit(tiny: Tiny) -> None:
    settings = Settings(context_length=8192, parallel=4)
    source = _large(tiny())
    with pytest.raises(Unavailable) as caught:
        source.plan(8192, settings, _room(5 << 30))
    message, details = caught.value.message, caught.value.details
    assert "context of 8192 tokens" in message
    assert "may use 5120 MiB" in message
    assert f"needs about {details['needed'] // MIB} MiB (weights 0, cache 8192, work " in message
    fits = details["largest_context_length"]
    assert 4096 <= fits < 8192
    assert f"a context of {fits} tokens would fit" in message
    assert source.plan(fits, settings, _room(5 << 30)).context == fits
    with pytest.raises(Unavailable):
        source.plan(fits + 256, settings, _room(5 << 30))


def test_what_the_machine_has_free_counts_as_the_budget_does(tiny: Tiny) -> None:
    with pytest.raises(Unavailable, match=r"this machine has 3000 MiB free"):
        _large(tiny()).plan(8192, Settings(), _room(64 << 30, available=3000 * MIB))
    with pytest.raises(Unavailable, match="no context would fit: take a smaller model"):
        tiny().plan(None, Settings(), _room(1 << 40, available=MIB))


def test_a_core_is_left_to_the_server(tiny: Tiny) -> None:
    config = tiny().plan(None, Settings(), BOUNDLESS).spec.config
    assert config["threads"] == max(1, machine.cores() - 1)
    assert built_in_embedder().plan(None, Settings(), BOUNDLESS).spec.config["threads"] >= 1


def test_the_memory_budget() -> None:
    assert machine.memory_budget(100) == 100 * MIB
    assert 0 < machine.memory_budget(0) < 1 << 50
    assert machine.available() > 0
