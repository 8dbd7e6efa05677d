"""Engines that run tiny models, and end with the test."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from inglenook.kit.config import Settings
from inglenook.kit.http.pool import HttpPool
from inglenook.models.engine.service import Engine
from inglenook.models.engine.source import Source, from_path
from inglenook.models.hub.layout import ModelStore
from tests.support.gguf import tiny_llama


@pytest.fixture
async def make_engine(tmp_path: Path) -> AsyncIterator[Callable[..., Engine]]:
    """Makes an engine with the given settings."""
    engines: list[Engine] = []

    def make(**settings: Any) -> Engine:
        settings = {"data": tmp_path, "context_length": 512, "load_timeout": 30, **settings}
        available = settings.pop("available", lambda: 1 << 50)
        engines.append(Engine(Settings(**settings), ModelStore(tmp_path / "models"), available=available))
        return engines[-1]

    yield make
    for engine in engines:
        await engine.stop()


@pytest.fixture
async def http() -> AsyncIterator[HttpPool]:
    pool = HttpPool()
    yield pool
    await pool.close()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Source]:
    """Tiny models by name, each a file of its own."""
    folder = tmp_path_factory.mktemp("tiny")

    def make(name: str = "a") -> Source:
        path = folder / f"{name}.gguf"
        return from_path(path if path.exists() else tiny_llama(path, seed=len(name) + ord(name[0])))

    return make
