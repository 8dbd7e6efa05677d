"""A gateway whose models have a price: 1,000 billionths of a dollar for a token, in or out."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from inglenook.accounts.principal import CONSOLE
from inglenook.accounts.snapshot import LimitFacts, Subject
from inglenook.gateway.budgets.purse import Purse
from inglenook.models.prices import Prices
from tests.support.gateway import Desk, open_desk

TOKEN = 1000
PRICES = Prices(input=1_000_000, output=1_000_000)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as opened:
        for entry in opened.shelf.entries():
            entry.prices = PRICES
            entry.facts.output_length = 1000
        yield opened


SetLimit = Callable[..., Awaitable[None]]


@pytest.fixture
def limit(desk: Desk) -> SetLimit:
    """Set limits: by default those of the desk's key, per day."""

    async def limit(amount: int | None = None, subject: Subject | None = None, **more: int) -> None:
        subject = subject or ("key", desk.principal.key_id or "")
        day = {} if amount is None else {"amount_per_day": amount}
        await desk.accounts.limits.put(CONSOLE, subject, LimitFacts(**day, **more))

    return limit


def purse_of(desk: Desk, subject: Subject | None = None, period: str = "day") -> Purse:
    """The purse of a subject now, by default that of the desk's key."""
    from inglenook.kit.time import now_ms

    subject = subject or ("key", desk.principal.key_id or "")
    key, _ = desk.gateway.budget.key(subject, period, now_ms())  # type: ignore[arg-type]
    purse = desk.gateway.budget.leases.held(key)
    assert purse is not None
    return purse
