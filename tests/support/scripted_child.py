"""A child of the engine that says what a test tells it, in the frame of a real one.

What a chat's last message says is what happens: `quick` is answered at once, `slow` begins after a second, `hang`
never begins, `seize` stops everything, `garbage` is no stream, `broken` stops in the middle. `/slots` tells of as many
slots at work as `slow` answers are on their way, as llama.cpp would of long prompts.
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from inglenook.kit.config import Settings
from inglenook.models.engine.child import run
from inglenook.models.engine.process import ChildSpec
from inglenook.models.engine.source import Plan, Source

#: Seconds before a `slow` answer begins.
SLOW = 1.0


class ScriptedSource(Source, frozen=True, kw_only=True):
    """A model that is such a child."""

    key: str = "scripted"
    name: str = "scripted"
    digest: str = ""
    size: int = 0

    def plan(self, num_ctx: int | None, settings: Settings, budget: int) -> Plan:
        """See `Source.plan`."""
        spec = ChildSpec(module="tests.support.scripted_child", config={}, name=self.name)
        return Plan(context=512, slots=settings.parallel, memory=1, spec=spec)


def chunk(**choice: Any) -> bytes:
    """One piece of a streamed chat."""
    return b"data: %b\n\n" % json.dumps({"choices": [{"index": 0, **choice}]}).encode()


class _Handler(BaseHTTPRequestHandler):
    working = 0
    seized = False

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        pass

    def do_GET(self) -> None:
        if _Handler.seized:
            threading.Event().wait()
        self.answer(json.dumps([{"is_processing": n < _Handler.working} for n in range(4)]).encode())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        said = body["messages"][-1]["content"]
        _Handler.seized |= said == "seize"
        if said == "hang" or _Handler.seized:
            threading.Event().wait()
        if said == "slow":
            _Handler.working += 1
            time.sleep(SLOW)
            _Handler.working -= 1
        whole = chunk(delta={"content": "so"}) + chunk(delta={}, finish_reason="stop") + b"data: [DONE]\n\n"
        self.answer({"garbage": b"data: {]\n\n", "broken": chunk(delta={"content": "so"})}.get(said, whole))

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)


def _listen(_: dict[str, Any]) -> int:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


if __name__ == "__main__":
    run(_listen)
