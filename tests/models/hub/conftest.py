"""A model store in a temporary folder, and small files that pass for models."""

from pathlib import Path

import pytest

from inglenook.models.hub.layout import ModelStore


@pytest.fixture
def models(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")
