"""The store's two verbs, on a real SQLite file."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Mapped, Session, mapped_column

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
