"""The catalogue: what is there, under which names, and how soon a change is seen."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from inglenook.accounts.principal import CONSOLE
from inglenook.kit.config import load_settings
from inglenook.kit.errors import BadInput, Conflict, NotFound
from inglenook.kit.http.pool import HttpPool
from inglenook.models.catalogue import Catalogue
from inglenook.models.engine.service import Engine
from inglenook.models.errors import ModelNotFound
from inglenook.models.hub.layout import ModelStore
from inglenook.models.providers.base import ProviderParts
from inglenook.models.schemas import ChosenModelIn, ProviderIn, ProviderPatch
from inglenook.models.service import Providers
from inglenook.models.tables import ProviderRow
from inglenook.store.database import Store
from inglenook.store.secrets import Secrets

OPENAI = {"base_url": "http://127.0.0.1:9/v1", "api_key": "sk-very-secret"}


@pytest.fixture
async def parts(tmp_path: Path, models: ModelStore) -> AsyncIterator[ProviderParts]:
    engine, pool = Engine(load_settings(data=tmp_path), models), HttpPool()
    yield ProviderParts(http=pool, engine=engine)
    await engine.stop()
    await pool.close()


@pytest.fixture
async def catalogue(
    store: Store, secrets: Secrets, models: ModelStore, parts: ProviderParts
) -> AsyncIterator[Catalogue]:
    catalogue = Catalogue(store, secrets, models, parts)
    await catalogue.start()
    yield catalogue
    await catalogue.stop()


@pytest.fixture
def providers(store: Store, secrets: Secrets, catalogue: Catalogue) -> Providers:
    return Providers(store, secrets, catalogue)


def names(catalogue: Catalogue) -> list[str]:
    return [entry.name for entry in catalogue.entries()]


def fake(*models: str, name: str = "Test", **more: object) -> ProviderIn:
    chosen = [ChosenModelIn(name=model) for model in models]
    return ProviderIn.model_validate({"kind": "fake", "name": name, "models": chosen, **more})


async def test_the_embedder_is_there_from_the_start(catalogue: Catalogue) -> None:
    [entry] = catalogue.entries()
    assert entry.local
    assert entry.provider_id == "embedding"
    assert "embedding" in entry.facts.capabilities
    assert catalogue.resolve(f"{entry.name}:latest") is entry


async def test_a_local_model_is_seen_as_soon_as_it_is_there(
    catalogue: Catalogue, models: ModelStore, weights: Path
) -> None:
    await asyncio.to_thread(models.import_gguf, weights, "Tiny:x")
    entry = catalogue.resolve("Tiny:x")
    assert entry.local
    assert entry.provider_id == "local"
    assert entry.upstream == "Tiny:x"
    assert entry.facts.context_length == 2048
    assert entry.facts.languages == ("en",)
    assert entry.digest == models.resolve("Tiny:x").digest
    await asyncio.to_thread(models.delete, "tiny:X")
    with pytest.raises(ModelNotFound, match="model 'Tiny:x' not found; see"):
        catalogue.resolve("Tiny:x")


@pytest.mark.parametrize(
    "name",
    ["m", "M", "m:latest", "library/m", "Library/M:Latest", "registry.ollama.ai/library/m:latest", "local/m:latest"],
)
async def test_local_names_may_be_written_as_ollama_does(
    catalogue: Catalogue, models: ModelStore, weights: Path, name: str
) -> None:
    await asyncio.to_thread(models.import_gguf, weights, "m")
    assert catalogue.resolve(name).name == "m:latest"


@pytest.mark.parametrize("name", ["", "m:other", "other/m", "a b c", "../m", "x" * 1000])
async def test_other_names_are_not_found(catalogue: Catalogue, models: ModelStore, weights: Path, name: str) -> None:
    await asyncio.to_thread(models.import_gguf, weights, "m")
    with pytest.raises(ModelNotFound):
        catalogue.resolve(name)


@pytest.mark.parametrize("name", ["hearth", "HEARTH", "library/hearth", "registry.ollama.ai/library/hearth"])
async def test_a_name_without_a_tag_means_the_only_one_there_is(
    catalogue: Catalogue, models: ModelStore, weights: Path, name: str
) -> None:
    await asyncio.to_thread(models.import_gguf, weights, "hearth:135m")
    assert catalogue.resolve(name).name == "hearth:135m"
    for other in ("hearth:latest", "hearth:", "other/hearth", "hearths"):
        with pytest.raises(ModelNotFound):
            catalogue.resolve(other)
    await asyncio.to_thread(models.copy, "hearth:135m", "hearth:360m")
    with pytest.raises(ModelNotFound):
        catalogue.resolve(name)
    assert [entry.name for entry in catalogue.tags(name)] == ["hearth:135m", "hearth:360m"]
    await asyncio.to_thread(models.copy, "hearth:135m", "hearth")
    assert catalogue.resolve(name).name == "hearth:latest"


async def test_a_bought_model_of_the_very_name_comes_before_a_tag(
    catalogue: Catalogue, providers: Providers, models: ModelStore, weights: Path
) -> None:
    await asyncio.to_thread(models.import_gguf, weights, "echo:135m")
    await providers.add(CONSOLE, fake("echo"))
    assert not catalogue.resolve("echo").local
    assert not catalogue.resolve("ECHO").local
    assert catalogue.resolve("echo:135m").local


async def test_models_of_an_ollama_folder_are_studied_after_the_start(
    store: Store, secrets: Secrets, models: ModelStore, parts: ProviderParts, weights: Path
) -> None:
    """Ollama's own config says little; the file says the rest."""
    await asyncio.to_thread(models.import_gguf, weights, "m", config={"capabilities": None, "languages": None})
    catalogue = Catalogue(store, secrets, models, parts)
    studied = asyncio.Event()
    await catalogue.start()
    assert catalogue.resolve("m").name == "m:latest"
    catalogue.on_change(studied.set)
    await studied.wait()
    assert catalogue.resolve("m").facts.languages == ("en",)
    await catalogue.stop()


async def test_a_provider_is_seen_once_its_write_is_done(catalogue: Catalogue, providers: Providers) -> None:
    info = await providers.add(CONSOLE, fake("echo", "slow"))
    assert {"echo", "slow"} < set(names(catalogue))
    entry = catalogue.resolve("echo")
    assert (entry.provider_id, entry.provider_name, entry.upstream, entry.local) == (info.id, "Test", "echo", False)
    assert catalogue.resolve("test/ECHO") is entry
    assert catalogue.resolve(f"{info.id}/echo") is entry
    before = entry.provider
    await providers.change(CONSOLE, info.id, ProviderPatch(models=[ChosenModelIn(name="slow", public_name="Langsam")]))
    assert catalogue.resolve("Langsam").provider is before
    with pytest.raises(ModelNotFound):
        catalogue.resolve("echo")
    await providers.change(CONSOLE, info.id, ProviderPatch(settings={"scripts": {}}))
    assert catalogue.resolve("Langsam").provider is not before
    await providers.change(CONSOLE, info.id, ProviderPatch(enabled=False))
    assert "Langsam" not in names(catalogue)
    with pytest.raises(Conflict, match="switched off"):
        await providers.offered(info.id)
    await providers.remove(CONSOLE, info.id)
    assert await providers.all() == []
    with pytest.raises(NotFound):
        await providers.get(info.id)


async def test_configured_providers_are_there_after_a_restart(
    store: Store, secrets: Secrets, models: ModelStore, parts: ProviderParts, catalogue: Catalogue, providers: Providers
) -> None:
    await providers.add(CONSOLE, fake("echo"))
    again = Catalogue(store, secrets, models, parts)
    await again.start()
    assert names(again) == names(catalogue)
    await again.stop()


async def test_a_bought_model_gives_way_to_a_local_one(
    catalogue: Catalogue, providers: Providers, models: ModelStore, weights: Path
) -> None:
    await providers.add(CONSOLE, fake("echo"))
    await asyncio.to_thread(models.import_gguf, weights, "echo")
    assert catalogue.resolve("echo:latest").local
    assert catalogue.resolve("Test/echo").provider_name == "Test"
    assert len(names(catalogue)) == len(set(names(catalogue)))


async def test_two_providers_may_offer_the_same_model(catalogue: Catalogue, providers: Providers) -> None:
    await providers.add(CONSOLE, fake("echo", name="One"))
    await providers.add(CONSOLE, fake("echo", name="Two"))
    assert catalogue.resolve("echo").provider_name == "One"
    assert catalogue.resolve("Two/echo").provider_name == "Two"
    taken = fake(name="Three")
    taken.models = [ChosenModelIn(name="x", public_name="echo")]
    with pytest.raises(Conflict, match="a model called echo already"):
        await providers.add(CONSOLE, taken)
    with pytest.raises(Conflict, match="a provider called one already"):
        await providers.add(CONSOLE, fake(name="one"))
    assert [info.name for info in await providers.all()] == ["One", "Two"]


async def test_two_models_may_swap_their_names(catalogue: Catalogue, providers: Providers) -> None:
    info = await providers.add(CONSOLE, fake("echo", "slow"))
    swapped = [ChosenModelIn(name="echo", public_name="slow"), ChosenModelIn(name="slow", public_name="echo")]
    await providers.change(CONSOLE, info.id, ProviderPatch(models=swapped))
    assert catalogue.resolve("slow").upstream == "echo"
    assert catalogue.resolve("echo").upstream == "slow"


async def test_standing_and_unknown_kinds_cannot_be_added(providers: Providers) -> None:
    for kind in ("local", "embedding", "nothing"):
        with pytest.raises(BadInput):
            await providers.add(CONSOLE, ProviderIn(kind=kind, name="x"))
    with pytest.raises(BadInput):
        await providers.add(CONSOLE, fake(settings={"scripts": 1}))


async def test_a_provider_whose_kind_is_gone_is_told_and_harms_nobody(
    store: Store, catalogue: Catalogue, providers: Providers
) -> None:
    row = ProviderRow(
        id="prv_x", kind="gone", name="Gone", settings={}, secret=None, enabled=True, created_at=1, updated_at=1
    )
    await store.write(lambda s: s.add(row))
    await catalogue.reload()
    [info] = await providers.all()
    assert "no kind of provider called 'gone'" in str(info.problem)


async def test_a_secret_is_encrypted_and_stays_until_it_is_replaced(
    store: Store, secrets: Secrets, catalogue: Catalogue, providers: Providers
) -> None:
    pytest.importorskip("inglenook.models.providers.openai_compatible")

    async def kept() -> str:
        row = await store.read(lambda s: s.get(ProviderRow, info.id))
        assert row is not None
        assert "very-secret" not in str(row.settings) + str(row.secret)
        return secrets.decrypt(row.secret) if row.secret else ""

    info = await providers.add(CONSOLE, ProviderIn(kind="openai-compatible", name="Vendor", settings=OPENAI))
    assert info.secrets == ["api_key"]
    assert "api_key" not in info.settings
    assert "sk-very-secret" in await kept()
    await providers.change(CONSOLE, info.id, ProviderPatch(settings={"base_url": "http://127.0.0.1:8/v1"}))
    assert "sk-very-secret" in await kept()
    await providers.change(
        CONSOLE, info.id, ProviderPatch(settings={"base_url": "http://127.0.0.1:8/v1", "api_key": "n"})
    )
    assert "sk-very-secret" not in await kept()
    changed = await providers.change(
        CONSOLE, info.id, ProviderPatch(settings={"base_url": "http://127.0.0.1:8/v1", "api_key": None})
    )
    assert changed.secrets == []
