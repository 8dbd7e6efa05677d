"""Models in repositories of files, as Hugging Face and ModelScope have them: chosen, fetched, and made a model of.

Files are fetched by their SHA-256, so what two repositories (or an Ollama registry) share is fetched once. A model that
is split into parts is put together: from then on it is a file like any other.
"""

from typing import Protocol

import orjson
from msgspec import Struct

from inglenook.models.engine.model_file import inspect
from inglenook.models.errors import BadModelFile, PullFailed
from inglenook.models.hub import manifest as media
from inglenook.models.hub.base import Step, Tools
from inglenook.models.hub.blobs import fetch_blob, still_to_come
from inglenook.models.hub.choosing import RepositoryFile, choose
from inglenook.models.hub.download import demand_room
from inglenook.models.hub.files import to_the_end
from inglenook.models.hub.layout import facts_of
from inglenook.models.hub.manifest import Layer, Manifest, encode_manifest
from inglenook.models.hub.merge import merge
from inglenook.models.hub.names import ModelName
from inglenook.models.hub.stored import StoredModel

#: Where a config blob says which parts a model was put together from.
_PARTS = "parts"


class Listing(Struct, frozen=True):
    """The files of a repository, and the version they are of."""

    files: tuple[RepositoryFile, ...]
    revision: str


class Site(Protocol):
    """A place that has repositories."""

    @property
    def name(self) -> str:
        """Its host, for names and messages."""
        ...

    async def listing(self, tools: Tools, repository: str, revision: str) -> Listing:
        """What a repository holds.

        Raises:
            PullFailed, ModelNotFound: it cannot be had; says why and what to do.
        """
        ...

    def url(self, tools: Tools, repository: str, revision: str, path: str) -> str:
        """Where a file is."""
        ...

    def explain(self, error: PullFailed, tools: Tools, repository: str) -> PullFailed:
        """The error for a file that was refused, with what to do about it."""
        ...


class RepositorySource(Struct, frozen=True):
    """A model of a repository.

    Attributes:
        wanted: A quantization or a file of it; empty for the usual choice.
        name: What the model is called here.
    """

    site: Site
    repository: str
    revision: str
    wanted: str
    name: str

    @property
    def key(self) -> str:
        """The place, what is wanted of it, and our name."""
        whole = f"{self.site.name}/{self.repository}@{self.revision}:{self.wanted.lower()}"
        return f"{whole}>{ModelName.parse(self.name).key}"

    async def pull(self, tools: Tools) -> StoredModel:
        """List, choose, fetch, put together."""
        tools.report(Step(status="pulling manifest"))
        listing = await self.site.listing(tools, self.repository, self.revision)
        choice = choose(listing.files, self.wanted, f"{self.site.name}/{self.repository}")
        every = [*choice.weights, *([choice.projector] if choice.projector else [])]
        for file in every:
            if not file.sha256:
                raise PullFailed(
                    f"{self.site.name} does not tell the SHA-256 of {file.path}; pull it by its https address instead"
                )
        layers = [Layer(media_type=media.MODEL, digest=f"sha256:{file.sha256}", size=file.size) for file in every]
        parts, projectors = layers[: len(choice.weights)], layers[len(choice.weights) :]
        made = await to_the_end(_made_of, tools, parts) if len(parts) > 1 else None
        wanted = projectors if made else layers
        self._demand_room(tools, wanted, len(layers) - len(projectors) > 1 and not made)
        with tools.models.pin([layer.digest for layer in [*layers, *([made] if made else [])]]):
            for file, layer in zip(every, layers, strict=True):
                if layer in wanted:
                    await self._fetch(tools, listing.revision, file, layer)
            tools.report(Step(status="verifying sha256 digest"))
            weights = made or (parts[0] if len(parts) == 1 else await self._merged(tools, parts))
            with tools.models.pin([weights.digest]):
                return await self._keep(tools, weights, parts, projectors)

    def _demand_room(self, tools: Tools, layers: list[Layer], split: bool) -> None:
        needed = sum(still_to_come(tools.models, layer) for layer in layers)
        if split:  # while a part is put in, it is there twice
            needed += max(layer.size for layer in layers)
        demand_room(tools.models.root, needed)

    async def _fetch(self, tools: Tools, revision: str, file: RepositoryFile, layer: Layer) -> None:
        url = self.site.url(tools, self.repository, revision, file.path)
        try:
            await fetch_blob(tools, url, layer, headers=lambda: tools.access.headers(url))
        except PullFailed as error:
            if error.details.get("status") in (401, 403):
                raise self.site.explain(error, tools, self.repository) from error
            raise

    async def _merged(self, tools: Tools, parts: list[Layer]) -> Layer:
        """The blob of the parts put together, in whose place they go."""
        models = tools.models
        paths = [models.blob_path(part.digest) for part in parts]

        def tell(completed: int, total: int) -> None:
            tools.report(Step(status="putting the parts together", completed=completed, total=total))

        async with tools.alone(f"merge {parts[0].digest}"):
            return await to_the_end(merge, models, paths, tell)

    async def _keep(self, tools: Tools, weights: Layer, parts: list[Layer], projectors: list[Layer]) -> StoredModel:
        models = tools.models
        path = models.blob_path(weights.digest)
        try:
            facts = facts_of(await to_the_end(inspect, path))
            if len(parts) > 1:
                facts[_PARTS] = [part.digest for part in parts]
        except BadModelFile:
            await to_the_end(models.drop_unused, [weights.digest])
            raise
        tools.report(Step(status="writing manifest"))

        def keep() -> StoredModel:
            seeing = [Layer(media_type=media.PROJECTOR, digest=layer.digest, size=layer.size) for layer in projectors]
            with models.pin([weights.digest, *(layer.digest for layer in seeing)]):
                config = models.put_blob(orjson.dumps(facts), media.CONFIG)
                with models.pin([config.digest]):
                    whole = Manifest(config=config, layers=[weights, *seeing])
                    models.put_manifest(ModelName.parse(self.name), encode_manifest(whole))
            return models.resolve(self.name)

        return await to_the_end(keep)


def _made_of(tools: Tools, parts: list[Layer]) -> Layer | None:
    """The weights of a model here that were put together from these parts."""
    digests = [part.digest for part in parts]
    for model in tools.models.list():
        if model.config.get(_PARTS) == digests:
            size = model.gguf.stat().st_size
            return Layer(media_type=media.MODEL, digest=f"sha256:{model.blob}", size=size)
    return None
