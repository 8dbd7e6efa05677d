"""Groq: open models on chips of its own."""

from inglenook.kit.errors import TooMany, Unavailable
from inglenook.models.profiles.base import Profile
from inglenook.models.providers.openai_family import family_kind
from inglenook.models.providers.openai_vendor import Vendor, paths
from inglenook.models.providers.refusals import Wording

VENDOR = Vendor(
    name="groq",
    paths=paths("chat", "responses", "transcriptions", "translations", "speech"),
    profile=Profile(
        names={"max_tokens": "max_completion_tokens"},
        refuses=frozenset({"logprobs", "logit_bias", "n"}),
        user="user",
        reasoning="reasoning",
    ),
    families="groq",
    wording=Wording(statuses={413: TooMany, 498: Unavailable}),
)
KIND = family_kind(VENDOR)
