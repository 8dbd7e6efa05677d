"""What `bench/gateway.py` uses where there is no C compiler: `mock_upstream.c` and `load.c` in asyncio.

python bench/mock_upstream.py serve                                    prints its port
python bench/mock_upstream.py load PORT CONNECTIONS SECONDS REQUEST_FILE [STAGGER [COUNT]]
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import uvloop

USAGE = b'"usage":{"prompt_tokens":19,"completion_tokens":42,"total_tokens":61}'
BODY = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1763760000,"model":"mock","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"The quick brown fox jumps over the lazy dog. Pack my box with five '
    b'dozen liquor jugs."},"finish_reason":"stop"}],' + USAGE + b"}"
)
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
BASE = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1763760000,"model":"mock","choices":'
EVENTS = [
    *(BASE + b'[{"index":0,"delta":{"content":" token%d"},"finish_reason":null}]}\n\n' % n for n in range(62)),
    BASE + b'[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
    BASE + b"[]," + USAGE + b"}\n\n",
    b"data: [DONE]\n\n",
]
CHUNKS = [b"%x\r\n%b\r\n" % (len(event), event) for event in EVENTS] + [b"0\r\n\r\n"]


class Mock(asyncio.Protocol):
    """Answers one request at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.data = b""

    def data_received(self, data: bytes) -> None:
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            at = self.data.lower().find(b"content-length:", 0, end)
            total = end + 4 + (int(self.data[at + 15 : self.data.index(b"\r\n", at)]) if at >= 0 else 0)
            if len(self.data) < total:
                return
            body, self.data = self.data[end + 4 : total], self.data[total:]
            if b'"stream":true' in body or b'"stream": true' in body:
                self.transport.write(STREAM_HEAD)
                wish = body.find(b'"pace-')
                if wish >= 0:
                    self.paced(int(body[wish + 6 : body.index(b'"', wish + 6)]) / 1000, 0, time.perf_counter())
                else:
                    for chunk in CHUNKS:
                        self.transport.write(chunk)
            else:
                self.transport.write(ANSWER)

    def paced(self, pace: float, at: int, due: float) -> None:
        """Send chunk `at`, and the next one `pace` seconds after it was due."""
        self.transport.write(CHUNKS[at])
        if at + 1 < len(CHUNKS):
            due += pace
            asyncio.get_running_loop().call_later(due - time.perf_counter(), self.paced, pace, at + 1, due)


class Load(asyncio.Protocol):
    """Asks again and again."""

    requests: Iterator[bytes]
    finished = failed = events = 0
    fewest = sys.maxsize
    first: list[float] = []  # noqa: RUF012
    total: list[float] = []  # noqa: RUF012

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.data = b""
        self.began = time.perf_counter()
        self.seen = 0.0
        self.transport.write(next(Load.requests))

    def data_received(self, data: bytes) -> None:
        if not self.seen:
            self.seen = time.perf_counter()
        self.data += data
        end = self.data.find(b"\r\n\r\n")
        if end < 0:
            return
        at = self.data.lower().find(b"content-length:", 0, end)
        if at >= 0:
            if len(self.data) < end + 4 + int(self.data[at + 15 : self.data.index(b"\r\n", at)]):
                return
        elif not self.data.endswith(b"\r\n0\r\n\r\n"):
            return
        Load.finished += 1
        Load.failed += not self.data.startswith(b"HTTP/1.1 200")
        events = self.data.count(b"data:")
        Load.events += events
        Load.fewest = min(Load.fewest, events)
        Load.first.append((self.seen - self.began) * 1000)
        Load.total.append((time.perf_counter() - self.began) * 1000)
        self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        Load.failed += exc is not None


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Mock, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def load(port: int, connections: int, seconds: float, data: bytes, stagger: float = 0, count: int = 1) -> None:
    size = len(data) // count
    Load.requests = cycle([data[at : at + size] for at in range(0, len(data), size)])
    loop = asyncio.get_running_loop()
    began = loop.time()
    made = []
    for number in range(connections):
        await asyncio.sleep(began + number * stagger / 1000 - loop.time())
        made.append(await loop.create_connection(Load, "127.0.0.1", port))
    await asyncio.sleep(began + seconds - loop.time())
    result = {"finished": Load.finished, "seconds": loop.time() - began, "events": Load.events, "failed": Load.failed}
    result["fewest"] = Load.fewest if Load.finished else 0
    for name, values in (("first", sorted(Load.first)), ("total", sorted(Load.total))):
        for percent in (50, 99):
            result[f"{name}_p{percent}"] = values[len(values) * percent // 100] if values else -1
    print(json.dumps(result))
    for transport, _ in made:
        transport.abort()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        uvloop.run(serve())
    else:
        _, _, port, connections, seconds, file, *more = sys.argv
        stagger = float(more[0]) if more else 0
        count = int(more[1]) if len(more) > 1 else 1
        uvloop.run(load(int(port), int(connections), float(seconds), Path(file).read_bytes(), stagger, count))
