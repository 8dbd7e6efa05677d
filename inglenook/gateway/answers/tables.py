"""The table of kept answers. It lives in a database file of its own, which may be deleted while the server is down."""

from sqlalchemy import BigInteger, Index, LargeBinary, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

#: Number of this file's schema, kept in its `user_version`. A file of another number is emptied.
SCHEMA = 1


class AnswersTable(DeclarativeBase):
    """Base of the file's tables."""

    metadata = MetaData()


class AnswerRow(AnswersTable):
    """An answer: `key` as `answers.key`, `events` as `service.encode`; `owner` is whom it may be given to (a user's or
    group's id, or nothing for everyone who may use the route)."""

    __tablename__ = "answers"
    __table_args__ = (Index("ix_answers_made_at", "made_at"), Index("ix_answers_owner", "owner"))

    key: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    route_id: Mapped[str] = mapped_column(String(40), index=True)
    owner: Mapped[str] = mapped_column(String(40))
    model: Mapped[str] = mapped_column(String(400))
    made_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)
    size: Mapped[int] = mapped_column(BigInteger)
    events: Mapped[bytes] = mapped_column(LargeBinary)
