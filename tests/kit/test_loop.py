"""The loop's lag is seen."""

import asyncio
import time

from inglenook.kit.loop import LagMonitor


async def test_a_held_loop_shows() -> None:
    monitor = LagMonitor()
    monitor.start()
    await asyncio.sleep(0)
    time.sleep(0.08)  # noqa: ASYNC251 - holding the loop is the point
    while not monitor.report().samples:  # noqa: ASYNC110 - the monitor has no event to wait for
        await asyncio.sleep(0)
    monitor.stop()
    assert monitor.report().worst > 40
