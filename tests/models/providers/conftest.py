"""Providers of models run here, over an engine that ends with the test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from inglenook.kit.config import Settings
from inglenook.kit.http.pool import HttpPool
from inglenook.models.engine.service import Engine
from inglenook.models.hub.layout import ModelStore
from inglenook.models.providers.embedding import EmbeddingProvider
from inglenook.models.providers.local import LocalProvider


@pytest.fixture
async def http() -> AsyncIterator[HttpPool]:
    pool = HttpPool()
    yield pool
    await pool.close()


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    settings = Settings(data=tmp_path, context_length=512, load_timeout=60)
    engine = Engine(settings, ModelStore(tmp_path / "models"))
    yield engine
    await engine.stop()


@pytest.fixture
def local(engine: Engine, http: HttpPool) -> LocalProvider:
    return LocalProvider(engine, http)


@pytest.fixture
def embedding(engine: Engine, http: HttpPool) -> EmbeddingProvider:
    return EmbeddingProvider(engine, http)
