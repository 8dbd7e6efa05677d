"""OpenAI's models on Azure: by the newer endpoint without versions, or by deployments and a dated version.

A model's name is that of its deployment, whatever model is behind it.
"""

from typing import Any

from msgspec import structs

from inglenook.kit.errors import BadInput
from inglenook.kit.http.pool import HttpPool, Url
from inglenook.models.profiles.base import Profile
from inglenook.models.providers.base import ModelFacts, ProviderParts
from inglenook.models.providers.openai import SUMMARIES, SUMMARIES_CHINESE
from inglenook.models.providers.openai_family import OpenAIFamily, Target
from inglenook.models.providers.openai_vendor import Vendor, VendorSettings, paths, read_settings, vendor_kind

VENDOR = Vendor(
    name="azure-openai",
    paths=paths(
        *("chat", "completions", "embeddings", "responses", "images"),
        *("transcriptions", "translations", "speech"),
    ),
    profile=Profile(names={"max_tokens": "max_completion_tokens"}, user="user"),
    families="gpt",
    authorize=lambda key: {"api-key": key},
)


class AzureSettings(VendorSettings, kw_only=True):
    """Settings of this kind of provider. `api_version` empty: the endpoint without versions."""

    api_version: str = ""
    summaries: bool = False


class AzureOpenAI(OpenAIFamily):
    """One resource."""

    def __init__(self, settings: AzureSettings, http: HttpPool) -> None:
        resource = settings.base_url.strip().rstrip("/").removesuffix("/openai/v1").removesuffix("/openai")
        self._version = settings.api_version.strip()
        settings.base_url = f"{resource}/openai" if self._version else f"{resource}/openai/v1"
        super().__init__(VENDOR, settings, http, structs.replace(VENDOR.profile, summaries=settings.summaries))

    async def models(self, key: int = 0) -> list[ModelFacts]:
        """Deployments cannot be listed with a key, so an administrator names them; this only shows the way is open."""
        path = f"/models?api-version={self._version}" if self._version else "/models"
        async with await self._endpoint.send("GET", self._endpoint.url(path), self._heads[key], None) as response:
            await response.read()
        return []

    def _target(self, model: str) -> Target:
        target = super()._target(model)
        if self._version and target.profile.responses == "preferred":  # older versions have no such endpoint
            target.profile = structs.replace(target.profile, responses="")
        return target

    def _urls_of(self, model: str) -> dict[str, Url]:
        if not self._version:
            return self._urls
        return {
            name: self._endpoint.url(f"/deployments/{model}{path}?api-version={self._version}")
            if name != "openai.responses"
            else self._endpoint.url(f"{path}?api-version={self._version}")
            for name, path in VENDOR.paths.items()
        }


_MORE: dict[str, dict[str, Any]] = {
    "api_version": {
        "type": "string",
        "title": "API version",
        "description": "Such as 2024-10-21, for a resource that has deployments only. Empty: the v1 endpoint.",
        "maxLength": 40,
    },
    "summaries": SUMMARIES,
}
_CHINESE = {
    "API version": "API 版本",
    "Such as 2024-10-21, for a resource that has deployments only. Empty: the v1 endpoint.": (
        "例如 2024-10-21，用于只有部署方式的资源。留空则使用 v1 接口。"
    ),
    **SUMMARIES_CHINESE,
}


def _make(given: dict[str, Any], parts: ProviderParts) -> AzureOpenAI:
    settings = read_settings(VENDOR, given, AzureSettings)
    if not settings.base_url.strip():
        raise BadInput("settings.base_url is needed", field="settings.base_url")
    return AzureOpenAI(settings, parts.http)


KIND = vendor_kind(VENDOR, _make, more=_MORE, chinese=_CHINESE)
