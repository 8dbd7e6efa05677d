"""The schema comes up by itself, keeps a copy of what it changes, and refuses what it does not know."""

import sqlite3
import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

import inglenook.server  # noqa: F401 - every room's tables
from inglenook.kit.errors import Unavailable
from inglenook.store.tables import Table
from inglenook.store.upgrade import DatabaseTooNew, newest_revision, upgrade


def revision(path: Path) -> str:
    with sqlite3.connect(path) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def test_a_new_database_gets_every_table_with_every_column(tmp_path: Path) -> None:
    path = tmp_path / "new" / "main.db"
    upgrade(make_url(f"sqlite:///{path}"), tmp_path / "backups")
    found = inspect(create_engine(f"sqlite:///{path}", poolclass=NullPool))
    expected = {table.name: {column.name for column in table.columns} for table in Table.metadata.tables.values()}
    assert expected == {
        name: {column["name"] for column in found.get_columns(name)}
        for name in found.get_table_names()
        if name != "alembic_version"
    }
    assert revision(path) == newest_revision()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not (tmp_path / "backups").exists()


def test_the_migrations_make_what_the_tables_say(tmp_path: Path) -> None:
    url = make_url(f"sqlite:///{tmp_path}/main.db")
    upgrade(url, tmp_path / "backups")
    with create_engine(url, poolclass=NullPool).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Table.metadata) == []


def test_an_older_database_is_copied_before_it_is_upgraded(tmp_path: Path) -> None:
    path = tmp_path / "main.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('0000')")
    with pytest.raises(Exception, match="0000"):  # no such revision: the upgrade fails, the copy stays
        upgrade(make_url(f"sqlite:///{path}"), tmp_path / "backups")
    (copy,) = (tmp_path / "backups").iterdir()
    assert revision(copy) == "0000"
    assert revision(path) == "0000"


def test_a_newer_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "main.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    with pytest.raises(DatabaseTooNew, match="9999"):
        upgrade(make_url(f"sqlite:///{path}"), tmp_path / "backups")
    assert revision(path) == "9999"


def test_an_upgrade_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "main.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE users (id TEXT)")  # in the way of the first revision
    with pytest.raises(Exception, match="users"):
        upgrade(make_url(f"sqlite:///{path}"), tmp_path / "backups")
    with sqlite3.connect(path) as connection:
        assert [row[0] for row in connection.execute("SELECT name FROM sqlite_master")] == ["users"]


def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "main.db"
    path.write_bytes(b"certainly not a database" * 100)
    with pytest.raises(Unavailable, match=r"main\.db.*not a database.*backup"):
        upgrade(make_url(f"sqlite:///{path}"), tmp_path / "backups")
    assert path.read_bytes() == b"certainly not a database" * 100


def test_a_server_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    url = make_url("postgresql+psycopg://ada:hunter2@127.0.0.1:1/inglenook")
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1.*refused") as caught:
        upgrade(url, tmp_path)
    assert "hunter2" not in caught.value.message


def test_a_database_of_before_letters_and_links_keeps_its_people(tmp_path: Path) -> None:
    path = tmp_path / "main.db"
    url = make_url(f"sqlite:///{path}")
    upgrade(url, tmp_path / "backups")
    with sqlite3.connect(path) as connection:  # back to what revision 0008 had made
        for table in ("mail", "invitations", "password_resets", "model_defaults"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("UPDATE alembic_version SET version_num = '0008'")
        connection.execute(
            "INSERT INTO users (id, name, name_key, display_name, role, password_hash, disabled, created_at) "
            "VALUES ('usr_1', 'ada', 'ada', 'Ada', 'admin', '!', 0, 1)"
        )
    upgrade(url, tmp_path / "backups")
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM users").fetchall() == [("ada",)]
        for table in ("mail", "invitations", "password_resets"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    assert revision(path) == newest_revision()
    assert len([*(tmp_path / "backups").iterdir()]) == 1
