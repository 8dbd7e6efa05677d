"""xAI: Grok."""

from inglenook.models.errors import OutOfCredit
from inglenook.models.profiles.base import Profile
from inglenook.models.providers.openai_family import family_kind
from inglenook.models.providers.openai_vendor import Vendor, paths
from inglenook.models.providers.refusals import Wording

VENDOR = Vendor(
    name="xai",
    paths=paths("chat", "completions", "responses", "images"),
    profile=Profile(user="user"),
    families="grok",
    wording=Wording(
        words={
            "personal-team-blocked:spending-limit": OutOfCredit,
        }
    ),
)
KIND = family_kind(VENDOR)
