"""Baidu's ERNIE by Qianfan, version 2 of its API."""

from inglenook.kit.errors import TooMany, Unavailable
from inglenook.models.errors import ContentRefused, KeyRefused, OutOfCredit
from inglenook.models.profiles.base import Profile, Thinking
from inglenook.models.providers.openai_family import family_kind
from inglenook.models.providers.openai_vendor import Vendor, paths
from inglenook.models.providers.refusals import Wording

VENDOR = Vendor(
    name="ernie",
    paths=paths("chat", "embeddings", "images", "rerank"),
    profile=Profile(
        names={"repeat_penalty": "repetition_penalty"},
        extensions=frozenset({"repeat_penalty"}),
        refuses=frozenset({"n", "logprobs", "logit_bias"}),
        developer=False,
        thinking=Thinking(
            efforts=(),
            on={"enable_thinking": True},
            off={"enable_thinking": False},
            budget="thinking_budget",
        ),
        user="user",
        base64=False,
    ),
    families="ernie",
    wording=Wording(
        words={
            "invalid_iam_token": KeyRefused,
            "invalid_authorization_header": KeyRefused,
            "invalid_appid": KeyRefused,
            "access_denied": KeyRefused,
            "no_permission": KeyRefused,
            "no_parameter_permission": KeyRefused,
            "account_overdue": OutOfCredit,
            "insufficient_balance": OutOfCredit,
            "rpm_rate_limit_exceeded": TooMany,
            "tpm_rate_limit_exceeded": TooMany,
            "preemptible_rpm_rate_limit_exceeded": TooMany,
            "preemptible_tpm_rate_limit_exceeded": TooMany,
            "system_unsafe": ContentRefused,
            "user_setting_unsafe": ContentRefused,
            "unsafe_input": ContentRefused,
            "server_overloaded": Unavailable,
        }
    ),
)
KIND = family_kind(VENDOR, chinese="百度千帆（文心）")
