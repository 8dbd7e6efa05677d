"""`GET /metrics`: what Prometheus reads, with the token of the setting `metrics_token` or as an administrator.

Names and buckets of calls' histograms follow OpenTelemetry's semantic conventions for generative AI, as Prometheus
spells them. Labels are few in number whatever happens: models and providers as the catalogue has them, never what a
caller wrote, and no user, key or team, whose figures are in the usage API.
"""

import importlib
import secrets
from collections.abc import Iterator
from typing import Annotated, Any

import psutil
from fastapi import APIRouter, Depends, Request, Response

from inglenook import __version__
from inglenook.accounts.permissions import Needs
from inglenook.accounts.principal import Principal, Verb
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.steps.observe import DURATIONS, FIRST_TOKENS, TOKEN_TIMES, Histogram
from inglenook.gateway.telemetry import operation_name
from inglenook.kit.loop import LagMonitor
from inglenook.models.calls import Operation
from inglenook.models.engine.service import Engine
from inglenook.models.prices import NANO
from inglenook.models.providers.well_known import well_known

router = APIRouter(tags=["server"])

_CALL = ["gen_ai_request_model", "gen_ai_provider_name", "provider", "gen_ai_operation_name", "outcome"]


class _Scraper(Needs):
    """Who may read metrics: whoever has their token, and may do nothing else with it; else who may read the server."""

    def __init__(self) -> None:
        super().__init__(Verb.READ, "server", some=False)

    async def __call__(self, request: Request) -> Principal | None:  # type: ignore[override]  # a token is nobody
        token = request.app.state.settings.metrics_token
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token and secrets.compare_digest(given.encode(), token.encode()):
            return None
        return await super().__call__(request)


@router.get("/metrics", response_class=Response)
def metrics(request: Request, _: Annotated[Principal | None, Depends(_Scraper())]) -> Response:
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
        yield from self._books()
        yield from self._models()
        yield from importlib.import_module("prometheus_client").ProcessCollector(registry=None).collect()

    def _calls(self) -> Iterator[Any]:
        core, counts = self._core, list(self._gateway.observe.counts.items())
        calls = core.CounterMetricFamily("inglenook_calls", "Calls to models that have ended.", labels=_CALL)
        retries = core.CounterMetricFamily("inglenook_retries", "Targets asked again or instead.", labels=_CALL)
        currency = self._gateway.money.currency
        cost = core.CounterMetricFamily(
            "inglenook_cost", "Cost of calls in the billing currency.", labels=[*_CALL, "currency"]
        )
        told = "Tokens; cached and cache_write are parts of the input, reasoning of the output."
        tokens = core.CounterMetricFamily("inglenook_tokens", told, labels=[*_CALL, "gen_ai_token_type"])
        durations, first, each = (
            core.HistogramMetricFamily(name, text, labels=_CALL)
            for name, text in (
                ("gen_ai_client_operation_duration_seconds", "From a call's start to its end."),
                ("gen_ai_server_time_to_first_token_seconds", "From a call's start to its first token."),
                ("gen_ai_server_time_per_output_token_seconds", "Between tokens after the first one."),
            )
        )
        for (model, provider, kind, operation, outcome), found in counts:
            labels = [model, well_known(kind), provider, operation_name(Operation(operation)), outcome]
            calls.add_metric(labels, found.calls)
            if found.retries:
                retries.add_metric(labels, found.retries)
            if found.cost:
                cost.add_metric([*labels, currency], found.cost / NANO)
            for name in ("input", "output", "cached", "cache_write", "reasoning"):
                if value := getattr(found, name):
                    tokens.add_metric([*labels, name], value)
            durations.add_metric(labels, _buckets(DURATIONS, found.durations), found.durations.total)
            for family, bounds, histogram in (
                (first, FIRST_TOKENS, found.first_tokens),
                (each, TOKEN_TIMES, found.token_times),
            ):
                if any(histogram.buckets):
                    family.add_metric(labels, _buckets(bounds, histogram), histogram.total)
        yield from (calls, retries, cost, tokens, durations, first, each)

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

    def _books(self) -> Iterator[Any]:
        """How far the ledger and the budgets on disk are behind what is known in memory."""
        gauge = self._core.GaugeMetricFamily
        entries, seconds = self._gateway.ledger.behind()
        yield gauge("inglenook_ledger_unwritten_entries", "Calls that the ledger has not written yet.", value=entries)
        waited = "How long the oldest of them has waited; above 2 the disk refuses or is slow."
        yield gauge("inglenook_ledger_lag_seconds", waited, value=seconds)
        unwritten = self._gateway.budget.leases.unwritten() / NANO
        yield gauge("inglenook_budget_unwritten", "Spent, and not in the database yet.", value=unwritten)

    def _models(self) -> Iterator[Any]:
        gauge = self._core.GaugeMetricFamily
        memory = gauge("inglenook_model_memory_bytes", "Memory of a loaded model's process.", labels=["model"])
        slots = gauge("inglenook_model_slots", "Calls that a loaded model takes at a time.", labels=["model"])
        busy = gauge("inglenook_model_busy", "Calls that a loaded model answers.", labels=["model"])
        pending = gauge("inglenook_model_pending", "Calls that wait for it.", labels=["model"])
        loaded = 0
        for model in self._engine.status():
            loaded += model.state == "ready"
            for family, value in (
                (memory, model.memory),
                (slots, model.slots),
                (busy, model.busy),
                (pending, model.pending),
            ):
                family.add_metric([model.name], value)
        use = self._engine.memory()
        yield gauge("inglenook_models_loaded", "Models that are loaded here.", value=loaded)
        yield gauge("inglenook_models_memory_bytes", "Memory that they use.", value=use.used)
        yield gauge("inglenook_models_memory_budget_bytes", "Memory that they may use.", value=use.budget)
        yield from (memory, slots, busy, pending)


def _buckets(bounds: tuple[float, ...], histogram: Histogram) -> list[tuple[str, float]]:
    """Cumulative, as Prometheus wants them."""
    total = 0
    found: list[tuple[str, float]] = []
    for bound, count in zip((*map(str, bounds), "+Inf"), histogram.buckets, strict=True):
        total += count
        found.append((bound, total))
    return found
