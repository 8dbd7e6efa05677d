"""Hugging Face: `hf:user/repo[:Q4_K_M]`, `hf.co/user/repo:Q4_K_M`, `hf:user/repo/file.gguf`, or the address of a file.

What is asked: `/api/models/<repo>/revision/<revision>?blobs=true` (the files, with the SHA-256 of the large ones), and
`/<repo>/resolve/<commit>/<file>`. Mirrors have both.
"""

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import orjson
from msgspec import Struct

from inglenook.kit.errors import BadInput
from inglenook.models.errors import ModelNotFound, PullFailed
from inglenook.models.hub.base import Scheme, Source, Tools
from inglenook.models.hub.choosing import RepositoryFile
from inglenook.models.hub.download import refusal
from inglenook.models.hub.names import ModelName
from inglenook.models.hub.pages import read_page
from inglenook.models.hub.repository import Listing, RepositorySource
from inglenook.models.hub.url import name_of_file

if TYPE_CHECKING:
    from collections.abc import Mapping

HOSTS = frozenset({"hf.co", "huggingface.co", "www.huggingface.co"})
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAIN = "main"


class HuggingFace(Struct, frozen=True):
    """Hugging Face, or the mirror that is set."""

    name: str = "hf.co"

    async def listing(self, tools: Tools, repository: str, revision: str) -> Listing:
        """See `Site`."""
        base = tools.access.now.hugging_face
        url = f"{base}/api/models/{quote(repository)}/revision/{quote(revision, safe='')}?blobs=true"
        page = await read_page(tools.outbound, url, tools.access.headers(url))
        if page.status == 200:
            return _read(page.body, url, revision)
        if page.status in (401, 403):
            raise _refused(page.status, page.headers, tools, repository)
        if page.status == 404:
            raise ModelNotFound(f"{urlsplit(base).hostname} has no repository {repository} with a version {revision}")
        raise refusal(page.status, url)

    def url(self, tools: Tools, repository: str, revision: str, path: str) -> str:
        """See `Site`."""
        return f"{tools.access.now.hugging_face}/{quote(repository)}/resolve/{quote(revision, safe='')}/{quote(path)}"

    def explain(self, error: PullFailed, tools: Tools, repository: str) -> PullFailed:
        """See `Site`."""
        return _refused(int(error.details.get("status", 403)), {}, tools, repository)


def _refused(status: int, headers: "Mapping[str, str]", tools: Tools, repository: str) -> PullFailed:
    settings = tools.access.now
    page = f"https://huggingface.co/{repository}"
    gated = headers.get("x-error-code", "") == "GatedRepo"
    if not settings.hf_token:
        what = "is gated" if gated else "is private or gated, or there is none of that name"
        why = (
            f"{repository} {what}; accept its terms at {page} and set a Hugging Face token under Where models come from"
        )
    elif settings.hf_mirror and not settings.hf_token_to_mirror:
        why = (
            f"{repository} is private or gated, and the mirror is not shown the Hugging Face token; take the mirror "
            "out for this pull, or let it see the token, under Where models come from"
        )
    elif gated or status == 403:
        why = f"the Hugging Face token may not read {repository}; accept its terms at {page}, as the token's owner"
    else:
        why = f"the Hugging Face token was refused for {repository}, or there is none of that name; set another token"
    return PullFailed(why, details={"status": status})


def _read(body: bytes, url: str, revision: str) -> Listing:
    try:
        answer: Any = orjson.loads(body)
        files = [
            RepositoryFile(str(entry["rfilename"]), int(entry.get("size") or 0), _hex(entry.get("lfs")))
            for entry in answer["siblings"]
        ]
        return Listing(tuple(files), str(answer.get("sha") or revision))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PullFailed(
            f"{urlsplit(url).hostname} did not answer as Hugging Face does; is the mirror's address right?"
        ) from None


def _hex(lfs: Any) -> str:
    told = lfs.get("sha256") or lfs.get("oid") or "" if isinstance(lfs, dict) else ""
    return told if isinstance(told, str) and _SHA256.fullmatch(told) else ""


def source_of(text: str, name: str | None) -> Source:
    """A source for what stands behind the host: `user/repo[:quantization]`, `user/repo/file.gguf`, or the path of a
    page (`user/repo/resolve/main/file.gguf`, `/blob/`).

    Raises:
        BadInput: it names none.
    """
    plain = text.strip("/").partition("#")[0].partition("?")[0]
    parts = plain.split("/")
    revision = _MAIN
    if len(parts) > 4 and parts[2] in ("resolve", "blob"):
        revision = unquote(parts[3])
        parts = [*parts[:2], *(unquote(part) for part in parts[4:])]
    elif len(parts) > 3 and parts[2] == "tree":
        revision, parts = unquote(parts[3]), parts[:2]
    if len(parts) == 2:
        return _quantized("/".join(parts), name, revision)
    if len(parts) < 3 or not all(parts) or not parts[-1].lower().endswith(".gguf"):
        raise BadInput(f"hf:{text} names no model; write hf:user/repo/file.gguf or hf:user/repo:Q4_K_M", field="source")
    own = ModelName.parse(name).short if name else name_of_file(parts[-1])
    return RepositorySource(HuggingFace(), "/".join(parts[:2]), revision, "/".join(parts[2:]), own)


def _quantized(text: str, name: str | None, revision: str) -> Source:
    wanted = ModelName.parse(f"hf.co/{text}")
    own = ModelName.parse(name).short if name else wanted.short
    return RepositorySource(HuggingFace(), f"{wanted.namespace}/{wanted.model}", revision, wanted.tag, own)


SCHEME = Scheme("hf", "hf:user/repo:Q4_K_M", source_of)
