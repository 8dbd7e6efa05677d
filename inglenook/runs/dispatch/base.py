"""The contract of dispatch: bringing queued runs to a process that executes them."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from sqlalchemy.orm import Session

#: Executes the run of that id until it rests or ends. Never raises; a run that is not queued (any more) is left
#: alone, so handing over the same run twice does no harm.
Execute = Callable[[str], Awaitable[None]]


class Dispatch(Protocol):
    """Hands queued runs to `execute`. It carries run ids only: the run's row is the truth.

    Attributes:
        sole: Whether nothing but this process executes runs of this database, so that a run found `running` at
            the start can only be a dead process's, whatever its lease says.
        at_once: Whether a run that is enqueued now is executed in this process as soon as it is committed. Its maker
            then takes its lease in the same transaction, which saves one.
    """

    sole: bool

    @property
    def at_once(self) -> bool: ...

    def enqueue(self, session: Session, run_id: str) -> None:
        """Have the run executed once, and only if, the session's transaction commits."""
        ...

    async def start(self, execute: Execute) -> None:
        """Begin to hand out runs. What was enqueued before is handed out too, or stays queued for the next start."""
        ...

    async def close(self) -> None:
        """Hand out no more runs; those enqueued from now on stay queued. Executions under way go on."""
        ...

    async def join(self) -> None:
        """Return when no execution that was begun here is under way."""
        ...
