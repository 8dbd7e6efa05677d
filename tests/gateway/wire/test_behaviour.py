"""Pipelines that end in the middle, halves of connections, odd targets, and everything mixed on one connection."""

import asyncio
import json
import random
from collections.abc import Callable

import pytest

from tests.gateway.wire.conftest import Handlers, StartServer
from tests.gateway.wire.test_protocol import get, post
from tests.support.wire import Answer, Client, Served

HOST = b"Host: 127.0.0.1\r\n"


# ------------------------------------------------------------------------------------------------- pipelines


async def test_nothing_behind_a_refused_request_is_answered(served: Served) -> None:
    client = await served.connect()
    await client.send(post("/echo", b"one") + b"GET /about HTTP/1.1\r\nX : y\r\n\r\n" + post("/echo", b"two"))
    assert (await client.answer()).body == b"one"
    assert (await client.answer()).status == 400
    assert await client.rest() == b""


async def test_an_error_of_a_handler_ends_no_pipeline(served: Served) -> None:
    client = await served.connect()
    await client.send(get("/missing") + get("/bug") + get("/shaped") + post("/echo", b"still here"))
    assert [(await client.answer()).status for _ in range(4)] == [404, 500, 404, 200]


async def test_a_pipeline_that_breaks_off_is_answered_as_far_as_it_is_whole(served: Served) -> None:
    client = await served.connect()
    await client.send(post("/echo", b"one") + post("/app", b"two") + post("/echo", b"three")[:-2])
    assert [(await client.answer()).status, (await client.answer()).status] == [200, 200]
    client.close()
    assert (await (await served.connect()).ask(get("/about"))).status == 200


@pytest.mark.parametrize("path", ["/wait", "/app"])
async def test_a_client_that_says_no_more_may_still_be_gone(served: Served, handlers: Handlers, path: str) -> None:
    """Half a connection is taken for none: a client that closed its side and one that died look alike, and work for
    one that died is somebody's money. It gets what was answered until then."""
    client = await served.connect()
    await client.send(get(path))
    if path == "/wait":
        await handlers.started.get()
    client.writer.write_eof()
    await asyncio.wait_for(client.rest(), 5)
    if path == "/wait":
        assert await asyncio.wait_for(handlers.cancelled.get(), 5) == "/wait"


async def test_a_stream_that_is_left_in_the_middle_leaves_nothing_behind(served: Served, handlers: Handlers) -> None:
    client = await served.connect()
    await client.send(get("/about") + get("/wait/streaming") + post("/echo", b"never"))
    assert (await client.answer()).status == 200
    await handlers.started.get()
    client.close()
    assert await asyncio.wait_for(handlers.cancelled.get(), 5) == "/wait/streaming"
    while served.server.server_state.tasks:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0)


# --------------------------------------------------------------------------------------------------- targets


@pytest.mark.parametrize(
    ("target", "app"),
    [
        ("/e%63ho", "/echo"),
        ("/../echo", "/../echo"),
        ("/./echo", "/./echo"),
        ("//echo", "//echo"),
        ("/echo/", "/echo/"),
        ("/echo%00", "/echo\0"),
        ("/echo;x", "/echo;x"),
        ("/%2e%2e/echo", "/../echo"),
        ("/a/../echo", "/a/../echo"),
    ],
)
async def test_a_path_that_is_nearly_ours_is_the_apps(served: Served, target: str, app: str) -> None:
    """Routes are found by the path as it was sent, and nothing makes it another one on the way: what a proxy let pass
    as one thing is never answered as another."""
    client = await served.connect()
    assert json.loads((await client.ask(post(target, b"x"))).body)["app"] == app


@pytest.mark.parametrize("target", ["/v1/models/../secret", "/v1/models/%2e%2e/x", "/v1/models/a%2f..%2fb"])
async def test_dots_in_a_name_are_a_name(served: Served, target: str) -> None:
    client = await served.connect()
    answer = await client.ask(get(target))
    assert b"'id': " in answer.body


async def test_a_long_target_is_refused_and_one_that_fits_is_not(served: Served) -> None:
    client = await served.connect()
    assert (await client.ask(get("/about?" + "q" * 20_000))).status == 200
    assert (await client.ask(get("/about?" + "q" * 70_000))).status == 431
    assert await client.rest() == b""


async def test_a_head_of_more_than_64_kb_is_refused_by_the_usual_limits(served: Served) -> None:
    for fields in (b"X: %b\r\n" % (b"y" * 66_000), b"X-Field: %b\r\n" % (b"y" * 700) * 95, b"X: y\r\n" * 101):
        client = await served.connect()
        answer = await client.ask(b"GET /about HTTP/1.1\r\n%b%b\r\n" % (HOST, fields))
        assert answer.status == 431
        assert await client.rest() == b""


# ------------------------------------------------------------------------------------------------- old and odd


@pytest.mark.parametrize("path", [b"/about", b"/app"])
async def test_http_1_0_is_answered_and_closed(served: Served, path: bytes) -> None:
    client = await served.connect()
    await client.send(b"GET %b HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET %b HTTP/1.0\r\n\r\n" % (path, path))
    data = await client.rest()
    assert data.startswith(b"HTTP/1.1 200")
    assert b"transfer-encoding" not in data
    if path == b"/about":
        assert data.count(b"HTTP/1.1 200") == 1


async def test_an_expectation_of_http_1_0_is_not_met(served: Served) -> None:
    client = await served.connect()
    await client.send(b"POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc")
    data = await client.rest()
    assert data.startswith(b"HTTP/1.1 200")
    assert data.endswith(b"abc")


@pytest.mark.parametrize("path", ["/about", "/missing", "/stream", "/app"])
async def test_head_never_has_a_body(served: Served, path: str) -> None:
    client = await served.connect()
    await client.send(get(path, method="HEAD") + post("/echo", b"next"))
    head = await client.reader.readuntil(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 404"))
    if path != "/app":  # the app here sends one, as no framework does
        following = await client.reader.readuntil(b"\r\n\r\n")
        assert following.startswith(b"HTTP/1.1 200")
        assert await client.reader.readexactly(4) == b"next"


async def test_a_body_that_drips_is_taken_as_long_as_it_comes(start: StartServer) -> None:
    served = await start(body_timeout=0.3)
    client = await served.connect()
    whole = post("/echo", b"slow but sure")
    await client.send(whole[:-5])
    for at in range(len(whole) - 5, len(whole)):
        await asyncio.sleep(0.1)
        await client.send(whole[at : at + 1])
    assert (await client.answer()).body == b"slow but sure"


# ------------------------------------------------------------------------------------- everything on one connection


def _echo(chance: random.Random) -> tuple[bytes, Callable[[Answer], bool]]:
    body = chance.randbytes(chance.choice((0, 5, 2000, 50_000)))
    return post("/echo", body), lambda answer: answer.body == body


def _chunked(chance: random.Random) -> tuple[bytes, Callable[[Answer], bool]]:
    body = chance.randbytes(300)
    head = b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    return head + b"64\r\n%b\r\nc8;x=y\r\n%b\r\n0\r\n\r\n" % (body[:100], body[100:]), lambda a: a.body == body


def _app(chance: random.Random) -> tuple[bytes, Callable[[Answer], bool]]:
    body = b"%d" % chance.randrange(10**9)
    path = chance.choice(("/", "/static/app.js", "/api/v1/me"))
    expected = {"app": path, "method": "POST", "body": body.decode()}
    return post(path, body), lambda answer: json.loads(answer.body) == expected


def _stream(chance: random.Random) -> tuple[bytes, Callable[[Answer], bool]]:
    return get("/stream"), lambda answer: answer.body == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"


def _error(chance: random.Random) -> tuple[bytes, Callable[[Answer], bool]]:
    return get("/missing"), lambda answer: answer.status == 404


def _model(chance: random.Random) -> tuple[bytes, Callable[[Answer], bool]]:
    name = f"m{chance.randrange(1000)}"
    return get(f"/v1/models/{name}"), lambda answer: name in answer.body.decode()


KINDS = (_echo, _chunked, _app, _app, _stream, _error, _model)


@pytest.mark.parametrize("seed", range(6))
async def test_a_browser_and_programs_share_a_connection_and_get_each_their_own(served: Served, seed: int) -> None:
    """Pages and inference in turn over one connection, one after the other and pipelined, cut anywhere; then somebody
    leaves in the middle, and comes again."""
    chance = random.Random(seed)
    for _ in range(4):
        client = await served.connect()
        for _ in range(10):
            asked = [chance.choice(KINDS)(chance) for _ in range(chance.choice((1, 1, 2, 8, 30)))]
            async with asyncio.timeout(10), asyncio.TaskGroup() as group:
                group.create_task(_say(client, b"".join(request for request, _ in asked), chance))
                for request, right in asked:
                    answer = await client.answer()
                    assert right(answer), (request[:200], answer)
        last = b"".join(chance.choice(KINDS)(chance)[0] for _ in range(5)) + get("/wait/streaming")
        await client.send(get("/stream") + last[: chance.randrange(len(last))])
        if chance.random() < 0.5:
            await client.answer()
        client.close()
    assert (await (await served.connect()).ask(post("/echo", b"whole"))).body == b"whole"


async def _say(client: Client, data: bytes, chance: random.Random) -> None:
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(6)))
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        await client.send(data[start:end])
        await asyncio.sleep(0)
