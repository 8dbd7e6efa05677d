"""How a vendor of the OpenAI family is declared, and how it becomes a kind of provider."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec import Struct, field

from inglenook.kit.errors import BadInput
from inglenook.models.calls import Operation
from inglenook.models.profiles.base import Profile
from inglenook.models.providers import catalogue_data
from inglenook.models.providers.base import Provider, ProviderKind, ProviderParts
from inglenook.models.providers.catalogue_data import VendorData
from inglenook.models.providers.endpoint import CHINESE, EndpointSettings, settings_schema
from inglenook.models.providers.endpoint import read_settings as read_as
from inglenook.models.providers.refusals import USUAL, Wording

#: Where each protocol is asked behind the base URL, with what it does.
_PATHS = {
    "openai.chat": ("/chat/completions", Operation.CHAT),
    "openai.completions": ("/completions", Operation.COMPLETION),
    "openai.embeddings": ("/embeddings", Operation.EMBEDDING),
    "openai.responses": ("/responses", Operation.CHAT),
    "openai.images": ("/images/generations", Operation.IMAGE),
    "openai.transcriptions": ("/audio/transcriptions", Operation.TRANSCRIPTION),
    "openai.translations": ("/audio/translations", Operation.TRANSCRIPTION),
    "openai.speech": ("/audio/speech", Operation.SPEECH),
    "openai.moderations": ("/moderations", Operation.MODERATION),
    "rerank": ("/rerank", Operation.RERANK),
}


def paths(*names: str) -> dict[str, str]:
    """The usual places of protocols, `openai.` left out: `paths("chat", "embeddings", "rerank")`."""
    whole = [name if name in _PATHS else f"openai.{name}" for name in names]
    return {name: _PATHS[name][0] for name in whole}


def bearer(key: str) -> Mapping[str, str]:
    """An API key as a bearer token."""
    return {"authorization": f"Bearer {key}"}


class Vendor(Struct, frozen=True, kw_only=True):
    """What differs from the rest of the family.

    Attributes:
        name: Of the kind, of its file in `data/` and of its icon, unless `icon` says otherwise.
        paths: The protocols it speaks, and where; callers of these pass through.
        profile: How it wants things said, and `families` which file of `models/profiles` tells of its models.
        names: By protocol other than `openai.chat`, its own names of fields.
        wording: How it says what went wrong.
        lists: Path of its list of models; empty: it has none, and what is known is all there is.
        counts: Path where the tokens of a body of `/responses` are counted; empty: nowhere.
        proof: Path of something that only a good key opens, where its list is open to all.
        authorize: How it is shown an API key. `needs_key`: it answers nobody without one.
        headers: Sent with every request.
        own: It is a server that people run themselves. See `Provider`.
    """

    name: str
    icon: str = ""
    title: str = ""
    paths: dict[str, str] = field(default_factory=lambda: paths("chat"))
    profile: Profile = Profile()
    families: str = ""
    names: dict[str, dict[str, str]] = field(default_factory=dict)
    wording: Wording = USUAL
    lists: str = "/models"
    counts: str = ""
    proof: str = ""
    authorize: Callable[[str], Mapping[str, str]] = bearer
    needs_key: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    own: bool = False

    @property
    def operations(self) -> frozenset[Operation]:
        """What it has a way to do."""
        counted = {Operation.COUNT} if self.counts else set()
        return frozenset({*counted, *(_PATHS[name][1] for name in self.paths if name in _PATHS)})

    def data(self) -> VendorData | None:
        """What is known of it and its models; None: nothing."""
        return catalogue_data.find(self.name)


class VendorSettings(EndpointSettings, kw_only=True):
    """Settings of every vendor; what is left out is as its file in `data/` says."""

    base_url: str = ""


S = TypeVar("S", bound=VendorSettings)


def read_settings(vendor: Vendor, given: dict[str, Any], kind: type[S]) -> S:
    """A vendor's settings as their struct, completed.

    Raises:
        BadInput: something is missing or of the wrong type.
    """
    data, settings = vendor.data(), read_as(given, kind)
    if not settings.base_url.strip() and data is not None and data.endpoints:
        settings.base_url = data.endpoints[0].url
    if vendor.needs_key and not settings.api_key.strip() and not any(key.strip() for key in settings.api_keys):
        raise BadInput("settings.api_key is needed", field="settings.api_key")
    return settings


def vendor_kind(
    vendor: Vendor,
    make: Callable[[dict[str, Any], ProviderParts], Provider],
    *,
    more: dict[str, dict[str, Any]] | None = None,
    chinese: dict[str, str] | None = None,
) -> ProviderKind:
    """The kind of provider that a vendor is.

    Args:
        more: Properties of its settings besides those of all.
        chinese: What its own words are in Chinese.
    """
    data = vendor.data()
    urls = [endpoint.url for endpoint in data.endpoints] if data is not None else []
    schema = settings_schema(base_url=urls[0] if urls else None, key_required=vendor.needs_key, **(more or {}))
    if len(urls) > 1:
        schema["properties"]["base_url"]["examples"] = urls
    return ProviderKind(
        name=vendor.name,
        title=vendor.title or (data.title if data is not None else vendor.name),
        icon=vendor.icon or vendor.name,
        settings_schema=schema,
        make=make,
        known=tuple if data is None else data.models,
        docs=data.docs if data is not None else "",
        keys_page=data.keys if data is not None else "",
        translations={"zh-CN": {**CHINESE, **(chinese or {})}},
    )
