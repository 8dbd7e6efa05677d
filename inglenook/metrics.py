"""`GET /metrics`: what a Prometheus server reads. For administrators; a scraper sends an administrator's API key.

Names of calls' metrics follow OpenTelemetry's semantic conventions for generative AI, as Prometheus spells them.
"""

import importlib
from collections.abc import Iterator
from typing import Annotated, Any

import psutil
from fastapi import APIRouter, Request, Response

from inglenook import __version__
from inglenook.accounts.permissions import needs
from inglenook.accounts.principal import Principal, Verb
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.steps.observe import DURATIONS, FIRST_TOKENS, Histogram
from inglenook.kit.loop import LagMonitor
from inglenook.models.engine.service import Engine
from inglenook.models.prices import NANO

router = APIRouter(tags=["server"])

_CALL = ["gen_ai_request_model", "gen_ai_provider_name", "gen_ai_operation_name", "outcome"]


@router.get("/metrics", response_class=Response)
def metrics(request: Request, _: Annotated[Principal, needs(Verb.READ, "server")]) -> Response:
    """Counters since the start, in Prometheus' text format."""
    exposition = importlib.import_module("prometheus_client.exposition")
    state = request.app.state
    families = _Families(state.gateway, state.engine, state.lag)
    return Response(exposition.generate_latest(families), media_type=exposition.CONTENT_TYPE_LATEST)


class _Families:
    """A registry of the Prometheus library: gives the metric families as they are now."""

    def __init__(self, gateway: Gateway, engine: Engine, lag: LagMonitor) -> None:
        self._gateway = gateway
        self._engine = engine
        self._lag = lag
        self._core = importlib.import_module("prometheus_client.core")

    def collect(self) -> Iterator[Any]:
        """Every family."""
        yield from self._calls()
        yield from self._server()

    def _calls(self) -> Iterator[Any]:
        core, counts = self._core, self._gateway.observe.counts.items()
        calls = core.CounterMetricFamily("inglenook_calls", "Calls to models that have ended.", labels=_CALL)
        retries = core.CounterMetricFamily("inglenook_retries", "Targets asked again or instead.", labels=_CALL)
        currency = self._gateway.money.currency
        cost = core.CounterMetricFamily("inglenook_cost", "Cost of calls.", labels=[*_CALL, "currency"])
        tokens = core.CounterMetricFamily("gen_ai_client_token_usage", "Tokens.", labels=[*_CALL, "gen_ai_token_type"])
        durations = core.HistogramMetricFamily(
            "gen_ai_client_operation_duration_seconds", "From a call's start to its end.", labels=_CALL
        )
        first = core.HistogramMetricFamily(
            "gen_ai_server_time_to_first_token_seconds", "From a call's start to its first token.", labels=_CALL
        )
        for kind, found in counts:
            labels = [*kind]
            calls.add_metric(labels, found.calls)
            if found.retries:
                retries.add_metric(labels, found.retries)
            if found.cost:
                cost.add_metric([*labels, currency], found.cost / NANO)
            for name, value in (("input", found.input), ("output", found.output), ("cached", found.cached)):
                tokens.add_metric([*labels, name], value)
            durations.add_metric(labels, _buckets(DURATIONS, found.durations), found.durations.total)
            first.add_metric(labels, _buckets(FIRST_TOKENS, found.first_tokens), found.first_tokens.total)
        yield from (calls, retries, cost, tokens, durations, first)

    def _server(self) -> Iterator[Any]:
        gauge = self._core.GaugeMetricFamily
        about = self._core.InfoMetricFamily("inglenook", "The server's version.")
        about.add_metric([], {"version": __version__})
        yield about
        yield gauge("inglenook_calls_running", "Calls under way.", value=len(self._gateway.running))
        lag = self._lag.report()
        late = "How late the event loop was in the last minute."
        lags = gauge("inglenook_loop_lag_seconds", late, labels=["quantile"])
        for quantile, value in (("0.5", lag.p50), ("0.99", lag.p99), ("1", lag.worst)):
            lags.add_metric([quantile], value / 1000)
        yield lags
        yield gauge("inglenook_memory_bytes", "Proportional memory.", value=psutil.Process().memory_full_info().pss)
        memory = gauge("inglenook_model_memory_bytes", "Memory of a loaded model's process.", labels=["model"])
        busy = gauge("inglenook_model_busy", "Calls that a loaded model answers.", labels=["model"])
        pending = gauge("inglenook_model_pending", "Calls that wait for it.", labels=["model"])
        for model in self._engine.status():
            memory.add_metric([model.name], model.memory)
            busy.add_metric([model.name], model.busy)
            pending.add_metric([model.name], model.pending)
        yield from (memory, busy, pending)


def _buckets(bounds: tuple[float, ...], histogram: Histogram) -> list[tuple[str, float]]:
    """Cumulative, as Prometheus wants them."""
    total = 0
    found: list[tuple[str, float]] = []
    for bound, count in zip((*map(str, bounds), "+Inf"), histogram.buckets, strict=True):
        total += count
        found.append((bound, total))
    return found
