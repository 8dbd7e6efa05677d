"""What every request to the framework's routes passes first: base path, host check, security headers, errors."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inglenook.kit.errors import BadInput, Forbidden, InglenookError, TooLarge, Unavailable
from inglenook.kit.hosts import HostPolicy

#: Set in the scope of requests that came through the data directory's socket: their sender owns the data.
LOCAL_ADMIN = "inglenook.local_admin"

_SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}


class Entrance:
    """Outermost ASGI layer: strips the base path, refuses foreign hosts and oversized bodies, adds headers.

    A reverse proxy may pass the base path on or strip it: both work.
    """

    def __init__(
        self, app: ASGIApp, hosts: HostPolicy, *, base_path: str, body_limit: int, unbounded: tuple[str, ...] = ()
    ) -> None:
        """
        Args:
            unbounded: Beginnings of paths whose routes write bodies to the disk as they come, and look to its room.
        """
        self._unbounded = unbounded
        self._app = app
        self._hosts = hosts
        self._base_path = base_path
        self._body_limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})  # nothing here speaks it: refused before it is accepted
            return
        self._strip(scope)
        answer = _Answer(send)
        if (error := self._objection(scope)) is not None:
            await answer.refuse(error)
            return
        try:
            receive = receive if self._may_be_large(scope) else self._limited(receive, answer)
            await self._app(scope, receive, answer.send)
        except TooLarge:
            if not answer.replaced:
                raise
        except asyncio.CancelledError:  # nobody but a server that stops cancels a request
            await answer.refuse(Unavailable("the server is shutting down"))

    def _strip(self, scope: Scope) -> None:
        path: str = scope["path"]
        if self._base_path and (path == self._base_path or path.startswith(self._base_path + "/")):
            scope["path"] = path[len(self._base_path) :] or "/"
            scope["raw_path"] = None

    def _objection(self, scope: Scope) -> InglenookError | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if LOCAL_ADMIN not in scope and not self._hosts.host_allowed(host):
            return Forbidden(
                f"this server does not answer for the host {host!r}; "
                "an administrator can allow it by the setting allowed_hosts"
            )
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._body_limit and not self._may_be_large(scope):
            return TooLarge(f"the body has {length} bytes, the limit is {self._body_limit}")
        return None

    def _may_be_large(self, scope: Scope) -> bool:
        return bool(self._unbounded) and scope["path"].startswith(self._unbounded)

    def _limited(self, receive: Receive, answer: "_Answer") -> Receive:
        """`receive` that gives no more than the limit, for bodies that do not say their length."""
        seen = 0

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._body_limit:
                error = TooLarge(f"the body is larger than {self._body_limit} bytes")
                await answer.refuse(error)
                raise error
            return message

        return limited


class _Answer:
    """The way out: adds headers to what the application sends, or sends a refusal in its place."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._started = False
        self.replaced = False

    async def send(self, message: Message) -> None:
        """Pass on what the application sends, unless a refusal was sent already."""
        if self.replaced:
            return
        if message["type"] == "http.response.start":
            self._started = True
            headers = MutableHeaders(scope=message)
            for name, value in _SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)

    async def refuse(self, error: InglenookError) -> None:
        """Answer with an error, if nothing was answered yet, whatever the application makes of it.

        The framework would turn an error in the midst of a body into its own words.
        """
        if self._started:
            return
        await send_error(error, self.send)
        self.replaced = True


async def send_error(error: InglenookError, send: Send) -> None:
    """Send an error as a whole response in the shape of our API."""
    status, headers, body = render_error(error)
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def render_error(error: InglenookError) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an error."""
    headers = {"content-type": "application/json"}
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after)))
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return error.status, headers, orjson.dumps(error.as_dict(), default=str)


def from_validation(errors: list[dict[str, Any]]) -> BadInput:
    """The first of pydantic's complaints as an error that names the field, as `settings.models[2].name`.

    A validator of a whole body names the field it means in its context (`PydanticCustomError`).
    """
    first = errors[0]
    place = first["loc"]
    named = first.get("ctx", {}).get("field")
    if first.get("type") == "json_invalid":
        return BadInput(f"the body is not JSON: {first['ctx']['error']} at character {place[-1]}")
    if place == ("body",) and first.get("type") in _NO_OBJECT:
        return BadInput("the body must be a JSON object, sent with the header Content-Type: application/json")
    field = _path(place[1:] if place and place[0] in _SOURCES else place)
    if isinstance(named, str):
        field = f"{field}.{named}" if field else named
    where = f"{field}: " if field else ""
    return BadInput(f"{where}{first['msg'].removeprefix('Value error, ')}", field=field or None)


def _path(parts: Sequence[str | int]) -> str:
    """A place in a body in the words of a caller: `targets[0].model`."""
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


_SOURCES = ("body", "query", "path", "header", "cookie")
#: Complaints of a body that is no object at all.
_NO_OBJECT = frozenset({"missing", "model_attributes_type", "model_type", "dict_type"})
