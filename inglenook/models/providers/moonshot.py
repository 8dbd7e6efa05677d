"""Moonshot AI: Kimi. Of its newer models the sampling is fixed."""

from inglenook.models.profiles.base import Profile, Thinking
from inglenook.models.providers.openai_family import family_kind
from inglenook.models.providers.openai_vendor import Vendor, paths

VENDOR = Vendor(
    name="moonshot",
    paths=paths("chat"),
    profile=Profile(
        names={"max_tokens": "max_completion_tokens"},
        developer=False,
        refuses=frozenset({"logprobs", "logit_bias", "seed", "parallel_tool_calls"}),
        tool_choices=frozenset({"auto", "none", "required"}),
        thinking=Thinking(
            efforts=(),
            on={"thinking": {"type": "enabled"}},
            off={"thinking": {"type": "disabled"}},
        ),
        reasoning="reasoning_content",
    ),
    families="kimi",
)
KIND = family_kind(VENDOR, chinese="月之暗面（Kimi）")
