"""Voyage: embeddings and reranking."""

from typing import Any, ClassVar

from inglenook.kit.http.pool import HttpPool
from inglenook.models.calls import EmbeddingRequest
from inglenook.models.providers.base import ProviderKind, ProviderParts
from inglenook.models.providers.catalogue_data import vendor
from inglenook.models.providers.endpoint import CHINESE, Endpoint, EndpointSettings, read_settings, settings_schema
from inglenook.models.providers.ranking import Ranking
from inglenook.models.providers.wires.carrying import check_local

BASE_URL = "https://api.voyageai.com/v1"
_INPUT_TYPES = {"query": "query", "passage": "document"}


class VoyageSettings(EndpointSettings, kw_only=True):
    """Settings of this kind of provider."""

    base_url: str = BASE_URL


class Voyage(Ranking):
    """One account. Its rankings have other names than everybody's, so callers of those are translated."""

    kind: ClassVar[str] = "voyage"
    wires: frozenset[str] = frozenset()
    top_n: ClassVar[str] = "top_k"

    def __init__(self, settings: VoyageSettings, http: HttpPool) -> None:
        self._endpoint = Endpoint(settings, http)

    def embedding_body(self, model: str, request: EmbeddingRequest, texts: list[str]) -> dict[str, Any]:
        """See `Ranking`."""
        check_local(request.local)
        body: dict[str, Any] = {"model": model, "input": texts, "truncation": request.local.truncate is not False}
        if request.purpose is not None:
            body["input_type"] = _INPUT_TYPES[request.purpose]
        if request.dimensions is not None:
            body["output_dimension"] = request.dimensions
        return body


def _make(settings: dict[str, Any], parts: ProviderParts) -> Voyage:
    return Voyage(read_settings(settings, VoyageSettings), parts.http)


KIND = ProviderKind(
    name="voyage",
    title="Voyage AI",
    icon="voyage",
    settings_schema=settings_schema(base_url=BASE_URL),
    make=_make,
    known=lambda: vendor("voyage").models(),
    docs="https://docs.voyageai.com",
    keys_page="https://dashboard.voyageai.com/organization/api-keys",
    translations={"zh-CN": CHINESE},
)
