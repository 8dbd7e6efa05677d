"""What a call may cost: promised before a provider is asked, settled when the call ends, whatever happened.

Budgets stack: the money must be there in the purses of the key, of the user, of the team that pays, and of everybody
together, for the day and for the month. Promised is what the call can come to at the dearest target of its plan: our
estimate of the prompt on the safe side, and the longest answer it may get. A caller who sets no limit gets an answer as
long as the purse affords. Settled is what the provider says was used or, of an answer that was cut, our own count.

Here nothing waits, unless a purse's lease has run out (`budgets.leases`).
"""

from collections.abc import Awaitable, Sequence
from typing import NamedTuple

from msgspec import Struct

from inglenook.accounts.principal import Principal
from inglenook.accounts.service import Accounts
from inglenook.accounts.snapshot import Snapshot, Subject
from inglenook.gateway.budgets.leases import Leases
from inglenook.gateway.budgets.periods import PERIODS, Period, shown, span, zone
from inglenook.gateway.budgets.purse import Purse, PurseKey
from inglenook.gateway.budgets.settings import BUDGETS
from inglenook.gateway.budgets.warnings import Warnings
from inglenook.gateway.budgets.wish import Wish
from inglenook.gateway.call import Exchange, Outcome
from inglenook.gateway.errors import BudgetExceeded, Unpriced
from inglenook.gateway.ledger import Ledger
from inglenook.gateway.money import BILLING, Money
from inglenook.gateway.steps.base import Step
from inglenook.gateway.usage.service import Column, Usage
from inglenook.kit.time import now_ms
from inglenook.models.calls import Operation

_NEVER = 1 << 62
_COLUMNS: dict[str, Column] = {"key": "key_id", "user": "user_id", "group": "team_id"}
_WORDS = {"day": "daily", "month": "monthly"}


class _Stack(NamedTuple):
    """The purses that pay for a principal, narrowest first, until one of their periods is over."""

    until: int
    purses: tuple[Purse, ...]


class Promised(Struct, frozen=True):
    """What is held for a call until it is settled."""

    amount: int
    purses: tuple[Purse, ...]


class Budget(Step):
    """Promises and settles."""

    def __init__(self, accounts: Accounts, ledger: Ledger, money: Money) -> None:
        self._accounts = accounts
        self._usage = Usage(ledger)
        self._money = money
        self._settings = accounts.settings.register(BUDGETS)
        self._stacks: dict[str, _Stack] = {}
        self.leases = Leases(accounts.store, self._opening)
        self.leases.tell = Warnings(accounts, self._settings).tell
        accounts.snapshot.on_change(self._changed)
        self._settings.on_change(lambda _: self._stacks.clear())
        accounts.settings.get(BILLING.name).on_change(lambda _: self._stacks.clear())

    def open(self, exchange: Exchange) -> Awaitable[None] | None:
        """Promise. An answer that is there already costs nothing, nor does counting.

        Raises:
            BudgetExceeded: the money is not there; it says in whose purse.
            Unpriced: the caller has a budget, and what a model costs is not known.
        """
        principal = exchange.principal
        assert principal is not None
        stack = self._stacks.get(principal.key_id or principal.user_id)
        if stack is None or exchange.started_at >= stack.until:
            stack = self._resolve(principal, exchange.started_at)
        if not stack.purses or exchange.answer is not None or exchange.call.operation is Operation.COUNT:
            return None
        wish = self._wish(exchange)
        if wish is None:
            return None
        purses = stack.purses
        for purse in purses:
            if purse.waiting or not purse.id or purse.free < wish.whole or purse.available < wish.plenty:
                break
        else:  # nearly every call
            self._promise(exchange, wish.whole, wish.cap, purses)
            return None
        for purse in purses:
            if purse.waiting or not purse.id:
                return self._wait(exchange, wish, purses)
        return self._wait(exchange, wish, purses) if self._attempt(exchange, wish, purses, last=False) else None

    def close(self, exchange: Exchange, outcome: Outcome) -> None:
        """Settle. The meter closed before us and has set the cost; what has no price costs nothing."""
        promised: Promised | None = exchange.reservations
        if promised is None:
            return
        exchange.reservations = None
        cost = exchange.cost or 0
        for purse in promised.purses:
            purse.settle(promised.amount, cost)

    @property
    def time_zone(self) -> str:
        """At whose midnight days and months begin."""
        return self._settings.now.time_zone

    def key(self, subject: Subject, period: Period, at: int) -> tuple[PurseKey, int]:
        """Which purse a subject has at a moment (ms), and when its period ends."""
        start, end = span(period, at, zone(self._settings.now.time_zone))
        return PurseKey(subject, period, start, self._money.currency), end

    # --------------------------------------------------------------------------------------------- internals

    def _wish(self, exchange: Exchange) -> Wish | None:
        """What the call wants; None if it costs nothing."""
        assert exchange.plan is not None
        priced, unpriced = [], None
        for candidate in exchange.plan.candidates:
            entry = candidate.entry
            if entry.prices is not None:
                priced.append((entry, entry.prices))
            elif not entry.local:
                unpriced = entry
        if unpriced is not None and self._settings.now.unpriced == "refuse":
            raise Unpriced(
                f"what '{unpriced.name}' costs is not known, and your calls are on a budget; ask an administrator to "
                "enter its price under Models, Providers",
                details={"model": unpriced.name},
            )
        return Wish(exchange, priced, self._money) if priced else None

    def _attempt(self, exchange: Exchange, wish: Wish, purses: tuple[Purse, ...], *, last: bool) -> int:
        """Promise if the money is free: 0. Else how much of each purse must be."""
        amount, cap = wish.fit(min([purse.available for purse in purses]))
        for purse in purses:
            if purse.available < amount and (last or self.leases.is_fresh(purse)):
                raise self._refused(purse, amount)
        for purse in purses:
            if purse.free < amount:
                if last:
                    raise self._refused(purse, amount)
                return amount
        self._promise(exchange, amount, cap, purses)
        return 0

    def _promise(self, exchange: Exchange, amount: int, cap: int | None, purses: tuple[Purse, ...]) -> None:
        for purse in purses:
            purse.reserve(amount)
        exchange.reservations = Promised(amount, purses)
        exchange.answer_cap = cap

    async def _wait(self, exchange: Exchange, wish: Wish, purses: tuple[Purse, ...]) -> None:
        try:
            await self.leases.wait(lambda last: self._attempt(exchange, wish, purses, last=last), purses)
        except BaseException:
            if exchange.reservations is not None:  # it was promised in the moment the caller went away
                for purse in purses:
                    purse.settle(exchange.reservations.amount, 0)
                exchange.reservations = None
            raise

    def _resolve(self, principal: Principal, at: int) -> _Stack:
        purses, until = [], _NEVER
        for subject, facts in self._accounts.limits.stack(principal):
            for period in PERIODS:
                limit = facts.amount_per_day if period == "day" else facts.amount_per_month
                if limit is not None:
                    key, end = self.key(subject, period, at)
                    until = min(until, end)
                    purses.append(self.leases.purse(key, end, limit))
        stack = self._stacks[principal.key_id or principal.user_id] = _Stack(until, tuple(purses))
        return stack

    async def _opening(self, keys: Sequence[PurseKey]) -> list[int]:
        """What the ledger knows to have been spent already: a budget may be set in the middle of its month."""
        together: dict[tuple[str, int], list[str]] = {}
        for key in keys:
            together.setdefault((key.subject[0], key.start), []).append(key.subject[1])
        spent = {
            (kind, start): await self._usage.spent(_COLUMNS.get(kind), ids, start)
            for (kind, start), ids in together.items()
        }
        return [spent[key.subject[0], key.start].get((key.subject[1], key.currency), 0) for key in keys]

    def _changed(self, _: Snapshot) -> None:
        self._stacks.clear()
        self.leases.forget_idle()

    def _refused(self, purse: Purse, amount: int) -> BudgetExceeded:
        purse.refuse()
        subject, period = purse.key.subject, purse.key.period
        money = self._money.shown
        spent, reserved = purse.used, purse.set_aside
        # What is promised to others comes back in part: with that, this call may fit.
        soon = spent + amount <= purse.limit
        wait = 1.0 if soon else max(1.0, (purse.end - now_ms()) / 1000)
        anew = shown(purse.end, self._settings.now.time_zone)
        when = "try again when other calls have ended" if soon else f"it begins anew on {anew}"
        return BudgetExceeded(
            f"the {_WORDS[period]} budget of {self._accounts.limits.name(subject)} does not suffice for this call: "
            f"of {money(purse.limit)}, {money(spent)} are spent and {money(reserved)} set aside for calls under way, "
            f"and this call may come to {money(amount)}; {when}",
            details={
                "subject_kind": subject[0],
                "subject_id": subject[1],
                "period": period,
                "currency": purse.key.currency,
                "amount": purse.limit,
                "spent": spent,
                "reserved": reserved,
                "wanted": amount,
                "resets_at": purse.end,
            },
            retry_after=wait,
        )
