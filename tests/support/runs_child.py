"""A process that executes a run and is killed: `python -m tests.support.runs_child DATA WHAT`.

- `stream` makes a run of each kind that streams, says their ids once a part is committed, and goes on for ever.
- `die` starts on what is there and dies as soon as a run executes. `die-streaming`, `die-in-effect` and
  `die-after-notes` leave something in the journal before, the same each time; `die-further` something new.
- `effects` makes a run for each class of effect, says their ids, and dies when each is in the midst of an effect of
  that class, its world changed already.
- `sleep` makes a run that waits for a time soon, says its id, and dies once it waits.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session

from inglenook.kit.time import now_ms
from inglenook.runs.context import Timing
from inglenook.runs.kinds import Attempt, EffectClass, RunContext, RunEvent
from inglenook.runs.service import Runs
from inglenook.store.blobs import Blobs
from inglenook.store.database import Store
from inglenook.store.tables import Table
from tests.support.runs import ANNA, Told, begin, until

ROOT = Path(__file__).parents[2]
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


async def die_streaming(run: RunContext) -> None:
    run.delta({"n": len(run.state.get("n", ()))})
    await asyncio.sleep(0.1)
    await die(run)


async def die_in_effect(run: RunContext) -> None:
    await run.effect("the last", "repeatable", lambda _: die(run))


async def die_after_notes(run: RunContext) -> None:
    await run.append(*[RunEvent(type="told.step", payload={"node": node}) for node in "ab"])
    await die(run)


async def die_further(run: RunContext) -> None:
    done = sum(type_ == "told.step" for type_, _ in run.state["events"])
    await run.append(RunEvent(type="told.step", payload={"node": done}))
    await die(run)


CLASSES: tuple[EffectClass, ...] = ("pure", "repeatable", "keyed", "once")


class World:
    """What effects change: a file with a line for each time something was done, synced."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def done(self, what: str) -> None:
        with self._path.open("a") as file:
            file.write(f"{what}\n")

    def lines(self) -> list[str]:
        return self._path.read_text().splitlines()


async def effects(run: RunContext, world: World, midst: Callable[[], Awaitable[None]]) -> None:
    """A first effect of each class, then one of the class in the run's input, which waits for `midst` half done."""
    given: EffectClass = run.input["class"]

    def do(what: str) -> Callable[[Attempt], Awaitable[dict[str, str]]]:
        async def did(attempt: Attempt) -> dict[str, str]:
            world.done(f"{given} {what} {attempt.number} {attempt.key}")
            if what == "last":
                await midst()
            return {"key": attempt.key, "chance": uuid4().hex}

        return did

    firsts = {each: await run.effect(f"first.{each}", each, do(each)) for each in CLASSES}
    await run.append(RunEvent(type="told.firsts", payload=firsts))
    last = await run.effect("last", given, do("last"), label="The last one")
    await run.finish({"firsts": firsts, "last": last})


async def die_together() -> None:
    """Die when every run is in the midst of its last effect."""
    global _midst
    _midst += 1
    if _midst == len(CLASSES):
        os.kill(os.getpid(), signal.SIGKILL)
    await asyncio.Event().wait()


_midst = 0


async def sleep(run: RunContext) -> None:
    await run.wait({}, until=now_ms() + 500)


async def main(data: Path, what: str) -> None:
    store = Store.open(Store.sqlite_url(data / "main.db"))
    await store.write(lambda s: Table.metadata.create_all(s.connection()))
    await store.write(lambda s: s.execute(text("CREATE TABLE IF NOT EXISTS notes (what TEXT)")))
    runs = Runs(store, Blobs(data / "blobs"), timing=Timing(slice=0.01))
    world = World(data / "world")
    work = {
        "stream": stream,
        "die": die,
        "die-streaming": die_streaming,
        "die-in-effect": die_in_effect,
        "die-after-notes": die_after_notes,
        "die-further": die_further,
        "effects": lambda run: effects(run, world, die_together),
        "sleep": sleep,
    }[what]
    runs.register(Told(work, name="interrupts"))
    runs.register(Told(work, name="resumes", on_crash="resume"))
    if what != "effects":
        await runs.start()
    if what == "stream":
        ids = [await begin(store, runs, kind=kind) for kind in ("interrupts", "resumes")]
        for run_id in ids:
            await until(runs, run_id, "told.step")
        slices = text("SELECT count(*) FROM run_events WHERE type = 'run.delta' AND seq > 3")
        while (await store.read(lambda s: s.execute(slices).scalar()) or 0) < 6:
            pass
        print(*ids, flush=True)
    if what == "effects":
        ids = [await store.write(partial(make, runs, given)) for given in CLASSES]
        print(*ids, flush=True)
        await runs.start()
    if what == "sleep":
        run_id = await begin(store, runs, kind="resumes")
        await until(runs, run_id, "run.waiting")
        print(run_id, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    await asyncio.Event().wait()


def make(runs: Runs, given: str, session: Session) -> str:
    return runs.create(session, kind="resumes", actor=ANNA, input={"class": given})


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
