"""HTTPS by certificate files, and what is said when they cannot be used."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives import serialization

from tests.support.certificates import Certificate, make_certificate
from tests.support.running import ADMIN, PASSWORD, RunningServer, inglenook

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def server(certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    data = tmp_path_factory.mktemp("tls") / "data"
    with RunningServer(data, "--tls-cert", str(certificate.cert), "--tls-key", str(certificate.key)) as server:
        yield server


def _client(server: RunningServer, certificate: Certificate) -> httpx.Client:
    return httpx.Client(
        base_url=server.url, verify=certificate.context(), headers={"X-Inglenook": "1"}, timeout=60, trust_env=False
    )


def test_page_rest_and_inference_over_https(server: RunningServer, certificate: Certificate) -> None:
    assert server.url.startswith("https://127.0.0.1:")
    with _client(server, certificate) as client:
        assert '<base href="/"' in client.get("/").text
        person = {"name": ADMIN, "password": PASSWORD}
        answer = client.post("/api/v1/setup", json={"token": server.token, **person})
        assert answer.status_code == 200, answer.text
        assert "secure" in answer.headers["set-cookie"].lower()
        assert client.get("/api/v1/session").json()["user"]["name"] == ADMIN
        server.add_fake_provider(client)
        key = server.key(client)
        body = {"model": "long", "stream": True, "messages": [{"role": "user", "content": "go"}]}
        headers = {"Authorization": f"Bearer {key}"}
        with client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as stream:
            lines = [line for line in stream.iter_lines() if line]
        assert lines[-1] == "data: [DONE]"
        assert sum("word" in line for line in lines) >= 200


def test_plain_http_gets_nothing_there(server: RunningServer) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(server.url.replace("https", "http") + "/healthz", trust_env=False)


def test_commands_reach_it_by_its_socket(server: RunningServer) -> None:
    done = inglenook("user", "list", "--data", str(server.data), "--json")
    assert done.returncode == 0, done.stderr


def test_a_combined_file_needs_no_key(tmp_path: Path, certificate: Certificate) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.cert.read_bytes() + certificate.key.read_bytes())
    with RunningServer(tmp_path / "data", "--tls-cert", str(both)) as server, _client(server, certificate) as client:
        assert client.get("/healthz").text == "ok"


@pytest.fixture
def folder(tmp_path: Path, certificate: Certificate) -> Path:
    """Files that are no good together."""
    (tmp_path / "cert.pem").write_bytes(certificate.cert.read_bytes())
    (tmp_path / "key.pem").write_bytes(certificate.key.read_bytes())
    make_certificate(tmp_path, stem="other")
    (tmp_path / "text.pem").write_text("not a certificate")
    key = serialization.load_pem_private_key(certificate.key.read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"a password"),
    )
    (tmp_path / "locked.pem").write_bytes(locked)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--tls-cert", "gone.pem", "--tls-key", "key.pem"), ("gone.pem", "No such file")),
        (("--tls-cert", "cert.pem", "--tls-key", "gone.pem"), ("gone.pem", "No such file")),
        (("--tls-cert", "cert.pem", "--tls-key", "other.key"), ("cert.pem", "other.key", "another certificate")),
        (("--tls-cert", "cert.pem"), ("cert.pem", "--tls-key")),
        (("--tls-cert", "text.pem", "--tls-key", "key.pem"), ("text.pem", "PEM")),
        (("--tls-cert", "cert.pem", "--tls-key", "locked.pem"), ("locked.pem", "encrypted")),
        (("--tls-key", "key.pem"), ("--tls-cert",)),
    ],
    ids=lambda value: "-".join(value).replace("--tls-", "") if isinstance(value, tuple) else None,
)
def test_a_bad_certificate_is_said_at_once(folder: Path, arguments: tuple[str, ...], said: tuple[str, ...]) -> None:
    paths = [word if word.startswith("--") else str(folder / word) for word in arguments]
    done = inglenook("serve", "--data", str(folder / "data"), "--port", "0", *paths)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for words in said:
        assert words in done.stderr
    assert not (folder / "data").exists()
