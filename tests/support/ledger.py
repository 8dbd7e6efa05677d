"""Entries of the usage ledger."""

from typing import Any

from inglenook.gateway.ledger import Record

HOUR = 3_600_000
DAY = 24 * HOUR


def record(**changes: Any) -> Record:
    """An entry of day ten; its prompt of ten tokens was answered with five."""
    entry = Record(
        call_id="call_1",
        at=10 * DAY + 5,
        user_id="usr_a",
        key_id="key_a",
        run_id=None,
        model="m",
        provider="p",
        operation="chat",
        source="openai",
        input_tokens=10,
        output_tokens=5,
        cached_tokens=4,
        reasoning_tokens=1,
        estimated=False,
        cost=None,
        status="finished",
        duration_ms=12,
        ttft_ms=3,
    )
    return entry._replace(**changes)
