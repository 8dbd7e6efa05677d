"""Google's models by its API for developers (`generativelanguage.googleapis.com`), with an API key."""

from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from inglenook.kit.errors import UpstreamFailed
from inglenook.kit.http.pool import HttpPool
from inglenook.models.providers.account import Account
from inglenook.models.providers.base import ModelFacts, ProviderKind, ProviderParts
from inglenook.models.providers.catalogue_data import vendor
from inglenook.models.providers.endpoint import CHINESE, Endpoint, EndpointSettings, read_settings, settings_schema
from inglenook.models.providers.wires.gemini import OPERATIONS, Generate
from inglenook.models.providers.wires.gemini_refusals import WORDING

BASE_URL = "https://generativelanguage.googleapis.com/v1beta"


class GeminiSettings(EndpointSettings, kw_only=True):
    """Settings of this kind of provider."""

    base_url: str = BASE_URL


class Gemini(Generate, Account):
    """One account."""

    kind: ClassVar[str] = "gemini"
    wires: frozenset[str] = frozenset()
    operations = OPERATIONS

    def __init__(self, settings: GeminiSettings, http: HttpPool) -> None:
        super().__init__(Endpoint(settings, http, authorize=lambda key: {"x-goog-api-key": key}, wording=WORDING))

    async def models(self, key: int = 0) -> list[ModelFacts]:
        """What `GET /models` lists, page by page, with what is known of each."""
        found: list[ModelFacts] = []
        path = "/models?pageSize=1000"
        while path:
            try:
                page = msgspec.convert(await self._endpoint.get(path, key=key), _Page)
            except msgspec.ValidationError:
                raise UpstreamFailed(
                    "the provider did not answer with a list of models; is the base URL right?"
                ) from None
            for model in page.models:
                name = model.name.removeprefix("models/")
                if (facts := _facts(model, name, self.known(name))) is not None:
                    found.append(facts)
            path = f"/models?pageSize=1000&pageToken={page.next_page_token}" if page.next_page_token else ""
        return found


class _Model(Struct, rename="camel"):
    name: str
    input_token_limit: int = 0
    output_token_limit: int = 0
    supported_generation_methods: list[str] = []
    thinking: bool = False


class _Page(Struct, rename="camel"):
    models: list[_Model]
    next_page_token: str = ""


def _facts(model: _Model, name: str, known: ModelFacts | None) -> ModelFacts | None:
    """What its provider tells of a model, before what we knew of it; None for one that does neither chat nor embed."""
    methods = model.supported_generation_methods
    if "generateContent" in methods:
        can = frozenset({"completion", "tools", "vision", "files", *(["thinking"] if model.thinking else [])})
    elif "embedContent" in methods:
        can = frozenset({"embedding"})
    else:
        return None
    known = known or ModelFacts(name=name, capabilities=can)
    return msgspec.structs.replace(
        known,
        context_length=model.input_token_limit or known.context_length,
        output_length=(model.output_token_limit or known.output_length) if "completion" in can else 0,
    )


def _make(settings: dict[str, Any], parts: ProviderParts) -> Gemini:
    return Gemini(read_settings(settings, GeminiSettings), parts.http)


KIND = ProviderKind(
    name="gemini",
    title="Google Gemini",
    icon="gemini",
    settings_schema=settings_schema(base_url=BASE_URL),
    make=_make,
    known=lambda: vendor("gemini").models(),
    docs="https://ai.google.dev/gemini-api/docs",
    keys_page="https://aistudio.google.com/apikey",
    translations={"zh-CN": {**CHINESE, "Google Gemini": "谷歌 Gemini"}},
)
