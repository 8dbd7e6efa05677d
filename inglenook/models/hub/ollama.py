"""The Ollama registry, and hosts that speak its protocol: a manifest, then its blobs.

Blobs have the name of their hash, so a broken download goes on where it stopped.
"""

from msgspec import Struct

from inglenook.kit.errors import BadInput
from inglenook.models.engine.model_file import inspect
from inglenook.models.errors import BadModelFile, PullFailed
from inglenook.models.hub import manifest as media
from inglenook.models.hub.base import Scheme, Source, Step, Tools
from inglenook.models.hub.blobs import fetch_blob, is_here, still_to_come
from inglenook.models.hub.download import demand_room
from inglenook.models.hub.files import to_the_end
from inglenook.models.hub.manifest import Manifest, parse_manifest
from inglenook.models.hub.names import ModelName
from inglenook.models.hub.oci import Repository
from inglenook.models.hub.stored import StoredModel


class OllamaSource(Struct, frozen=True):
    """A model of a registry.

    Attributes:
        wanted: What the registry calls it.
        name: What it is called here.
        scheme: `http` only where the caller wrote so.
    """

    wanted: ModelName
    name: str
    scheme: str = "https"

    @property
    def key(self) -> str:
        """The registry's name and ours."""
        return f"{self.scheme}://{self.wanted.key}>{ModelName.parse(self.name).key}"

    async def pull(self, tools: Tools) -> StoredModel:
        """Fetch the manifest and what it names."""
        repository = Repository(tools.outbound, tools.access, self.scheme, self.wanted)
        tools.report(Step(status="pulling manifest"))
        data = await repository.manifest()
        manifest = _checked(data, self.wanted)
        weights = manifest.first(media.MODEL)
        assert weights is not None
        models = tools.models
        was_here = is_here(models.blob_path(weights.digest), weights)
        demand_room(models.root, sum(still_to_come(models, layer) for layer in manifest.blobs))
        with models.pin([layer.digest for layer in manifest.blobs]):
            for layer in manifest.blobs:
                await fetch_blob(
                    tools,
                    repository.url(f"blobs/{layer.digest}"),
                    layer,
                    headers=lambda: repository.headers,
                    renew=repository.renew,
                )
            tools.report(Step(status="verifying sha256 digest"))
            try:
                await to_the_end(inspect, models.blob_path(weights.digest))
            except BadModelFile:
                if not was_here:
                    await to_the_end(models.drop_unused, [weights.digest], forced=True)
                raise
            tools.report(Step(status="writing manifest"))
            await to_the_end(models.put_manifest, ModelName.parse(self.name), data)
        return await to_the_end(models.resolve, self.name)


def _checked(data: bytes, wanted: ModelName) -> Manifest:
    try:
        manifest = parse_manifest(data)
    except ValueError as error:
        raise PullFailed(f"{wanted.host} sent a manifest of {wanted.short} that cannot be read: {error}") from None
    if manifest.first(media.MODEL) is None:
        raise PullFailed(f"{wanted.short} has no GGUF weights: it cannot be run here")
    if len(manifest.blobs) > 1000:
        raise PullFailed(f"{wanted.host} sent a manifest of {wanted.short} with {len(manifest.blobs)} parts")
    return manifest


def source_of(text: str, name: str | None) -> OllamaSource:
    """A source for a name as Ollama writes it.

    Raises:
        BadInput: the name is malformed, or has another scheme than http or https.
    """
    before, found, _ = text.strip().lower().partition("://")
    scheme = before if found else "https"
    if scheme not in ("http", "https"):
        raise BadInput(f"{text} is neither http:// nor https://", field="source")
    wanted = ModelName.parse(text)
    return OllamaSource(wanted, ModelName.parse(name).short if name else wanted.short, scheme)


def _parse(rest: str, name: str | None) -> Source:
    return source_of(rest, name)


SCHEME = Scheme("ollama", "qwen3:0.6b", _parse)
