"""A backup is taken while writes go on, and what comes back is what was there."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from inglenook.kit.errors import BadInput, Conflict
from inglenook.store.backup import backup, restore
from inglenook.store.blobs import Blobs
from inglenook.store.database import Store
from inglenook.store.secrets import Secrets


async def test_a_backup_under_load_restores_a_consistent_whole(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    cipher = Secrets(data).encrypt("sk-very-secret")
    digest = Blobs(data / "blobs").put(b"a blob")
    store = Store.open(Store.sqlite_url(data / "main.db"))
    await store.write(lambda s: s.execute(text("CREATE TABLE pairs (a INTEGER, b INTEGER)")))

    async def keep_writing(stop: asyncio.Event) -> None:
        n = 0
        while not stop.is_set():
            n += 1
            await store.write(lambda s, n=n: s.execute(text("INSERT INTO pairs VALUES (:n, 0), (0, :n)"), {"n": n}))

    stop = asyncio.Event()
    writing = asyncio.create_task(keep_writing(stop))
    await asyncio.to_thread(backup, data, tmp_path / "backup.tar.gz")
    stop.set()
    await writing
    await store.close()

    restore(tmp_path / "backup.tar.gz", tmp_path / "again")
    assert Secrets(tmp_path / "again").decrypt(cipher) == "sk-very-secret"
    assert Blobs(tmp_path / "again" / "blobs").get(digest) == b"a blob"
    again = Store.open(Store.sqlite_url(tmp_path / "again" / "main.db"))
    a, b = await again.read(lambda s: s.execute(text("SELECT sum(a), sum(b) FROM pairs")).one())
    assert a == b
    await again.close()


def test_a_restore_never_overwrites_data(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "main.db").write_bytes(b"precious")
    (tmp_path / "b.tar.gz").write_bytes(b"whatever")
    with pytest.raises(Conflict, match="holds data already"):
        restore(tmp_path / "b.tar.gz", tmp_path / "data")
    assert (tmp_path / "data" / "main.db").read_bytes() == b"precious"


@pytest.mark.parametrize("content", [b"", b"not a tar at all", b"\x1f\x8b\x08\x00broken"])
def test_garbage_is_refused_and_leaves_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b.tar.gz").write_bytes(content)
    with pytest.raises(BadInput):
        restore(tmp_path / "b.tar.gz", tmp_path / "data")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["inglenook.lock"]


def test_an_empty_folder_has_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--data"):
        backup(tmp_path, tmp_path / "b.tar.gz")
    assert list(tmp_path.iterdir()) == []
