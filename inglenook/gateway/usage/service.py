"""Figures of usage: sums by any columns, single calls, and what was said in them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, func, literal, select
from sqlalchemy.orm import Session

from inglenook.gateway.ledger import Ledger
from inglenook.gateway.tables import CallBody, LedgerEntry, UsageHour, UsageModelHour, UsagePersonDay
from inglenook.kit.errors import BadInput, NotFound

Column = Literal["user_id", "key_id", "team_id", "app_id", "model", "provider", "operation", "source", "status"]
Group = Column | Literal["hour", "day"]
_HOUR = 3_600_000
_DAY = 24 * _HOUR
#: Values in one query.
_TOGETHER = 500


class Filter(Struct, frozen=True, kw_only=True):
    """Which calls count: of `[since, until)` (ms; whole hours), and with these values of columns."""

    since: int = 0
    until: int | None = None
    user_id: str | None = None
    key_id: str | None = None
    team_id: str | None = None
    app_id: str | None = None
    model: str | None = None
    provider: str | None = None
    source: str | None = None
    status: str | None = None

    def columns(self) -> dict[str, str]:
        """The values of columns that are asked for."""
        names = self.__struct_fields__[2:]
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class Sums(Struct, kw_only=True):
    """Totals of a group of calls.

    `group` has the value of each column that was grouped by ("" where the calls have none), hours and days as the ms
    they begin at. `cost` is in billionths of `currency`; `unpriced_calls` are those of models without a price.
    `ttft_ms` and `duration_ms` are means, None where nothing was measured.
    """

    group: dict[str, str | int]
    currency: str
    calls: int
    failed_calls: int
    replayed_calls: int
    unpriced_calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost: int
    busy_ms: int
    duration_ms: float | None
    ttft_ms: float | None


_SUMMED = (
    "calls",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost",
    "unpriced_calls",
    "replayed_calls",
    "busy_ms",
    "ttft_ms",
    "ttft_calls",
)


class Said(NamedTuple):
    """What was said in a call."""

    request: str
    answer: str


class Usage:
    """Reads the ledger. Sums come from the hours, which are few, however many calls there were."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def sums(self, *by: Group, where: Filter | None = None, zone: str = "UTC") -> list[Sums]:
        """Totals, grouped by columns and by currency, in the order of the groups; one row a currency without columns.

        Args:
            zone: In which days begin (IANA name).

        Raises:
            BadInput: there is no such time zone.
        """
        where = where or Filter()
        try:
            days = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise BadInput(f"there is no time zone {zone!r}; write one such as Asia/Shanghai", field="zone") from None
        columns = [name for name in by if name not in ("hour", "day")]
        timed = "hour" in by or "day" in by
        rows = await self._ledger.read(lambda session: _sums_of(session, where, columns, timed))
        groups: dict[tuple[str | int, ...], list[int]] = {}
        starts: dict[int, int] = {}
        for row in rows:
            key: list[str | int] = []
            for name in by:
                if name == "day":
                    if row.hour not in starts:
                        starts[row.hour] = _day_of(row.hour, days)
                    key.append(starts[row.hour])
                else:
                    key.append(getattr(row, name))
            sums = groups.setdefault((*key, row.currency), [0] * (len(_SUMMED) + 1))
            for at, amount in enumerate(_SUMMED):
                sums[at] += int(getattr(row, amount))  # PostgreSQL's sums are decimals
            sums[-1] += int(row.failed_calls)
        return [_sums(by, key, groups[key]) for key in sorted(groups, key=_order)]

    async def spent(self, column: Column | None, ids: Sequence[str], since: int) -> dict[tuple[str, str], int]:
        """What calls cost since the hour of `since` (ms), by the value of a column, one of `ids`, and the currency;
        without a column that of all calls, by "" and the currency."""

        def read(session: Session) -> dict[tuple[str, str], int]:
            by = literal("") if column is None else getattr(UsageHour, column)
            query = select(by, UsageHour.currency, func.sum(UsageHour.cost)).group_by(by, UsageHour.currency)
            query = query.where(UsageHour.hour >= since - since % _HOUR)
            found: dict[tuple[str, str], int] = {}
            for at in range(0, len(ids), _TOGETHER):
                some = query if column is None else query.where(by.in_(ids[at : at + _TOGETHER]))
                found.update({(one, currency): int(cost) for one, currency, cost in session.execute(some)})
            return found

        return await self._ledger.read(read)

    async def entries(
        self, where: Filter | None = None, *, before: int | None = None, limit: int = 100
    ) -> list[LedgerEntry]:
        """Single calls, newest first; `before` is the id of the last one of the page before."""
        query = select_entries(where or Filter()).order_by(LedgerEntry.id.desc()).limit(limit)
        if before is not None:
            query = query.where(LedgerEntry.id < before)
        return await self._ledger.read(lambda session: [*session.scalars(query)])

    async def said(self, call_id: str) -> Said:
        """What was said in a call.

        Raises:
            NotFound: it was not recorded, or is forgotten.
        """
        body = await self._ledger.read(lambda session: session.get(CallBody, call_id))
        if body is None:
            raise NotFound(f"what was said in {call_id} was not recorded, or is forgotten already")
        return Said(body.request, body.answer)


def select_entries(where: Filter) -> Select[LedgerEntry]:
    """The entries a filter lets through."""
    query = select(LedgerEntry).where(LedgerEntry.at >= where.since)
    if where.until is not None:
        query = query.where(LedgerEntry.at < where.until)
    for name, value in where.columns().items():
        column = getattr(LedgerEntry, name)
        query = query.where(column == value if value else (column.is_(None)) | (column == ""))
    return query


#: What the smaller sums know of a call.
_BY_MODEL = frozenset({"model", "provider", "source"})
_BY_PERSON = frozenset({"user_id", "key_id", "team_id"})
Summed = type[UsageHour] | type[UsageModelHour] | type[UsagePersonDay]


def _sums_of(session: Session, where: Filter, by: Sequence[str], timed: bool) -> list[Any]:
    """Rows to be added up, from the smallest sums that know what is asked; hours at the edges of days."""
    wanted = {*by, *where.columns()}
    since = where.since - where.since % _HOUR
    if wanted <= _BY_MODEL:
        return _rows(session, UsageModelHour, where, since, where.until, by, timed)
    if timed or not wanted <= _BY_PERSON or where.user_id is not None:  # one person's hours are found by an index
        return _rows(session, UsageHour, where, since, where.until, by, timed)
    first = -(-since // _DAY) * _DAY
    last = None if where.until is None else where.until - where.until % _DAY
    if last is not None and last <= first:
        return _rows(session, UsageHour, where, since, where.until, by, timed)
    found = _rows(session, UsagePersonDay, where, first, last, by, timed)
    if since < first:
        found += _rows(session, UsageHour, where, since, first, by, timed)
    if last is not None and where.until is not None and last < where.until:
        found += _rows(session, UsageHour, where, last, where.until, by, timed)
    return found


def _rows(
    session: Session, table: Summed, where: Filter, since: int, until: int | None, by: Sequence[str], timed: bool
) -> list[Any]:
    columns: list[ColumnElement[object]] = [getattr(table, name) for name in (*by, "currency")]
    if timed:
        columns.append(table.hour)  # type: ignore[arg-type]
    amounts = [func.sum(getattr(table, name)).label(name) for name in _SUMMED]
    failed: ColumnElement[Any] = func.sum(UsageHour.calls).filter(UsageHour.status == "failed")
    if table is not UsageHour:
        failed = func.sum(table.failed_calls)  # type: ignore[union-attr]
    query = select(*columns, *amounts, func.coalesce(failed, 0).label("failed_calls")).group_by(*columns)
    query = query.where(table.hour >= since)
    if until is not None:
        query = query.where(table.hour < until)
    for name, value in where.columns().items():
        query = query.where(getattr(table, name) == value)
    return list(session.execute(query).all())


def _day_of(hour: int, zone: ZoneInfo) -> int:
    """When the day of that hour began, in ms."""
    moment = datetime.fromtimestamp(hour / 1000, zone)
    return int(moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).timestamp() * 1000)


def _order(key: tuple[str | int, ...]) -> tuple[str, ...]:
    return tuple(f"{part:020}" if isinstance(part, int) else part for part in key)


def _sums(by: Sequence[str], key: tuple[str | int, ...], amounts: list[int]) -> Sums:
    got = dict(zip(_SUMMED, amounts, strict=False))
    ttft_ms, ttft_calls = got.pop("ttft_ms"), got.pop("ttft_calls")
    return Sums(
        group=dict(zip(by, key, strict=False)),
        currency=str(key[-1]),
        failed_calls=amounts[-1],
        duration_ms=got["busy_ms"] / got["calls"] if got["calls"] else None,
        ttft_ms=ttft_ms / ttft_calls if ttft_calls else None,
        **got,
    )
