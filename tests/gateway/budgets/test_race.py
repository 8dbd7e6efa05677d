"""A real server, a provider with its own bill, readers who leave, and kills: see `bench/budget.py`."""

from pathlib import Path

import pytest

from bench.budget import check, race


@pytest.mark.slow
async def test_no_call_is_forgotten_and_no_budget_overspent(tmp_path: Path) -> None:
    seen = await race(tmp_path, calls=120, kills=2)
    assert check(seen) == []
    assert seen.looks > 300
    assert seen.outcomes["finished"] > 4  # what kills leave held is not there for others
    assert seen.outcomes["refused"] > 10
    assert seen.outcomes["left"] > 10
    assert seen.spent > 0
