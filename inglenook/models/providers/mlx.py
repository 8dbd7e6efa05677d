"""An MLX server of yours (mlx-lm), on an Apple computer."""

from inglenook.models.profiles.base import Profile
from inglenook.models.providers.openai_family import family_kind
from inglenook.models.providers.openai_vendor import Vendor, paths

VENDOR = Vendor(
    name="mlx",
    title="MLX server",
    icon="server",
    paths=paths("chat", "completions"),
    profile=Profile(
        names={"repeat_penalty": "repetition_penalty"},
        extensions=frozenset({"top_k", "min_p", "repeat_penalty"}),
        reasoning="reasoning",
    ),
    families="open",
    needs_key=False,
    own=True,
)
KIND = family_kind(VENDOR, chinese="MLX 服务器")
