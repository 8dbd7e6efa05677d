"""The pooled client against scripted servers."""

import asyncio
import re

import pytest

from inglenook.kit.errors import BadInput, Unavailable, UpstreamFailed, UpstreamTimeout
from inglenook.kit.http.guard import AddressGuard, AddressRefused
from inglenook.kit.http.pool import HttpPool, Timeouts, Url, render_headers
from tests.support.scripted import Talk, Upstream, answer, hello


async def test_request_and_answer(pool: HttpPool, upstream: Upstream) -> None:
    heads: list[bytes] = []

    async def script(talk: Talk) -> None:
        heads.append(await talk.request())
        await talk.say(answer(talk.body[::-1], "Content-Type: text/plain"))

    upstream.then(script)
    response = await pool.request("POST", upstream.url("/v1/x?y=1"), [(b"authorization", b"Bearer k")], b"abc")
    assert response.status == 200
    assert response.header(b"content-type") == b"text/plain"
    assert await response.read() == b"cba"
    assert heads == [
        b"POST /v1/x?y=1 HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nauthorization: Bearer k\r\ncontent-length: 3\r\n\r\n"
        % upstream.port
    ]


async def test_a_connection_is_used_again(pool: HttpPool, upstream: Upstream) -> None:
    upstream.then(hello)
    for number in range(5):
        response = await pool.request("POST", upstream.url(), (), b"%d" % number)
        assert await response.read() == b"hello %d" % number
    assert upstream.connections == 1


async def test_parallel_requests_get_connections_of_their_own(pool: HttpPool, upstream: Upstream) -> None:
    upstream.then(hello)

    async def one(number: int) -> bytes:
        return await (await pool.request("POST", upstream.url(), (), b"%d" % number)).read()

    for _ in range(2):
        assert await asyncio.gather(*(one(n) for n in range(8))) == [b"hello %d" % n for n in range(8)]
    assert upstream.connections == 8


async def test_chunks_arrive_as_they_come(pool: HttpPool, upstream: Upstream) -> None:
    seen = asyncio.Queue[None]()

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for piece in (b"one", b"two"):
            await talk.say(b"3\r\n%b\r\n" % piece)
            await seen.get()
        await talk.say(b"0\r\n\r\n")
        await talk.request()

    upstream.then(script)
    pieces = []
    async with await pool.request("GET", upstream.url()) as response:
        async for piece in response:
            pieces.append(piece)
            seen.put_nowait(None)
    assert pieces == [b"one", b"two"]


async def test_closing_early_breaks_the_connection(pool: HttpPool, upstream: Upstream) -> None:
    stopped = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n")
        await talk.gone()
        stopped.set()

    upstream.then(script)
    async with await pool.request("GET", upstream.url()) as response:
        async for piece in response:
            assert piece == b"x"
            break
    await asyncio.wait_for(stopped.wait(), 5)


@pytest.mark.parametrize("stage", ["head", "body"])
async def test_cancelling_breaks_the_connection(pool: HttpPool, upstream: Upstream, stage: str) -> None:
    asked, stopped = asyncio.Event(), asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.request()
        if stage == "body":
            await talk.say(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")
        asked.set()
        await talk.gone()
        stopped.set()

    upstream.then(script)

    async def ask() -> None:
        await (await pool.request("GET", upstream.url())).read()

    task = asyncio.create_task(ask())
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(stopped.wait(), 5)


async def test_a_slow_reader_stops_the_writer(pool: HttpPool, upstream: Upstream) -> None:
    total = 64 * 1024 * 1024
    said = 0

    async def script(talk: Talk) -> None:
        nonlocal said
        await talk.request()
        await talk.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
        while said < total:
            await talk.say(b"x" * 65536)
            said += 65536

    upstream.then(script)
    response = await pool.request("GET", upstream.url())
    before = -1
    while said != before:  # until the writer has filled every buffer between us and stands
        before = said
        await asyncio.sleep(0.05)
    assert said < total / 2
    size = 0
    async for piece in response:
        size += len(piece)
    assert size == total


BROKEN = [
    (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", "middle"),
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", "middle"),
    (b"HTTP/1.1 200 OK\r\ntransfer-enc", "without an answer"),
    (b"", "without an answer"),
    (b"SSH-2.0-OpenSSH_9.2\r\n", "HTTP"),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc", "HTTP"),
    (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000 + b"\r\n", "HTTP"),
    (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 300_000, "headers"),
    (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * 20_000 + answer(b"late"), "headers"),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "HTTP"),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 3, 3\r\n\r\nabc", "HTTP"),
    (b"HTTP/1.1 200 OK\r\ncontent-length: -3\r\n\r\nabc", "HTTP"),
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", "HTTP"),
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", "HTTP"),
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"f" * 17 + b"\r\nabc", "HTTP"),
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n" + b"x: y\r\n" * 50_000, "headers"),
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;" + b"x" * 300_000, "headers"),
    (b"HTTP/1.1 200 OK\nx: y\n\n", "HTTP"),
    (b"HTTP/1.1 200 OK\r\nx: y\r\n z\r\n\r\n", "HTTP"),
    (b"HTTP/1.1 000 Nothing\r\ncontent-length: 0\r\n\r\n", "HTTP"),
    (b"HTTP/1.1 20\r\ncontent-length: 0\r\n\r\n", "HTTP"),
    (b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n", "HTTP"),
]


@pytest.mark.parametrize(("data", "words"), BROKEN)
async def test_broken_answers_are_errors(pool: HttpPool, upstream: Upstream, data: bytes, words: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(data)

    upstream.then(script)
    with pytest.raises(UpstreamFailed, match=re.escape(words)) as caught:
        await (await pool.request("GET", upstream.url())).read()
    assert "127.0.0.1" in str(caught.value)
    assert upstream.connections == 1


async def test_a_body_without_end_is_not_read_for_ever(pool: HttpPool, upstream: Upstream) -> None:
    stopped = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        try:
            while True:
                await talk.say(b"1000\r\n%b\r\n" % (b"x" * 4096))
        except ConnectionError:
            stopped.set()

    upstream.then(script)
    with pytest.raises(UpstreamFailed, match="more than 100000 bytes"):
        await (await pool.request("GET", upstream.url())).read(100_000)
    await asyncio.wait_for(stopped.wait(), 5)


async def test_an_answer_that_comes_before_the_question_is_nobodys(pool: HttpPool, upstream: Upstream) -> None:
    """Whoever can put bytes on a kept connection must not answer the next request on it."""
    said = asyncio.Event()

    async def first(talk: Talk) -> None:
        await talk.request()
        await talk.say(answer(b"first"))
        await talk.say(answer(b"forged"))
        said.set()
        await talk.gone()

    upstream.then(first, hello)
    assert await (await pool.request("POST", upstream.url(), (), b"1")).read() == b"first"
    await said.wait()
    response = await pool.request("GET", upstream.url(), (), b"2")
    assert await response.read() == b"hello 2"


async def test_a_body_may_end_with_the_connection(pool: HttpPool, upstream: Upstream) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")

    upstream.then(script)
    assert await (await pool.request("GET", upstream.url())).read() == b"until the end"


@pytest.mark.parametrize("lines", ["HTTP/1.1 204 No Content\r\n", "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n"])
async def test_answers_without_body(pool: HttpPool, upstream: Upstream, lines: str) -> None:
    async def script(talk: Talk) -> None:
        while await talk.request():
            await talk.say(lines.encode() + b"\r\n")

    upstream.then(script)
    for _ in range(2):
        response = await pool.request("GET", upstream.url())
        assert await response.read() == b""
    assert upstream.connections == 1


async def test_head_has_length_but_no_body(pool: HttpPool, upstream: Upstream) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n")
        await talk.gone()

    upstream.then(script)
    response = await pool.request("HEAD", upstream.url())
    assert response.header(b"content-length") == b"100"
    assert await response.read() == b""


async def test_interim_answers_are_skipped(pool: HttpPool, upstream: Upstream) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
        await talk.say(answer(b"real"))

    upstream.then(script)
    response = await pool.request("GET", upstream.url())
    assert (response.status, await response.read()) == (200, b"real")
    assert not response.header(b"link")


async def test_a_connection_that_must_close_is_not_kept(pool: HttpPool, upstream: Upstream) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(answer(b"bye", "connection: close"))
        await talk.gone()

    upstream.then(script)
    for _ in range(2):
        assert await (await pool.request("GET", upstream.url())).read() == b"bye"
    assert upstream.connections == 2


async def test_words_nobody_asked_for_end_a_kept_connection(pool: HttpPool, upstream: Upstream) -> None:
    gone = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(answer(b"first") + answer(b"smuggled"))
        await talk.gone()
        gone.set()

    upstream.then(script, hello)
    assert await (await pool.request("GET", upstream.url())).read() == b"first"
    await asyncio.wait_for(gone.wait(), 5)
    assert await (await pool.request("GET", upstream.url())).read() == b"hello "


# ------------------------------------------------------------------------------------------- dead connections


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_kept_connection_closed_by_the_other_side_is_replaced(
    pool: HttpPool, upstream: Upstream, method: str
) -> None:
    """The server closes and, before we can know, the next request is written."""
    talks = asyncio.Queue[Talk]()

    async def first(talk: Talk) -> None:
        await talk.request()
        await talk.say(answer(b"first"))
        talks.put_nowait(talk)
        await talk.gone()

    upstream.then(first, hello)
    assert await (await pool.request(method, upstream.url(), (), b"1")).read() == b"first"
    (await talks.get()).writer.transport.abort()  # takes effect in the same turn of the loop in which we write
    response = await pool.request(method, upstream.url(), (), b"2")
    assert await response.read() == b"hello 2"
    assert upstream.connections == 2


async def test_a_request_that_may_have_been_begun_is_not_repeated(pool: HttpPool, upstream: Upstream) -> None:
    async def first(talk: Talk) -> None:
        await talk.request()
        await talk.say(answer(b"first"))
        await talk.request()  # taken, perhaps acted upon, and then it dies

    upstream.then(first, hello)
    await (await pool.request("POST", upstream.url(), (), b"1")).read()
    with pytest.raises(UpstreamFailed, match="without an answer"):
        await pool.request("POST", upstream.url(), (), b"2")
    assert upstream.connections == 1


async def test_a_reading_request_is_repeated_anyway(pool: HttpPool, upstream: Upstream) -> None:
    async def first(talk: Talk) -> None:
        await talk.request()
        await talk.say(answer(b"first"))
        await talk.request()

    upstream.then(first, hello)
    await (await pool.request("GET", upstream.url())).read()
    assert await (await pool.request("GET", upstream.url())).read() == b"hello "


async def test_only_once(pool: HttpPool, upstream: Upstream) -> None:
    async def first(talk: Talk) -> None:
        await talk.request()
        await talk.say(answer(b"first"))
        await talk.request()

    async def dies(talk: Talk) -> None:
        await talk.request()

    upstream.then(first, dies)
    await (await pool.request("GET", upstream.url())).read()
    with pytest.raises(UpstreamFailed):
        await pool.request("GET", upstream.url())
    assert upstream.connections == 2


# -------------------------------------------------------------------------------------------------- timeouts


async def _silent(talk: Talk) -> None:
    await talk.request()
    await talk.gone()


async def _falls_silent(talk: Talk) -> None:
    await talk.request()
    await talk.say(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")
    await talk.gone()


async def _drips(talk: Talk) -> None:
    await talk.request()
    await talk.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        await talk.say(b"1\r\nx\r\n")
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("script", "timeouts", "words"),
    [
        (_silent, Timeouts(first_byte=0.05), "did not begin"),
        (_falls_silent, Timeouts(idle=0.05), "fell silent"),
        (_drips, Timeouts(total=0.1), "did not finish"),
    ],
)
async def test_timeouts(pool: HttpPool, upstream: Upstream, script: object, timeouts: Timeouts, words: str) -> None:
    upstream.then(script)  # type: ignore[arg-type]
    with pytest.raises(UpstreamTimeout, match=words):
        await (await pool.request("POST", upstream.url(), (), b"", timeouts=timeouts)).read()


async def test_time_to_connect_counts_resolution() -> None:
    async def never(host: str, port: int) -> list[str]:
        await asyncio.get_running_loop().create_future()
        return []

    pool = HttpPool(guard=AddressGuard(resolver=never))
    with pytest.raises(UpstreamTimeout, match=r"cannot connect to slow\.example"):
        await pool.request("GET", Url.parse("http://slow.example/"), timeouts=Timeouts(connect=0.05))
    await pool.close()


async def test_an_unused_connection_is_let_go(pool: HttpPool, upstream: Upstream) -> None:
    gone = asyncio.Event()

    async def script(talk: Talk) -> None:
        while await talk.request():
            await talk.say(answer(b""))
        gone.set()

    upstream.then(script)
    await (await pool.request("GET", upstream.url(), timeouts=Timeouts(keep=0.05))).read()
    await asyncio.wait_for(gone.wait(), 5)


# ---------------------------------------------------------------------------------------------- where it goes


async def test_private_addresses_need_leave(upstream: Upstream) -> None:
    upstream.then(hello)
    pool = HttpPool()
    with pytest.raises(AddressRefused):
        await pool.request("GET", upstream.url())
    await (await pool.request("GET", upstream.url(), trusted=True)).read()
    with pytest.raises(AddressRefused):  # the connection kept for a trusted caller is not lent to others
        await pool.request("GET", upstream.url())
    await pool.close()


async def test_connects_to_what_was_resolved(upstream: Upstream) -> None:
    asked: list[str] = []

    async def resolver(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.9", "127.0.0.1"]

    upstream.then(hello)
    pool = HttpPool(guard=AddressGuard(["model.example"], resolver=resolver))
    url = Url.parse(f"http://model.example:{upstream.port}/")
    assert await (await pool.request("GET", url)).read() == b"hello "
    assert asked == ["model.example"]
    await pool.close()


async def test_nobody_listens(pool: HttpPool) -> None:
    with pytest.raises(UpstreamFailed, match=r"cannot connect to 127\.0\.0\.1:1"):
        await pool.request("GET", Url.parse("http://127.0.0.1:1/"))


async def test_connections_are_counted(upstream: Upstream) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n")
        await talk.gone()

    upstream.then(script)
    pool = HttpPool(allow_private=["127.0.0.0/8"], max_connections=1)
    response = await pool.request("GET", upstream.url())
    with pytest.raises(Unavailable):
        await pool.request("GET", upstream.url())
    response.close()
    upstream.then(hello)
    for _ in range(100):
        try:
            again = await pool.request("GET", upstream.url())
        except Unavailable:
            await asyncio.sleep(0)
        else:
            break
    assert await again.read() == b"hello "
    await pool.close()


@pytest.mark.parametrize(
    "text",
    [
        "ftp://x/",
        "http://",
        "x.example/y",
        "http://u:p@x.example/",
        "http://x.example/a b",
        "http://x:99999/",
        "http://x/é",
    ],
)
def test_not_a_url(text: str) -> None:
    with pytest.raises(BadInput):
        Url.parse(text)


def test_urls() -> None:
    assert Url.parse("http://[::1]:80/").lead == b" / HTTP/1.1\r\nhost: [::1]:80\r\n"
    assert Url.parse("https://API.example/v1").origin == "https://api.example:443"
    assert Url.parse("https://api.example?x=1").target == "/?x=1"
    assert Url.parse("http://例子.example/").host == "xn--fsqu00a.example"


def test_headers_cannot_smuggle() -> None:
    with pytest.raises(BadInput):
        render_headers([(b"authorization", b"Bearer x\r\nx: y")])
    with pytest.raises(BadInput):
        render_headers([(b"a: b", b"c")])
