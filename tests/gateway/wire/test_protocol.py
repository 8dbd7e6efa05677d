"""Answers, order, life and death of connections on the wire's routes."""

import json

from tests.gateway.wire.conftest import Handlers, StartServer
from tests.support.wire import Served

HEAD = b"Host: 127.0.0.1\r\n"


def get(path: str, *lines: str) -> bytes:
    return b"GET %b HTTP/1.1\r\n%b%b\r\n" % (path.encode(), HEAD, "".join(f"{line}\r\n" for line in lines).encode())


def post(path: str, body: bytes, *lines: str) -> bytes:
    more = "".join(f"{line}\r\n" for line in lines).encode()
    return b"POST %b HTTP/1.1\r\n%b%bContent-Length: %d\r\n\r\n%b" % (path.encode(), HEAD, more, len(body), body)


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
