"""Write the next migration from the difference between the tables and the newest revision.

Usage: python scripts/new_migration.py "what it does"
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

import inglenook.server  # noqa: F401 - imports every room's tables
from inglenook.store.tables import Table
from inglenook.store.upgrade import MIGRATIONS


def main(message: str) -> None:
    if not message.strip():
        sys.exit('say what it does: make migration NAME="add colour"')
    versions = MIGRATIONS / "versions"
    number = 1 + max((int(path.name[:4]) for path in versions.glob("[0-9]*_*.py")), default=0)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("file_template", f"{number:04}_%%(slug)s")
    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{folder}/empty.db", poolclass=NullPool)
        with engine.begin() as connection:
            config.attributes.update(connection=connection, metadata=Table.metadata)
            if number > 1:
                command.upgrade(config, "head")
            script = command.revision(config, message, autogenerate=True, rev_id=f"{number:04}")
    path = Path(script.path)  # type: ignore[union-attr]
    source = re.sub(r"\n *# ### .*", "", path.read_text())
    source = re.sub(r"(, )?astext_type=(sa\.)?Text\(\)", "", source)  # the default, which Alembic spells out
    path.write_text(source)
    ruff = [sys.executable, "-m", "ruff"]
    for step in ("format", "check --fix", "format"):
        subprocess.run([*ruff, *step.split(), "-q", str(path)], check=False)
    print(path)


main(" ".join(sys.argv[1:]))
