"""Whether a budget holds: parallel calls, readers who leave, and a server that is killed in between.

`python bench/budget.py [--json] [--calls 200] [--kills 3] [--seed 1]`: starts a real server on SQLite with a bought
model, whose provider is a mock in this process that keeps its own bill: a prompt when it arrives, and 1-8 tokens a
chunk before they go out. A user's budget fits a quarter of the calls. Half of them come at once with a key that may
spend a third of that; the others come while the server is killed (SIGKILL) and started again. Four of ten readers leave
at a random moment. All the while the user's budget is compared with the bill: what was spent and is leased must never
be below it and never above the budget.
Afterwards the ledger is compared with what callers got: no more than about a second of it may be lost by a kill.
"""

import argparse
import asyncio
import contextlib
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx

from tests.support.running import RunningServer

#: A million tokens cost one unit, in or out: in billionths, one token.
TOKEN = 1000
PROMPT = " ".join(["word"] * 10)
ANSWER = 40
#: What a call comes to that gets its whole answer.
COST = (10 + ANSWER) * TOKEN
#: Seconds of the ledger that a kill may lose, with what a busy machine adds.
LOST = 1.5


class Mock:
    """A provider of OpenAI's protocol that writes down what it will bill."""

    def __init__(self, rnd: random.Random) -> None:
        self.bill = 0
        self._rnd = rnd

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request after the other."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.lower().split(b"\r\n")
                length = next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length")), 0)
                await self._answer(json.loads(await reader.readexactly(length)), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        prompt = len(body["messages"][0]["content"].split())
        self.bill += prompt * TOKEN
        stream, left, said = body.get("stream"), body["max_tokens"], 0
        if stream:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        while left and not writer.is_closing():
            tokens = min(left, self._rnd.randint(1, 8))
            await asyncio.sleep(self._rnd.uniform(0.005, 0.015) * tokens)  # some 100 tokens a second
            if writer.is_closing():
                return
            self.bill += tokens * TOKEN
            left, said = left - tokens, said + tokens
            if stream:
                delta = {"choices": [{"index": 0, "delta": {"content": "word " * tokens}}]}
                _piece(writer, b"data: " + json.dumps(delta).encode() + b"\n\n")
                await writer.drain()
        usage = {"prompt_tokens": prompt, "completion_tokens": said, "total_tokens": prompt + said}
        if stream:
            end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}
            for one in (end, {"choices": [], "usage": usage}):
                _piece(writer, b"data: " + json.dumps(one).encode() + b"\n\n")
            _piece(writer, b"data: [DONE]\n\n")
            writer.write(b"0\r\n\r\n")
        else:
            message = {"role": "assistant", "content": "word " * said}
            whole = {"choices": [{"index": 0, "message": message, "finish_reason": "length"}], "usage": usage}
            data = json.dumps(whole).encode()
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(data)
            writer.write(head + data)
        await writer.drain()


def _piece(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))


@dataclass
class Race:
    """What was seen."""

    budget: int
    outcomes: Counter[str] = field(default_factory=Counter)
    #: The least that `spent + leased` was above the bill, and the most of it.
    least: int = 1 << 60
    most: int = 0
    looks: int = 0
    #: When callers had their whole answers, when the server was killed, and what the ledger has of each time.
    finished: list[float] = field(default_factory=list)
    kills: list[float] = field(default_factory=list)
    lost: list[float] = field(default_factory=list)
    spent: int = 0
    held: int = 0
    bill: int = 0
    ledger: int = 0


class _Server:
    """The server, killed and started again."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self.running = RunningServer(data, INGLENOOK_ALLOW_PRIVATE='["127.0.0.0/8"]')
        self.up = asyncio.Event()

    async def start(self) -> None:
        self.running = RunningServer(self._data, INGLENOOK_ALLOW_PRIVATE='["127.0.0.0/8"]')
        await asyncio.to_thread(self.running.__enter__)
        self.up.set()

    async def kill(self) -> None:
        self.up.clear()
        await asyncio.to_thread(self.running.kill)
        self.running.__exit__(None, None, None)

    async def stop(self) -> None:
        self.up.clear()
        await asyncio.to_thread(self.running.__exit__, None, None, None)


def set_up(server: _Server, upstream: int, budget: int) -> tuple[str, str, str]:
    """A bought model, and a user with a budget; gives their id and two keys, the first for a third of it."""
    with server.running.set_up() as admin:
        prices = {"input": 1_000_000, "output": 1_000_000}
        provider = {
            "kind": "openai-compatible",
            "name": "mock",
            "settings": {"base_url": f"http://127.0.0.1:{upstream}/v1", "api_key": "sk-x"},
            "models": [{"name": "mock", "capabilities": ["completion"], "prices": prices}],
        }
        admin.post("/api/v1/providers", json=provider).raise_for_status()
        user_id = admin.get("/api/v1/session").raise_for_status().json()["user"]["id"]
        keys = [admin.post("/api/v1/keys", json={"name": name}).raise_for_status().json() for name in ("a", "b")]
        for path, amount in ((f"user/{user_id}", budget), (f"key/{keys[0]['id']}", budget // 3)):
            admin.put(f"/api/v1/limits/{path}", json={"amount_per_day": amount}).raise_for_status()
    return user_id, keys[0]["key"], keys[1]["key"]


async def race(folder: Path, *, calls: int = 200, kills: int = 3, seed: int = 1) -> Race:
    """Run it once on a data directory in `folder`."""
    rnd = random.Random(seed)
    seen = Race(budget=calls // 4 * COST)
    mock = Mock(random.Random(seed + 1))
    upstream = await asyncio.start_server(mock.serve, "127.0.0.1", 0)
    server = _Server(folder / "data")
    await server.start()
    port = upstream.sockets[0].getsockname()[1]
    user_id, first, second = await asyncio.to_thread(set_up, server, port, seen.budget)
    async with _watching(folder / "data", user_id, mock, seen):
        await asyncio.gather(*(_call(server, first, rnd, seen, delay=0) for _ in range(calls // 2)))
        spread = 1.5 * (kills + 1)
        late = [_call(server, second, rnd, seen, delay=rnd.uniform(0, spread)) for _ in range(calls - calls // 2)]
        work = asyncio.gather(*late)
        for _ in range(kills):
            await asyncio.sleep(1.2)
            await server.kill()
            seen.kills.append(time.monotonic())
            seen.lost.append(_lost(folder / "data", seen))
            await server.start()
        await work
        await asyncio.sleep(1.2)
    await server.stop()
    upstream.close()
    await upstream.wait_closed()
    with contextlib.closing(_open(folder / "data" / "main.db")) as database:
        seen.spent, seen.held = _row(database, user_id)
    with contextlib.closing(_open(folder / "data" / "usage.db")) as database:
        seen.ledger = int(database.execute("SELECT coalesce(sum(cost), 0) FROM ledger").fetchone()[0])
    seen.bill = mock.bill
    return seen


async def _call(server: _Server, key: str, rnd: random.Random, seen: Race, *, delay: float) -> None:
    await asyncio.sleep(delay)
    stream, leaves = rnd.random() < 0.75, rnd.random() < 0.4
    patience = rnd.uniform(0.01, 0.4) if leaves else 60
    body = {
        "model": "mock",
        "stream": stream,
        "max_tokens": ANSWER,
        "messages": [{"role": "user", "content": PROMPT}],
    }
    await server.up.wait()
    head = {"authorization": f"Bearer {key}"}
    try:
        async with asyncio.timeout(patience), httpx.AsyncClient(trust_env=False, timeout=60, headers=head) as client:
            answer = await client.post(f"{server.running.url}/v1/chat/completions", json=body)
    except TimeoutError:
        seen.outcomes["left"] += 1
    except httpx.HTTPError:
        seen.outcomes["cut by a kill"] += 1
    else:
        if answer.status_code == 200 and (not stream or b"[DONE]" in answer.content):
            seen.outcomes["finished"] += 1
            seen.finished.append(time.monotonic())
        elif answer.status_code == 402:
            seen.outcomes["refused"] += 1
        else:
            seen.outcomes[f"{answer.status_code} {answer.text[:80]}"] += 1


@contextlib.asynccontextmanager
async def _watching(data: Path, user_id: str, mock: Mock, seen: Race) -> AsyncIterator[None]:
    """Compare the budget's row with the bill, all the time.

    The bill is read before the row: whatever is billed then is inside the row by then.
    """

    async def watch() -> None:
        with contextlib.closing(_open(data / "main.db")) as database:
            while True:
                bill = mock.bill
                spent, leased = _row(database, user_id)
                if bill:
                    seen.least = min(seen.least, spent + leased - bill)
                seen.most = max(seen.most, spent + leased)
                seen.looks += 1
                await asyncio.sleep(0.002)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)


def _row(database: sqlite3.Connection, user_id: str) -> tuple[int, int]:
    query = "SELECT coalesce(sum(spent), 0), coalesce(sum(leased), 0) FROM budgets WHERE subject_id = ?"
    spent, leased = database.execute(query, (user_id,)).fetchone()
    return int(spent), int(leased)


def _lost(data: Path, seen: Race) -> float:
    """How many seconds before the kill the oldest answer ended that is not in the ledger."""
    with contextlib.closing(_open(data / "usage.db")) as database:
        kept = int(database.execute("SELECT count(*) FROM ledger WHERE status = 'finished'").fetchone()[0])
    seen.finished, missing = sorted(seen.finished)[:kept], sorted(seen.finished)[kept:]
    return max(0.0, seen.kills[-1] - missing[0]) if missing else 0.0


def check(seen: Race) -> list[str]:
    """What does not hold."""
    wrong = []
    if seen.least < 0:
        wrong.append(f"spent and leased were {-seen.least} below the bill")
    if seen.most > seen.budget:
        wrong.append(f"spent and leased were {seen.most - seen.budget} above the budget")
    if seen.spent + seen.held < seen.bill:
        wrong.append(f"at the end {seen.bill - seen.spent - seen.held} of the bill are missing")
    if any(lost > LOST for lost in seen.lost):
        wrong.append(f"a kill lost {max(seen.lost):.2f} s of the ledger")
    if strange := {what: n for what, n in seen.outcomes.items() if what[0].isdigit()}:
        wrong.append(f"unexpected answers: {strange}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seen = asyncio.run(race(Path(folder), calls=options.calls, kills=options.kills, seed=options.seed))
    figures: list[tuple[str, float, str]] = [
        (f"calls {what}", count, "") for what, count in sorted(seen.outcomes.items())
    ]
    figures += [
        ("budget", seen.budget / TOKEN, "tokens"),
        ("bill of the provider", seen.bill / TOKEN, "tokens"),
        ("spent", seen.spent / TOKEN, "tokens"),
        ("held for killed servers", seen.held / TOKEN, "tokens"),
        ("least of spent + leased - bill", seen.least / TOKEN, "tokens"),
        ("most of spent + leased", seen.most / TOKEN, "tokens"),
        ("most lost of the ledger by a kill", max(seen.lost, default=0.0), "s"),
        ("looks", seen.looks, ""),
    ]
    if options.json:
        print(json.dumps([{"metric": name, "value": value, "unit": unit} for name, value, unit in figures]))
    else:
        for name, value, unit in figures:
            print(f"{name:36} {value:10,.2f} {unit}")
    if wrong := check(seen):
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()
