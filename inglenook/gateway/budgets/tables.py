"""The tables of budgets. Amounts are in billionths of the currency unit."""

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from inglenook.store.tables import Table


class BudgetRow(Table):
    """What one subject spent in one day or month, and what servers have drawn to spend of it.

    The amount it may come to is in `limits`; whoever draws sees to it that `spent + leased` stays below. `warned` is
    the highest percentage somebody was told of.
    """

    __tablename__ = "budgets"
    __table_args__ = (
        UniqueConstraint("subject_kind", "subject_id", "period", "start", "currency", name="uq_budgets_subject"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    subject_kind: Mapped[str] = mapped_column(String(16))
    subject_id: Mapped[str] = mapped_column(String(40))
    period: Mapped[str] = mapped_column(String(8))
    start: Mapped[int] = mapped_column(BigInteger, index=True)
    currency: Mapped[str] = mapped_column(String(3))
    spent: Mapped[int] = mapped_column(BigInteger)
    leased: Mapped[int] = mapped_column(BigInteger)
    warned: Mapped[int]


class BudgetServer(Table):
    """A server that may hold leases. On SQLite only one can be alive; on PostgreSQL each says so by `seen_at`."""

    __tablename__ = "budget_servers"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    started_at: Mapped[int] = mapped_column(BigInteger)
    seen_at: Mapped[int] = mapped_column(BigInteger)


class BudgetLease(Table):
    """What a server has drawn from a budget and not settled: its part of `leased`.

    It covers all that the server has promised and not written down. Of a server that died it stays, and counts as
    spent, until an administrator releases it or the period is over.
    """

    __tablename__ = "budget_leases"
    __table_args__ = (Index("ix_budget_leases_budget_id", "budget_id"),)

    server_id: Mapped[str] = mapped_column(ForeignKey("budget_servers.id", ondelete="CASCADE"), primary_key=True)
    budget_id: Mapped[str] = mapped_column(ForeignKey("budgets.id", ondelete="CASCADE"), primary_key=True)
    amount: Mapped[int] = mapped_column(BigInteger)
