"""The tables of the usage ledger: in a file of their own beside SQLite's `main.db`, else in the PostgreSQL database.

Apart from `store.tables.Table`, since no migration of the main database knows them.
"""

from sqlalchemy import BigInteger, Identity, Index, Integer, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

#: Number of this schema, kept in the file's `user_version`, or in `LedgerSchema`.
SCHEMA = 3


class LedgerTable(DeclarativeBase):
    """Base of the ledger's tables."""

    metadata = MetaData()


class LedgerSchema(LedgerTable):
    """One row, on PostgreSQL: the schema's number."""

    __tablename__ = "ledger_schema"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    version: Mapped[int]


class LedgerEntry(LedgerTable):
    """One call to a model, written once when it ended.

    `asked` is the name the caller wrote, `model` the one that answered, `route` the route that led there. Tokens are by
    price class: `cached`, `cache_write` and `cache_write_1h` are parts of the input, `reasoning` of the output. `cost`
    is in billionths of `currency`, null where no price is known. `status`: `finished`, `cancelled` or `failed`, then
    with the error's code. `replayed`: the answer came from the response cache. `attempts`: targets that were asked.
    """

    __tablename__ = "ledger"
    __table_args__ = (Index("ix_ledger_user_at", "user_id", "at"), Index("ix_ledger_at", "at"))

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True, autoincrement=True
    )
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
    # Since schema 2.
    team_id: Mapped[str | None] = mapped_column(String(40))
    app_id: Mapped[str | None] = mapped_column(String(40))
    asked: Mapped[str] = mapped_column(String(400), server_default="")
    route: Mapped[str | None] = mapped_column(String(400))
    cache_write_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")
    currency: Mapped[str] = mapped_column(String(3), server_default="USD")
    replayed: Mapped[bool] = mapped_column(server_default="0")
    attempts: Mapped[int] = mapped_column(Integer, server_default="1")
    error: Mapped[str | None] = mapped_column(String(60))


class Amounts:
    """What is added up. `busy_ms` are the calls' durations; `ttft_ms` is the sum over the `ttft_calls` that had a first
    token."""

    calls: Mapped[int] = mapped_column(BigInteger)
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    cached_tokens: Mapped[int] = mapped_column(BigInteger)
    cache_write_tokens: Mapped[int] = mapped_column(BigInteger)
    reasoning_tokens: Mapped[int] = mapped_column(BigInteger)
    cost: Mapped[int] = mapped_column(BigInteger)
    unpriced_calls: Mapped[int] = mapped_column(BigInteger)
    replayed_calls: Mapped[int] = mapped_column(BigInteger)
    busy_ms: Mapped[int] = mapped_column(BigInteger)
    ttft_ms: Mapped[int] = mapped_column(BigInteger)
    ttft_calls: Mapped[int] = mapped_column(BigInteger)


class UsageHour(Amounts, LedgerTable):
    """What one hour's calls of one kind came to: the sums of the ledger's entries, kept when those are pruned.

    An empty text stands for what an entry does not have, so that every column can be part of the key.
    """

    __tablename__ = "usage_hours"
    __table_args__ = (Index("ix_usage_hours_user_hour", "user_id", "hour"),)

    hour: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    key_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    team_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    app_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    model: Mapped[str] = mapped_column(String(400), primary_key=True)
    provider: Mapped[str] = mapped_column(String(80), primary_key=True)
    operation: Mapped[str] = mapped_column(String(20), primary_key=True)
    source: Mapped[str] = mapped_column(String(40), primary_key=True)
    status: Mapped[str] = mapped_column(String(12), primary_key=True)
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)


class UsageModelHour(Amounts, LedgerTable):
    """The hours again, of everybody together, by what answered: few rows, however many people there are."""

    __tablename__ = "usage_model_hours"

    hour: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    model: Mapped[str] = mapped_column(String(400), primary_key=True)
    provider: Mapped[str] = mapped_column(String(80), primary_key=True)
    source: Mapped[str] = mapped_column(String(40), primary_key=True)
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    failed_calls: Mapped[int] = mapped_column(BigInteger)


class UsagePersonDay(Amounts, LedgerTable):
    """The hours again, by whole days (UTC), by who asked. `hour` is the day's first."""

    __tablename__ = "usage_person_days"

    hour: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    key_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    team_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    failed_calls: Mapped[int] = mapped_column(BigInteger)


class CallBody(LedgerTable):
    """What was said in one call, of teams whose administrator asked for it: request and answer as JSON and text."""

    __tablename__ = "call_bodies"

    call_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[int] = mapped_column(BigInteger, index=True)
    user_id: Mapped[str] = mapped_column(String(40))
    team_id: Mapped[str] = mapped_column(String(40))
    request: Mapped[str] = mapped_column(Text)
    answer: Mapped[str] = mapped_column(Text)
