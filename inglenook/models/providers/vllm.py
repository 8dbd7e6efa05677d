"""A vLLM server of yours."""

from inglenook.models.profiles.base import Profile
from inglenook.models.providers.openai_family import family_kind
from inglenook.models.providers.openai_vendor import Vendor, paths

VENDOR = Vendor(
    name="vllm",
    icon="server",
    paths=paths("chat", "completions", "embeddings", "responses", "transcriptions", "translations", "rerank"),
    profile=Profile(
        names={"repeat_penalty": "repetition_penalty"},
        extensions=frozenset({"top_k", "min_p", "repeat_penalty"}),
        reasoning="reasoning",
    ),
    families="open",
    needs_key=False,
    own=True,
)
KIND = family_kind(VENDOR)
