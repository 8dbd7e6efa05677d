"""What every request passes first, tried through the framework as the server uses it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel
from starlette.types import Message, Receive, Scope, Send

from inglenook.kit.asgi import LOCAL_ADMIN, Entrance, from_validation, render_error
from inglenook.kit.errors import BadInput, TooLarge, TooMany, Unauthenticated
from inglenook.kit.hosts import HostPolicy
from tests.support.running import RunningServer

LIMIT = 1000


class Note(BaseModel):
    text: str


def _app() -> FastAPI:
    app = FastAPI()

    @app.get("/where")
    def where(request: Request) -> str:
        return request.url.path

    @app.get("/framed")
    def framed() -> Response:
        return Response("framed", headers={"x-frame-options": "SAMEORIGIN"})

    @app.post("/parsed")
    def parsed(note: Note) -> int:
        return len(note.text)

    @app.post("/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    return app


def _client(app: Any, base_path: str = "") -> httpx.AsyncClient:
    entrance = Entrance(app, HostPolicy("127.0.0.1", ["ai.lan"]), base_path=base_path, body_limit=LIMIT)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=entrance), base_url="http://ai.lan")


@pytest.mark.parametrize(
    ("base_path", "asked", "seen"),
    [
        ("", "/where", 200),
        ("/ai", "/where", 200),  # a proxy that strips
        ("/ai", "/ai/where", 200),  # one that does not
        ("/ai", "/aiwhere", 404),
        ("/ai", "/ai/ai/where", 404),
        ("", "/ai/where", 404),
    ],
)
async def test_the_base_path_may_come_or_be_stripped(base_path: str, asked: str, seen: int) -> None:
    async with _client(_app(), base_path) as client:
        answer = await client.get(asked)
    assert answer.status_code == seen
    if seen == 200:
        assert answer.json() == "/where"


async def test_the_base_path_alone_is_the_root() -> None:
    app = FastAPI()
    app.add_api_route("/", lambda: "root")
    async with _client(app, "/ai") as client:
        assert (await client.get("/ai")).json() == (await client.get("/ai/")).json() == "root"


async def test_a_foreign_host_is_refused_with_the_way_out() -> None:
    async with _client(_app()) as client:
        answer = await client.get("/where", headers={"host": "evil.example"})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "forbidden"
    assert "'evil.example'" in answer.json()["error"]["message"]
    assert "allowed_hosts" in answer.json()["error"]["message"]


async def test_the_control_socket_may_be_called_by_any_name() -> None:
    app = _app()
    entrance = Entrance(app, HostPolicy("127.0.0.1", []), base_path="", body_limit=LIMIT)

    async def through_socket(scope: Scope, receive: Receive, send: Send) -> None:
        await entrance({**scope, LOCAL_ADMIN: True}, receive, send)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=through_socket), base_url="http://whatever"
    ) as client:
        assert (await client.get("/where")).status_code == 200


async def _pieces(total: int) -> AsyncIterator[bytes]:
    for _ in range(total // 100):
        yield b"x" * 100


@pytest.mark.parametrize("path", ["/parsed", "/raw"])
async def test_too_large_a_body_is_413_however_it_comes(path: str) -> None:
    as_json = {"content-type": "application/json"}
    async with _client(_app()) as client:
        told = await client.post(path, content=b"x" * (LIMIT + 1), headers=as_json)
        untold = await client.post(path, content=_pieces(LIMIT + 100), headers=as_json)
    for answer in (told, untold):
        assert answer.status_code == 413, answer.text
        assert answer.json()["error"]["code"] == "too_large"
        assert str(LIMIT) in answer.json()["error"]["message"]
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_body_of_just_the_limit_passes() -> None:
    async with _client(_app()) as client:
        assert (await client.post("/raw", content=b"x" * LIMIT)).json() == LIMIT
        assert (await client.post("/raw", content=_pieces(LIMIT))).json() == LIMIT


async def test_an_application_that_answered_already_keeps_its_answer() -> None:
    seen: list[str] = []

    async def hasty(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while (await receive()).get("more_body"):
                pass
        except TooLarge as error:
            seen.append(type(error).__name__)
        await send({"type": "http.response.body", "body": b"done"})

    async with _client(hasty) as client:
        answer = await client.post("/", content=_pieces(LIMIT + 100))
    assert (answer.status_code, answer.text, seen) == (200, "done", ["TooLarge"])


async def test_every_answer_has_the_security_headers_and_may_choose_its_own() -> None:
    async with _client(_app()) as client:
        for path, host in (("/where", "ai.lan"), ("/nowhere", "ai.lan"), ("/where", "evil.example")):
            headers = (await client.get(path, headers={"host": host})).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "same-origin"
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert headers["x-frame-options"] == "DENY"
            assert "access-control-allow-origin" not in headers
        assert (await client.get("/framed")).headers["x-frame-options"] == "SAMEORIGIN"


async def test_web_sockets_are_refused() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    entrance = Entrance(_app(), HostPolicy("127.0.0.1", []), base_path="", body_limit=LIMIT)
    scope = {"type": "websocket", "path": "/where", "headers": [(b"host", b"127.0.0.1")]}
    await entrance(scope, None, send)  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_errors_have_one_shape() -> None:
    status, headers, body = render_error(TooMany("slow down", retry_after=2.6, details={"at": Path("/x")}))
    assert (status, headers["retry-after"], headers["content-type"]) == (429, "3", "application/json")
    assert json.loads(body) == {"error": {"code": "too_many", "message": "slow down", "details": {"at": "/x"}}}
    assert render_error(TooMany(retry_after=0.01))[1]["retry-after"] == "1"
    assert render_error(Unauthenticated())[1]["www-authenticate"] == "Bearer"
    field = json.loads(render_error(BadInput("no", field="a.b"))[2])["error"]
    assert field == {"code": "bad_input", "message": "no", "field": "a.b"}


def test_a_validation_error_names_the_field() -> None:
    error = from_validation([{"loc": ("body", "messages", 2, "text"), "msg": "Field required"}])
    assert (error.field, error.message) == ("messages[2].text", "messages[2].text: Field required")
    told = {"loc": ("body", "patch"), "msg": "cannot be null", "type": "null", "ctx": {"field": "name"}}
    assert from_validation([told]).field == "patch.name"
    whole = from_validation([{"loc": ("body",), "msg": "Value error, two of three", "type": "value_error"}])
    assert (whole.field, whole.message) == (None, "two of three")
    nothing = from_validation([{"loc": ("body",), "msg": "Field required", "type": "missing"}])
    assert "JSON object" in nothing.message


@pytest.mark.slow
def test_the_server_refuses_too_large_a_body_in_our_words(tmp_path: Path) -> None:
    def pieces() -> Any:
        for _ in range(20):
            yield b" " * 1024

    with RunningServer(tmp_path / "data", INGLENOOK_BODY_LIMIT="4096") as server, server.client() as client:
        for content in (b" " * 5000, pieces()):
            answer = client.post("/api/v1/session", content=content, headers={"content-type": "application/json"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
        unknown = client.get("/api/v1/nothing")
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")
        assert "Traceback" not in server.log()


@pytest.mark.slow
def test_a_body_that_is_no_json_object_is_told_so(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data") as server, server.client() as client:

        def said(content: bytes, content_type: str = "application/json") -> str:
            answer = client.post("/api/v1/session", content=content, headers={"content-type": content_type})
            assert answer.status_code == 400
            return str(answer.json()["error"]["message"])

        good = b'{"name": "ada", "password": "correct horse"}'
        wanted = "the body must be a JSON object, sent with the header Content-Type: application/json"
        assert said(good, "application/x-www-form-urlencoded") == wanted  # what curl -d sends
        assert said(b"[]") == wanted
        assert said(b"") == wanted
        assert said(b'{"name": ') == "the body is not JSON: Expecting value at character 9"
