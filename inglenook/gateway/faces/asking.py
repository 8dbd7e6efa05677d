"""What every face reads from a request in the same way: who asks, the body, durations, files."""

import base64
import binascii
import mimetypes
import re
from typing import Any, TypeVar

import msgspec
import orjson

from inglenook.accounts.principal import CONSOLE, Principal
from inglenook.gateway.call import Call
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.wire.routes import WireRequest
from inglenook.kit.errors import BadInput
from inglenook.models.calls import FilePart
from inglenook.models.errors import CannotCarry

T = TypeVar("T")

_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[\w=.+-]+)*;base64,", re.ASCII)
_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(.*?)`(?: - at `\$(.*)`)?$", re.DOTALL)
_MISTAKE = re.compile(r"(.*?)(?: - at `\$(.*)`)?$", re.DOTALL)
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
)
#: An image's type by its first bytes is asked for often; more than this many is not needed.
_HEAD = 24


def credential(request: WireRequest) -> bytes | None:
    """The API key as sent: in `Authorization`, with or without the word `Bearer`, or in `x-api-key`."""
    value = request.headers.get(b"authorization")
    if value is None:
        return request.headers.get(b"x-api-key")
    scheme, _, key = value.partition(b" ")
    return key.strip() if scheme.lower() == b"bearer" else value.strip()


def inside(request: WireRequest) -> Principal | None:
    """The console, when it asks through the data directory's socket without a key."""
    return CONSOLE if request.local and credential(request) is None else None


def asker(gateway: Gateway, request: WireRequest) -> Principal:
    """Who asks; known before the body is looked at.

    Raises:
        Unauthenticated: nobody we know.
    """
    return inside(request) or gateway.principal(credential(request))


def wish(request: WireRequest, call: Call) -> None:
    """Put into a call what its caller wishes in headers of ours: `x-inglenook-tags` (words, with commas between), by
    which routes choose, and `x-inglenook-cache` (`use`, `renew` or `off`); and the `traceparent` it may be part of.

    Raises:
        BadInput: the second one is something else.
    """
    headers = request.headers
    if (traceparent := headers.get(b"traceparent")) is not None:
        call.traceparent = traceparent.decode("latin-1")
    if (tags := headers.get(b"x-inglenook-tags")) is not None:
        call.tags = frozenset(tag for part in tags.decode("latin-1").split(",") if (tag := part.strip()))
    if (cache := headers.get(b"x-inglenook-cache")) is not None:
        word = cache.decode("latin-1").strip().lower()
        if word not in ("use", "renew", "off"):
            raise BadInput(f"x-inglenook-cache must be use, renew or off; got {word!r}")
        call.cache = word  # type: ignore[assignment]  # one of the three


def model_named(body: dict[str, Any]) -> str:
    """The model a body asks for.

    Raises:
        BadInput: it names none.
    """
    model = body.get("model")
    if type(model) is not str or not model:
        raise BadInput("model: the name of a model is required; GET /v1/models lists them", field="model")
    return model


def flag(body: dict[str, Any], name: str) -> bool:
    """A field that is true, false or absent.

    Raises:
        BadInput: it is something else.
    """
    value = body.get(name)
    if value is not None and type(value) is not bool:
        raise BadInput(f"{name} must be true or false", field=name)
    return bool(value)


async def json_body(request: WireRequest) -> dict[str, Any]:
    """The body's JSON object.

    Raises:
        BadInput: there is none, with the parser's text.
        TooLarge: it is compressed, and swells too far.
    """
    data = request.body if b"content-encoding" not in request.headers else await request.plain_body()
    if not data:
        raise BadInput("missing request body")
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadInput(f"the body is not JSON: {error}") from None
    if type(body) is not dict:
        raise BadInput("the body must be a JSON object")
    return body


def without_nulls(body: dict[str, Any]) -> dict[str, Any]:
    """The fields that are set: null and absent mean the same where a protocol does not say otherwise."""
    return {name: value for name, value in body.items() if value is not None}


def read_as(body: Any, kind: type[T]) -> T:
    """The body as a struct that knows every field that can be carried.

    Raises:
        CannotCarry: a field is none of those; the message names it.
        BadInput: a field has the wrong type.
    """
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        text = str(error)
        unknown = _UNKNOWN_FIELD.fullmatch(text)
        if unknown is not None:
            where = f"{(unknown[2] or '').lstrip('.')}.{unknown[1]}".lstrip(".")
            raise CannotCarry(f"field '{where}' cannot be carried to this model; leave it out", field=where) from None
        mistake = _MISTAKE.fullmatch(text)
        assert mistake is not None
        where = (mistake[2] or "").lstrip(".")
        raise BadInput(f"{where}: {mistake[1]}" if where else mistake[1], field=where or None) from None


def read_part(what: str, value: Any, kind: type[T]) -> T:
    """`read_as`, with the place of the value before the place in it."""
    try:
        return read_as(value, kind)
    except BadInput as error:
        joint = "" if error.field is None or error.field.startswith("[") else "."
        inner = f"{what}{joint}{error.field}" if error.field else what
        raise type(error)(f"in {what}: {error.message}", field=inner) from None


def duration(value: object, field: str) -> float | None:
    """Seconds of a duration: a number of seconds, or text such as `10m` or `1h30m`; negative means for ever.

    Raises:
        BadInput: it is neither.
    """
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        text = value.strip()
        sign = -1.0 if text.startswith("-") else 1.0
        text = text.lstrip("+-")
        if text == "0":
            return 0.0
        if text and not _DURATION.sub("", text):
            return sign * sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))
    raise BadInput(f"{field}: {value!r} is not a duration; write seconds as a number, or '10m'", field=field)


def media_type_of(data: str, field: str) -> str:
    """The type of an image given as base64, by its first bytes; `application/octet-stream` if they say nothing.

    Raises:
        BadInput: it is not base64.
    """
    if len(data) % 4:
        raise BadInput(f"{field}: illegal base64 data", field=field)
    try:
        base64.b64decode(data, validate=True)
        head = base64.b64decode(data[: _HEAD * 4])
    except (binascii.Error, ValueError):
        raise BadInput(f"{field}: illegal base64 data", field=field) from None
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), "application/octet-stream")


def data_url(url: str, field: str) -> tuple[str, str]:
    """Media type and base64 data of a `data:` URL of an image.

    Raises:
        BadInput: it is another kind of URL; images are not fetched from the network.
    """
    match = _DATA_URL.match(url)
    if match is None or not match[1].startswith("image/"):
        raise BadInput(
            f"{field}: images must be sent inside the request, as data:image/png;base64,…; got {_shown(url)}",
            field=field,
        )
    data = url[match.end() :]
    media_type_of(data, field)
    return match[1], data


def file_data(given: str, name: str, field: str) -> FilePart:
    """A file given as a `data:` URL, or as bare base64 with a name that tells its type.

    Raises:
        BadInput: it is neither; files are not fetched from the network.
    """
    match = _DATA_URL.match(given)
    media_type = match[1] if match else mimetypes.guess_type(name)[0]
    if media_type is None or given[:8].lower() in ("https://", "http://"):
        raise BadInput(
            f"{field}: files must be sent inside the request, as data:application/pdf;base64,…; got {_shown(given)}",
            field=field,
        )
    data = given[match.end() :] if match else given
    checked_base64(data, field)
    return FilePart(media_type, data, name)


def checked_base64(data: str, field: str) -> None:
    """
    Raises:
        BadInput: it is not base64, or empty.
    """
    if not data or len(data) % 4:
        raise BadInput(f"{field}: illegal base64 data", field=field)
    try:
        binascii.a2b_base64(data, strict_mode=True)
    except (binascii.Error, ValueError):
        raise BadInput(f"{field}: illegal base64 data", field=field) from None


def _shown(url: str) -> str:
    return repr(url if len(url) <= 60 else url[:57] + "…")
