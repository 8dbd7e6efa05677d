"""LM Studio on a machine of yours."""

from inglenook.models.profiles.base import Profile
from inglenook.models.providers.openai_family import family_kind
from inglenook.models.providers.openai_vendor import Vendor, paths

VENDOR = Vendor(
    name="lmstudio",
    icon="server",
    paths=paths("chat", "completions", "embeddings", "responses"),
    profile=Profile(
        extensions=frozenset({"top_k", "repeat_penalty"}),
        refuses=frozenset({"n"}),
        tool_choices=frozenset({"auto", "none", "required"}),
        formats=frozenset({"json_schema"}),
    ),
    needs_key=False,
    own=True,
)
KIND = family_kind(VENDOR)
