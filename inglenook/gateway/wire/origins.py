"""Pages of other origins in a browser: what the CORS protocol asks of the wire's routes.

These routes know API keys and nothing a browser adds by itself: no cookie ever reaches them, and none is allowed to. So
a page that may call them still needs a key of its own. Which pages may is `kit.hosts`' to say.
"""

import re

from inglenook.gateway.wire.routes import WireRequest, WireResponse, WireRoute

#: What a page may read of an answer's head.
_EXPOSED = b"retry-after, x-request-id, x-inglenook-model, x-inglenook-route, x-inglenook-notice, request-id"
_NAMES = re.compile(rb"[A-Za-z0-9_\-, ]{1,2000}")
_ORIGIN = re.compile(rb"[\x21-\x7e]{1,300}")
#: Seconds a browser need not ask again.
_KNOWN_FOR = 600


def is_preflight(method: bytes, fields: dict[bytes, bytes]) -> bool:
    """Whether a browser asks what a page may do, before it lets it."""
    return method == b"OPTIONS" and b"origin" in fields and b"access-control-request-method" in fields


def lines_for(origin: bytes) -> bytes:
    """Header lines by which a browser lets pages of `origin` read an answer."""
    if not _ORIGIN.fullmatch(origin):
        return b""
    return b"access-control-allow-origin: %b\r\naccess-control-expose-headers: %b\r\nvary: origin\r\n" % (
        origin,
        _EXPOSED,
    )


def preflight(allow: bytes) -> WireRoute:
    """What answers a preflight for a path whose methods are `allow`."""

    async def answer(request: WireRequest, response: WireResponse) -> None:
        headers = [
            (b"access-control-allow-methods", allow),
            (b"access-control-max-age", b"%d" % _KNOWN_FOR),
        ]
        asked = request.headers.get(b"access-control-request-headers", b"")
        if _NAMES.fullmatch(asked):
            # Clients send headers of their makers' own; none of them says who asks but the key.
            headers.append((b"access-control-allow-headers", asked))
        response.send(204, b"", "", headers)

    return WireRoute("OPTIONS", "", answer, needs="public")
