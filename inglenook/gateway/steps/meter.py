"""What a call used, what that costs, how long it took, and the ledger's entry of it."""

import re
from typing import ClassVar

import msgspec
import orjson
from msgspec import structs

from inglenook.accounts.settings import RuntimeSettings
from inglenook.gateway import estimate
from inglenook.gateway.call import Call, Exchange, Outcome
from inglenook.gateway.ledger import Body, Ledger, Record
from inglenook.gateway.money import Money
from inglenook.gateway.steps.base import Step
from inglenook.gateway.usage.keeping import KEEPING
from inglenook.models.calls import (
    Event,
    Finished,
    Operation,
    Raw,
    RawHead,
    ReasoningDelta,
    TextDelta,
    Timings,
    ToolCallDelta,
    Usage,
    Vectors,
)
from inglenook.models.providers.wires.openai_usage import UsageScanner, usage_in_body

#: Relayed bytes that are kept before their text is counted, and how many are then still kept: usage comes last.
_COUNT_AT = 64 * 1024
_TAIL = 8 * 1024
_TEXT = re.compile(rb'"(?:content|reasoning_content|reasoning|text|arguments)"\s*:\s*("(?:[^"\\]|\\.)*")')


class _Reading:
    """What the meter keeps of one call. Relayed bytes are only gathered on their way; they are read at the end."""

    __slots__ = ("_looked", "_raw", "_shown", "_size", "_streamed", "kept", "output_bytes", "vectors")

    def __init__(self, *, keep: bool) -> None:
        #: What was answered, where it is to be recorded.
        self.kept: list[bytes] | None = [] if keep else None
        self.output_bytes = 0
        self.vectors = False
        self._streamed = True
        self._raw: list[bytes] = []
        self._size = 0
        #: For who looks on: text seen in relayed bytes, and how many pieces of them were looked at.
        self._shown = 0
        self._looked = 0

    def head(self, head: RawHead) -> None:
        self._streamed = "event-stream" in head.content_type

    def raw(self, data: bytes) -> None:
        self._raw.append(data)
        self._size += len(data)
        if self.kept is not None:
            self.kept.append(data)
        if self._size > _COUNT_AT and self._streamed:
            self._count(_TAIL)

    def text(self, text: str) -> None:
        data = text.encode()
        self.output_bytes += len(data)
        if self.kept is not None:
            self.kept.append(data)

    def usage(self) -> Usage | None:
        """What the relayed answer says of itself."""
        if not self._raw:
            return None
        data = b"".join(self._raw)
        if not self._streamed:
            return usage_in_body(data)
        scanner = UsageScanner()
        scanner.feed(data + b"\n")
        return scanner.usage

    def output_tokens(self) -> int:
        """Our own count of what came out."""
        if not self.vectors:
            self._count(0)
        return estimate.tokens(self.output_bytes)

    def so_far(self) -> int:
        """About how many tokens came out yet, for who looks on. Each piece is looked at once, and none is used up."""
        if self._raw and self._streamed:
            for data in self._raw[self._looked :]:
                self._shown += sum(len(text) - 2 for text in _TEXT.findall(data))
            self._looked = len(self._raw)
        return estimate.tokens(self._shown or self.output_bytes)

    def _count(self, keep: int) -> None:
        """Count the text of all but the last `keep` bytes, and forget those."""
        data = b"".join(self._raw)
        end = len(data) - keep
        end = (data.rfind(b"\n", 0, end) + 1 or end) if keep else end
        for text in _TEXT.findall(data, 0, end):
            try:
                self.output_bytes += len(orjson.loads(text).encode())
            except ValueError:
                self.output_bytes += len(text)
        self._raw = [data[end:]]
        self._looked = 1
        self._size = len(data) - end


class Meter(Step):
    """Reads usage off the events; counts itself where an answer does not tell, as when it was cut."""

    watches: ClassVar[bool] = True

    def __init__(self, ledger: Ledger, money: Money, settings: RuntimeSettings) -> None:
        self._ledger = ledger
        self._money = money
        self.keeping = settings.register(KEEPING)

    def open(self, exchange: Exchange) -> None:
        """Begin a reading."""
        principal = exchange.principal
        assert principal is not None
        recorded = principal.team_id is not None and principal.team_id in self.keeping.now.body_teams
        exchange.meter = _Reading(keep=recorded)

    def event(self, exchange: Exchange, event: Event) -> None:
        """Note what an event tells."""
        reading: _Reading = exchange.meter
        match event:
            case Raw():
                reading.raw(event.data)
            case TextDelta() | ReasoningDelta():
                reading.text(event.text)
            case ToolCallDelta():
                reading.text(event.name + event.arguments)
            case Usage():
                exchange.usage = event
            case Finished():
                exchange.finish_reason = event.reason
            case Timings():
                exchange.timings = event
            case RawHead():
                reading.head(event)
            case Vectors():
                reading.vectors = True

    def close(self, exchange: Exchange, outcome: Outcome) -> None:
        """Settle the usage and write the entry."""
        usage = self._settle(exchange, outcome)
        call, principal, target = exchange.call, exchange.principal, exchange.target
        assert principal is not None
        first = exchange.first_event_at
        cost = exchange.cost = 0 if exchange.replayed else self._money.charged(target.prices, usage)
        error = outcome.error
        self._ledger.record(
            Record(
                call.id,
                exchange.started_at,
                principal.user_id,
                principal.key_id,
                call.run_id,
                target.name,
                target.provider_id,
                str(call.operation),
                call.source,
                usage.input,
                usage.output,
                usage.cached,
                usage.reasoning,
                usage.estimated,
                cost,
                outcome.status,
                exchange.ended_at - exchange.started_at,
                first - exchange.started_at if first else None,
                principal.team_id,
                call.app_id,
                call.model,
                exchange.route,
                usage.cache_write + usage.cache_write_1h,
                self._money.currency,
                exchange.replayed,
                exchange.attempts,
                None if error is None else getattr(error, "code", "internal"),
            )
        )
        reading: _Reading = exchange.meter
        if reading.kept is not None:
            answer = b"".join(reading.kept).decode("utf-8", "replace")
            team = principal.team_id or ""
            self._ledger.record_body(
                Body(call.id, exchange.started_at, principal.user_id, team, _request_text(call), answer)
            )

    def _settle(self, exchange: Exchange, outcome: Outcome) -> Usage:
        reading: _Reading = exchange.meter
        usage = exchange.usage or reading.usage()
        if exchange.call.operation is Operation.COUNT:
            usage = Usage()  # nothing went to the model
        elif usage is None:
            if outcome.status == "failed" and not exchange.first_event_at:
                usage = Usage()  # the provider did nothing
            else:
                usage = Usage(input=estimate.prompt_tokens(exchange), output=reading.output_tokens(), estimated=True)
                if outcome.status != "finished":
                    usage.output = estimate.cut_answer(exchange, usage.output)
        elif outcome.status != "finished" and usage.output < (counted := reading.output_tokens()) // 2:
            # Some tell what the prompt had before the answer begins, and the answer's tokens after it.
            usage = structs.replace(usage, output=estimate.cut_answer(exchange, counted), estimated=True)
        exchange.usage = usage
        return usage


def _request_text(call: Call) -> str:
    """The request as JSON."""
    if call.passthrough is not None:
        return orjson.dumps(call.passthrough.body, default=str).decode()
    return msgspec.json.encode(call.decode()).decode()
