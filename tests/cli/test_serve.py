"""The server's life: one line when ready, one per data directory, an orderly end, and clear refusals."""

import signal
import socket
import stat
from pathlib import Path

import httpx
import pytest

from tests.support.running import RunningServer, inglenook

pytestmark = pytest.mark.slow


def test_it_says_its_address_and_ends_when_asked(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data") as server:
        assert server.token is not None
        assert httpx.get(f"{server.url}/healthz", trust_env=False).text == "ok"
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
    assert "Traceback" not in (tmp_path / "data.log").read_text()


def test_the_set_up_token_is_needed_and_ends_with_the_set_up(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data") as server:
        body = {"token": "guess", "name": "eve", "password": "long enough"}
        with server.client() as client:
            assert client.post("/api/v1/setup", json=body).status_code in (401, 403)
        with server.set_up() as client:
            again = client.post("/api/v1/setup", json={**body, "token": server.token})
            assert again.status_code == 409
    with RunningServer(tmp_path / "data") as server:
        assert server.token is None


def test_a_second_server_is_told_who_has_the_data(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data") as server:
        done = inglenook("serve", "--data", str(server.data), "--port", "0")
        assert done.returncode == 1
        assert f"in use by process {server.process.pid}" in done.stderr


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = inglenook("serve", "--data", str(tmp_path / "data"), "--port", str(port))
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "--port" in done.stderr


def test_a_taken_ollama_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = inglenook("serve", "--data", str(tmp_path / "data"), "--port", "0", "--ollama-port", port)
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "--ollama-port" in done.stderr


@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0", "http://127.0.0.1:"), ("::", "http://[::1]:")])
def test_listening_on_every_address_names_one_that_works(tmp_path: Path, host: str, shown: str) -> None:
    with RunningServer(tmp_path / "data", "--host", host) as server:
        assert server.url.startswith(shown)
        assert httpx.get(f"{server.url}/healthz", trust_env=False).text == "ok"


def test_a_starter_that_is_none_is_said(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data", INGLENOOK_STARTER="hf:nonsense") as server:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        assert "starter model could not be fetched: " in server.log()
        assert "hf:nonsense" in server.log()


def test_what_it_keeps_is_its_owners_alone(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data") as server:
        assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
        assert stat.S_IMODE((server.data / "inglenook.sock").stat().st_mode) == 0o600
        assert stat.S_IMODE((server.data / "secret.key").stat().st_mode) == 0o600


def test_a_foreign_host_or_origin_gets_nothing(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data") as server, server.set_up() as client:
        key = server.key(client)
        for path in ("/healthz", "/api/v1/session", "/v1/models"):
            answer = client.get(path, headers={"Host": "evil.example", "Authorization": f"Bearer {key}"})
            assert answer.status_code == 403, path
            assert "allowed_hosts" in answer.text, path
        answer = client.post("/api/v1/conversations", json={}, headers={"Origin": "http://evil.example"})
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


def test_a_long_data_path_has_its_socket_too(tmp_path: Path) -> None:
    data = tmp_path / ("x" * 60) / ("y" * 60)
    with RunningServer(data):
        done = inglenook("user", "list", "--data", str(data), "--json")
        assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_the_base_path_works_with_and_without_stripping(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data", "--base-path", "/ai") as server:
        base = server.url.removesuffix("/ai")
        for url in (base, base + "/ai"):
            assert httpx.get(f"{url}/healthz", trust_env=False).text == "ok"
            assert httpx.get(f"{url}/v1/models", trust_env=False).status_code == 401
        page = httpx.get(f"{base}/ai/", trust_env=False).text
        assert '<base href="/ai/"' in page
