"""The store on disk: Ollama's layout, names, imports, deletes, and what it leaves alone."""

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import orjson
import pytest

from inglenook.models.errors import BadModelFile, BrokenModel, ModelNotFound, WrongChecksum
from inglenook.models.hub import manifest as media
from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.names import ModelName
from tests.support.gguf import tiny_llama


def blobs(models: ModelStore) -> set[str]:
    return {path.name for path in models.blobs.iterdir()}


@pytest.mark.parametrize(
    "layer",
    [
        {media.MESSAGES: b'["hello"]'},
        {media.MESSAGES: b'[{"role": "user"}]'},
        {media.MESSAGES: b'{"role": "user", "content": "hello"}'},
        {media.PARAMS: b"[]"},
    ],
)
def test_layers_of_another_shape_make_a_broken_model(
    models: ModelStore, tmp_path: Path, layer: dict[str, bytes]
) -> None:
    with pytest.raises(BrokenModel, match="cannot be read"):
        models.import_gguf(source(tmp_path), "odd", layers=layer)
    assert models.list() == []


def source(tmp_path: Path, seed: int = 1) -> Path:
    return tiny_llama(tmp_path / "weights.gguf", seed=seed)


def test_an_import_writes_ollamas_layout(models: ModelStore, tmp_path: Path) -> None:
    path = source(tmp_path)
    stored = models.import_gguf(
        path,
        "tiny:q8",
        layers={media.PARAMS: b'{"stop":["x"]}', media.SYSTEM: b"Be brief.", media.LICENSE: b"Apache-2.0"},
        config={"languages": ["en", "zh"]},
    )
    sha = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest_path = models.root / "manifests/registry.ollama.ai/library/tiny/q8"
    manifest = orjson.loads(manifest_path.read_bytes())
    assert manifest["schemaVersion"] == 2
    assert manifest["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert manifest["layers"][0] == {
        "mediaType": "application/vnd.ollama.image.model",
        "digest": f"sha256:{sha}",
        "size": path.stat().st_size,
    }
    assert (models.root / f"blobs/sha256-{sha}").read_bytes() == path.read_bytes()
    assert stored.name == "tiny:q8"
    assert stored.digest == hashlib.sha256(manifest_path.read_bytes()).hexdigest()
    assert stored.blob == sha
    assert stored.gguf.name == f"sha256-{sha}"
    assert stored.params == {"stop": ["x"]}
    assert stored.system == "Be brief."
    assert stored.license == "Apache-2.0"
    assert stored.details.family == "llama"
    assert stored.details.context_length == 2048
    assert stored.details.quantization_level == "F32"
    assert stored.config["capabilities"] == ["completion"]
    assert stored.config["languages"] == ["en", "zh"]
    assert stored.size == sum(layer["size"] for layer in manifest["layers"])
    assert not [name for name in blobs(models) if "partial" in name]


def test_a_moved_file_is_gone_and_a_copied_one_stays(models: ModelStore, tmp_path: Path) -> None:
    path = source(tmp_path)
    models.import_gguf(path, "a")
    assert path.exists()
    models.import_gguf(path, "b", how="move")
    assert not path.exists()
    assert [model.name for model in models.list()] == ["a:latest", "b:latest"]


@pytest.mark.parametrize("name", ["Tiny", "tiny:LATEST", "library/tiny", "REGISTRY.OLLAMA.AI/library/tINY:latest"])
def test_names_are_found_in_any_case(models: ModelStore, tmp_path: Path, name: str) -> None:
    models.import_gguf(source(tmp_path), "tiny")
    assert models.resolve(name).name == "tiny:latest"
    assert models.has(name)


def test_a_second_import_in_another_case_replaces_the_first(models: ModelStore, tmp_path: Path) -> None:
    first = models.import_gguf(source(tmp_path), "Tiny")
    models.import_gguf(source(tmp_path, 2), "tINY")
    assert [model.name for model in models.list()] == ["Tiny:latest"]
    assert not first.gguf.exists()


def test_delete_keeps_what_others_use(models: ModelStore, tmp_path: Path) -> None:
    stored = models.import_gguf(source(tmp_path), "a", layers={media.SYSTEM: b"only a"})
    models.copy("A", "me/b:x")
    models.import_gguf(source(tmp_path), "c", layers={media.SYSTEM: b"only c"})
    models.delete("a")
    models.delete("me/b:x")
    assert stored.gguf.exists()
    assert [model.name for model in models.list()] == ["c:latest"]
    systems = [p for p in models.blobs.iterdir() if p.read_bytes().startswith(b"only")]
    assert [p.read_bytes() for p in systems] == [b"only c"]
    models.delete("c")
    assert blobs(models) == set()
    assert list(models.manifests.rglob("*")) == []
    with pytest.raises(ModelNotFound, match="model 'c' not found"):
        models.delete("c")


def test_what_is_not_ours_stays(models: ModelStore, tmp_path: Path) -> None:
    models.import_gguf(source(tmp_path), "a")
    strange = models.blobs / "sha256-unknown"
    unreferenced = models.blobs / f"sha256-{'0' * 64}"
    note = models.manifests / "registry.ollama.ai" / "library" / "notes.txt"
    for path in (strange, unreferenced, note):
        path.write_text("keep me")
    models.delete("a")
    assert all(path.exists() for path in (strange, unreferenced, note))


def test_an_unreadable_manifest_keeps_all_blobs(models: ModelStore, tmp_path: Path) -> None:
    stored = models.import_gguf(source(tmp_path), "a")
    broken = models.manifests / "registry.ollama.ai/library/broken/latest"
    broken.parent.mkdir()
    broken.write_text("{")
    models.delete("a")
    assert stored.gguf.exists()
    with pytest.raises(BrokenModel, match="broken"):
        models.resolve("broken")
    models.delete("broken")
    assert models.list() == []


def test_pinned_blobs_survive_a_delete(models: ModelStore, tmp_path: Path) -> None:
    stored = models.import_gguf(source(tmp_path), "a")
    with models.pin([f"sha256:{stored.blob}"]):
        models.delete("a")
        assert stored.gguf.exists()


def test_a_truncated_or_missing_blob_is_not_used(models: ModelStore, tmp_path: Path) -> None:
    stored = models.import_gguf(source(tmp_path), "a")
    models.import_gguf(source(tmp_path, 2), "b")
    os.truncate(stored.gguf, 10)
    assert [model.name for model in models.list()] == ["b:latest"]
    with pytest.raises(BrokenModel, match="has 10 bytes instead of"):
        models.resolve("a")
    stored.gguf.rename(stored.gguf.with_name(stored.gguf.name + "-partial"))
    with pytest.raises(BrokenModel, match="misses blob"):
        models.resolve("a")


@pytest.mark.parametrize(
    "manifest",
    [
        b"[]",
        b'{"schemaVersion":2,"layers":[{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:../x"}]}',
        b'{"schemaVersion":2,"config":{"digest":"sha256:short","size":1},"layers":[]}',
        b'{"schemaVersion":2,"layers":[{"mediaType":"application/vnd.ollama.image.tensor","digest":"sha256:'
        + b"0" * 64
        + b'","size":0}]}',
    ],
)
def test_foreign_manifests_are_left_out(models: ModelStore, manifest: bytes) -> None:
    path = models.manifests / "registry.ollama.ai/library/x/latest"
    path.parent.mkdir(parents=True)
    path.write_bytes(manifest)
    models.blobs.mkdir()
    (models.blobs / f"sha256-{'0' * 64}").touch()
    assert models.list() == []
    with pytest.raises(BrokenModel):
        models.resolve("x")


def test_a_manifest_needs_its_blobs(models: ModelStore) -> None:
    data = orjson.dumps({"layers": [{"mediaType": media.MODEL, "digest": f"sha256:{'1' * 64}", "size": 5}]})
    with pytest.raises(BrokenModel, match="misses blob"):
        models.put_manifest(ModelName.parse("x"), data)
    assert not models.has("x")


@pytest.mark.parametrize("content", [b"", b"GGU", b"PK\x03\x04 not a model, but long enough to be one"])
def test_what_is_no_gguf_is_refused(models: ModelStore, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(BadModelFile, match="not a"):
        models.import_gguf(path, "a")
    with pytest.raises(BadModelFile, match="missing"):
        models.import_gguf(tmp_path / "absent.gguf", "a")
    assert models.list() == []


def test_a_model_that_would_hurt_its_process_is_refused(models: ModelStore, tmp_path: Path) -> None:
    path = tiny_llama(tmp_path / "crafted.gguf", llama__block_count=999)
    with pytest.raises(BadModelFile, match="block_count"):
        models.import_gguf(path, "a")
    assert not models.blobs.exists()


def test_a_wrong_checksum_keeps_nothing(models: ModelStore, tmp_path: Path) -> None:
    path = source(tmp_path)
    with pytest.raises(WrongChecksum, match="instead of 0000"):
        models.import_gguf(path, "a", how="move", sha256="0" * 64)
    assert path.exists()
    assert blobs(models) == set()


def test_a_stopped_import_keeps_nothing(models: ModelStore, tmp_path: Path) -> None:
    def stop(completed: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        models.import_gguf(source(tmp_path), "a", progress=stop)
    assert blobs(models) == set()


FULL = """
import resource, signal, sys
from pathlib import Path
from inglenook.models.errors import DiskFull
from inglenook.models.hub.layout import ModelStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    ModelStore(Path(sys.argv[1])).import_gguf(Path(sys.argv[2]), "a")
except DiskFull as error:
    print(error.message)
"""


def test_a_full_disk_keeps_nothing(models: ModelStore, tmp_path: Path) -> None:
    """A limit on the size of files makes writes fail for real, in a process of its own."""
    path = source(tmp_path)
    assert path.stat().st_size > 100_000
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(models.root), str(path)], capture_output=True, text=True, check=True
    )
    assert "has no room left" in done.stdout
    assert blobs(models) == set()
    assert models.list() == []


def test_listeners_hear_of_changes(models: ModelStore, tmp_path: Path) -> None:
    heard: list[int] = []
    models.on_change(lambda: heard.append(len(models.names())))
    models.import_gguf(source(tmp_path), "a")
    models.copy("a", "b")
    models.delete("a")
    assert heard == [1, 2, 1]


def test_threads_may_import_at_once(models: ModelStore, tmp_path: Path) -> None:
    path = source(tmp_path)
    threads = [threading.Thread(target=models.import_gguf, args=(path, f"m:{n}")) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(models.list()) == 8
