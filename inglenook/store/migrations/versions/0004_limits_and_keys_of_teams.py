"""Limits of keys, users, groups and all together; keys of groups; addresses of users."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create and change them; the budgets of groups become limits."""
    op.create_table(
        "limits",
        sa.Column("subject_kind", sa.String(length=16), nullable=False),
        sa.Column("subject_id", sa.String(length=40), nullable=False),
        sa.Column("requests_per_minute", sa.BigInteger(), nullable=True),
        sa.Column("tokens_per_minute", sa.BigInteger(), nullable=True),
        sa.Column("concurrent_requests", sa.BigInteger(), nullable=True),
        sa.Column("amount_per_day", sa.BigInteger(), nullable=True),
        sa.Column("amount_per_month", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject_kind", "subject_id", name=op.f("pk_limits")),
    )
    # Millionths become billionths. There are no weekly budgets any more: four of them make a month.
    op.execute(
        "INSERT INTO limits (subject_kind, subject_id, amount_per_day, amount_per_month, updated_at) "
        "SELECT 'group', id, CASE budget_period WHEN 'day' THEN budget_amount * 1000 END, "
        "CASE budget_period WHEN 'week' THEN budget_amount * 4000 WHEN 'month' THEN budget_amount * 1000 END, "
        "created_at FROM groups WHERE budget_amount IS NOT NULL"
    )
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.add_column(sa.Column("group_id", sa.String(length=40), nullable=True))
        batch_op.add_column(
            sa.Column("models", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True)
        )
        batch_op.add_column(sa.Column("former_sha256", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("former_until", sa.BigInteger(), nullable=True))
        batch_op.alter_column("user_id", existing_type=sa.VARCHAR(length=40), nullable=True)
        batch_op.create_index(batch_op.f("ix_api_keys_group_id"), ["group_id"], unique=False)
        batch_op.create_foreign_key(
            batch_op.f("fk_api_keys_group_id_groups"), "groups", ["group_id"], ["id"], ondelete="CASCADE"
        )

    with op.batch_alter_table("groups", schema=None) as batch_op:
        batch_op.drop_column("budget_amount")
        batch_op.drop_column("budget_period")

    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.add_column(sa.Column("email", sa.String(length=254), nullable=True))
        batch_op.add_column(sa.Column("email_key", sa.String(length=254), nullable=True))
        batch_op.add_column(sa.Column("team_id", sa.String(length=40), nullable=True))
        batch_op.create_index(batch_op.f("ix_users_team_id"), ["team_id"], unique=False)
        batch_op.create_unique_constraint(batch_op.f("uq_users_email_key"), ["email_key"])
        batch_op.create_foreign_key(
            batch_op.f("fk_users_team_id_groups"), "groups", ["team_id"], ["id"], ondelete="SET NULL"
        )
