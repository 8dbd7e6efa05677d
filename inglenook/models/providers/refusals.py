"""From a provider's refusal to one of our errors: by its own word for what went wrong, its text, and the status.

Every provider of every protocol comes through here, so that a route can tell a spent quota from an overloaded server
without knowing who said it. What is peculiar to one vendor is a row in a table below, not code elsewhere.
"""

import re
from collections.abc import Container, Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson
from msgspec import Struct, field

from inglenook.kit.errors import BadInput, InglenookError, TooMany, Unavailable, UpstreamFailed, UpstreamTimeout
from inglenook.models.errors import ContentRefused, ContextTooLong, KeyRefused, OutOfCredit

#: Characters of a provider's text that are passed on.
_LONGEST = 1000


class Refusal(Struct):
    """What a provider said when it did not answer.

    Attributes:
        message: Its text, for a person.
        word: Its own word for what went wrong (`type`, `code` or `status` of the error, or the exception's name).
        retry_after: Seconds after which it wants to be asked again, if it said so.
    """

    message: str = ""
    word: str = ""
    retry_after: float | None = None


#: Providers' words in lower case. A word decides over the status, since some send 400 or 429 for everything.
_WORDS: dict[str, type[InglenookError]] = {
    # Anthropic; OpenAI and its kin
    "authentication_error": KeyRefused,
    "permission_error": KeyRefused,
    "invalid_api_key": KeyRefused,
    "invalid_authentication_error": KeyRefused,
    "incorrect_api_key_error": KeyRefused,
    "billing_error": OutOfCredit,
    "insufficient_quota": OutOfCredit,
    "exceeded_current_quota_error": OutOfCredit,
    "arrearage": OutOfCredit,
    "insufficient_balance": OutOfCredit,
    "rate_limit_error": TooMany,
    "rate_limit_exceeded": TooMany,
    "rate_limit_reached_error": TooMany,
    "overloaded_error": Unavailable,
    "engine_overloaded_error": Unavailable,
    "timeout_error": UpstreamTimeout,
    "api_error": UpstreamFailed,
    "context_length_exceeded": ContextTooLong,
    "model_context_window_exceeded": ContextTooLong,
    "content_filter": ContentRefused,
    "content_policy_violation": ContentRefused,
    "data_inspection_failed": ContentRefused,
    "datainspectionfailed": ContentRefused,
    # Google
    "unauthenticated": KeyRefused,
    "permission_denied": KeyRefused,
    "api_key_invalid": KeyRefused,
    "resource_exhausted": TooMany,
    "unavailable": Unavailable,
    "deadline_exceeded": UpstreamTimeout,
    # AWS
    "accessdeniedexception": KeyRefused,
    "unrecognizedclientexception": KeyRefused,
    "invalidsignatureexception": KeyRefused,
    "incompletesignatureexception": KeyRefused,
    "missingauthenticationtokenexception": KeyRefused,
    "expiredtokenexception": KeyRefused,
    "throttlingexception": TooMany,
    "servicequotaexceededexception": TooMany,
    "modelnotreadyexception": Unavailable,
    "serviceunavailableexception": Unavailable,
    "modeltimeoutexception": UpstreamTimeout,
    "modelerrorexception": UpstreamFailed,
    "modelstreamerrorexception": UpstreamFailed,
    "internalserverexception": UpstreamFailed,
}

_STATUSES: dict[int, type[InglenookError]] = {
    401: KeyRefused,
    402: OutOfCredit,
    403: KeyRefused,
    408: UpstreamTimeout,
    429: TooMany,
    503: Unavailable,
    504: UpstreamTimeout,
    529: Unavailable,
}

#: How a prompt that is too long is called, as `prompt` and `context` where the text tells the numbers.
_TOO_LONG = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"prompt is too long: (?P<prompt>\d+) tokens > (?P<context>\d+)",
        r"input token count \(?(?P<prompt>\d+)\)? exceeds the maximum number of tokens allowed \(?(?P<context>\d+)",
        r"maximum prompt length is (?P<context>\d+) but the request contains (?P<prompt>\d+)",
        r"maximum context length (?:is|of) (?P<context>\d+) tokens?.*?(?:requested|resulted in|has) (?P<prompt>\d+)",
        r"input length and `?max_tokens`? exceed context limit: (?P<prompt>\d+) \+ \d+ > (?P<context>\d+)",
        r"(?:maximum context length|context_length_exceeded|context window|context limit)",
        r"input is too long|too many (?:input )?tokens|prompt is too long|range of input length should be",
        r"exceeds? the (?:model'?s )?(?:maximum |available )?(?:context|input|number of (?:input )?tokens)",
        r"exceeded model token limit",
        r"total number of tokens (?:in|.*?cannot exceed)|token limit exceeded|longer than the model'?s context",
    )
]
_REFUSED_CONTENT = re.compile(
    r"content (?:management )?policy|content[ _]filter|data may contain inappropriate content|safety (?:system|filter)"
    r"|content policy violation|inappropriate content|sensitive (?:content|words)|blocked by .{0,40}safety",
    re.IGNORECASE,
)
_NO_CREDIT = re.compile(
    r"credit balance is too low|insufficient (?:balance|credits?|quota|funds)|exceeded your current quota"
    r"|used all available credits|spending limit|account is in arrears|arrearage|out of credits?|payment required",
    re.IGNORECASE,
)
_BAD_KEY = re.compile(r"api key (?:not valid|expired|not found)|invalid api[ -]?key|incorrect api key", re.IGNORECASE)


class Wording(Struct, frozen=True, kw_only=True):
    """How one vendor says what went wrong, where it is not the usual way.

    Attributes:
        words: Its codes in lower case that say more than their status, to our errors; before the table of all.
        code, text: In answers of status 200 that are none after all, the paths of a code, which is 0 when all is well,
            and of its text (`base_resp.status_code`); empty: it sends no such answers.
        statuses: What else statuses mean to it.
    """

    words: dict[str, type[InglenookError]] = field(default_factory=dict)
    code: str = ""
    text: str = ""
    statuses: dict[int, type[InglenookError]] = field(default_factory=dict)

    def read(self, body: bytes) -> Refusal:
        """What a refusal says."""
        try:
            return read_refusal(orjson.loads(body), self.words)
        except orjson.JSONDecodeError:
            text = body[:300].decode("utf-8", "replace").strip()
            return Refusal("" if text.startswith("<") else message_of(text))

    def error(self, status: int, refusal: Refusal) -> InglenookError:
        """The error for it; as `error_of`."""
        return error_of(status, refusal, self)

    def inside(self, body: bytes) -> InglenookError | None:
        """The error in an answer of status 200, or in an event of a stream, if it is one."""
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(value, dict):
            return None
        if value.get("error"):
            return self.error(0, read_refusal(value, self.words))
        if self.code and (code := _at(value, self.code)) not in (None, 0, "0", ""):
            return self.error(0, Refusal(str(_at(value, self.text) or f"code {code}"), str(code)))
        return None


def error_of(status: int, refusal: Refusal, wording: "Wording | None" = None) -> InglenookError:
    """The error for an answer that is none.

    Args:
        status: Of the response; 0 for an error that came in the middle of a stream.
    """
    wording = wording or USUAL
    text = refusal.message[:_LONGEST]
    word = refusal.word.lower()
    kind = wording.words.get(word) or _WORDS.get(word)
    wait = _told_wait(text) if refusal.retry_after is None else refusal.retry_after
    if kind in (None, TooMany) and _NO_CREDIT.search(text):
        kind = OutOfCredit
    if kind is None and status in (0, 400, 413, 422) and text:
        kind = _by_text(text)
    if kind is None:
        kind = (
            wording.statuses.get(status)
            or _STATUSES.get(status)
            or (BadInput if 400 <= status < 500 else UpstreamFailed)
        )
    return _error(kind, status, text, wait)


#: The wording of everybody else.
USUAL = Wording()


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _by_text(text: str) -> type[InglenookError] | None:
    if any(pattern.search(text) for pattern in _TOO_LONG):
        return ContextTooLong
    if _REFUSED_CONTENT.search(text):
        return ContentRefused
    return KeyRefused if _BAD_KEY.search(text) else None


def _error(kind: type[InglenookError], status: int, text: str, retry_after: float | None) -> InglenookError:
    behind = f": {text}" if text else ""
    code = f" ({status})" if status else ""
    if kind is KeyRefused:
        return KeyRefused(
            f"the provider refused our key{code}{behind}; an administrator can set another one under Models, Providers"
        )
    if kind is OutOfCredit:
        return OutOfCredit(f"the provider wants to be paid first{behind}")
    if kind is TooMany:
        return TooMany(f"the provider takes no more for now{behind}", retry_after=retry_after)
    if kind is Unavailable:
        return Unavailable(f"the provider is overloaded{behind}", retry_after=retry_after)
    if kind is UpstreamTimeout:
        return UpstreamTimeout(f"the provider took too long{code}{behind}")
    if kind is ContextTooLong:
        return ContextTooLong(text or None, details=_numbers(text))
    if kind is ContentRefused:
        return ContentRefused(f"the provider's content policy refuses this prompt{behind}")
    if kind is BadInput:
        return BadInput(text or f"the provider refused the request with status {status}")
    return UpstreamFailed(
        f"the provider answered with status {status}{behind}" if status else f"the provider broke off{behind}"
    )


def _numbers(text: str) -> dict[str, int]:
    for pattern in _TOO_LONG:
        match = pattern.search(text)
        if match is not None and match.groupdict():
            return {"prompt_tokens": int(match["prompt"]), "context_length": int(match["context"])}
    return {}


# -------------------------------------------------------------------------------------------- when to come back


#: Some say it in their text alone.
_TOLD_WAIT = re.compile(r"(?:try|retry) again (?:in|after) (\d+(?:\.\d+)?) ?(ms|s|m)(?:ec|econds?|in|inutes?)?\b", re.I)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_EPOCH = 1_000_000_000


def retry_after(headers: Iterable[tuple[bytes, bytes]]) -> float | None:
    """Seconds to wait, from the headers of a refusal: `retry-after-ms`, `retry-after` (a number or a date), or when the
    limit that is used up begins anew (`anthropic-ratelimit-tokens-reset`, `x-ratelimit-reset-requests`, …)."""
    named = {name.decode("latin-1"): value.decode("latin-1").strip() for name, value in headers}
    if (told := _number(named.get("retry-after-ms", ""))) is not None:
        return max(0.0, told / 1000)
    if (told := seconds(named.get("retry-after", ""))) is not None:
        return told
    resets = [
        wait
        for name, value in named.items()
        if "ratelimit" in name
        and "reset" in name
        and _number(named.get(name.replace("reset", "remaining"), "0")) == 0
        and (wait := seconds(value)) is not None
    ]
    return max(resets, default=None)


def _told_wait(text: str) -> float | None:
    found = _TOLD_WAIT.search(text)
    return None if found is None else float(found[1]) * _SECONDS[found[2].lower()]


def seconds(value: str) -> float | None:
    """Seconds from now that a text means: a number of them, a duration such as `1m30s`, a moment since the epoch, or a
    date of HTTP's or RFC 3339's; None if it is none of these."""
    now = datetime.now(UTC).timestamp()
    number = _number(value)
    if number is not None:
        if number > _EPOCH:
            number = (number / 1000 if number > _EPOCH * 1000 else number) - now
        return max(0.0, number)
    if value and not _DURATION.sub("", value):
        return sum(float(amount) * _SECONDS[unit] for amount, unit in _DURATION.findall(value))
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = parse(value)
        except (ValueError, TypeError):
            continue
        return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now)
    return None


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if number == number and abs(number) != float("inf") else None


# ------------------------------------------------------------------------------------------------- what was said


def read_refusal(body: Any, words: Container[str] = ()) -> Refusal:
    """Message and word of an error of any usual shape: `{"error": {"type", "code", "message"}}`, Google's with
    `status`, `{"message"}`, `{"detail"}`, `{"__type"}`.

    Args:
        words: What words mean something besides those known of all.
    """
    error = body[0] if isinstance(body, list) and body else body
    if isinstance(error, dict) and error.get("error"):
        error = error["error"]
    outer = body if isinstance(body, dict) else {}
    if not isinstance(error, dict):
        error = {**outer, "error": error}
    found = [*(error.get(name) for name in ("code", "type", "status", "__type")), outer.get("code")]
    named = [str(word) for word in found if isinstance(word, str | int) and not isinstance(word, bool)]
    word = next((word for word in named if word.lower() in words or word.lower() in _WORDS), named[0] if named else "")
    return Refusal(message_of(error), word.rpartition("#")[2])


def message_of(value: Any) -> str:
    """What an error of any usual shape says, in at most 1,000 characters."""
    for _ in range(4):
        if not isinstance(value, dict):
            break
        value = next(
            (value[key] for key in ("error", "message", "Message", "detail", "msg") if value.get(key)), str(value)
        )
    if isinstance(value, list):
        value = "; ".join(message_of(item) for item in value[:5])
    return str(value)[:_LONGEST]
