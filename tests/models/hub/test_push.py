"""Pushing to a registry on loopback: what is sent, in what order, and to nobody else."""

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from inglenook.kit.errors import BadInput
from inglenook.kit.http.guard import AddressRefused
from inglenook.kit.http.outbound import Outbound
from inglenook.models.errors import ModelNotFound, PullFailed, PushFailed
from inglenook.models.hub import manifest as media
from inglenook.models.hub.access import Access
from inglenook.models.hub.base import Step
from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.names import ModelName
from inglenook.models.hub.push import destination, push
from inglenook.models.hub.service import Hub
from inglenook.models.hub.settings import HubSettings
from tests.support.docker_registry import Registry, registry


@pytest.fixture
async def ours() -> AsyncIterator[Registry]:
    async with registry() as opened:
        yield opened


@pytest.fixture
def name(ours: Registry, models: ModelStore, weights: Path) -> ModelName:
    """A model here, by the name it is to have there."""
    made = ModelName.parse(f"{ours.origin}/team/tiny:1b")
    models.import_gguf(weights, made.full, layers={media.PARAMS: b'{"num_ctx":64}', media.SYSTEM: b"Be brief."})
    return made


async def sent(models: ModelStore, outbound: Outbound, name: ModelName, access: Access | None = None) -> list[Step]:
    steps: list[Step] = []
    await push(models, outbound, name, steps.append, scheme="http", access=access or Access())
    return steps


def known(ours: Registry) -> Access:
    return Access(lambda: HubSettings(registry=ours.origin, registry_user="ada", registry_password="tea"))


async def test_a_model_is_sent_whole_and_comes_back_the_same(
    hub: Hub, models: ModelStore, outbound: Outbound, ours: Registry, name: ModelName
) -> None:
    before = models.resolve(name.full)
    steps = await sent(models, outbound, name)
    served = orjson.loads(ours.manifests["/v2/team/tiny/manifests/1b"])
    digests = [layer["digest"] for layer in [*served["layers"], served["config"]]]
    assert list(dict.fromkeys(step.status for step in steps)) == [
        "retrieving manifest",
        *[f"pushing {digest[7:19]}" for digest in digests],
        "pushing manifest",
    ]
    for digest in digests:
        done = [step.completed for step in steps if step.digest == digest]
        assert done == sorted(done)
        assert done[-1] == len(ours.blobs[digest])
    assert ours.asked[-1].headers["content-type"] == media.MANIFEST

    models.delete(name.full)
    pull = await hub.wait(hub.start(f"{ours.origin}/team/tiny:1b").id)
    assert pull.error is None
    after = models.resolve(name.full)
    assert (after.digest, after.system, after.params) == (before.digest, "Be brief.", {"num_ctx": 64})


async def test_what_is_there_is_not_sent_again(
    models: ModelStore, outbound: Outbound, ours: Registry, name: ModelName
) -> None:
    await sent(models, outbound, name)
    ours.asked.clear()
    steps = await sent(models, outbound, name)
    assert {asked.method for asked in ours.asked} == {"HEAD", "PUT"}
    assert len([asked for asked in ours.asked if asked.method == "PUT"]) == 1
    assert all(step.completed in (0, step.total) for step in steps)


@pytest.mark.parametrize("basic", [False, True], ids=["token", "basic"])
async def test_who_we_are_is_said_when_it_asks(
    models: ModelStore, outbound: Outbound, ours: Registry, name: ModelName, basic: bool
) -> None:
    ours.login, ours.basic, ours.realm = "ada:tea", basic, "" if basic else f"{ours.origin}/token"
    with pytest.raises(PullFailed, match="sign-in"):
        await sent(models, outbound, name)
    await sent(models, outbound, name, known(ours))
    assert len(ours.manifests) == 1


async def test_nobody_else_is_told_or_sent_anything(
    models: ModelStore, outbound: Outbound, ours: Registry, name: ModelName
) -> None:
    async with registry() as theirs:
        ours.realm = f"{theirs.origin}/token"
        with pytest.raises(PullFailed, match="elsewhere"):
            await sent(models, outbound, name, known(ours))
        ours.realm, ours.upload_at = "", theirs.origin
        with pytest.raises(PushFailed, match="elsewhere"):
            await sent(models, outbound, name)
        assert theirs.asked == []


async def test_what_it_says_is_passed_on(
    models: ModelStore, outbound: Outbound, ours: Registry, name: ModelName
) -> None:
    ours.full = True
    with pytest.raises(PushFailed, match="no room left"):
        await sent(models, outbound, name)
    assert ours.manifests == {}


async def test_private_addresses_are_asked_only_where_allowed(models: ModelStore, name: ModelName) -> None:
    guarded = Outbound()
    with pytest.raises(AddressRefused):
        await sent(models, guarded, name)
    await guarded.close()


async def test_a_model_that_is_not_here(models: ModelStore, outbound: Outbound, ours: Registry) -> None:
    with pytest.raises(ModelNotFound):
        await sent(models, outbound, ModelName.parse(f"{ours.origin}/team/nobody"))
    assert ours.asked == []


def test_where_it_goes() -> None:
    assert destination("reg.example:5000/team/m", insecure=False)[1] == "https"
    assert destination("reg.example:5000/team/m", insecure=True)[1] == "http"
    assert destination("http://reg.example/team/m:x", insecure=False)[0].full == "reg.example/team/m:x"
    for text in ("m", "team/m", "registry.ollama.ai/library/m", "ftp://reg.example/team/m"):
        with pytest.raises(BadInput):
            destination(text, insecure=False)
