"""A folder of Ollama's own, used where it is: read, never written, deleted from only when that was allowed."""

from pathlib import Path

import pytest

from inglenook.models.errors import LentModel, ModelNotFound
from inglenook.models.hub.create import Recipe, create
from inglenook.models.hub.found import find_folders, look_at, usual_places
from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.service import Hub
from inglenook.models.hub.space import measure, prune
from tests.models.hub.test_ollama import Published
from tests.support.files import FileServer
from tests.support.gguf import tiny_llama


@pytest.fixture
def ollama(tmp_path: Path) -> ModelStore:
    """What an Ollama keeps: a model of two names, and a half of another."""
    store = ModelStore(tmp_path / "ollama" / "models")
    store.import_gguf(tiny_llama(tmp_path / "theirs.gguf", seed=7), "theirs")
    store.copy("theirs", "also")
    (store.blobs / f"sha256-{'c' * 64}-partial").write_bytes(b"half")
    (store.blobs / f"sha256-{'d' * 64}").write_bytes(b"of no model")
    return store


def everything(store: ModelStore) -> dict[str, tuple[int, int]]:
    files = (path for path in store.root.rglob("*") if path.is_file())
    return {str(path.relative_to(store.root)): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def test_lent_models_are_here_without_a_copy(models: ModelStore, ollama: ModelStore) -> None:
    told: list[int] = []
    models.on_change(lambda: told.append(1))
    models.lend(ollama.root)
    assert told == [1]
    assert [model.name for model in models.list()] == ["also:latest", "theirs:latest"]
    assert models.resolve("theirs").gguf == ollama.resolve("theirs").gguf
    assert models.is_lent("theirs")
    models.lend(None)
    assert models.list() == []


def test_nothing_is_written_there(models: ModelStore, ollama: ModelStore, tmp_path: Path) -> None:
    before = everything(ollama)
    models.lend(ollama.root)
    models.copy("theirs", "mine")
    create(models, "derived", Recipe(base="theirs", system="You are lent."))
    assert models.resolve("derived").gguf.parent == ollama.blobs
    models.delete("derived")
    models.import_gguf(tiny_llama(tmp_path / "theirs2.gguf", seed=7), "same-weights")
    models.import_gguf(tiny_llama(tmp_path / "other.gguf", seed=8), "theirs")  # of the same name: ours comes first
    assert not models.is_lent("theirs")
    models.delete("theirs")
    assert models.is_lent("theirs")
    models.delete("mine")
    prune(models, tuple, tuple, partials=True)
    with pytest.raises(LentModel, match="ollama rm theirs:latest"):
        models.delete("theirs")
    assert everything(ollama) == before


def test_deleting_there_is_allowed_when_asked(models: ModelStore, ollama: ModelStore) -> None:
    models.lend(ollama.root, may_delete=True)
    models.delete("theirs")
    assert [model.name for model in models.list()] == ["also:latest"]  # and its weights, which it shares
    models.delete("also")
    with pytest.raises(ModelNotFound):
        ollama.resolve("also")
    assert (ollama.blobs / f"sha256-{'d' * 64}").exists()  # not of that model


async def test_blobs_that_are_there_are_not_fetched(
    hub: Hub, server: FileServer, models: ModelStore, ollama: ModelStore, weights: Path
) -> None:
    published = Published(server, weights)
    ollama.import_gguf(weights, "theirs")
    models.lend(ollama.root)
    done = await hub.wait(hub.start(published.source).id)
    assert done.error is None
    assert server.requests(published.blob_path) == []
    assert models.resolve(published.source).gguf.parent == ollama.blobs


async def test_a_broken_blob_there_is_fetched_to_here(
    hub: Hub, server: FileServer, models: ModelStore, ollama: ModelStore, weights: Path
) -> None:
    published = Published(server, weights)
    broken = ollama.place(str(published.digest))
    broken.write_bytes(b"short")
    models.lend(ollama.root)
    assert (await hub.wait(hub.start(published.source).id)).error is None
    assert broken.read_bytes() == b"short"
    assert models.resolve(published.source).gguf.parent == models.blobs


def test_space_counts_what_is_here(models: ModelStore, ollama: ModelStore, tmp_path: Path) -> None:
    models.lend(ollama.root)
    models.import_gguf(tiny_llama(tmp_path / "own.gguf"), "own")
    space = measure(models)
    assert {model.name: model.lent for model in space.models} == {
        "also:latest": True,
        "own:latest": False,
        "theirs:latest": True,
    }
    assert space.used == sum(path.stat().st_size for path in models.blobs.iterdir())
    assert [model.own for model in space.models if model.lent] == [0, 0]


def test_the_store_itself_is_not_lent(models: ModelStore, tmp_path: Path) -> None:
    models.import_gguf(tiny_llama(tmp_path / "own.gguf"), "own")
    models.lend(models.root)
    assert models.lent is None
    assert len(models.list()) == 1


def test_folders_are_found(
    models: ModelStore, ollama: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_MODELS", str(ollama.root))
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    assert usual_places()[:2] == [ollama.root, tmp_path / "nobody" / ".ollama" / "models"]
    [found] = [folder for folder in find_folders() if folder.path == ollama.root]
    assert (found.models, found.readable) == (2, True)
    assert found.size == measure(ollama).used
    assert look_at(tmp_path) is None
