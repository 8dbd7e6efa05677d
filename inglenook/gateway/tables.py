"""The tables of the usage ledger. They live in a database file of their own, apart from `store.tables.Table`."""

from sqlalchemy import BigInteger, Index, Integer, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

#: Number of this file's schema, kept in its `user_version`.
SCHEMA = 1


class LedgerTable(DeclarativeBase):
    """Base of the ledger's tables."""

    metadata = MetaData()


class LedgerEntry(LedgerTable):
    """One call to a model, written once when it ended.

    `input_tokens` includes `cached_tokens`, `output_tokens` includes `reasoning_tokens`. `cost` is in millionths of
    the currency unit, null where no price is known. `status`: `finished`, `cancelled` or `failed`.
    """

    __tablename__ = "ledger"
    __table_args__ = (Index("ix_ledger_user_at", "user_id", "at"), Index("ix_ledger_at", "at"))

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    call_id: Mapped[str] = mapped_column(String(40))
    at: Mapped[int] = mapped_column(BigInteger)
    user_id: Mapped[str] = mapped_column(String(40))
    key_id: Mapped[str | None] = mapped_column(String(40))
    run_id: Mapped[str | None] = mapped_column(String(40))
    model: Mapped[str] = mapped_column(String(400))
    provider: Mapped[str] = mapped_column(String(80))
    operation: Mapped[str] = mapped_column(String(20))
    source: Mapped[str] = mapped_column(String(40))
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    cached_tokens: Mapped[int] = mapped_column(BigInteger)
    reasoning_tokens: Mapped[int] = mapped_column(BigInteger)
    estimated: Mapped[bool]
    cost: Mapped[int | None] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(12))
    duration_ms: Mapped[int] = mapped_column(BigInteger)
    ttft_ms: Mapped[int | None] = mapped_column(BigInteger)
