"""The guarded client on loopback, with a resolver of the test's."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from inglenook.kit.errors import BadInput, TooLarge, UpstreamFailed, UpstreamTimeout
from inglenook.kit.http.guard import AddressGuard, AddressRefused
from inglenook.kit.http.outbound import Outbound
from tests.support.scripted import Talk, Upstream, answer, hello

NAMES = {"here.example": "127.0.0.1", "inside.example": "127.0.0.2", "metadata.example": "169.254.169.254"}


@pytest.fixture
async def outbound() -> AsyncIterator[Outbound]:
    """`here.example` stands for a public host; every other name is judged by its address."""

    async def resolver(host: str, port: int) -> list[str]:
        if host not in NAMES:
            raise OSError(-2, "Name or service not known")
        return [NAMES[host]]

    outbound = Outbound(guard=AddressGuard(["here.example"], resolver=resolver))
    yield outbound
    await outbound.close()


def redirect(target: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n".encode()


async def test_fetch(outbound: Outbound, upstream: Upstream) -> None:
    heads = []

    async def script(talk: Talk) -> None:
        heads.append((await talk.request()).lower())
        await talk.say(answer(talk.body, "X-Kind: echo"))

    upstream.then(script)
    got = await outbound.fetch("POST", f"http://here.example:{upstream.port}/a", content=b"abc", headers={"x-a": "b"})
    assert (got.status, got.body, got.headers["x-kind"]) == (200, b"abc", "echo")
    assert b"host: here.example" in heads[0]
    assert b"x-a: b" in heads[0]
    assert b"accept-encoding: identity" in heads[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "inside.example", "metadata.example", "[::ffff:127.0.0.1]"])
async def test_private_hosts_are_refused_before_any_connection(
    outbound: Outbound, upstream: Upstream, host: str
) -> None:
    NAMES["localhost"] = "127.0.0.1"
    upstream.then(hello)
    with pytest.raises(AddressRefused):
        await outbound.fetch("GET", f"http://{host}:{upstream.port}/")
    assert upstream.connections == 0


async def test_redirects_are_judged_again(outbound: Outbound, upstream: Upstream) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(redirect(f"http://inside.example:{upstream.port}/secret"))

    upstream.then(script)
    with pytest.raises(AddressRefused):
        await outbound.fetch("GET", f"http://here.example:{upstream.port}/")
    assert upstream.connections == 1


async def test_a_name_that_changes_its_address_is_judged_each_time(upstream: Upstream) -> None:
    answers = ["8.8.8.8", "127.0.0.1"]
    asked = 0

    async def resolver(host: str, port: int) -> list[str]:
        nonlocal asked
        asked += 1
        return [answers[min(asked, 2) - 1]]

    guard = AddressGuard(resolver=resolver)
    assert await guard.addresses("rebind.example", 80) == ["8.8.8.8"]
    outbound = Outbound(guard=guard)
    upstream.then(hello)
    with pytest.raises(AddressRefused):
        await outbound.fetch("GET", f"http://rebind.example:{upstream.port}/")
    assert asked == 2
    await outbound.close()


async def test_redirects_end(outbound: Outbound, upstream: Upstream) -> None:
    async def script(talk: Talk) -> None:
        while await talk.request():
            await talk.say(redirect("/again"))

    upstream.then(script)
    with pytest.raises(UpstreamFailed, match="redirects"):
        await outbound.fetch("GET", f"http://here.example:{upstream.port}/")


async def test_size_is_capped(outbound: Outbound, upstream: Upstream) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            await talk.say(b"400\r\n%b\r\n" % (b"x" * 1024))

    upstream.then(script)
    with pytest.raises(TooLarge, match="here"):
        await outbound.fetch("GET", f"http://here.example:{upstream.port}/", limit=100_000)


async def test_time_is_capped(outbound: Outbound, upstream: Upstream) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            await talk.say(b"1\r\nx\r\n")
            await asyncio.sleep(0.01)

    upstream.then(script)
    with pytest.raises(UpstreamTimeout, match=r"here\.example did not answer in 0\.2 s"):
        await outbound.fetch("GET", f"http://here.example:{upstream.port}/", timeout=0.2)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://here.example/", "nothing", "http://"])
async def test_only_http(outbound: Outbound, url: str) -> None:
    with pytest.raises(BadInput):
        await outbound.fetch("GET", url)


async def test_unknown_names_and_closed_ports(outbound: Outbound) -> None:
    with pytest.raises(UpstreamFailed, match=r"cannot resolve gone\.example"):
        await outbound.fetch("GET", "http://gone.example/")
    with pytest.raises(UpstreamFailed, match=r"here\.example"):
        await outbound.fetch("GET", "http://here.example:1/")


async def test_a_broken_answer(outbound: Outbound, upstream: Upstream) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")

    upstream.then(script)
    with pytest.raises(UpstreamFailed, match=r"here\.example failed"):
        await outbound.fetch("GET", f"http://here.example:{upstream.port}/")


async def test_stream_with_a_range(outbound: Outbound, upstream: Upstream) -> None:
    data = bytes(range(256)) * 1000

    async def script(talk: Talk) -> None:
        head = await talk.request()
        assert b"range: bytes=1000-" in head.lower()
        part = data[1000:]
        await talk.say(
            b"HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 1000-%d/%d\r\ncontent-length: %d\r\n\r\n%b"
            % (len(data) - 1, len(data), len(part), part)
        )

    upstream.then(script)
    url = f"http://here.example:{upstream.port}/file"
    got = b""
    async with outbound.stream("GET", url, headers={"range": "bytes=1000-"}) as response:
        assert response.status_code == 206
        async for chunk in response.aiter_bytes():
            got += chunk
    assert got == data[1000:]


async def test_the_environment_has_no_say(
    outbound: Outbound, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    upstream.then(hello)
    assert (await outbound.fetch("GET", f"http://here.example:{upstream.port}/")).body == b"hello "
