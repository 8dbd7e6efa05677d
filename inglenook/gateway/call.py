"""A call on its way through the gateway, and what became of it."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct, field

from inglenook.accounts.principal import Principal
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms
from inglenook.models.calls import Operation, Passthrough, Request, Timings, Usage


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
    id: str = field(default_factory=lambda: new_id("call"))


class Outcome(Struct, kw_only=True):
    """How a call ended. `status`: `finished`, `cancelled` (the caller went away) or `failed`."""

    status: str
    error: BaseException | None = None


class Exchange(Struct, kw_only=True):
    """A call with everything the steps found out about it. Steps write here; the call itself never changes.

    Attributes:
        target: The catalogue entry that answers (`models.catalogue.Entry`), set by `route`.
        reasons: Why that one: short machine-readable facts the interface can show.
        meter: What the `meter` step keeps between its looks at a call.
        started_at, first_event_at, ended_at: Milliseconds since the epoch; `first_event_at` 0 until then.
    """

    call: Call
    principal: Principal | None = None
    target: Any = None
    reasons: list[dict[str, Any]] = field(default_factory=list)
    usage: Usage | None = None
    timings: Timings | None = None
    finish_reason: str | None = None
    meter: Any = None
    started_at: int = field(default_factory=now_ms)
    first_event_at: int = 0
    ended_at: int = 0
