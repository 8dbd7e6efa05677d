"""iFlytek's Spark over HTTP. It answers 200 to everything and says in a code whether it went well."""

from inglenook.kit.errors import BadInput, TooMany, Unavailable
from inglenook.models.errors import ContentRefused, ContextTooLong, KeyRefused
from inglenook.models.profiles.base import Profile, Thinking
from inglenook.models.providers.openai_family import family_kind
from inglenook.models.providers.openai_vendor import Vendor, paths
from inglenook.models.providers.refusals import Wording

VENDOR = Vendor(
    name="spark",
    paths=paths("chat"),
    profile=Profile(
        names={"max_completion_tokens": "max_tokens"},
        extensions=frozenset({"top_k"}),
        refuses=frozenset({"n", "seed", "stop", "logprobs", "logit_bias", "parallel_tool_calls"}),
        stream_usage=False,
        developer=False,
        formats=frozenset({"json_object"}),
        thinking=Thinking(efforts=(), on={"thinking": {"type": "enabled"}}, off={"thinking": {"type": "disabled"}}),
        user="user",
        # Otherwise a tool call is an object where all others have a list.
        extras={"tool_calls_switch": True},
    ),
    families="spark",
    wording=Wording(
        code="code",
        text="message",
        words={
            **dict.fromkeys(("10003", "10004", "10005", "10163"), BadInput),
            **dict.fromkeys(("10006", "10007", "11201", "11202", "11203"), TooMany),
            **dict.fromkeys(("10008", "10110"), Unavailable),
            **dict.fromkeys(("10013", "10014", "10019", "10021"), ContentRefused),
            **dict.fromkeys(("10015", "10016", "11200"), KeyRefused),
            "10907": ContextTooLong,
        },
    ),
    lists="",
)
KIND = family_kind(VENDOR, chinese="讯飞星火")
