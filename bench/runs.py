"""What durability costs: `python bench/runs.py [--json]`.

On a SQLite file in a temporary folder: the median time of one append by one run that waits for each commit; appends
a second of 50 runs at once; events a second when many are appended together; streamed deltas a second; pure
effects a second, and the median time of one that waits for its intent and its result; and what a run that does nothing
costs from `create` to its end, watched.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

sys.path.insert(0, str(Path(__file__).parents[1]))

from inglenook.accounts.principal import Principal
from inglenook.runs.kinds import Attempt, RunContext, RunEvent
from inglenook.runs.service import Runs
from inglenook.store.blobs import Blobs
from inglenook.store.database import Store
from inglenook.store.tables import Table

ACTOR = Principal(user_id="usr_bench", name="bench")
EVENT = RunEvent(type="bench.step", payload={"node": "n12", "output": {"text": "a short answer"}})


class Bench:
    """A kind of run that does what is being measured."""

    name = "bench"
    on_crash = "interrupt"
    work: Callable[[RunContext], Awaitable[None]]

    def fold(self, state: dict[str, Any], _event: RunEvent) -> dict[str, Any]:
        return state

    async def execute(self, run: RunContext) -> None:
        await self.work(run)

    def settle(self, session: Session, run_id: str, status: str, state: dict[str, Any], error: str | None) -> None:
        raise AssertionError(f"{run_id} is {status}: {error}")


async def measure(data: Path) -> list[dict[str, Any]]:
    store = Store.open(Store.sqlite_url(data / "main.db"))
    await store.write(lambda s: Table.metadata.create_all(s.connection()))
    runs, kind = Runs(store, Blobs(data / "blobs")), Bench()
    runs.register(kind)  # type: ignore[arg-type]
    await runs.start()
    found: list[dict[str, Any]] = []

    def report(metric: str, value: float, unit: str) -> None:
        found.append({"metric": metric, "value": round(value, 3), "unit": unit})

    async def run(count: int, work: Callable[[RunContext], Awaitable[None]]) -> float:
        kind.work = work

        async def one() -> None:
            run_id = await store.write(lambda s: runs.create(s, kind="bench", actor=ACTOR, input={}))
            async for _ in runs.watch(run_id):
                pass

        begin = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(count)))
        return time.perf_counter() - begin

    times: list[float] = []

    async def lone(context: RunContext) -> None:
        for _ in range(3000):
            begin = time.perf_counter()
            await context.append(EVENT)
            times.append(time.perf_counter() - begin)

    begin = time.process_time()
    await run(1, lone)
    report("append_cpu", (time.process_time() - begin) / len(times) * 1000, "ms")
    report("append_p50", statistics.median(times) * 1000, "ms")
    report("append_p99", statistics.quantiles(times, n=100)[98] * 1000, "ms")

    async def many(context: RunContext) -> None:
        for _ in range(100):
            await context.append(EVENT)

    report("appends_50_runs", 5000 / await run(50, many), "1/s")

    async def together(context: RunContext) -> None:
        for _ in range(20):
            await context.append(*[EVENT] * 500)

    report("events_together", 10_000 / await run(1, together), "1/s")

    async def stream(context: RunContext) -> None:
        for n in range(100_000):
            context.delta({"type": "text", "text": "token "})
            if n % 100 == 0:
                await asyncio.sleep(0)

    report("deltas", 100_000 / await run(1, stream), "1/s")

    async def gives(_attempt: Attempt) -> dict[str, str]:
        return {"text": "a short answer"}

    async def pure(context: RunContext) -> None:
        for n in range(10_000):
            await context.effect(f"n.{n}", "pure", gives)
            if n % 100 == 0:
                await asyncio.sleep(0)

    report("pure_effects", 10_000 / await run(1, pure), "1/s")
    times.clear()

    async def effects(context: RunContext) -> None:
        for n in range(500):
            begin = time.perf_counter()
            await context.effect(f"n.{n}", "repeatable", gives)
            times.append(time.perf_counter() - begin)

    await run(1, effects)
    report("effect_p50", statistics.median(times) * 1000, "ms")

    async def nothing(context: RunContext) -> None:
        await context.finish({})

    empty = [await run(1, nothing) for _ in range(300)]
    report("fixed_per_run", statistics.median(empty) * 1000, "ms")
    await runs.stop()
    await store.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(Path(folder)))
    if as_json:
        print(json.dumps(found))
    else:
        for row in found:
            print(f"{row['metric']:<18}{row['value']:>12,.3f} {row['unit']}")


if __name__ == "__main__":
    main()
