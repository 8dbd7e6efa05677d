"""A hub on a temporary folder, and a server of files on loopback."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from inglenook.kit.config import Settings, load_settings
from inglenook.kit.http.outbound import Outbound
from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.service import Hub
from tests.support.files import FileServer, file_server


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data=tmp_path)


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with file_server() as files:
        yield files


@pytest.fixture
async def outbound() -> AsyncIterator[Outbound]:
    outbound = Outbound(allow_private=["127.0.0.1"])
    yield outbound
    await outbound.close()


@pytest.fixture
async def hub(settings: Settings, models: ModelStore, outbound: Outbound) -> AsyncIterator[Hub]:
    hub = Hub(settings, models, outbound)
    yield hub
    await hub.stop()
