"""How Google says what went wrong: why is in the details of an error, and so is when to come back."""

from typing import Any

import orjson

from inglenook.models.errors import KeyRefused
from inglenook.models.providers.refusals import Refusal, Wording, seconds


class GoogleWording(Wording, frozen=True, kw_only=True):
    """`{"error": {"code": 400, "message", "status", "details": [{"reason"}, {"retryDelay": "34s"}]}}`."""

    def read(self, body: bytes) -> Refusal:
        """See `Wording`."""
        refusal = super().read(body)
        for detail in _details(body):
            if isinstance(reason := detail.get("reason"), str) and reason.lower() in self.words:
                refusal.word = reason
            if isinstance(delay := detail.get("retryDelay"), str):
                refusal.retry_after = seconds(delay)
        return refusal


def _details(body: bytes) -> list[dict[str, Any]]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return []
    value = value[0] if isinstance(value, list) and value else value
    error = value.get("error") if isinstance(value, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []


WORDING = GoogleWording(
    words=dict.fromkeys(
        ("api_key_invalid", "api_key_service_blocked", "service_disabled", "consumer_suspended"), KeyRefused
    )
)
