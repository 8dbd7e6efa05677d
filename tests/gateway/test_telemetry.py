"""What a collector is told of calls, and what it is not."""

import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from inglenook.gateway.call import Call
from inglenook.gateway.faces.openai import OpenAIFace
from inglenook.gateway.steps.observe import DURATIONS
from inglenook.kit.errors import BadInput, InglenookError, UpstreamFailed
from inglenook.kit.http.pool import HttpPool
from inglenook.kit.telemetry import GRACE, Telemetry, open_telemetry, sampler, signals
from inglenook.models.calls import ChatRequest, Message, Operation
from inglenook.models.providers.base import ModelFacts
from tests.support import routing
from tests.support.bought import provider
from tests.support.collector import Collector
from tests.support.gateway import Desk, open_wire
from tests.support.running import RunningServer
from tests.support.upstream import Asked, Upstream, open_upstream

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"


class Told:
    """A desk that tells everything into memory."""

    def __init__(self, desk: Desk, environment: dict[str, str] | None = None) -> None:
        self._spans = InMemorySpanExporter()
        tracers = TracerProvider(sampler=sampler(environment or {}), shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self._reader = InMemoryMetricReader()
        meters = MeterProvider(metric_readers=[self._reader], shutdown_on_exit=False)
        desk.gateway.tell(Telemetry(tracers.get_tracer("test"), meters.get_meter("test")))

    def spans(self) -> list[ReadableSpan]:
        return list(self._spans.get_finished_spans())

    def points(self, name: str) -> list[Any]:
        data = self._reader.get_metrics_data()
        assert data is not None
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


@pytest.fixture
def told(desk: Desk) -> Told:
    return Told(desk)


def chat(desk: Desk, model: str, text: str = "one two three", **more: Any) -> Call:
    request = ChatRequest(messages=[Message("user", text)])
    return Call(operation=Operation.CHAT, model=model, decode=lambda: request, principal=desk.principal, **more)


async def test_a_call_is_a_span_and_its_target_one_within(desk: Desk, told: Told) -> None:
    call = chat(desk, "echo")
    async for _ in desk.gateway.call(call):
        pass
    attempt, whole = told.spans()
    assert (whole.name, whole.kind, whole.parent) == ("call chat", SpanKind.SERVER, None)
    assert attempt.parent is not None
    assert (attempt.name, attempt.kind, attempt.parent.span_id) == (
        "chat echo",
        SpanKind.CLIENT,
        whole.get_span_context().span_id,
    )
    facts = dict(attempt.attributes or {})
    first = facts.pop("gen_ai.response.time_to_first_chunk")
    assert isinstance(first, float)
    assert facts == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "fake",
        "gen_ai.request.model": "echo",
        "gen_ai.request.stream": True,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 3,
        "inglenook.model": "echo",
        "inglenook.provider.id": "fake",
    }
    about = dict(whole.attributes or {})
    assert about["inglenook.call.id"] == call.id
    assert about["user.id"] == desk.principal.user_id
    assert (about["inglenook.source"], about["inglenook.attempts"], about["inglenook.outcome"]) == (
        "internal",
        1,
        "finished",
    )
    assert whole.start_time <= attempt.start_time <= attempt.end_time <= whole.end_time  # type: ignore[operator]


async def test_nothing_that_was_said_is_told(desk: Desk, told: Told) -> None:
    secret = "xyzzy-plugh"
    await desk.gateway.whole(chat(desk, "echo", secret))
    with pytest.raises(InglenookError):
        await desk.gateway.whole(chat(desk, "error-500", secret))
    everything = "".join(span.to_json() for span in told.spans())
    assert secret not in everything
    assert desk.key not in everything


async def test_each_target_that_was_asked_has_its_span(desk: Desk, told: Told) -> None:
    failing = routing.entry("one", routing.Actor("one", UpstreamFailed("the prompt was: secret words")))
    desk.shelf.show(failing, routing.entry("two"))
    desk.routes.show(1, [routing.route("best", "one", "two", retries={"times": 0})])
    await desk.gateway.whole(chat(desk, "best"))
    first, second, whole = told.spans()
    assert [first.name, second.name] == ["chat one", "chat two"]
    assert (first.status.status_code, first.status.description) == (StatusCode.ERROR, "upstream_failed")
    assert (first.attributes or {})["error.type"] == "upstream_failed"
    assert "gen_ai.usage.input_tokens" not in (first.attributes or {})
    assert (second.attributes or {})["gen_ai.usage.output_tokens"] == 1
    assert ((whole.attributes or {})["inglenook.route"], whole.status.status_code) == ("best", StatusCode.UNSET)
    assert "secret words" not in first.to_json()


async def test_a_refused_call_has_a_span_with_its_reason(desk: Desk, told: Told) -> None:
    with pytest.raises(InglenookError):
        await desk.gateway.whole(chat(desk, "nobody" * 100))
    (span,) = told.spans()
    assert (span.attributes or {})["error.type"] == "model_not_found"
    assert len(str((span.attributes or {})["inglenook.model.asked"])) == 200


async def test_of_a_callers_trace_the_ids_are_taken(desk: Desk, told: Told) -> None:
    await desk.gateway.whole(chat(desk, "echo", traceparent=PARENT))
    attempt, whole = told.spans()
    assert whole.parent is not None
    assert f"{whole.parent.span_id:016x}" == SPAN_ID
    assert {f"{span.get_span_context().trace_id:032x}" for span in (attempt, whole)} == {TRACE_ID}


@pytest.mark.parametrize("flags", ["00", "01"])
@pytest.mark.parametrize(("name", "expected"), [("always_off", 0), ("parentbased_always_on", 2)])
async def test_whether_it_is_traced_is_not_the_callers_to_say(desk: Desk, flags: str, name: str, expected: int) -> None:
    told = Told(desk, {"OTEL_TRACES_SAMPLER": name})
    await desk.gateway.whole(chat(desk, "echo", traceparent=f"{PARENT[:-2]}{flags}"))
    assert len(told.spans()) == expected


@pytest.mark.parametrize(
    "said", ["", "x", PARENT.upper(), f"ff{PARENT[2:]}", f"00-{'0' * 32}-{SPAN_ID}-01", f"00-{TRACE_ID}-{'0' * 16}-01"]
)
async def test_what_is_no_trace_is_passed_over(desk: Desk, told: Told, said: str) -> None:
    await desk.gateway.whole(chat(desk, "echo", traceparent=said))
    assert told.spans()[-1].parent is None


async def test_measures_have_the_conventions_names_and_buckets(desk: Desk, told: Told) -> None:
    async for _ in desk.gateway.call(chat(desk, "echo")):
        pass
    with pytest.raises(InglenookError):
        await desk.gateway.whole(chat(desk, "error-500"))
    for number in range(20):
        with pytest.raises(InglenookError):
            await desk.gateway.whole(chat(desk, f"made-up-{number}"))
    durations = told.points("gen_ai.client.operation.duration")
    kinds = [(found.attributes.get("gen_ai.request.model"), found.attributes.get("error.type")) for found in durations]
    assert set(kinds) == {
        ("echo", None),
        ("error-500", "upstream_failed"),
        (None, "model_not_found"),
    }
    assert tuple(durations[0].explicit_bounds) == DURATIONS
    tokens = {
        point.attributes["gen_ai.token.type"]: point.sum
        for point in told.points("gen_ai.client.token.usage")
        if point.attributes["gen_ai.request.model"] == "echo"
    }
    assert tokens == {"input": 3, "output": 3}
    assert told.points("gen_ai.server.time_to_first_token")


# -------------------------------------------------------------------------------------- passed on, or not


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with open_upstream() as opened:

        async def answer(asked: Asked) -> None:
            choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
            await asked.whole({"id": "x", "object": "chat.completion", "choices": [choice]})

        opened.answer = answer
        yield opened


@pytest.mark.parametrize(("kind", "own"), [("vllm", True), ("openai-compatible", False)])
async def test_the_trace_and_the_id_go_on_to_servers_of_ours_alone(
    desk: Desk, told: Told, upstream: Upstream, kind: str, own: bool
) -> None:
    http = HttpPool()
    desk.shelf.add(provider(kind, http, base_url=upstream.url), "prv", ModelFacts(name="m"))
    face = OpenAIFace(desk.gateway)
    headers = {"authorization": f"Bearer {desk.key}", "traceparent": PARENT, "tracestate": "a=b"}
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    async with open_wire(face.routes()) as client:
        answer = await client.post("/v1/chat/completions", json=body, headers=headers)
    await http.close()
    assert answer.status_code == 200
    sent = upstream.asked[0].headers
    attempt = told.spans()[0].get_span_context()
    expected = f"00-{TRACE_ID}-{attempt.span_id:016x}-01"
    assert (sent.get("traceparent"), sent.get("x-request-id")) == (
        (expected, answer.headers["x-request-id"]) if own else (None, None)
    )
    assert "tracestate" not in sent


# ------------------------------------------------------------------------------------------ on and off


def test_it_is_off_unless_somebody_names_a_collector() -> None:
    both = {"traces", "metrics"}
    base = "OTEL_EXPORTER_OTLP_ENDPOINT"
    for environment, endpoint, expected in (
        ({}, None, set()),
        ({}, "http://c:4318", both),
        ({base: "http://c:4318"}, None, both),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/x"}, None, {"traces"}),
        ({base: "http://c", "OTEL_METRICS_EXPORTER": "none"}, None, {"traces"}),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, None, {"traces"}),
        ({base: "http://c", "OTEL_SDK_DISABLED": "true"}, "http://c", set()),
        ({base: "http://c", "OTEL_TRACES_EXPORTER": "console"}, None, {"metrics"}),
    ):
        assert signals(environment, endpoint) == expected, environment


def test_nothing_of_it_is_imported_when_it_is_off() -> None:
    code = (
        "import sys, inglenook.server; from inglenook.kit.telemetry import open_telemetry; "
        "assert open_telemetry({}, None) is None; "
        "sys.exit(any(name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_without_the_extra_our_setting_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(BadInput, match=r"inglenook\[otel\]"):
        open_telemetry({}, "http://127.0.0.1:4318")
    assert open_telemetry({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, None) is None


async def test_a_collector_that_is_down_costs_nobody_an_answer(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # takes connections, and never answers
        telemetry = open_telemetry({}, f"http://127.0.0.1:{listener.getsockname()[1]}")
        assert telemetry is not None
        desk.gateway.tell(telemetry)
        for _ in range(3000):
            await desk.gateway.whole(chat(desk, "echo"))
        queue = telemetry.providers[0]._active_span_processor._span_processors[0]._batch_processor._queue
        assert len(queue) <= 2048
        begin = time.monotonic()
        await telemetry.stop()
        assert time.monotonic() - begin < GRACE + 2


@pytest.mark.slow
def test_a_real_server_tells_a_real_collector(tmp_path: Path) -> None:
    with Collector() as collector:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        with RunningServer(tmp_path / "data", **env) as server, server.set_up() as admin:
            server.add_fake_provider(admin)
            headers = {"authorization": f"Bearer {server.key(admin)}", "traceparent": PARENT}
            body = {"model": "echo", "messages": [{"role": "user", "content": "xyzzy"}], "stream": True}
            answer = httpx.post(f"{server.url}/v1/chat/completions", json=body, headers=headers, trust_env=False)
            assert answer.status_code == 200
            collector.wait(spans=2)
        collector.wait(metrics=3)  # sent when it stopped, at the latest
    assert collector.services == {"inglenook"}
    assert {span.name for span in collector.spans} == {"call chat", "chat echo"}
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE_ID}
    call = next(span for span in collector.spans if span.name == "call chat")
    told = {item.key: item.value.string_value for item in call.attributes}
    assert told["inglenook.call.id"] == answer.headers["x-request-id"]
    assert {
        "gen_ai.client.operation.duration",
        "gen_ai.client.token.usage",
        "gen_ai.server.time_to_first_token",
    } <= set(collector.metrics)
    assert b"xyzzy" not in collector.raw
    assert headers["authorization"][7:].encode() not in collector.raw


def test_times_per_token_are_of_what_was_seen_to_grow() -> None:
    from inglenook.gateway.steps.observe import per_token
    from inglenook.models.calls import Usage

    made = routing.exchange(routing.chat("m"), at=1000)
    made.first_event_at, made.ended_at, made.usage = 2000, 4000, Usage(output=5)
    assert per_token(made) == 0.5
    made.call = msgspec.structs.replace(made.call, stream=False)
    assert per_token(made) is None
