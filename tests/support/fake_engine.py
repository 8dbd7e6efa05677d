"""A program that stands in for vLLM, SGLang or mlx-lm: OpenAI's protocol at a port, with or without a key.

Usage: fake_engine.py --port N [--config FILE] [--say TEXT] [--fail] [--never] [--helper FILE] [--record FILE]
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = ""


class Handler(BaseHTTPRequestHandler):
    """Answers chats with what it was asked, and who asked it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Health and models."""
        if self.path == "/health":
            return self._json(200, {"status": "ok"})
        return self._json(200, {"object": "list", "data": [{"id": "m", "object": "model"}]})

    def do_POST(self) -> None:
        """A chat, streamed or not."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if KEY and self.headers.get("authorization") != f"Bearer {KEY}":
            return self._json(401, {"error": {"message": "wrong key", "type": "invalid_request_error"}})
        last = body["messages"][-1]["content"]
        if last == "die":
            os._exit(7)
        text = f"{body['model']} heard {last}"
        usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
        head = {"id": "c", "object": "chat.completion", "created": 1, "model": body["model"]}
        if not body.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            return self._json(200, {**head, "choices": [choice], "usage": usage})
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for delta, end in (({"role": "assistant", "content": text}, None), ({}, "stop")):
            self._event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": end}]})
        self._event({**head, "choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")
        return None

    def _event(self, value: Any) -> None:
        self.wfile.write(f"data: {json.dumps(value)}\n\n".encode())

    def _json(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main() -> None:
    """Do as the arguments say."""
    global KEY
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    for name in ("--model", "--host", "--config", "--say", "--helper", "--record"):
        parser.add_argument(name, default="")
    for name in ("--fail", "--never"):
        parser.add_argument(name, action="store_true")
    asked = parser.parse_args()
    if asked.config:
        with open(asked.config) as file:
            KEY = re.match(r"api-key: (\S+)", file.read())[1]  # type: ignore[index]
    KEY = KEY or os.environ.get("VLLM_API_KEY", "")
    print(f"settings: port={asked.port} api_key={KEY!r} {asked.say}", file=sys.stderr, flush=True)
    if asked.record:
        with open(asked.record, "a") as file:
            file.write(json.dumps({"argv": sys.argv, "extra": os.environ.get("EXTRA"), "pid": os.getpid()}) + "\n")
    if asked.helper:
        helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        with open(asked.helper, "w") as file:
            file.write(str(helper.pid))
    if asked.fail:
        print("RuntimeError: no GPU found", file=sys.stderr)
        sys.exit(3)
    while asked.never:
        time.sleep(1)
    ThreadingHTTPServer(("127.0.0.1", asked.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
