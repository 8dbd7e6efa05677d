"""What models take on the disk, and what is removed of it: never what is used or on its way."""

import os
import time
from pathlib import Path

import pytest

from inglenook.models.errors import BrokenModel
from inglenook.models.hub.access import Access
from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.manifest import digest_of
from inglenook.models.hub.service import Hub
from inglenook.models.hub.settings import HubSettings
from inglenook.models.hub.space import GRACE, measure, prune, sweep
from tests.support.files import FileServer
from tests.support.gguf import tiny_llama

DAY = 86_400


def aged(path: Path, seconds: float) -> Path:
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def left(models: ModelStore, data: bytes, age: float = 2 * GRACE) -> Path:
    """A blob that no model uses."""
    models.blobs.mkdir(parents=True, exist_ok=True)
    path = models.blob_path(digest_of(data))
    path.write_bytes(data)
    return aged(path, age)


@pytest.fixture
def two(models: ModelStore, tmp_path: Path) -> ModelStore:
    """Two models of other weights, and a second name of the first."""
    models.import_gguf(tiny_llama(tmp_path / "a.gguf"), "one")
    models.import_gguf(tiny_llama(tmp_path / "b.gguf", seed=2), "two")
    models.copy("one", "uno")
    return models


def nothing() -> tuple[()]:
    return ()


def test_what_models_share_is_counted_once(two: ModelStore) -> None:
    space = measure(two)
    sizes = {model.name: (model.size, model.own) for model in space.models}
    weights = two.resolve("one").gguf.stat().st_size
    assert sizes["one:latest"] == sizes["uno:latest"]
    assert sizes["one:latest"][1] == 0  # without it, `uno` still needs all of it
    assert sizes["two:latest"][0] > sizes["two:latest"][1] >= weights  # they share what is told of them
    assert space.used == sum(path.stat().st_size for path in two.blobs.iterdir())
    assert space.free > 0


def test_unused_blobs_are_removed_and_nothing_else(two: ModelStore) -> None:
    stray = left(two, b"an upload that became nothing")
    fresh = left(two, b"an upload of just now", age=0)
    before = {path for path in two.blobs.iterdir() if path != stray}
    assert measure(two).unused == len(b"an upload that became nothing")
    pruned = prune(two, nothing, nothing, partials=True)
    assert (pruned.files, pruned.freed) == (1, len(b"an upload that became nothing"))
    assert {*two.blobs.iterdir()} == before
    assert fresh.exists()
    assert [model.name for model in two.list()] == ["one:latest", "two:latest", "uno:latest"]


@pytest.mark.parametrize("by", ["a loaded model", "a pull or a create"])
def test_what_is_worked_with_stays(two: ModelStore, by: str) -> None:
    stray = left(two, b"weights")
    if by == "a loaded model":
        prune(two, lambda: {stray}, nothing, partials=True)
    else:
        with two.pin([digest_of(b"weights")]):
            prune(two, nothing, nothing, partials=True)
    assert stray.exists()
    prune(two, nothing, nothing, partials=True)
    assert not stray.exists()


def test_a_manifest_that_cannot_be_read_may_need_anything(two: ModelStore) -> None:
    stray = left(two, b"perhaps needed")
    bad = two.manifests / "registry.ollama.ai/library/bad/latest"
    bad.parent.mkdir(parents=True)
    bad.write_bytes(b"{")
    assert measure(two).unused == 0
    assert prune(two, nothing, nothing, partials=False).files == 0
    assert stray.exists()


def partials(models: ModelStore, age: float) -> list[Path]:
    models.blobs.mkdir(parents=True, exist_ok=True)
    names = [f"sha256-{'a' * 64}-ink-partial", f"download-{'b' * 24}-partial", f"download-{'b' * 24}-partial-note"]
    paths = [models.blobs / name for name in names]
    for path in paths:
        path.write_bytes(b"half")
    folder = models.root / "downloads" / "pypi-x"
    folder.mkdir(parents=True)
    (folder / "x.whl-partial").write_bytes(b"half")
    return [*(aged(path, age) for path in paths), aged(folder / "x.whl-partial", age)]


@pytest.fixture
def old_partials(models: ModelStore) -> list[Path]:
    return partials(models, 4 * DAY)


def test_stopped_downloads_go_after_their_days(models: ModelStore) -> None:
    foreign = models.blobs / f"sha256-{'c' * 64}-partial"  # one of Ollama's own
    ours = partials(models, 15 * DAY)
    aged(foreign.touch() or foreign, 99 * DAY)
    assert sweep(models, [], days=0).files == 0
    assert sweep(models, [], days=16).files == 0
    assert sweep(models, [], days=14).files == 4
    assert not any(path.exists() for path in ours)
    assert foreign.exists()


def test_a_prune_keeps_stopped_downloads_unless_told(models: ModelStore) -> None:
    ours = partials(models, 0)
    assert prune(models, nothing, nothing, partials=False).files == 0
    working = [f"sha256:{'a' * 64}"]
    assert prune(models, nothing, lambda: working, partials=True).freed == 12
    assert [path.exists() for path in ours] == [True, False, False, False]
    assert measure(models).partial == 4


async def test_a_pull_under_way_is_not_pruned(hub: Hub, models: ModelStore, server: FileServer, content: bytes) -> None:
    server.files["/m.gguf"] = content
    gate = server.gate("/m.gguf")
    pull = hub.start(f"{server.origin}/m.gguf")
    async for step in hub.watch(pull.id):
        if step.completed >= len(content) // 2:
            break
    await hub.prune(partials=True)
    gate.set()
    assert (await hub.wait(pull.id)).error is None
    assert len(server.requests("/m.gguf")) == 1


async def test_stopped_downloads_are_swept_by_the_server(hub: Hub, old_partials: list[Path]) -> None:
    hub.access = Access(lambda: HubSettings(partial_days=5))
    await hub.sweep()
    assert measure(hub.models).partial > 0
    hub.access = Access(lambda: HubSettings(partial_days=3))
    await hub.sweep()
    assert measure(hub.models).partial == 0


def test_a_blob_that_went_missing_is_said(two: ModelStore) -> None:
    two.resolve("two").gguf.unlink()
    with pytest.raises(BrokenModel, match="pull it again"):
        two.resolve("two")
