"""Limits with their use, for people; the steps do not come here."""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import structs
from sqlalchemy.orm import Session

from inglenook.accounts import audit
from inglenook.accounts.principal import Principal, Thing
from inglenook.accounts.service import Accounts
from inglenook.accounts.snapshot import ALL_TOGETHER, EACH_USER, LimitFacts, Snapshot, Subject
from inglenook.gateway.budgets import book, closeness
from inglenook.gateway.budgets.leases import Leases
from inglenook.gateway.budgets.periods import PERIODS, Period
from inglenook.gateway.budgets.purse import PurseKey
from inglenook.gateway.budgets.schemas import BudgetUse, LimitsInfo
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.usage.service import Filter, Group, Usage
from inglenook.kit.errors import NotFound
from inglenook.kit.time import now_ms

#: How calls are told apart in the ledger, by kind of subject.
_COLUMNS: dict[str, Group] = {"key": "key_id", "user": "user_id", "group": "team_id"}


class _Use(NamedTuple):
    """A budget as it is. `reserved` is promised and no part of what is known to be spent."""

    key: PurseKey
    end: int
    spent: int
    reserved: int
    held: int


class Overview:
    """Reads limits, budgets and rates together."""

    def __init__(self, accounts: Accounts, gateway: Gateway) -> None:
        self._accounts = accounts
        self._gateway = gateway
        self._usage = Usage(gateway.ledger)

    @property
    def _leases(self) -> Leases:
        return self._gateway.budget.leases

    @property
    def currency(self) -> str:
        """What budgets are in."""
        return self._gateway.money.currency

    @property
    def time_zone(self) -> str:
        """At whose midnight budgets begin anew."""
        return self._gateway.budget.time_zone

    async def of(self, subjects: Sequence[tuple[Subject, LimitFacts]]) -> list[LimitsInfo]:
        """These subjects' limits with their use, in that order."""
        now = now_ms()
        keys: dict[tuple[Subject, Period], tuple[PurseKey, int]] = {}
        for subject, facts in subjects:
            for period in PERIODS:
                if _amount(facts, period) is not None and subject != EACH_USER:
                    keys[subject, period] = self._gateway.budget.key(subject, period, now)
        wanted = [key for key, _ in keys.values()]
        store, me = self._accounts.store, self._leases.server_id
        kept = await store.read(lambda s: book.look(s, wanted, me, alone=store.is_sqlite)) if wanted else {}
        spent = await self._spent([key for key in wanted if key not in kept])
        uses = {
            at: self._use(key, end, kept.get(key) or book.Kept("", spent.get(key, 0), 0, 0))
            for at, (key, end) in keys.items()
        }
        of_keys = [subject[1] for subject, _ in subjects if subject[0] == "key"]
        names = await self._accounts.keys.named(of_keys) if of_keys else {}
        return [self._info(subject, facts, uses, names) for subject, facts in subjects]

    async def closest(
        self, *, kind: str | None = None, search: str = "", offset: int = 0, limit: int = 50
    ) -> tuple[list[LimitsInfo], int]:
        """Everybody who is limited, the nearest to a limit first, and how many they are.

        What a budget was used before its first call of the period does not count for the order.

        Args:
            kind: Of subjects; None: all but the default, which nobody uses.
            search: Part of a name, or of a key's owner's.
        """
        accounts, snapshot, currency = self._accounts, self._accounts.snapshot.now, self._gateway.money.currency
        now, me = now_ms(), self._leases.server_id
        starts = {period: self._gateway.budget.key(ALL_TOGETHER, period, now)[0].start for period in PERIODS}
        rates = {subject: self._gateway.limits.use(subject) for subject in self._gateway.limits.active()}
        keys = await accounts.keys.found(search) if search else set()

        def read(session: Session) -> list[tuple[Subject, LimitFacts]]:
            found = [one for one in closeness.limited(snapshot, kind) if one[0] != EACH_USER or kind is not None]
            if search:
                found = [one for one in found if _is_named(snapshot, one[0], search, keys)]
            return closeness.sort(found, book.used(session, starts, currency, me), rates)

        everybody = await accounts.store.read(read)
        return await self.of(everybody[offset : offset + limit]), len(everybody)

    async def release(self, actor: Principal, subject: Subject) -> int:
        """Count what dead servers hold of a subject's budgets as not spent; gives how much that was.

        Raises:
            NotFound: the subject has no budget.
        """
        keys = [self._gateway.budget.key(subject, period, now_ms())[0] for period in PERIODS]
        store, me = self._accounts.store, self._leases.server_id

        def write(session: Session) -> int:
            kept = book.look(session, keys, me, alone=store.is_sqlite)
            if not kept:
                raise NotFound(f"{' '.join(part for part in subject if part)} has no budget that was used")
            amount = book.release(session, [row.id for row in kept.values()], me, alone=store.is_sqlite)
            audit.record(session, actor, "budget.released", Thing(subject[0], subject[1] or None), amount=amount)
            return amount

        amount = await store.write(write)
        await self._leases.refresh(keys)
        return amount

    def _use(self, key: PurseKey, end: int, row: book.Kept) -> _Use:
        elsewhere, purse = row.leased - row.held, self._leases.held(key)
        if purse is None:
            return _Use(key, end, row.spent, elsewhere, row.held)
        reserved = max(0, elsewhere - purse.lease) + purse.reserved
        return _Use(key, end, row.spent + purse.unreported, reserved, row.held)

    def _info(
        self,
        subject: Subject,
        facts: LimitFacts,
        uses: dict[tuple[Subject, Period], _Use],
        names: dict[str, tuple[str, str]],
    ) -> LimitsInfo:
        budgets: dict[Period, BudgetUse | None] = {}
        for period in PERIODS:
            use, amount = uses.get((subject, period)), _amount(facts, period)
            if use is None or amount is None:
                budgets[period] = None
                continue
            budgets[period] = BudgetUse(
                amount=amount,
                spent=use.spent,
                reserved=use.reserved,
                held=use.held,
                currency=use.key.currency,
                started_at=use.key.start,
                resets_at=use.end,
            )
        rates = self._gateway.limits.use(subject)
        name, owner_id = names.get(subject[1], ("", "")) if subject[0] == "key" else (self._name(subject), "")
        return LimitsInfo(
            **structs.asdict(facts),
            subject_kind=subject[0],
            subject_id=subject[1],
            name=name,
            owner=self._name(("user", owner_id)) or self._name(("group", owner_id)),
            own=subject in self._accounts.limits.all(),
            requests=rates.requests,
            tokens=rates.tokens,
            concurrent=rates.concurrent,
            day=budgets["day"],
            month=budgets["month"],
        )

    def _name(self, subject: Subject) -> str:
        kind, subject_id = subject
        now = self._accounts.snapshot.now
        if kind == "user" and subject_id in now.users:
            return now.users[subject_id].display_name
        if kind == "group" and subject_id in now.groups:
            return now.groups[subject_id].name
        return ""

    async def _spent(self, keys: Sequence[PurseKey]) -> dict[PurseKey, int]:
        """What the ledger knows of purses that no call has used yet."""
        found: dict[PurseKey, int] = {}
        for start, column in {(key.start, _COLUMNS.get(key.subject[0])) for key in keys}:
            sums = await self._usage.sums(*([column] if column else []), where=Filter(since=start))
            spent = {(str(row.group[column]) if column else "", row.currency): row.cost for row in sums}
            for key in keys:
                if key.start == start and _COLUMNS.get(key.subject[0]) == column:
                    found[key] = spent.get((key.subject[1], key.currency), 0)
        return found


def _is_named(snapshot: Snapshot, subject: Subject, search: str, keys: set[str]) -> bool:
    kind, subject_id = subject
    if kind == "key":
        return subject_id in keys
    if kind == "user" and subject_id in snapshot.users:
        user = snapshot.users[subject_id]
        return search.casefold() in f"{user.name}\n{user.display_name}".casefold()
    group = snapshot.groups.get(subject_id) if kind == "group" else None
    return group is not None and search.casefold() in group.name.casefold()


def _amount(facts: LimitFacts, period: Period) -> int | None:
    return facts.amount_per_day if period == "day" else facts.amount_per_month


def in_order(limits: dict[Subject, LimitFacts]) -> list[tuple[Subject, LimitFacts]]:
    """All together first, then what each user has, then teams, users and keys by age."""
    kinds = (ALL_TOGETHER[0], EACH_USER[0], "group", "user", "key")
    return sorted(limits.items(), key=lambda item: (kinds.index(item[0][0]), item[0][1]))
