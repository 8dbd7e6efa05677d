"""A call on its way through the gateway, and what became of it."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct, field

from inglenook.accounts.principal import Principal
from inglenook.kit.errors import InglenookError
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms
from inglenook.models.calls import Event, Operation, Passthrough, Request, Timings, Usage
from inglenook.models.catalogue import Entry


class Call(Struct, kw_only=True):
    """What somebody asks of a model.

    Attributes:
        model: As the caller named it.
        decode: Gives the normal form of the request. Called at most once per attempt and only if somebody needs it.
        passthrough: The caller's own body and protocol, when it came over the wire.
        principal: Who asks, when the caller is already known (chat, runs); otherwise the `key` step finds it
            from `credential`.
        credential: The API key as sent, without its scheme word.
        source: Where it came from, for the ledger: `openai`, `ollama`, `chat`, …
        run_id: The run it is part of, if it is.
        needs: Capabilities the model must have besides the operation's own: `tools`, `vision`, `thinking`, `insert`.
        conversation: What binds calls that share a long beginning, so that a route can keep them where the
            provider's cache is warm.
        app_id: The app it is made for, if it is.
        tags: What the caller says of the call, for the conditions of routes, beside what its key and groups say.
        cache: What a kept answer to the same call may do: `use` it, `renew` it (ask, and keep what comes), or `off`.
        traceparent: The caller's own, as it was sent: which span of theirs the call belongs to.
        tailored: Gives the request for the target that is asked, where it depends on who answers; then `decode` is
            for those who only look on.
    """

    operation: Operation
    model: str
    decode: Callable[[], Request]
    stream: bool = True
    passthrough: Passthrough | None = None
    principal: Principal | None = None
    credential: bytes | None = None
    source: str = "internal"
    run_id: str | None = None
    needs: frozenset[str] = frozenset()
    conversation: str | None = None
    app_id: str | None = None
    tags: frozenset[str] = frozenset()
    cache: Literal["use", "renew", "off"] = "use"
    traceparent: str | None = None
    tailored: Callable[[Entry], Request] | None = None
    id: str = field(default_factory=lambda: new_id("call"))


class Outcome(Struct, kw_only=True):
    """How a call ended. `status`: `finished`, `cancelled` (the caller went away) or `failed`."""

    status: str
    error: BaseException | None = None


class Candidate(Struct, frozen=True):
    """A target that may answer: an entry of the catalogue, and one of its provider's API keys."""

    entry: Entry
    key: int = 0


class Plan(Protocol):
    """In what order the targets of a call are asked. One object a call; its methods never wait."""

    @property
    def candidates(self) -> Sequence[Candidate]:
        """All that may come to be asked; the budget reserves for the dearest."""
        ...

    @property
    def direct(self) -> bool:
        """Whether nobody can be asked after the first: its error is the answer, and its events need not wait for the
        first of them."""
        ...

    @property
    def first_byte_timeout(self) -> float | None:
        """Seconds the target that was asked last may take until its answer begins, before the next one is asked;
        None: its provider's own."""
        ...

    def first(self, exchange: "Exchange") -> Candidate:
        """Whom to ask first.

        Raises:
            InglenookError: nobody can be asked now.
        """
        ...

    def next(self, exchange: "Exchange", failed: Candidate, error: InglenookError) -> tuple[Candidate, float] | None:
        """Whom to ask after `failed` raised `error` before its answer began, and after how many seconds; None: nobody,
        the error stands."""
        ...

    def began(self, candidate: Candidate, exchange: "Exchange") -> None:
        """It was asked."""
        ...

    def ended(self, candidate: Candidate, exchange: "Exchange", error: BaseException | None, first_ms: float) -> None:
        """It answered, failed, or was left alone; exactly once for every `began`. `first_ms`: until its answer began,
        0 if it did not."""
        ...


class Trace(Protocol):
    """What a collector is told of one call while it is on its way."""

    def ask(self, candidate: Candidate, exchange: "Exchange") -> str:
        """A target is asked; gives the `traceparent` it may be told."""
        ...

    def leave(self, error: BaseException | None, first_ms: float) -> None:
        """The target asked last answered, failed or was left. As `Plan.ended`."""
        ...

    def end(self, exchange: "Exchange", outcome: Outcome, currency: str) -> None:
        """The call is settled."""
        ...


class Exchange(Struct, kw_only=True):
    """A call with everything the steps found out about it. Steps write here; the call itself never changes.

    Attributes:
        plan: Who may answer, in what order, set by `route`.
        target: The catalogue entry that answers or answered last (`models.catalogue.Entry`).
        key: Which of its provider's API keys is used.
        route: Name of the route that led to it, if one did.
        replayed: The answer came from the response cache.
        attempts: How many targets were asked.
        reasons: Why that one: short machine-readable facts the interface can show, one object each with `step` and
            `why`, such as `{"step": "route", "why": "named"}` or `{"step": "attempt", "why": "failed", …}`.
        meter: What the `meter` step keeps between its looks at a call.
        rates: What the `limits` step counted the call as until it ends.
        reservations: What the `budget` step holds for the call until it is settled.
        answer: The whole answer, when it is there already and nobody need be asked. Steps that hold something for a
            call (`budget`) then hold nothing.
        kept: Where the events of the answer gather, if somebody wants them when it is whole; None in the end if it is
            not.
        cache_key: What the answer is kept under, if it may be.
        prompt_tokens: Our own count of the prompt, -1 until somebody needs it (`estimate.prompt_tokens`).
        answer_cap: Tokens an answer may have whose caller set no limit, where a budget affords no more; None: as many
            as the model likes.
        task: The task it runs in, to be cancelled if it is stopped while it is `inside` the gateway, and not where what
            came of it is being used.
        stopped: Why somebody stopped it, once that was asked for.
        trace: What a collector is told of it, if there is one.
        cost: In billionths of the currency unit, set when the call is settled; None: no price is known.
        started_at, first_event_at, ended_at: Milliseconds since the epoch; `first_event_at` 0 until then.
    """

    call: Call
    principal: Principal | None = None
    plan: "Plan | None" = None
    target: Any = None
    key: int = 0
    route: str | None = None
    replayed: bool = False
    attempts: int = 0
    reasons: list[dict[str, Any]] = field(default_factory=list)
    usage: Usage | None = None
    timings: Timings | None = None
    finish_reason: str | None = None
    meter: Any = None
    rates: Any = None
    reservations: Any = None
    answer: list[Event] | None = None
    kept: list[Event] | None = None
    cache_key: bytes | None = None
    prompt_tokens: int = -1
    answer_cap: int | None = None
    task: Any = None
    inside: bool = True
    stopped: InglenookError | None = None
    trace: Trace | None = None
    cost: int | None = None
    started_at: int = field(default_factory=now_ms)
    first_event_at: int = 0
    ended_at: int = 0
