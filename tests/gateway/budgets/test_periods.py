"""Days and months, by the calendar of a place."""

from datetime import UTC, datetime

import pytest

from inglenook.gateway.budgets.periods import shown, span, zone


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("period", "where", "at", "start", "end"),
    [
        ("day", "UTC", "2026-12-31T23:59:59.999+00:00", "2026-12-31T00:00+00:00", "2027-01-01T00:00+00:00"),
        ("month", "UTC", "2026-12-31T23:59:59+00:00", "2026-12-01T00:00+00:00", "2027-01-01T00:00+00:00"),
        ("month", "UTC", "2028-02-29T12:00+00:00", "2028-02-01T00:00+00:00", "2028-03-01T00:00+00:00"),
        ("day", "Asia/Shanghai", "2026-12-31T15:59:59+00:00", "2026-12-31T00:00+08:00", "2027-01-01T00:00+08:00"),
        ("day", "Asia/Shanghai", "2026-12-31T16:00+00:00", "2027-01-01T00:00+08:00", "2027-01-02T00:00+08:00"),
        # The clocks go forward and back: such a day has 23 hours, or 25.
        ("day", "Europe/Berlin", "2026-03-29T10:00+00:00", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),
        ("day", "Europe/Berlin", "2026-10-25T10:00+00:00", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00"),
        ("month", "Europe/Berlin", "2026-03-15T10:00+00:00", "2026-03-01T00:00+01:00", "2026-04-01T00:00+02:00"),
    ],
)
def test_a_period_is_a_day_or_month_of_the_calendar(period: str, where: str, at: str, start: str, end: str) -> None:
    found = span(period, ms(at), zone(where))  # type: ignore[arg-type]
    assert (found.start, found.end) == (ms(start), ms(end))


def test_time_zones() -> None:
    assert zone("UTC") is UTC
    for wrong in ("Mars/Olympus", "", "../etc/passwd", "x" * 5000):
        with pytest.raises(ValueError, match="no time zone"):
            zone(wrong)
    assert shown(ms("2026-12-31T16:00+00:00"), "Asia/Shanghai") == "2027-01-01 00:00 (Asia/Shanghai)"
