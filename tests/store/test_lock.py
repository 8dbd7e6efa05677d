"""One process per data directory."""

import os
from pathlib import Path

import pytest

from inglenook.kit.errors import BadInput
from inglenook.store.lock import DataLock, DataLocked


def test_a_second_holder_is_told_who_has_it(tmp_path: Path) -> None:
    with DataLock(tmp_path), pytest.raises(DataLocked, match=str(os.getpid())):
        DataLock(tmp_path).acquire()


def test_the_lock_goes_with_its_holder(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        DataLock(tmp_path).acquire()
        os._exit(0)
    os.waitpid(pid, 0)
    with DataLock(tmp_path):
        pass


def test_a_folder_that_cannot_be_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match=r"file/data.*Not a directory.*--data"):
        DataLock(tmp_path / "file" / "data").acquire()
