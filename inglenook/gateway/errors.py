"""What the gateway refuses, beyond what providers and accounts do."""

from inglenook.kit.errors import BadInput, TooMany


class NotCapable(BadInput):
    """The model cannot do what was asked of it.

    `details["capability"]` names what it lacks, `details["model"]` the model as the caller named it.
    """

    code = "not_capable"


class RateLimited(TooMany):
    """Too many requests or tokens for one minute, or too many requests at once.

    `details`: `limit` (`requests_per_minute`, `tokens_per_minute`, `concurrent_requests`), `allowed`, `used`, whose it
    is (`subject_kind`, `subject_id`), and `resets_at` (ms) where that is known.
    """

    code = "rate_limited"


class PreviousResponseNotFound(BadInput):
    """The response to go on from is not kept here, or not yours."""

    code = "previous_response_not_found"
