"""Going out to a package index as pip or uv would: their proxy, certificates and credentials.

The address guard of `kit.http` does not apply here: the host is named by the index that the administrator set up in
pip's or uv's own settings (PyPI, if none), never by a user or a model, and a mirror in a private network is what such
settings are for. Redirects are followed as the tools follow them; credentials never go to another host.

Not known here, and left to the tool (`wheel` then lets it download): keyrings, `trusted-host`, uv's configuration
files and its named indexes' credentials.
"""

import ast
import netrc
import os
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import unquote, urlsplit, urlunsplit

import orjson

from inglenook import __version__
from inglenook.models.errors import PullFailed
from inglenook.models.hub.installer import Installer, run_tool

if TYPE_CHECKING:
    import httpx

_REDIRECTS = 10
_PAGE_LIMIT = 50_000_000
_JSON = "application/vnd.pypi.simple.v1+json"
_SETTING = re.compile(r"(?:global|install|download|:env:)\.([a-z-]+)=(.*)")
_UV_INDEXES = ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX", "UV_FIND_LINKS")


class Options(NamedTuple):
    """What a tool is set up with.

    Attributes:
        indexes: Addresses of indexes, perhaps with a name and password in them.
        proxy: For everything; else the environment says.
        certificates: A file or folder of trusted authorities, instead of the usual ones.
        client_certificate: A file with certificate and key to show.
    """

    indexes: tuple[str, ...] = ()
    proxy: str | None = None
    certificates: str | None = None
    client_certificate: str | None = None


class Promise(NamedTuple):
    """What an index's page says of a file."""

    sha256: str = ""
    size: int | None = None


async def options_of(tool: Installer, scratch: Path) -> Options:
    """The tool's own settings, from wherever it takes them."""
    if tool.name != "pip":
        return Options(tuple(word for name in _UV_INDEXES for word in os.environ.get(name, "").split()))
    lines: list[str] = []

    def heard(line: str) -> bool:
        lines.append(line)
        return False

    with suppress(PullFailed):
        await run_tool(tool, ["config", "list"], scratch, "its settings", heard=heard)
    return _options(lines)


def _options(lines: list[str]) -> Options:
    settings: dict[str, str] = {}
    for line in lines:  # pip lists what counts last, last
        if match := _SETTING.fullmatch(line):
            with suppress(ValueError, SyntaxError):
                settings[match[1]] = str(ast.literal_eval(match[2]))
    bundle = settings.get("cert") or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    indexes = [settings.get(name, "") for name in ("index-url", "extra-index-url", "find-links")]
    return Options(
        indexes=tuple(" ".join(indexes).split()),
        proxy=settings.get("proxy") or None,
        certificates=bundle or None,
        client_certificate=settings.get("client-cert") or None,
    )


class IndexClient:
    """Reads from indexes, as a `base.Fetcher`. Making one reads certificates: not on the event loop.

    Raises:
        OSError, ValueError: a certificate cannot be read.
        ImportError: the proxy is of a kind not known here.
    """

    def __init__(self, options: Options) -> None:
        import httpx  # noqa: PLC0415 - heavy: the first pull pays

        self._credentials = _credentials(options.indexes)
        self._client = httpx.AsyncClient(
            verify=_tls(options),
            proxy=options.proxy if not options.proxy or "://" in options.proxy else f"http://{options.proxy}",
            follow_redirects=True,
            max_redirects=_REDIRECTS,
            timeout=httpx.Timeout(60.0, connect=15.0),
            headers={"user-agent": f"inglenook/{__version__}"},
        )

    async def __aenter__(self) -> Self:
        """Ready at once."""
        return self

    async def __aexit__(self, *raised: object) -> None:
        """Close its connections."""
        await self._client.aclose()

    @asynccontextmanager
    async def stream(
        self, method: str, url: str, *, headers: dict[str, str] | None = None
    ) -> "AsyncIterator[httpx.Response]":
        """Send a request; see `base.Fetcher.stream`. A name and password in the URL are shown to its host only.

        Raises:
            PullFailed: the address is of no use.
        """
        import httpx  # noqa: PLC0415 - loaded by now

        plain, auth = self._signed(url)
        try:
            async with self._client.stream(method, plain, headers=headers, auth=auth) as response:
                yield response
        except (httpx.TooManyRedirects, httpx.InvalidURL) as error:
            raise PullFailed(f"the package index names an address that leads nowhere: {error}") from None

    async def promise(self, page: str, file: str) -> Promise | None:
        """Look up what an index's page says of one of its files; None if it cannot be read."""
        import httpx  # noqa: PLC0415

        plain, auth = self._signed(page)
        try:
            answer = await self._client.get(plain, auth=auth, headers={"accept": f"{_JSON}, text/html;q=0.1"})
        except (httpx.HTTPError, httpx.InvalidURL):
            return None
        if answer.status_code != 200 or len(answer.content) > _PAGE_LIMIT:
            return None
        return _promise(answer.content, file) if "json" in answer.headers.get("content-type", "") else Promise()

    def _signed(self, url: str) -> "tuple[str, httpx.Auth | None]":
        """A URL without name and password, and what to show its host."""
        import httpx  # noqa: PLC0415

        parts = urlsplit(url)
        plain = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        own = (unquote(parts.username or ""), unquote(parts.password or ""))
        told = any(own) and not own[1].startswith("***")  # the tools hide passwords in what they say
        if signature := own if told else self._credentials.get(_origin(url)):
            return plain, httpx.BasicAuth(*signature)
        with suppress(OSError, netrc.NetrcParseError):
            return plain, httpx.NetRCAuth()
        return plain, None


def _promise(page: bytes, file: str) -> Promise | None:
    try:
        entries: Any = orjson.loads(page)["files"]
        entry = next(entry for entry in entries if entry["filename"] == file)
        return Promise(str(entry["hashes"].get("sha256", "")), entry.get("size"))
    except (ValueError, LookupError, TypeError, AttributeError, StopIteration):
        return None


def _credentials(indexes: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for index in indexes:
        # uv writes a named index as name=URL
        url = index if re.match(r"[a-z]+://", index) else index.partition("=")[2]
        parts = urlsplit(url)
        if parts.username:
            found.setdefault(_origin(url), (unquote(parts.username), unquote(parts.password or "")))
    return found


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}"


def _tls(options: Options) -> ssl.SSLContext:
    if options.certificates:
        bundle = options.certificates
        folder = Path(bundle).is_dir()
        context = ssl.create_default_context(cafile=None if folder else bundle, capath=bundle if folder else None)
    else:
        import certifi  # noqa: PLC0415 - what the tools trust where nothing else is set

        context = ssl.create_default_context()
        context.load_verify_locations(certifi.where())
    if options.client_certificate:
        context.load_cert_chain(options.client_certificate)
    return context
