"""A store, a model store and a tiny model, all real, in a temporary folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from inglenook.accounts import tables as _accounts
from inglenook.models import tables as _models
from inglenook.models.hub.layout import ModelStore
from inglenook.store.database import Store
from inglenook.store.secrets import Secrets
from inglenook.store.tables import Table
from tests.support.gguf import tiny_llama

__all__ = ["_accounts", "_models"]


@pytest.fixture
def models(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store.open(Store.sqlite_url(tmp_path / "main.db"))
    await store.write(lambda s: Table.metadata.create_all(s.connection()))
    yield store
    await store.close()


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    return Secrets(tmp_path)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GGUF file that could be run."""
    return tiny_llama(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture
def content(weights: Path) -> bytes:
    """Its bytes."""
    return weights.read_bytes()
