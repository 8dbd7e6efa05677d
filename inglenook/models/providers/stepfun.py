"""StepFun: Step."""

from inglenook.models.errors import ContentRefused
from inglenook.models.profiles.base import Profile, Thinking
from inglenook.models.providers.openai_family import family_kind
from inglenook.models.providers.openai_vendor import Vendor, paths
from inglenook.models.providers.refusals import Wording

VENDOR = Vendor(
    name="stepfun",
    paths=paths("chat", "responses", "images", "transcriptions", "speech"),
    profile=Profile(
        names={"max_completion_tokens": "max_tokens"},
        refuses=frozenset({"seed", "presence_penalty", "logprobs", "logit_bias", "parallel_tool_calls"}),
        developer=False,
        thinking=Thinking(efforts=("low", "medium", "high")),
    ),
    families="step",
    wording=Wording(statuses={451: ContentRefused}),
)
KIND = family_kind(VENDOR, chinese="阶跃星辰")
