"""A process that executes a run and is killed: `python -m tests.support.runs_child DATA stream|die [RUN]`.

`stream` makes a run of each kind that streams, says their ids once a part is committed, and goes on for ever; `die`
starts on what is there and dies as soon as a run executes.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from sqlalchemy import text

from inglenook.runs.context import Timing
from inglenook.runs.kinds import RunContext, RunEvent
from inglenook.runs.service import Runs
from inglenook.store.blobs import Blobs
from inglenook.store.database import Store
from inglenook.store.tables import Table
from tests.support.runs import Told, begin, until

BIG = "x" * 100_000


async def stream(run: RunContext) -> None:
    for n in range(20):
        run.delta({"n": n})
        await asyncio.sleep(0)
    await run.append(RunEvent(type="told.step", payload={"big": BIG}))
    for n in range(20, 10_000_000):
        run.delta({"n": n})
        await asyncio.sleep(0.001)


async def die(_run: RunContext) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def main(data: Path, what: str) -> None:
    store = Store.open(Store.sqlite_url(data / "main.db"))
    await store.write(lambda s: Table.metadata.create_all(s.connection()))
    await store.write(lambda s: s.execute(text("CREATE TABLE IF NOT EXISTS notes (what TEXT)")))
    runs = Runs(store, Blobs(data / "blobs"), timing=Timing(slice=0.01))
    work = {"stream": stream, "die": die}[what]
    runs.register(Told(work, name="interrupts"))
    runs.register(Told(work, name="resumes", on_crash="resume"))
    await runs.start()
    if what == "stream":
        ids = [await begin(store, runs, kind=kind) for kind in ("interrupts", "resumes")]
        for run_id in ids:
            await until(runs, run_id, "told.step")
        slices = text("SELECT count(*) FROM run_events WHERE type = 'run.delta' AND seq > 3")
        while (await store.read(lambda s: s.execute(slices).scalar()) or 0) < 6:
            pass
        print(*ids, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
