"""Fixtures of the gateway's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.gateway import Desk, open_desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A gateway on real accounts and a real ledger, with the fake provider behind it."""
    async with open_desk(tmp_path) as opened:
        yield opened
