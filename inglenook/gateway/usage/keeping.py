"""What the ledger keeps and for how long: settings, and the task that prunes."""

import asyncio
import logging

from msgspec import Struct, field
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from inglenook.accounts.settings import Registered, Section
from inglenook.gateway.ledger import Ledger
from inglenook.gateway.tables import CallBody, LedgerEntry
from inglenook.kit.time import now_ms

log = logging.getLogger(__name__)

_DAY = 86_400_000
#: Seconds between two looks for what is old.
PRUNE_EVERY = 3600.0
#: Rows of one deletion, so that entries never wait long behind it.
_AT_ONCE = 5000


class Keeping(Struct, frozen=True, kw_only=True):
    """Settings of keeping.

    Attributes:
        entry_days: That single calls are listed; the sums of each hour stay for ever.
        body_teams: Ids of the teams whose prompts and answers are kept. Nobody's are unless an administrator says so.
        body_days: That those are kept.
    """

    entry_days: int = 90
    body_teams: list[str] = field(default_factory=list)
    body_days: int = 30


_DAYS = {"type": "integer", "minimum": 1, "maximum": 3650}
KEEPING: Section[Keeping] = Section(
    name="usage",
    title="Usage records",
    kind=Keeping,
    settings_schema={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "entry_days": {
                **_DAYS,
                "title": "Days that single calls are kept",
                "description": "The sums of each hour stay for ever.",
                "default": 90,
            },
            "body_teams": {
                "type": "array",
                "title": "Teams whose prompts and answers are recorded",
                "description": "By id. Tell their members: what they write can then be read by administrators.",
                "items": {"type": "string", "maxLength": 40},
            },
            "body_days": {**_DAYS, "title": "Days that recorded prompts and answers are kept", "default": 30},
        },
    },
    translations={
        "zh-CN": {
            "Usage records": "用量记录",
            "Days that single calls are kept": "单次调用明细保留天数",
            "The sums of each hour stay for ever.": "每小时的汇总永久保留。",
            "Teams whose prompts and answers are recorded": "记录提示词和回答的团队",
            "By id. Tell their members: what they write can then be read by administrators.": (
                "填写团队 ID。请告知成员：开启后管理员可以读到他们写的内容。"
            ),
            "Days that recorded prompts and answers are kept": "提示词和回答的保留天数",
        }
    },
)


class Pruner:
    """Forgets what is older than the settings say, once an hour."""

    def __init__(self, ledger: Ledger, keeping: Registered[Keeping]) -> None:
        self._ledger = ledger
        self._keeping = keeping
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin looking."""
        self._task = asyncio.create_task(self._run(), name="ledger-prune")

    async def stop(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def prune(self, now: int) -> int:
        """Forget what is too old at `now` (ms); gives how many entries and bodies went."""
        keeping = self._keeping.now
        gone = 0
        for table, days in ((LedgerEntry, keeping.entry_days), (CallBody, keeping.body_days)):
            while count := await self._ledger.write(_forget(table, now - days * _DAY)):
                gone += count
        return gone

    async def _run(self) -> None:
        while True:
            try:
                if gone := await self.prune(now_ms()):
                    log.info("%d old records of usage are forgotten", gone)
            except Exception:
                log.exception("old records of usage could not be forgotten; trying again in an hour")
            await asyncio.sleep(PRUNE_EVERY)


def _forget(table: type[LedgerEntry] | type[CallBody], before: int):  # type: ignore[no-untyped-def]
    def write(session: Session) -> int:
        key = LedgerEntry.id if table is LedgerEntry else CallBody.call_id
        old = select(key).where(table.at < before).limit(_AT_ONCE)
        result = session.execute(delete(table).where(key.in_(old)))
        return int(result.rowcount)  # type: ignore[attr-defined]

    return write
