"""A repository of a registry that speaks the protocol of container registries, as Ollama's does, and its sign-in.

When a registry asks for one, a token is asked for of the host the registry itself is on, or of the one that the
administrator named for the registry of their own; nobody else is shown anything. Without credentials the token is an
anonymous one, which does for public models.
"""

import re
from urllib.parse import urlencode, urlsplit

import orjson

from inglenook.models.errors import ModelNotFound, PullFailed
from inglenook.models.hub import manifest as media
from inglenook.models.hub.access import Access, same_origin
from inglenook.models.hub.base import Fetcher
from inglenook.models.hub.download import refusal
from inglenook.models.hub.names import DEFAULT_HOST, ModelName
from inglenook.models.hub.pages import read_page

MAX_MANIFEST = 1024 * 1024
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_TOKEN = re.compile(r"[\x21-\x7e]+")


class Repository:
    """One repository of a registry, with the token it gave (`headers`)."""

    def __init__(self, outbound: Fetcher, access: Access, scheme: str, name: ModelName) -> None:
        self.name = name
        self.host = name.host
        self.headers: dict[str, str] = {}
        self._outbound = outbound
        self._access = access
        self._base = _base(access, scheme, name)
        self._challenge = ""

    def url(self, rest: str) -> str:
        """The address of `manifests/<tag>`, `blobs/<digest>`, …"""
        return f"{self._base}/v2/{self.name.namespace}/{self.name.model}/{rest}"

    async def manifest(self) -> bytes:
        """The manifest's bytes as served; its hash is the model's digest.

        Raises:
            ModelNotFound, PullFailed.
        """
        url = self.url(f"manifests/{self.name.tag}")
        status, challenge, data = await self._get(url, {"accept": media.MANIFEST})
        if status == 401:
            await self.sign_in(challenge)
            status, challenge, data = await self._get(url, {"accept": media.MANIFEST})
        if status == 404:
            raise ModelNotFound(f"{self.host} has no model {self.name.short}; look there for its exact name and tag")
        if status != 200:
            raise refusal(status, url)
        return data

    async def sign_in(self, challenge: str) -> None:
        """Do what a 401's `www-authenticate` asks for; `headers` are good from then on.

        Raises:
            PullFailed: it asks for what we do not have, or sends us to a host that could be anybody's.
        """
        self._challenge = challenge
        basic = self._access.registry_basic(self.url(""))
        if challenge.lower().startswith("basic"):
            if not basic:
                raise self._wants_sign_in()
            self.headers = {"authorization": basic}
            return
        self.headers = {"authorization": f"Bearer {await self._token(challenge)}"}

    async def renew(self) -> None:
        """Sign in again: tokens last for minutes, large blobs for hours."""
        if self._challenge:
            self.headers = {}
            await self.sign_in(self._challenge)

    async def _get(self, url: str, headers: dict[str, str] | None = None) -> tuple[int, str, bytes]:
        page = await read_page(self._outbound, url, {**self.headers, **(headers or {})}, limit=MAX_MANIFEST)
        return page.status, page.headers.get("www-authenticate", ""), page.body

    async def _token(self, challenge: str) -> str:
        """A token from the realm of a challenge, which must be on the registry's own host or on its known sign-in."""
        asked = dict(_PARAMETER.findall(challenge))
        realm = asked.get("realm", "")
        try:
            parts = urlsplit(realm)
            own = same_origin(realm, self.url("")) or (
                same_origin(self.url(""), self._access.now.registry) and self._access.signs_in(realm)
            )
        except ValueError:
            own = False
        if not own or parts.username is not None:
            raise PullFailed(
                f"{self.host} sends us elsewhere ({realm[:100] or 'nowhere'}) for a sign-in; this is "
                "refused, since that host could be anybody's. If it is a registry of your own, name that host in the "
                "settings under Where models come from"
            )
        query = urlencode({key: asked[key] for key in ("service", "scope") if key in asked})
        basic = self._access.registry_basic(realm)
        url = f"{parts.scheme}://{parts.netloc}{parts.path}?{query}"
        status, _, data = await self._get(url, {"authorization": basic} if basic else {})
        try:
            answer = orjson.loads(data)
            token = answer.get("token") or answer.get("access_token") if status == 200 else None
        except (ValueError, AttributeError):
            token = None
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise self._wants_sign_in()
        return token

    def _wants_sign_in(self) -> PullFailed:
        return PullFailed(
            f"{self.host} wants a sign-in for {self.name.short}: the model is private or gated. Credentials for a "
            "registry of your own can be set under Where models come from"
        )


def _base(access: Access, scheme: str, name: ModelName) -> str:
    settings, host = access.now, name.host.lower()
    if host == DEFAULT_HOST and settings.ollama_mirror:
        return settings.ollama_mirror.rstrip("/")
    if settings.registry and urlsplit(settings.registry).netloc.lower() == host:
        return settings.registry.rstrip("/")  # which may be http, where the name does not say so
    return f"{scheme}://{name.host}"
