"""A GGUF file behind a URL. A broken download goes on where it stopped, if the server knows ranges."""

import hashlib
import re
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from inglenook.kit.errors import BadInput
from inglenook.models.errors import BadModelFile, WrongChecksum
from inglenook.models.hub import ollama
from inglenook.models.hub.base import Scheme, Source, Step, Tools
from inglenook.models.hub.download import download, forget, host_of
from inglenook.models.hub.files import to_the_end
from inglenook.models.hub.names import ModelName
from inglenook.models.hub.stored import StoredModel

_SHA256 = re.compile(r"[0-9a-f]{64}")
_QUANTIZATION = re.compile(r"[-._](I?Q\d\w*|(?:BF|FP?)(?:16|32)|MXFP4)$", re.IGNORECASE)


class UrlSource(Struct, frozen=True):
    """A URL, the name its model gets, and the SHA-256 its bytes must have, if known."""

    url: str
    name: str
    sha256: str | None = None

    @property
    def key(self) -> str:
        """The URL and the name."""
        return f"{self.url}>{self.name.lower()}"

    async def pull(self, tools: Tools) -> StoredModel:
        """Download, check and import it."""
        label = hashlib.sha256(self.url.encode()).hexdigest()[:24]
        partial = tools.models.blobs / f"download-{label}-partial"
        status = f"pulling {PurePosixPath(urlsplit(self.url).path).name or host_of(self.url)}"
        async with tools.alone(partial.name):
            fetched = await download(
                tools.outbound,
                self.url,
                partial,
                headers=tools.access.headers(self.url),
                connections=tools.access.now.connections,
                progress=lambda completed, total: tools.report(Step(status=status, completed=completed, total=total)),
            )
            tools.report(Step(status="verifying sha256 digest", total=fetched.size, completed=fetched.size))
            wanted = self.sha256 or _told(fetched.headers)
            try:
                if wanted and wanted != fetched.sha256:
                    raise WrongChecksum(
                        f"the file of {host_of(self.url)} has SHA-256 {fetched.sha256} instead of {wanted}; it was "
                        "removed, pull it again"
                    )
                tools.report(Step(status="writing manifest", total=fetched.size, completed=fetched.size))
                stored = await to_the_end(
                    tools.models.import_gguf, partial, self.name, how="move", hashed=fetched.sha256
                )
            except (WrongChecksum, BadModelFile):
                forget(partial)
                raise
            forget(partial)
            return stored


def _told(headers: dict[str, str]) -> str | None:
    """Hugging Face tells the SHA-256 of large files in the answer that redirects to them."""
    value = headers.get("x-linked-etag", "").strip('"').lower()
    return value if _SHA256.fullmatch(value) else None


def name_of_file(file: str) -> str:
    """A model name for a file name: `SmolLM2-135M-Instruct.Q4_1.gguf` is `smollm2-135m-instruct:q4_1`."""
    stem = re.sub(r"\.gguf$", "", file, flags=re.IGNORECASE)
    quantization = _QUANTIZATION.search(stem)
    tag = quantization[1] if quantization else "latest"
    base = stem[: quantization.start()] if quantization else stem
    plain = re.sub(r"[^a-z0-9_.-]+", "-", base.lower()).strip("-.")[:80] or "model"
    return ModelName.parse(f"{plain}:{tag.lower()}").short


def source_of(url: str, name: str | None) -> UrlSource:
    """A source for a URL that may end in `#sha256=<hex>`.

    Raises:
        BadInput: it is not an http(s) URL, carries credentials, or its checksum is malformed.
    """
    plain, _, fragment = url.partition("#")
    try:
        parsed = urlsplit(plain)
        _ = parsed.port  # looks whether it is one
    except ValueError as error:
        raise BadInput(f"{plain} is not a URL: {error}", field="source") from None
    if not parsed.hostname:
        raise BadInput(f"{plain} names no host", field="source")
    if parsed.username is not None:
        raise BadInput("a URL with a name and password cannot be pulled: they would be shown in lists", field="source")
    sha256 = fragment.lower().removeprefix("sha256=") if fragment else None
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        raise BadInput("what follows # must be sha256= and 64 hexadecimal digits", field="source")
    return UrlSource(plain, name or name_of_file(unquote(PurePosixPath(parsed.path).name)), sha256)


def _parse(scheme: str, rest: str, name: str | None) -> Source:
    url = f"{scheme}:{rest}"
    if not re.search(r"\.gguf\b", rest, re.IGNORECASE):
        return ollama.source_of(url, name)
    return source_of(url, name)


HTTPS = Scheme("https", "https://host/model.gguf", lambda rest, name: _parse("https", rest, name))
HTTP = Scheme("http", "http://host/model.gguf", lambda rest, name: _parse("http", rest, name))
