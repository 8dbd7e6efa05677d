"""DeepSeek. Thinking that led to a tool call must come back with it."""

from inglenook.models.profiles.base import Profile, Thinking
from inglenook.models.providers.openai_family import family_kind
from inglenook.models.providers.openai_vendor import Vendor, paths

VENDOR = Vendor(
    name="deepseek",
    paths={**paths("chat", "responses"), "openai.completions": "/../beta/completions"},
    profile=Profile(
        names={"max_completion_tokens": "max_tokens"},
        developer=False,
        formats=frozenset({"json_object"}),
        refuses=frozenset({"n", "seed", "logit_bias", "parallel_tool_calls"}),
        refuses_thinking=frozenset({"logprobs", "top_logprobs"}),
        thinking=Thinking(
            efforts=("high", "max"),
            on={"thinking": {"type": "enabled"}},
            off={"thinking": {"type": "disabled"}},
        ),
        reasoning="reasoning_content",
    ),
)
KIND = family_kind(VENDOR)
