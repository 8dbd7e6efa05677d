"""What is refused before a handler sees it, and that nothing behind it is taken for a request."""

import pytest

from tests.gateway.wire.conftest import Handlers, StartServer
from tests.support.wire import Served

HOST = b"Host: 127.0.0.1\r\n"

# ruff: noqa: E501 - a request is easier to read on one line
SMUGGLING = {
    "length and chunks": b"POST /echo HTTP/1.1\r\n%bContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": b"POST /echo HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST /echo HTTP/1.1\r\n%bContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "list of lengths": b"POST /echo HTTP/1.1\r\n%bContent-Length: 1, 2\r\n\r\nab",
    "signed length": b"POST /echo HTTP/1.1\r\n%bContent-Length: +1\r\n\r\na",
    "huge length": b"POST /echo HTTP/1.1\r\n%bContent-Length: 99999999999999999999999\r\n\r\na",
    "bare LF": b"POST /echo HTTP/1.1\n%bContent-Length: 1\n\na",
    "bare LF after a field": b"GET /about HTTP/1.1\r\n%bX: y\nZ: a\r\n\r\n",
    "folded field": b"GET /about HTTP/1.1\r\n%bX: y\r\n z\r\n\r\n",
    "space before colon": b"GET /about HTTP/1.1\r\n%bX : y\r\n\r\n",
    "null in field": b"GET /about HTTP/1.1\r\n%bX: a\0b\r\n\r\n",
    "unknown coding": b"POST /echo HTTP/1.1\r\n%bTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "coding before chunks": b"POST /echo HTTP/1.1\r\n%bTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunks not last": b"POST /echo HTTP/1.1\r\n%bTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "coding twice": b"POST /echo HTTP/1.1\r\n%bTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": b"POST /echo HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST /echo HTTP/1.0\r\n%bTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "same length twice": b"POST /echo HTTP/1.1\r\n%bContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "length in hex": b"POST /echo HTTP/1.1\r\n%bContent-Length: 0x1\r\n\r\na",
    "length with a space in it": b"POST /echo HTTP/1.1\r\n%bContent-Length: 1 1\r\n\r\na",
    "no length": b"POST /echo HTTP/1.1\r\n%bContent-Length: \r\n\r\na",
    "space before colon of the coding": b"POST /echo HTTP/1.1\r\n%bTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "other space before the coding": b"POST /echo HTTP/1.1\r\n%bTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "length in a folded line": b"POST /echo HTTP/1.1\r\n%bX: y\r\n Content-Length: 1\r\n\r\na",
    "field without a colon": b"GET /about HTTP/1.1\r\n%bX\r\n\r\n",
    "field without a name": b"GET /about HTTP/1.1\r\n%b: y\r\n\r\n",
    "control character in a field": b"GET /about HTTP/1.1\r\n%bX: a\x01b\r\n\r\n",
    "delete in a field": b"GET /about HTTP/1.1\r\n%bX: a\x7fb\r\n\r\n",
    "control character in a name": b"GET /about HTTP/1.1\r\n%bX\x01: b\r\n\r\n",
    "bare CR in a field": b"GET /about HTTP/1.1\r\n%bX: a\rZ: b\r\n\r\n",
    "null in the path": b"GET /about\0 HTTP/1.1\r\n%b\r\n",
    "tab in the first line": b"GET\t/about HTTP/1.1\r\n%b\r\n",
    "space before the first field": b"GET /about HTTP/1.1\r\n X: y\r\n%b\r\n",
    "negative chunk size": b"POST /echo HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n-1\r\na\r\n0\r\n\r\n",
    "chunk size without end": b"POST /echo HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\na\r\n0\r\n\r\n",
    "no chunk size": b"POST /echo HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n\r\na\r\n0\r\n\r\n",
    "underscore in a chunk size": b"POST /echo HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n1_0\r\na\r\n0\r\n\r\n",
    "bare LF after a chunk size": b"POST /echo HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
    "bare LF after a chunk": b"POST /echo HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n1\r\na\n0\r\n\r\n",
    "bare LF in a chunk extension": b"POST /echo HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n1;a\nb\r\na\r\n0\r\n\r\n",
    "no line break after a chunk": b"POST /echo HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n1\r\na0\r\n\r\n",
    "folded trailer": b"POST /echo HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n z\r\n\r\n",
    "method in small letters": b"get /about HTTP/1.1\r\n%b\r\n",
    "method without end": b"G%s /about HTTP/1.1\r\n%%b\r\n" % (b"E" * 5000),
    "bad target with an offer to upgrade": b"GET https://127.0.0.1:1* HTTP/1.1\r\n%bConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    "fragment in the path": b"GET /about#x HTTP/1.1\r\n%b\r\n",
    "another user's host": b"GET http://user@127.0.0.1/about HTTP/1.1\r\n%b\r\n",
    "bad chunk size": b"POST /echo HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
    "chunk longer than said": b"POST /echo HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
    "second host": b"GET /about HTTP/1.1\r\n%bHost: evil.example\r\n\r\n",
    "same host twice": b"GET /about HTTP/1.1\r\n%b%b\r\n" % (b"%b", HOST),
    "other version": b"GET /about HTTP/2.0\r\n%b\r\n",
    "old version": b"GET /about HTTP/0.9\r\n%b\r\n",
    "no version": b"GET /about\r\n%b\r\n",
    "proxying": b"CONNECT 127.0.0.1:22 HTTP/1.1\r\n%b\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\n%b\r\n",
    "foreign target": b"GET http://evil.example/about HTTP/1.1\r\n%b\r\n",
    "space in path": b"GET /about x HTTP/1.1\r\n%b\r\n",
    "eight-bit path": b"GET /\xff\xfe HTTP/1.1\r\n%b\r\n",
}


@pytest.mark.parametrize("name", SMUGGLING)
@pytest.mark.parametrize("path", [b"/about", b"/app"])
async def test_what_could_be_read_in_two_ways_is_refused(served: Served, name: str, path: bytes) -> None:
    request = (SMUGGLING[name] % HOST).replace(b"/about", path).replace(b"/echo", path)
    client = await served.connect()
    await client.send(request + b"GET /about HTTP/1.1\r\n" + HOST + b"\r\n")
    data = await client.rest()
    assert data.count(b"HTTP/1.1 ") == 1, "one refusal, and nothing after it"
    assert 400 <= int(data.split()[1]) < 500
    assert b"connection: close\r\n" in data


@pytest.mark.parametrize("path", ["/about", "/app"])
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("Host: 127.0.0.1:8642\r\n", 200),
        ("Host: localhost\r\n", 200),
        ("", 400),
        ("Host: rebound.example\r\n", 403),
        ("Host:\r\n", 403),
        ("Host: 127.0.0.1.evil.example\r\n", 403),
    ],
)
async def test_host(served: Served, path: str, host: str, status: int) -> None:
    client = await served.connect()
    answer = await client.ask(f"GET {path} HTTP/1.1\r\n{host}\r\n".encode())
    assert answer.status == status


async def test_a_local_socket_answers_to_any_name(start: StartServer) -> None:
    client = await (await start(local=True)).connect()
    assert (await client.ask(b"GET /about HTTP/1.1\r\nHost: anything\r\n\r\n")).status == 200


@pytest.mark.parametrize(
    ("origin", "status"), [("http://page.example", 200), ("http://evil.example", 403), ("null", 403)]
)
async def test_origin(served: Served, origin: str, status: int) -> None:
    client = await served.connect()
    answer = await client.ask(b"GET /about HTTP/1.1\r\n%bOrigin: %b\r\n\r\n" % (HOST, origin.encode()))
    assert answer.status == status
    assert answer.headers.get("access-control-allow-origin") == (origin if status == 200 else None)
    assert "access-control-allow-credentials" not in answer.headers


async def test_pages_can_read_errors_and_streams(served: Served) -> None:
    client = await served.connect()
    for path in (b"/missing", b"/stream", b"/bug"):
        answer = await client.ask(b"GET %b HTTP/1.1\r\n%bOrigin: http://page.example\r\n\r\n" % (path, HOST))
        assert answer.headers["access-control-allow-origin"] == "http://page.example", path
        assert answer.headers["vary"] == "origin"
    assert "access-control-allow-origin" not in (await client.ask(b"GET /about HTTP/1.1\r\n%b\r\n" % HOST)).headers


async def test_preflights(served: Served) -> None:
    client = await served.connect()
    ask = b"OPTIONS /echo HTTP/1.1\r\n%bOrigin: %b\r\nAccess-Control-Request-Method: POST\r\n%b\r\n"
    wanted = b"Access-Control-Request-Headers: authorization, x-stainless-os\r\n"
    answer = await client.ask(ask % (HOST, b"http://page.example", wanted))
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert answer.headers["access-control-allow-headers"] == "authorization, x-stainless-os"
    assert answer.headers["access-control-allow-origin"] == "http://page.example"
    answer = await client.ask(ask % (HOST, b"http://page.example", b""))
    assert "access-control-allow-headers" not in answer.headers
    refused = await client.ask(ask % (HOST, b"http://evil.example", wanted))
    assert (refused.status, "access-control-allow-origin" in refused.headers) == (403, False)
    client = await served.connect()
    # Without the question of a browser it is a method like others.
    assert (await client.ask(b"OPTIONS /echo HTTP/1.1\r\n%b\r\n" % HOST)).status == 405


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"Content-Encoding: br\r\n", 415),
        (b"Content-Encoding: gzip, zstd\r\n", 415),
        (b"Content-Encoding: identity\r\n", 200),
        (b"Expect: 200-maybe\r\n", 417),
    ],
)
async def test_what_is_not_understood(served: Served, lines: bytes, status: int) -> None:
    client = await served.connect()
    answer = await client.ask(b"POST /echo HTTP/1.1\r\n%b%bContent-Length: 1\r\n\r\na" % (HOST, lines))
    assert answer.status == status


@pytest.mark.parametrize("path", [b"/echo", b"/app"])
async def test_size_of_the_head(start: StartServer, path: bytes) -> None:
    served = await start(head=2000, fields=20)
    begin = b"POST %b HTTP/1.1\r\n%bContent-Length: 1\r\n" % (path, HOST)
    for lines in (b"X: %b\r\n" % (b"y" * 3000), b"X: y\r\n" * 30, b"X: %b\r\n" % (b"y" * 40_000)):
        client = await served.connect()
        answer = await client.ask(begin + lines + b"\r\na")
        assert answer.status == 431
        assert await client.rest() == b""
    client = await served.connect()
    assert (await client.ask(begin + b"X: %b\r\n\r\na" % (b"y" * 1500))).status == 200


@pytest.mark.parametrize(
    "endless",
    [
        b"GET /" + b"a" * 100_000,
        b"GET /about HTTP/1.1\r\nX: " + b"y" * 100_000,
        b"\r\n" * 50_000,
        b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"y" * 100_000,
        b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n1;x=" + b"y" * 100_000,
    ],
    ids=["url", "field", "line breaks", "trailer", "chunk extension"],
)
async def test_nothing_may_grow_without_end(served: Served, endless: bytes) -> None:
    client = await served.connect()
    try:
        await client.send(endless)
    except ConnectionError:
        return
    assert (await client.answer()).status == 431


async def test_size_of_the_body(start: StartServer, handlers: Handlers) -> None:
    served = await start(body=10_000)
    told = b"POST /echo HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n" % (HOST, 1_000_000)
    chunked = (
        b"POST /echo HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n" % HOST + b"1000\r\n%b\r\n" % (b"x" * 4096) * 10
    )
    for request in (told + b"x" * 1_000_000, chunked):
        client = await served.connect()
        await client.send(request)
        answer = await client.answer()
        assert answer.status == 413
        assert await client.rest() == b""
    client = await served.connect()
    body = b"x" * 10_000
    assert (await client.ask(b"POST /echo HTTP/1.1\r\n%bContent-Length: 10000\r\n\r\n%b" % (HOST, body))).body == body


async def test_a_refusal_waits_for_its_turn(served: Served, handlers: Handlers) -> None:
    client = await served.connect()
    await client.send(b"GET /wait HTTP/1.1\r\n%b\r\nGET /about HTTP/1.1\r\n\r\nGET /about HTTP/1.1\r\n" % HOST)
    await handlers.started.get()
    handlers.release.set()
    assert [(await client.answer()).status, (await client.answer()).status] == [200, 400]
    assert await client.rest() == b""
