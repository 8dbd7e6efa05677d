"""Brings the database's schema up to this version, before anything else touches it.

A revision is a file `migrations/versions/NNNN_what_it_does.py`; its id is NNNN. When the database is already at the
newest, Alembic is not even imported. Before a SQLite file is upgraded, a copy goes to `backups/`.
"""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, MetaData, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from inglenook.kit.errors import Conflict, Unavailable
from inglenook.store.database import keep_private, unusable

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x1461E_0000  # PostgreSQL advisory lock: servers that start together upgrade one after the other


class DatabaseTooNew(Conflict):
    """The database was written by a newer Inglenook; install that version, or restore a backup."""

    code = "database_too_new"


def newest_revision() -> str:
    """The id of the newest revision this version knows."""
    return max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def upgrade(url: URL, backups: Path) -> None:
    """Create or upgrade the schema at `url`. Blocks; the caller holds the data directory's lock.

    Args:
        backups: Folder for the copy made before a SQLite file is upgraded.

    Raises:
        DatabaseTooNew: the database is at a revision this version does not know.
        Unavailable: the database cannot be opened.
    """
    if url.get_backend_name() == "sqlite":
        path = Path(url.database or "")
        try:
            _upgrade_file(url, path, backups)
        except sqlite3.DatabaseError as error:
            raise unusable(path, error) from None
        except DBAPIError as error:
            raise unusable(path, error.orig) from error
        return
    with _open_server(url) as connection, connection.begin():
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        known = inspect(connection).has_table("alembic_version")
        current = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if known else None
        if _is_behind(current):
            _run_alembic(connection)


def _upgrade_file(url: URL, path: Path, backups: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    keep_private(path)
    current = _sqlite_revision(path)
    if not _is_behind(current):
        return
    if current is not None:
        _copy(path, backups / f"{path.stem}-{current}-{time.strftime('%Y%m%d-%H%M%S')}.db")
    with _transactional(url).begin() as connection:
        _run_alembic(connection)


def _open_server(url: URL) -> Connection:
    try:
        return create_engine(url, poolclass=NullPool).connect()
    except ModuleNotFoundError:
        raise Unavailable("PostgreSQL needs its driver: pip install 'inglenook[server]'") from None
    except DBAPIError as error:
        raise Unavailable(
            f"cannot open the database {url.render_as_string()}: {str(error.orig).strip()}; check "
            "INGLENOOK_DATABASE_URL, and that the server runs"
        ) from None


def _is_behind(current: str | None) -> bool:
    newest = newest_revision()
    if current is not None and current > newest:
        raise DatabaseTooNew(
            f"the database is at revision {current}, this version of Inglenook knows {newest} at most; "
            "install the version that wrote it, or restore a backup"
        )
    return current != newest


def _sqlite_revision(path: Path) -> str | None:
    if not path.exists() or path.stat().st_size == 0:
        return None
    with closing(sqlite3.connect(path)) as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError:  # no such table: an empty database
            return None
    return str(row[0]) if row else None


def _transactional(url: URL) -> Engine:
    """An engine whose transactions hold changes of the schema too: Python's driver would begin them too late."""
    engine = create_engine(url, poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
    target.chmod(0o600)


def _run_alembic(connection: Connection, metadata: MetaData | None = None) -> None:
    from alembic import command  # noqa: PLC0415 - half a second that most starts do not need
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes.update(connection=connection, metadata=metadata)
    command.upgrade(config, "head")
