"""The gateway as a function: what every prompt passes, whoever asks and over whatever protocol."""

import asyncio
import logging
from asyncio import current_task
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial
from time import monotonic

from msgspec import structs

from inglenook.accounts.principal import Principal
from inglenook.accounts.service import Accounts
from inglenook.gateway import estimate
from inglenook.gateway.answers.service import Answers
from inglenook.gateway.budgets.cap import hold
from inglenook.gateway.call import Call, Candidate, Exchange, Outcome
from inglenook.gateway.ledger import Ledger
from inglenook.gateway.money import Money
from inglenook.gateway.routing.live import LiveRoutes
from inglenook.gateway.steps.base import Step
from inglenook.gateway.steps.budget import Budget
from inglenook.gateway.steps.cache import Cache
from inglenook.gateway.steps.key import Key
from inglenook.gateway.steps.limits import Limits
from inglenook.gateway.steps.meter import Meter
from inglenook.gateway.steps.observe import Observe
from inglenook.gateway.steps.route import Route
from inglenook.gateway.telemetry import CallTelemetry
from inglenook.kit.carried import carried
from inglenook.kit.errors import InglenookError, UpstreamFailed, UpstreamTimeout
from inglenook.kit.telemetry import Telemetry
from inglenook.kit.time import now_ms
from inglenook.models.calls import (
    Event,
    Finished,
    Images,
    Notice,
    Operation,
    Passthrough,
    Raw,
    RawHead,
    Routed,
    Scores,
    Timings,
    Transcript,
    Usage,
    Vectors,
    Verdicts,
)
from inglenook.models.catalogue import Catalogue, Entry
from inglenook.models.providers.base import USUAL, Job, not_offered

log = logging.getLogger(__name__)

_FINISHED = Outcome(status="finished")
_CANCELLED = Outcome(status="cancelled")
#: Events that are no part of the answer itself.
_AROUND = (Notice, RawHead, Usage, Timings)
#: After one of these, whoever stops reading has the whole answer.
_LAST = frozenset({Finished, Vectors, Scores, Images, Transcript, Verdicts})
Events = AsyncGenerator[Event, None]


class Gateway:
    """Every call to a model goes through `call`; the steps it passes are in `steps`, in this order."""

    def __init__(
        self,
        accounts: Accounts,
        catalogue: Catalogue,
        ledger: Ledger,
        routes: LiveRoutes | None = None,
        answers: Answers | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """
        Args:
            routes: The routes there are; None: none.
            answers: Where answers are kept for routes that say so; None: in memory.
            sleep: How to wait before a target is asked again.
        """
        self.sleep = sleep
        self.observe = Observe()
        self._key = Key(accounts)
        self.limits = Limits(accounts)
        self.money = Money(accounts.settings)
        self.routes = routes or LiveRoutes(catalogue)
        self.routes.cost = self.money.cost
        self._route = Route(accounts, catalogue, self.routes)
        self.budget = Budget(accounts, ledger, self.money)
        self.ledger = ledger
        meter = Meter(ledger, self.money, accounts.settings)
        self.keeping = meter.keeping
        cache = Cache(self.routes, answers or Answers())
        self._catalogue = catalogue
        self.steps: tuple[Step, ...] = (self.observe, self._key, self.limits, self._route, cache, self.budget, meter)
        #: The calls under way, by id: for whoever wants to see what runs now.
        self.running: dict[str, Exchange] = {}
        #: Tells a collector, if there is one.
        self.telemetry: CallTelemetry | None = None
        self.watching = tuple(step.event for step in self.steps if step.watches)
        self.needs_text = any(step.needs_text for step in self.steps)
        self.budget.leases.on_servers(self.limits.share_among)

    def tell(self, telemetry: Telemetry) -> None:
        """Tell a collector of every call from now on."""
        self.telemetry = CallTelemetry(telemetry, self.money)
        self.observe.listeners.append(self.telemetry.end)

    def cost_of(self, model: str, usage: Usage) -> int | None:
        """What `usage` of a model comes to, in billionths of the billing currency; None: no price is known."""
        try:
            prices = self._catalogue.resolve(model).prices
        except InglenookError:
            return None
        return self.money.charged(prices, usage)

    async def start(self) -> None:
        """Join the servers that share the database, if there may be others."""
        await self.budget.leases.start()

    async def stop(self) -> None:
        """Write down what was spent. Call when no call is under way, before ledger and store close."""
        await self.budget.leases.stop()

    async def call(self, call: Call) -> Events:
        """Answer a call with events: `Routed` first, then the provider's.

        Where a route has several targets they are asked in turn until one begins to answer; from its first event on
        the answer is that target's, whole or broken. Close the generator (`contextlib.aclosing`) when you stop reading
        early: that cancels the work and settles the call. A translated answer ends with `Finished`, a passed-through
        one with the last `Raw`.

        Raises:
            InglenookError: before any `Raw`, `TextDelta`, …: the call was refused or could not be made. After one:
                the answer broke; what was sent is not the whole.
        """
        passage = Passage(self, call)
        try:
            await passage.open()
            before, events = await passage.begin()
            exchange, see = passage.exchange, passage.see
            exchange.inside = False
            yield passage.routed()
            exchange.inside = True
            try:
                for event in before:
                    if exchange.stopped is not None:
                        raise exchange.stopped
                    see(event)
                    exchange.inside = False
                    yield event
                    exchange.inside = True
                if exchange.stopped is not None:
                    raise exchange.stopped
                async for event in events:
                    see(event)
                    exchange.inside = False
                    yield event
                    exchange.inside = True
                    if exchange.stopped is not None:
                        raise exchange.stopped
            except BaseException:
                await events.aclose()  # cancels the work, before the call is settled
                raise
            passage.end()
        except BaseException as error:
            passage.broke(error)
            if error is not passage.exchange.stopped is not None:
                raise passage.exchange.stopped from None
            raise
        finally:
            passage.close()

    async def whole(self, call: Call) -> list[Event]:
        """Answer a call at once: what `call` gives, in one list, for who would not read along.

        Raises:
            InglenookError: there is no whole answer.
        """
        passage = Passage(self, call)
        try:
            await passage.open()
            found = await passage.relay()
            if found is not None:
                events = [passage.routed(), *found]
            else:
                before, stream = await passage.begin()
                events = [passage.routed(), *before]
                try:
                    for event in before:
                        passage.see(event)
                    async for event in stream:
                        passage.see(event)
                        events.append(event)
                except BaseException:
                    await stream.aclose()
                    raise
            passage.end()
        except BaseException as error:
            passage.broke(error)
            if error is not passage.exchange.stopped is not None:
                raise passage.exchange.stopped from None
            raise
        finally:
            passage.close()
        return events

    def halt(self, exchange: Exchange, reason: InglenookError) -> None:
        """Stop a call under way: its caller gets `reason`, and it is settled like one whose caller went away."""
        if exchange.stopped is None:
            exchange.stopped = reason
            if exchange.inside:
                exchange.task.cancel()

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

    def plan(self, exchange: Exchange) -> None:
        """Make the plan of a call as if it were on its way; nobody is asked.

        Raises:
            InglenookError: it would be refused.
        """
        self._route.open(exchange)


class Passage:
    """One call's way: in by `open`, to a target by `begin` or `relay`, `see` for each event, out by `close`, which
    settles it."""

    __slots__ = ("_asked", "_asked_at", "_ended", "_first_ms", "_gateway", "_opened", "_outcome", "_whole", "exchange")

    def __init__(self, gateway: Gateway, call: Call) -> None:
        self._gateway = gateway
        self._opened = 0
        self._ended = False
        self._outcome = _CANCELLED
        self._whole = False
        self._asked: Candidate | None = None
        self._asked_at = 0.0
        self._first_ms = 0.0
        self.exchange = Exchange(call=call)

    async def open(self) -> None:
        """Let the call in."""
        exchange = self.exchange
        exchange.task = current_task()
        self._gateway.running[exchange.call.id] = exchange
        if self._gateway.telemetry is not None:
            self._gateway.telemetry.begin(exchange)
        for step in self._gateway.steps:
            waiting = step.open(exchange)
            if waiting is not None:
                await waiting
            self._opened += 1

    async def begin(self) -> tuple[Sequence[Event], Events]:
        """Ask the targets in turn until one answers; gives the events up to the first of its answer, if they had to be
        waited for here, and then the rest."""
        exchange = self.exchange
        if exchange.answer is not None:
            return exchange.answer, _nothing_more()
        plan = exchange.plan
        assert plan is not None
        candidate = plan.first(exchange)
        if plan.direct:
            return (), self._ask(candidate, copy=False)
        while True:
            events = self._ask(candidate, copy=True)
            timeout = plan.first_byte_timeout
            try:
                if timeout is None:
                    before = await _beginning(events)
                else:
                    async with asyncio.timeout(timeout):
                        before = await _beginning(events)
            except (InglenookError, TimeoutError) as error:
                candidate = await self._after(candidate, error)
            else:
                self._first_ms = (monotonic() - self._asked_at) * 1000
                return before, events

    async def relay(self) -> list[Event] | None:
        """The whole answer passed through, if that is possible: as `begin`, but without a stream between."""
        exchange = self.exchange
        plan, passthrough = exchange.plan, exchange.call.passthrough
        assert plan is not None
        if exchange.answer is not None or passthrough is None or passthrough.stream or self._gateway.needs_text:
            return None
        for candidate in plan.candidates:
            provider = candidate.entry.provider
            if not hasattr(provider, "relay") or not _passes(candidate.entry, passthrough):
                return None
        candidate = plan.first(exchange)
        while True:
            job = self._job(candidate, copy=not plan.direct)
            self._note(candidate)
            timeout = plan.first_byte_timeout
            try:
                if timeout is None:
                    events: list[Event] = await candidate.entry.provider.relay(job)  # type: ignore[attr-defined]
                else:
                    async with asyncio.timeout(timeout):
                        events = await candidate.entry.provider.relay(job)  # type: ignore[attr-defined]
            except (InglenookError, TimeoutError) as error:
                candidate = await self._after(candidate, error)
                continue
            for event in events:
                self.see(event)
            return events

    def routed(self) -> Routed:
        """Who answers, and why."""
        entry = self.exchange.target
        return Routed(entry.name, entry.provider_id, entry.local, self.exchange.reasons)

    def see(self, event: Event) -> None:
        """Take note of an event before it goes out."""
        exchange = self.exchange
        kind = type(event)
        if not exchange.first_event_at and kind not in _AROUND:
            exchange.first_event_at = now_ms()
            if not self._first_ms:
                self._first_ms = (monotonic() - self._asked_at) * 1000
        for watch in self._gateway.watching:
            watch(exchange, event)
        if exchange.kept is not None:
            exchange.kept.append(event)
        if kind is Raw:
            self._whole = True
        elif kind in _LAST:
            self._whole = True
            self._outcome = _FINISHED

    def end(self) -> None:
        """The provider has nothing more to say."""
        if not self._whole:
            name = self.exchange.target.name
            raise UpstreamFailed(f"the provider of '{name}' ended its answer before it was whole; try again")
        self._outcome = _FINISHED
        self._ended = True

    def broke(self, error: BaseException) -> None:
        """Something was raised: a failure, unless the caller went away or the call was stopped."""
        stopped = self.exchange.stopped
        if stopped is not None and not isinstance(error, GeneratorExit):
            if isinstance(error, asyncio.CancelledError):
                self.exchange.task.uncancel()
            self._outcome = Outcome(status="cancelled", error=stopped)
        elif isinstance(error, Exception):
            self._outcome = Outcome(status="failed", error=error)
            if not isinstance(error, InglenookError):
                call = self.exchange.call
                log.error("call %s to %s failed", call.id, call.model, exc_info=error)

    def close(self) -> None:
        """Settle: the one exit of every call."""
        exchange = self.exchange
        exchange.ended_at = now_ms()
        self._gateway.running.pop(exchange.call.id, None)
        if self._asked is not None:
            self._leave(None if self._outcome is not _FINISHED and self.exchange.stopped else self._outcome.error)
        if not self._ended:
            exchange.kept = None
        for at in range(self._opened - 1, -1, -1):
            step = self._gateway.steps[at]
            try:
                step.close(exchange, self._outcome)
            except Exception:
                log.exception("step %s could not settle call %s", type(step).__name__, exchange.call.id)

    # ------------------------------------------------------------------------------------------- one target

    def _ask(self, candidate: Candidate, *, copy: bool) -> Events:
        if self.exchange.call.operation is Operation.COUNT and not _offers(candidate.entry, Operation.COUNT):
            self._note(candidate)
            return _estimated(self.exchange.call)
        job = self._job(candidate, copy=copy)
        self._note(candidate)
        # The contract promises an async generator. (`aclosing` would cost more than all the steps.)
        return candidate.entry.provider.stream(job)  # type: ignore[return-value]

    def _job(self, candidate: Candidate, *, copy: bool) -> Job:
        """What the candidate is asked. With `copy`, somebody may have to be asked after it."""
        call, entry = self.exchange.call, candidate.entry
        passthrough = call.passthrough
        if passthrough is not None:
            if self._gateway.needs_text or not _passes(entry, passthrough):
                passthrough = None
            elif copy:
                passthrough = structs.replace(passthrough, body=dict(passthrough.body))
        job = Job(
            model=entry.upstream,
            stream=call.stream,
            decode=call.decode if call.tailored is None else partial(call.tailored, entry),
            passthrough=passthrough,
            operation=call.operation,
            key=candidate.key,
        )
        if not _offers(entry, call.operation):
            raise not_offered(job)
        if self.exchange.answer_cap is not None:
            hold(job, entry, self.exchange.answer_cap)
        return job

    def _note(self, candidate: Candidate) -> None:
        exchange = self.exchange
        exchange.target, exchange.key = candidate.entry, candidate.key
        exchange.attempts += 1
        self._asked, self._asked_at, self._first_ms = candidate, monotonic(), 0.0
        assert exchange.plan is not None
        exchange.plan.began(candidate, exchange)
        trace = None if exchange.trace is None else exchange.trace.ask(candidate, exchange)
        if getattr(candidate.entry.provider, "own", False):
            lines = [(b"x-request-id", exchange.call.id.encode())]
            if trace is not None:
                lines.append((b"traceparent", trace.encode()))
            carried.set(tuple(lines))

    def _leave(self, error: BaseException | None) -> None:
        candidate, self._asked = self._asked, None
        assert candidate is not None
        assert self.exchange.plan is not None
        self.exchange.plan.ended(candidate, self.exchange, error, self._first_ms)
        if self.exchange.trace is not None:
            self.exchange.trace.leave(error, self._first_ms)

    async def _after(self, candidate: Candidate, error: Exception) -> Candidate:
        """The next one to ask after one failed before its answer began.

        Raises:
            InglenookError: the error, where nobody is left or nobody can do better.
        """
        entry = candidate.entry
        if isinstance(error, TimeoutError):
            error = UpstreamTimeout(f"'{entry.name}' did not begin to answer in time")
        assert isinstance(error, InglenookError)
        self._leave(error)
        exchange = self.exchange
        assert exchange.plan is not None
        failed = {"model": entry.name, "provider": entry.provider_id, "code": error.code}
        exchange.reasons.append({"step": "attempt", "why": "failed", **failed})
        follower = exchange.plan.next(exchange, candidate, error)
        if follower is None:
            raise error
        following, wait = follower
        if wait:
            await self._gateway.sleep(wait)
        return following


async def _beginning(events: Events) -> list[Event]:
    """The events up to the first that is a part of the answer."""
    before: list[Event] = []
    async for event in events:
        before.append(event)
        if type(event) not in _AROUND:
            return before
    raise UpstreamFailed("the provider answered with nothing")


async def _nothing_more() -> Events:
    """No events."""
    return
    yield


def _offers(entry: Entry, operation: Operation) -> bool:
    return operation in getattr(entry.provider, "operations", USUAL)


def _passes(entry: Entry, passthrough: Passthrough) -> bool:
    """Whether the caller's body can go to the model as it is."""
    if passthrough.wire not in entry.provider.wires:
        return False
    passes: Callable[[str, Passthrough], bool] | None = getattr(entry.provider, "passes", None)
    return passes is None or passes(entry.upstream, passthrough)


async def _estimated(call: Call) -> Events:
    """The answer to `COUNT` where the provider does not count."""
    yield Notice("estimated", "The provider does not count tokens before it answers: this is an estimate.")
    yield Usage(input=estimate.request_tokens(call.decode()), estimated=True)
    yield Finished("stop")
