"""A model behind the OpenAI protocol whose every word a test says itself, when it wants to.

A browser test needs to look at an answer half-way. So the test is the model: `teller.next()` waits for a chat and
returns it; `say` sends a piece of its answer, `end` finishes it.
"""

import contextlib
import json
import queue
import socket
import socketserver
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Self

PATIENCE = 30
#: The name of its only model.
MODEL = "story"


class Telling:
    """One chat that waits to be answered. `left` is set when the asker went away or the answer has ended."""

    def __init__(self, connection: socket.socket, body: dict[str, Any]) -> None:
        self.body = body
        self.left = threading.Event()
        self._connection = connection

    @property
    def prompt(self) -> str:
        """The last message of the chat."""
        return str(self.body["messages"][-1]["content"])

    def say(self, *pieces: str) -> None:
        """Send pieces of the answer, an event each."""
        for piece in pieces:
            self._event({"choices": [{"index": 0, "delta": {"content": piece}}]})

    def think(self, piece: str) -> None:
        """Send a piece of reasoning."""
        self._event({"choices": [{"index": 0, "delta": {"reasoning_content": piece}}]})

    def end(self, reason: str = "stop") -> None:
        """Finish the answer."""
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        self._event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 12, "total_tokens": 19}})
        self._chunk(b"data: [DONE]\n\n")
        self._connection.sendall(b"0\r\n\r\n")
        self.break_off()

    def break_off(self) -> None:
        """Close the connection."""
        self._connection.shutdown(socket.SHUT_RDWR)

    def _event(self, event: dict[str, Any]) -> None:
        whole = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, **event}
        self._chunk(b"data: %b\n\n" % json.dumps(whole).encode())

    def _chunk(self, data: bytes) -> None:
        self._connection.sendall(b"%x\r\n%b\r\n" % (len(data), data))


class Teller:
    """The listening server; use as a context manager. `url` is the base URL for a provider."""

    def __init__(self) -> None:
        self._asked: queue.Queue[Telling] = queue.Queue()
        teller = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}]}).encode()
                self.send_response(HTTPStatus.OK)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                telling = Telling(self.connection, body)
                self.send_response(HTTPStatus.OK)
                self.send_header("content-type", "text/event-stream")
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                self.wfile.flush()
                teller._asked.put(telling)
                with contextlib.suppress(OSError):
                    self.rfile.read(1)  # until one of the two closes
                telling.left.set()
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def forget(self) -> None:
        """Break off all chats that nobody took."""
        while not self._asked.empty():
            with contextlib.suppress(OSError):
                self._asked.get().break_off()

    def next(self) -> Telling:
        """The next chat that somebody asks for; waits for it."""
        return self._asked.get(timeout=PATIENCE)
