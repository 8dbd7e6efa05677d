"""The rows of budgets: what one transaction does for one server.

All that is spent and drawn in a turn goes into one transaction, which locks the rows it changes in one order, so that
servers on one database wait for each other and never block each other for good.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from sqlalchemy import Select, delete, func, select, text, update
from sqlalchemy.orm import Session

from inglenook.accounts.snapshot import Subject
from inglenook.gateway.budgets.periods import Period
from inglenook.gateway.budgets.purse import PurseKey
from inglenook.gateway.budgets.tables import BudgetLease, BudgetRow, BudgetServer
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms

#: Rows of one statement.
_TOGETHER = 500
#: Milliseconds after which rows of periods that are over are forgotten, and servers that were not seen are taken for
#: dead.
KEPT_MS = 400 * 86_400_000
DEAD_AFTER_MS = 30_000
#: Percentages of a budget that somebody is told of.
LEVELS = (80, 100)


class Move(NamedTuple):
    """What a server does to one row.

    Attributes:
        key: Whose row it is, for those who are told.
        limit: The amount the budget may come to.
        spent: To be added to what was spent.
        lease: What the server's lease is to be before it draws.
        want: To be drawn, as far as it is there; with `ahead` more, as far as that leaves plenty.
        refused: A call did not fit.
    """

    budget_id: str
    key: PurseKey
    limit: int
    spent: int
    lease: int
    want: int
    ahead: int
    refused: bool


class Moved(NamedTuple):
    """How the row is afterwards, what was drawn, and the highest percentage that people were told of."""

    spent: int
    leased: int
    drawn: int
    warned: int


class Reached(NamedTuple):
    """A purse was used to `level` percent for the first time."""

    key: PurseKey
    level: int
    spent: int
    limit: int


def enter(session: Session, name: str, *, alone: bool) -> str:
    """Make a server known; gives its id.

    Args:
        alone: No other server can be alive: what others hold is of the dead.
    """
    now = now_ms()
    old = select(BudgetRow.id).where(BudgetRow.start < now - KEPT_MS)
    session.execute(delete(BudgetLease).where(BudgetLease.budget_id.in_(old)))
    session.execute(delete(BudgetRow).where(BudgetRow.start < now - KEPT_MS))
    if alone:
        session.execute(update(BudgetServer).values(seen_at=0))
    holding = select(BudgetLease.server_id)
    session.execute(
        delete(BudgetServer).where(BudgetServer.seen_at < now - DEAD_AFTER_MS, BudgetServer.id.not_in(holding))
    )
    server = BudgetServer(id=new_id("srv"), name=name, started_at=now, seen_at=now)
    session.add(server)
    return server.id


def beat(session: Session, server_id: str) -> int:
    """A server is alive; gives how many are."""
    now = _clock(session)
    session.execute(update(BudgetServer).where(BudgetServer.id == server_id).values(seen_at=now))
    alive = select(func.count()).select_from(BudgetServer).where(BudgetServer.seen_at >= now - DEAD_AFTER_MS)
    return session.scalar(alive) or 1


def leave(session: Session, server_id: str) -> None:
    """A server ends. What it still holds stays and counts as spent."""
    if session.scalar(select(func.count()).where(BudgetLease.server_id == server_id)):
        session.execute(update(BudgetServer).where(BudgetServer.id == server_id).values(seen_at=0))
    else:
        session.execute(delete(BudgetServer).where(BudgetServer.id == server_id))


def find(session: Session, keys: Iterable[tuple[PurseKey, int]]) -> list[tuple[str, int, int]]:
    """The rows of these purses: id, spent and leased of each. One that is new begins with the second value as spent."""
    wanted = list(keys)
    rows = [
        {
            "id": new_id("bud"),
            "subject_kind": key.subject[0],
            "subject_id": key.subject[1],
            "period": key.period,
            "start": key.start,
            "currency": key.currency,
            "spent": opening,
        }
        for key, opening in wanted
    ]
    if rows:
        session.execute(_MAKE, rows)
    there = {key: (row.id, row.spent, row.leased) for key, row in _rows(session, [key for key, _ in wanted])}
    return [there[key] for key, _ in wanted]


def existing(session: Session, keys: Iterable[PurseKey]) -> set[PurseKey]:
    """Those of these purses that have a row."""
    return {key for key, _ in _rows(session, list(keys))}


def _rows(session: Session, keys: Sequence[PurseKey]) -> Iterator[tuple[PurseKey, Any]]:
    """Those of these purses that have a row, with its columns."""
    wanted, columns = set(keys), BudgetRow.__table__.columns
    subjects = sorted({key.subject[1] for key in keys})
    for at in range(0, len(subjects), _TOGETHER):
        query = select(*columns).where(
            BudgetRow.start.in_({key.start for key in wanted}), BudgetRow.subject_id.in_(subjects[at : at + _TOGETHER])
        )
        for row in session.execute(query):
            key = PurseKey((row.subject_kind, row.subject_id), cast(Period, row.period), row.start, row.currency)
            if key in wanted:
                yield key, row


class Kept(NamedTuple):
    """A row as it is. `held` is the part of `leased` that is of servers that died."""

    id: str
    spent: int
    leased: int
    held: int


def look(session: Session, keys: Iterable[PurseKey], server_id: str, *, alone: bool) -> dict[PurseKey, Kept]:
    """Those of these purses that have a row.

    Args:
        server_id: Who asks, and is alive.
        alone: No other server can be alive.
    """
    wanted = set(keys)
    held: dict[str, int] = {}
    dead = select(BudgetLease.budget_id, BudgetLease.amount).where(BudgetLease.server_id.in_(_dead(session, alone)))
    for budget_id, amount in session.execute(dead.where(BudgetLease.server_id != server_id)):
        held[budget_id] = held.get(budget_id, 0) + amount
    found = {}
    query = select(BudgetRow).where(BudgetRow.start.in_({key.start for key in wanted}))
    ids = {key.subject[1] for key in wanted}
    if len(ids) <= _TOGETHER:
        query = query.where(BudgetRow.subject_id.in_(ids))
    for row in session.scalars(query):
        key = PurseKey((row.subject_kind, row.subject_id), cast(Period, row.period), row.start, row.currency)
        if key in wanted:
            found[key] = Kept(row.id, row.spent, row.leased, held.get(row.id, 0))
    return found


def used(
    session: Session, starts: Mapping[Period, int], currency: str, server_id: str
) -> dict[tuple[Subject, Period], int]:
    """What is spent of every budget of these days and months, or held by others than the server that asks."""
    held = select(BudgetLease.budget_id, BudgetLease.amount).where(BudgetLease.server_id == server_id)
    mine = {row.budget_id: row.amount for row in session.execute(held)}
    found: dict[tuple[Subject, Period], int] = {}
    columns = (BudgetRow.id, BudgetRow.subject_kind, BudgetRow.subject_id, BudgetRow.spent + BudgetRow.leased)
    for period, start in starts.items():
        query = select(*columns).where(
            BudgetRow.start == start, BudgetRow.period == period, BudgetRow.currency == currency
        )
        for budget_id, kind, subject_id, amount in session.execute(query):
            found[(kind, subject_id), period] = amount - mine.get(budget_id, 0)
    return found


def release(session: Session, budget_ids: Sequence[str], server_id: str, *, alone: bool) -> int:
    """Count what dead servers hold of these budgets as not spent; gives how much that was.

    Args:
        server_id, alone: As for `look`.
    """
    _locked(session, sorted(budget_ids))
    theirs = BudgetLease.budget_id.in_(budget_ids) & BudgetLease.server_id.in_(_dead(session, alone))
    leases = session.scalars(select(BudgetLease).where(theirs, BudgetLease.server_id != server_id)).all()
    for lease in leases:
        row = update(BudgetRow).where(BudgetRow.id == lease.budget_id)
        session.execute(row.values(leased=BudgetRow.leased - lease.amount))
        session.delete(lease)
    return sum(lease.amount for lease in leases)


def _dead(session: Session, alone: bool) -> Select[str]:
    servers = select(BudgetServer.id)
    return servers if alone else servers.where(BudgetServer.seen_at < _clock(session) - DEAD_AFTER_MS)


def turn(
    session: Session, server_id: str, moves: Sequence[Move], tell: Callable[[Session, Reached], None]
) -> list[Moved]:
    """Write down what was spent, and draw what is wanted and there.

    Args:
        tell: Called in the transaction for each purse that reaches one of `LEVELS` for the first time.
    """
    ids = sorted(move.budget_id for move in moves)
    rows, leases = _locked(session, ids), _leases(session, server_id, ids)
    results: list[Moved] = []
    changed: list[dict[str, Any]] = []
    held: list[dict[str, Any]] = []
    for move in moves:
        row = rows[move.budget_id]
        spent = row.spent + move.spent
        # Our own part of `leased`, as the table has it: an administrator may have released it.
        leased = row.leased - leases.get(move.budget_id, 0) + move.lease
        drawn = _drawn(move, move.limit - spent - leased)
        level = _level(move, spent)
        if level > row.warned:
            tell(session, Reached(move.key, level, spent, move.limit))
        warned = max(level, row.warned)
        results.append(Moved(spent, leased + drawn, drawn, warned))
        changed.append({"the_id": move.budget_id, "spent": spent, "leased": leased + drawn, "warned": warned})
        held.append({"server_id": server_id, "budget_id": move.budget_id, "amount": move.lease + drawn})
    connection = session.connection()
    connection.execute(_CHANGE, changed)
    given_back = [{"the_server": one["server_id"], "the_budget": one["budget_id"]} for one in held if not one["amount"]]
    if given_back:
        connection.execute(_GIVE_BACK, given_back)
    if kept := [one for one in held if one["amount"]]:
        connection.execute(_HOLD, kept)
    return results


def _leases(session: Session, server_id: str, ids: Sequence[str]) -> dict[str, int]:
    """What a server holds of these budgets."""
    held: dict[str, int] = {}
    for at in range(0, len(ids), _TOGETHER):
        some = BudgetLease.budget_id.in_(ids[at : at + _TOGETHER])
        query = select(BudgetLease.budget_id, BudgetLease.amount).where(BudgetLease.server_id == server_id, some)
        held.update((row.budget_id, row.amount) for row in session.execute(query))
    return held


def _drawn(move: Move, left: int) -> int:
    if left <= 0 or move.want <= 0:
        return 0
    if move.want >= left:
        return left
    return min(move.want + move.ahead, max(move.want, left // 2))


def _level(move: Move, spent: int) -> int:
    if move.refused:
        return LEVELS[-1]
    return max((level for level in LEVELS if spent * 100 >= level * move.limit), default=0)


def _locked(session: Session, ids: Sequence[str]) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for at in range(0, len(ids), _TOGETHER):
        query = select(BudgetRow.id, BudgetRow.spent, BudgetRow.leased, BudgetRow.warned)
        some = query.where(BudgetRow.id.in_(ids[at : at + _TOGETHER])).order_by(BudgetRow.id).with_for_update()
        rows.update((row.id, row) for row in session.execute(some))
    return rows


def _clock(session: Session) -> int:
    """The time, by one clock for all servers."""
    if session.get_bind().dialect.name == "sqlite":
        return now_ms()
    return int(session.scalar(text("SELECT extract(epoch FROM clock_timestamp()) * 1000")) or 0)


_MAKE = text(
    "INSERT INTO budgets (id, subject_kind, subject_id, period, start, currency, spent, leased, warned) "
    "VALUES (:id, :subject_kind, :subject_id, :period, :start, :currency, :spent, 0, 0) "
    "ON CONFLICT (subject_kind, subject_id, period, start, currency) DO NOTHING"
)
_CHANGE = text("UPDATE budgets SET spent = :spent, leased = :leased, warned = :warned WHERE id = :the_id")
_HOLD = text(
    "INSERT INTO budget_leases (server_id, budget_id, amount) VALUES (:server_id, :budget_id, :amount) "
    "ON CONFLICT (server_id, budget_id) DO UPDATE SET amount = excluded.amount"
)
_GIVE_BACK = text("DELETE FROM budget_leases WHERE server_id = :the_server AND budget_id = :the_budget")
