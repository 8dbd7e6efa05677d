"""Which credentials go to which address. A token is for the hosts it belongs to and is never sent to another: not to a
mirror unless the administrator says so, and not along a redirect (httpx drops both headers where the origin changes).
"""

import base64
from collections.abc import Callable
from urllib.parse import urlsplit

from inglenook.models.hub.settings import HubSettings

_HUGGING_FACE = frozenset({"huggingface.co", "hf.co", "www.huggingface.co"})
_MODELSCOPE = frozenset({"modelscope.cn", "www.modelscope.cn", "modelscope.ai", "www.modelscope.ai"})


class Access:
    """What the administrator set, as it is now.

    Args:
        now: Gives the settings at each use.
    """

    def __init__(self, now: Callable[[], HubSettings] = HubSettings) -> None:
        self._now = now

    @property
    def now(self) -> HubSettings:
        """The settings as they are."""
        return self._now()

    def headers(self, url: str) -> dict[str, str]:
        """The credentials that Hugging Face or ModelScope are shown at `url`; none for any other host, and none that
        would go over the wire in the clear."""
        settings, parts = self.now, urlsplit(url)
        host, secure = parts.hostname or "", parts.scheme == "https"
        if settings.hf_token and (
            (host in _HUGGING_FACE and secure)
            or (settings.hf_token_to_mirror and settings.hf_mirror and same_origin(url, settings.hf_mirror))
        ):
            return {"authorization": f"Bearer {settings.hf_token}"}
        if settings.modelscope_token and host in _MODELSCOPE and secure:
            token = settings.modelscope_token
            # Its own client signs in by this cookie, its newer interfaces by the header.
            return {"authorization": f"Bearer {token}", "cookie": f"m_session_id={token}"}
        return {}

    def registry_basic(self, url: str) -> str:
        """The `authorization` of the registry of one's own, if `url` is there or at its sign-in; else empty."""
        settings = self.now
        if not settings.registry or not (settings.registry_user or settings.registry_password):
            return ""
        if not same_origin(url, settings.registry) and not self.signs_in(url):
            return ""
        pair = f"{settings.registry_user}:{settings.registry_password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"

    def signs_in(self, url: str) -> bool:
        """Whether `url` is where the registry of one's own may send us for a token."""
        settings, parts = self.now, urlsplit(url)
        wanted = settings.registry_sign_in.strip().lower()
        return bool(wanted) and parts.scheme == "https" and wanted in (parts.hostname, parts.netloc.lower())


def same_origin(one: str, other: str) -> bool:
    """Whether two URLs have scheme, host and port in common."""
    try:
        return _origin(one) == _origin(other)
    except ValueError:
        return False


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
