"""Why an answer failed, for pages in other languages than English."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the code and details of its error to a message."""
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.add_column(sa.Column("error_code", sa.String(length=40), nullable=True))
        batch_op.add_column(
            sa.Column("error_details", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True)
        )
