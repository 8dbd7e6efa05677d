"""When a day and a month begin and end, in the time zone of the settings."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

Period = Literal["day", "month"]
PERIODS: tuple[Period, ...] = ("day", "month")


class Span(NamedTuple):
    """A day or a month: from `start` to before `end`, in milliseconds since the epoch."""

    start: int
    end: int


def zone(name: str) -> tzinfo:
    """The time zone of that IANA name.

    Raises:
        ValueError: there is none.
    """
    if name == "UTC":
        return UTC  # also where no time zones are installed
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise ValueError(f"there is no time zone {name!r}; write one such as Asia/Shanghai") from None


def shown(at: int, name: str) -> str:
    """A moment in words, in the time zone of that name: `2026-12-01 00:00 (Asia/Shanghai)`."""
    return f"{datetime.fromtimestamp(at / 1000, zone(name)):%Y-%m-%d %H:%M} ({name})"


def span(period: Period, at: int, where: tzinfo) -> Span:
    """The day or month that holds the moment `at` (ms)."""
    moment = datetime.fromtimestamp(at / 1000, where)
    first = datetime(moment.year, moment.month, moment.day if period == "day" else 1, tzinfo=where)
    # The calendar's next day or month, whatever the clocks do in between.
    following = first + timedelta(days=1 if period == "day" else 32)
    if period == "month":
        following = following.replace(day=1)
    return Span(int(first.timestamp() * 1000), int(following.timestamp() * 1000))
