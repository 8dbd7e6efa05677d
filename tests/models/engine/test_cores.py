import asyncio
import os
from collections.abc import Callable

import pytest

from inglenook.models.engine import cores
from inglenook.models.engine.cores import CoreShares, divided
from inglenook.models.engine.service import Engine
from inglenook.models.engine.source import Source

Make = Callable[..., Engine]
Tiny = Callable[..., Source]

several = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core")


async def _timers() -> None:
    """Let timers that are due run."""
    for _ in range(3):
        await asyncio.sleep(0)


def test_cores_are_divided_as_equally_as_can_be() -> None:
    assert divided([0, 1], [7]) == {7: (0, 1)}
    assert divided([0, 1], [7, 8]) == {7: (0,), 8: (1,)}
    assert divided([0, 1], [7, 8, 9]) == {7: (0,), 8: (1,), 9: (0,)}
    assert divided([0, 2, 4, 6, 8], [7, 8]) == {7: (0, 2), 8: (4, 6, 8)}
    assert divided([0, 1], []) == {}


@several
async def test_models_at_work_share_and_one_alone_has_them_all(
    make_engine: Make, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cores, "PATIENCE", 0)
    every = os.sched_getaffinity(0)
    engine = make_engine(max_loaded=2)

    def threads(pid: int) -> list[set[int]]:
        return [os.sched_getaffinity(int(thread)) for thread in os.listdir(f"/proc/{pid}/task")]

    async with engine.lease(tiny("a")) as first:
        assert all(share == every for share in threads(first.child.pid))
        async with engine.lease(tiny("b")) as second:
            shares = [threads(lease.child.pid) for lease in (first, second)]
            assert all(len({frozenset(share) for share in each}) == 1 for each in shares)
            ours, theirs = shares[0][0], shares[1][0]
            assert not ours & theirs
            assert ours | theirs == every
        pid = second.child.pid
        await _timers()
        assert threads(first.child.pid)[0] == every
        assert threads(pid)[0] == theirs  # at rest, it keeps what it had
    await _timers()
    async with engine.lease(tiny("b")):
        assert threads(pid)[0] == every


@several
async def test_calls_that_follow_each_other_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    confined: list[int] = []
    monkeypatch.setattr(cores, "_confine", lambda pid, share: confined.append(pid))
    shares = CoreShares({0, 1})
    for _ in range(5):
        shares.working(frozenset({7, 8}))
        shares.working(frozenset({7}))
    shares.stop()
    assert sorted(confined) == [7, 8]
