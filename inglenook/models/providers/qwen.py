"""Alibaba's Qwen by Model Studio (DashScope), in its OpenAI-compatible mode."""

from inglenook.kit.errors import TooMany
from inglenook.models.errors import ContentRefused, KeyRefused, OutOfCredit
from inglenook.models.profiles.base import Profile, Thinking
from inglenook.models.providers.openai_family import family_kind
from inglenook.models.providers.openai_vendor import Vendor, paths
from inglenook.models.providers.refusals import Wording

VENDOR = Vendor(
    name="qwen",
    paths={
        **paths("chat", "completions", "embeddings", "responses"),
        "rerank": "/../../compatible-api/v1/reranks",
    },
    profile=Profile(
        names={"max_completion_tokens": "max_tokens", "repeat_penalty": "repetition_penalty"},
        extensions=frozenset({"top_k", "repeat_penalty"}),
        refuses=frozenset({"logit_bias"}),
        developer=False,
        tool_choices=frozenset({"auto", "none", "named"}),
        thinking=Thinking(
            efforts=(),
            on={"enable_thinking": True},
            off={"enable_thinking": False},
            budget="thinking_budget",
        ),
        reasoning="reasoning_content",
        cache_marks=True,
        base64=False,
    ),
    families="qwen",
    wording=Wording(
        words={
            "arrearage": OutOfCredit,
            "access_denied": KeyRefused,
            "model.accessdenied": KeyRefused,
            "accessdenied.unpurchased": KeyRefused,
            "throttling": TooMany,
            "throttling.ratequota": TooMany,
            "throttling.burstrate": TooMany,
            "throttling.allocationquota": TooMany,
            "limit_requests": TooMany,
            "limit_burst_rate": TooMany,
            "data_inspection_failed": ContentRefused,
        }
    ),
)
KIND = family_kind(VENDOR, chinese="阿里云百炼（通义千问）")
