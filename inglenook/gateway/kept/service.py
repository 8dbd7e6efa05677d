"""Keeping responses: to go on from (`previous_response_id`), to read again, to delete.

Each belongs to who made it, and nobody else ever learns that it is there. One that goes on from another keeps only what
is new; a conversation is put together from its chain. A chain lives as long as its newest response: who goes on renews
all of it.
"""

from typing import Any

import orjson
from msgspec import Struct
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from inglenook.accounts.settings import Registered, RuntimeSettings, Section
from inglenook.gateway.kept.tables import ResponseRow
from inglenook.kit.errors import BadInput, NotFound
from inglenook.kit.time import now_ms
from inglenook.store.database import Store

_DAY = 86_400_000
_HOUR = 3_600_000
#: Bytes of JSON that one response may bring.
LARGEST = 16 * 1024 * 1024
#: Responses that a chain may have.
LONGEST = 2000


class Keeping(Struct, frozen=True, kw_only=True):
    """Settings of kept responses. `days` 0: none is kept, and `store` is answered with false."""

    days: int = 30


KEEPING: Section[Keeping] = Section(
    name="responses",
    title="Responses that callers go on from",
    kind=Keeping,
    settings_schema={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "days": {
                "type": "integer",
                "minimum": 0,
                "maximum": 3650,
                "title": "Days they are kept",
                "description": (
                    "Tools that use OpenAI's Responses API may leave the conversation here and send only what is new. "
                    "0: nothing is kept, and such tools send everything each time or fail."
                ),
                "default": 30,
            }
        },
    },
    translations={
        "zh-CN": {
            "Responses that callers go on from": "供续接的响应",
            "Days they are kept": "保留天数",
            (
                "Tools that use OpenAI's Responses API may leave the conversation here and send only what is new. "
                "0: nothing is kept, and such tools send everything each time or fail."
            ): (
                "使用 OpenAI 的 Responses 接口的工具可以把对话留在这里，之后只发送新增内容。"
                "填 0 则不保留，这类工具要么每次发送全部内容，要么无法续接。"
            ),
        }
    },
)


class Kept(Struct, kw_only=True):
    """A kept response: the object its caller got, and the items that were new in its input."""

    id: str
    previous_id: str | None
    input: list[dict[str, Any]]
    response: dict[str, Any]


class Responses:
    """All kept responses."""

    def __init__(self, store: Store, settings: RuntimeSettings) -> None:
        self._store = store
        self._keeping: Registered[Keeping] = settings.register(KEEPING)
        self._swept_at = 0

    @property
    def keeps(self) -> bool:
        """Whether responses are kept at all."""
        return self._keeping.now.days > 0

    async def put(self, user_id: str, kept: Kept) -> None:
        """Keep a response, and what it goes on from for as long as it."""
        now = now_ms()
        expires_at = now + self._keeping.now.days * _DAY
        given, response = orjson.dumps(kept.input).decode(), orjson.dumps(kept.response).decode()
        sweeps = now - self._swept_at > _HOUR
        self._swept_at = now if sweeps else self._swept_at

        def write(session: Session) -> None:
            if sweeps:
                session.execute(delete(ResponseRow).where(ResponseRow.expires_at <= now))
            session.add(
                ResponseRow(
                    id=kept.id,
                    user_id=user_id,
                    previous_id=kept.previous_id,
                    created_at=now,
                    expires_at=expires_at,
                    input=given,
                    response=response,
                )
            )
            before = [row.id for row in _chain(session, user_id, kept.previous_id, now)]
            for at in range(0, len(before), 500):
                some = ResponseRow.id.in_(before[at : at + 500])
                session.execute(update(ResponseRow).where(some).values(expires_at=expires_at))

        await self._store.write(write)

    async def get(self, user_id: str, response_id: str) -> Kept:
        """A response.

        Raises:
            NotFound: there is none of that id, or not this user's.
        """

        def read(session: Session) -> Kept:
            row = _row(session, user_id, response_id, now_ms())
            if row is None:
                raise _unknown(response_id)
            return _read(row)

        return await self._store.read(read)

    async def chain(self, user_id: str, response_id: str) -> list[Kept]:
        """A response and all it goes on from, oldest first.

        Raises:
            NotFound: one of them is not there.
        """

        def read(session: Session) -> list[Kept]:
            rows = _chain(session, user_id, response_id, now_ms())
            missing = rows[-1].previous_id if rows else response_id
            if missing is not None:
                raise _unknown(missing)
            return [_read(row) for row in reversed(rows)]

        return await self._store.read(read)

    async def delete(self, user_id: str, response_id: str) -> None:
        """Forget a response. Those that go on from it stay, but nobody can go on from them.

        Raises:
            NotFound: there is none of that id, or not this user's.
        """

        def write(session: Session) -> None:
            row = _row(session, user_id, response_id, now_ms())
            if row is None:
                raise _unknown(response_id)
            session.delete(row)

        await self._store.write(write)

    def forget_user(self, session: Session, user_id: str) -> None:
        """Forget all of a user's, as a part of the user's deletion."""
        session.execute(delete(ResponseRow).where(ResponseRow.user_id == user_id))


def check_size(items: list[dict[str, Any]]) -> None:
    """
    Raises:
        BadInput: the items are too large to be kept.
    """
    if (size := len(orjson.dumps(items))) > LARGEST:
        raise BadInput(
            f"input: its new items have {size} bytes, and responses are kept up to {LARGEST}; send store: false",
            field="store",
        )


def _chain(session: Session, user_id: str, response_id: str | None, now: int) -> list[ResponseRow]:
    """The rows that can be reached, newest first."""
    rows: list[ResponseRow] = []
    while response_id is not None and len(rows) < LONGEST:
        row = _row(session, user_id, response_id, now)
        if row is None:
            break
        rows.append(row)
        response_id = row.previous_id
    return rows


def _row(session: Session, user_id: str, response_id: str, now: int) -> ResponseRow | None:
    query = select(ResponseRow).where(
        ResponseRow.id == response_id, ResponseRow.user_id == user_id, ResponseRow.expires_at > now
    )
    return session.execute(query).scalar_one_or_none()


def _read(row: ResponseRow) -> Kept:
    return Kept(
        id=row.id, previous_id=row.previous_id, input=orjson.loads(row.input), response=orjson.loads(row.response)
    )


def _unknown(response_id: str) -> NotFound:
    return NotFound(f"Response with id '{response_id}' not found.", field="id")
