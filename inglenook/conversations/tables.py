"""Tables of conversations and their messages."""

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from inglenook.store.tables import Table


class ConversationRow(Table):
    """A conversation. `leaf_id` is the tip of the branch its owner looks at, None while it has no message.

    `title_key` is the title folded for search (`conversations.titles.search_key`). `updated_at` is the time of the
    last question or answer begun: it orders the list, so renaming leaves it alone.
    """

    __tablename__ = "conversations"
    __table_args__ = (Index("ix_conversations_owner_id_updated_at_id", "owner_id", "updated_at", "id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner_id: Mapped[str] = mapped_column(String(40))
    title: Mapped[str] = mapped_column(Text, default="")
    title_key: Mapped[str] = mapped_column(Text, default="")
    title_source: Mapped[str] = mapped_column(String(8), default="auto")
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    leaf_id: Mapped[str | None] = mapped_column(String(40))
    created_at: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[int] = mapped_column(BigInteger)


class MessageRow(Table):
    """A message in the tree of its conversation; `parent_id` None is a first question.

    While `status` is `streaming` the text lives in the journal of run `run_id` and is written here when it ends.
    `error` says in English why it failed, `error_code` and `error_details` for pages in other languages.
    """

    __tablename__ = "messages"
    __table_args__ = (
        Index("ix_messages_conversation_id_id", "conversation_id", "id"),
        Index("ix_messages_run_id", "run_id"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    parent_id: Mapped[str | None] = mapped_column(String(40))
    role: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text, default="")
    reasoning: Mapped[str] = mapped_column(Text, default="")
    model: Mapped[str | None] = mapped_column(Text)
    run_id: Mapped[str | None] = mapped_column(String(40))
    status: Mapped[str] = mapped_column(String(16), default="complete")
    finish_reason: Mapped[str | None] = mapped_column(String(40))
    usage: Mapped[dict[str, Any]] = mapped_column(default=dict)
    notices: Mapped[list[Any]] = mapped_column(default=list)
    error: Mapped[str | None] = mapped_column(Text)
    error_code: Mapped[str | None] = mapped_column(String(40))
    error_details: Mapped[dict[str, Any] | None]
    created_at: Mapped[int] = mapped_column(BigInteger)
