"""Ollama's routes that change what is here, by Ollama's own client against a real server."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import ollama
import pytest

from tests.support.docker_registry import Registry, registry_beside
from tests.support.gguf import tiny_llama
from tests.support.running import RunningServer, inglenook

pytestmark = pytest.mark.slow


class Bench(NamedTuple):
    """A server, an administrator's client and its HTTP twin, a member's key, and a small model's file."""

    server: RunningServer
    client: ollama.Client
    http: httpx.Client
    member: str
    gguf: Path
    digest: str


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("ollama-models")
    gguf = tiny_llama(folder / "tiny.gguf")
    digest = "sha256:" + hashlib.sha256(gguf.read_bytes()).hexdigest()
    with RunningServer(folder / "data", INGLENOOK_ALLOW_PRIVATE="127.0.0.1") as server, server.set_up() as admin:
        head = {"authorization": f"Bearer {server.key(admin)}"}
        assert inglenook(
            "user", "add", "bob", "--password-stdin", "--data", str(folder / "data"), stdin="hold my tea\n"
        )
        member = inglenook("key", "add", "bob", "--data", str(folder / "data")).stdout.strip()
        with (
            ollama.Client(host=server.url, headers=head, trust_env=False) as client,
            httpx.Client(base_url=server.url, headers=head, trust_env=False, timeout=30) as http,
        ):
            yield Bench(server, client, http, member, gguf, digest)


@pytest.fixture
def tiny(bench: Bench) -> str:
    """A model made of the uploaded file."""
    assert bench.client.create_blob(bench.gguf) == bench.digest
    bench.client.create(model="tiny", files={"tiny.gguf": bench.digest})
    return "tiny"


def lines(answer: httpx.Response) -> list[dict[str, object]]:
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_model_is_made_of_an_uploaded_file_and_answers(bench: Bench) -> None:
    assert bench.http.head(f"/api/blobs/{'sha256:' + '0' * 64}").status_code == 404
    first = bench.http.post(f"/api/blobs/{bench.digest}", content=bench.gguf.read_bytes())
    assert first.status_code in (200, 201)
    assert bench.http.head(f"/api/blobs/{bench.digest}").status_code == 200
    assert bench.http.post(f"/api/blobs/{bench.digest}", content=b"").status_code == 200
    answer = bench.http.post("/api/create", json={"model": "made", "files": {"m.gguf": bench.digest}})
    assert answer.headers["content-type"] == "application/x-ndjson"
    said = [line["status"] for line in lines(answer)]
    assert said[0] == "parsing GGUF"
    assert said[-2:] == ["writing manifest", "success"]
    assert f"using existing layer {bench.digest}" in said
    shown = bench.client.show("made")
    assert "completion" in (shown.capabilities or [])
    assert bench.client.generate("made", "a", options={"num_predict": 2}).eval_count == 2
    bench.client.delete("made")


def test_a_model_is_made_of_another_with_words_and_defaults_of_its_own(bench: Bench, tiny: str) -> None:
    bench.client.create(
        model="pirate", from_=tiny, system="Talk like a pirate.", parameters={"num_ctx": 64, "stop": ["x"]}
    )
    bench.client.create(model="captain", from_="pirate", parameters={"temperature": 0}, license="MIT")
    shown = bench.http.post("/api/show", json={"model": "captain"}).json()
    assert shown["system"] == "Talk like a pirate."
    assert shown["license"] == "MIT"
    assert {line.split()[0] for line in shown["parameters"].splitlines()} == {"num_ctx", "stop", "temperature"}
    for name in ("pirate", "captain"):
        bench.client.delete(name)
    assert bench.http.head(f"/api/blobs/{bench.digest}").status_code == 200


def test_copies_share_and_the_last_one_takes_the_blob_along(bench: Bench, tiny: str) -> None:
    bench.client.copy(tiny, "twin")
    digests = {model.model: model.digest for model in bench.client.list().models}
    assert digests["tiny:latest"] == digests["twin:latest"]
    assert bench.http.request("DELETE", "/api/delete", json={"model": tiny}).content == b""
    assert bench.http.head(f"/api/blobs/{bench.digest}").status_code == 200
    bench.client.delete("twin")
    assert bench.http.head(f"/api/blobs/{bench.digest}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("POST", "create", {"model": "x"}, 400, "neither 'from' or 'files' was specified"),
        ("POST", "create", {"model": "a b", "from": "tiny"}, 400, "has an invalid model"),
        ("POST", "create", {"from": "tiny"}, 400, "model is required"),
        ("POST", "create", {"model": "x", "files": {"../m.gguf": "sha256:" + "0" * 64}}, 400, "must be relative"),
        ("POST", "create", {"model": "x", "files": {"m.gguf": "sha256:../../x"}}, 400, "invalid digest format"),
        ("POST", "create", {"model": "x", "files": {"m.gguf": "sha256:" + "0" * 64}}, 400, "upload it"),
        ("POST", "create", {"model": "x", "from": "tiny", "template": "{{ .Prompt }}"}, 400, "'template'"),
        ("POST", "create", {"model": "x", "from": "tiny", "quantize": "q9"}, 400, "unsupported quantization type q9"),
        ("POST", "create", {"model": "x", "from": "tiny", "adapters": {"a": "sha256:1"}}, 400, "invalid digest format"),
        (
            "POST",
            "create",
            {"model": "x", "from": "tiny", "parameters": {"warmth": 1}},
            400,
            "unknown parameter",
        ),
        ("POST", "create", {"model": "x", "from": "tiny", "messages": [{"role": "bard"}]}, 400, "role"),
        ("POST", "copy", {"source": "nobody", "destination": "x"}, 404, 'model "nobody" not found'),
        ("POST", "copy", {"source": "tiny", "destination": "a b"}, 400, 'destination "a b" is invalid'),
        ("DELETE", "delete", {"model": "nobody"}, 404, "model 'nobody' not found"),
        ("DELETE", "delete", {"model": "a b"}, 400, 'name "a b" is invalid'),
        ("POST", "blobs/sha256:xyz", None, 400, "invalid digest format"),
        ("POST", "blobs/sha256:..%2F..%2Fx", None, 404, ""),
        ("POST", f"blobs/sha256:{'0' * 64}", None, 400, "digest mismatch, expected"),
        ("POST", "pull", {"model": ""}, 400, "model is required"),
    ],
)
def test_mistakes_are_told_in_ollamas_shape(
    bench: Bench, tiny: str, method: str, path: str, body: dict[str, object] | None, status: int, said: str
) -> None:
    answer = bench.http.request(method, f"/api/{path}", **({"json": body} if body else {}))
    assert answer.status_code == status, answer.text
    if said:
        assert said in answer.json()["error"]
    names = {model.model or "" for model in bench.client.list().models}
    assert {name for name in names if not name.startswith("multilingual")} == {"tiny:latest"}


def test_garbage_is_no_model_and_is_not_kept_as_one(bench: Bench) -> None:
    data = b"GGUF, said the file, and lied"
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    assert bench.http.post(f"/api/blobs/{digest}", content=data).status_code == 201
    answer = bench.http.post("/api/create", json={"model": "lie", "files": {"lie.gguf": digest}, "stream": False})
    assert answer.status_code == 400
    assert "lie.gguf" in answer.json()["error"]
    safe = bench.http.post("/api/create", json={"model": "lie", "files": {"w.safetensors": digest}, "stream": False})
    assert "converted to GGUF" in safe.json()["error"]


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with registry_beside() as running:
        yield running


@pytest.mark.parametrize("stream", [True, False])
def test_a_model_goes_to_a_registry_of_ones_own_and_comes_back(
    bench: Bench, tiny: str, registry: Registry, stream: bool
) -> None:
    name = f"{registry.origin.removeprefix('http://')}/team/tiny:{stream}"
    bench.client.copy(tiny, name)
    answer = bench.http.post("/api/push", json={"model": name, "insecure": True, "stream": stream})
    assert answer.status_code == 200, answer.text
    said = lines(answer)
    if stream:
        statuses = list(dict.fromkeys(str(line["status"]) for line in said))
        assert (statuses[0], statuses[-2:]) == ("retrieving manifest", ["pushing manifest", "success"])
        assert statuses[1] == f"pushing {bench.digest[7:19]}"
        assert [line["completed"] for line in said if line.get("digest") == bench.digest][-1] == len(
            registry.blobs[bench.digest]
        )
    else:
        assert said == [{"status": "success"}]
    bench.client.delete(name)
    steps = list(bench.client.pull(name, insecure=True, stream=True))
    statuses = list(dict.fromkeys(step.status for step in steps))
    assert statuses[:2] == ["pulling manifest", f"pulling {bench.digest[7:19]}"]
    assert statuses[-3:] == ["verifying sha256 digest", "writing manifest", "success"]
    assert name in {model.model for model in bench.client.list().models}
    bench.client.delete(name)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, "model is required"),
        ({"model": "tiny"}, 400, "no registry of your own"),
        ({"model": "a b"}, 400, "invalid"),
        ({"model": "127.0.0.1:9/team/nobody"}, 404, "not found"),
        ({"model": "127.0.0.1:9/team/tiny", "insecure": 3}, 400, "insecure"),
    ],
)
def test_pushes_that_cannot_be(bench: Bench, body: dict[str, object], status: int, said: str) -> None:
    for stream in (True, False):
        answer = bench.http.post("/api/push", json={**body, "stream": stream})
        if answer.status_code == 200:  # what was found out after the first line
            assert (stream, status) == (True, 404)
            assert said in str(lines(answer)[-1]["error"])
        else:
            assert answer.status_code == status, answer.text
            assert said in answer.json()["error"]


def test_a_registry_that_lies_is_found_out(bench: Bench, tiny: str, registry: Registry) -> None:
    host = registry.origin.removeprefix("http://")
    bench.client.copy(tiny, f"{host}/team/lie")
    bench.client.push(f"{host}/team/lie", insecure=True)
    for name in (tiny, f"{host}/team/lie"):
        bench.client.delete(name)

    def told(name: str) -> str:
        answer = bench.http.post("/api/pull", json={"model": name, "insecure": True})
        return str(lines(answer)[-1]["error"])

    true = registry.blobs[bench.digest]
    registry.blobs[bench.digest] = bytes(len(true))
    assert "SHA-256" in told(f"{host}/team/lie")
    assert bench.http.head(f"/api/blobs/{bench.digest}").status_code == 404
    assert "has no model" in told(f"{host}/team/nobody")
    registry.blobs[bench.digest], registry.realm = true, "http://127.0.0.1:9/token"
    assert "elsewhere" in told(f"{host}/team/lie")
    registry.realm = ""
    assert bench.client.pull(f"{host}/team/lie", insecure=True).status == "success"
    bench.client.delete(f"{host}/team/lie")


def test_a_pull_that_fails_says_so(bench: Bench) -> None:
    answer = bench.http.post("/api/pull", json={"model": "http://127.0.0.1:9/nobody/here.gguf"})
    assert "error" in lines(answer)[-1]
    whole = bench.http.post("/api/pull", json={"model": "http://127.0.0.1:9/nobody/here.gguf", "stream": False})
    assert whole.status_code >= 400
    assert whole.json()["error"]


def test_members_may_not_change_what_is_here(bench: Bench, tiny: str) -> None:
    head = {"authorization": f"Bearer {bench.member}"}
    with httpx.Client(base_url=bench.server.url, headers=head, trust_env=False) as member:
        for method, path, body in (
            ("POST", "pull", {"model": "x"}),
            ("POST", "push", {"model": "reg.example/team/tiny"}),
            ("POST", "create", {"model": "x", "from": tiny}),
            ("POST", "copy", {"source": tiny, "destination": "x"}),
            ("DELETE", "delete", {"model": tiny}),
            ("POST", f"blobs/{bench.digest}", {}),
        ):
            assert member.request(method, f"/api/{path}", json=body).status_code == 403, path
