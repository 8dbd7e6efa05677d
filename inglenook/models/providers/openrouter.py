"""OpenRouter: many vendors' models behind one key. It lists models with their prices, and tells what each call cost."""

from inglenook.kit.errors import TooMany, Unavailable, UpstreamFailed, UpstreamTimeout
from inglenook.models.errors import ContentRefused, KeyRefused, OutOfCredit
from inglenook.models.profiles.base import Profile, Thinking
from inglenook.models.providers.openai_family import family_kind
from inglenook.models.providers.openai_vendor import Vendor, paths
from inglenook.models.providers.refusals import Wording

VENDOR = Vendor(
    name="openrouter",
    paths=paths("chat", "completions", "embeddings", "responses"),
    profile=Profile(
        names={"repeat_penalty": "repetition_penalty"},
        extensions=frozenset({"top_k", "min_p", "repeat_penalty"}),
        thinking=Thinking(
            efforts=("none", "minimal", "low", "medium", "high", "xhigh"),
            effort="reasoning.effort",
            budget="reasoning.max_tokens",
        ),
        reasoning="reasoning",
        user="user",
        cache_marks=True,
    ),
    # Everybody may read the list of models.
    proof="/key",
    wording=Wording(
        words={
            "401": KeyRefused,
            "402": OutOfCredit,
            "403": ContentRefused,
            "408": UpstreamTimeout,
            "429": TooMany,
            "502": UpstreamFailed,
            "503": Unavailable,
        }
    ),
)
KIND = family_kind(VENDOR)
