"""Whose limits are how nearly reached: the order in which people look at budgets."""

from collections.abc import Iterable, Mapping

from inglenook.accounts.snapshot import EACH_USER, LimitFacts, Snapshot, Subject
from inglenook.gateway.budgets.periods import Period
from inglenook.gateway.steps.limits import RatesUse

Limited = tuple[Subject, LimitFacts]


def limited(snapshot: Snapshot, kind: str | None = None) -> list[Limited]:
    """Everybody who is limited, of one kind perhaps: also each user who has the default limits."""
    found = [item for item in snapshot.limits.items() if kind is None or item[0][0] == kind]
    default = snapshot.limits.get(EACH_USER)
    if default is not None and kind in (None, "user"):
        found += [(one, default) for user in snapshot.users if (one := ("user", user)) not in snapshot.limits]
    return found


def closeness(
    limited: Limited, spent: Mapping[tuple[Subject, Period], int], rates: Mapping[Subject, RatesUse]
) -> float:
    """How much of the limit is used that is nearest to being reached: 1 is all of it."""
    subject, facts = limited
    use = rates.get(subject)
    parts = [
        (spent.get((subject, "day"), 0), facts.amount_per_day),
        (spent.get((subject, "month"), 0), facts.amount_per_month),
    ]
    if use is not None:
        parts += [
            (use.requests, facts.requests_per_minute),
            (use.tokens, facts.tokens_per_minute),
            (use.concurrent, facts.concurrent_requests),
        ]
    return max((_part(used, most) for used, most in parts if most is not None), default=0.0)


def sort(
    found: Iterable[Limited], spent: Mapping[tuple[Subject, Period], int], rates: Mapping[Subject, RatesUse]
) -> list[Limited]:
    """The nearest to a limit first; those that are as near by kind and age."""
    return sorted(found, key=lambda one: (-closeness(one, spent, rates), one[0]))


def _part(used: int, most: int) -> float:
    return used / most if most else 1.0
