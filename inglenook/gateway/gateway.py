"""The gateway as a function: what every prompt passes, whoever asks and over whatever protocol."""

import logging
from asyncio import CancelledError
from collections.abc import AsyncGenerator
from typing import cast

from inglenook.accounts.principal import Principal
from inglenook.accounts.service import Accounts
from inglenook.gateway.call import Call, Exchange, Outcome
from inglenook.gateway.ledger import Ledger
from inglenook.gateway.steps.base import Step
from inglenook.gateway.steps.budget import Budget
from inglenook.gateway.steps.key import Key
from inglenook.gateway.steps.meter import Meter
from inglenook.gateway.steps.route import Route
from inglenook.kit.errors import InglenookError, UpstreamFailed
from inglenook.kit.time import now_ms
from inglenook.models.calls import Event, Finished, Notice, Raw, RawHead, Routed, Timings, Usage, Vectors
from inglenook.models.catalogue import Catalogue, Entry
from inglenook.models.providers.base import Job

log = logging.getLogger(__name__)

_FINISHED = Outcome(status="finished")
_CANCELLED = Outcome(status="cancelled")
#: Events that are no part of the answer itself.
_AROUND = (Notice, RawHead, Usage, Timings)


class Gateway:
    """Every call to a model goes through `call`; the steps it passes are in `steps`, in this order."""

    def __init__(self, accounts: Accounts, catalogue: Catalogue, ledger: Ledger) -> None:
        self._key = Key(accounts)
        self._route = Route(accounts, catalogue)
        self.budget = Budget(ledger)
        self.ledger = ledger
        self.steps: tuple[Step, ...] = (self._key, self._route, self.budget, Meter(ledger))
        self._watching = tuple(step.event for step in self.steps if step.watches)
        self._needs_text = any(step.needs_text for step in self.steps)

    async def call(self, call: Call) -> AsyncGenerator[Event, None]:
        """Answer a call with events: `Routed` first, then the provider's.

        Close the generator (`contextlib.aclosing`) when you stop reading early: that cancels the work and settles
        the call. A translated answer ends with `Finished`, a passed-through one with the last `Raw`.

        Raises:
            InglenookError: before any `Raw`, `TextDelta`, …: the call was refused or could not be made. After one:
                the answer broke; what was sent is not the whole.
        """
        exchange = Exchange(call=call)
        opened: list[Step] = []
        outcome = _CANCELLED
        try:
            for step in self.steps:
                await step.open(exchange)
                opened.append(step)
            entry: Entry = exchange.target
            yield Routed(entry.name, entry.provider_id, entry.local, exchange.reasons)
            whole = False
            # The contract promises an async generator. (`aclosing` would cost more than all the steps.)
            events = cast(AsyncGenerator[Event, None], entry.provider.stream(self._job(call, entry)))
            try:
                async for event in events:
                    kind = type(event)
                    if not exchange.first_event_at and kind not in _AROUND:
                        exchange.first_event_at = now_ms()
                    for watch in self._watching:
                        watch(exchange, event)
                    if kind is Finished or kind is Vectors:
                        # Whoever stops reading now has the whole answer.
                        outcome, whole = _FINISHED, True
                    elif kind is Raw:
                        whole = True
                    yield event
            except BaseException:
                await events.aclose()  # cancels the work, before the call is settled
                raise
            if not whole:
                raise UpstreamFailed(f"the provider of '{entry.name}' ended its answer before it was whole; try again")
            outcome = _FINISHED
        except (GeneratorExit, CancelledError):
            raise
        except Exception as error:
            outcome = Outcome(status="failed", error=error)
            if not isinstance(error, InglenookError):
                log.exception("call %s to %s failed", call.id, call.model)
            raise
        finally:
            exchange.ended_at = now_ms()
            for step in reversed(opened):
                try:
                    step.close(exchange, outcome)
                except Exception:
                    log.exception("step %s could not settle call %s", type(step).__name__, call.id)

    def _job(self, call: Call, entry: Entry) -> Job:
        passthrough = call.passthrough
        if passthrough is not None and (self._needs_text or passthrough.wire not in entry.provider.wires):
            passthrough = None
        return Job(model=entry.upstream, stream=call.stream, decode=call.decode, passthrough=passthrough)

    # ------------------------------------------------------------------------------- for faces, beside calls

    def principal(self, credential: bytes | None) -> Principal:
        """Whom an API key stands for.

        Raises:
            Unauthenticated: there is no key, or it is not good.
        """
        return self._key.principal(credential)

    def find(self, principal: Principal, name: str) -> Entry:
        """The model of that name.

        Raises:
            ModelNotFound: there is none that `principal` may use.
        """
        return self._route.find(principal, name)

    def visible(self, principal: Principal) -> list[Entry]:
        """Every model `principal` may use."""
        return self._route.visible(principal)
