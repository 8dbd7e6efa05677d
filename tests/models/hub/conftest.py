"""A hub on a temporary folder, and a server of files on loopback."""

import importlib.util
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from inglenook.kit.config import Settings, load_settings
from inglenook.kit.http.outbound import Outbound
from inglenook.models.hub import installer
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


@pytest.fixture(params=["pip", "uv"])
def tool(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, server: FileServer) -> str:
    """The user's settings, and which tool is there."""
    elsewhere = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    for variable in [*os.environ]:
        if variable.startswith(("PIP_", "UV_")) or variable.upper() in elsewhere:
            monkeypatch.delenv(variable)
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.origin}/simple/")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("UV_INDEX_URL", f"{server.origin}/simple/")
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "10")
    name: str = request.param
    if name == "uv":
        if shutil.which("uv") is None and not os.path.exists(os.path.join(os.path.dirname(sys.executable), "uv")):
            pytest.skip("uv is not installed")
        find_spec = importlib.util.find_spec
        monkeypatch.setattr(
            installer.importlib.util, "find_spec", lambda name, *rest: None if name == "pip" else find_spec(name, *rest)
        )
    return name


@pytest.fixture
def pip_only(tool: str) -> None:
    if tool != "pip":
        pytest.skip("once is enough")
