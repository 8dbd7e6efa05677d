"""What a Prometheus server reads from a real server."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.running import ROOT, RunningServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder: Path = tmp_path_factory.mktemp("metrics")
    with RunningServer(folder / "data") as running:
        yield running


@pytest.fixture(scope="module")
def admin(server: RunningServer) -> Iterator[httpx.Client]:
    with server.set_up() as client:
        server.add_fake_provider(client)
        yield client


def test_calls_are_counted_by_model_and_outcome(server: RunningServer, admin: httpx.Client) -> None:
    key = {"authorization": f"Bearer {server.key(admin)}"}
    body = {"model": "echo", "messages": [{"role": "user", "content": "one two three"}]}
    with httpx.Client(base_url=server.url, headers=key, trust_env=False) as client:
        assert client.post("/v1/chat/completions", json=body).status_code == 200
        assert client.post("/v1/chat/completions", json={**body, "model": "error-500"}).status_code == 502
        assert client.post("/v1/chat/completions", json={**body, "model": "nobody"}).status_code == 404
        answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    found = {
        (sample.name, sample.labels.get("gen_ai_request_model"), sample.labels.get("outcome")): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["inglenook_calls_total", "echo", "finished"] == 1
    assert found["inglenook_calls_total", "error-500", "upstream_failed"] == 1
    assert found["inglenook_calls_total", "", "model_not_found"] == 1
    assert found["gen_ai_client_operation_duration_seconds_count", "echo", "finished"] == 1
    assert found["gen_ai_server_time_to_first_token_seconds_count", "echo", "finished"] == 1
    assert found["inglenook_calls_running", None, None] == 0
    for name in (
        "inglenook_loop_lag_seconds",
        "inglenook_ledger_lag_seconds",
        "inglenook_ledger_unwritten_entries",
        "inglenook_budget_unwritten",
        "inglenook_models_loaded",
        "inglenook_models_memory_budget_bytes",
        "process_cpu_seconds_total",
        "process_open_fds",
    ):
        assert (name, None, None) in found


def test_neither_keys_nor_made_up_names_become_series(server: RunningServer, admin: httpx.Client) -> None:
    def series() -> int:
        return sum(len(family.samples) for family in text_string_to_metric_families(admin.get("/metrics").text))

    def ask(model: str) -> None:
        key = {"authorization": f"Bearer {server.key(admin)}"}
        httpx.post(f"{server.url}/v1/embeddings", json={"model": model, "input": "x"}, headers=key, trust_env=False)

    ask("nobody")
    ask("echo")
    before = series()
    for number in range(40):
        ask(f"made-up-{number}")
        ask("echo")
    assert series() == before


def test_the_dashboard_asks_for_what_there_is(server: RunningServer, admin: httpx.Client) -> None:
    key = {"authorization": f"Bearer {server.key(admin)}"}
    body = {"model": "slow", "messages": [{"role": "user", "content": "one two three"}], "stream": True}
    httpx.post(f"{server.url}/v1/chat/completions", json=body, headers=key, trust_env=False)
    there: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(admin.get("/metrics").text):
        there[family.name if family.type == "gauge" else f"{family.name}_total"] = set()
        for sample in family.samples:
            there.setdefault(sample.name, set()).update(sample.labels)
    dashboard = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    assert len(expressions) > 15
    asked = {name for text in expressions for name in re.findall(r"\b(?:inglenook|gen_ai|process)_\w+(?=\{)", text)}
    assert asked - set(there) <= {"inglenook_retries_total", "inglenook_cost_total"}  # nothing was, here
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    for text in expressions:
        assert set(re.findall(r"\$(\w+)", text)) <= variables | {"__rate_interval"}
        (name, *_), labels = re.findall(r"(\w+)\{", text), re.findall(r"(\w+)(?:=~|!~|=)", text)
        assert set(labels) - {"job"} <= there.get(name, set()) or name in asked - set(there) or not there[name], text
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def test_a_token_opens_metrics_and_nothing_else(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data", INGLENOOK_METRICS_TOKEN="let me in") as server, server.client() as client:
        good, bad = {"authorization": "Bearer let me in"}, {"authorization": "Bearer let me"}
        assert client.get("/metrics", headers=good).status_code == 200
        assert client.get("/metrics", headers=bad).status_code == 401
        assert client.get("/metrics").status_code == 401
        assert client.get("/api/v1/server", headers=good).status_code == 401
        assert client.get("/v1/models", headers=good).status_code == 401


def test_only_administrators_read_them(server: RunningServer, admin: httpx.Client) -> None:
    with httpx.Client(base_url=server.url, trust_env=False) as nobody:
        assert nobody.get("/metrics").status_code == 401


def test_readiness_says_only_so(server: RunningServer, admin: httpx.Client) -> None:
    with httpx.Client(base_url=server.url, trust_env=False) as nobody:
        answer = nobody.get("/readyz")
    assert (answer.status_code, answer.text) == (200, "ok")
