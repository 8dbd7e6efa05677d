"""Ollama's client for JavaScript, as it is published, against a real server; where Node.js and the client are."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.docker_registry import registry_beside
from tests.support.gguf import tiny_llama
from tests.support.running import ROOT, RunningServer

pytestmark = pytest.mark.slow

CLIENT = ROOT / "web" / "node_modules" / "ollama"


def test_ollamas_client_for_javascript(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None or not CLIENT.is_dir():
        pytest.skip("no Node.js, or no client: run `npm ci` in web/")
    gguf = tiny_llama(tmp_path / "tiny.gguf").read_bytes()
    digest = "sha256:" + hashlib.sha256(gguf).hexdigest()
    with (
        registry_beside() as registry,
        RunningServer(tmp_path / "data", INGLENOOK_ALLOW_PRIVATE="127.0.0.1") as server,
        server.set_up() as admin,
    ):
        server.add_fake_provider(admin)
        key = server.key(admin)
        with server.client(authorization=f"Bearer {key}") as client:
            client.post(f"/api/blobs/{digest}", content=gguf).raise_for_status()
        remote = f"{registry.origin.removeprefix('http://')}/team/tiny:1b"
        script = str(ROOT / "tests" / "support" / "ollama_client.mjs")
        done = subprocess.run(
            [node, script, str(CLIENT), server.url, key, digest, remote],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {"echo", "embed"} <= set(found.pop("models"))
    assert found.pop("version").count(".") == 2
    assert found == {
        "chat": ["one two three", 3, "stop"],
        "stream": ["one", " two", " three", ""],
        "generate": [["a", None], ["", "length"]],
        "calls": [{"index": 0, "name": "weather", "arguments": {"city": "text"}}],
        "thinking": "They said: one two three",
        "form": {"city": "text"},
        "embed": [64, 64],
        "embeddings": 64,
        "error": ["ResponseError", 404, "model 'nobody' not found"],
        "broken": "the line broke",
        "aborted": "AbortError",
        "create": "success",
        "architecture": "llama",
        "run": 2,
        "running": ["js:latest"],
        "push": "success",
        "pull": "success",
    }
