"""The store's two verbs, on a real SQLite file."""

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Mapped, Session, mapped_column

from inglenook.kit.errors import Unavailable
from inglenook.store.database import Store, after_commit
from inglenook.store.tables import Table


@pytest.fixture
async def store(tmp_path: Path):
    store = Store.open(Store.sqlite_url(tmp_path / "main.db"))
    await store.write(lambda s: s.execute(text("CREATE TABLE t (n INTEGER PRIMARY KEY)")))
    yield store
    await store.close()


def insert(n: int):
    return lambda session: session.execute(text("INSERT INTO t VALUES (:n)"), {"n": n})


async def rows(store: Store) -> list[int]:
    return await store.read(lambda s: [row[0] for row in s.execute(text("SELECT n FROM t ORDER BY n"))])


async def test_a_write_is_read_back(store: Store) -> None:
    await store.write(insert(1))
    assert await rows(store) == [1]


async def test_a_bad_write_fails_alone_in_its_batch(store: Store) -> None:
    def bad(session: Session) -> None:
        insert(50)(session)
        raise ValueError("no")

    results = await asyncio.gather(
        *(store.write(insert(n)) for n in range(10)),
        store.write(bad),
        store.write(insert(3)),
        *(store.write(insert(n)) for n in range(10, 20)),
        return_exceptions=True,
    )
    assert await rows(store) == list(range(20))
    failed = [r for r in results if isinstance(r, Exception)]
    assert len(failed) == 2
    assert any(isinstance(e, ValueError) for e in failed)


async def test_a_failed_flush_undoes_its_own_write_only(store: Store) -> None:
    class Row(Table):
        __tablename__ = "t"
        n: Mapped[int] = mapped_column(primary_key=True)

    def twice(session: Session) -> None:
        session.add(Row(n=1))
        session.flush()
        session.add(Row(n=2))
        session.flush()
        session.execute(text("INSERT INTO t VALUES (1)"))

    def clash(session: Session) -> None:
        session.add(Row(n=0))

    results = await asyncio.gather(
        store.write(insert(0)),
        store.write(clash),
        store.write(twice),
        store.write(insert(9)),
        return_exceptions=True,
    )
    assert [type(r).__name__ for r in results[1:3]] == ["IntegrityError", "IntegrityError"]
    assert await rows(store) == [0, 9]
    Table.metadata.remove(Row.__table__)


async def test_after_commit_runs_before_the_caller_resumes_and_not_after_a_failure(store: Store) -> None:
    seen: list[str] = []

    def good(session: Session) -> None:
        after_commit(session, lambda: seen.append("good"))

    def bad(session: Session) -> None:
        after_commit(session, lambda: seen.append("bad"))
        raise ValueError

    await store.write(good)
    assert seen == ["good"]
    with pytest.raises(ValueError):
        await store.write(bad)
    assert seen == ["good"]


async def test_reads_cannot_write(store: Store) -> None:
    with pytest.raises(Exception, match="readonly"):
        await store.read(insert(1))


async def test_close_finishes_what_is_queued(tmp_path: Path) -> None:
    store = Store.open(Store.sqlite_url(tmp_path / "main.db"))
    await store.write(lambda s: s.execute(text("CREATE TABLE t (n INTEGER PRIMARY KEY)")))
    writes = [asyncio.ensure_future(store.write(insert(n))) for n in range(200)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*writes)
    again = Store.open(Store.sqlite_url(tmp_path / "main.db"))
    assert len(await rows(again)) == 200
    await again.close()


async def test_a_callback_that_fails_keeps_nobody_waiting(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    def insert_and_fail(session: Session) -> None:
        insert(1)(session)
        after_commit(session, lambda: 1 // 0)

    async with asyncio.timeout(10):
        await asyncio.gather(store.write(insert_and_fail), store.write(insert(2)))
    assert await rows(store) == [1, 2]
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("name", ["a?b", "a#b", "50%", "a%20b", "a@b:c", "空"])
async def test_any_folder_name_will_do(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "main.db"
    path.parent.mkdir()
    store = Store.open(Store.sqlite_url(path))
    await store.write(lambda s: s.execute(text("CREATE TABLE t (n INTEGER PRIMARY KEY)")))
    assert await rows(store) == []
    await store.close()
    assert path.exists()
    assert os.listdir(tmp_path) == [name]


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "main.db"
    path.write_bytes(b"certainly not a database" * 100)
    with pytest.raises(Unavailable, match=r"main\.db.*not a database.*backup"):
        Store.open(Store.sqlite_url(path))


async def test_the_files_are_their_owners_alone_whatever_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "main.db"
    path.touch(mode=0o644)  # as an earlier version left it
    store = Store.open(Store.sqlite_url(path))
    await store.write(lambda s: s.execute(text("CREATE TABLE t (n INTEGER PRIMARY KEY)")))
    modes = {name: oct(stat.S_IMODE((tmp_path / name).stat().st_mode)) for name in os.listdir(tmp_path)}
    assert modes == dict.fromkeys(("main.db", "main.db-wal", "main.db-shm"), "0o600")
    await store.close()


def test_sqlite_alone_does_not_load_postgresql() -> None:
    program = (
        "import sys, sqlalchemy.orm as orm, inglenook.server as _\n"
        "from inglenook.store.database import Store\n"
        "orm.configure_mappers()\n"
        "print([name for name in sys.modules if name.startswith('sqlalchemy.dialects.postgresql')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
