"""What the gateway refuses, beyond what providers and accounts do."""

from inglenook.kit.errors import BadInput, Forbidden, InglenookError, TooMany


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


class CallStopped(InglenookError):
    """The call was stopped: by an administrator, or by whoever it belongs to.

    No status that clients take for a reason to try again by themselves.
    """

    status = 403
    code = "call_stopped"


class BudgetExceeded(InglenookError):
    """There is not enough money left for this call.

    `details`: whose budget it is (`subject_kind`, `subject_id`) and for which `period`; its `amount`, what is `spent`
    and `reserved` of it, and what this call `wanted`, in billionths of `currency`; and when it begins anew
    (`resets_at`, ms).
    """

    status = 402
    code = "budget_exceeded"


class Unpriced(Forbidden):
    """What this model costs is not known, so it cannot be called on a budget."""

    code = "model_unpriced"
