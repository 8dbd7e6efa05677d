"""01.AI: Yi."""

from inglenook.models.profiles.base import Profile, Thinking
from inglenook.models.providers.openai_family import family_kind
from inglenook.models.providers.openai_vendor import Vendor, paths

VENDOR = Vendor(
    name="yi",
    paths=paths("chat"),
    profile=Profile(
        names={"max_completion_tokens": "max_tokens"},
        refuses=frozenset(
            {
                *("n", "seed", "stop", "frequency_penalty", "presence_penalty"),
                *("logprobs", "logit_bias", "parallel_tool_calls"),
            }
        ),
        developer=False,
        formats=frozenset(),
        thinking=Thinking(efforts=(), off={}),
    ),
)
KIND = family_kind(VENDOR, chinese="零一万物（Yi）")
