"""Browsers that are signed in: the cookie, the row behind it, and the checks against forged requests.

The cookie holds 256 random bits; the database their SHA-256. A session ends 30 days after its last use.
"""

import secrets
from hashlib import sha256
from urllib.parse import urlsplit

from fastapi import Request, Response
from msgspec import Struct
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from inglenook.accounts.errors import NotSameOrigin
from inglenook.accounts.tables import LoginSession, User
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms
from inglenook.store.database import Store

#: The cookie's name on a scheme's own port; `cookie_name` says it for the others.
COOKIE = "inglenook_session"
#: Header (with value 1) that unsafe requests with a cookie must carry: no other site's page can send it.
CSRF_HEADER = "x-inglenook"
LIFETIME_MS = 30 * 24 * 3600 * 1000
#: Uses of a session are written down at most this often.
TOUCH_MS = 10 * 60 * 1000
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class SessionFacts(Struct, frozen=True):
    """A session that is good."""

    id: str
    user_id: str
    last_used_at: int


class Sessions:
    """Finds and ends sessions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, token: str) -> SessionFacts | None:
        """The session of a cookie's token, its use noted; None if it ended."""
        digest = _digest(token)
        now = now_ms()

        def read(session: Session) -> SessionFacts | None:
            row = session.scalar(
                select(LoginSession).where(LoginSession.token_hash == digest, LoginSession.expires_at > now)
            )
            return None if row is None else SessionFacts(row.id, row.user_id, row.last_used_at)

        found = await self._store.read(read)
        if found is not None and now - found.last_used_at > TOUCH_MS:
            await self._store.write(lambda s: _touch(s, found, now))
        return found

    async def end(self, session_id: str) -> None:
        """End one session."""
        await self._store.write(lambda s: s.execute(delete(LoginSession).where(LoginSession.id == session_id)))


def begin(session: Session, user_id: str, user_agent: str, *, replaces: str | None = None) -> str:
    """Start a session in the caller's transaction and return its token.

    Args:
        replaces: Token the browser had before; that session ends, so a planted token is worth nothing.
    """
    now = now_ms()
    session.execute(delete(LoginSession).where(LoginSession.expires_at <= now))
    if replaces is not None:
        session.execute(delete(LoginSession).where(LoginSession.token_hash == _digest(replaces)))
    token = secrets.token_urlsafe(32)
    session.add(
        LoginSession(
            id=new_id("ses"),
            token_hash=_digest(token),
            user_id=user_id,
            created_at=now,
            expires_at=now + LIFETIME_MS,
            last_used_at=now,
            user_agent=user_agent[:300],
        )
    )
    session.execute(update(User).where(User.id == user_id).values(last_seen_at=now))
    return token


def end_all(session: Session, user_id: str, *, but: str | None = None) -> None:
    """End every session of a user, in the caller's transaction, except the one with id `but`."""
    session.execute(delete(LoginSession).where(LoginSession.user_id == user_id, LoginSession.id != (but or "")))


def set_cookie(request: Request, response: Response, token: str) -> None:
    """Put the token where only the browser's requests to this server carry it."""
    response.set_cookie(
        cookie_name(request),
        token,
        max_age=LIFETIME_MS // 1000,
        path=cookie_path(request),
        httponly=True,
        samesite="lax",
        secure=is_https(request),
    )


def clear_cookie(request: Request, response: Response) -> None:
    """Make the browser forget the token."""
    response.delete_cookie(
        cookie_name(request), path=cookie_path(request), httponly=True, samesite="lax", secure=is_https(request)
    )


def cookie_of(request: Request) -> str | None:
    """The token that the browser sent, if it did."""
    return request.cookies.get(cookie_name(request))


def cookie_name(request: Request) -> str:
    """What the cookie is called here: browsers send cookies of one host to all of its ports, so the name tells them
    apart. The port is that of the address the browser asked, not the one we listen at behind a proxy."""
    try:
        port = request.url.port
    except ValueError:  # the Host header's is no number
        port = None
    return COOKIE if port in (None, 80, 443) else f"{COOKIE}_{port}"


def cookie_path(request: Request) -> str:
    """The base path we are served under, or `/`."""
    base_path: str = request.app.state.settings.base_path
    return base_path or "/"


def is_https(request: Request) -> bool:
    """Whether the browser speaks HTTPS with us, or with the trusted proxy before us (uvicorn reads its headers)."""
    return request.url.scheme == "https"


def check_same_origin(request: Request) -> None:
    """Refuse requests that a browser sends on behalf of another site's page.

    Raises:
        NotSameOrigin: `Sec-Fetch-Site` (or, where the browser sends none, `Origin`) names another origin.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        # The browser's own verdict; it also holds behind a proxy that rewrites Host.
        if site != "same-origin":
            raise NotSameOrigin(f"the browser says that this request comes from another site ({site})")
        return
    origin = request.headers.get("origin")
    if origin is None:
        return
    host = request.headers.get("host", "")
    if _netloc(origin) != _netloc(f"{request.url.scheme}://{host}"):
        raise NotSameOrigin(
            f"this request comes from {origin}, but the server was addressed as {host}; "
            "a reverse proxy must pass the Host header on"
        )


def check_not_forged(request: Request) -> None:
    """Check an unsafe request that carries a cookie.

    Raises:
        NotSameOrigin: it may have been made by another site's page.
    """
    if request.method in SAFE_METHODS:
        return
    if request.headers.get(CSRF_HEADER) != "1":
        raise NotSameOrigin("requests that change something and carry a cookie need the header X-Inglenook: 1")
    check_same_origin(request)


def _netloc(origin: str) -> str | None:
    parts = urlsplit(origin)
    if parts.hostname is None:
        return None
    try:
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return None
    return f"{parts.hostname.lower()}:{port}"


def _touch(session: Session, found: SessionFacts, now: int) -> None:
    session.execute(
        update(LoginSession).where(LoginSession.id == found.id).values(last_used_at=now, expires_at=now + LIFETIME_MS)
    )
    session.execute(update(User).where(User.id == found.user_id).values(last_seen_at=now))


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()
