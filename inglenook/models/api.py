"""`/api/v1/models`, `engine`, `hub`, `providers`: what there is, what is loaded, where more comes from."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from inglenook.accounts import audit
from inglenook.accounts.permissions import needs
from inglenook.accounts.principal import Principal, Thing, Verb
from inglenook.kit.errors import BadInput
from inglenook.models import schemas
from inglenook.models.catalogue import LOCAL, Catalogue, Entry
from inglenook.models.engine.defaults import Defaults
from inglenook.models.engine.service import Engine, LoadedModel
from inglenook.models.errors import BadModelFile, BrokenModel
from inglenook.models.hub.found import find_folders
from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.service import Hub, Pull
from inglenook.models.hub.suggestions import suggest
from inglenook.models.providers import registry
from inglenook.models.providers.base import ModelFacts
from inglenook.models.service import Providers
from inglenook.runs.live import WatchFrame
from inglenook.runs.sse import event_stream

router = APIRouter(prefix="/api/v1", tags=["models"])

#: Seconds between two progress events.
_EVENT_INTERVAL = 0.1


def _catalogue(request: Request) -> Catalogue:
    catalogue: Catalogue = request.app.state.catalogue
    return catalogue


def _engine(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


def _hub(request: Request) -> Hub:
    hub: Hub = request.app.state.hub
    return hub


def _model_store(request: Request) -> ModelStore:
    return _hub(request).models


def _providers(request: Request) -> Providers:
    state = request.app.state
    return Providers(state.store, state.secrets, state.catalogue)


TheCatalogue = Annotated[Catalogue, Depends(_catalogue)]
TheEngine = Annotated[Engine, Depends(_engine)]
TheHub = Annotated[Hub, Depends(_hub)]
TheModelStore = Annotated[ModelStore, Depends(_model_store)]
TheProviders = Annotated[Providers, Depends(_providers)]

# ------------------------------------------------------------------------------------------------- models


@router.get("/models")
async def list_models(
    request: Request,
    principal: Annotated[Principal, needs(Verb.READ, "model", some=True)],
    catalogue: TheCatalogue,
    engine: TheEngine,
) -> list[schemas.ModelInfo]:
    """The models and routes (provider `route`) the caller may use, by name, with what is loaded now."""
    await catalogue.rescan()
    await engine.measure()
    grants = request.app.state.accounts.grants
    loaded = {model.name: model for model in engine.status()}
    # Routes are the gateway's, and people choose them like models.
    routes: list[Entry] = request.app.state.routes.entries()
    entries = {entry.name: entry for entry in (*catalogue.entries(), *routes)}
    return [
        _model(entry, loaded.get(entry.upstream) if entry.local else None)
        for _, entry in sorted(entries.items())
        if grants.may(principal, Verb.READ, Thing("model", entry.name))
    ]


@router.get("/models/estimate")
async def estimate_memory(
    request: Request,
    principal: Annotated[Principal, needs(Verb.READ, "model", some=True)],
    catalogue: TheCatalogue,
    engine: TheEngine,
    name: Annotated[schemas.Name, Query(description="The model.")],
    num_ctx: Annotated[int | None, Query(ge=1, description="Context of one slot; by default as it is set.")] = None,
    slots: Annotated[int | None, Query(ge=1, le=64, description="Parallel slots; by default as set.")] = None,
) -> schemas.MemoryEstimate:
    """How much memory a model of this machine takes with a context, before it is loaded, and whether it fits."""
    entry = catalogue.resolve(name)
    request.app.state.accounts.grants.require(principal, Verb.READ, Thing("model", entry.name))
    if not entry.local:
        raise BadInput(f"{entry.name} does not run on this machine and takes no memory of it", field="name")
    return schemas.MemoryEstimate.model_validate(await engine.estimate(entry.upstream, num_ctx=num_ctx, slots=slots))


@router.get("/models/defaults")
async def read_defaults(
    request: Request,
    principal: Annotated[Principal, needs(Verb.READ, "model", some=True)],
    catalogue: TheCatalogue,
    engine: TheEngine,
    name: Annotated[schemas.Name, Query(description="The model.")],
) -> schemas.ModelDefaultsInfo:
    """What holds of a model of this machine unless a call says otherwise, and who said it."""
    entry = catalogue.resolve(name)
    request.app.state.accounts.grants.require(principal, Verb.READ, Thing("model", entry.name))
    return await _defaults(entry, engine)


@router.put("/models/defaults")
async def set_defaults(
    request: Request,
    body: schemas.ModelDefaultsIn,
    principal: Annotated[Principal, needs(Verb.MANAGE, "model")],
    catalogue: TheCatalogue,
    engine: TheEngine,
) -> schemas.ModelDefaultsInfo:
    """Set what holds of a model of this machine. A loaded one is loaded anew once its calls have ended."""
    entry = catalogue.resolve(body.name)
    await _defaults(entry, engine)
    defaults = Defaults(**body.defaults.model_dump(exclude_none=True))
    await request.app.state.model_defaults.put(principal, entry.upstream, defaults)
    return await _defaults(entry, engine)


@router.post("/models/load")
async def load_model(
    request: Request,
    body: schemas.LoadRequest,
    principal: Annotated[Principal, needs(Verb.USE, "model", some=True)],
    catalogue: TheCatalogue,
    engine: TheEngine,
) -> schemas.Loaded:
    """Load a model into memory, and wait until it is ready."""
    entry = catalogue.resolve(body.name)
    request.app.state.accounts.grants.require(principal, Verb.USE, Thing("model", entry.name))
    if not entry.local:
        return schemas.Loaded(load_ms=0)
    took = await engine.load(entry.upstream, num_ctx=body.num_ctx, keep_alive=body.keep_alive)
    return schemas.Loaded(load_ms=took)


@router.post("/models/unload")
async def unload_model(
    body: schemas.ModelRef,
    _: Annotated[Principal, needs(Verb.MANAGE, "engine")],
    catalogue: TheCatalogue,
    engine: TheEngine,
) -> schemas.Unloaded:
    """Take a model out of memory; a busy one goes when its calls have ended."""
    entry = catalogue.resolve(body.name)
    return schemas.Unloaded(unloaded=not entry.local or await engine.unload(entry.upstream))


@router.post("/models/delete", status_code=204)
async def delete_model(
    request: Request,
    body: schemas.ModelRef,
    principal: Annotated[Principal, needs(Verb.MANAGE, "model")],
    engine: TheEngine,
    models: TheModelStore,
) -> None:
    """Delete a model of this machine, with the files that no other model uses; it is unloaded first."""
    name = (await asyncio.to_thread(models.find, body.name)).short
    with suppress(BadModelFile, BrokenModel):  # such a one is not loaded
        await engine.unload(name)
    await asyncio.to_thread(models.delete, name)

    def write(session: Session) -> None:
        request.app.state.model_defaults.forget(session, name)
        audit.record(session, principal, "model.deleted", Thing("model", name))

    await request.app.state.store.write(write)


@router.get("/engine")
async def read_engine(_: Annotated[Principal, needs(Verb.READ, "engine")], engine: TheEngine) -> schemas.EngineInfo:
    """The memory that models take and may take, and the processes they run in."""
    await engine.measure()
    memory, settings = engine.memory(), engine.settings
    return schemas.EngineInfo(
        memory_used=memory.used,
        memory_budget=memory.budget,
        memory_available=memory.available,
        max_loaded=settings.max_loaded,
        parallel=settings.parallel,
        max_queue=settings.max_queue,
        keep_alive=settings.keep_alive,
        processes=[schemas.EngineProcess.model_validate(model) for model in engine.status()],
    )


# ---------------------------------------------------------------------------------------------------- hub


@router.get("/hub/suggestions")
async def list_suggestions(
    _: Annotated[Principal, needs(Verb.READ, "hub")], engine: TheEngine, models: TheModelStore, language: str = "en"
) -> list[schemas.SuggestionInfo]:
    """Models that fit this machine's memory, the most fitting for a reader of `language` first."""
    here = {name.short for name in await asyncio.to_thread(models.names)}
    zh = language.lower().startswith("zh")
    return [
        schemas.SuggestionInfo(
            name=found.name,
            title=found.title,
            description=found.zh if zh else found.en,
            languages=list(found.languages),
            license=found.license,
            memory=found.memory,
            sources=[schemas.SuggestedSource(source=place.source, size=place.size) for place in places],
            starter=found.starter,
            recommended=recommended,
            installed=found.name in here,
        )
        for found, places, recommended in suggest(
            engine.memory().budget, language=language, installed=here.__contains__
        )
    ]


@router.get("/hub/pulls")
async def list_pulls(_: Annotated[Principal, needs(Verb.READ, "hub")], hub: TheHub) -> list[schemas.PullInfo]:
    """Pulls that run, and the last that ended, newest first."""
    return [schemas.PullInfo.model_validate(pull) for pull in hub.pulls()]


@router.post("/hub/pulls", status_code=201)
async def start_pull(
    request: Request,
    body: schemas.PullRequest,
    principal: Annotated[Principal, needs(Verb.MANAGE, "hub")],
    hub: TheHub,
) -> schemas.PullInfo:
    """Begin to pull a model, or join the pull of the same source that is running."""
    pull = hub.start(body.source, name=body.name)
    await request.app.state.store.write(
        lambda session: audit.record(session, principal, "model.pulled", Thing("model", pull.model), source=pull.source)
    )
    return schemas.PullInfo.model_validate(pull)


@router.get("/hub/pulls/{pull_id}/events")
async def watch_pull(
    request: Request, pull_id: str, principal: Annotated[Principal, needs(Verb.READ, "hub")], hub: TheHub
) -> StreamingResponse:
    """The pull as it is and then every step, as server-sent events until it has ended."""
    hub.get(pull_id)
    grants = request.app.state.accounts.grants
    return event_stream(
        _frames(hub.watch(pull_id)), allowed=lambda: bool(grants.may(principal, Verb.READ, Thing("hub")))
    )


@router.delete("/hub/pulls/{pull_id}")
async def cancel_pull(
    pull_id: str, _: Annotated[Principal, needs(Verb.MANAGE, "hub")], hub: TheHub
) -> schemas.PullInfo:
    """Stop a pull. What arrived is kept for the next try."""
    return schemas.PullInfo.model_validate(await hub.cancel(pull_id))


@router.get("/hub/space")
async def read_space(_: Annotated[Principal, needs(Verb.READ, "hub")], hub: TheHub) -> schemas.SpaceInfo:
    """What models take on the disk, each and together, and what a prune would free."""
    return schemas.SpaceInfo.model_validate(await hub.measure())


@router.post("/hub/prune")
async def prune_models(
    request: Request,
    body: schemas.PruneRequest,
    principal: Annotated[Principal, needs(Verb.MANAGE, "hub")],
    hub: TheHub,
) -> schemas.PrunedInfo:
    """Remove files that no model uses; never what a loaded model or a pull works with."""
    pruned = await hub.prune(partials=body.partials)
    await request.app.state.store.write(
        lambda session: audit.record(
            session, principal, "models.pruned", Thing("hub"), files=pruned.files, freed=pruned.freed
        )
    )
    return schemas.PrunedInfo.model_validate(pruned)


@router.get("/hub/folders")
async def list_folders(
    _: Annotated[Principal, needs(Verb.MANAGE, "hub")], models: TheModelStore
) -> list[schemas.OllamaFolder]:
    """Folders of models that an Ollama on this machine has, which can be used without a copy (settings `hub`)."""
    found = await asyncio.to_thread(find_folders)
    used = {models.root, *([models.lent] if models.lent else [])}
    return [
        schemas.OllamaFolder(
            path=str(folder.path),
            models=folder.models,
            size=folder.size,
            readable=folder.readable,
            used=folder.path in used,
        )
        for folder in found
    ]


# ---------------------------------------------------------------------------------------------- providers


@router.get("/providers/kinds")
async def list_kinds(
    _: Annotated[Principal, needs(Verb.READ, "provider")], language: str = "en"
) -> list[schemas.ProviderKindInfo]:
    """The kinds of provider that can be added, in the words of `language` where a kind has them."""
    return await asyncio.to_thread(_kinds, language)  # the first time imports


@router.get("/providers/kinds/{name}/models")
async def list_known_models(
    name: str, _: Annotated[Principal, needs(Verb.READ, "provider")]
) -> list[schemas.KnownModel]:
    """The models that a kind of provider knows without asking anybody."""
    known = await asyncio.to_thread(lambda: registry.get(name).known())  # the first time reads a file
    return [schemas.KnownModel.model_validate(_known(facts)) for facts in known]


@router.get("/providers")
async def list_providers(
    _: Annotated[Principal, needs(Verb.READ, "provider")], providers: TheProviders
) -> list[schemas.ProviderInfo]:
    """The configured providers, oldest first. Secrets stay on the server."""
    return await providers.all()


@router.post("/providers", status_code=201)
async def add_provider(
    body: schemas.ProviderIn, principal: Annotated[Principal, needs(Verb.MANAGE, "provider")], providers: TheProviders
) -> schemas.ProviderInfo:
    """Set up a provider."""
    return await providers.add(principal, body)


@router.patch("/providers/{provider_id}")
async def change_provider(
    provider_id: str,
    body: schemas.ProviderPatch,
    principal: Annotated[Principal, needs(Verb.MANAGE, "provider")],
    providers: TheProviders,
) -> schemas.ProviderInfo:
    """Change a provider, or which of its models people here may see."""
    return await providers.change(principal, provider_id, body)


@router.delete("/providers/{provider_id}", status_code=204)
async def remove_provider(
    provider_id: str, principal: Annotated[Principal, needs(Verb.MANAGE, "provider")], providers: TheProviders
) -> None:
    """Remove a provider and its models."""
    await providers.remove(principal, provider_id)


@router.post("/providers/{provider_id}/check")
async def check_provider(
    provider_id: str, _: Annotated[Principal, needs(Verb.MANAGE, "provider")], providers: TheProviders
) -> schemas.ProviderCheck:
    """Ask a provider which models it offers: shows that address and key are right, and what there is to choose."""
    offered = await providers.offered(provider_id)
    chosen = {model.name for model in (await providers.get(provider_id)).models}
    return schemas.ProviderCheck(
        models=[
            schemas.OfferedModel.model_validate({**_known(facts), "chosen": facts.name in chosen}) for facts in offered
        ]
    )


@router.post("/providers/test")
async def try_provider(
    body: schemas.ProviderTestIn,
    principal: Annotated[Principal, needs(Verb.MANAGE, "provider")],
    providers: TheProviders,
) -> schemas.ProviderTest:
    """Try out a provider that is not saved: with every key, list its models or ask one of them for a token."""
    return schemas.ProviderTest.model_validate(await providers.test(principal, body.kind, body.settings, body.model))


@router.post("/providers/{provider_id}/test")
async def try_saved_provider(
    provider_id: str,
    body: schemas.SavedProviderTestIn,
    principal: Annotated[Principal, needs(Verb.MANAGE, "provider")],
    providers: TheProviders,
) -> schemas.ProviderTest:
    """Try out a provider as it is saved, or with changes that are not saved yet."""
    return schemas.ProviderTest.model_validate(
        await providers.test_saved(principal, provider_id, body.settings, body.model)
    )


# ---------------------------------------------------------------------------------------------- internals


async def _defaults(entry: Entry, engine: Engine) -> schemas.ModelDefaultsInfo:
    if not entry.local or entry.provider_id != LOCAL:
        raise BadInput(f"{entry.name} is no model of the store on this machine and has no defaults", field="name")
    own, modelfile, effective = await engine.defaults(entry.upstream)
    show = schemas.ModelDefaults.model_validate
    return schemas.ModelDefaultsInfo(
        name=entry.name, own=show(own), modelfile=show(modelfile), effective=show(effective)
    )


def _model(entry: Entry, loaded: LoadedModel | None) -> schemas.ModelInfo:
    facts = entry.facts
    return schemas.ModelInfo(
        name=entry.name,
        provider=entry.provider_name,
        provider_id=entry.provider_id,
        local=entry.local,
        built_in=entry.local and entry.provider_id != LOCAL,
        size=entry.size,
        digest=entry.digest,
        modified_at=entry.modified_at,
        capabilities=sorted(facts.capabilities),
        context_length=facts.context_length,
        output_length=facts.output_length,
        embedding_length=facts.embedding_length,
        languages=list(facts.languages),
        prices=None if entry.prices is None else schemas.ModelPrices.model_validate(entry.prices),
        family=entry.details.family,
        parameter_size=entry.details.parameter_size,
        quantization=entry.details.quantization_level,
        state=loaded.state if loaded else "idle" if entry.local else "remote",
        memory=loaded.memory if loaded else 0,
        loaded_context_length=loaded.context_length if loaded else 0,
        expires_at=loaded.expires_at if loaded else None,
        busy=loaded.busy if loaded else 0,
        pending=loaded.pending if loaded else 0,
    )


def _kinds(language: str) -> list[schemas.ProviderKindInfo]:
    return [
        schemas.ProviderKindInfo(
            name=kind.name,
            title=kind.title,
            icon=kind.icon,
            settings_schema=kind.settings_schema,
            docs=kind.docs,
            keys_page=kind.keys_page,
            group="here" if kind.starts_programs else "vendor" if kind.keys_page else "server",
        )
        for kind in (kind.localized(language) for kind in registry.kinds())
        if not kind.standing and not kind.hidden
    ]


def _known(facts: ModelFacts) -> dict[str, Any]:
    return {
        "name": facts.name,
        "capabilities": sorted(facts.capabilities),
        "context_length": facts.context_length,
        "output_length": facts.output_length,
        "embedding_length": facts.embedding_length,
        "languages": list(facts.languages),
        "prices": facts.prices,
    }


async def _frames(pulls: AsyncIterator[Pull]) -> AsyncIterator[WatchFrame]:
    number = 0
    async for pull in pulls:
        number += 1
        data = schemas.PullInfo.model_validate(pull).model_dump()
        yield WatchFrame(id=str(number), event="event", data=data)
        if pull.status == "running":
            await asyncio.sleep(_EVENT_INTERVAL)
