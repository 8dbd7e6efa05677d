"""Manifests: which blobs make a model. Docker's schema 2 with Ollama's media types."""

import hashlib
import re

import msgspec
from msgspec import Struct, field

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
MODEL = "application/vnd.ollama.image.model"
PROJECTOR = "application/vnd.ollama.image.projector"
ADAPTER = "application/vnd.ollama.image.adapter"
TEMPLATE = "application/vnd.ollama.image.template"
SYSTEM = "application/vnd.ollama.image.system"
PARAMS = "application/vnd.ollama.image.params"
MESSAGES = "application/vnd.ollama.image.messages"
LICENSE = "application/vnd.ollama.image.license"

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Layer(Struct, rename="camel", omit_defaults=True):
    """A blob and what it is; `size` in bytes, `digest` as `sha256:<64 hex>`."""

    media_type: str = ""
    digest: str = ""
    size: int = 0


class Manifest(Struct, rename="camel"):
    """What a tag points to. `config` is a blob too: JSON facts of the model."""

    schema_version: int = 2
    media_type: str = MANIFEST
    config: Layer = field(default_factory=Layer)
    layers: list[Layer] = field(default_factory=list)

    def first(self, media_type: str) -> Layer | None:
        """The first layer of a kind."""
        return next((layer for layer in self.layers if layer.media_type == media_type), None)

    @property
    def blobs(self) -> list[Layer]:
        """Everything to fetch, each digest once, the config last."""
        every = [*self.layers, *([self.config] if self.config.digest else [])]
        return list({layer.digest: layer for layer in every}.values())


def parse_manifest(data: bytes) -> Manifest:
    """Read and check a manifest.

    Raises:
        ValueError: it is not JSON of the right shape, or a digest is malformed.
    """
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None
    for layer in manifest.blobs:
        if not _DIGEST.fullmatch(layer.digest):
            raise ValueError(f"malformed digest {layer.digest[:80]!r}")
        if layer.size < 0:
            raise ValueError(f"layer {layer.digest} has a negative size")
    return manifest


def blob_name(digest: str) -> str:
    """The file name of `sha256:<hex>`: `sha256-<hex>`."""
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"malformed digest {digest[:80]!r}")
    return digest.replace(":", "-")


def encode_manifest(manifest: Manifest) -> bytes:
    """The bytes of a manifest file."""
    return msgspec.json.encode(manifest)


def digest_of(data: bytes) -> str:
    """`sha256:<hex>` of bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
