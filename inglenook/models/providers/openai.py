"""OpenAI's own API."""

from typing import Any

from msgspec import structs

from inglenook.models.profiles.base import Profile
from inglenook.models.providers.base import ProviderParts
from inglenook.models.providers.openai_family import OpenAIFamily
from inglenook.models.providers.openai_vendor import Vendor, VendorSettings, paths, read_settings, vendor_kind

VENDOR = Vendor(
    name="openai",
    paths=paths(
        *("chat", "completions", "embeddings", "responses", "images"),
        *("transcriptions", "translations", "speech", "moderations"),
    ),
    profile=Profile(names={"max_tokens": "max_completion_tokens"}, user="user"),
    families="gpt",
    counts="/responses/input_tokens",
)


#: A setting of all who serve OpenAI's models.
SUMMARIES: dict[str, Any] = {
    "type": "boolean",
    "title": "Summaries of the thinking",
    "description": "Asks models that think to tell what they thought. OpenAI wants the organization to be verified.",
    "default": False,
}
SUMMARIES_CHINESE = {
    "Summaries of the thinking": "思考摘要",
    "Asks models that think to tell what they thought. OpenAI wants the organization to be verified.": (
        "让会思考的模型给出思考摘要。OpenAI 要求组织先通过验证。"
    ),
}


class OpenAISettings(VendorSettings, kw_only=True):
    """Settings of this kind of provider."""

    organization: str = ""
    project: str = ""
    summaries: bool = False


_MORE: dict[str, dict[str, Any]] = {
    "organization": {
        "type": "string",
        "title": "Organization",
        "description": "For keys that belong to several; empty: the key's own.",
        "maxLength": 200,
    },
    "project": {"type": "string", "title": "Project", "maxLength": 200},
    "summaries": SUMMARIES,
}
_CHINESE = {
    "Organization": "组织",
    "For keys that belong to several; empty: the key's own.": "密钥属于多个组织时填写；留空则用密钥自己的组织。",
    "Project": "项目",
    **SUMMARIES_CHINESE,
}


def _make(given: dict[str, Any], parts: ProviderParts) -> OpenAIFamily:
    settings = read_settings(VENDOR, given, OpenAISettings)
    for name, value in (("openai-organization", settings.organization), ("openai-project", settings.project)):
        if value.strip():
            settings.headers = {name: value.strip(), **settings.headers}
    profile = structs.replace(VENDOR.profile, summaries=settings.summaries)
    return OpenAIFamily(VENDOR, settings, parts.http, profile)


KIND = vendor_kind(VENDOR, _make, more=_MORE, chinese=_CHINESE)
