"""ModelScope: `modelscope:user/repo[:Q4_K_M]`, `modelscope.cn/user/repo:Q4_K_M`, `modelscope:user/repo/file.gguf`.

What is asked: `/api/v1/models/<repo>/repo/files` (the files with their SHA-256) and `/models/<repo>/resolve/…`.
"""

import re
from typing import Any
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

HOSTS = frozenset({"modelscope.cn", "www.modelscope.cn"})
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MASTER = "master"


class ModelScope(Struct, frozen=True):
    """ModelScope, or the mirror that is set."""

    name: str = "modelscope.cn"

    async def listing(self, tools: Tools, repository: str, revision: str) -> Listing:
        """See `Site`."""
        base = tools.access.now.modelscope
        url = f"{base}/api/v1/models/{quote(repository)}/repo/files?Revision={quote(revision, safe='')}&Recursive=true"
        page = await read_page(tools.outbound, url, tools.access.headers(url))
        if page.status in (401, 403):
            raise _refused(page.status, tools, repository)
        if page.status == 404:
            raise ModelNotFound(f"{urlsplit(base).hostname} has no repository {repository} with a version {revision}")
        if page.status != 200:
            raise refusal(page.status, url)
        return _read(page.body, url, revision, repository)

    def url(self, tools: Tools, repository: str, revision: str, path: str) -> str:
        """See `Site`."""
        base = tools.access.now.modelscope
        return f"{base}/models/{quote(repository)}/resolve/{quote(revision, safe='')}/{quote(path)}"

    def explain(self, error: PullFailed, tools: Tools, repository: str) -> PullFailed:
        """See `Site`."""
        return _refused(int(error.details.get("status", 403)), tools, repository)


def _refused(status: int, tools: Tools, repository: str) -> PullFailed:
    if tools.access.now.modelscope_token:
        why = f"the ModelScope token may not read {repository}, or there is none of that name; ask for access there"
    else:
        why = (
            f"{repository} is private, or there is none of that name; set a ModelScope token under Where models come "
            "from"
        )
    return PullFailed(why, details={"status": status})


def _read(body: bytes, url: str, revision: str, repository: str) -> Listing:
    try:
        answer: Any = orjson.loads(body)
        if not answer.get("Data"):
            raise ModelNotFound(
                f"{urlsplit(url).hostname} has no repository {repository}: {answer.get('Message') or 'it says no more'}"
            )
        files = [
            RepositoryFile(str(entry["Path"]), int(entry.get("Size") or 0), _hex(entry.get("Sha256")))
            for entry in answer["Data"]["Files"]
            if entry.get("Type") != "tree"
        ]
        return Listing(tuple(files), revision)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PullFailed(
            f"{urlsplit(url).hostname} did not answer as ModelScope does; is the mirror's address right?"
        ) from None


def _hex(told: Any) -> str:
    return told.lower() if isinstance(told, str) and _SHA256.fullmatch(told.lower()) else ""


def source_of(text: str, name: str | None) -> Source:
    """A source for what stands behind the host: `user/repo[:quantization]`, `user/repo/file.gguf`, or the path of a
    page (`models/user/repo/resolve/master/file.gguf`).

    Raises:
        BadInput: it names none.
    """
    parts = text.strip("/").partition("#")[0].partition("?")[0].split("/")
    if parts[0] == "models" and len(parts) > 2:
        parts = parts[1:]
    revision = _MASTER
    if len(parts) > 4 and parts[2] == "resolve":
        revision = unquote(parts[3])
        parts = [*parts[:2], *(unquote(part) for part in parts[4:])]
    if len(parts) == 2:
        wanted = ModelName.parse(f"modelscope.cn/{'/'.join(parts)}")
        own = ModelName.parse(name).short if name else wanted.short
        return RepositorySource(ModelScope(), f"{wanted.namespace}/{wanted.model}", revision, wanted.tag, own)
    if len(parts) < 3 or not all(parts) or not parts[-1].lower().endswith(".gguf"):
        raise BadInput(
            f"modelscope:{text} names no model; write modelscope:user/repo/file.gguf or modelscope:user/repo:Q4_K_M",
            field="source",
        )
    own = ModelName.parse(name).short if name else name_of_file(parts[-1])
    return RepositorySource(ModelScope(), "/".join(parts[:2]), revision, "/".join(parts[2:]), own)


SCHEME = Scheme("modelscope", "modelscope:user/repo:Q4_K_M", source_of)
