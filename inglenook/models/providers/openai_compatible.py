"""Any server that speaks OpenAI's protocols: what it knows beyond them, the administrator says."""

from typing import Any

import msgspec

from inglenook.kit.errors import BadInput
from inglenook.models.profiles.base import Profile
from inglenook.models.providers.base import ProviderParts
from inglenook.models.providers.openai_family import OpenAIFamily
from inglenook.models.providers.openai_vendor import Vendor, VendorSettings, paths, read_settings, vendor_kind
from inglenook.models.providers.wires.openai import EXTENSIONS

VENDOR = Vendor(
    name="openai-compatible",
    title="OpenAI-compatible API",
    icon="plug",
    needs_key=False,
    paths=paths(
        *("chat", "completions", "embeddings", "responses", "images"),
        *("transcriptions", "translations", "speech", "moderations", "rerank"),
    ),
)


class OpenAICompatibleSettings(VendorSettings, kw_only=True):
    """Settings of this kind of provider; `_MORE` tells what they mean."""

    max_tokens_field: str = "max_tokens"
    extensions: list[str] = msgspec.field(default_factory=list)
    stream_usage: bool = True


_MORE: dict[str, dict[str, Any]] = {
    "max_tokens_field": {
        "type": "string",
        "title": "Field that limits an answer",
        "description": "OpenAI's newer models want max_completion_tokens.",
        "enum": ["max_tokens", "max_completion_tokens"],
        "default": "max_tokens",
    },
    "extensions": {
        "type": "array",
        "title": "Sampling fields it knows beyond OpenAI's",
        "items": {"type": "string", "enum": list(EXTENSIONS)},
    },
    "stream_usage": {
        "type": "boolean",
        "title": "Tells the usage of streams",
        "description": "Switch off for servers that refuse stream_options; usage is then estimated.",
        "default": True,
    },
}
_CHINESE = {
    "OpenAI-compatible API": "兼容 OpenAI 的 API",
    "Field that limits an answer": "限制回答长度的字段",
    "OpenAI's newer models want max_completion_tokens.": "OpenAI 较新的模型要用 max_completion_tokens。",
    "Sampling fields it knows beyond OpenAI's": "除 OpenAI 标准外还支持的采样字段",
    "Tells the usage of streams": "流式回答会报告用量",
    "Switch off for servers that refuse stream_options; usage is then estimated.": (
        "有的服务器不接受 stream_options，遇到时请关闭；关闭后用量为估算值。"
    ),
}


def _make(given: dict[str, Any], parts: ProviderParts) -> OpenAIFamily:
    settings = read_settings(VENDOR, given, OpenAICompatibleSettings)
    if not settings.base_url.strip():
        raise BadInput("settings.base_url is needed", field="settings.base_url")
    field = settings.max_tokens_field
    profile = Profile(
        names={} if field == "max_tokens" else {"max_tokens": field},
        extensions=frozenset(settings.extensions),
        stream_usage=settings.stream_usage,
    )
    return OpenAIFamily(VENDOR, settings, parts.http, profile)


KIND = vendor_kind(VENDOR, _make, more=_MORE, chinese=_CHINESE)
