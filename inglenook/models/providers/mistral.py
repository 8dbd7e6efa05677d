"""Mistral AI. It refuses fields it does not know, and tells the usage of a stream unasked."""

from inglenook.models.profiles.base import Profile, Thinking
from inglenook.models.providers.openai_family import family_kind
from inglenook.models.providers.openai_vendor import Vendor, paths

VENDOR = Vendor(
    name="mistral",
    paths=paths("chat", "embeddings", "transcriptions", "speech", "moderations"),
    profile=Profile(
        names={
            "max_completion_tokens": "max_tokens",
            "seed": "random_seed",
            "stream_options": "",
        },
        refuses=frozenset({"logprobs", "logit_bias"}),
        stream_usage=False,
        developer=False,
        thinking=Thinking(efforts=("none", "high")),
    ),
    families="mistral",
    names={"openai.embeddings": {"dimensions": "output_dimension", "user": ""}},
)
KIND = family_kind(VENDOR)
