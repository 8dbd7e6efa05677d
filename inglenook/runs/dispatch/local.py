"""Dispatch in this process: a run is an asyncio task of the server that made it, or took it over."""

import asyncio

from sqlalchemy.orm import Session

from inglenook.runs.dispatch.base import Execute
from inglenook.store.database import after_commit


class LocalDispatch:
    """Executes each run at once, as a task of the running event loop.

    Args:
        sole: See `Dispatch`. SQLite means one server, so no other process has runs; PostgreSQL may serve several.
    """

    def __init__(self, *, sole: bool = True) -> None:
        self.sole = sole
        self._execute: Execute | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def enqueue(self, session: Session, run_id: str) -> None:
        """Have the run executed as soon as the session's transaction is committed."""
        after_commit(session, lambda: self.spawn(run_id))

    async def start(self, execute: Execute) -> None:
        """Begin to hand out runs; those enqueued before are found by the take-over that follows a start."""
        self._execute = execute

    async def close(self) -> None:
        """Hand out no more runs."""
        self._execute = None

    @property
    def at_once(self) -> bool:
        """Whether runs are handed out."""
        return self._execute is not None

    async def join(self) -> None:
        """Wait for the executions under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def spawn(self, run_id: str) -> None:
        """Have the run executed now."""
        if self._execute is None:
            return

        async def execute(execute: Execute) -> None:
            await execute(run_id)

        task = asyncio.get_running_loop().create_task(execute(self._execute), name=run_id)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
