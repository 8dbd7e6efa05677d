"""Ollama's routes on a port of their own, and without keys where the administrator opened them."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import ollama
import pytest

from tests.support.running import RunningServer

pytestmark = pytest.mark.slow

CHAT = {"model": "echo", "stream": False, "messages": [{"role": "user", "content": "good evening"}]}


class Started(NamedTuple):
    """A server, the address of its Ollama port, and a key."""

    server: RunningServer
    ollama_url: str
    key: str


def _start(data: Path, **settings: str) -> Iterator[Started]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with RunningServer(data, "--ollama-port", str(port), **settings) as server:
        with server.set_up() as client:
            server.add_fake_provider(client)
            key = server.key(client)
        yield Started(server, f"http://127.0.0.1:{port}", key)


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """Keys are asked for, as by default."""
    yield from _start(tmp_path_factory.mktemp("closed") / "data")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """Started with `INGLENOOK_OLLAMA_OPEN=1`."""
    yield from _start(tmp_path_factory.mktemp("opened") / "data", INGLENOOK_OLLAMA_OPEN="1")


def _client(url: str, **headers: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False)


def test_the_port_says_that_it_is_ollama(closed: Started) -> None:
    with _client(closed.ollama_url) as client:
        for method in ("GET", "HEAD"):
            root = client.request(method, "/")
            assert root.status_code == 200
        assert client.get("/").text == "Ollama is running"
        assert "version" in client.get("/api/version").json()


@pytest.mark.parametrize(
    "path",
    ["/v1/models", "/api/v1/session", "/api/v1/models", "/healthz", "/chat", "/setup", "/favicon.svg", "/index.html"],
)
def test_the_port_serves_nothing_else(closed: Started, path: str) -> None:
    with _client(closed.server.url) as main, _client(closed.ollama_url) as client:
        authorized = {"Authorization": f"Bearer {closed.key}"}
        assert main.get(path, headers=authorized).status_code != 404
        answer = client.get(path, headers=authorized)
        assert (answer.status_code, answer.text) == (404, "404 page not found")


def test_the_port_does_not_set_up_or_sign_in(closed: Started) -> None:
    with _client(closed.ollama_url, **{"X-Inglenook": "1"}) as client:
        for path in ("/api/v1/setup", "/api/v1/session", "/api/v1/providers"):
            assert client.post(path, json={}).status_code == 404


def test_ollamas_client_works_there_with_a_key(closed: Started) -> None:
    headers = {"Authorization": f"Bearer {closed.key}"}
    with ollama.Client(host=closed.ollama_url, headers=headers, trust_env=False) as client:
        assert "echo" in {model.model for model in client.list().models}
        assert client.chat("echo", [{"role": "user", "content": "hello"}]).message.content == "hello"
        pieces = [part.response for part in client.generate("echo", "one two", stream=True)]
        assert "".join(piece or "" for piece in pieces) == "one two"
        assert len(client.embed("embed", ["a", "b"]).embeddings) == 2


def test_without_a_key_nothing_is_read_or_answered(closed: Started) -> None:
    for url in (closed.ollama_url, closed.server.url):
        with _client(url) as client:
            assert client.get("/api/tags").status_code == 401
            assert client.get("/api/ps").status_code == 401
            assert client.post("/api/show", json={"model": "echo"}).status_code == 401
            assert client.post("/api/chat", json=CHAT).status_code == 401
            assert client.post("/api/embed", json={"model": "embed", "input": "a"}).status_code == 401


def test_foreign_hosts_and_pages_are_refused_there_too(opened: Started) -> None:
    with _client(opened.ollama_url) as client:
        for path in ("/", "/api/tags", "/elsewhere"):
            assert client.get(path, headers={"Host": "evil.example"}).status_code == 403, path
        assert client.post("/api/chat", json=CHAT, headers={"Origin": "https://evil.example"}).status_code == 403


def test_pages_of_this_machine_may_ask_from_a_browser(opened: Started, closed: Started) -> None:
    page = "http://localhost:3000"
    asked = {"Origin": page, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    for path in ("/api/chat", "/v1/chat/completions", "/v1/messages"):
        for started in (opened, closed):
            with _client(started.server.url) as client:
                answer = client.options(path, headers=asked)
                assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, page)
                assert "access-control-allow-credentials" not in answer.headers
                refused = client.options(path, headers={**asked, "Origin": "https://evil.example"})
                assert (refused.status_code, "access-control-allow-origin" in refused.headers) == (403, False)
    with _client(closed.server.url, Origin=page) as client:
        # A page still needs a key, and can read that it does.
        answer = client.post("/api/chat", json=CHAT)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, page)
        answer = client.post("/api/chat", json=CHAT, headers={"Authorization": f"Bearer {closed.key}"})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, page)
        # What a session's cookie opens stays shut to it.
        for path in ("/api/v1/session", "/api/v1/models", "/api/v1/keys"):
            for method in ("GET", "POST", "OPTIONS"):
                answer = client.request(method, path, headers={"Access-Control-Request-Method": "POST"})
                assert "access-control-allow-origin" not in answer.headers
    with _client(opened.ollama_url, Origin=page) as client:
        assert client.post("/api/chat", json=CHAT).headers["access-control-allow-origin"] == page


def test_opened_it_answers_this_machine_without_a_key(opened: Started) -> None:
    for url in (opened.ollama_url, opened.server.url):
        with ollama.Client(host=url, trust_env=False) as client:
            assert "echo" in {model.model for model in client.list().models}
            assert client.chat("echo", [{"role": "user", "content": "hello"}]).message.content == "hello"
            assert len(client.embed("embed", "a").embeddings) == 1
            assert client.ps().models == []


@pytest.mark.parametrize(
    "name", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via"]
)
def test_opened_it_is_still_shut_to_what_comes_through_a_proxy(opened: Started, name: str) -> None:
    for url in (opened.ollama_url, opened.server.url):
        with _client(url, **{name: "for=203.0.113.7"}) as client:
            refused = client.post("/api/chat", json=CHAT)
            assert refused.status_code == 401
            assert "proxy" in refused.json()["error"]
            assert client.get("/api/tags").status_code == 401
            with_key = client.post("/api/chat", json=CHAT, headers={"Authorization": f"Bearer {opened.key}"})
            assert with_key.json()["message"]["content"] == "good evening"


def test_opened_it_opens_nothing_but_ollamas_reading_and_inference(opened: Started) -> None:
    with _client(opened.server.url, **{"X-Inglenook": "1"}) as client:
        assert client.get("/v1/models").status_code == 401
        assert client.post("/v1/chat/completions", json=CHAT).status_code == 401
        assert client.get("/api/v1/models").status_code == 401
        for method, path in (("DELETE", "/api/delete"), ("POST", "/api/pull"), ("POST", "/api/create")):
            assert client.request(method, path, json={"model": "echo"}).status_code in (403, 404)


def test_a_wrong_key_is_refused_though_it_is_open(opened: Started) -> None:
    with _client(opened.ollama_url, Authorization="Bearer ink-wrong") as client:
        assert client.post("/api/chat", json=CHAT).status_code == 401


@pytest.mark.parametrize("open_", [False, True], ids=["closed", "open"])
def test_another_machines_address_needs_a_key(tmp_path: Path, open_: bool) -> None:
    """Asked by this machine's own outward address, the other end is not loopback."""
    outward = _outward_address()
    if outward is None:
        pytest.skip("this machine has no address but loopback")
    settings = {"INGLENOOK_OLLAMA_OPEN": "1"} if open_ else {}
    with RunningServer(tmp_path / "data", "--host", "0.0.0.0", **settings) as server:
        port = server.url.rpartition(":")[2]
        with _client(f"http://{outward}:{port}") as client:
            assert client.get("/healthz").status_code == 200
            assert client.get("/api/tags").status_code == 401
        with _client(f"http://127.0.0.1:{port}") as client:
            assert client.get("/api/tags").status_code == (200 if open_ else 401)


def _outward_address() -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return None
        address: str = probe.getsockname()[0]
        return None if address.startswith("127.") else address
