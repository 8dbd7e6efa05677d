"""What the wire refuses before a face sees it."""

from inglenook.kit.errors import BadInput, Forbidden, InglenookError


class Refused(BadInput):
    """The request is not valid HTTP."""

    code = "bad_request"


class HostRefused(Forbidden):
    """This server does not answer to that host name; name it in `allowed_hosts`."""

    code = "host_refused"


class OriginRefused(Forbidden):
    """Pages of that origin may not call this server."""

    code = "origin_refused"


class MethodNotAllowed(InglenookError):
    """This path does not know that method."""

    status = 405
    code = "method_not_allowed"


class TooSlow(InglenookError):
    """The request took too long to arrive."""

    status = 408
    code = "request_timeout"


class EncodingRefused(InglenookError):
    """Request bodies are accepted as they are, or with `Content-Encoding` `gzip` or `zstd`, one of them."""

    status = 415
    code = "unsupported_encoding"


class ExpectationRefused(InglenookError):
    """The only expectation this server meets is `100-continue`."""

    status = 417
    code = "expectation_failed"


class HeadTooLarge(InglenookError):
    """The request's header fields are too many or too large."""

    status = 431
    code = "head_too_large"
