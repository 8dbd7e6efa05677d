"""Together AI: open models."""

from inglenook.models.profiles.base import Profile, Thinking
from inglenook.models.providers.openai_family import family_kind
from inglenook.models.providers.openai_vendor import Vendor, paths

VENDOR = Vendor(
    name="together",
    paths=paths("chat", "completions", "embeddings", "images", "transcriptions", "translations", "speech", "rerank"),
    profile=Profile(
        names={"repeat_penalty": "repetition_penalty"},
        extensions=frozenset({"top_k", "min_p", "repeat_penalty"}),
        thinking=Thinking(efforts=(), on={"reasoning": {"enabled": True}}, off={"reasoning": {"enabled": False}}),
    ),
    families="together",
)
KIND = family_kind(VENDOR)
