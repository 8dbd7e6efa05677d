"""How late the server's event loop is while it does everything at once.

`python bench/loop.py [--json] [--seconds 30]`: starts a real server with the scripted provider and asks it, all at
the same time, for 32 streams of 50 tokens a second through `/v1/chat/completions`, eight chat answers with two
watchers each, lists, searches and a conversation of 1,000 messages, sign-ins (argon2), models, and a provider's list.
Then `GET /api/v1/server` tells the lag that the loop itself noted meanwhile: `lag_p99`. The load runs at a lower
priority than the server. Where other work keeps the cores busy the loop is late for want of a core: the table says
how long the server's main thread waited for one.
"""

import argparse
import asyncio
import collections
import contextlib
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx

from bench.page import fill
from tests.support.running import ADMIN, PASSWORD, RunningServer

STREAMS = 32
ANSWERS = 8
WATCHERS = 2
TOKENS = 100
TOKEN_MS = 20
SCRIPT = json.dumps({"steps": [{"text": "word "}, {"delay_ms": TOKEN_MS}] * TOKENS})
Act = Callable[[], Awaitable[None]]


class Load:
    """The acts, each counted by its name."""

    def __init__(self, url: str, key: str, provider: str, chat: str) -> None:
        limits = httpx.Limits(max_connections=200, keepalive_expiry=2)
        head = {"authorization": f"Bearer {key}"}
        self.client = httpx.AsyncClient(base_url=url, headers=head, timeout=60, trust_env=False, limits=limits)
        self.counts: collections.Counter[str] = collections.Counter()
        self._provider = provider
        self._chat = chat

    async def stream(self) -> None:
        """One streamed call."""
        body = {"model": "echo", "stream": True, "messages": [{"role": "user", "content": SCRIPT}]}
        async with self.client.stream("POST", "/v1/chat/completions", json=body) as response:
            text = b"".join([piece async for piece in response.aiter_raw()])
        if response.status_code != 200 or b"[DONE]" not in text:
            raise SystemExit(f"a stream failed: {response.status_code} {text[-300:]!r}")
        self.counts["streams"] += 1

    async def answer(self) -> None:
        """One chat answer, watched twice."""
        made = await self._ask("POST", "/api/v1/conversations", {"settings": {"model": "echo"}})
        path = f"/api/v1/conversations/{made['id']}"
        sent = await self._ask("POST", f"{path}/messages", {"content": SCRIPT, "parent_id": None})
        await asyncio.gather(*[self._watch(sent["run_id"]) for _ in range(WATCHERS)])
        await self._ask("DELETE", path)
        self.counts["answers"] += 1

    async def _watch(self, run_id: str) -> None:
        async with self.client.stream("GET", f"/api/v1/runs/{run_id}/events") as response:
            text = b"".join([piece async for piece in response.aiter_raw()])
        if b"event: end" not in text:
            raise SystemExit(f"a watcher saw no end: {response.status_code} {text[-300:]!r}")

    async def look(self) -> None:
        """What a page asks when it is opened, and a search."""
        for path in ("conversations?limit=50", "conversations?q=that", "models", "keys", "engine"):
            await self._ask("GET", f"/api/v1/{path}")
        self.counts["looks"] += 1

    async def read(self) -> None:
        """The long conversation."""
        await self._ask("GET", f"/api/v1/conversations/{self._chat}")
        self.counts["long conversations"] += 1

    async def sign_in(self) -> None:
        """A password checked."""
        body = {"name": ADMIN, "password": PASSWORD}
        async with httpx.AsyncClient(base_url=self.client.base_url, trust_env=False, timeout=60) as visitor:
            (await visitor.post("/api/v1/session", json=body, headers={"X-Inglenook": "1"})).raise_for_status()
        self.counts["sign-ins"] += 1

    async def check(self) -> None:
        """A provider asked for its models."""
        await self._ask("POST", f"/api/v1/providers/{self._provider}/check")
        self.counts["checks"] += 1

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        response = await self.client.request(method, path, json=body)
        if response.is_error:
            raise SystemExit(f"{method} {path}: {response.status_code} {response.text}")
        return response.json() if response.content else None


async def repeat(act: Act, until: float, every: float = 0) -> None:
    """Do it again and again, at most once in `every` seconds."""
    while time.monotonic() < until:
        begun = time.monotonic()
        await act()
        await asyncio.sleep(max(0, every - (time.monotonic() - begun)))


async def run(load: Load, seconds: float) -> dict[str, Any]:
    """All at once; then what the server says of itself."""
    os.nice(15)  # the server started before: it keeps its priority
    until = time.monotonic() + seconds
    acts = [
        *[repeat(load.stream, until) for _ in range(STREAMS)],
        *[repeat(load.answer, until) for _ in range(ANSWERS)],
        repeat(load.look, until, 0.25),
        repeat(load.read, until, 0.5),
        repeat(load.sign_in, until, 1),
        repeat(load.check, until, 1),
    ]
    async with load.client:
        await asyncio.gather(*acts)
        return dict((await load.client.get("/api/v1/server")).raise_for_status().json())


def core_times(pid: int) -> tuple[float, float]:
    """Seconds that a process's main thread ran, and waited for a core to run on."""
    ran, waited, _ = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()
    return int(ran) / 1e9, int(waited) / 1e9


def measure(seconds: float) -> tuple[dict[str, Any], dict[str, int], tuple[float, float]]:
    """The server's own account, what it did, and how long its main thread ran and waited for a core."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        with RunningServer(data) as server, server.set_up() as client:
            owner = client.get("/api/v1/session").json()["user"]["id"]
        chat = fill(data, owner)
        with RunningServer(data) as server, contextlib.closing(server.log_in()) as client:
            server.add_fake_provider(client)
            provider = client.get("/api/v1/providers").json()[0]["id"]
            load = Load(server.url, server.key(client), provider, chat)
            before = core_times(server.process.pid)
            status = asyncio.run(run(load, seconds))
            ran, waited = core_times(server.process.pid)
            return status, dict(load.counts), (ran - before[0], waited - before[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=30)
    given = parser.parse_args()
    status, counts, (ran, waited) = measure(given.seconds)
    lag = status["loop_lag"]
    if given.json:
        print(json.dumps([{"metric": "lag_p99", "value": round(lag["p99"], 2), "unit": "ms"}]))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"in {given.seconds:.0f} s: " + ", ".join(f"{count} {name}" for name, count in sorted(counts.items())))
    print(f"the loop was late by {lag['p50']:.1f} ms (p50), {lag['p99']:.1f} (p99), {lag['worst']:.1f} (worst)")
    print(f"its thread ran for {ran:.1f} s and waited {waited:.1f} s for a core")
    print(f"{lag['samples']} samples; memory of the server {status['memory'] / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
