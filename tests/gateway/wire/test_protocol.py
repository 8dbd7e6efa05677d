"""Answers, order, life and death of connections on the wire's routes."""

import asyncio
import json
import socket

import pytest

from tests.gateway.wire.conftest import Handlers, StartServer
from tests.support.wire import Served

HEAD = b"Host: 127.0.0.1\r\n"


def get(path: str, *lines: str, method: str = "GET") -> bytes:
    more = "".join(f"{line}\r\n" for line in lines).encode()
    return b"%b %b HTTP/1.1\r\n%b%b\r\n" % (method.encode(), path.encode(), HEAD, more)


def post(path: str, body: bytes, *lines: str) -> bytes:
    more = "".join(f"{line}\r\n" for line in lines).encode()
    return b"POST %b HTTP/1.1\r\n%b%bContent-Length: %d\r\n\r\n%b" % (path.encode(), HEAD, more, len(body), body)


# ------------------------------------------------------------------------------------------------- answering


async def test_wire_and_app_share_a_connection(served: Served) -> None:
    client = await served.connect()
    for number in range(3):
        answer = await client.ask(post("/echo", b"hello %d" % number))
        assert (answer.status, answer.body) == (200, b"hello %d" % number)
        assert "date" in answer.headers
        answer = await client.ask(post("/elsewhere?x=1", b"to the app"))
        assert json.loads(answer.body) == {"app": "/elsewhere", "method": "POST", "body": "to the app"}


async def test_stream(served: Served) -> None:
    client = await served.connect()
    answer = await client.ask(get("/stream"))
    assert answer.body == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert (await client.ask(get("/about"))).status == 200


async def test_pipelined_answers_come_in_order(served: Served, handlers: Handlers) -> None:
    client = await served.connect()
    await client.send(
        get("/wait") + post("/echo", b"second") + get("/third") + post("/echo", b"fourth") + get("/stream")
    )
    assert await handlers.started.get() == "/wait"
    handlers.release.set()
    bodies = [(await client.answer()).body for _ in range(5)]
    assert bodies[0] == b"released"
    assert bodies[1] == b"second"
    assert json.loads(bodies[2])["app"] == "/third"
    assert bodies[3] == b"fourth"
    assert bodies[4].startswith(b"data: 0")


async def test_a_deep_pipeline_is_answered_whole(served: Served) -> None:
    """More requests than may wait at once: the rest stays in the socket meanwhile."""
    client = await served.connect()
    number = 3000
    sending = asyncio.create_task(client.send(b"".join(post("/echo", b"%d" % n) for n in range(number))))
    for n in range(number):
        assert (await client.answer()).body == b"%d" % n
    await sending


async def test_chunked_body_and_trailers(served: Served) -> None:
    client = await served.connect()
    answer = await client.ask(
        b"POST /echo HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        b"3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nAuthorization: Bearer smuggled\r\n\r\n"
    )
    assert answer.body == b"abcde"
    assert (await client.ask(get("/about"))).status == 200


async def test_what_a_handler_sees(served: Served) -> None:
    client = await served.connect()
    answer = await client.ask(get("/about?a=1&b=%20x&a=2", "Authorization: Bearer k", "Cookie: session=1"))
    assert answer.body == b"GET /about {} {'a': '2', 'b': ' x'} [b'authorization', b'host']"


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/v1/models/smol", {"id": "smol"}),
        ("/v1/models/org/name:tag", {"id": "org/name:tag"}),
        ("/v1/models/org%2Fname", {"id": "org/name"}),
        ("/v1/models/%E4%BE%8B", {"id": "例"}),
        ("/one/a/end", {"name": "a"}),
        ("/one/a%2Fb/end", {"name": "a/b"}),
        ("/ai/v1/models/x", {"id": "x"}),
        ("/ai/about", {}),
        ("http://localhost/v1/models/x", {"id": "x"}),
    ],
)
async def test_paths_of_ours(start: StartServer, path: str, params: dict[str, str]) -> None:
    client = await (await start(base_path="/ai")).connect()
    answer = await client.ask(get(path))
    assert str(params) in answer.body.decode()


@pytest.mark.parametrize("path", ["/v1/models/", "/v1/modelsx", "/one/a/b/end", "/ABOUT", "/about/", "/ai/", "/"])
async def test_paths_of_the_app(start: StartServer, path: str) -> None:
    client = await (await start(base_path="/ai")).connect()
    assert json.loads((await client.ask(get(path))).body)["app"] == path


async def test_head_answers_like_get_without_body(served: Served) -> None:
    client = await served.connect()
    await client.send(get("/about", method="HEAD") + get("/about"))
    data = await client.reader.readuntil(b"\r\n\r\n")
    assert data.startswith(b"HTTP/1.1 200")
    assert b"content-length: 27\r\n" in data
    assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_a_wrong_method_names_the_right_ones(served: Served) -> None:
    client = await served.connect()
    answer = await client.ask(get("/echo"))
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    client = await served.connect()
    answer = await client.ask(get("/about", "Access-Control-Request-Method: GET", method="OPTIONS"))
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_errors_have_the_shape_of_their_route(served: Served) -> None:
    client = await served.connect()
    answer = await client.ask(get("/missing"))
    assert (answer.status, answer.headers["retry-after"]) == (404, "7")
    assert json.loads(answer.body) == {"error": {"code": "not_found", "message": "no such model"}}
    answer = await client.ask(get("/shaped"))
    assert (answer.status, answer.body) == (404, b'{"shaped":"not_found"}')


@pytest.mark.parametrize("path", ["/bug", "/silent"])
async def test_a_bug_is_a_500_and_says_nothing_more(
    served: Served, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = await served.connect()
    answer = await client.ask(get(path))
    assert answer.status == 500
    assert json.loads(answer.body)["error"]["code"] == "internal"
    assert "failed" in caplog.text
    assert (await client.ask(get("/about"))).status == 200


async def test_a_broken_stream_never_ends_cleanly(served: Served) -> None:
    """What was written arrives, so that a face can say what went wrong; the end of the body does not."""
    client = await served.connect()
    await client.send(get("/broken"))
    data = await client.rest()
    assert data.count(b"part") == 50_000
    assert data.endswith(b"error event\r\n")
    old = await served.connect()
    await old.send(b"GET /broken HTTP/1.0\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        await old.reader.read()


async def test_connection_close(served: Served) -> None:
    client = await served.connect()
    await client.send(post("/echo", b"x", "Connection: close") + post("/echo", b"never answered"))
    data = await client.rest()
    assert b"connection: close\r\n" in data
    assert data.endswith(b"\r\n\r\nx")


async def test_http_1_0(served: Served) -> None:
    client = await served.connect()
    await client.send(b"GET /stream HTTP/1.0\r\n\r\n")
    data = await client.rest()
    assert b"chunked" not in data
    assert data.endswith(b"\r\n\r\ndata: 0\n\ndata: 1\n\ndata: 2\n\n")


async def test_expect_continue(served: Served) -> None:
    client = await served.connect()
    await client.send(b"POST /echo HTTP/1.1\r\n" + HEAD + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert (await client.ask(b"abc")).body == b"abc"
    await client.send(b"POST /app HTTP/1.1\r\n" + HEAD + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert json.loads((await client.ask(b"abc")).body)["body"] == "abc"


async def test_nobody_is_asked_to_continue_into_a_refusal(start: StartServer) -> None:
    client = await (await start(body=100)).connect()
    await client.send(b"POST /echo HTTP/1.1\r\n" + HEAD + b"Expect: 100-continue\r\nContent-Length: 300\r\n\r\n")
    assert (await client.answer()).status == 413


async def test_an_offer_to_upgrade_is_declined(served: Served) -> None:
    """Java's HTTP client offers h2c with every first request; the body must not get lost."""
    client = await served.connect()
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk")
    for path in ("/echo", "/app"):
        whole = post(path, b"kept", *offer)
        for cut in (len(whole), len(whole) - 2):
            await client.send(whole[:cut])
            answer = await client.ask(whole[cut:])
            assert b"kept" in answer.body
    await client.send(post("/echo", b"one", *offer) + post("/echo", b"two"))
    assert [(await client.answer()).body, (await client.answer()).body] == [b"one", b"two"]


# ---------------------------------------------------------------------------------------------- life and death


@pytest.mark.parametrize("path", ["/wait", "/wait/streaming"])
async def test_a_client_that_leaves_cancels_its_handler(served: Served, handlers: Handlers, path: str) -> None:
    client = await served.connect()
    await client.send(get(path))
    await handlers.started.get()
    client.close()
    assert await asyncio.wait_for(handlers.cancelled.get(), 5) == path


async def test_a_client_that_leaves_cancels_what_is_queued(served: Served, handlers: Handlers) -> None:
    client = await served.connect()
    await client.send(get("/wait") + get("/app") + get("/wait/streaming"))
    await handlers.started.get()
    client.close()
    assert await asyncio.wait_for(handlers.cancelled.get(), 5) == "/wait"
    assert handlers.started.empty()


async def test_a_slow_reader_stops_the_handler(start: StartServer, handlers: Handlers) -> None:
    served = await start(write_timeout=0.2)
    with socket.socket() as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", served.port))
        await loop.sock_sendall(sock, get("/flood"))
        assert await asyncio.wait_for(handlers.cancelled.get(), 5) == "/flood"
    assert handlers.written < 64 * 1024 * 1024


async def test_shutdown_finishes_what_runs(served: Served, handlers: Handlers) -> None:
    client, idle = await served.connect(), await served.connect()
    await idle.ask(get("/about"))
    await client.send(get("/wait"))
    await handlers.started.get()
    stopping = asyncio.create_task(served.stop())
    assert await idle.rest() == b""
    handlers.release.set()
    answer = await client.answer()
    assert (answer.body, answer.headers["connection"]) == (b"released", "close")
    assert await client.rest() == b""
    await stopping


async def test_shutdown_cuts_what_does_not_end(served: Served, handlers: Handlers) -> None:
    waiting, streaming = await served.connect(), await served.connect()
    await waiting.send(get("/wait"))
    await streaming.send(get("/wait/streaming"))
    assert {await handlers.started.get(), await handlers.started.get()} == {"/wait", "/wait/streaming"}
    await served.stop()
    assert (await waiting.answer()).status == 503
    data = await streaming.rest()
    assert b"first" in data
    assert not data.endswith(b"0\r\n\r\n")


async def test_an_idle_connection_is_closed(start: StartServer) -> None:
    served = await start(keep_alive=0.05, head_timeout=0.1)
    silent, idle = await served.connect(), await served.connect()
    await idle.ask(get("/about"))
    assert await asyncio.wait_for(idle.rest(), 5) == b""
    assert await asyncio.wait_for(silent.rest(), 5) == b""


async def test_a_slow_head_is_cut(start: StartServer, handlers: Handlers) -> None:
    served = await start(head_timeout=0.1)
    client = await served.connect()
    await client.send(b"GET /about HTTP/1.1\r\nHost: 127.0.0.1\r\nX-")
    assert (await asyncio.wait_for(client.answer(), 5)).status == 408
    assert await client.rest() == b""
    queued = await served.connect()  # behind a request that still runs, its turn comes later
    await queued.send(get("/wait") + b"GET /about HTTP/1.1\r\n")
    await handlers.started.get()
    await asyncio.sleep(0.2)
    handlers.release.set()
    assert [(await queued.answer()).status, (await queued.answer()).status] == [200, 408]


async def test_a_slow_body_is_cut(start: StartServer) -> None:
    served = await start(body_timeout=0.1)
    client = await served.connect()
    await client.send(post("/echo", b"whole")[:-1])
    assert (await asyncio.wait_for(client.answer(), 5)).status == 408
    app = await served.connect()
    await app.send(post("/app", b"whole")[:-1])
    assert (await asyncio.wait_for(app.answer(), 5)).status == 408


async def test_a_long_answer_is_not_cut(start: StartServer, handlers: Handlers) -> None:
    served = await start(head_timeout=0.05, body_timeout=0.05, keep_alive=0.05)
    client = await served.connect()
    await client.send(get("/wait"))
    await handlers.started.get()
    await asyncio.sleep(0.2)
    handlers.release.set()
    assert (await client.answer()).body == b"released"
