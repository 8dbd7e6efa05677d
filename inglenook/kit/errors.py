"""Errors a person can act on.

Every error that may reach a caller derives from `InglenookError`. It carries an HTTP status, a stable machine
`code`, and a message that says what was wrong, where, and what to do. Protocol faces render it in their own shape
(`gateway.faces`), the rest of the API as `{"error": {"code", "message", "field"?, "details"?}}`.

A class of its own is worth defining when somebody catches it or when its code means something to a client;
otherwise raise one of the statuses below with a good message. A 500 always means a bug of ours.
"""

from typing import Any, ClassVar


class InglenookError(Exception):
    """Something went wrong inside Inglenook; the log says more."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(
        self,
        message: str | None = None,
        *,
        field: str | None = None,
        details: dict[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        """
        Args:
            message: What was wrong and what to do; the first line of the class docstring when absent.
            field: Path of the offending input (`messages[2].content`), when there is one.
            details: Further machine-readable facts, JSON-serialisable.
            retry_after: Seconds after which a repeat may succeed; rendered as `Retry-After`.
        """
        self.message = message or (type(self).__doc__ or type(self).__name__).strip().splitlines()[0]
        self.field = field
        self.details = details or {}
        self.retry_after = retry_after
        super().__init__(self.message)

    def as_dict(self) -> dict[str, Any]:
        """The error in the shape of our own API: `{"error": {...}}`."""
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.field is not None:
            body["field"] = self.field
        if self.details:
            body["details"] = self.details
        return {"error": body}


class BadInput(InglenookError):
    """The request is malformed."""

    status = 400
    code = "bad_input"


class Unauthenticated(InglenookError):
    """Sign in, or send a valid API key."""

    status = 401
    code = "unauthenticated"


class Forbidden(InglenookError):
    """You may not do this; ask an administrator for the right to."""

    status = 403
    code = "forbidden"


class NotFound(InglenookError):
    """There is no such thing, or you may not see it."""

    status = 404
    code = "not_found"


class Conflict(InglenookError):
    """The thing is in a state that does not allow this."""

    status = 409
    code = "conflict"


class TooLarge(InglenookError):
    """The input is larger than this server accepts."""

    status = 413
    code = "too_large"


class TooMany(InglenookError):
    """Too many requests; wait a little."""

    status = 429
    code = "too_many"


class UpstreamFailed(InglenookError):
    """The model's provider failed to answer."""

    status = 502
    code = "upstream_failed"


class Unavailable(InglenookError):
    """The server cannot do this right now; try again shortly."""

    status = 503
    code = "unavailable"


class UpstreamTimeout(UpstreamFailed):
    """The model's provider did not answer in time."""

    status = 504
    code = "upstream_timeout"
