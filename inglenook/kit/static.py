"""Serves the built web interface: one page for every address it routes itself, and its hashed assets.

`index.html` carries a `<base href>` placeholder that is replaced by the base path, so one build works under any.
Assets are named by their content: browsers may keep them for ever. Where `x.js.br` or `x.js.gz` lies beside `x.js`,
it is sent to browsers that take it.
"""

import mimetypes
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

BASE_PLACEHOLDER = "__BASE__"
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
#: Nothing from elsewhere; styles may be inline because KaTeX and highlighting set style attributes.
CONTENT_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob: https:; "
    "font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)


class WebInterface:
    """ASGI application over a folder of built files."""

    def __init__(self, folder: Path, base_path: str) -> None:
        self._folder = folder.resolve()
        page = self._folder / "index.html"
        self._page = page.read_text(encoding="utf-8").replace(BASE_PLACEHOLDER, base_path) if page.exists() else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a GET or HEAD with a file or the page."""
        if scope["method"] not in ("GET", "HEAD"):
            await PlainTextResponse("method not allowed", 405, {"allow": "GET, HEAD"})(scope, receive, send)
            return
        await self._find(scope["path"].lstrip("/"), Headers(scope=scope))(scope, receive, send)

    def _find(self, path: str, headers: Headers) -> Response:
        file = (self._folder / path).resolve()
        if path and not path.startswith(".") and file.is_relative_to(self._folder) and file.is_file():
            return self._file(file, hashed=path.startswith("assets/"), accepted=headers.get("accept-encoding", ""))
        if path.startswith(("assets/", "api/", "v1/")):
            return PlainTextResponse("not found", 404)
        if self._page is None:
            return PlainTextResponse(
                "The web interface is not built: run `make web` in the source tree, or install a released package.",
                503,
            )
        return Response(
            self._page,
            media_type="text/html; charset=utf-8",
            headers={"cache-control": "no-cache", "content-security-policy": CONTENT_POLICY},
        )

    def _file(self, file: Path, *, hashed: bool, accepted: str) -> Response:
        headers = {"cache-control": "public, max-age=31536000, immutable" if hashed else "public, max-age=3600"}
        media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        offered = {name.partition(";")[0].strip() for name in accepted.split(",")}
        for encoding, suffix in _ENCODINGS:
            packed = file.with_name(file.name + suffix)
            if encoding in offered and packed.is_file():
                headers |= {"content-encoding": encoding, "vary": "accept-encoding"}
                return FileResponse(packed, media_type=media_type, headers=headers)
        return FileResponse(file, media_type=media_type, headers=headers)
