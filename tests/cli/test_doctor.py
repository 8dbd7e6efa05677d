"""The doctor names what is wrong, and fails only then."""

import json
from pathlib import Path

import pytest

from inglenook.models.hub.layout import ModelStore
from tests.support.gguf import tiny_llama
from tests.support.running import RunningServer, inglenook

pytestmark = pytest.mark.slow


def test_it_looks_at_everything(tmp_path: Path) -> None:
    findings = json.loads(inglenook("doctor", "--json", "--data", str(tmp_path / "data")).stdout)
    said = " ".join(finding["what"] for finding in findings)
    for word in ("Python", "SQLite", "data directory", "memory", "xllamacpp", "web interface", "migrations"):
        assert word in said
    assert all(finding["advice"] for finding in findings if finding["state"] != "ok")


def test_a_data_directory_that_cannot_be_written_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "file").write_text("in the way")
    done = inglenook("doctor", "--data", str(tmp_path / "file" / "data"))
    assert done.returncode == 1
    assert "no folder one can write to" in done.stdout


def test_a_folder_of_ollama_is_offered(tmp_path: Path) -> None:
    theirs = ModelStore(tmp_path / "home" / ".ollama" / "models")
    theirs.import_gguf(tiny_llama(tmp_path / "tiny.gguf"), "theirs")
    data, home = str(tmp_path / "data"), str(tmp_path / "home")
    offered = inglenook("doctor", "--data", data, HOME=home).stdout
    assert f"models of Ollama in {theirs.root}: 1" in offered
    assert f"INGLENOOK_OLLAMA_MODELS={theirs.root}" in offered
    used = inglenook("doctor", "--data", data, HOME=home, INGLENOOK_OLLAMA_MODELS=str(theirs.root)).stdout
    assert f"{theirs.root}: 1, 0.0 GiB, used without a copy" in used
    listed = inglenook("list", "--data", data, HOME=home, INGLENOOK_OLLAMA_MODELS=str(theirs.root)).stdout
    assert "theirs:latest" in listed


def test_a_program_that_a_provider_starts_is_looked_for(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with RunningServer(data) as server, server.set_up() as client:
        body = {"kind": "vllm-here", "name": "Big one", "settings": {"model": "org/m", "command": "absent-vllm {port}"}}
        client.post("/api/v1/providers", json=body).raise_for_status()
        done = inglenook("doctor", "--data", str(data))
    assert done.returncode == 1
    assert "the provider Big one starts absent-vllm, which is not found" in done.stdout
    assert "uv tool install vllm" in done.stdout
