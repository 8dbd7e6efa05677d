"""Serves the built web interface: one page for every address it routes itself, and its hashed assets.

`index.html` carries a `<base href>` placeholder that is replaced by the base path, so one build works under any.
Assets are named by their content: browsers may keep them for ever. Where `x.js.br` or `x.js.gz` lies beside `x.js`,
it is sent to browsers that take it.
"""

import html
import mimetypes
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from inglenook.kit.errors import NotFound

BASE_PLACEHOLDER = "__BASE__"
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
#: Nothing from elsewhere; styles may be inline because KaTeX and highlighting set style attributes.
CONTENT_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)
#: Python's own table only: browsers refuse scripts by the types that some machines' tables give.
_TYPES = mimetypes.MimeTypes(filenames=())
for _suffix, _type in ((".js", "text/javascript"), (".woff2", "font/woff2"), (".svg", "image/svg+xml")):
    _TYPES.add_type(_type, _suffix)


class WebInterface:
    """ASGI application over a folder of built files, mounted below every other route.

    Raises `NotFound` for addresses of the API that no route took.
    """

    def __init__(self, folder: Path, base_path: str) -> None:
        """
        Args:
            folder: What the build made; it may be missing, which the page then says.
            base_path: Path we are served under, without a slash at its end; empty for none.
        """
        self._folder = folder.resolve()
        self._base_path = html.escape(base_path)
        self._page: tuple[float, str] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a GET or HEAD with a file or the page."""
        path: str = scope["path"].lstrip("/")
        if path.startswith(("api/", "v1/")):
            raise NotFound(f"there is no {scope['method']} /{path} here")
        if scope["method"] not in ("GET", "HEAD"):
            response: Response = PlainTextResponse("method not allowed", 405, {"allow": "GET, HEAD"})
        else:
            response = self._find(path, Headers(scope=scope))
        await response(scope, receive, send)

    def _find(self, path: str, headers: Headers) -> Response:
        file = self._file_at(path)
        if file is not None:
            hashed = path.startswith("assets/")
            return _answer_with(file, hashed=hashed, accepted=headers.get("accept-encoding", ""))
        if path.startswith("assets/"):
            return PlainTextResponse("not found", 404)
        page = self._current_page()
        if page is None:
            return PlainTextResponse(
                "The web interface is not built: run `make web` in the source tree, or install a released package.",
                503,
            )
        return Response(
            page,
            media_type="text/html; charset=utf-8",
            headers={"cache-control": "no-cache", "content-security-policy": CONTENT_POLICY},
        )

    def _current_page(self) -> str | None:
        """The page, read anew when it was built anew: an older one would ask for assets that are gone."""
        path = self._folder / "index.html"
        try:
            made = path.stat().st_mtime
            if self._page is None or self._page[0] != made:
                self._page = made, path.read_text(encoding="utf-8").replace(BASE_PLACEHOLDER, self._base_path)
        except FileNotFoundError:
            return None
        return self._page[1]

    def _file_at(self, path: str) -> Path | None:
        """The file of that name, if it may be served as it is."""
        if path in ("", "index.html") or any(part.startswith(".") for part in path.split("/")):
            return None
        try:
            file = (self._folder / path).resolve()
            return file if file.is_relative_to(self._folder) and file.is_file() else None
        except (OSError, ValueError):  # no name a file could have
            return None


def _answer_with(file: Path, *, hashed: bool, accepted: str) -> Response:
    headers = {"cache-control": "public, max-age=31536000, immutable" if hashed else "public, max-age=3600"}
    media_type = _TYPES.guess_type(file.name)[0] or "application/octet-stream"
    packed = [(encoding, file.with_name(file.name + suffix)) for encoding, suffix in _ENCODINGS]
    packed = [(encoding, path) for encoding, path in packed if path.is_file()]
    if packed:
        headers["vary"] = "accept-encoding"
    taken = _encodings(accepted)
    for encoding, path in packed:
        if encoding in taken:
            return FileResponse(path, media_type=media_type, headers={**headers, "content-encoding": encoding})
    return FileResponse(file, media_type=media_type, headers=headers)


def _encodings(accepted: str) -> set[str]:
    """The content codings that a client takes, without those it names with a weight of 0."""
    taken = set()
    for entry in accepted.lower().split(","):
        name, _, weight = entry.partition(";")
        if weight.replace(" ", "").rstrip("0.") != "q=":
            taken.add(name.strip())
    return taken
