"""A provider kind from another package: installed, it is offered, set up and asked like our own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.running import ROOT, RunningServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the plugin was installed into by pip, without any index."""
    folder = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(Path(__file__).parent / "package", folder / "source")
    target = folder / "site"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*command, "--disable-pip-version-check", "--target", str(target), str(source)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return target


@pytest.fixture(scope="module")
def server(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    path = os.pathsep.join([str(ROOT), str(installed)])
    with RunningServer(tmp_path_factory.mktemp("server") / "data", PYTHONPATH=path) as server:
        yield server


@pytest.fixture(scope="module")
def admin(server: RunningServer) -> Iterator[httpx.Client]:
    with server.set_up() as client:
        yield client


def test_the_kind_is_listed_with_its_form(admin: httpx.Client) -> None:
    kinds = {kind["name"]: kind for kind in admin.get("/api/v1/providers/kinds").json()}
    assert "openai-compatible" in kinds
    assert (kinds["parrot"]["title"], kinds["parrot"]["icon"]) == ("Parrot", "bird")
    assert kinds["parrot"]["settings_schema"]["properties"]["phrase"]["title"] == "Phrase"


def test_its_schema_is_held_to(admin: httpx.Client) -> None:
    answer = admin.post("/api/v1/providers", json={"kind": "parrot", "name": "Mute", "settings": {}})
    assert answer.status_code == 400
    assert "phrase" in answer.json()["error"]["message"]


def test_a_chat_goes_through_it(server: RunningServer, admin: httpx.Client) -> None:
    settings = {"phrase": "Pieces of eight", "token": "t0p-secret"}
    body = {"kind": "parrot", "name": "Cage", "settings": settings}
    added = admin.post("/api/v1/providers", json=body)
    assert added.status_code == 201, added.text
    assert "t0p-secret" not in added.text
    assert added.json()["secrets"] == ["token"]
    path = f"/api/v1/providers/{added.json()['id']}"
    offered = admin.post(f"{path}/check").json()["models"]
    assert [model["name"] for model in offered] == ["polly"]
    chosen = admin.patch(path, json={"models": [{"name": "polly", "public_name": "parrot"}]})
    assert chosen.status_code == 200, chosen.text
    key = server.key(admin)
    question = {"model": "parrot", "messages": [{"role": "user", "content": "Who is there?"}]}
    answer = admin.post("/v1/chat/completions", json=question, headers={"Authorization": f"Bearer {key}"})
    assert answer.json()["choices"][0]["message"]["content"] == "Pieces of eight"
    assert answer.json()["usage"] == {**answer.json()["usage"], "prompt_tokens": 1, "completion_tokens": 3}


def test_without_the_package_there_is_no_such_kind(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data") as server, server.set_up() as client:
        assert "parrot" not in [kind["name"] for kind in client.get("/api/v1/providers/kinds").json()]
        answer = client.post("/api/v1/providers", json={"kind": "parrot", "name": "Cage", "settings": {"phrase": "x"}})
        assert answer.status_code == 400
        assert "parrot" in answer.json()["error"]["message"]
