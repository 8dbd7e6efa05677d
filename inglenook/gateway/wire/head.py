"""What the head of a request must be like: pure questions, asked by the protocol."""

from collections.abc import Callable

from inglenook.gateway.wire.encoding import CODINGS
from inglenook.gateway.wire.errors import (
    EncodingRefused,
    ExpectationRefused,
    HostRefused,
    MethodNotAllowed,
    OriginRefused,
    Refused,
)
from inglenook.gateway.wire.origins import is_preflight
from inglenook.gateway.wire.routes import Headers, Match, WireTable
from inglenook.kit.errors import InglenookError, TooLarge

Fields = dict[bytes, bytes]


def flaw(
    version: str, headers: Headers, fields: Fields, host_allowed: Callable[[bytes], bool]
) -> InglenookError | None:
    """What is wrong with any request, whoever would answer it.

    Args:
        headers: As they came, names in lower case; `fields` is the same as a dictionary.
    """
    if version not in ("1.1", "1.0"):
        return Refused("this server speaks HTTP/1.1")
    host = fields.get(b"host")
    if host is None:
        if version == "1.1":
            return Refused("the Host header is missing")
    elif len(fields) != len(headers) and _times(b"host", headers) > 1:
        return Refused("more than one Host header")
    elif not host_allowed(host):
        return HostRefused(
            f"this server does not answer for the host {host.decode('latin-1')!r}; "
            "an administrator can allow it by the setting allowed_hosts"
        )
    coding = fields.get(b"transfer-encoding")
    if coding is not None:
        # Of several the parser looks at the last; another server on the way may look at the first.
        if coding.lower() != b"chunked" or _times(b"transfer-encoding", headers) > 1:
            return EncodingRefused("the only transfer coding this server knows is chunked, once")
        if version == "1.0":
            return Refused("HTTP/1.0 knows no transfer coding")
    if version == "1.1" and fields.get(b"expect", b"100-continue").lower() != b"100-continue":
        return ExpectationRefused()
    return None


def _times(name: bytes, headers: Headers) -> int:
    return sum(known == name for known, _ in headers)


def flaw_on_wire(method: bytes, match: Match, fields: Fields, table: WireTable) -> InglenookError | None:
    """What is wrong with a request to a path of the wire."""
    if method not in match.resource.methods and not is_preflight(method, fields):
        allow = match.resource.allow.decode()
        return MethodNotAllowed(f"{match.path} answers to {allow}", details={"allow": allow})
    origin = fields.get(b"origin")
    if origin is not None:
        host = fields.get(b"host", b"").decode("latin-1")
        if not table.hosts.may_call(origin.decode("latin-1"), host):
            return OriginRefused(
                "pages of this origin may not call this server; "
                "an administrator can allow it by the setting allowed_origins"
            )
    coding = fields.get(b"content-encoding")
    if coding is not None and coding.lower() not in CODINGS and coding.lower() != b"identity":
        return EncodingRefused()
    length = int(fields.get(b"content-length", b"0"))
    if length > table.body_limit:
        return TooLarge(f"the body has {length} bytes, the limit is {table.body_limit}")
    return None


def without_upgrade(method: bytes, url: bytes, version: str, headers: Headers) -> bytes:
    """The head of a request once more, without its offer to speak another protocol."""
    head = [b"%b %b HTTP/%b\r\n" % (method, url, version.encode())]
    for name, value in headers:
        if name not in (b"upgrade", b"connection", b"http2-settings"):
            head.append(b"%b: %b\r\n" % (name, value))
        elif name == b"connection" and b"close" in value.lower():
            head.append(b"connection: close\r\n")
    return b"".join(head) + b"\r\n"
