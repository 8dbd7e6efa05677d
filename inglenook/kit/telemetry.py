"""The OpenTelemetry SDK, where it is installed (`inglenook[otel]`) and a collector is named: opened late, closed soon.

The standard `OTEL_*` variables say where to and how; the setting `otlp_endpoint` names the collector instead of
`OTEL_EXPORTER_OTLP_ENDPOINT`. Without either, nothing here is imported. Spans wait in a queue of bounded length
(`OTEL_BSP_MAX_QUEUE_SIZE`) and are dropped when it is full: a collector that is down costs nobody an answer.
"""

import asyncio
import importlib
import logging
import threading
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from inglenook import __version__
from inglenook.kit.errors import BadInput

log = logging.getLogger(__name__)

#: Seconds that a stop leaves to what was not sent yet.
GRACE = 2.0
_PARENT = "parentbased_"


class Telemetry(Struct):
    """What is told to a collector: spans through `tracer`, measures through `meter`; None: not wanted."""

    tracer: Any = None
    meter: Any = None
    providers: tuple[Any, ...] = ()
    exporters: tuple[Any, ...] = ()

    async def stop(self) -> None:
        """Send what waits, if that is soon done."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def close() -> None:
            for provider in self.providers:
                try:
                    provider.shutdown()
                except Exception:
                    log.exception("what was to be told to the collector is lost")
            if not loop.is_closed():
                loop.call_soon_threadsafe(done.set)

        # A thread of its own: the loop's would be waited for, however long the collector is silent.
        threading.Thread(target=close, name="telemetry-stop", daemon=True).start()
        try:
            async with asyncio.timeout(GRACE):
                await done.wait()
        except TimeoutError:
            log.warning("the collector did not take what was left in %g s", GRACE)
            for exporter in self.exporters:
                exporter.shutdown()  # it would try again


def signals(environment: Mapping[str, str], endpoint: str | None) -> frozenset[str]:
    """Which of `traces` and `metrics` are wanted."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return frozenset()
    wanted = set()
    for signal in ("traces", "metrics"):
        exporter = environment.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip().lower()
        named = endpoint or environment.get("OTEL_EXPORTER_OTLP_ENDPOINT") or environment.get(_endpoint(signal))
        if exporter == "otlp" or (not exporter and named):
            wanted.add(signal)
        elif exporter not in ("", "none"):
            log.warning("OTEL_%s_EXPORTER=%s is not offered: otlp and none are", signal.upper(), exporter)
    return frozenset(wanted)


def open_telemetry(environment: Mapping[str, str], endpoint: str | None) -> Telemetry | None:
    """Join the collector; None where none is wanted.

    Args:
        environment: Where the `OTEL_*` variables are.
        endpoint: The collector's base URL by our own setting.

    Raises:
        BadInput: our setting names a collector, and the SDK is not installed. By the environment alone, which may be
            meant for others, that is only logged.
    """
    wanted = signals(environment, endpoint)
    if not wanted:
        return None
    protocols = {environment.get(f"OTEL_EXPORTER_OTLP_{of}PROTOCOL", "") for of in ("", "TRACES_", "METRICS_")}
    if not endpoint and "grpc" in protocols:
        log.warning("the collector is told nothing: OTEL_EXPORTER_OTLP_PROTOCOL is grpc, and OTLP goes over HTTP here")
        return None
    try:
        return _open(environment, endpoint, wanted)
    except ModuleNotFoundError as error:
        message = f"telling a collector needs OpenTelemetry ({error.name}): pip install 'inglenook[otel]'"
        if endpoint:
            raise BadInput(message, field="otlp_endpoint") from None
        log.warning(message)
        return None


def _open(environment: Mapping[str, str], endpoint: str | None, wanted: frozenset[str]) -> Telemetry:
    sdk = "opentelemetry.sdk"
    exporters = "opentelemetry.exporter.otlp.proto.http"
    about = {"service.name": environment.get("OTEL_SERVICE_NAME") or "inglenook", "service.version": __version__}
    resource = importlib.import_module(f"{sdk}.resources").Resource.create(about)
    found = Telemetry()
    if "traces" in wanted:
        trace = importlib.import_module(f"{sdk}.trace")
        export = importlib.import_module(f"{sdk}.trace.export")
        exporter = importlib.import_module(f"{exporters}.trace_exporter").OTLPSpanExporter(
            endpoint=_url(environment, endpoint, "traces")
        )
        tracers = trace.TracerProvider(resource=resource, sampler=sampler(environment), shutdown_on_exit=False)
        tracers.add_span_processor(export.BatchSpanProcessor(exporter))
        found.tracer = tracers.get_tracer("inglenook", __version__)
        found.providers += (tracers,)
        found.exporters += (exporter,)
    if "metrics" in wanted:
        metrics = importlib.import_module(f"{sdk}.metrics")
        export = importlib.import_module(f"{sdk}.metrics.export")
        exporter = importlib.import_module(f"{exporters}.metric_exporter").OTLPMetricExporter(
            endpoint=_url(environment, endpoint, "metrics")
        )
        reader = export.PeriodicExportingMetricReader(exporter)
        meters = metrics.MeterProvider(metric_readers=[reader], resource=resource, shutdown_on_exit=False)
        found.meter = meters.get_meter("inglenook", __version__)
        found.providers += (meters,)
        found.exporters += (exporter,)
    return found


def sampler(environment: Mapping[str, str]) -> Any:
    """Which calls are traced, by `OTEL_TRACES_SAMPLER` (all, unless it says otherwise).

    Of a caller's `traceparent` only the ids are believed: whether a call is traced is ours to say, or anybody with a
    key could have all of theirs traced, or none.
    """
    sampling = importlib.import_module("opentelemetry.sdk.trace.sampling")
    name = environment.get("OTEL_TRACES_SAMPLER", "").strip().lower().removeprefix(_PARENT) or "always_on"
    if name == "traceidratio":
        given = environment.get("OTEL_TRACES_SAMPLER_ARG", "1")
        try:
            root = sampling.TraceIdRatioBased(float(given))
        except ValueError:
            log.warning("OTEL_TRACES_SAMPLER_ARG=%s is no share between 0 and 1: all calls are traced", given)
            root = sampling.ALWAYS_ON
    elif name == "always_off":
        root = sampling.ALWAYS_OFF
    else:
        if name != "always_on":
            log.warning("OTEL_TRACES_SAMPLER=%s is not offered: all calls are traced", name)
        root = sampling.ALWAYS_ON
    return sampling.ParentBased(root, remote_parent_sampled=root, remote_parent_not_sampled=root)


def _endpoint(signal: str) -> str:
    return f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"


def _url(environment: Mapping[str, str], endpoint: str | None, signal: str) -> str:
    """Where a signal goes to."""
    if not endpoint and (whole := environment.get(_endpoint(signal))):
        return whole
    base = endpoint or environment.get("OTEL_EXPORTER_OTLP_ENDPOINT") or "http://127.0.0.1:4318"
    return f"{base.rstrip('/')}/v1/{signal}"
