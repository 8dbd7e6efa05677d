from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from inglenook.kit.config import Settings
from inglenook.kit.errors import Unavailable
from inglenook.models.engine import machine
from inglenook.models.engine.source import MIB, Source, built_in_embedder

Tiny = Callable[..., Source]


def _large(source: Source) -> Source:
    """The tiny model with a costly cache: 1 MiB a token."""
    assert source.file is not None
    return replace(source, file=replace(source.file, kv_bytes_per_token=MIB, context_length=32768))


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
    assert replace(tiny(), params=params).context(num_ctx, Settings(context_length=512)) == context


def test_what_was_not_asked_for_is_made_smaller_to_fit(tiny: Tiny) -> None:
    settings = Settings(context_length=8192, parallel=4)
    source = _large(tiny())
    assert (source.plan(None, settings, 64 << 30).context, source.plan(None, settings, 64 << 30).slots) == (8192, 4)
    fewer = source.plan(None, settings, 20 << 30)
    assert (fewer.context, fewer.slots) == (8192, 2)
    smaller = source.plan(None, settings, 5 << 30)
    assert (smaller.context, smaller.slots) == (4096, 1)
    assert smaller.memory <= 5 << 30
    with pytest.raises(Unavailable, match=r"8192 tokens.*may use 5120 MiB"):
        source.plan(8192, settings, 5 << 30)


def test_a_core_is_left_to_the_server(tiny: Tiny) -> None:
    config = tiny().plan(None, Settings(), 1 << 40).spec.config
    assert config["threads"] == max(1, machine.cores() - 1)
    assert built_in_embedder().plan(None, Settings(), 0).spec.config["threads"] >= 1


def test_the_memory_budget() -> None:
    assert machine.memory_budget(100) == 100 * MIB
    assert 0 < machine.memory_budget(0) < 1 << 50
