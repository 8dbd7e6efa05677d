"""Backup and restore as a person would do them."""

from pathlib import Path

import pytest

from tests.support.running import RunningServer, inglenook

pytestmark = pytest.mark.slow


def test_a_backup_of_a_running_server_brings_everything_back(tmp_path: Path) -> None:
    archive = tmp_path / "backup.tar.gz"
    with RunningServer(tmp_path / "data") as server:
        with server.set_up() as client:
            key = server.key(client)
            client.post("/api/v1/conversations", json={"title": "Kept"}).raise_for_status()
        done = inglenook("backup", str(archive), "--data", str(server.data))
        assert done.returncode == 0, done.stderr
    again = tmp_path / "again"
    assert inglenook("restore", str(archive), "--data", str(again)).returncode == 0
    with RunningServer(again) as server, server.log_in() as client:
        titles = [row["title"] for row in client.get("/api/v1/conversations").json()["conversations"]]
        assert titles == ["Kept"]
        assert client.get("/v1/models", headers={"Authorization": f"Bearer {key}"}).is_success


def test_neither_overwrites(tmp_path: Path) -> None:
    archive = tmp_path / "backup.tar.gz"
    archive.write_bytes(b"precious")
    with RunningServer(tmp_path / "data") as server:
        done = inglenook("backup", str(archive), "--data", str(server.data))
        assert done.returncode == 1
        assert "exists already" in done.stderr
        assert archive.read_bytes() == b"precious"
        done = inglenook("restore", str(archive), "--data", str(server.data))
        assert done.returncode == 1
        assert "in use by process" in done.stderr
