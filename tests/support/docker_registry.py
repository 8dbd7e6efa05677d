"""A registry of one's own on loopback: Docker's protocol in memory, for pushing and pulling; and what bad ones do."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from threading import Thread
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit


class Asked(NamedTuple):
    """A request it got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Registry:
    """Keeps `blobs` by digest and `manifests` by path.

    Attributes:
        realm: Where it sends people for a token, if it wants one.
        login: `user:password` its token or itself wants, if any.
        basic: It wants the login itself, with each request.
        upload_at: Where it sends uploads, instead of to itself.
        full: It takes no blob.
        asked: Every request so far.
    """

    def __init__(self) -> None:
        self.origin = ""
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.realm = ""
        self.login = ""
        self.basic = False
        self.upload_at = ""
        self.full = False
        self.asked: list[Asked] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, path, _ = head[0].split(" ")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            asked = Asked(method, path, headers, body)
            self.asked.append(asked)
            status, more, data = self._answer(asked)
            lines = [f"HTTP/1.1 {status} X", "connection: close", f"content-length: {len(data)}"]
            writer.write("\r\n".join([*lines, *(f"{k}: {v}" for k, v in more.items()), "", ""]).encode())
            if method != "HEAD":
                writer.write(data)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went away
        finally:
            writer.close()

    def _answer(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        place = urlsplit(asked.path)
        login = "Basic " + base64.b64encode(self.login.encode()).decode() if self.login else ""
        shown = asked.headers.get("authorization", "")
        if place.path == "/token":
            return (200, {}, b'{"token":"t0k3n"}') if shown == login else (401, {}, b"")
        if self.basic and shown != login:
            return 401, {"www-authenticate": 'Basic realm="here"'}, b""
        if self.realm and shown != "Bearer t0k3n":
            return 401, {"www-authenticate": f'Bearer realm="{self.realm}",service="r",scope="push"'}, b""
        digest = place.path.rpartition("/")[2]
        if asked.method == "POST":
            if self.full:
                return 507, {}, json.dumps({"errors": [{"code": "FULL", "message": "no room left"}]}).encode()
            return 202, {"location": f"{self.upload_at}{place.path}1?state=x"}, b""
        if asked.method == "PUT" and "/uploads/" in place.path:
            digest = parse_qs(place.query)["digest"][0]
            if "sha256:" + hashlib.sha256(asked.body).hexdigest() != digest:
                return 400, {}, b'{"errors":[{"code":"DIGEST_INVALID"}]}'
            self.blobs[digest] = asked.body
            return 201, {}, b""
        if asked.method == "PUT":
            layers = json.loads(asked.body)
            if {layer["digest"] for layer in [*layers["layers"], layers["config"]]} - self.blobs.keys():
                return 400, {}, b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}'
            self.manifests[place.path] = asked.body
            return 201, {}, b""
        data = self.manifests.get(place.path) or self.blobs.get(digest)
        return (200, {}, data) if data is not None else (404, {}, b"")


@asynccontextmanager
async def registry() -> AsyncIterator[Registry]:
    """One that runs, in this event loop."""
    made = Registry()
    server = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    made.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield made


@contextmanager
def registry_beside() -> Iterator[Registry]:
    """One that runs in a thread, for tests without an event loop."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    made = Registry()
    server = asyncio.run_coroutine_threadsafe(asyncio.start_server(made.answer, "127.0.0.1", 0), loop).result()
    made.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
