"""What one does with conversations, as functions for a session of the caller's.

They are synchronous so that a caller can put several of them, and the creation of a run, into one transaction.
Whatever belongs to somebody else is `NotFound`, exactly like what does not exist.
"""

from typing import Any

from pydantic import ValidationError
from sqlalchemy import ColumnElement, delete, select, tuple_
from sqlalchemy.orm import Session

from inglenook.conversations import tree
from inglenook.conversations.schemas import ConversationSettings, storable
from inglenook.conversations.tables import ConversationRow, MessageRow
from inglenook.conversations.titles import LIMIT as TITLE_LIMIT
from inglenook.conversations.titles import auto_title, search_key
from inglenook.kit.errors import BadInput, NotFound, TooLarge
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms

#: Characters of one message. About 250,000 tokens of English: more than most contexts hold.
TEXT_LIMIT = 1_000_000
#: Conversations on one page at most.
PAGE_LIMIT = 200


def create(
    session: Session, owner_id: str, *, title: str | None = None, settings: ConversationSettings | None = None
) -> ConversationRow:
    """Begin a conversation. Without a title it gets one from its first question.

    Raises:
        BadInput: the title is empty or too long.
    """
    now = now_ms()
    row = ConversationRow(
        id=new_id("conv"),
        owner_id=owner_id,
        title="",
        title_key="",
        title_source="auto",
        settings=merged({}, settings) if settings is not None else {},
        leaf_id=None,
        created_at=now,
        updated_at=now,
    )
    if title is not None:
        rename(row, title)
    session.add(row)
    session.flush()
    return row


def get(session: Session, owner_id: str, conversation_id: str) -> ConversationRow:
    """The owner's conversation.

    Raises:
        NotFound: the owner has no such conversation.
    """
    row = session.get(ConversationRow, conversation_id)
    if row is None or row.owner_id != owner_id:
        raise NotFound(f"you have no conversation {conversation_id}; it may have been deleted")
    return row


def page(
    session: Session, owner_id: str, *, q: str = "", before: str | None = None, limit: int = 50
) -> tuple[list[ConversationRow], str | None]:
    """Some of the owner's conversations, latest first, and the cursor of the following page (None on the last).

    Args:
        q: Only those whose title contains this, letter case and full-width forms aside.
        before: The cursor of an earlier answer.

    Raises:
        BadInput: `before` is not a cursor.
    """
    limit = max(1, min(limit, PAGE_LIMIT))
    query = select(ConversationRow).where(ConversationRow.owner_id == owner_id)
    if words := search_key(q.strip()):
        query = query.where(ConversationRow.title_key.contains(words, autoescape=True))
    if before is not None:
        query = query.where(_older_than(before))
    query = query.order_by(ConversationRow.updated_at.desc(), ConversationRow.id.desc()).limit(limit + 1)
    rows = list(session.scalars(query))
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], f"{last.updated_at}.{last.id}"


def rename(row: ConversationRow, title: str) -> None:
    """Give a conversation a title of its owner's choice.

    Raises:
        BadInput: the title is empty or too long.
    """
    title = " ".join(storable(title).split())
    if not title:
        raise BadInput("a title needs at least one visible character", field="title")
    if len(title) > TITLE_LIMIT:
        raise BadInput(f"a title has at most {TITLE_LIMIT} characters; this one has {len(title)}", field="title")
    row.title, row.title_key, row.title_source = title, search_key(title), "user"


def title_from(row: ConversationRow, question: str) -> None:
    """Name an untitled conversation after a question; leave any other alone."""
    if not row.title:
        row.title = auto_title(question)
        row.title_key = search_key(row.title)


def settings_of(row: ConversationRow) -> ConversationSettings:
    """The conversation's settings."""
    return ConversationSettings.model_validate(row.settings)


def change_settings(row: ConversationRow, change: ConversationSettings) -> None:
    """Apply the fields that `change` names (JSON merge patch)."""
    row.settings = merged(row.settings, change)


def merged(settings: dict[str, Any], change: ConversationSettings) -> dict[str, Any]:
    """`settings` after `change`: fields it does not name stay, null takes away."""
    given = change.model_dump(exclude_unset=True)
    result = _without_none({**settings, **given})
    if given.get("sampling") is not None:
        result["sampling"] = _without_none({**(settings.get("sampling") or {}), **given["sampling"]})
    if not result.get("sampling"):
        result.pop("sampling", None)
    return result


def checked_settings(value: dict[str, Any]) -> ConversationSettings:
    """Settings that did not come through the HTTP API, checked like those that do.

    Raises:
        BadInput: the message names the field and says what it may hold.
    """
    try:
        return ConversationSettings.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(["settings", *(str(part) for part in first["loc"])])
        raise BadInput(f"{field}: {first['msg']}", field=field) from None


def messages(session: Session, conversation_id: str) -> list[MessageRow]:
    """All messages of the tree, ordered by id."""
    query = select(MessageRow).where(MessageRow.conversation_id == conversation_id).order_by(MessageRow.id)
    return list(session.scalars(query))


def message(session: Session, conversation_id: str, message_id: str) -> MessageRow:
    """One message of a conversation.

    Raises:
        NotFound: the conversation has no such message.
    """
    row = session.get(MessageRow, message_id)
    if row is None or row.conversation_id != conversation_id:
        raise NotFound(f"conversation {conversation_id} has no message {message_id}")
    return row


def message_of_run(session: Session, run_id: str) -> MessageRow | None:
    """The answer a run writes; None when it was deleted meanwhile."""
    return session.scalars(select(MessageRow).where(MessageRow.run_id == run_id)).first()


def path_to(session: Session, conversation_id: str, leaf_id: str) -> list[MessageRow]:
    """The branch from the first question to `leaf_id`.

    Raises:
        NotFound: the conversation has no such message.
    """
    try:
        return tree.path(tree.by_id(messages(session, conversation_id)), leaf_id)
    except KeyError:
        raise NotFound(f"conversation {conversation_id} has no message {leaf_id}") from None


def look_at(session: Session, row: ConversationRow, message_id: str) -> None:
    """Switch to the branch of a message: the leaf becomes the newest tip below it.

    Raises:
        NotFound: the conversation has no such message.
    """
    nodes = tree.by_id(messages(session, row.id))
    if message_id not in nodes:
        raise NotFound(f"conversation {row.id} has no message {message_id}", field="leaf_id")
    row.leaf_id = tree.newest_leaf(nodes, message_id)


def add_question(session: Session, row: ConversationRow, parent_id: str | None, text: str) -> MessageRow:
    """Add what a person says below `parent_id` (None: as a first question) and look at it.

    Raises:
        BadInput: the text is empty.
        TooLarge: the text is longer than `TEXT_LIMIT`.
    """
    text = storable(text)
    if not text.strip():
        raise BadInput("the message is empty; write something to send", field="content")
    if len(text) > TEXT_LIMIT:
        raise TooLarge(
            f"a message has at most {TEXT_LIMIT:,} characters; this one has {len(text):,}. "
            "Send it in parts, or only the part that matters",
            field="content",
        )
    title_from(row, text)
    return _add(session, row, MessageRow(role="user", parent_id=parent_id, text=text, status="complete"))


def add_answer(session: Session, row: ConversationRow, parent_id: str, *, model: str, run_id: str) -> MessageRow:
    """Add an answer that run `run_id` is to write below question `parent_id`, and look at it."""
    answer = MessageRow(role="assistant", parent_id=parent_id, text="", model=model, run_id=run_id, status="streaming")
    return _add(session, row, answer)


def touch(row: ConversationRow) -> None:
    """Bring the conversation to the top of its owner's list."""
    row.updated_at = max(now_ms(), row.updated_at)


def runs(
    session: Session, *, conversation_id: str | None = None, owner_id: str | None = None, unfinished: bool = False
) -> list[str]:
    """Runs that wrote the answers of a conversation, or of all of an owner; `unfinished`: that still write."""
    query = select(MessageRow.run_id).where(MessageRow.run_id.is_not(None))
    if conversation_id is not None:
        query = query.where(MessageRow.conversation_id == conversation_id)
    if owner_id is not None:
        query = query.join(ConversationRow).where(ConversationRow.owner_id == owner_id)
    if unfinished:
        query = query.where(MessageRow.status == "streaming")
    return [run_id for run_id in session.scalars(query) if run_id]


def remove(session: Session, conversation_id: str) -> None:
    """Delete a conversation with its messages."""
    session.execute(delete(MessageRow).where(MessageRow.conversation_id == conversation_id))
    session.execute(delete(ConversationRow).where(ConversationRow.id == conversation_id))


def remove_all_of(session: Session, owner_id: str) -> None:
    """Delete every conversation of an owner."""
    owned = select(ConversationRow.id).where(ConversationRow.owner_id == owner_id)
    session.execute(delete(MessageRow).where(MessageRow.conversation_id.in_(owned)))
    session.execute(delete(ConversationRow).where(ConversationRow.owner_id == owner_id))


def _add(session: Session, row: ConversationRow, message_row: MessageRow) -> MessageRow:
    message_row.id = new_id("msg")
    message_row.conversation_id = row.id
    message_row.reasoning = ""
    message_row.usage = {}
    message_row.notices = []
    message_row.created_at = now_ms()
    session.add(message_row)
    row.leaf_id = message_row.id
    touch(row)
    session.flush()
    return message_row


def _older_than(cursor: str) -> ColumnElement[bool]:
    at, _, last_id = cursor.partition(".")
    if not (at.isascii() and at.isdigit() and len(at) < 19 and last_id):
        raise BadInput("before: not a cursor; pass the `next` of the page before, as it is", field="before")
    return tuple_(ConversationRow.updated_at, ConversationRow.id) < (int(at), last_id)


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
