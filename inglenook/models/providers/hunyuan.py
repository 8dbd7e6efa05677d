"""Tencent's Hunyuan."""

from inglenook.kit.errors import TooMany
from inglenook.models.errors import ContentRefused, KeyRefused, OutOfCredit
from inglenook.models.profiles.base import Profile, Thinking
from inglenook.models.providers.openai_family import family_kind
from inglenook.models.providers.openai_vendor import Vendor, paths
from inglenook.models.providers.refusals import Wording

VENDOR = Vendor(
    name="hunyuan",
    paths=paths("chat", "embeddings"),
    profile=Profile(
        refuses=frozenset({"n", "logprobs", "logit_bias", "frequency_penalty", "presence_penalty"}),
        developer=False,
        tool_choices=frozenset({"auto", "none", "named"}),
        formats=frozenset(),
        thinking=Thinking(efforts=(), on={"enable_thinking": True}, off={"enable_thinking": False}),
        base64=False,
    ),
    families="hunyuan",
    wording=Wording(
        words={
            "authfailure": KeyRefused,
            "invalid_api_key": KeyRefused,
            "failedoperation.servicenotactivated": KeyRefused,
            "resourceinsufficient.chargeresourceexhaust": OutOfCredit,
            "failedoperation.freeresourcepackageexhausted": OutOfCredit,
            "failedoperation.resourcepackageexhausted": OutOfCredit,
            "limitexceeded": TooMany,
            "requestlimitexceeded": TooMany,
            "failedoperation.engineratelimitexceeded": TooMany,
            "operationdenied.textillegaldetected": ContentRefused,
            "operationdenied.imageillegaldetected": ContentRefused,
        }
    ),
    lists="",
)
KIND = family_kind(VENDOR, chinese="腾讯混元")
