"""What faces and the wire agree on: a route, the request its handler gets, and the response it answers through."""

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple, Protocol
from urllib.parse import parse_qsl, unquote

import orjson

from inglenook.gateway.wire.encoding import decoded
from inglenook.kit.errors import InglenookError

Headers = Sequence[tuple[bytes, bytes]]


class WireRequest:
    """A whole request: the handler starts when the body is here.

    Attributes:
        method: Upper case. `HEAD` reaches the `GET` handler; what it writes as body is dropped.
        path: Without base path and query, as sent (percent-encoded).
        headers: Lower-case names; of a repeated header the last one. Cookies are not among them: these routes
            know API keys only.
        body: At most the configured limit, as it came: `plain_body` undoes its `Content-Encoding`.
        peer: Address and port of the other end of the connection (a reverse proxy, if there is one).
        params: Captures of the route's path, percent-decoded.
        local: Whether it came through a socket that only the owner of the data can open (`WireTable.local`).
    """

    __slots__ = ("_raw_query", "body", "headers", "local", "method", "params", "path", "peer")

    def __init__(
        self,
        method: str,
        path: str,
        *,
        raw_query: bytes = b"",
        headers: dict[bytes, bytes] | None = None,
        body: bytes = b"",
        peer: tuple[str, int] | None = None,
        params: dict[str, str] | None = None,
        local: bool = False,
    ) -> None:
        self.method = method
        self.path = path
        self.headers = {} if headers is None else headers
        self.body = body
        self.peer = peer
        self.params = {} if params is None else params
        self.local = local
        self._raw_query = raw_query

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters, decoded; of a repeated one the last."""
        if not self._raw_query:
            return {}
        return dict(parse_qsl(self._raw_query.decode("latin-1"), keep_blank_values=True))

    async def plain_body(self) -> bytes:
        """The body, decompressed if it came compressed. Ask who sent it first: little can become much.

        Raises:
            Refused: it is not what its `Content-Encoding` says.
            TooLarge: it swells too far.
        """
        coding = self.headers.get(b"content-encoding", b"identity").lower()
        return self.body if coding == b"identity" else await decoded(self.body, coding)


class WireResponse(Protocol):
    """Where a handler answers: either one `send`, or `start`, any number of `write` and one `end`.

    A handler that raises before it answered gets an error answer in the route's shape. One that raises, returns
    or is cancelled between `start` and `end` breaks the connection, so that the client never takes a part for the
    whole; to say what went wrong, write an error event of your protocol and then `end`.
    """

    @property
    def started(self) -> bool:
        """Whether `send` or `start` was called."""
        ...

    def send(self, status: int, body: bytes, content_type: str = "application/json", headers: Headers = ()) -> None:
        """Answer with a whole body."""
        ...

    def fail(self, error: InglenookError, body: bytes | None = None, more: Headers = ()) -> None:
        """Answer with an error, as raising it does; `body` and the headers `more` say what the error alone does not."""
        ...

    def start(self, status: int, content_type: str, headers: Headers = ()) -> None:
        """Begin a streamed answer. Its head leaves with the first `write`; `write(b"")` sends it alone."""
        ...

    async def write(self, data: bytes) -> None:
        """Send a piece; waits while the client reads slower than we write."""
        ...

    def end(self) -> None:
        """The stream is whole."""
        ...

    def abort(self) -> None:
        """Break the connection at once; the handler's task is cancelled."""
        ...


Handler = Callable[[WireRequest, WireResponse], Awaitable[None]]
RenderError = Callable[[InglenookError], bytes]


def render_plain(error: InglenookError) -> bytes:
    """An error in the shape of our own API."""
    return orjson.dumps(error.as_dict(), default=str)


class WireRoute:
    """One method on one path.

    Args:
        path: Literal, with captures: `{name}` takes one segment, `{name:path}` also takes slashes
            (`/v1/models/{id:path}`). Literal paths win over patterns, earlier patterns over later ones.
        handler: Called in a task of its own, which is cancelled when the client goes away.
        needs: The right it asks for, such as `use model`, or `public`; read by the test that walks all routes.
        render_error: Body (JSON) of an error in the face's shape; `WireTable`'s when absent.
    """

    __slots__ = ("handler", "method", "needs", "path", "render_error")

    def __init__(
        self, method: str, path: str, handler: Handler, *, needs: str, render_error: RenderError | None = None
    ) -> None:
        self.method = method.upper()
        self.path = path
        self.handler = handler
        self.needs = needs
        self.render_error = render_error


class Resource:
    """The routes of one path by method, as the request line spells it."""

    __slots__ = ("allow", "methods", "pattern", "render_error")

    def __init__(self, path: str) -> None:
        self.pattern = _compile(path)
        self.methods: dict[bytes, WireRoute] = {}
        self.allow = b""
        self.render_error: RenderError | None = None

    def add(self, route: WireRoute) -> None:
        """Let the path answer one more method, and `HEAD` with `GET`."""
        self.methods[route.method.encode()] = route
        if route.method == "GET":
            self.methods.setdefault(b"HEAD", route)
        self.allow = b", ".join(sorted(self.methods))
        self.render_error = self.render_error or route.render_error


class Match(NamedTuple):
    """What a path names."""

    resource: Resource
    path: str
    params: dict[str, str] | None


class HostRules(Protocol):
    """Which names requests may call this server by (`kit.hosts.HostPolicy`)."""

    def host_allowed(self, host: str) -> bool:
        """Whether a request may name `host` (the `Host` header, port included). The wire keeps the verdicts."""
        ...

    def may_call(self, origin: str, host: str) -> bool:
        """Whether a page of this `Origin` may call the wire's routes, with a key, under this `Host`."""
        ...


class WireTable:
    """All routes of one port, and what it asks of every request. Immutable once made.

    Args:
        hosts: Names this port answers to.
        body_limit: Largest body on these routes, in bytes.
        local: The port is a socket that only the owner of the data can open: any host name will do.
        base_path: The routes answer under this prefix too (`/ai`), for proxies that do not strip it.
        render_error: Shape of errors on routes that have none of their own.
    """

    def __init__(
        self,
        routes: Iterable[WireRoute],
        *,
        hosts: HostRules,
        base_path: str = "",
        body_limit: int = 64 * 1024 * 1024,
        local: bool = False,
        render_error: RenderError = render_plain,
    ) -> None:
        self.routes = tuple(routes)
        self.hosts = hosts
        self.body_limit = body_limit
        self.local = local
        self.render_error = render_error
        self._prefix = base_path.rstrip("/").encode()
        self._patterns: list[Resource] = []
        self._literal: dict[bytes, Match] = {}
        resources: dict[str, Resource] = {}
        for route in self.routes:
            resource = resources.get(route.path)
            if resource is None:
                resource = resources[route.path] = Resource(route.path)
                if resource.pattern is None:
                    match = Match(resource, route.path, None)
                    self._literal[route.path.encode()] = self._literal[self._prefix + route.path.encode()] = match
                else:
                    self._patterns.append(resource)
            resource.add(route)

    def find(self, path: bytes) -> Match | None:
        """What a path without query names, if it is ours."""
        match = self._literal.get(path)
        if match is not None or not self._patterns:
            return match
        if self._prefix and path.startswith(self._prefix + b"/"):
            path = path[len(self._prefix) :]
        text = path.decode("latin-1")
        for resource in self._patterns:
            if resource.pattern is not None and (found := resource.pattern.fullmatch(text)):
                params = {name: unquote(value) for name, value in found.groupdict().items()}
                return Match(resource, text, params)
        return None


def _compile(path: str) -> re.Pattern[str] | None:
    """The pattern of a path with captures; None for a literal one."""
    pieces = re.split(r"\{(\w+)(:path)?\}", path)
    if len(pieces) == 1:
        return None
    pattern = ""
    for literal, name, rest in zip(pieces[::3], [*pieces[1::3], ""], [*pieces[2::3], None], strict=True):
        pattern += re.escape(literal)
        if name:
            pattern += f"(?P<{name}>{'.+' if rest else '[^/]+'})"
    return re.compile(pattern)
