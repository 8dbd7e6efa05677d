"""What `bench/gateway.py` uses where there is no C compiler: `mock_upstream.c` and `load.c` in asyncio.

python bench/mock_upstream.py serve                                    prints its port
python bench/mock_upstream.py load PORT CONNECTIONS SECONDS REQUEST_FILE
"""

import asyncio
import json
import sys
import time
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
                for chunk in CHUNKS:
                    self.transport.write(chunk)
            else:
                self.transport.write(ANSWER)


class Load(asyncio.Protocol):
    """Asks again and again."""

    request = b""
    finished = failed = events = 0
    first: list[float] = []  # noqa: RUF012
    total: list[float] = []  # noqa: RUF012

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.data = b""
        self.began = time.perf_counter()
        self.seen = 0.0
        self.transport.write(self.request)

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
        Load.events += self.data.count(b"data:")
        Load.first.append((self.seen - self.began) * 1000)
        Load.total.append((time.perf_counter() - self.began) * 1000)
        self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        Load.failed += exc is not None


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Mock, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def load(port: int, connections: int, seconds: float, request: bytes) -> None:
    Load.request = request
    loop = asyncio.get_running_loop()
    began = loop.time()
    made = [await loop.create_connection(Load, "127.0.0.1", port) for _ in range(connections)]
    await asyncio.sleep(seconds)
    result = {"finished": Load.finished, "seconds": loop.time() - began, "events": Load.events, "failed": Load.failed}
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
        uvloop.run(load(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), Path(sys.argv[5]).read_bytes()))
