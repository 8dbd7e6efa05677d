"""Claude by Anthropic's own API, and other vendors' models by endpoints that speak its protocol."""

from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from inglenook.kit.errors import UpstreamFailed
from inglenook.kit.http.pool import HttpPool
from inglenook.models.providers.account import Account
from inglenook.models.providers.base import ModelFacts, ProviderKind, ProviderParts
from inglenook.models.providers.catalogue_data import vendor
from inglenook.models.providers.endpoint import CHINESE, Endpoint, EndpointSettings, read_settings, settings_schema
from inglenook.models.providers.wires.anthropic import OPERATIONS, WIRES, Messages
from inglenook.models.providers.wires.anthropic_requests import VERSION

BASE_URL = "https://api.anthropic.com"


class AnthropicSettings(EndpointSettings, kw_only=True):
    """Settings of this kind of provider."""

    base_url: str = BASE_URL


class Anthropic(Messages, Account):
    """One account."""

    kind: ClassVar[str] = "anthropic"
    wires = WIRES
    operations = OPERATIONS

    def __init__(self, settings: AnthropicSettings, http: HttpPool) -> None:
        super().__init__(Endpoint(settings, http, authorize=lambda key: {"x-api-key": key}))

    def output_length(self, model: str) -> int:
        """See `Messages`."""
        facts = self.known(model)
        return facts.output_length if facts is not None else 0

    async def models(self, key: int = 0) -> list[ModelFacts]:
        """What `GET /v1/models` lists, page by page, with what is known of each."""
        found: list[ModelFacts] = []
        path = "/v1/models?limit=1000"
        while path:
            try:
                page = msgspec.convert(await self._endpoint.get(path, key=key, headers=_VERSION), _Page)
            except msgspec.ValidationError:
                raise UpstreamFailed(
                    "the provider did not answer with a list of models; is the base URL right?"
                ) from None
            found += [_facts(model, self.known(model.id)) for model in page.data if model.lifecycle != "retired"]
            path = f"/v1/models?limit=1000&after_id={page.last_id}" if page.has_more and page.last_id else ""
        return found


_VERSION = f"anthropic-version: {VERSION}\r\n".encode()


class _Support(Struct, frozen=True):
    supported: bool = False


class _Capabilities(Struct, frozen=True):
    image_input: _Support = _Support()
    pdf_input: _Support = _Support()
    thinking: _Support = _Support()


class _Model(Struct):
    id: str
    lifecycle: str = "active"
    max_input_tokens: int | None = None
    max_tokens: int | None = None
    capabilities: _Capabilities | None = None


class _Page(Struct):
    data: list[_Model]
    has_more: bool = False
    last_id: str | None = None


def _facts(model: _Model, known: ModelFacts | None) -> ModelFacts:
    """What its provider tells of a model, before what we knew of it."""
    known = known or ModelFacts(name=model.id)
    capabilities = set(known.capabilities) | {"tools"}
    told = model.capabilities or _Capabilities()
    for name, support in (("vision", told.image_input), ("files", told.pdf_input), ("thinking", told.thinking)):
        if support.supported:
            capabilities.add(name)
    return msgspec.structs.replace(
        known,
        capabilities=frozenset(capabilities),
        context_length=model.max_input_tokens or known.context_length,
        output_length=model.max_tokens or known.output_length,
    )


def _make(settings: dict[str, Any], parts: ProviderParts) -> Anthropic:
    return Anthropic(read_settings(settings, AnthropicSettings), parts.http)


KIND = ProviderKind(
    name="anthropic",
    title="Anthropic",
    icon="anthropic",
    settings_schema=settings_schema(base_url=BASE_URL),
    make=_make,
    known=lambda: vendor("anthropic").models(),
    docs="https://platform.claude.com/docs",
    keys_page="https://platform.claude.com/settings/keys",
    translations={"zh-CN": CHINESE},
)
