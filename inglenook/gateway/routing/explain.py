"""A dry run: what would become of a call. It asks the very code that real calls pass, and leaves no trace in it."""

from collections.abc import Callable
from typing import Any

from inglenook.accounts.principal import Principal
from inglenook.gateway.call import Call, Candidate, Exchange, Plan
from inglenook.gateway.estimate import prompt_tokens
from inglenook.gateway.routing import reasons
from inglenook.gateway.routing.conditions import price
from inglenook.gateway.routing.live import LiveRoutes
from inglenook.gateway.routing.schemas import AskedNext, Explanation, PassedOver, RouteRefusal, SampleCall
from inglenook.kit.errors import BadInput, InglenookError, UpstreamFailed
from inglenook.models.calls import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    ImageRequest,
    Message,
    ModerationRequest,
    Operation,
    Request,
    RerankRequest,
    Sampling,
    SpeechRequest,
)


def exchange_of(model: str, sample: SampleCall, principal: Principal) -> Exchange:
    """A sample call as one on its way.

    Raises:
        BadInput: it is of a kind that cannot be tried without its data.
    """
    request = _request(sample)
    call = Call(
        operation=sample.operation,
        model=model,
        decode=lambda: request,
        stream=sample.stream,
        principal=principal,
        source="explain",
        needs=frozenset(sample.needs),
        tags=frozenset(sample.tags),
        conversation=sample.conversation,
    )
    exchange = Exchange(call=call, principal=principal)
    if sample.prompt_tokens is not None:
        exchange.prompt_tokens = sample.prompt_tokens
    if sample.at is not None:
        exchange.started_at = sample.at
    return exchange


def explain(exchange: Exchange, open_: Callable[[Exchange], None], live: LiveRoutes) -> Explanation:
    """What would become of a call.

    Args:
        open_: Makes its plan, as the step `route` does, or raises why it cannot be made.
    """
    asked: list[AskedNext] = []
    error: InglenookError | None = None
    try:
        open_(exchange)
        assert exchange.plan is not None
        asked = _walk(exchange, exchange.plan, live)
    except InglenookError as raised:
        error = raised
    routed = next((reason for reason in exchange.reasons if reason["why"] == "route"), {})
    return Explanation(
        model=exchange.call.model,
        route=routed.get("route"),
        strategy=routed.get("strategy"),
        prompt_tokens=prompt_tokens(exchange),
        asked=asked,
        passed=[
            PassedOver(model=reason["model"], why=reason["for"])
            for reason in exchange.reasons
            if reason["why"] == "passed"
        ],
        error=RouteRefusal(code=error.code, message=error.message) if error is not None else None,
        reasons=exchange.reasons,
        header=reasons.line(exchange.reasons),
    )


def _walk(exchange: Exchange, plan: Plan, live: LiveRoutes) -> list[AskedNext]:
    """Let every target fail. The reasons stay those of a call whose first target answers."""
    candidate = plan.first(exchange)
    found = [_asked(exchange, plan, candidate, 0.0, live)]
    kept = list(exchange.reasons)
    while not plan.direct and (following := plan.next(exchange, candidate, UpstreamFailed())) is not None:
        candidate, wait = following
        found.append(_asked(exchange, plan, candidate, wait, live))
    exchange.reasons = kept
    return found


def _asked(exchange: Exchange, plan: Plan, candidate: Candidate, wait: float, live: LiveRoutes) -> AskedNext:
    entry, last = candidate.entry, exchange.reasons[-1]
    why = last["for"] if last["why"] == "taken" else "again" if wait else "named"
    return AskedNext(
        model=entry.name,
        provider=entry.provider_name,
        local=entry.local,
        key=candidate.key,
        why=why,
        wait=round(wait, 3),
        cost=price(entry, live.asked(exchange)),
        first_byte_timeout=plan.first_byte_timeout,
    )


def _request(sample: SampleCall) -> Request:
    text: Any = sample.prompt
    match sample.operation:
        case Operation.CHAT | Operation.COUNT:
            return ChatRequest(messages=[Message("user", text)], sampling=Sampling(max_tokens=sample.max_tokens))
        case Operation.COMPLETION:
            return CompletionRequest(prompt=text, sampling=Sampling(max_tokens=sample.max_tokens))
        case Operation.EMBEDDING:
            return EmbeddingRequest(inputs=[text])
        case Operation.RERANK:
            return RerankRequest(query=text, documents=[])
        case Operation.IMAGE:
            return ImageRequest(prompt=text)
        case Operation.SPEECH:
            return SpeechRequest(text=text, voice="")
        case Operation.MODERATION:
            return ModerationRequest(inputs=[text])
        case Operation.TRANSCRIPTION:
            raise BadInput("a transcription cannot be tried without its sound", field="call.operation")
