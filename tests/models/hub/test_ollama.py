"""The registry protocol against a registry on loopback: order, resume, lies, sign-in."""

import hashlib
from pathlib import Path

import orjson
import pytest

from inglenook.models.hub import manifest as media
from inglenook.models.hub.access import Access
from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.names import ModelName
from inglenook.models.hub.oci import Repository
from inglenook.models.hub.service import Hub, Pull
from inglenook.models.hub.settings import HubSettings
from tests.support.files import FileServer, Fixed
from tests.support.gguf import tiny_llama


class Published:
    """A model as a registry serves it."""

    def __init__(self, server: FileServer, weights: Path, name: str = "library/tiny", tag: str = "latest") -> None:
        self.server = server
        self.weights = weights.read_bytes()
        self.base = f"/v2/{name}"
        layers = [
            self.layer(media.MODEL, self.weights),
            self.layer(media.PARAMS, b'{"stop":["<|im_end|>"]}'),
            self.layer(media.LICENSE, b"Apache License"),
        ]
        config = self.layer(media.CONFIG, orjson.dumps({"model_format": "gguf", "model_family": "llama"}))
        self.manifest = orjson.dumps(
            {"schemaVersion": 2, "mediaType": media.MANIFEST, "config": config, "layers": layers}
        )
        self.manifest_path = f"{self.base}/manifests/{tag}"
        server.files[self.manifest_path] = self.manifest
        self.digest = layers[0]["digest"]
        self.blob_path = f"{self.base}/blobs/{self.digest}"
        self.source = f"{server.origin}/{name}:{tag}"

    def layer(self, kind: str, data: bytes) -> dict[str, object]:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.server.files[f"{self.base}/blobs/{digest}"] = data
        return {"mediaType": kind, "digest": digest, "size": len(data)}


async def watch(hub: Hub, source: str) -> list[Pull]:
    return [pull async for pull in hub.watch(hub.start(source).id)]


def messages(pulls: list[Pull]) -> list[str]:
    return list(dict.fromkeys(pull.message for pull in pulls))


async def test_a_model_is_pulled_in_ollamas_order(
    hub: Hub, server: FileServer, models: ModelStore, weights: Path
) -> None:
    published = Published(server, weights)
    pulls = await watch(hub, published.source)
    assert pulls[-1].error is None
    said = messages(pulls)
    assert said[:3] == ["waiting", "pulling manifest", f"pulling {published.digest[7:19]}"]
    assert said[-3:] == ["verifying sha256 digest", "writing manifest", "success"]
    served = orjson.loads(published.manifest)
    assert said[2:-3] == [f"pulling {layer['digest'][7:19]}" for layer in [*served["layers"], served["config"]]]
    whole = [pull for pull in pulls if pull.digest == published.digest][-1]
    assert whole.completed == whole.total == len(published.weights)
    stored = models.resolve(published.source)
    assert stored.digest == hashlib.sha256(published.manifest).hexdigest()
    assert stored.params == {"stop": ["<|im_end|>"]}
    assert stored.gguf.read_bytes() == published.weights
    assert not [path for path in models.blobs.iterdir() if "partial" in path.name]


async def test_a_broken_connection_goes_on_where_it_was(
    hub: Hub, server: FileServer, models: ModelStore, weights: Path
) -> None:
    published = Published(server, weights)
    server.cut[published.blob_path] = [10_000, 50_000]
    pulls = await watch(hub, published.source)
    assert pulls[-1].status == "done", pulls[-1].error
    assert [asked.start for asked in server.requests(published.blob_path)] == [0, 10_000, 60_000]
    assert models.resolve(published.source).gguf.read_bytes() == published.weights


async def test_a_cancelled_pull_goes_on_next_time(
    hub: Hub, server: FileServer, models: ModelStore, weights: Path
) -> None:
    published = Published(server, weights)
    server.gate(published.blob_path)
    pull = hub.start(published.source)
    async for step in hub.watch(pull.id):
        if step.digest == published.digest and step.completed >= len(published.weights) // 2:
            break
    assert (await hub.cancel(pull.id)).status == "cancelled"
    assert models.list() == []
    del server.gates[published.blob_path]
    pulls = await watch(hub, published.source)
    assert pulls[-1].status == "done", pulls[-1].error
    assert [asked.start for asked in server.requests(published.blob_path)] == [0, len(published.weights) // 2]


async def test_a_corrupted_blob_is_removed_and_fetched_anew(
    hub: Hub, server: FileServer, models: ModelStore, weights: Path
) -> None:
    published = Published(server, weights)
    good = server.files[published.blob_path]
    server.files[published.blob_path] = bytes([good[0]]) + bytes(len(good) - 1)
    failed = (await watch(hub, published.source))[-1]
    assert (failed.status, failed.error_code) == ("failed", "wrong_checksum")
    assert models.list() == []
    assert not [path for path in models.blobs.iterdir() if published.digest[7:] in path.name]
    server.files[published.blob_path] = good
    assert (await watch(hub, published.source))[-1].status == "done"


async def test_an_ollama_partial_is_not_taken_for_ours(
    hub: Hub, server: FileServer, models: ModelStore, weights: Path
) -> None:
    """Ollama's partial files are sparse and of full size."""
    published = Published(server, weights)
    models.blobs.mkdir(parents=True)
    partial = models.blobs / f"sha256-{published.digest[7:]}-partial"
    partial.write_bytes(bytes(len(published.weights)))
    assert (await watch(hub, published.source))[-1].status == "done"
    assert models.resolve(published.source).gguf.read_bytes() == published.weights
    assert partial.exists()


async def test_layers_that_are_here_are_not_fetched_again(
    hub: Hub, server: FileServer, models: ModelStore, weights: Path
) -> None:
    first, second = Published(server, weights), Published(server, weights, tag="other")
    await watch(hub, first.source)
    assert (await watch(hub, second.source))[-1].status == "done"
    assert len(server.requests(first.blob_path)) == 1
    assert len(models.list()) == 2


async def test_the_same_pull_is_shared_and_two_names_share_a_blob(
    hub: Hub, server: FileServer, models: ModelStore, weights: Path
) -> None:
    first, second = Published(server, weights), Published(server, weights, tag="other")
    gate = server.gate(first.blob_path)
    one = hub.start(first.source)
    assert hub.start(first.source.upper().replace("HTTP", "http")).id == one.id
    other = hub.start(second.source)
    await server.reached[first.blob_path].wait()
    gate.set()
    assert (await hub.wait(one.id)).status == (await hub.wait(other.id)).status == "done"
    assert len(server.requests(first.blob_path)) == 1
    assert hub.start(first.source).id != one.id


async def test_an_unknown_model_is_said_so(hub: Hub, server: FileServer, models: ModelStore) -> None:
    failed = (await watch(hub, f"{server.origin}/library/nothing"))[-1]
    assert failed.error_code == "model_not_found"
    assert "has no model" in str(failed.error)
    assert not models.root.exists()


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        (b"{", "cannot be read"),
        (b'{"layers":[{"mediaType":"x","digest":"sha256:../../../etc/passwd","size":1}]}', "malformed digest"),
        (b'{"layers":[]}', "no GGUF weights"),
        (b"x" * (1024 * 1024 + 1), "more than"),
    ],
)
async def test_a_bad_manifest_is_refused(
    hub: Hub, server: FileServer, models: ModelStore, manifest: bytes, says: str
) -> None:
    server.files["/v2/library/bad/manifests/latest"] = manifest
    failed = (await watch(hub, f"{server.origin}/library/bad"))[-1]
    assert failed.error_code == "pull_failed"
    assert says in str(failed.error)
    assert models.list() == []


async def test_a_model_that_cannot_be_run_is_not_kept(
    hub: Hub, server: FileServer, models: ModelStore, tmp_path: Path
) -> None:
    published = Published(server, tiny_llama(tmp_path / "bad.gguf", llama__block_count=999))
    failed = (await watch(hub, published.source))[-1]
    assert failed.error_code == "bad_model_file"
    assert "block_count" in str(failed.error)
    assert models.list() == []
    assert not models.blob_path(published.digest).exists()


async def test_a_model_larger_than_the_disk_is_refused_before_it_is_fetched(
    hub: Hub, server: FileServer, models: ModelStore
) -> None:
    layer = {"mediaType": media.MODEL, "digest": f"sha256:{'a' * 64}", "size": 1 << 60}
    server.files["/v2/library/huge/manifests/latest"] = orjson.dumps({"schemaVersion": 2, "layers": [layer]})
    failed = (await watch(hub, f"{server.origin}/library/huge"))[-1]
    assert failed.error_code == "disk_full"
    assert len(server.asked) == 1


def challenge(realm: str) -> Fixed:
    return Fixed(401, {"www-authenticate": f'Bearer realm="{realm}",service="r",scope="repository:tiny:pull"'})


async def test_an_anonymous_token_is_asked_of_the_registry_itself(
    hub: Hub, server: FileServer, models: ModelStore, weights: Path
) -> None:
    published = Published(server, weights)
    server.fixed[published.manifest_path] = challenge(f"{server.origin}/token")
    server.files["/token"] = b'{"token":"t0k3n"}'
    await watch(hub, published.source)  # the manifest stays behind its 401
    assert [asked.path for asked in server.asked] == [
        published.manifest_path,
        "/token?service=r&scope=repository%3Atiny%3Apull",
        published.manifest_path,
    ]
    assert server.asked[-1].headers["authorization"] == "Bearer t0k3n"
    assert "authorization" not in server.asked[0].headers


@pytest.mark.parametrize("realm", ["https://evil.example/token", "http://127.0.0.1:9/token", "//x", "", "http://["])
async def test_a_sign_in_elsewhere_is_refused(hub: Hub, server: FileServer, weights: Path, realm: str) -> None:
    published = Published(server, weights)
    server.fixed[published.manifest_path] = challenge(realm)
    failed = (await watch(hub, published.source))[-1]
    assert failed.error_code == "pull_failed"
    assert "elsewhere" in str(failed.error)
    assert len(server.asked) == 1


BASIC = "Basic bWU6c2VjcmV0"


def own_registry(server: FileServer, **more: str) -> Access:
    return Access(lambda: HubSettings(registry=server.origin, registry_user="me", registry_password="secret", **more))


async def test_a_registry_of_ones_own_is_shown_its_password(
    hub: Hub, server: FileServer, models: ModelStore, weights: Path
) -> None:
    published = Published(server, weights)
    hub.access = own_registry(server)
    server.authorization = BASIC  # and a 401 that asks for it
    done = await hub.wait(hub.start(published.source.removeprefix("http://")).id)  # the settings say that it is http
    assert done.error is None
    assert "authorization" not in server.asked[0].headers
    assert {asked.headers["authorization"] for asked in server.asked[1:]} == {BASIC}


async def test_a_registry_of_ones_own_gives_a_token_for_the_password(
    hub: Hub, server: FileServer, weights: Path
) -> None:
    published = Published(server, weights)
    hub.access = own_registry(server)
    server.fixed[published.manifest_path] = challenge(f"{server.origin}/token")
    server.files["/token"] = b'{"access_token":"t0k3n"}'
    await watch(hub, published.source)
    shown = [asked.headers.get("authorization") for asked in server.asked]
    assert shown == [None, BASIC, "Bearer t0k3n"]


async def test_a_token_that_ran_out_is_asked_for_again(
    hub: Hub, server: FileServer, models: ModelStore, weights: Path
) -> None:
    """Blobs of many gigabytes take longer than a token lasts."""
    published = Published(server, weights)
    repository = Repository(
        hub.outbound, own_registry(server), "http", ModelName.parse(published.source.removeprefix("http://"))
    )
    server.files["/token"] = b'{"token":"new"}'
    await repository.sign_in(challenge(f"{server.origin}/token").headers["www-authenticate"])
    repository.headers = {"authorization": "Bearer old"}
    await repository.renew()
    assert repository.headers == {"authorization": "Bearer new"}


async def test_a_wrong_password_is_said_and_not_told(
    hub: Hub, server: FileServer, weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    published = Published(server, weights)
    server.authorization = "Basic other"
    hub.access = own_registry(server)
    failed = (await watch(hub, published.source))[-1]
    assert failed.error_code == "pull_failed"
    assert "secret" not in str(failed) + caplog.text
    assert BASIC not in str(failed) + caplog.text


async def test_a_password_goes_nowhere_else(hub: Hub, server: FileServer, weights: Path) -> None:
    published = Published(server, weights)
    server.authorization = BASIC
    hub.access = Access(
        lambda: HubSettings(registry="http://127.0.0.1:9", registry_user="me", registry_password="secret")
    )
    failed = (await watch(hub, published.source))[-1]
    assert "wants a sign-in" in str(failed.error)
    assert all("authorization" not in asked.headers for asked in server.asked)


def test_a_sign_in_elsewhere_is_allowed_by_name(server: FileServer) -> None:
    access = own_registry(server, registry_sign_in="auth.example.org")
    assert access.registry_basic("https://auth.example.org/token") == BASIC
    assert access.signs_in("https://auth.example.org/token")
    for url in ("http://auth.example.org/token", "https://auth.example.org.evil.example/", "https://example.org"):
        assert not access.signs_in(url)
        assert access.registry_basic(url) == ""


async def test_the_library_is_asked_at_its_mirror(
    hub: Hub, server: FileServer, models: ModelStore, weights: Path
) -> None:
    Published(server, weights, name="library/tiny")
    hub.access = Access(lambda: HubSettings(ollama_mirror=f"{server.origin}/"))
    done = await hub.wait(hub.start("tiny").id)
    assert (done.error, done.model) == (None, "tiny:latest")


@pytest.mark.parametrize("address", ["ftp://x", "models.example.org", "https://u:p@h", "https://h:x", "https://h?a"])
def test_addresses_are_checked(address: str) -> None:
    with pytest.raises(ValueError, match="hf_mirror"):
        HubSettings(hf_mirror=address)
