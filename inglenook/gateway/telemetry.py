"""What a collector is told of calls: a span for each, one within it for each target asked, and measures.

Names follow OpenTelemetry's semantic conventions for generative AI. The span of the call is the server's; those within
are a client's, and only they carry `gen_ai.*`, so that no token counts twice. Ids of people, teams and keys are told,
never prompts, answers, keys, or a provider's error text, which may quote the prompt: only its code.
"""

import importlib
import re
from time import time_ns
from typing import Any

from msgspec import Struct

from inglenook.gateway.call import Candidate, Exchange, Outcome
from inglenook.gateway.steps.observe import DURATIONS, FIRST_TOKENS, TOKEN_TIMES, TOKENS, per_token
from inglenook.kit.telemetry import Telemetry
from inglenook.models.calls import Operation
from inglenook.models.prices import NANO
from inglenook.models.providers.well_known import well_known

_OPERATIONS = {Operation.COMPLETION: "text_completion", Operation.EMBEDDING: "embeddings"}
#: `00-<trace id>-<id of the caller's span>-<flags>`; of later versions the beginning is the same.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")
_NAME_LIMIT = 200


def operation_name(operation: Operation) -> str:
    """What the conventions call an operation."""
    return _OPERATIONS.get(operation, str(operation))


class Attempt(Struct):
    """A target that was asked: its span, and how it went."""

    span: Any
    candidate: Candidate
    ended_at: int = 0
    error: BaseException | None = None
    first_ms: float = 0


class Trace:
    """One call's spans. See `call.Trace`."""

    __slots__ = ("_attempts", "_context", "_span", "_tracing")

    def __init__(self, tracing: "CallTelemetry", exchange: Exchange) -> None:
        self._tracing = tracing
        self._attempts: list[Attempt] = []
        call = exchange.call
        kind = tracing.kinds.SERVER
        parent = tracing.parent(call.traceparent)
        self._span = tracing.tracer.start_span(f"call {operation_name(call.operation)}", parent, kind)
        self._context = tracing.api.set_span_in_context(self._span, tracing.empty)

    def ask(self, candidate: Candidate, exchange: Exchange) -> str:
        """See `call.Trace`."""
        name = f"{operation_name(exchange.call.operation)} {candidate.entry.upstream}"
        span = self._tracing.tracer.start_span(name, self._context, self._tracing.kinds.CLIENT)
        self._attempts.append(Attempt(span, candidate))
        found = span.get_span_context()
        return f"00-{found.trace_id:032x}-{found.span_id:016x}-{int(found.trace_flags):02x}"

    def leave(self, error: BaseException | None, first_ms: float) -> None:
        """See `call.Trace`."""
        attempt = self._attempts[-1]
        attempt.ended_at, attempt.error, attempt.first_ms = time_ns(), error, first_ms

    def end(self, exchange: Exchange, outcome: Outcome, currency: str) -> None:
        """The call is settled."""
        for attempt in self._attempts:
            if attempt.span.is_recording():
                self._finish(attempt, exchange, last=attempt is self._attempts[-1])
            attempt.span.end(attempt.ended_at or None)
        span = self._span
        if span.is_recording():
            span.set_attributes(_about(exchange, outcome, currency))
            self._mark(span, outcome.error)
        span.end()

    def _finish(self, attempt: Attempt, exchange: Exchange, *, last: bool) -> None:
        call, entry, span = exchange.call, attempt.candidate.entry, attempt.span
        facts: dict[str, Any] = {
            "gen_ai.operation.name": operation_name(call.operation),
            "gen_ai.provider.name": well_known(entry.provider.kind),
            "gen_ai.request.model": entry.upstream,
            "gen_ai.request.stream": call.stream,
            "inglenook.model": entry.name,
            "inglenook.provider.id": entry.provider_id,
        }
        if attempt.first_ms and call.stream:
            facts["gen_ai.response.time_to_first_chunk"] = attempt.first_ms / 1000
        usage = exchange.usage
        if last and usage is not None:
            facts |= {"gen_ai.usage.input_tokens": usage.input, "gen_ai.usage.output_tokens": usage.output}
            for name, tokens in (
                ("cache_read.input_tokens", usage.cached),
                ("cache_creation.input_tokens", usage.cache_write + usage.cache_write_1h),
                ("reasoning.output_tokens", usage.reasoning),
            ):
                if tokens:
                    facts[f"gen_ai.usage.{name}"] = tokens
        if last and exchange.finish_reason:
            facts["gen_ai.response.finish_reasons"] = [exchange.finish_reason]
        span.set_attributes(facts)
        self._mark(span, attempt.error)

    def _mark(self, span: Any, error: BaseException | None) -> None:
        if error is not None:
            code = str(getattr(error, "code", "internal"))
            span.set_attribute("error.type", code)
            span.set_status(self._tracing.failed, code)


class CallTelemetry:
    """Tells a collector of every call. Put `begin` where calls begin, and let `Observe` call `end`."""

    def __init__(self, telemetry: Telemetry, currency: Any) -> None:
        """
        Args:
            currency: What has the attribute `currency`, as it is then (`gateway.money.Money`).
        """
        self._money = currency
        self.tracer = telemetry.tracer
        if self.tracer is not None:
            self.api = importlib.import_module("opentelemetry.trace")
            self.kinds = self.api.SpanKind
            self.failed = self.api.StatusCode.ERROR
            self.empty = importlib.import_module("opentelemetry.context").Context()
        self._measures = None if telemetry.meter is None else _Measures(telemetry.meter)

    def begin(self, exchange: Exchange) -> None:
        """A call came in."""
        if self.tracer is not None:
            exchange.trace = Trace(self, exchange)

    def end(self, exchange: Exchange, outcome: Outcome) -> None:
        """It is settled."""
        if exchange.trace is not None:
            exchange.trace.end(exchange, outcome, self._money.currency)
        if self._measures is not None:
            self._measures.note(exchange, outcome)

    def parent(self, traceparent: str | None) -> Any:
        """The context of a caller's span: the ids alone, and none of what else it may say (`tracestate`)."""
        found = None if traceparent is None else _TRACEPARENT.fullmatch(traceparent)
        if found is None:
            return self.empty
        trace_id, span_id = int(found[1], 16), int(found[2], 16)
        if not (trace_id and span_id):
            return self.empty
        remote = self.api.SpanContext(trace_id, span_id, is_remote=True)
        return self.api.set_span_in_context(self.api.NonRecordingSpan(remote), self.empty)


class _Measures:
    """Histograms of the conventions, with their buckets."""

    def __init__(self, meter: Any) -> None:
        def histogram(name: str, unit: str, description: str, bounds: tuple[float, ...]) -> Any:
            return meter.create_histogram(name, unit, description, explicit_bucket_boundaries_advisory=bounds)

        self._durations = histogram("gen_ai.client.operation.duration", "s", "GenAI operation duration.", DURATIONS)
        self._tokens = histogram(
            "gen_ai.client.token.usage", "{token}", "Number of input and output tokens used.", TOKENS
        )
        self._first = histogram(
            "gen_ai.server.time_to_first_token", "s", "From a call's start to its first token.", FIRST_TOKENS
        )
        self._each = histogram(
            "gen_ai.server.time_per_output_token", "s", "Between tokens after the first one.", TOKEN_TIMES
        )

    def note(self, exchange: Exchange, outcome: Outcome) -> None:
        """One call."""
        facts: dict[str, Any] = {"gen_ai.operation.name": operation_name(exchange.call.operation)}
        target, usage = exchange.target, exchange.usage
        if target is not None:
            facts["gen_ai.provider.name"] = well_known(target.provider.kind)
            facts["gen_ai.request.model"] = target.upstream
            if usage is not None and not exchange.replayed:
                self._tokens.record(usage.input, {**facts, "gen_ai.token.type": "input"})
                self._tokens.record(usage.output, {**facts, "gen_ai.token.type": "output"})
        if exchange.first_event_at:
            self._first.record((exchange.first_event_at - exchange.started_at) / 1000, facts)
            if (each := per_token(exchange)) is not None:
                self._each.record(each, facts)
        if outcome.error is not None:
            facts["error.type"] = str(getattr(outcome.error, "code", "internal"))
        self._durations.record((exchange.ended_at - exchange.started_at) / 1000, facts)


def _about(exchange: Exchange, outcome: Outcome, currency: str) -> dict[str, Any]:
    call, who = exchange.call, exchange.principal
    facts: dict[str, Any] = {
        "inglenook.call.id": call.id,
        "inglenook.model.asked": call.model[:_NAME_LIMIT],
        "inglenook.source": call.source,
        "inglenook.attempts": exchange.attempts,
        "inglenook.outcome": outcome.status,
    }
    if who is not None:
        facts["user.id"] = who.user_id
    for name, value in (
        ("inglenook.team.id", who and who.team_id),
        ("inglenook.key.id", who and who.key_id),
        ("inglenook.route", exchange.route),
        ("inglenook.run.id", call.run_id),
        ("inglenook.app.id", call.app_id),
    ):
        if value:
            facts[name] = value
    if exchange.replayed:
        facts["inglenook.replayed"] = True
    if exchange.cost is not None:
        facts |= {"inglenook.cost": exchange.cost / NANO, "inglenook.currency": currency}
    return facts
