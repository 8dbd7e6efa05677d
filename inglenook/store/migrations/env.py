"""Alembic's way in: runs on the connection `store.upgrade` (or `scripts/new_migration.py`) hands over."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from inglenook.store.tables import Json


def _spell_out(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write our own column type as what it is in each database: a migration outlives the code it was made from."""
    if kind != "type" or not isinstance(item, Json):
        return False
    autogen.imports.add("from sqlalchemy.dialects import postgresql")
    null = "none_as_null=True" if item.none_as_null else ""
    return f'sa.JSON({null}).with_variant(postgresql.JSONB({null}), "postgresql")'


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes.get("metadata"),
    render_as_batch=True,  # SQLite cannot alter most of a table in place
    compare_type=True,
    render_item=_spell_out,
)
with context.begin_transaction():
    context.run_migrations()
