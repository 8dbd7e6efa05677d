"""MiniMax. It says in a code inside the answer whether it went well."""

from inglenook.kit.errors import BadInput, TooMany
from inglenook.models.errors import ContentRefused, ContextTooLong, KeyRefused, OutOfCredit
from inglenook.models.profiles.base import Profile, Thinking
from inglenook.models.providers.openai_family import family_kind
from inglenook.models.providers.openai_vendor import Vendor, paths
from inglenook.models.providers.refusals import Wording

VENDOR = Vendor(
    name="minimax",
    paths=paths("chat"),
    profile=Profile(
        names={"max_tokens": "max_completion_tokens"},
        refuses=frozenset(
            {
                *("n", "seed", "stop", "frequency_penalty", "presence_penalty"),
                *("logprobs", "logit_bias", "parallel_tool_calls"),
            }
        ),
        developer=False,
        tool_choices=frozenset({"auto"}),
        formats=frozenset(),
        thinking=Thinking(efforts=(), on={"thinking": {"type": "adaptive"}}, off={"thinking": {"type": "disabled"}}),
        reasoning="reasoning_details",
        # Otherwise the thinking stands in the answer's text.
        extras={"reasoning_split": True},
    ),
    families="minimax",
    wording=Wording(
        code="base_resp.status_code",
        text="base_resp.status_msg",
        words={
            **dict.fromkeys(("1004", "2049"), KeyRefused),
            **dict.fromkeys(("1002", "1041", "2045", "2056"), TooMany),
            "1008": OutOfCredit,
            **dict.fromkeys(("1026", "1027"), ContentRefused),
            "1039": ContextTooLong,
            "2013": BadInput,
        },
    ),
    lists="",
)
KIND = family_kind(VENDOR, chinese="MiniMax（稀宇科技）")
