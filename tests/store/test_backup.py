"""A backup is taken while writes go on, and what comes back is what was there."""

import asyncio
import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from inglenook.kit.errors import BadInput, Conflict, NotFound
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


def _data(folder: Path) -> Path:
    """A small data directory."""
    folder.mkdir()
    Secrets(folder)
    for name in ("main.db", "usage.db"):
        with closing(sqlite3.connect(folder / name)) as database:
            database.execute("CREATE TABLE t (text TEXT)")
            database.executemany("INSERT INTO t VALUES (?)", [(os.urandom(200).hex(),) for _ in range(2000)])
            database.commit()
    return folder


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes(byte ^ 0x55 for byte in content[middle : middle + 64]) + content[middle + 64 :]


def _flip_end(content: bytes) -> bytes:
    return content[:-6] + bytes([content[-6] ^ 1]) + content[-5:]


@pytest.mark.parametrize("damage", [_cut, _flip, _flip_end])
def test_a_damaged_backup_is_refused_whole(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    backup(_data(tmp_path / "data"), tmp_path / "b.tar.gz")
    (tmp_path / "b.tar.gz").write_bytes(damage((tmp_path / "b.tar.gz").read_bytes()))
    with pytest.raises(BadInput, match=r"b\.tar\.gz"):
        restore(tmp_path / "b.tar.gz", tmp_path / "again")
    assert [path.name for path in (tmp_path / "again").iterdir()] == ["inglenook.lock"]


def test_what_is_restored_is_its_owners_alone(tmp_path: Path) -> None:
    backup(_data(tmp_path / "data"), tmp_path / "b.tar.gz")
    again = tmp_path / "again"
    again.mkdir(mode=0o755)
    restore(tmp_path / "b.tar.gz", again)
    assert {stat.S_IMODE(path.stat().st_mode) for path in again.iterdir()} == {0o600}


def test_a_restore_does_not_meet_a_leftover_log(tmp_path: Path) -> None:
    backup(_data(tmp_path / "data"), tmp_path / "b.tar.gz")
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "main.db-wal").write_bytes(b"of another database")
    with pytest.raises(Conflict, match="holds data already"):
        restore(tmp_path / "b.tar.gz", tmp_path / "again")


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"absent.*No such file"):
        backup(_data(tmp_path / "data"), tmp_path / "absent" / "b.tar.gz")


def test_a_blob_that_is_deleted_meanwhile_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = _data(tmp_path / "data")
    blobs = Blobs(data / "blobs")
    kept, going = blobs.put(b"kept"), blobs.put(b"going")
    walk = os.walk

    def walk_slowly(top: Path) -> Any:
        found = list(walk(top))
        blobs.delete(going)  # after it was listed, before it is read
        return iter(found)

    monkeypatch.setattr(os, "walk", walk_slowly)
    backup(data, tmp_path / "b.tar.gz")
    restore(tmp_path / "b.tar.gz", tmp_path / "again")
    again = Blobs(tmp_path / "again" / "blobs")
    assert again.get(kept) == b"kept"
    with pytest.raises(NotFound):
        again.get(going)
