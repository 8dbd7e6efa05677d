"""The table of kept responses."""

from sqlalchemy import BigInteger, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from inglenook.store.tables import Table


class ResponseRow(Table):
    """One response, and what was new in its input. `input` and `response` are JSON as text: they hold whatever models
    and callers write, and nobody looks into them by SQL."""

    __tablename__ = "responses"
    __table_args__ = (Index("ix_responses_user_id", "user_id"), Index("ix_responses_expires_at", "expires_at"))

    id: Mapped[str] = mapped_column(String(60), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(40))
    previous_id: Mapped[str | None] = mapped_column(String(60))
    created_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)
    input: Mapped[str] = mapped_column(Text)
    response: Mapped[str] = mapped_column(Text)
