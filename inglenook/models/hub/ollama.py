"""The Ollama registry, and hosts that speak its protocol (hf.co, modelscope.cn): a manifest, then its blobs.

Public models only: when a registry asks for a sign-in, an anonymous token is asked for, and only of the host the
registry itself is on. Blobs have the name of their hash, so a broken download goes on where it stopped.
"""

import re
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import orjson
from msgspec import Struct

from inglenook.kit.errors import BadInput
from inglenook.models.engine.model_file import inspect
from inglenook.models.errors import BadModelFile, ModelNotFound, PullFailed, WrongChecksum
from inglenook.models.hub import manifest as media
from inglenook.models.hub.base import Fetcher, Scheme, Source, Step, Tools
from inglenook.models.hub.download import demand_room, download, forget, refusal
from inglenook.models.hub.files import put_in_place, to_the_end
from inglenook.models.hub.manifest import Layer, Manifest, parse_manifest
from inglenook.models.hub.names import ModelName
from inglenook.models.hub.stored import StoredModel

MAX_MANIFEST = 1024 * 1024
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


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
        registry = _Registry(tools.outbound, self.scheme, self.wanted)
        tools.report(Step(status="pulling manifest"))
        data = await registry.manifest()
        manifest = _checked(data, self.wanted)
        weights = manifest.first(media.MODEL)
        assert weights is not None
        models = tools.models
        missing = [layer for layer in manifest.blobs if not _is_here(models.blob_path(layer.digest), layer)]
        demand_room(models.root, sum(layer.size - _begun(models.blob_path(layer.digest)) for layer in missing))
        with models.pin([layer.digest for layer in manifest.blobs]):
            for layer in manifest.blobs:
                await _blob(tools, registry, layer)
            tools.report(Step(status="verifying sha256 digest"))
            try:
                await to_the_end(inspect, models.blob_path(weights.digest))
            except BadModelFile:
                if weights in missing:
                    models.blob_path(weights.digest).unlink(missing_ok=True)
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


async def _blob(tools: Tools, registry: "_Registry", layer: Layer) -> None:
    path = tools.models.blob_path(layer.digest)
    partial = _partial(path)
    status = f"pulling {layer.digest.removeprefix('sha256:')[:12]}"

    def progress(completed: int, total: int) -> None:
        tools.report(Step(status=status, digest=layer.digest, total=layer.size, completed=completed))

    progress(0, layer.size)
    async with tools.alone(layer.digest):
        if _is_here(path, layer):
            progress(layer.size, layer.size)
            return
        fetched = await download(
            tools.outbound,
            registry.url(f"blobs/{layer.digest}"),
            partial,
            headers=registry.headers,
            size=layer.size,
            content_addressed=True,
            progress=progress,
        )
        if f"sha256:{fetched.sha256}" != layer.digest:
            forget(partial)
            raise WrongChecksum(
                f"{registry.host} sent a blob with SHA-256 {fetched.sha256} instead of {layer.digest[7:]}; it was "
                "removed, pull it again"
            )
        await to_the_end(put_in_place, partial, path)
        forget(partial)


def _partial(path: Path) -> Path:
    # Not Ollama's own `-partial`: those are sparse files of full size.
    return path.with_name(f"{path.name}-ink-partial")


def _is_here(path: Path, layer: Layer) -> bool:
    return path.is_file() and path.stat().st_size == layer.size


def _begun(path: Path) -> int:
    partial = _partial(path)
    return partial.stat().st_size if partial.is_file() else 0


class _Registry:
    """One repository of a registry, with the token it gave."""

    def __init__(self, outbound: Fetcher, scheme: str, name: ModelName) -> None:
        self.outbound = outbound
        self.scheme = scheme
        self.name = name
        self.host = name.host
        self.headers: dict[str, str] = {}

    def url(self, rest: str) -> str:
        return f"{self.scheme}://{self.host}/v2/{self.name.namespace}/{self.name.model}/{rest}"

    async def manifest(self) -> bytes:
        """The manifest's bytes as served; its hash is the model's digest."""
        url = self.url(f"manifests/{self.name.tag}")
        status, challenge, data = await self._get(url, {"accept": media.MANIFEST})
        if status == 401:
            self.headers = {"authorization": f"Bearer {await self._token(challenge)}"}
            status, challenge, data = await self._get(url, {"accept": media.MANIFEST})
        if status == 404:
            raise ModelNotFound(f"{self.host} has no model {self.name.short}; look there for its exact name and tag")
        if status != 200:
            raise refusal(status, url)
        return data

    async def _get(self, url: str, headers: dict[str, str] | None = None) -> tuple[int, str, bytes]:
        import httpx  # noqa: PLC0415 - heavy, and loaded by the client at its first request

        try:
            async with self.outbound.stream("GET", url, headers={**self.headers, **(headers or {})}) as response:
                data = bytearray()
                async for chunk in response.aiter_bytes():
                    data += chunk
                    if len(data) > MAX_MANIFEST:
                        raise PullFailed(f"{self.host} sent more than {MAX_MANIFEST} bytes where a manifest should be")
                return response.status_code, response.headers.get("www-authenticate", ""), bytes(data)
        except httpx.TransportError as error:
            raise PullFailed(
                f"{self.host} cannot be reached: {error or type(error).__name__}; check the name, the network and the "
                "proxy settings"
            ) from error

    async def _token(self, challenge: str) -> str:
        """An anonymous token from the realm of a challenge, which must be on the registry's own host."""
        asked = dict(_PARAMETER.findall(challenge))
        try:
            realm, own = urlsplit(asked.get("realm", "")), urlsplit(self.url(""))
            same = (realm.scheme, realm.hostname, realm.port) == (own.scheme, own.hostname, own.port)
        except ValueError:
            same = False
        if not same or realm.username is not None:
            raise PullFailed(
                f"{self.host} sends us elsewhere ({asked.get('realm', 'nowhere')[:100]}) for a sign-in; this is "
                "refused, since that host could be anybody's"
            )
        query = urlencode({key: asked[key] for key in ("service", "scope") if key in asked})
        status, _, data = await self._get(f"{realm.scheme}://{realm.netloc}{realm.path}?{query}")
        try:
            answer = orjson.loads(data)
            token = answer.get("token") or answer.get("access_token") if status == 200 else None
        except (ValueError, AttributeError):
            token = None
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise PullFailed(f"{self.host} wants a sign-in for {self.name.short}: the model is private or gated")
        return token


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
