"""What providers say when they do not answer, in the words of their documentation."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from inglenook.kit.errors import BadInput, InglenookError, TooMany, Unavailable, UpstreamFailed, UpstreamTimeout
from inglenook.models.errors import ContentRefused, ContextTooLong, KeyRefused, OutOfCredit
from inglenook.models.providers.refusals import Refusal, error_of, read_refusal, retry_after, seconds


def anthropic(kind: str, message: str = "x") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def openai(message: str, code: str | None = None, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, anthropic("authentication_error"), KeyRefused),
        (403, anthropic("permission_error"), KeyRefused),
        (400, anthropic("invalid_request_error", "Your credit balance is too low to access the API."), OutOfCredit),
        (402, anthropic("billing_error"), OutOfCredit),
        (429, anthropic("rate_limit_error"), TooMany),
        (500, anthropic("api_error"), UpstreamFailed),
        (504, anthropic("timeout_error"), UpstreamTimeout),
        (529, anthropic("overloaded_error"), Unavailable),
        (0, anthropic("overloaded_error"), Unavailable),
        (0, anthropic("invalid_request_error"), UpstreamFailed),
        (400, anthropic("invalid_request_error", "prompt is too long: 215 tokens > 200 maximum"), ContextTooLong),
        (413, anthropic("request_too_large", "Request exceeds the maximum size"), BadInput),
        (401, openai("Incorrect API key provided", "invalid_api_key"), KeyRefused),
        (429, openai("You exceeded your current quota", "insufficient_quota", "insufficient_quota"), OutOfCredit),
        (429, openai("Rate limit reached", "rate_limit_exceeded", "tokens"), TooMany),
        (400, openai("…", "context_length_exceeded"), ContextTooLong),
        (400, openai("…", "content_filter"), ContentRefused),
        (400, openai("Temperature must be below 2"), BadInput),
        (404, openai("The model `x` does not exist", "model_not_found"), BadInput),
        (400, {"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}, KeyRefused),
        (429, {"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED"}}, TooMany),
        (503, [{"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}], Unavailable),
        (403, {"__type": "com.amazon.coral#UnrecognizedClientException", "message": "bad token"}, KeyRefused),
        (400, {"message": "Input is too long for requested model."}, ContextTooLong),
        (400, {"__type": "ThrottlingException", "message": "Too many requests"}, TooMany),
        (
            400,
            {"code": "DataInspectionFailed", "message": "Input data may contain inappropriate content."},
            ContentRefused,
        ),
        (422, {"detail": [{"msg": "field required"}]}, BadInput),
        (400, {"message": "too many tokens: total number of tokens cannot exceed 4096"}, ContextTooLong),
    ],
)
def test_the_kind_of_refusal(status: int, body: Any, kind: type[InglenookError]) -> None:
    assert type(error_of(status, read_refusal(body))) is kind


@pytest.mark.parametrize(
    ("said", "prompt", "context"),
    [
        ("prompt is too long: 215000 tokens > 200000 maximum", 215000, 200000),
        ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 1200000, 1048576),
        (
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
            9000,
            8192,
        ),
    ],
)
def test_the_numbers_of_a_prompt_that_is_too_long(said: str, prompt: int, context: int) -> None:
    error = error_of(400, Refusal(said))
    assert isinstance(error, ContextTooLong)
    assert error.details == {"prompt_tokens": prompt, "context_length": context}


def test_a_limit_says_when_to_come_back() -> None:
    error = error_of(429, Refusal("slow down", retry_after=3))
    assert isinstance(error, TooMany)
    assert error.retry_after == 3


def test_when_to_come_back() -> None:
    later = datetime.now(UTC) + timedelta(seconds=90)
    for value in (
        "90",
        "90s",
        "1m30s",
        "90000ms",
        format_datetime(later, usegmt=True),
        later.isoformat(),
        f"{later.timestamp()}",
    ):
        found = seconds(value)
        assert found is not None
        assert 88 <= found <= 91, value
    assert seconds("Fri, 31 Dec 1999 23:59:59 GMT") == 0
    assert seconds("") is None
    assert seconds("soon") is None


def test_headers_that_say_when_to_come_back() -> None:
    assert retry_after([(b"retry-after-ms", b"1500"), (b"retry-after", b"9")]) == 1.5
    assert retry_after([(b"retry-after", b"9"), (b"x-ratelimit-reset-tokens", b"70s")]) == 9
    limits = [
        (b"x-ratelimit-remaining-requests", b"12"),
        (b"x-ratelimit-reset-requests", b"6m0s"),
        (b"x-ratelimit-remaining-tokens", b"0"),
        (b"x-ratelimit-reset-tokens", b"250ms"),
    ]
    assert retry_after(limits) == 0.25
    assert retry_after([(b"content-type", b"text/plain")]) is None


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("Rate limit reached. Please try again in 6ms. Visit https://x", 0.006),
        ("Please try again in 1.2s.", 1.2),
        ("please try again after 20 seconds", 20),
        ("Please retry again in 2 minutes", 120),
        ("please try again later", None),
        ("try again in 5 months", None),
    ],
)
def test_when_to_come_back_may_stand_in_the_text(text: str, wait: float | None) -> None:
    assert error_of(429, Refusal(text)).retry_after == wait
    assert error_of(429, Refusal(text, retry_after=7)).retry_after == 7
