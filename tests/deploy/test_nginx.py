"""The server behind a real nginx with `deploy/nginx.conf`, under a path of its own, by HTTP and by HTTPS."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.certificates import Certificate, make_certificate
from tests.support.nginx import Nginx, find_nginx
from tests.support.running import ADMIN, PASSWORD, RunningServer

pytestmark = [pytest.mark.slow, pytest.mark.skipif(find_nginx() is None, reason="nginx is not installed")]

HOST = "ai.example.org"
#: An answer that begins and never goes on.
UNENDING = json.dumps({"steps": [{"text": "first"}, {"wait": "for ever"}, {"text": "last"}]})
#: One that counts for longer than any test takes.
COUNTING = [step for number in range(5000) for step in ({"text": f"{number} "}, {"delay_ms": 20})]


@dataclass
class Site:
    """What a browser sees: nginx under the name of `HOST`."""

    server: RunningServer
    nginx: Nginx
    certificate: Certificate
    key: str

    def client(self, *, tls: bool = False, **headers: str) -> httpx.Client:
        """A client of `/ai/` without session or key."""
        port = self.nginx.tls_port if tls else self.nginx.port
        return httpx.Client(
            base_url=f"{'https' if tls else 'http'}://127.0.0.1:{port}/ai",
            headers={"Host": f"{HOST}:{port}", "X-Inglenook": "1", **headers},
            verify=self.certificate.context(),
            timeout=60,
            trust_env=False,
        )

    def with_key(self, *, tls: bool = False) -> httpx.Client:
        """A client that sends an API key."""
        return self.client(tls=tls, Authorization=f"Bearer {self.key}")


@pytest.fixture(scope="module", params=["passed on", "stripped"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("nginx")
    settings = {
        "INGLENOOK_BASE_PATH": "/ai",
        "INGLENOOK_ALLOWED_HOSTS": HOST,
        "INGLENOOK_TRUSTED_PROXIES": "127.0.0.1",
    }
    certificate = make_certificate(folder, names=(HOST,))
    with RunningServer(folder / "data", **settings) as server:
        with server.set_up() as client:
            server.add_fake_provider(client)
            key = server.key(client)
        port = int(server.url.removesuffix("/ai").rpartition(":")[2])
        with Nginx(folder / "nginx", port, certificate, strip=request.param == "stripped") as nginx:
            yield Site(server, nginx, certificate, key)


def _sign_in(client: httpx.Client, **headers: str) -> httpx.Response:
    return client.post("/api/v1/session", json={"name": ADMIN, "password": PASSWORD}, headers=headers)


def _lines(answer: httpx.Response) -> Iterator[tuple[str, Any]]:
    """The fields of an event stream as they arrive: `data` parsed, others as text. Fails on a stream of pings alone."""
    pings = 0
    for line in answer.iter_lines():
        name, colon, value = line.partition(": ")
        if name:
            pings = 0
            yield name, json.loads(value) if name == "data" and value != "[DONE]" else value
        elif colon:
            pings += 1
            assert pings < 3, "nothing comes but pings"


def test_the_page_and_its_assets_are_under_the_path(site: Site) -> None:
    with site.client() as client:
        page = client.get("/")
        assert '<base href="/ai/"' in page.text
        # The browser resolves what the page names against its base.
        names = re.findall(r'(?:src|href)="\./([^"]+)"', page.text)
        scripts = [name for name in names if name.startswith("assets/")]
        assert scripts
        for name in names:
            assert client.get(f"/{name}").status_code == 200, name
        packed = client.get(f"/{scripts[0]}", headers={"Accept-Encoding": "br"})
        assert packed.headers["content-encoding"] == "br"
        assert "immutable" in packed.headers["cache-control"]
        assert client.get("/chat/conv_1").text == page.text
        assert client.get("/healthz").text == "ok"
    alone = httpx.get(f"http://127.0.0.1:{site.nginx.port}/ai", trust_env=False)
    assert (alone.status_code, httpx.URL(alone.headers["location"]).path) == (308, "/ai/")


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_the_cookie_keeps_to_the_path_and_to_https(site: Site, tls: bool) -> None:
    with site.client(tls=tls) as client:
        answer = _sign_in(client)
        assert answer.status_code == 200, answer.text
        cookie = answer.headers["set-cookie"].lower()
        assert "path=/ai;" in cookie + ";"
        assert "httponly" in cookie
        assert ("secure" in cookie) == tls
        assert client.get("/api/v1/session").json()["user"]["name"] == ADMIN


def test_a_page_of_another_origin_cannot_sign_in_or_act(site: Site) -> None:
    with site.client(tls=True) as client:
        ours = f"https://{HOST}:{site.nginx.tls_port}"
        assert _sign_in(client, Origin="https://evil.example").status_code == 403
        assert _sign_in(client, Origin=f"https://{HOST}:1").status_code == 403
        assert _sign_in(client, Origin=ours).status_code == 200
        for origin, status in (("https://evil.example", 403), (ours, 201)):
            answer = client.post("/api/v1/conversations", json={}, headers={"Origin": origin})
            assert answer.status_code == status


def test_other_host_names_are_refused(site: Site) -> None:
    with site.with_key() as client:
        for path in ("/", "/api/v1/session", "/v1/models"):
            assert client.get(path, headers={"Host": "evil.example"}).status_code == 403


def test_a_whole_answer(site: Site) -> None:
    body = {"model": "echo", "messages": [{"role": "user", "content": "good evening"}]}
    with site.with_key(tls=True) as client:
        answer = client.post("/v1/chat/completions", json=body)
        assert answer.json()["choices"][0]["message"]["content"] == "good evening"
        assert client.get("/v1/models/echo").json()["id"] == "echo"
    with site.client() as client:
        assert client.post("/v1/chat/completions", json=body).status_code == 401


def test_tokens_arrive_as_they_are_made(site: Site) -> None:
    body = {"model": "echo", "stream": True, "messages": [{"role": "user", "content": UNENDING}]}
    with site.with_key() as client, client.stream("POST", "/v1/chat/completions", json=body) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        # The rest is never made: what arrives was not held back for it.
        for name, value in _lines(answer):
            if name == "data" and value["choices"][0]["delta"].get("content"):
                assert value["choices"][0]["delta"]["content"].strip() == "first"
                break
        else:
            pytest.fail("the stream ended")


def test_a_run_is_followed_and_taken_up_again(site: Site) -> None:
    with site.client(tls=True) as client:
        _sign_in(client)
        conversation = client.post("/api/v1/conversations", json={}).json()["id"]
        messages = f"/api/v1/conversations/{conversation}/messages"
        sent = client.post(messages, json={"content": json.dumps({"steps": COUNTING}), "model": "echo"}).json()
        events = f"/api/v1/runs/{sent['run_id']}/events"

        last, before = "", ""
        with client.stream("GET", events) as answer:
            for name, value in _lines(answer):
                if name == "id":
                    last = value
                elif name == "data":
                    before += value.get("state", {}).get("text", "") + _said(value)
                    if "3 " in before:
                        break

        names, after = [], ""
        with client.stream("GET", events, headers={"Last-Event-ID": last}) as answer:
            for name, value in _lines(answer):
                if name == "event":
                    names.append(value)
                elif name == "data":
                    after += _said(value)
                    if "8 " in after and "stopped" not in names:
                        assert client.post(f"{messages}/{sent['answer']['id']}/stop").status_code == 204
                        names.append("stopped")
        assert "reset" not in names
        assert names[-1] == "end"
        counted = before + after
        assert counted.split() == [str(number) for number in range(len(counted.split()))]
        kept = client.get(f"/api/v1/conversations/{conversation}").json()["messages"][-1]
        assert (kept["text"], kept["status"]) == (counted, "stopped")


def _said(data: dict[str, Any]) -> str:
    return "".join(delta["text"] for delta in data.get("deltas", []))


def test_large_prompts_pass_up_to_the_servers_own_limit(site: Site) -> None:
    def post(size: int) -> httpx.Response:
        messages = [{"role": "user", "content": "x" * size}, {"role": "user", "content": "fine"}]
        with site.with_key() as client:
            return client.post("/v1/chat/completions", json={"model": "echo", "messages": messages})

    passed = post(40 * 1024 * 1024)
    assert passed.status_code == 200, passed.text
    assert passed.json()["choices"][0]["message"]["content"] == "fine"
    assert post(64 * 1024 * 1024).status_code == 413
