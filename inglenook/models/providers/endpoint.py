"""Where a provider's API is, how it is asked, and the settings that all bought providers share."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import urljoin

import msgspec
import orjson
from msgspec import Struct, field

from inglenook.kit.errors import BadInput, InglenookError, UpstreamFailed
from inglenook.kit.http.pool import HttpPool, Response, Timeouts, Url, render_headers
from inglenook.models.providers.refusals import USUAL, Refusal, Wording, retry_after

_ERROR_LIMIT = 256 * 1024
_BETWEEN_KEYS = re.compile(r"[\s,;]+")
#: From one API key to the headers that prove it.
Authorize = Callable[[str], Mapping[str, str]]


class EndpointSettings(Struct, kw_only=True):
    """Settings of every bought provider; `settings_schema` tells what they mean."""

    base_url: str
    api_key: str = ""
    api_keys: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    first_byte_timeout: float = 300
    idle_timeout: float = 120


class Endpoint:
    """One provider's API.

    Args:
        authorize: How an API key is sent; by default as a bearer token. Without keys it is not asked.
        headers: Sent with every request, before the administrator's own.
        wording: How this vendor says what went wrong.

    Raises:
        BadInput: a header is malformed.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        http: HttpPool,
        *,
        authorize: Authorize = lambda key: {"authorization": f"Bearer {key}"},
        headers: Mapping[str, str] | None = None,
        wording: Wording = USUAL,
    ) -> None:
        self._http = http
        self._wording = wording
        self._base = settings.base_url.strip().rstrip("/")
        self._urls: dict[str, Url] = {}
        self._timeouts = Timeouts(first_byte=settings.first_byte_timeout, idle=settings.idle_timeout)
        self._keys = api_keys(settings.api_key, *settings.api_keys)
        shared = {
            "user-agent": "inglenook",
            **(headers or {}),
            **{name.lower(): value for name, value in settings.headers.items() if name.lower() != "content-type"},
        }
        #: Header lines by API key, without a content type, and with JSON's.
        self.bare = [rendered({**shared, **authorize(key)}) for key in self._keys] or [rendered(shared)]
        self.heads = [b"content-type: application/json\r\n" + lines for lines in self.bare]
        try:
            self.url("")
        except BadInput as error:
            raise BadInput(error.message, field="settings.base_url") from None

    @property
    def keys(self) -> int:
        """How many API keys there are to choose from."""
        return max(1, len(self._keys))

    def url(self, path: str) -> Url:
        """The URL of a path behind the base URL; `/../` in it leads out of what the base URL ends in.

        Raises:
            BadInput: the base URL is none.
        """
        found = self._urls.get(path)
        if found is None:
            whole = urljoin(f"{self._base}/", path[1:]) if path.startswith("/../") else self._base + path
            found = self._urls[path] = Url.parse(whole)
        return found

    async def post(self, path: str, body: Any, *, key: int = 0, headers: bytes = b"") -> Response:
        """The response, if it is a good one.

        Args:
            body: JSON bytes, or what becomes them.
            key: Which API key.
            headers: More of them, as `render_headers` gives them.

        Raises:
            InglenookError: it is not; as `Provider` tells.
        """
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        return await self.send("POST", self.url(path), await self.headers(self.url(path), data, key) + headers, data)

    async def get(self, path: str, *, key: int = 0, headers: bytes = b"") -> Any:
        """The JSON at a path.

        Raises:
            UpstreamFailed: it is none; else as `post`.
        """
        url = self.url(path)
        response = await self.send("GET", url, await self.headers(url, None, key) + headers, None)
        async with response:
            body = await response.read()
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            raise UpstreamFailed(f"{url.origin}{url.target} did not answer in JSON; is the base URL right?") from None

    async def headers(self, url: Url, body: bytes | None, key: int) -> bytes:
        """The header lines of a request. To be replaced where they depend on it."""
        return self.heads[key % len(self.heads)]

    def secrets(self) -> Iterable[str]:
        """What must not be in any message."""
        return self._keys

    async def send(self, method: str, url: Url, headers: bytes, body: bytes | None) -> Response:
        """As `post`, with everything given."""
        response = await self._http.request(method, url, headers, body, timeouts=self._timeouts, trusted=True)
        if response.status == 200:
            return response
        async with response:
            raise self.refused(response, await response.read(_ERROR_LIMIT))

    def refused(self, response: Response, body: bytes) -> InglenookError:
        """The error for an answer that is none."""
        refusal = self.read(body)
        refusal.word = self.word(response) or refusal.word
        refusal.message = self.clean(refusal.message)
        if refusal.retry_after is None:
            refusal.retry_after = retry_after(response.headers)
        error = self._wording.error(response.status, refusal)
        error.details.setdefault("status", response.status)
        return error

    def read(self, body: bytes) -> Refusal:
        """What a refusal says."""
        return self._wording.read(body)

    def word(self, response: Response) -> str:
        """The provider's word for what went wrong, where it is not in the body."""
        return ""

    def clean(self, text: str) -> str:
        """A text without our keys in it."""
        for secret in self.secrets():
            text = text.replace(secret, "…")
        return text


S = TypeVar("S", bound=EndpointSettings)


def read_settings(settings: dict[str, Any], kind: type[S]) -> S:
    """A provider's settings as its struct.

    Raises:
        BadInput: they are not what it takes.
    """
    try:
        return msgspec.convert(settings, kind)
    except msgspec.ValidationError as error:
        raise BadInput(f"settings of the provider: {error}", field="settings") from None


def api_keys(*texts: str) -> tuple[str, ...]:
    """The keys in settings that may hold several each, between spaces, commas or lines."""
    return tuple(dict.fromkeys(key for text in texts for key in _BETWEEN_KEYS.split(text) if key))


def rendered(headers: Mapping[str, str]) -> bytes:
    """Header lines of a mapping.

    Raises:
        BadInput: a name or value is none a header can have.
    """
    try:
        return render_headers([(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()])
    except UnicodeEncodeError as error:
        raise BadInput(
            f"{error.object!r} cannot be sent in a header: names must be ASCII, values Latin letters",
            field="settings.headers",
        ) from None


def must_stream(response: Response, content_type: bytes = b"event-stream") -> None:
    """Return if the answer is a stream.

    Raises:
        UpstreamFailed: it is something else.
    """
    found = response.header(b"content-type")
    if content_type not in found:
        shown = found.decode("latin-1") or "no type"
        raise UpstreamFailed(f"the provider was asked for a stream and answered with {shown!r}")


# ---------------------------------------------------------------------------------------------------- settings


def settings_schema(*, base_url: str | None, key_required: bool = True, **more: dict[str, Any]) -> dict[str, Any]:
    """JSON schema of `EndpointSettings` and `more` properties, which come after key and URL.

    Args:
        base_url: Where the API begins unless somebody says otherwise; None: it must be said.
    """
    required = [*(["api_key"] if key_required else []), *([] if base_url is not None else ["base_url"])]
    url: dict[str, Any] = {
        "type": "string",
        "title": "Base URL",
        "description": "Where the API begins.",
        "format": "uri",
        "maxLength": 2000,
    }
    return {
        "type": "object",
        "required": required,
        "properties": {
            "api_key": {
                "type": "string",
                "title": "API key",
                "secret": True,
                "maxLength": 10_000,
            },
            "api_keys": {
                "type": "array",
                "title": "Further API keys",
                "description": "Several keys share the load.",
                "items": {"type": "string", "maxLength": 10_000},
                "secret": True,
            },
            "base_url": url if base_url is None else {**url, "default": base_url},
            **more,
            "headers": {
                "type": "object",
                "title": "Further headers",
                "description": "Sent with every request.",
                "additionalProperties": {"type": "string"},
            },
            "first_byte_timeout": _seconds("Seconds to wait for an answer to begin", 300),
            "idle_timeout": _seconds("Seconds to wait between two pieces of an answer", 120),
        },
    }


def _seconds(title: str, default: int) -> dict[str, Any]:
    return {"type": "number", "title": title, "minimum": 1, "maximum": 3600, "default": default}


#: The words of `settings_schema`.
CHINESE = {
    "Base URL": "接口地址",
    "Where the API begins.": "API 的起始地址。",
    "API key": "API 密钥",
    "Further API keys": "更多 API 密钥",
    "Several keys share the load.": "填写多个密钥时，请求会分摊到各个密钥上。",
    "Further headers": "附加请求头",
    "Sent with every request.": "每次请求都会带上。",
    "Seconds to wait for an answer to begin": "等待回答开始的秒数",
    "Seconds to wait between two pieces of an answer": "回答中途等待下一段的秒数",
}
