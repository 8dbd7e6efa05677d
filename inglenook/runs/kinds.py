"""The contract of a kind of run: chat answers, flows, agents, ingestions are each one."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal, NoReturn, Protocol

from msgspec import Struct
from sqlalchemy.orm import Session

from inglenook.accounts.principal import Principal


class RunEvent(Struct, kw_only=True):
    """One event to append. `payload` is JSON-serialisable; over 32 KB of it is kept as a blob.

    Types of `runs` itself: `run.started`, `run.delta` (a slice of streamed deltas), `run.waiting`,
    `run.finished`, `run.failed`, `run.cancelled`, `run.interrupted`, `run.parked`, `run.input`,
    `run.effect.started` and `run.effect.finished`. A kind adds its own (`chat.usage`), prefixed by its name.
    """

    type: str
    payload: dict[str, Any]


class RunInput(Struct, kw_only=True):
    """Something sent to a run while it lives: `cancel`, `steer`, `approve`, `form`; `retry` and `skip` when parked."""

    id: str
    kind: str
    payload: dict[str, Any]


#: What a crash in the midst of an effect means: see `RunContext.effect`.
EffectClass = Literal["pure", "repeatable", "keyed", "once"]


class Attempt(Struct, frozen=True, kw_only=True):
    """What the function of an effect is given.

    Attributes:
        number: 1 for the first attempt; attempts that a crash cut count.
        key: An idempotency key, the same for every attempt of this effect of this run and for no other.
    """

    name: str
    number: int
    key: str


class RunContext(Protocol):
    """What an executing run holds. Only the holder of the lease can append; a stale one gets `LeaseLost`."""

    run_id: str
    epoch: int
    actor: Principal
    input: dict[str, Any]
    #: The `until` of the wait that a timer ended, so that this execution began; None when something else began it.
    #: `run.started` carries it too (`{"epoch", "due"?}`), for kinds that fold it.
    due: int | None

    #: Whether nothing of the run may reach the disk: it takes no `project`, and `settle` is not called for it.
    temporary: bool

    @property
    def state(self) -> dict[str, Any]:
        """The fold over the journal so far: near empty at first, filled after a takeover. Do not change it."""
        ...

    def delta(self, payload: dict[str, Any]) -> None:
        """Send a small piece to live watchers at once; it is journaled in a slice within about 100 ms."""
        ...

    async def append(self, *events: RunEvent, project: Callable[[Session], None] | None = None) -> int:
        """Commit pending deltas, then `events`, with `project` (other rows) in the same transaction.

        Returns the last event's `seq`. Returns only once committed.
        """
        ...

    async def effect(
        self,
        name: str,
        effect_class: EffectClass,
        do: Callable[[Attempt], Awaitable[Any]],
        *,
        label: str | None = None,
    ) -> Any:
        """Do one step so that a crash neither loses nor doubles it; returns what `do` gave, as JSON gives it back.

            page = await run.effect("step.3.fetch", "repeatable", lambda _: fetch(url), label="Read the page")
            await run.effect("step.4.pay", "keyed", lambda attempt: pay(bill, idempotency_key=attempt.key))

        Before `do` begins, everything before it and its intent are committed; when this returns, its result is. When
        the run is executed again after a crash, an effect that has a result gives it without running. What happens to
        one that was begun and has none is said by its class:

        - `pure`: only computes. Nothing waits for the journal: its result is committed with what comes next, within
          about 100 ms, and is in `state` from then on.
        - `repeatable`: doing it twice costs, but changes nothing (a model call, a GET, a search). It is done again;
          both attempts are in the journal, to be metered.
        - `keyed`: the receiver does it once for each `attempt.key`. It is done again with the same key.
        - `once`: anything else that changes the world. The run is parked until a person finds out whether it was
          done and sends `retry`, or `skip` with `{"output": …}`. `do` may raise `runs.errors.OutcomeUnknown` to have
          the person asked without a crash. A server that stops gracefully waits for it; a cancel does not.

        What `do` raises is a result too: it is journaled and comes as `runs.errors.EffectFailed`, now and after a
        takeover. The policy above decides: calling again with the same name is another attempt, with the same key.

        Watchers see `run.effect.started` and `run.effect.finished` `{name, label, class, attempt, error?}` without
        the output; `fold` gets that too. Neither `label` nor what `do` gives or raises may hold a credential.

        Args:
            name: Up to 200 characters, unique within the run and the same whenever the run is executed again: made
                of the place in the work (`step.3.fetch`), never of time or chance.
            label: What people are told is being done; the name when absent.

        Raises:
            EffectFailed: `do` raised, now or when it was done.
            ValueError: an effect of that name is under way or was done in this execution.
        """
        ...

    async def finish(
        self, output: dict[str, Any] | None = None, *, project: Callable[[Session], None] | None = None
    ) -> None:
        """Append `run.finished` with `output`. A kind that returns without it gets one with no output."""
        ...

    async def wait(
        self,
        payload: dict[str, Any],
        *,
        until: int | None = None,
        project: Callable[[Session], None] | None = None,
    ) -> NoReturn:
        """Put the run to rest, out of memory, until an input comes or the clock says `until`.

        Never returns: it leaves `execute` by `runs.errors.Suspended`, which must be let through. Woken, the run is
        executed from the beginning with the folded state. Take the inputs first: one that was not taken wakes the
        run at once.

        Args:
            payload: What it waits for, for watchers; `run.waiting` carries it, with `until`.
            until: Milliseconds since the epoch. One that passed while no server ran counts at the next start.
        """
        ...

    async def take_inputs(self) -> list[RunInput]:
        """The inputs that came and were not taken yet, without waiting; each is journaled as `run.input`.

        `cancel`, and the `retry` and `skip` that answer a parked run, are not among them."""
        ...

    def inputs(self) -> AsyncIterator[RunInput]:
        """Inputs as they come, each journaled as `run.input` before it is given. Cancel is not among them: that
        arrives as `asyncio.CancelledError` in `execute`."""
        ...


class RunKind(Protocol):
    """How a kind of run works. Registered once at assembly: `runs.register(kind)`."""

    name: str
    #: What a crash means: `resume` (execute again with the folded state) or `interrupt` (kept as it was).
    on_crash: Literal["resume", "interrupt"]

    def fold(self, state: dict[str, Any], event: RunEvent) -> dict[str, Any]:
        """The state after `event`; pure, and it leaves `state` and `event` unchanged.

        It gets the events of `runs` too and passes over those it does not care for. `run.delta` payloads are
        `{"deltas": [payload, …]}`; how deltas are cut into slices must make no difference..
        """
        ...

    async def execute(self, run: RunContext) -> None:
        """Do the work. An exception fails the run; people see the message of a `kit.errors` class and only the
        type of any other. Cancelled (`CancelledError`) it should end soon; what was streamed is kept."""
        ...

    def settle(self, session: Session, run_id: str, status: str, state: dict[str, Any], error: str | None) -> None:
        """Bring projections in line when the run ended other than by `finish`: `failed`, `cancelled`,
        `interrupted` or `parked`. Runs in the transaction of that last event, with the state after it; `error` is
        its reason for people (None when cancelled)."""
        ...
