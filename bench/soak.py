"""A browser and programs on the same connections, for a while, to see that each gets its own and nothing stays behind.

`python bench/soak.py [--json] [--seconds 120] [--connections 24] [--seed 1]`: starts a mock upstream and a real server.
Each connection asks for pages, the API and inference in turn, one at a time and pipelined, whole answers and streams;
every answer is checked against what was asked in its place. One batch in eight is left in the middle of a stream. Then
the server must have no connection and no call left over, and not much more memory than after the first tenth.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from gateway_rig import Served, Tools, inglenook, pss_mb, request_bytes

from tests.support.wire import Answer, Client

#: MB the server may grow by: buffers of as many connections, and what the allocator keeps.
GROWTH = 25.0
#: Seconds until what was left must be gone.
_SETTLE = 15.0


class Wish(NamedTuple):
    """A request, and whether an answer is its own."""

    kind: str
    request: bytes
    right: Callable[[Answer], bool]


class Seen(NamedTuple):
    """What came of it."""

    answers: Counter[str]
    left: int
    before_mb: float
    after_mb: float
    open_before: int
    open_after: int


def wishes(served: Served, number: int) -> list[Wish]:
    """One of each kind; `number` makes those different whose answers can tell."""
    key = served.keys[0]
    head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"

    def get(path: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\n{head}\r\n".encode()

    return [
        Wish("page", get("/"), lambda a: a.status == 200 and b"<!doctype html>" in a.body[:200].lower()),
        Wish("api", get("/api/v1/models"), lambda a: a.status == 200 and b'"provider":"bench"' in a.body),
        Wish("missing", get(f"/api/v1/none-{number}"), lambda a: a.status == 404),
        Wish("health", get("/healthz"), lambda a: a.status == 200),
        Wish("models", get("/v1/models"), lambda a: a.status == 200 and b'"mock"' in a.body),
        Wish(
            "no model",
            request_bytes(stream=False, key=key, model=f"no-{number}"),
            lambda a: a.status == 404 and f"no-{number}".encode() in a.body,
        ),
        Wish("no key", request_bytes(stream=False), lambda a: a.status == 401),
        Wish(
            "whole",
            request_bytes(stream=False, key=key),
            lambda a: a.status == 200 and json.loads(a.body)["usage"]["total_tokens"] > 0,
        ),
        Wish(
            "stream",
            request_bytes(stream=True, key=key),
            lambda a: a.status == 200 and a.body.count(b"data: ") > 60 and a.body.endswith(b"data: [DONE]\n\n"),
        ),
    ]


async def converse(served: Served, chance: random.Random, until: float, answers: Counter[str]) -> int:
    """One connection after the other until the time is up; gives how many were left in the middle.

    Raises:
        SystemExit: an answer was not the one to its question.
    """
    left, number = 0, 0
    while time.monotonic() < until:
        client = Client(*await asyncio.open_connection("127.0.0.1", served.port))
        for _ in range(8):
            number += 1
            offered = wishes(served, number)
            asked = [chance.choice(offered) for _ in range(chance.choice((1, 1, 2, 5, 20)))]
            async with asyncio.timeout(60), asyncio.TaskGroup() as group:
                group.create_task(client.send(b"".join(wish.request for wish in asked)))
                for wish in asked:
                    answer = await client.answer()
                    if not wish.right(answer):
                        raise SystemExit(f"to {wish.kind} came {answer.status} {answer.body[:300]!r}")
                    answers[wish.kind] += 1
        stream = request_bytes(stream=True, key=served.keys[0], pace_ms=20)
        await client.send(chance.choice(offered).request + stream)
        await client.answer()
        await client.reader.read(1)
        client.close()
        left += 1
    return left


async def soak(served: Served, seconds: float, connections: int, seed: int) -> Seen:
    """Converse over so many connections, then wait until all is quiet."""
    answers: Counter[str] = Counter()

    async def some(length: float, salt: str) -> int:
        until = time.monotonic() + length
        chances = [random.Random(f"{seed}/{salt}/{number}") for number in range(connections)]
        return sum(await asyncio.gather(*(converse(served, chance, until, answers) for chance in chances)))

    files = _accepted(served)
    left = await some(seconds / 10, "first")
    await _settled(served, files)
    before = pss_mb(served.pid)
    left += await some(seconds * 9 / 10, "then")
    after_files = await _settled(served, files)
    return Seen(answers, left, before, pss_mb(served.pid), files, after_files)


async def _settled(served: Served, files: int) -> int:
    """How many connections the server has once it is quiet."""
    deadline = time.monotonic() + _SETTLE
    while (now := _accepted(served)) > files and time.monotonic() < deadline:  # noqa: ASYNC110 - of another process
        await asyncio.sleep(0.5)
    return now


def _accepted(served: Served) -> int:
    """Sockets that the server accepted and has not closed."""
    port = f":{served.port:04X}"
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(fields[1].endswith(port) and fields[3] in ("01", "08") for fields in lines)


def main() -> None:
    """Soak and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--connections", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tools = Tools(folder)
        (folder / "one").mkdir()
        with tools.mock() as upstream, inglenook(folder / "one", upstream) as served:
            seen = asyncio.run(soak(served, arguments.seconds, arguments.connections, arguments.seed))
    growth, stay = seen.after_mb - seen.before_mb, seen.open_after - seen.open_before
    if arguments.json:
        values = [("soak_answers", sum(seen.answers.values()), "count"), ("soak_growth", round(growth, 1), "MB")]
        print(json.dumps([{"metric": name, "value": value, "unit": unit} for name, value, unit in values]))
    else:
        print(f"{sum(seen.answers.values()):,} answers, each to its own question: {dict(seen.answers)}")
        print(f"{seen.left:,} connections were left in the middle of a stream; {stay} are still there")
        print(f"memory after the first tenth {seen.before_mb:.0f} MB, in the end {seen.after_mb:.0f} MB")
    if stay > 0 or growth > GROWTH:
        raise SystemExit("something stays behind")


if __name__ == "__main__":
    main()
