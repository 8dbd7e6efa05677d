"""The gateway as a function: what every prompt passes, whoever asks and over whatever protocol."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

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
        self.watching = tuple(step.event for step in self.steps if step.watches)
        self._needs_text = any(step.needs_text for step in self.steps)

    async def call(self, call: Call) -> AsyncGenerator[Event, None]:
        """Answer a call with events: `Routed` first, then the provider's.

        Close the generator (`contextlib.aclosing`) when you stop reading early: that cancels the work and settles
        the call. A translated answer ends with `Finished`, a passed-through one with the last `Raw`.

        Raises:
            InglenookError: before any `Raw`, `TextDelta`, …: the call was refused or could not be made. After one:
                the answer broke; what was sent is not the whole.
        """
        passage = _Passage(self, call)
        try:
            entry = await passage.open()
            yield Routed(entry.name, entry.provider_id, entry.local, passage.exchange.reasons)
            # The contract promises an async generator. (`aclosing` would cost more than all the steps.)
            events: AsyncGenerator[Event, None] = entry.provider.stream(self._job(call, entry))  # type: ignore[assignment]
            see = passage.see
            try:
                async for event in events:
                    see(event)
                    yield event
            except BaseException:
                await events.aclose()  # cancels the work, before the call is settled
                raise
            passage.end()
        except BaseException as error:
            passage.broke(error)
            raise
        finally:
            passage.close()

    async def whole(self, call: Call) -> list[Event]:
        """Answer a call at once: what `call` gives, in one list, for who would not read along.

        Raises:
            InglenookError: there is no whole answer.
        """
        passage = _Passage(self, call)
        try:
            entry = await passage.open()
            events: list[Event] = [Routed(entry.name, entry.provider_id, entry.local, passage.exchange.reasons)]
            job = self._job(call, entry)
            relay = getattr(entry.provider, "relay", None) if job.passthrough is not None and not job.stream else None
            if relay is not None:
                for event in await relay(job):
                    passage.see(event)
                    events.append(event)
            else:
                async with aclosing(entry.provider.stream(job)) as stream:  # type: ignore[type-var]
                    async for event in stream:
                        passage.see(event)
                        events.append(event)
            passage.end()
        except BaseException as error:
            passage.broke(error)
            raise
        finally:
            passage.close()
        return events

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


class _Passage:
    """One call's way through the steps: in by `open`, `see` for each event, out by `close`, which settles it."""

    __slots__ = ("_gateway", "_opened", "_outcome", "_whole", "exchange")

    def __init__(self, gateway: Gateway, call: Call) -> None:
        self._gateway = gateway
        self._opened = 0
        self._outcome = _CANCELLED
        self._whole = False
        self.exchange = Exchange(call=call)

    async def open(self) -> Entry:
        """Let the call in; gives who answers it."""
        for step in self._gateway.steps:
            await step.open(self.exchange)
            self._opened += 1
        entry: Entry = self.exchange.target
        return entry

    def see(self, event: Event) -> None:
        """Take note of an event before it goes out."""
        exchange = self.exchange
        kind = type(event)
        if not exchange.first_event_at and kind not in _AROUND:
            exchange.first_event_at = now_ms()
        for watch in self._gateway.watching:
            watch(exchange, event)
        if kind is Raw:
            self._whole = True
        elif kind is Finished or kind is Vectors:
            # Whoever stops reading now has the whole answer.
            self._whole = True
            self._outcome = _FINISHED

    def end(self) -> None:
        """The provider has nothing more to say."""
        if not self._whole:
            name = self.exchange.target.name
            raise UpstreamFailed(f"the provider of '{name}' ended its answer before it was whole; try again")
        self._outcome = _FINISHED

    def broke(self, error: BaseException) -> None:
        """Something was raised: a failure, unless it only says that the caller went away."""
        if isinstance(error, Exception):
            self._outcome = Outcome(status="failed", error=error)
            if not isinstance(error, InglenookError):
                call = self.exchange.call
                log.error("call %s to %s failed", call.id, call.model, exc_info=error)

    def close(self) -> None:
        """Settle: the one exit of every call."""
        exchange = self.exchange
        exchange.ended_at = now_ms()
        for at in range(self._opened - 1, -1, -1):
            step = self._gateway.steps[at]
            try:
                step.close(exchange, self._outcome)
            except Exception:
                log.exception("step %s could not settle call %s", type(step).__name__, exchange.call.id)
