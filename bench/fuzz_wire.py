"""Fuzzes the wire: what clients send to our server, and what providers' servers answer to our client.

`python bench/fuzz_wire.py [--minutes 20] [--seed 1] [--case N] [--side server|client]`: conversations are made from
pieces that mean something (request lines, fields that frame, chunks, pipelines, early ends), some of them damaged, cut
anywhere, and said to the real protocol classes over transports in memory. Each case has a number of its own, from which
it can be made again: `--seed 1 --case 4711`.

What is looked for: an exception nobody expected or a 500; a hang (no turn of the loop may come to nothing for ever); a
task or connection that stays when the other side has gone; a request body or an answer that is framed otherwise than
h11, a parser of another make, frames it. Where h11 refuses, we may refuse or not (it is stricter in places), but what
we take must be what it takes, and after a refusal nothing may be taken at all.
"""

import argparse
import asyncio
import json
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import h11
import uvicorn
from uvicorn.server import ServerState

from inglenook.gateway.wire.protocol import Limits, WireProtocol, wire_protocol
from inglenook.gateway.wire.routes import WireRequest, WireResponse, WireRoute, WireTable
from inglenook.kit.errors import InglenookError
from inglenook.kit.hosts import HostPolicy
from inglenook.kit.http.connection import Connection, Timeouts
from tests.support.wire import MemoryTransport

#: Seconds a conversation may take until it is called a hang.
PATIENCE = 5.0
HOST = b"Host: 127.0.0.1\r\n"


class Finding(Exception):
    """Something is wrong. The message says what; the driver adds the case."""


class Taken(NamedTuple):
    """A message as a parser framed it: its request line (or status), and its body."""

    first: str
    body: bytes


# ---------------------------------------------------------------------------------------------- making cases


class Maker:
    """Makes the bytes of a conversation."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def requests(self) -> bytes:
        """A few requests behind one another, perhaps damaged."""
        said = b"".join(self._request() for _ in range(self.chance.choice((1, 1, 2, 3, 5))))
        return self._damaged(said) if self.chance.random() < 0.6 else said

    def answers(self) -> bytes:
        """An answer, perhaps with others around it, perhaps damaged."""
        before = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * self.chance.choice((0, 0, 0, 1, 2))
        said = before + self._answer() + (self._answer() if self.chance.random() < 0.1 else b"")
        return self._damaged(said) if self.chance.random() < 0.6 else said

    def pieces(self, data: bytes) -> list[bytes]:
        """The same, cut anywhere."""
        if self.chance.random() < 0.1 and len(data) < 2000:
            return [data[at : at + 1] for at in range(len(data))]
        cuts = sorted(self.chance.randrange(len(data) + 1) for _ in range(self.chance.randrange(8)))
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if a < b]

    def _request(self) -> bytes:
        pick = self.chance.choice
        method = pick((b"POST", b"POST", b"POST", b"GET", b"HEAD", b"PUT", b"post", b"OPTIONS", b"M" * 60))
        path = pick((b"/echo", b"/echo", b"/echo", b"/stream", b"/app", b"/e%63ho", b"/../echo", b"//echo", b"*"))
        if self.chance.random() < 0.05:
            path = pick((b"http://127.0.0.1", b"http://evil.example", b"https://127.0.0.1:1")) + path
        version = pick((b"HTTP/1.1",) * 12 + (b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 "))
        fields = [HOST] if self.chance.random() < 0.97 else []
        fields += [self._field() for _ in range(pick((0, 0, 1, 2)))]
        framing, body = self._body(of_request=True)
        fields += framing
        self.chance.shuffle(fields)
        return b"%b %b %b\r\n%b\r\n%b" % (method, path, version, b"".join(fields), body)

    def _answer(self) -> bytes:
        pick = self.chance.choice
        status = pick((b"200 OK",) * 8 + (b"204 No", b"304 Not", b"404 X", b"101 Up", b"100 Continue", b"999 ?", b"20"))
        fields = [self._field() for _ in range(pick((0, 1, 2)))]
        framing, body = self._body(of_request=False)
        return b"%b %b\r\n%b\r\n%b" % (
            pick((b"HTTP/1.1",) * 9 + (b"HTTP/1.0",)),
            status,
            b"".join(fields + framing),
            body,
        )

    def _field(self) -> bytes:
        return self.chance.choice(
            (
                b"X-A: b\r\n",
                b"X-A:b\r\n",
                b"X-A: b \t\r\n",
                b"x : y\r\n",
                b"X: y\r\n z\r\n",
                b"X: \0\r\n",
                b"X: \x7f\r\n",
                b"X: \xff\r\n",
                b": y\r\n",
                b"X\r\n",
                b"X: y\n",
                b"X: y\r\r\n",
                b"Connection: close\r\n",
                b"Connection: keep-alive, upgrade\r\nUpgrade: h2c\r\n",
                b"Connection: content-length\r\n",
                b"Expect: 100-continue\r\n",
                b"Content-Length: 0\r\n",
                b"Content-Length: 3\r\n",
                b"Content-Length: 3, 3\r\n",
                b"Content-Length: -1\r\n",
                b"Content-Length: 0x3\r\n",
                b"Transfer-Encoding: chunked\r\n",
                b"Transfer-Encoding: identity\r\n",
                b"Transfer-Encoding: gzip, chunked\r\n",
                b"Transfer-Encoding:\x0bchunked\r\n",
                b"Transfer-Encoding : chunked\r\n",
                b"Cookie: a=b\r\n",
                b"Long: %b\r\n" % (b"l" * self.chance.choice((100, 9000, 40_000))),
            )
        )

    def _body(self, *, of_request: bool) -> tuple[list[bytes], bytes]:
        chance = self.chance
        data = chance.randbytes(chance.choice((0, 1, 3, 20, 300, 70_000 if chance.random() < 0.1 else 5)))
        if chance.random() < 0.3:
            data = b"GET /echo HTTP/1.1\r\n" + HOST + b"\r\n"  # what a smuggler would like to be taken for a request
        kind = chance.random()
        if kind < 0.4:
            return [b"Content-Length: %d\r\n" % len(data)], data
        if kind < 0.8:
            return [chance.choice((b"Transfer-Encoding: chunked\r\n", b"transfer-encoding:CHUNKED\r\n"))], self._chunks(
                data
            )
        return [], b"" if of_request else data

    def _chunks(self, data: bytes) -> bytes:
        chance, at, said = self.chance, 0, b""
        while at < len(data):
            size = chance.randrange(1, max(2, len(data)))
            piece = data[at : at + size]
            at += size
            extension = chance.choice((b"",) * 6 + (b";a=b", b";a", b' ;a="b;c"', b";" + b"x" * 50, b" "))
            written = chance.choice((b"%x", b"%X", b"%04x", b"%x", b"%x")) % len(piece)
            if chance.random() < 0.02:
                written = chance.choice((b"0x" + written, b"+" + written, b"-1", b"g", b"f" * 17, b"", b"_1"))
            end = b"\r\n" if chance.random() < 0.97 else chance.choice((b"\n", b"\r", b"", b"x\r\n"))
            said += written + extension + b"\r\n" + piece + end
        trailer = chance.choice((b"",) * 5 + (b"T: x\r\n", b"Content-Length: 9\r\n", b"t\r\n"))
        return said + b"0\r\n" + trailer + b"\r\n"

    def _damaged(self, data: bytes) -> bytes:
        chance, mutable = self.chance, bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 4))):
            at = chance.randrange(len(mutable) + 1)
            kind = chance.randrange(6)
            if kind == 0 and at < len(mutable):
                mutable[at] ^= 1 << chance.randrange(8)
            elif kind == 1:
                mutable[at:at] = chance.choice((b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"\0", b"\r\n\r\n", HOST))
            elif kind == 2:
                del mutable[at : at + chance.randrange(1, 12)]
            elif kind == 3:
                mutable[at:at] = self._field()
            elif kind == 4:
                source = chance.randrange(len(mutable) + 1)
                mutable[at:at] = mutable[source : source + chance.randrange(1, 60)]
            else:
                del mutable[at:]  # the other side falls silent, or leaves
        return bytes(mutable)


# ------------------------------------------------------------------------------------------------ the server


class House:
    """A server's protocol class whose handlers write down what reached them."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        routes = [
            WireRoute("POST", "/echo", self._echo, needs="public"),
            WireRoute("GET", "/echo", self._echo, needs="public"),
            WireRoute("GET", "/stream", self._stream, needs="public"),
        ]
        table = WireTable(routes, hosts=HostPolicy("127.0.0.1", []), body_limit=200_000)
        # A deadline that passes in a case would be chance.
        self.protocol = wire_protocol(table, Limits(head_timeout=1000, body_timeout=1000))
        self.config = uvicorn.Config(
            self._app, http=self.protocol, ws="none", lifespan="off", log_config=None, interface="asgi3"
        )
        self.config.access_log = False
        self.config.load()

    async def _echo(self, request: WireRequest, response: WireResponse) -> None:
        self.taken.append(Taken(f"{request.method} {request.path}", request.body))
        response.send(200, b"%d" % len(request.body), "text/plain")

    async def _stream(self, request: WireRequest, response: WireResponse) -> None:
        self.taken.append(Taken(f"{request.method} {request.path}", request.body))
        response.start(200, "text/event-stream")
        for number in range(3):
            await response.write(b"data: %d\n\n" % number)
            await asyncio.sleep(0)
        response.end()

    async def _app(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                break
        self.taken.append(Taken(f"{scope['method']} {scope['raw_path'].decode('latin-1')}", body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


async def server_case(house: House, maker: Maker) -> str:
    """One client's conversation with the server; gives what came of it in a word.

    Raises:
        Finding: what must not be.
    """
    data = maker.requests()
    house.taken.clear()
    state = ServerState()
    protocol = house.config.http_protocol_class(  # type: ignore[call-arg]
        config=house.config, server_state=state, app_state={}, _loop=asyncio.get_running_loop()
    )
    assert isinstance(protocol, WireProtocol)
    transport = MemoryTransport()
    protocol.connection_made(transport)
    for piece in maker.pieces(data):
        while transport.paused and not transport.closed:  # noqa: ASYNC110 - a transport has no event for it
            await asyncio.sleep(0)
        if transport.closed:
            break
        protocol.data_received(piece)
        for _ in range(maker.chance.choice((0, 0, 1, 3))):
            await asyncio.sleep(0)
    if maker.chance.random() < 0.8:
        await _quiet(transport)
    protocol.connection_lost(None)
    for _ in range(1000):
        if not state.tasks and not state.connections:
            break
        await asyncio.sleep(0)
    else:
        raise Finding(f"{len(state.tasks)} tasks and {len(state.connections)} connections stay behind")
    if protocol._timer is not None:
        raise Finding("a timer stays behind")
    written = bytes(transport.written)
    if b"HTTP/1.1 500" in written:
        raise Finding("a 500")
    _compare(house.taken, _as_h11_takes(data))
    return _first_status(written)


async def _quiet(transport: MemoryTransport) -> None:
    """Let everything run until nothing more comes."""
    still, before = 0, -1
    while still < 12:
        await asyncio.sleep(0)
        still = still + 1 if len(transport.written) == before else 0
        before = len(transport.written)


def _as_h11_takes(data: bytes) -> list[Taken]:
    """The whole requests h11 finds until it refuses one, or one ends the connection.

    Two liberties of llhttp that no peer reads otherwise are taken back before: line breaks before a request, and more
    than one space in its first line.
    """
    found: list[Taken] = []
    while data := data.lstrip(b"\r\n"):
        line, end, rest = data.partition(b"\r\n")
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        connection.receive_data(b" ".join(word for word in line.split(b" ") if word) + end + rest)
        first, body, event = "", b"", None
        try:
            while not isinstance(event, h11.EndOfMessage):
                event = connection.next_event()
                if isinstance(event, h11.Request):
                    first = f"{event.method.decode()} {event.target.decode('latin-1')}"
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
                elif event is h11.NEED_DATA or event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                    return found
        except h11.ProtocolError:
            return found
        found.append(Taken(first, body))
        if connection.their_state is h11.MUST_CLOSE:
            return found
        data = connection.trailing_data[0]
    return found


def _compare(ours: list[Taken], theirs: list[Taken]) -> None:
    """What we took must be what h11 took, in its order, some left out that we refuse."""
    left = list(theirs)
    for taken in ours:
        while left and not _same(taken, left[0]):
            left.pop(0)
        if not left:
            raise Finding(f"we took {taken.first!r} with {taken.body[:60]!r}, h11 took {[t.first for t in theirs]!r}")
        left.pop(0)


def _same(ours: Taken, theirs: Taken) -> bool:
    method, _, path = ours.first.partition(" ")
    their_method, _, their_path = theirs.first.partition(" ")
    if their_path.startswith("http"):
        their_path = "/" + "".join(their_path.split("/", 3)[3:])
    return method == their_method and path == their_path.partition("?")[0] and ours.body == theirs.body


def _first_status(written: bytes) -> str:
    return written[9:12].decode("latin-1") if written.startswith(b"HTTP/1.1 ") else "nothing" if not written else "?"


# ------------------------------------------------------------------------------------------------ the client


async def client_case(maker: Maker) -> str:
    """One answer to our client; gives what came of it in a word.

    Raises:
        Finding: what must not be.
    """
    data, chance = maker.answers(), maker.chance
    released: list[Connection] = []
    lost: list[Connection] = []
    connection = Connection(("http://x:1", False), "x", released.append, lost.append)
    transport = MemoryTransport()
    connection.connection_made(transport)
    method = chance.choice(("POST", "POST", "POST", "HEAD"))
    response = connection.send(b"x", None, Timeouts(), is_head=method == "HEAD")

    async def read() -> tuple[int, bytes]:
        await response.head()
        return response.status, await response.read(1 << 20)

    reading = asyncio.create_task(read())
    left = chance.random() < 0.1
    for piece in maker.pieces(data):
        if transport.closed:
            break
        connection.data_received(piece)
        for _ in range(chance.choice((0, 0, 1))):
            await asyncio.sleep(0)
        if left and chance.random() < 0.5:
            reading.cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    kept = bool(released) and not connection.closed
    connection.connection_lost(None)
    try:
        status, body = await asyncio.wait_for(reading, PATIENCE)
    except TimeoutError:
        raise Finding("the reader waits for ever, though the connection is gone") from None
    except asyncio.CancelledError:
        outcome = "left"
    except InglenookError as error:
        outcome = type(error).__name__
    else:
        outcome = str(status)
        _compare_answer(method, data, status, body, kept)
    if len(lost) != 1:
        raise Finding(f"the pool was told {len(lost)} times that the connection is lost")
    if len(released) > 1:
        raise Finding("the connection was given back twice")
    if connection._timer is not None:
        raise Finding("a timer stays behind")
    return outcome


def _compare_answer(method: str, data: bytes, status: int, body: bytes, kept: bool) -> None:
    """A whole answer of ours must be h11's, and a connection that is kept must be one h11 would keep."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    connection.send(h11.Request(method=method, target="/", headers=[("host", "x"), ("content-length", "0")]))
    connection.send(h11.EndOfMessage())
    theirs, their_body, whole = 0, b"", False
    try:
        connection.receive_data(data)
        ended = False
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                if ended:
                    break
                ended = True
                connection.receive_data(b"")
            elif isinstance(event, h11.Response):
                theirs = event.status_code
            elif isinstance(event, h11.Data):
                their_body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                whole = True
                break
            elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                break
    except h11.ProtocolError:
        if not whole:
            return  # it is stricter, or refuses what we do not look at; bodies it refuses are nobody's
    if whole and (theirs, their_body) != (status, body):
        raise Finding(f"we read {status} with {body[:60]!r}, h11 {theirs} with {their_body[:60]!r}")
    if not whole:
        raise Finding(f"we read {status} with {body[:60]!r} as whole, h11 did not")
    if kept and connection.our_state is h11.MUST_CLOSE and connection.their_http_version == b"1.1":
        raise Finding("we keep a connection that must be closed")


# ------------------------------------------------------------------------------------------------ the driver


class Noise(logging.Handler):
    """An error in the log is a finding."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        self.said.append(self.format(record))


async def one(side: str, seed: int, number: int, house: House, noise: Noise) -> str:
    """One case.

    Raises:
        Finding: with what is needed to see it again.
    """
    maker = Maker(random.Random(f"{seed}/{side}/{number}"))
    noise.said.clear()
    case: Callable[[], Any] = (lambda: server_case(house, maker)) if side == "server" else (lambda: client_case(maker))
    try:
        async with asyncio.timeout(PATIENCE):
            outcome: str = await case()
    except TimeoutError:
        raise Finding(f"--side {side} --seed {seed} --case {number}: it hangs") from None
    except Finding as finding:
        raise Finding(f"--side {side} --seed {seed} --case {number}: {finding}") from None
    except Exception as error:
        raise Finding(f"--side {side} --seed {seed} --case {number}: {error!r}") from error
    if noise.said:
        raise Finding(f"--side {side} --seed {seed} --case {number}: {noise.said[0]}")
    return outcome


async def fuzz(
    seed: int, seconds: float, sides: tuple[str, ...], only: int | None = None
) -> tuple[Counter[str], list[str]]:
    """Cases until the time is up, or one; gives what came of them and what was found (at most 20)."""
    noise = Noise()
    logging.getLogger().addHandler(noise)
    outcomes: Counter[str] = Counter()
    found: list[str] = []
    house = House()
    until, number = time.monotonic() + seconds, only or 0
    try:
        while len(found) < 20:
            for side in sides:
                try:
                    outcomes[f"{side} {await one(side, seed, number, house, noise)}"] += 1
                except Finding as finding:
                    found.append(str(finding))
            number += 1
            if only is not None or time.monotonic() > until:
                break
        leaked = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        if leaked:
            found.append(f"{len(leaked)} tasks stay behind in the end, the first is {leaked[0]!r}")
    finally:
        logging.getLogger().removeHandler(noise)
    return outcomes, found


def main() -> None:
    """Fuzz and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=int, help="only this one")
    parser.add_argument("--side", choices=("server", "client"), help="only this one")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    sides = (arguments.side,) if arguments.side else ("server", "client")
    outcomes, found = asyncio.run(fuzz(arguments.seed, arguments.minutes * 60, sides, arguments.case))
    if arguments.json:
        values = {"fuzz_cases": sum(outcomes.values()), "fuzz_findings": len(found)}
        print(json.dumps([{"metric": name, "value": value, "unit": "count"} for name, value in values.items()]))
    else:
        print(f"{sum(outcomes.values()):,} cases of seed {arguments.seed}, {len(found)} findings")
        print(", ".join(f"{name}: {count:,}" for name, count in sorted(outcomes.items())))
    for line in found:
        print(line, file=sys.stderr)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
