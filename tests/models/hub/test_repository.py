"""Hugging Face and ModelScope, as a site on loopback that speaks like them."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from inglenook.kit.config import Settings
from inglenook.kit.http.outbound import Outbound
from inglenook.models.engine.gguf import read_gguf
from inglenook.models.hub.access import Access
from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.service import Hub, Pull
from inglenook.models.hub.settings import HubSettings
from tests.support.files import FileServer, Fixed, file_server
from tests.support.gguf import split_gguf, tiny_llama

TOKEN = "hf_top-secret"


class Site:
    """A repository as Hugging Face and ModelScope serve it."""

    def __init__(self, server: FileServer, files: dict[str, bytes], repository: str = "user/tiny-GGUF") -> None:
        self.server = server
        self.repository = repository
        listed = [(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items()]
        siblings = [{"rfilename": name, "size": size, "lfs": {"sha256": sha}} for name, size, sha in listed]
        self.listing = f"/api/models/{repository}/revision/main"
        server.files[self.listing] = orjson.dumps({"sha": "c0ffee", "siblings": siblings})
        entries = [{"Path": name, "Size": size, "Sha256": sha, "Type": "blob"} for name, size, sha in listed]
        server.files[f"/api/v1/models/{repository}/repo/files"] = orjson.dumps(
            {"Code": 200, "Data": {"Files": entries}}
        )
        for name, data in files.items():
            server.files[self.file(name)] = data
            server.files[f"/models/{repository}/resolve/master/{name}"] = data

    def file(self, name: str) -> str:
        return f"/{self.repository}/resolve/c0ffee/{name}"


@pytest.fixture
def tiny(weights: Path) -> bytes:
    return weights.read_bytes()


@pytest.fixture
async def other_host() -> AsyncIterator[FileServer]:
    async with file_server() as files:
        yield files


@pytest.fixture
def sources(server: FileServer) -> list[HubSettings]:
    """What an administrator set; the last holds."""
    return [HubSettings(hf_mirror=server.origin, modelscope_mirror=f"{server.origin}/")]


@pytest.fixture
async def hub(
    settings: Settings, models: ModelStore, outbound: Outbound, sources: list[HubSettings]
) -> AsyncIterator[Hub]:
    hub = Hub(settings, models, outbound, Access(lambda: sources[-1]))
    yield hub
    await hub.stop()


async def pull(hub: Hub, source: str) -> Pull:
    return await hub.wait(hub.start(source).id)


@pytest.mark.parametrize(("source", "host"), [("hf:", "hf.co"), ("hf.co/", "hf.co"), ("modelscope:", "modelscope.cn")])
async def test_a_quantization_is_pulled(
    hub: Hub, server: FileServer, models: ModelStore, tmp_path: Path, source: str, host: str
) -> None:
    good = tiny_llama(tmp_path / "a.gguf").read_bytes()
    Site(server, {"tiny-Q8_0.gguf": good, "tiny-Q4_K_M.gguf": b"not this", "README.md": b"# Tiny"})
    done = await pull(hub, f"{source}user/tiny-GGUF:Q8_0")
    assert (done.error, done.model) == (None, f"{host}/user/tiny-GGUF:Q8_0")
    stored = models.resolve(f"{host}/user/tiny-gguf:q8_0")
    assert stored.gguf.read_bytes() == good
    assert stored.details.family == "llama"
    assert {path.name for path in models.blobs.iterdir()} == {
        stored.gguf.name,
        *(path.name for path in models.blobs.iterdir() if path.stat().st_size < 2000),
    }


async def test_a_file_by_its_address_gets_the_files_name(
    hub: Hub, server: FileServer, models: ModelStore, tiny: bytes
) -> None:
    Site(server, {"sub/Tiny-1B-Q8_0.gguf": tiny})
    done = await pull(hub, "https://huggingface.co/user/tiny-GGUF/resolve/main/sub/Tiny-1B-Q8_0.gguf")
    assert (done.error, done.model) == (None, "tiny-1b:q8_0")
    assert (await pull(hub, "hf:user/tiny-GGUF/sub/Tiny-1B-Q8_0.gguf")).status == "done"
    assert len([asked for asked in server.asked if "resolve" in asked.path]) == 1


async def test_split_weights_are_put_together(hub: Hub, server: FileServer, models: ModelStore, tmp_path: Path) -> None:
    whole = tiny_llama(tmp_path / "whole.gguf")
    parts = split_gguf(whole, tmp_path, 3)
    site = Site(server, {f"big/tiny-Q8_0-0000{n}-of-00003.gguf": part.read_bytes() for n, part in enumerate(parts, 1)})
    said = [step.message async for step in hub.watch(hub.start("hf:user/tiny-GGUF:Q8_0").id)]
    assert "putting the parts together" in said
    assert said[-1] == "success"
    stored = models.resolve("hf.co/user/tiny-GGUF:Q8_0")
    merged, original = read_gguf(stored.gguf), read_gguf(whole)
    assert merged.tensors == original.tensors
    assert {k: v for k, v in merged.values.items() if isinstance(v, str | int | float)} == {
        k: v for k, v in original.values.items() if isinstance(v, str | int | float)
    }
    assert merged.array("tokenizer.ggml.tokens") == original.array("tokenizer.ggml.tokens")
    assert (
        stored.gguf.read_bytes()[merged.data_start :]
        == whole.read_bytes()[original.data_start :][: merged.size - merged.data_start]
    )
    assert len([path for path in models.blobs.iterdir() if path.stat().st_size > 2000]) == 1  # the parts are gone
    asked = len(server.asked)
    assert (await pull(hub, "hf:user/tiny-GGUF:Q8_0")).status == "done"
    assert [request.path.partition("?")[0] for request in server.asked[asked:]] == [site.listing]  # nothing anew


async def test_parts_that_do_not_belong_together_are_refused(
    hub: Hub, server: FileServer, models: ModelStore, tmp_path: Path
) -> None:
    first, second = split_gguf(tiny_llama(tmp_path / "whole.gguf"), tmp_path, 2)
    names = [f"tiny-Q8_0-0000{n}-of-00002.gguf" for n in (1, 2)]
    Site(server, {names[0]: second.read_bytes(), names[1]: first.read_bytes()})
    failed = await pull(hub, "hf:user/tiny-GGUF:Q8_0")
    assert failed.error_code == "bad_model_file"
    assert "do not belong together" in str(failed.error)
    assert models.list() == []


async def test_a_projector_comes_along(hub: Hub, server: FileServer, models: ModelStore, tiny: bytes) -> None:
    Site(server, {"tiny-Q8_0.gguf": tiny, "mmproj-F16.gguf": b"GGUF projector"})
    assert (await pull(hub, "hf:user/tiny-GGUF")).error is None
    stored = models.resolve("hf.co/user/tiny-GGUF")
    assert [path.read_bytes() for path in stored.projectors] == [b"GGUF projector"]


async def test_bytes_that_are_not_the_promised_ones_are_removed(
    hub: Hub, server: FileServer, models: ModelStore, tiny: bytes
) -> None:
    site = Site(server, {"tiny-Q8_0.gguf": tiny})
    server.files[site.file("tiny-Q8_0.gguf")] = bytes(len(tiny))
    failed = await pull(hub, "hf:user/tiny-GGUF")
    assert failed.error_code == "wrong_checksum"
    assert list(models.blobs.iterdir()) == []


async def test_a_blob_is_fetched_once_for_two_names_and_goes_on_when_one_of_them_is_stopped(
    hub: Hub, server: FileServer, models: ModelStore, tiny: bytes
) -> None:
    site = Site(server, {"tiny-Q8_0.gguf": tiny})
    gate = server.gate(site.file("tiny-Q8_0.gguf"))
    first, second = hub.start("hf:user/tiny-GGUF:Q8_0"), hub.start("hf:user/tiny-GGUF")
    await server.reached[site.file("tiny-Q8_0.gguf")].wait()
    async for step in hub.watch(second.id):  # who waits sees how far it is
        if step.completed >= len(tiny) // 2:
            break
    assert (await hub.cancel(first.id)).status == "cancelled"
    gate.set()
    assert (await hub.wait(second.id)).error is None
    assert len(server.requests(site.file("tiny-Q8_0.gguf"))) == 1
    assert [model.name for model in models.list()] == ["hf.co/user/tiny-GGUF:latest"]


async def test_all_who_stop_stop_the_download(hub: Hub, server: FileServer, models: ModelStore, tiny: bytes) -> None:
    site = Site(server, {"tiny-Q8_0.gguf": tiny})
    path = site.file("tiny-Q8_0.gguf")
    server.gate(path)
    pulls = [hub.start("hf:user/tiny-GGUF:Q8_0"), hub.start("hf:user/tiny-GGUF")]
    await server.reached[path].wait()
    for one in pulls:
        async for step in hub.watch(one.id):
            if step.completed >= len(tiny) // 2:
                break
        await hub.cancel(one.id)
    del server.gates[path]
    assert (await pull(hub, "hf:user/tiny-GGUF")).error is None
    assert server.requests(path)[-1].start >= len(tiny) // 2


async def test_a_token_goes_to_its_own_host_only(
    hub: Hub, server: FileServer, other_host: FileServer, sources: list[HubSettings], tiny: bytes
) -> None:
    site = Site(server, {"tiny-Q8_0.gguf": tiny})
    sources.append(HubSettings(hf_mirror=server.origin, hf_token=TOKEN))
    assert (await pull(hub, "hf:user/tiny-GGUF")).error is None
    assert all("authorization" not in asked.headers for asked in server.asked)  # a mirror is somebody else
    hub.models.delete("hf.co/user/tiny-GGUF")
    sources.append(HubSettings(hf_mirror=server.origin, hf_token=TOKEN, hf_token_to_mirror=True))
    path = site.file("tiny-Q8_0.gguf")
    server.fixed[path] = Fixed(302, {"location": f"{other_host.origin}/elsewhere"})
    other_host.files["/elsewhere"] = tiny
    server.asked.clear()
    assert (await pull(hub, "hf:user/tiny-GGUF")).error is None
    assert [asked.headers.get("authorization") for asked in server.asked] == [f"Bearer {TOKEN}"] * 2
    assert [asked.headers.get("authorization") for asked in other_host.asked] == [None]


def test_tokens_are_shown_to_whom_they_belong() -> None:
    access = Access(lambda: HubSettings(hf_token="hf", modelscope_token="ms"))
    assert access.headers("https://huggingface.co/a") == {"authorization": "Bearer hf"}
    assert access.headers("https://hf.co/a") == {"authorization": "Bearer hf"}
    assert access.headers("https://modelscope.cn/a")["authorization"] == "Bearer ms"
    for url in (
        "http://huggingface.co/a",
        "https://huggingface.co.evil.example/",
        "https://evil.example/huggingface.co",
    ):
        assert access.headers(url) == {}


@pytest.mark.parametrize("status", [401, 403])
async def test_a_gated_repository_says_what_to_do(
    hub: Hub,
    server: FileServer,
    sources: list[HubSettings],
    tiny: bytes,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    site = Site(server, {"tiny-Q8_0.gguf": tiny})
    server.fixed[site.file("tiny-Q8_0.gguf")] = Fixed(status, {}, b"gated")
    failed = await pull(hub, "hf:user/tiny-GGUF")
    assert "accept its terms at https://huggingface.co/user/tiny-GGUF and set a Hugging Face token" in str(failed.error)
    sources.append(HubSettings(hf_mirror=server.origin, hf_token=TOKEN))
    assert "mirror is not shown" in str((await pull(hub, "hf:user/tiny-GGUF")).error)
    sources.append(HubSettings(hf_mirror=server.origin, hf_token=TOKEN, hf_token_to_mirror=True))
    failed = await pull(hub, "hf:user/tiny-GGUF")
    assert "token" in str(failed.error)
    assert TOKEN not in caplog.text + str(failed)


async def test_a_listing_that_is_refused_or_missing_is_told(hub: Hub, server: FileServer) -> None:
    server.fixed["/api/models/user/tiny-GGUF/revision/main?blobs=true"] = Fixed(401, {"x-error-code": "GatedRepo"})
    assert "is gated; accept its terms" in str((await pull(hub, "hf:user/tiny-GGUF")).error)
    failed = await pull(hub, "hf:user/other")
    assert (failed.error_code, "has no repository user/other" in str(failed.error)) == ("model_not_found", True)
    server.files["/api/models/user/page/revision/main"] = b"<html>"
    assert "did not answer as Hugging Face" in str((await pull(hub, "hf:user/page")).error)


async def test_a_model_larger_than_the_disk_is_refused_before_it_is_fetched(hub: Hub, server: FileServer) -> None:
    site = Site(server, {})
    siblings = [{"rfilename": "huge-Q8_0.gguf", "size": 1 << 60, "lfs": {"sha256": "a" * 64}}]
    server.files[site.listing] = orjson.dumps({"sha": "c0ffee", "siblings": siblings})
    failed = await pull(hub, "hf:user/tiny-GGUF")
    assert failed.error_code == "disk_full"
    assert f"{(1 << 60) >> 20} MiB" in str(failed.error)
    assert len(server.asked) == 1
