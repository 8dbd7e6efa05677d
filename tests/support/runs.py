"""A kind of run that does what a test tells it, and what a client makes of the frames it is sent."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from sqlalchemy import text, update
from sqlalchemy.orm import Session

from inglenook.accounts.principal import Principal
from inglenook.runs.kinds import RunContext, RunEvent
from inglenook.runs.live import WatchFrame
from inglenook.runs.service import Runs
from inglenook.runs.tables import RunRow
from inglenook.store.database import Store

ANNA = Principal(user_id="usr_anna", name="anna")


class Told:
    """Executes `work`. Its state lists the numbers streamed, and the types and payloads of all other events."""

    def __init__(
        self,
        work: Callable[[RunContext], Awaitable[None]],
        *,
        on_crash: Literal["resume", "interrupt"] = "interrupt",
        name: str = "told",
    ) -> None:
        self.name = name
        self.on_crash: Literal["resume", "interrupt"] = on_crash
        self.work = work
        self.settled: list[tuple[str, str, dict[str, Any], str | None]] = []

    def fold(self, state: dict[str, Any], event: RunEvent) -> dict[str, Any]:
        if event.type == "run.delta":
            return state | {"n": state.get("n", []) + [delta["n"] for delta in event.payload["deltas"]]}
        return state | {"events": [*state.get("events", []), [event.type, event.payload]]}

    async def execute(self, run: RunContext) -> None:
        await self.work(run)

    def settle(self, session: Session, run_id: str, status: str, state: dict[str, Any], error: str | None) -> None:
        self.settled.append((run_id, status, state, error))
        note(session, f"settled {status}")


def note(session: Session, what: str) -> None:
    """A projection: a row of another table, in the same transaction."""
    session.execute(text("INSERT INTO notes (what) VALUES (:what)"), {"what": what})


async def notes(store: Store) -> list[str]:
    return await store.read(lambda s: [row[0] for row in s.execute(text("SELECT what FROM notes ORDER BY rowid"))])


class Client:
    """Folds frames as the web page does."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.events: list[str] = []
        self.status: str | None = None
        self.last: str | None = None
        self.over = False

    def take(self, frame: WatchFrame) -> None:
        assert not self.over, f"{frame} came after the end"
        self.last = frame.id
        if frame.event == "reset":
            self.numbers = list(frame.data["state"].get("n", []))
            self.events = [type_ for type_, _ in frame.data["state"].get("events", [])]
            self.status = frame.data["status"]
        elif frame.event == "delta":
            self.numbers += [delta["n"] for delta in frame.data["deltas"]]
        elif frame.event == "event":
            self.events.append(frame.data["type"])
        else:
            self.status = frame.data["status"]
            self.over = True
        assert self.numbers == list(range(len(self.numbers))), f"a gap or a duplicate at {frame}"


async def begin(store: Store, runs: Runs, **given: Any) -> str:
    """Make a run of the kind `told`."""
    return await store.write(lambda s: runs.create(s, **{"kind": "told", "actor": ANNA, "input": {}, **given}))


async def crash(store: Store, *run_ids: str, **values: object) -> None:
    """Leave runs as a dead process would."""
    await store.write(
        lambda s: s.execute(update(RunRow).where(RunRow.id.in_(run_ids)).values(status="running", epoch=1, **values))
    )


async def to_end(runs: Runs, run_id: str, after: str | None = None) -> Client:
    """Watch a run until it ends or the server lets its watchers go."""
    client = Client()
    async for frame in runs.watch(run_id, after):
        client.take(frame)
    return client


async def until(runs: Runs, run_id: str, type_: str) -> Client:
    """Watch a run until an event of that type has come."""
    client = Client()
    async for frame in runs.watch(run_id):
        client.take(frame)
        if type_ in client.events:
            return client
    raise AssertionError(f"{run_id} ended without {type_}: {client.events}")
