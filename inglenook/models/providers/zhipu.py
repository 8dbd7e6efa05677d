"""Zhipu: GLM. Its numbers say more than its statuses."""

from inglenook.kit.errors import TooMany, Unavailable
from inglenook.models.errors import ContentRefused, ContextTooLong, KeyRefused, OutOfCredit
from inglenook.models.profiles.base import Profile, Thinking
from inglenook.models.providers.openai_family import family_kind
from inglenook.models.providers.openai_vendor import Vendor, paths
from inglenook.models.providers.refusals import Wording

VENDOR = Vendor(
    name="zhipu",
    paths=paths("chat", "embeddings", "images", "transcriptions", "speech", "rerank"),
    profile=Profile(
        names={"max_completion_tokens": "max_tokens", "user": "user_id"},
        refuses=frozenset(
            {
                *("n", "seed", "frequency_penalty", "presence_penalty"),
                *("logprobs", "logit_bias", "parallel_tool_calls"),
            }
        ),
        developer=False,
        tool_choices=frozenset({"auto"}),
        formats=frozenset({"json_object"}),
        thinking=Thinking(
            efforts=(),
            on={"thinking": {"type": "enabled"}},
            off={"thinking": {"type": "disabled"}},
        ),
        reasoning="reasoning_content",
        user="user_id",
        base64=False,
    ),
    families="glm",
    wording=Wording(
        words={
            **dict.fromkeys(("1000", "1001", "1002", "1003", "1004", "1005", "1220", "1309", "1311"), KeyRefused),
            **dict.fromkeys(("1110", "1111", "1112", "1121"), KeyRefused),
            "1113": OutOfCredit,
            "1261": ContextTooLong,
            "1301": ContentRefused,
            **dict.fromkeys(("1302", "1303", "1304", "1308", "1310", "1313"), TooMany),
            **dict.fromkeys(("1305", "1312"), Unavailable),
        }
    ),
)
KIND = family_kind(VENDOR, chinese="智谱 GLM")
