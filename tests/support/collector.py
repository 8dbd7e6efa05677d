"""A collector of OpenTelemetry on loopback: takes OTLP over HTTP and remembers what it was told."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """Use as a context manager. `url` is its address; `raw` everything that came."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.metrics: dict[str, Any] = {}
        self.services: set[str] = set()
        self.raw = b""
        self._changed = threading.Condition()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    data = gzip.decompress(data)
                collector.take(self.path, data)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def take(self, path: str, data: bytes) -> None:
        with self._changed:
            self.raw += data
            if path == "/v1/traces":
                for told in ExportTraceServiceRequest.FromString(data).resource_spans:
                    self.services |= {a.value.string_value for a in told.resource.attributes if a.key == "service.name"}
                    self.spans += [span for scope in told.scope_spans for span in scope.spans]
            elif path == "/v1/metrics":
                for measured in ExportMetricsServiceRequest.FromString(data).resource_metrics:
                    for scope in measured.scope_metrics:
                        self.metrics |= {metric.name: metric for metric in scope.metrics}
            self._changed.notify_all()

    def wait(self, *, spans: int = 0, metrics: int = 0, seconds: float = 20) -> None:
        """Return once so many are here."""
        with self._changed:
            there = self._changed.wait_for(
                lambda: len(self.spans) >= spans and len(self.metrics) >= metrics, timeout=seconds
            )
        assert there, (len(self.spans), sorted(self.metrics))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
