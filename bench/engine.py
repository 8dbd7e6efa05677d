"""What serving a local model through Inglenook costs, and what its slots and prompt cache bring.

`python bench/engine.py [--json] [--model FILE]`: starts a real server with the starter model, and beside it the same
child process as the server starts (same slots, context and threads), whose own listener is asked directly. Five
paired runs at 1 and at 4 chats, three at 8, each pair with the same prompts and the order turned round; then the time
to the first token of a chat behind a fresh prefix of 1,000 tokens and of another chat behind the same one. Rates are
tokens of all chats over the time from the first request to the last token.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from inglenook.kit.config import Settings
from inglenook.models.engine.process import Child
from inglenook.models.engine.source import BOUNDLESS, from_path
from inglenook.models.hub.layout import ModelStore

ROOT = Path(__file__).parents[1]
NAME = "bench"
TOKENS = {1: 64, 4: 64, 8: 32}
PAIRS = {1: 5, 4: 5, 8: 3}
PREFIXES = 3
#: Seconds after which no further pair is begun once there are three.
DEADLINE = 100.0
TEXT = "the old house by the river has a fire that never goes out and a table for everyone who comes"
WORDS = re.findall(r"\w+", TEXT)


class Target(NamedTuple):
    """Something that answers `/v1/chat/completions`."""

    port: int
    key: str


class Answer(NamedTuple):
    """Seconds to the first text and to the end, and tokens."""

    first: float
    total: float
    tokens: int


async def chat(target: Target, messages: list[dict[str, str]], tokens: int) -> Answer:
    """One streamed chat of exactly `tokens` tokens, read as lightly as can be."""
    body = json.dumps(
        {
            "model": NAME,
            "messages": messages,
            "max_tokens": tokens,
            "temperature": 0,
            "logit_bias": {"2": -100},  # the starter's end of text
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ).encode()
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
        b"content-type: application/json\r\nauthorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b"
        % (target.key.encode(), len(body), body)
    )
    answer = b""
    first = 0.0
    while data := await reader.read(65536):
        answer += data
        if not first and b'"content":"' in answer:
            first = time.perf_counter() - began
        if b"data: [DONE]" in data:
            break
    total = time.perf_counter() - began
    writer.close()
    found = re.search(rb'"completion_tokens":\s*(\d+)', answer)
    if found is None or b" 200 " not in answer[:20]:
        raise SystemExit(f"no whole answer: {answer[-600:]!r}")
    return Answer(first, total, int(found[1]))


async def rate(target: Target, chats: int, run: int) -> float:
    """Tokens per second of so many chats at once."""
    began = time.perf_counter()
    system = {"role": "system", "content": "Be brief."}
    prompts = [{"role": "user", "content": f"Story {run * 10 + n}: {WORDS[n]}"} for n in range(chats)]
    answers = await asyncio.gather(*[chat(target, [system, prompt], TOKENS[chats]) for prompt in prompts])
    return sum(answer.tokens for answer in answers) / (time.perf_counter() - began)


async def compare(through: Target, direct: Target, chats: int, deadline: float) -> list[tuple[float, float]]:
    """Paired rates: through Inglenook, and directly."""
    pairs: list[tuple[float, float]] = []
    for run in range(PAIRS[chats]):
        if len(pairs) >= 3 and time.monotonic() > deadline:
            break
        if run % 2:
            straight, ours = await rate(direct, chats, run), await rate(through, chats, run)
        else:
            ours, straight = await rate(through, chats, run), await rate(direct, chats, run)
        pairs.append((ours, straight))
    return pairs


async def prefix(target: Target, run: int) -> tuple[float, float]:
    """Seconds to the first token behind a fresh prefix of about 1,000 tokens, and behind the same once more."""
    system = {"role": "system", "content": f"Rule {run}: " + " ".join(WORDS[n % len(WORDS)] for n in range(990))}
    times = [
        (await chat(target, [system, {"role": "user", "content": question}], 4)).first
        for question in ("Where is the house?", "Who may sit at the table?")
    ]
    return times[0], times[1]


@contextlib.contextmanager
def server(gguf: Path) -> Iterator[Target]:
    """A real server with the model and a user's key."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        ModelStore(data / "models").import_gguf(gguf, NAME)
        env = {k: v for k, v in os.environ.items() if not k.startswith("INGLENOOK_")}

        def inglenook(*arguments: str, given: str = "") -> str:
            command = [sys.executable, "-m", "inglenook", *arguments, "--data", str(data)]
            return subprocess.run(
                command, input=given, capture_output=True, text=True, check=True, cwd=ROOT, env=env
            ).stdout.strip()

        inglenook("user", "add", "bench", "--admin", "--password-stdin", given="a long pass phrase")
        key = inglenook("key", "add", "bench")
        process = subprocess.Popen(
            [sys.executable, "-m", "inglenook", "serve", "--port", "0", "--data", str(data)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=env,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            match = re.search(r"http://127\.0\.0\.1:(\d+)", line)
            if match is None:
                raise SystemExit(f"the server did not start: {line!r}")
            yield Target(int(match[1]), key)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@contextlib.asynccontextmanager
async def child(gguf: Path) -> AsyncIterator[Target]:
    """The same child process as the server's, asked directly."""
    settings = Settings(data=Path(tempfile.gettempdir()))
    process = await Child.start(from_path(gguf, NAME).plan(None, settings, BOUNDLESS).spec, settings.load_timeout)
    try:
        yield Target(process.port, process.api_key)
    finally:
        await process.stop()


async def measure(through: Target, gguf: Path) -> dict[str, Any]:
    """Everything."""
    deadline = time.monotonic() + DEADLINE
    async with child(gguf) as direct:
        for target in (through, direct):
            await chat(target, [{"role": "user", "content": "warm up"}], 4)
        cold, warm = zip(*[await prefix(through, run) for run in range(PREFIXES)], strict=True)
        pairs = {chats: await compare(through, direct, chats, deadline) for chats in PAIRS}
    return {"pairs": pairs, "cold": statistics.median(cold), "warm": statistics.median(warm)}


def find_model(given: str | None) -> Path:
    """The starter model's file."""
    if path := given or os.environ.get("INGLENOOK_TEST_GGUF"):
        return Path(path)
    for model in ModelStore(ROOT / ".make" / "models").list():
        if "smollm" in model.name.lower():
            return model.gguf
    raise SystemExit("no starter model: run `make starter`, or name a GGUF file with --model")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--model", help="GGUF file; the starter model by default")
    given = parser.parse_args()
    gguf = find_model(given.model)
    with server(gguf) as through:
        found = asyncio.run(measure(through, gguf))
    ratio = {chats: statistics.median(a / b for a, b in pairs) for chats, pairs in found["pairs"].items()}
    ours = {chats: statistics.median(a for a, _ in pairs) for chats, pairs in found["pairs"].items()}
    rows = [
        *[(f"tokens_per_s_vs_child_c{chats}", ratio[chats], "ratio") for chats in ratio],
        ("aggregate_c4_vs_c1", ours[4] / ours[1], "ratio"),
        ("shared_prefix_ttft_vs_cold", found["warm"] / found["cold"], "ratio"),
        *[(f"tokens_per_s_c{chats}", ours[chats], "tokens/s") for chats in ours],
    ]
    if given.json:
        print(json.dumps([{"metric": m, "value": round(v, 3), "unit": unit} for m, v, unit in rows]))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for chats, pairs in found["pairs"].items():
        direct = statistics.median(b for _, b in pairs)
        print(
            f"{chats} chats: {ours[chats]:6.1f} tokens/s through Inglenook, {direct:6.1f} directly: "
            f"{ratio[chats]:.3f} (median of {len(pairs)} pairs)"
        )
    print(f"4 chats bring {ours[4] / ours[1]:.2f} times the tokens of one")
    print(
        f"first token behind 1,000 tokens: {found['cold']:.2f} s fresh, {found['warm']:.2f} s shared: "
        f"{found['warm'] / found['cold']:.3f}"
    )


if __name__ == "__main__":
    main()
