"""ByteDance's Doubao by Volcano Ark. A model's name may be that of an endpoint of yours (`ep-…`)."""

from inglenook.kit.errors import TooMany, Unavailable
from inglenook.models.errors import ContentRefused, KeyRefused, OutOfCredit
from inglenook.models.profiles.base import Profile, Thinking
from inglenook.models.providers.openai_family import family_kind
from inglenook.models.providers.openai_vendor import Vendor, paths
from inglenook.models.providers.refusals import Wording

VENDOR = Vendor(
    name="doubao",
    paths=paths("chat", "embeddings", "responses", "images"),
    profile=Profile(
        refuses=frozenset({"n", "seed"}),
        developer=False,
        thinking=Thinking(
            efforts=("minimal", "low", "medium", "high"),
            on={"thinking": {"type": "enabled"}},
            off={"thinking": {"type": "disabled"}},
        ),
        reasoning="reasoning_content",
    ),
    families="doubao",
    wording=Wording(
        words={
            "authenticationerror": KeyRefused,
            "accessdenied": KeyRefused,
            "invalidaccountstatus": KeyRefused,
            "accountoverdueerror": OutOfCredit,
            "modelnotopen": KeyRefused,
            "sensitivecontentdetected": ContentRefused,
            "sensitivecontentdetected.severeviolation": ContentRefused,
            "sensitivecontentdetected.violence": ContentRefused,
            "inputtextsensitivecontentdetected": ContentRefused,
            "inputimagesensitivecontentdetected": ContentRefused,
            "outputtextsensitivecontentdetected": ContentRefused,
            "ratelimitexceeded.endpointrpmexceeded": TooMany,
            "ratelimitexceeded.endpointtpmexceeded": TooMany,
            "modelaccountrpmratelimitexceeded": TooMany,
            "modelaccounttpmratelimitexceeded": TooMany,
            "accountratelimitexceeded": TooMany,
            "quotaexceeded": TooMany,
            "requestbursttoofast": TooMany,
            "serveroverloaded": Unavailable,
            "modelloadingerror": Unavailable,
        }
    ),
)
KIND = family_kind(VENDOR, chinese="火山方舟（豆包）")
