"""The contract of keeping runs: their rows, their journals, and what was sent to them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from sqlalchemy.orm import Session

from inglenook.accounts.principal import Principal
from inglenook.kit.errors import Conflict
from inglenook.runs.effects import ANSWERS, check_answer
from inglenook.runs.endings import Ending
from inglenook.runs.errors import RunEnded
from inglenook.runs.journal import Recorded
from inglenook.runs.kinds import RunInput
from inglenook.runs.tables import ENDED, PARKED, WAITING, RunRow

T = TypeVar("T")
Project = Callable[[Session], None]
#: The type of an event and the JSON of its payload.
Pair = tuple[str, bytes]

CANCEL = "cancel"
#: Inputs that `runs` itself understands.
OWN_INPUTS = ANSWERS | {CANCEL}


class Left(NamedTuple):
    """A lease as somebody left it."""

    epoch: int
    until: int | None


class Claim(NamedTuple):
    """The lease of a run, just taken.

    Attributes:
        fresh: The `run.started` of a run that has nothing else in its journal; None if there is more to be read.
        said: Of a fresh run, the inputs for `runs` itself that came before.
    """

    kind: str
    epoch: int
    actor: Principal
    input: dict[str, Any]
    due: int | None
    fresh: Recorded | None
    said: list[RunInput]


class Sight(Protocol):
    """A run and its journal at one moment. For the function that is given it, and no longer."""

    @property
    def row(self) -> RunRow:
        """The run."""
        ...

    def events(self, after: int, upto: int | None = None) -> list[Recorded]:
        """Its events with `after < seq <= upto`, in order."""
        ...

    def unfolded(self) -> list[Recorded]:
        """The events whose `fold` is the run's state."""
        ...

    def inputs(self, *, own: bool) -> list[RunInput]:
        """What was sent and not taken yet: inputs for `runs` itself (`own`), or those for the kind."""
        ...


class Keeper(Protocol):
    """Keeps runs. Only the holder of a run's lease, by its `epoch`, can add to it.

    Attributes:
        temporary: Whether what it keeps is gone with the process. Such runs have no rows beside them, either: it
            takes no `project`, and passes over `settle`.
    """

    temporary: bool

    async def claim(
        self, run_id: str, status: str, claimed: Callable[[Claim], None], *, left: Left | None = None
    ) -> Claim | None:
        """Take the lease of a run that is in `status`; None if it is not (any more). Of a queued one it begins an
        execution.

        Args:
            claimed: Called on the event loop as the lease is taken, so that no input falls between.
            left: Take it only if its lease is still this one: neither renewed nor taken over by somebody else.
        """
        ...

    async def append(
        self,
        run_id: str,
        epoch: int,
        pairs: Sequence[Pair],
        *,
        at: int,
        taken: Sequence[str] = (),
        project: Project | None = None,
    ) -> int:
        """Append events, with inputs `taken` and `project` in the same transaction; returns the last seq.

        Raises:
            LeaseLost: `epoch` no longer holds the run.
        """
        ...

    async def rest(
        self,
        run_id: str,
        epoch: int,
        pairs: Sequence[Pair],
        ending: Ending,
        *,
        at: int,
        wake_at: int | None,
        project: Project | None = None,
        settle: Project | None = None,
    ) -> tuple[int, list[str]]:
        """Append `pairs` (of `endings.final_events`) and bring the run to rest; a waiting one that has untaken inputs
        is queued again at once.

        Args:
            settle: As `project`: what the kind does to rows when the run ended other than by finishing.

        Returns the last seq, and blobs to `forget`.
        """
        ...

    async def forget(self, blobs: Sequence[str]) -> None:
        """Delete blobs that nothing refers to now."""
        ...

    async def send(self, run_id: str, input_id: str, kind: str, payload: dict[str, Any]) -> None:
        """Keep an input; wake the run, or tell its execution.

        Raises:
            NotFound: there is no such run.
            RunEnded, Conflict, BadInput: it cannot take this input; see `accept`.
        """
        ...

    async def look(self, run_id: str, fn: Callable[[Sight], T]) -> T:
        """What `fn` makes of the run, off the event loop where reading takes time.

        Raises:
            NotFound: there is no such run.
        """
        ...


def accept(
    run_id: str, status: str, kind: str, payload: dict[str, Any], last: Callable[[], dict[str, Any]]
) -> tuple[dict[str, Any], bool]:
    """The payload to keep of an input that is sent to a run in `status`, and whether it wakes the run.

    Args:
        last: The payload of the run's last event.

    Raises:
        RunEnded: the run has ended.
        Conflict, BadInput: it is an answer (`retry`, `skip`) that the run does not ask for.
    """
    if status in ENDED:
        raise RunEnded(f"run {run_id} has ended ({status})")
    if kind in ANSWERS:
        if status != PARKED:
            raise Conflict(f"run {run_id} is not parked but {status}: there is nothing to {kind}")
        payload = check_answer(kind, payload, last())
    return payload, status == WAITING or (status == PARKED and kind in OWN_INPUTS)
