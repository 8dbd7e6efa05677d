"""One file that holds everything but the models, taken while the server runs; and back again.

The archive is a gzipped tar: the SQLite files (copied by SQLite's online backup, so each is consistent), the key
file, the settings file and the blobs. Blobs are copied after the databases: whatever a row refers to is there, unless
it was erased in between.
"""

import gzip
import os
import sqlite3
import tarfile
import tempfile
import zlib
from contextlib import closing, suppress
from pathlib import Path

from inglenook.kit.errors import BadInput, Conflict
from inglenook.store.lock import DataLock
from inglenook.store.secrets import KEY_FILE

_FILES = (KEY_FILE, "inglenook.toml")


def backup(data: Path, archive: Path) -> int:
    """Write a backup of the data directory to `archive` and return its size in bytes.

    Raises:
        BadInput: there is nothing to back up, or `archive` cannot be written.
        Conflict: `archive` exists already.
    """
    databases = sorted(data.glob("*.db"))
    if not databases:
        raise BadInput(f"{data} holds no Inglenook data; name the folder with --data")
    if archive.exists():
        raise Conflict(f"{archive} exists already; choose another name")
    partial = archive.with_name(archive.name + ".partial")
    try:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as tar:
            _collect(data, databases, tar)
        os.replace(partial, archive)
    except OSError as error:
        raise BadInput(f"cannot write {archive}: {error.strerror}") from None
    except sqlite3.Error as error:
        raise BadInput(f"cannot copy the databases of {data}: {error}") from None
    finally:
        partial.unlink(missing_ok=True)
    return archive.stat().st_size


def _collect(data: Path, databases: list[Path], tar: tarfile.TarFile) -> None:
    with tempfile.TemporaryDirectory(dir=data) as scratch:
        for database in databases:
            copy = Path(scratch) / database.name
            with closing(sqlite3.connect(database)) as old, closing(sqlite3.connect(copy)) as new:
                old.backup(new)
            tar.add(copy, database.name, filter=_private)
    for name in _FILES:
        if (data / name).exists():
            tar.add(data / name, name, filter=_private)
    for folder, _, names in os.walk(data / "blobs"):
        for name in names:
            path = Path(folder) / name
            with suppress(FileNotFoundError):  # erased since the folder was read
                tar.add(path, str(path.relative_to(data)), filter=_private)


def _private(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mode = 0o600
    return entry


def restore(archive: Path, data: Path) -> None:
    """Unpack a backup into an empty or absent data directory.

    Raises:
        BadInput: `archive` is not a backup, or a damaged one.
        Conflict: the directory holds data already.
    """
    if not archive.is_file():
        raise BadInput(f"there is no file {archive}")
    with DataLock(data), tempfile.TemporaryDirectory(dir=data) as scratch:
        if any(data.glob("*.db*")):  # their logs too: SQLite would play one into the restored file
            raise Conflict(f"{data} holds data already; restore into an empty folder with --data, then move it")
        try:
            _unpack(archive, Path(scratch))
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            raise BadInput(f"{archive} cannot be unpacked: {error}") from None
        if not (Path(scratch) / "main.db").exists():
            raise BadInput(f"{archive} is not an Inglenook backup: it holds no main.db")
        for name in [*_FILES, "blobs", *(path.name for path in Path(scratch).glob("*.db"))]:
            if (Path(scratch) / name).exists():
                os.rename(Path(scratch) / name, data / name)


def _unpack(archive: Path, folder: Path) -> None:
    with gzip.open(archive) as file:
        with tarfile.open(fileobj=file) as tar:
            tar.extractall(folder, filter="data")
        # Damage can look like the archive's end; the checksum, which is at the true one, tells.
        while file.read(1 << 20):
            pass
