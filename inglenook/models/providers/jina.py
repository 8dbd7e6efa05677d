"""Jina: embeddings and reranking."""

from typing import Any, ClassVar

from msgspec import Struct

from inglenook.kit.http.pool import HttpPool
from inglenook.models.calls import EmbeddingRequest
from inglenook.models.profiles.families import families
from inglenook.models.providers.base import ProviderKind, ProviderParts
from inglenook.models.providers.catalogue_data import vendor
from inglenook.models.providers.endpoint import CHINESE, Endpoint, EndpointSettings, read_settings, settings_schema
from inglenook.models.providers.ranking import Ranking
from inglenook.models.providers.wires.carrying import check_local, refuse

BASE_URL = "https://api.jina.ai/v1"


class Profile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What differs between families of its models.

    Attributes:
        task: What it calls questions and passages, before `.query` and `.passage`; empty: it makes no difference.
        shortens: Whether its vectors can be shorter.
    """

    task: str = ""
    shortens: bool = False


class JinaSettings(EndpointSettings, kw_only=True):
    """Settings of this kind of provider."""

    base_url: str = BASE_URL


class Jina(Ranking):
    """One account."""

    kind: ClassVar[str] = "jina"

    def __init__(self, settings: JinaSettings, http: HttpPool) -> None:
        self._endpoint = Endpoint(settings, http)

    def embedding_body(self, model: str, request: EmbeddingRequest, texts: list[str]) -> dict[str, Any]:
        """See `Ranking`."""
        check_local(request.local)
        profile: Profile = families("jina.toml", Profile).of(model)
        body: dict[str, Any] = {"model": model, "input": texts, "embedding_type": "float"}
        if request.purpose is not None and profile.task:
            body["task"] = f"{profile.task}.{request.purpose}"
        if request.dimensions is not None:
            if not profile.shortens:
                raise refuse("dimensions", model, "its vectors have one length")
            body["dimensions"] = request.dimensions
        if request.local.truncate is not None:
            body["truncate"] = request.local.truncate
        return body


def _make(settings: dict[str, Any], parts: ProviderParts) -> Jina:
    return Jina(read_settings(settings, JinaSettings), parts.http)


KIND = ProviderKind(
    name="jina",
    title="Jina AI",
    icon="jina",
    settings_schema=settings_schema(base_url=BASE_URL),
    make=_make,
    known=lambda: vendor("jina").models(),
    docs="https://jina.ai/embeddings",
    keys_page="https://jina.ai/api-dashboard/key-manager",
    translations={"zh-CN": CHINESE},
)
