"""SiliconFlow: open models."""

from inglenook.kit.errors import TooMany, Unavailable
from inglenook.models.errors import KeyRefused, OutOfCredit
from inglenook.models.profiles.base import Profile, Thinking
from inglenook.models.providers.openai_family import family_kind
from inglenook.models.providers.openai_vendor import Vendor, paths
from inglenook.models.providers.refusals import Wording

VENDOR = Vendor(
    name="siliconflow",
    paths=paths("chat", "completions", "embeddings", "images", "transcriptions", "speech", "rerank"),
    profile=Profile(
        names={"max_completion_tokens": "max_tokens"},
        extensions=frozenset({"top_k", "min_p"}),
        refuses=frozenset({"seed", "presence_penalty", "logprobs", "logit_bias", "parallel_tool_calls"}),
        developer=False,
        thinking=Thinking(
            efforts=(),
            on={"enable_thinking": True},
            off={"enable_thinking": False},
            budget="thinking_budget",
        ),
        reasoning="reasoning_content",
    ),
    families="siliconflow",
    names={"openai.images": {"size": "image_size", "n": "batch_size", "response_format": ""}},
    wording=Wording(
        words={
            "30001": OutOfCredit,
            "30003": KeyRefused,
            "50505": Unavailable,
            "50603": Unavailable,
            "50602": TooMany,
        }
    ),
)
KIND = family_kind(VENDOR, chinese="硅基流动")
