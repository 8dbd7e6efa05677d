"""Sending a model to a registry of one's own, by the protocol of Docker's registries: its blobs, then its manifest.

Blobs that are there already are not sent again, so a push that broke off goes on with the next blob. Everything goes to
the registry's own host: a place to upload to, or to sign in at, that is on another one is refused.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlencode, urljoin, urlsplit

import orjson
from msgspec import Struct

from inglenook.kit.errors import BadInput
from inglenook.models.errors import PushFailed
from inglenook.models.hub import manifest as media
from inglenook.models.hub.access import Access, same_origin
from inglenook.models.hub.base import Sender, Step
from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.manifest import Layer, parse_manifest
from inglenook.models.hub.names import DEFAULT_HOST, ModelName
from inglenook.models.hub.oci import Repository

_AT_ONCE = 1024 * 1024
#: Seconds a registry may take to look at a blob it was sent.
_PATIENCE = 600.0
#: Of an answer that is no blob.
_MAX_ANSWER = 64 * 1024

Report = Callable[[Step], None]


def destination(text: str, *, insecure: bool) -> tuple[ModelName, str]:
    """The name a model is pushed by, and the scheme its registry is spoken to by.

    Raises:
        InvalidModelName: it is none.
        BadInput: it names no registry of one's own.
    """
    name = ModelName.parse(text)
    if name.host.lower() == DEFAULT_HOST:
        raise BadInput(
            f"{text} names no registry of your own: {DEFAULT_HOST} takes models of its account holders only. Copy the "
            "model to host/namespace/name, and push that",
            field="model",
        )
    scheme = text.partition("://")[0].lower() if "://" in text else "http" if insecure else "https"
    if scheme not in ("http", "https"):
        raise BadInput(f"{text} is neither http:// nor https://", field="model")
    return name, scheme


async def push(
    store: ModelStore,
    outbound: Sender,
    name: ModelName,
    report: Report,
    *,
    scheme: str = "https",
    access: Access,
) -> None:
    """Send the model of that name to the registry in it. Who we are to it is among the settings, if it asks.

    Raises:
        ModelNotFound, BrokenModel: it is not here, or not whole.
        PushFailed: the registry would not have it.
        AddressRefused: the registry is on a private address that nobody allowed.
    """
    report(Step(status="retrieving manifest"))
    model = await asyncio.to_thread(store.resolve, name.full)
    data = await asyncio.to_thread(store.read_manifest, model.full_name.full)
    manifest = parse_manifest(data)
    registry = _Registry(outbound, Repository(outbound, access, scheme, name))
    with store.pin([layer.digest for layer in manifest.blobs]):
        for layer in manifest.blobs:
            await _blob(registry, layer, store.blob_path(layer.digest), report)
    report(Step(status="pushing manifest"))
    head = {"content-type": media.MANIFEST}
    answer = await registry.ask("PUT", f"manifests/{name.tag}", head, data)
    if answer.status not in (200, 201, 202):
        raise registry.refusal(answer, "the manifest")


async def _blob(registry: "_Registry", layer: Layer, path: Path, report: Report) -> None:
    status = f"pushing {layer.digest.removeprefix('sha256:')[:12]}"

    def progress(completed: int) -> None:
        report(Step(status=status, digest=layer.digest, total=layer.size, completed=completed))

    progress(0)
    there = await registry.ask("HEAD", f"blobs/{layer.digest}")
    if there.status == 200:
        progress(layer.size)
        return
    if there.status != 404:
        raise registry.refusal(there, f"blob {layer.digest[7:19]}")
    begun = await registry.ask("POST", "blobs/uploads/", {"content-length": "0"}, b"")
    if begun.status == 201:  # some take it as done: they knew the blob from another model
        progress(layer.size)
        return
    if begun.status != 202:
        raise registry.refusal(begun, f"blob {layer.digest[7:19]}")
    place = registry.own(begun.location)
    place += ("&" if urlsplit(place).query else "?") + urlencode({"digest": layer.digest})
    head = {"content-type": "application/octet-stream", "content-length": str(layer.size)}
    file = await asyncio.to_thread(path.open, "rb")
    try:
        done = await registry.ask("PUT", place, head, _pieces(file, progress))
    finally:
        file.close()
    if done.status not in (200, 201, 202, 204):
        raise registry.refusal(done, f"blob {layer.digest[7:19]}")
    progress(layer.size)


async def _pieces(file: BinaryIO, progress: Callable[[int], None]) -> AsyncIterator[bytes]:
    sent = 0
    while piece := await asyncio.to_thread(file.read, _AT_ONCE):
        yield piece
        sent += len(piece)
        progress(sent)


class _Answer(Struct):
    status: int
    location: str
    challenge: str
    body: bytes


class _Registry:
    """One repository of a registry, with what it wants to be shown."""

    def __init__(self, outbound: Sender, repository: Repository) -> None:
        self._outbound = outbound
        self._repository = repository
        self._base = repository.url("")

    async def ask(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        content: "bytes | AsyncIterator[bytes] | None" = None,
    ) -> _Answer:
        """Ask, once more with what it wants to be shown if it says so. (What cannot be sent twice comes after that.)"""
        answer = await self._send(method, path, headers, content)
        if answer.status == 401 and not isinstance(content, AsyncIterator):
            await self._repository.sign_in(answer.challenge)
            answer = await self._send(method, path, headers, content)
        return answer

    def own(self, location: str) -> str:
        """An address the registry sends us to, which must be its own.

        Raises:
            PushFailed: it is somebody else's.
        """
        place = urljoin(self._base, location)
        if not same_origin(place, self._base):
            raise PushFailed(
                f"{self._host} sends the upload elsewhere ({place[:100]}); this is refused, since that host could be "
                "anybody's"
            )
        return place

    def refusal(self, answer: _Answer, what: str) -> PushFailed:
        """The error for an answer that is a no."""
        why = {
            401: "it does not take our credentials, which are set under Where models come from",
            403: "it does not let us",
            404: "it takes no models there",
            413: "that is too large for it",
        }.get(answer.status, "it did not take it")
        said = _said(answer.body)
        return PushFailed(f"{self._host} answered {answer.status} for {what}: {said or why}")

    @property
    def _host(self) -> str:
        return urlsplit(self._base).netloc

    async def _send(
        self, method: str, path: str, headers: dict[str, str] | None, content: "bytes | AsyncIterator[bytes] | None"
    ) -> _Answer:
        import httpx  # noqa: PLC0415 - heavy, and loaded by the client at its first request

        head = {**(headers or {}), **self._repository.headers}
        try:
            async with self._outbound.stream(
                method, urljoin(self._base, path), headers=head, content=content, redirects=False, idle=_PATIENCE
            ) as response:
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _MAX_ANSWER:
                        break
                return _Answer(
                    response.status_code,
                    response.headers.get("location", ""),
                    response.headers.get("www-authenticate", ""),
                    bytes(body),
                )
        except httpx.TransportError as error:
            raise PushFailed(
                f"{self._host} cannot be reached: {error or type(error).__name__}; check the name and the network"
            ) from error


def _said(body: bytes) -> str:
    """What a registry's error says."""
    try:
        errors = orjson.loads(body)["errors"]
        return "; ".join(str(error.get("message") or error["code"]) for error in errors)[:300]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
