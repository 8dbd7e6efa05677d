"""Sums of hours and days, filters, and forgetting."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from inglenook.accounts.settings import Registered
from inglenook.gateway.ledger import Body, Ledger
from inglenook.gateway.usage.keeping import KEEPING, Keeping, Pruner
from inglenook.gateway.usage.service import Filter, Usage
from inglenook.kit.errors import BadInput, NotFound
from tests.support.ledger import DAY, HOUR, record


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    made = Ledger(tmp_path / "usage.db")
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def usage(ledger: Ledger) -> Usage:
    return Usage(ledger)


async def test_sums_by_user_model_and_day(ledger: Ledger, usage: Usage) -> None:
    for entry in (
        record(),
        record(at=11 * DAY, output_tokens=7, cost=3, duration_ms=24, ttft_ms=None),
        record(at=11 * DAY + 9, user_id="usr_b", model="n", replayed=True),
        record(at=12 * DAY, user_id="usr_b", status="failed", error="upstream_failed"),
    ):
        ledger.record(entry)
    (whole,) = await usage.sums()
    assert (whole.calls, whole.input_tokens, whole.output_tokens, whole.cost) == (4, 40, 22, 3)
    assert (whole.failed_calls, whole.replayed_calls, whole.unpriced_calls) == (1, 1, 3)
    assert (whole.duration_ms, whole.ttft_ms) == (15, 3)
    by_user = await usage.sums("user_id")
    assert [(sums.group["user_id"], sums.calls) for sums in by_user] == [("usr_a", 2), ("usr_b", 2)]
    by_day = await usage.sums("day", "model", where=Filter(user_id="usr_b"))
    assert [(sums.group, sums.calls) for sums in by_day] == [
        ({"day": 11 * DAY, "model": "n"}, 1),
        ({"day": 12 * DAY, "model": "m"}, 1),
    ]
    (between,) = await usage.sums(where=Filter(since=11 * DAY, until=12 * DAY))
    assert between.calls == 2
    assert await usage.sums(where=Filter(since=99 * DAY)) == []


async def test_days_begin_where_people_are(ledger: Ledger, usage: Usage) -> None:
    ledger.record(record(at=10 * DAY + 17 * HOUR))  # one in the morning in Shanghai
    ledger.record(record(at=10 * DAY + 15 * HOUR))
    (one, other) = await usage.sums("day", zone="Asia/Shanghai")
    assert [one.group["day"], other.group["day"]] == [10 * DAY - 8 * HOUR, 11 * DAY - 8 * HOUR]
    (single,) = await usage.sums("day")
    assert (single.group["day"], single.calls) == (10 * DAY, 2)
    with pytest.raises(BadInput, match="no time zone 'Mars/Base'"):
        await usage.sums("day", zone="Mars/Base")


async def test_currencies_are_never_added_together(ledger: Ledger, usage: Usage) -> None:
    ledger.record(record(cost=5, currency="USD"))
    ledger.record(record(cost=7, currency="CNY"))
    assert [(sums.currency, sums.cost) for sums in await usage.sums()] == [("CNY", 7), ("USD", 5)]


async def test_entries_come_in_pages_and_by_filter(ledger: Ledger, usage: Usage) -> None:
    for number in range(5):
        ledger.record(record(call_id=f"call_{number}", team_id="grp_1" if number % 2 else None))
    first = await usage.entries(limit=2)
    rest = await usage.entries(before=first[-1].id, limit=9)
    assert [entry.call_id for entry in [*first, *rest]] == [f"call_{number}" for number in (4, 3, 2, 1, 0)]
    assert len(await usage.entries(Filter(team_id="grp_1"))) == 2
    assert len(await usage.entries(Filter(team_id=""))) == 3


async def test_what_is_old_is_forgotten_and_its_sums_stay(ledger: Ledger, usage: Usage) -> None:
    for day in (1, 5, 10):
        ledger.record(record(at=day * DAY, call_id=f"call_{day}"))
        ledger.record_body(Body(f"call_{day}", day * DAY, "usr_a", "grp_1", "{}", "hello"))
    await ledger.flush()
    keeping = Registered(KEEPING)
    keeping.show(None, Keeping(entry_days=6, body_days=1))
    gone = await Pruner(ledger, keeping).prune(10 * DAY + HOUR)
    assert gone == 1 + 2
    assert [entry.call_id for entry in await usage.entries()] == ["call_10", "call_5"]
    assert (await usage.said("call_10")).answer == "hello"
    with pytest.raises(NotFound):
        await usage.said("call_5")
    (whole,) = await usage.sums()
    assert whole.calls == 3


# ------------------------------------------------------------------------------- from smaller sums


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/St_Johns"])
@pytest.mark.parametrize(
    "by", [(), ("model",), ("provider", "source"), ("day",), ("user_id",), ("key_id", "team_id"), ("day", "model")]
)
@pytest.mark.parametrize("filters", [{}, {"model": "m1"}, {"team_id": "grp_1"}, {"user_id": "usr_2"}])
@pytest.mark.parametrize(
    ("since", "until"),
    [
        (0, None),
        (11 * DAY, 14 * DAY),
        (11 * DAY - 16 * HOUR, 13 * DAY + 9 * HOUR),
        (12 * DAY + HOUR, 12 * DAY + 5 * HOUR),
    ],
)
async def test_the_smaller_sums_say_what_the_entries_say(
    filled: Ledger, zone: str, by: tuple[Any, ...], filters: dict[str, str], since: int, until: int | None
) -> None:
    where = Filter(since=since, until=until, **filters)
    found = await Usage(filled).sums(*by, where=where, zone=zone)
    expected: dict[tuple[Any, ...], list[int]] = {}
    for entry in await Usage(filled).entries(where, limit=10_000):
        day = datetime.fromtimestamp(entry.at / 1000, ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
        named = {"day": int(day.timestamp() * 1000)}
        key = tuple(named[name] if name in named else getattr(entry, name) or "" for name in by)
        sums = expected.setdefault(key, [0, 0, 0, 0, 0])
        amounts = (1, entry.input_tokens, entry.cost or 0, entry.status == "failed", entry.cost is None)
        for at, amount in enumerate(amounts):
            sums[at] += amount
    assert {
        tuple(sums.group[name] for name in by): [
            sums.calls,
            sums.input_tokens,
            sums.cost,
            sums.failed_calls,
            sums.unpriced_calls,
        ]
        for sums in found
    } == expected


@pytest.fixture
async def filled(tmp_path: Path) -> AsyncIterator[Ledger]:
    """Entries of several days, people and models, at odd hours."""
    ledger = Ledger(tmp_path / "usage.db")
    await ledger.start()
    for number in range(400):
        at = 10 * DAY + number * 23 * 60_000 // 2
        ledger.record(
            record(
                call_id=f"call_{number}",
                at=at - at % HOUR + (number % 2) * 30,  # within its hour: hours are the finest there is
                user_id=f"usr_{number % 7}",
                key_id=None if number % 5 == 0 else f"key_{number % 3}",
                team_id=f"grp_{number % 2}" if number % 3 else None,
                model=f"m{number % 4}",
                provider=f"p{number % 2}",
                source="chat" if number % 9 == 0 else "openai",
                cost=None if number % 6 == 0 else number,
                status="failed" if number % 8 == 0 else "finished",
                input_tokens=number,
            )
        )
    yield ledger
    await ledger.stop()
