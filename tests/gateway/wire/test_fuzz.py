"""The wire against splits, mutations and noise. Each seed is one conversation; a failing one can be run alone."""

import asyncio
import random

import httptools
import pytest
import uvicorn
from uvicorn.server import ServerState

from inglenook.gateway.wire.protocol import Limits, WireProtocol, wire_protocol
from inglenook.gateway.wire.routes import WireTable
from tests.gateway.wire.conftest import Handlers, Hosts
from tests.support.wire import MemoryTransport, echo_app

HOST = b"Host: 127.0.0.1\r\n"

REQUESTS = [
    b"POST /echo HTTP/1.1\r\n%bContent-Length: 5\r\n\r\nhello" % HOST,
    b"POST /echo HTTP/1.1\r\n%bContent-Length: 70000\r\n\r\n%b" % (HOST, b"z" * 70000),
    b"POST /echo HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;e=1\r\ndefg\r\n0\r\nT: x\r\n\r\n" % HOST,
    b"GET /about?q=1 HTTP/1.1\r\n%bAuthorization: Bearer k\r\n\r\n" % HOST,
    b"GET /v1/models/a/b%%20c HTTP/1.1\r\n%b\r\n" % HOST,
    b"GET /stream HTTP/1.1\r\n%b\r\n" % HOST,
    b"GET /missing HTTP/1.1\r\n%b\r\n" % HOST,
    b"HEAD /about HTTP/1.1\r\n%bX-Last: 1\r\n\r\n" % HOST,
    b"GET /app HTTP/1.1\r\n%b\r\n" % HOST,
    b"POST /app HTTP/1.1\r\n%bContent-Length: 11\r\n\r\nto the app!" % HOST,
    b"POST /app HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n" % HOST,
    b"POST /echo HTTP/1.1\r\n%bConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 4\r\n\r\nh2c!" % HOST,
    b"\r\nGET /about HTTP/1.1\r\n%b\r\n" % HOST,
]
LAST = b"POST /echo HTTP/1.1\r\n%bConnection: close\r\nContent-Length: 4\r\n\r\nlast" % HOST


class Conversation:
    """One connection in memory."""

    def __init__(self, protocol: type[WireProtocol]) -> None:
        config = uvicorn.Config(echo_app, http=protocol, ws="none", lifespan="off", log_config=None, access_log=False)
        config.load()
        self.state = ServerState()
        self.protocol = protocol(config, self.state, {}, asyncio.get_running_loop())
        self.transport = MemoryTransport()
        self.protocol.connection_made(self.transport)

    async def settle(self) -> None:
        """Let every task run until nothing more comes; one may wait for a body that never ends."""
        quiet, before = 0, -1
        while quiet < 30:
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self.transport.written) == before else 0
            before = len(self.transport.written)

    async def say(self, data: bytes) -> None:
        async with asyncio.timeout(5):
            while self.transport.paused and not self.transport.closed:  # noqa: ASYNC110 - a transport has no event for it
                await asyncio.sleep(0)
        if not self.transport.closed:
            self.protocol.data_received(data)

    async def end(self) -> bytes:
        await self.settle()
        self.protocol.connection_lost(None)
        async with asyncio.timeout(5):
            while self.state.tasks:  # noqa: ASYNC110 - nor has uvicorn
                await asyncio.sleep(0)
        return bytes(self.transport.written)


@pytest.fixture
def protocol(handlers: Handlers) -> type[WireProtocol]:
    # A deadline that passes during a test would blur what it compares.
    table = WireTable(handlers.routes(), hosts=Hosts(), body_limit=1_000_000)
    return wire_protocol(table, Limits(head_timeout=1000, body_timeout=1000))


def pieces(data: bytes, chance: random.Random) -> list[bytes]:
    """Cut somewhere: anywhere, everywhere, or into whole pipelines."""
    style = chance.random()
    if style < 0.2 and len(data) < 3000:
        return [data[at : at + 1] for at in range(len(data))]
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(1, 12)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if a < b]


@pytest.mark.parametrize("seed", range(60))
async def test_any_split_gives_the_same_answers(protocol: type[WireProtocol], seed: int) -> None:
    chance = random.Random(seed)
    data = b"".join(chance.choice(REQUESTS) for _ in range(chance.randrange(1, 30))) + LAST

    whole = Conversation(protocol)
    await whole.say(data)
    expected = await whole.end()
    assert expected.endswith(b"connection: close\r\ncontent-length: 4\r\n\r\nlast")

    split = Conversation(protocol)
    for piece in pieces(data, chance):
        await split.say(piece)
        for _ in range(chance.randrange(3)):
            await asyncio.sleep(0)
    assert await split.end() == expected


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Damage some of it."""
    mutable = bytearray(data)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(mutable) + 1)
        kind = chance.randrange(5)
        if kind == 0 and at < len(mutable):
            mutable[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            mutable[at:at] = chance.randbytes(chance.randrange(1, 20))
        elif kind == 2:
            del mutable[at : at + chance.randrange(1, 20)]
        elif kind == 3:
            mutable[at:at] = chance.choice(
                [
                    b"\r\n",
                    b"\n",
                    b"\r",
                    b" ",
                    b":",
                    b"\0",
                    b"Transfer-Encoding: chunked\r\n",
                    b"Content-Length: 3\r\n",
                    HOST,
                ]
            )
        else:
            source = chance.randrange(len(mutable) + 1)
            mutable[at:at] = mutable[source : source + chance.randrange(1, 50)]
    return bytes(mutable)


class Answers:
    """Reads what was answered; fails on anything that is no HTTP."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.parser = httptools.HttpResponseParser(self)

    def on_headers_complete(self) -> None:
        self.statuses.append(self.parser.get_status_code())


@pytest.mark.parametrize("seed", range(60))
async def test_damage_never_crashes_it(
    protocol: type[WireProtocol], seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(seed)
    small = [request for request in REQUESTS if len(request) < 1000 and not request.startswith(b"HEAD")]
    for _ in range(20):
        data = mutate(b"".join(chance.choice(small) for _ in range(chance.randrange(1, 6))), chance)
        conversation = Conversation(protocol)
        for piece in pieces(data, chance):
            await conversation.say(piece)
        answers = Answers()
        answers.parser.feed_data(await conversation.end())
        assert 500 not in answers.statuses, data
        assert "cannot take the request" not in caplog.text, data


@pytest.mark.parametrize("seed", range(20))
async def test_noise_is_refused_once(protocol: type[WireProtocol], seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(20):
        conversation = Conversation(protocol)
        for _ in range(chance.randrange(1, 5)):
            await conversation.say(chance.randbytes(chance.randrange(1, 2000)))
        answer = await conversation.end()
        assert answer.count(b"HTTP/1.1 ") <= 1
        assert not answer or answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
