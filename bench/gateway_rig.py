"""What `bench/gateway.py` measures with: a mock upstream, a load generator, a real server, nginx."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from gateway_house import furnish

HERE = Path(__file__).parent
MODEL = "mock"
SECONDS = 3.0


class Result(NamedTuple):
    """One run. `cpu_us` is the CPU of the measured process for one request, nan where there is none; `first` is the
    time to the first byte of the body; `fewest_chunks` are those of the shortest finished answer."""

    per_second: float
    chunks_per_second: float
    fewest_chunks: int
    first_ms: float
    first_p99_ms: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    extra: float = 0.0


class Tools:
    """The mock and the load generator, compiled if possible."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.compiled = shutil.which("gcc") is not None
        if self.compiled:
            for name in ("mock_upstream", "load"):
                subprocess.run(["gcc", "-O2", "-o", str(folder / name), str(HERE / f"{name}.c")], check=True)
            self.mock_command = [str(folder / "mock_upstream")]
            self.load_command = [str(folder / "load")]
        else:
            script = [sys.executable, str(HERE / "mock_upstream.py")]
            self.mock_command, self.load_command = [*script, "serve"], [*script, "load"]

    @contextlib.contextmanager
    def mock(self) -> Iterator[int]:
        """Serve; gives the port."""
        with subprocess.Popen(self.mock_command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield int(process.stdout.readline())
            finally:
                process.kill()

    def run(
        self,
        port: int,
        connections: int,
        requests: list[bytes],
        *,
        pids: Sequence[int] = (),
        seconds: float = SECONDS,
        stagger_ms: float = 0,
        during: Callable[[], float] | None = None,
    ) -> Result:
        """Load a port with requests in turn, and watch the CPU of processes.

        Args:
            stagger_ms: Between the openings of two connections.
            during: Asked near the end, under load; its value is the result's `extra`.
        """
        if len({len(request) for request in requests}) != 1:
            raise SystemExit("requests that are sent in turn must be of one size")
        file = self.folder / "requests"
        file.write_bytes(b"".join(requests))
        command = [*self.load_command, str(port), str(connections), str(seconds), str(file)]
        before = cpu_seconds(pids)
        with subprocess.Popen(
            [*command, str(stagger_ms), str(len(requests))], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            extra = 0.0
            if during is not None:
                time.sleep(seconds * 0.8)
                extra = during()
            out, errors = process.communicate()
        spent = cpu_seconds(pids) - before
        if process.returncode:
            raise SystemExit(f"the load generator failed: {errors}")
        got = json.loads(out)
        if got["failed"] or not (got["finished"] or during):
            raise SystemExit(f"{got['failed']} requests failed, {got['finished']} were answered")
        return Result(
            per_second=got["finished"] / got["seconds"],
            chunks_per_second=got["events"] / got["seconds"],
            fewest_chunks=got["fewest"],
            first_ms=got["first_p50"],
            first_p99_ms=got["first_p99"],
            p50_ms=got["total_p50"],
            p99_ms=got["total_p99"],
            cpu_us=spent / got["finished"] * 1e6 if pids and got["finished"] else float("nan"),
            extra=extra,
        )


def request_bytes(
    *,
    stream: bool,
    key: str = "",
    model: str = MODEL,
    pace_ms: int = 0,
    more: Sequence[tuple[str, str]] = (),
) -> bytes:
    """A request, with `more` headers. With `pace_ms` the mock sends a chunk each so many ms, and nothing is taken out
    of its stream."""
    paced = {"user": f"pace-{pace_ms}", "stream_options": {"include_usage": True}} if pace_ms else {}
    body = json.dumps(
        {
            "model": model,
            "messages": [
                {"role": "system", "content": "You are a helpful assistant that answers briefly."},
                {"role": "user", "content": "Write a sentence with every letter of the alphabet, then two more."},
            ],
            "temperature": 0.7,
            "stream": stream,
            **paced,
        }
    ).encode()
    lines = [
        "POST /v1/chat/completions HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        "Accept: */*",
        "User-Agent: bench",
        f"Content-Length: {len(body)}",
        *([f"Authorization: Bearer {key}"] if key else []),
        *(f"{name}: {value}" for name, value in more),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def cpu_seconds(pids: Sequence[int]) -> float:
    """User and system time of processes, all their threads included."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


class Served(NamedTuple):
    """A running server, and who may ask it for what."""

    pid: int
    port: int
    keys: list[str]
    models: list[str]

    def processes(self) -> list[int]:
        """What its CPU is counted of."""
        return [self.pid]

    def requests(self, *, stream: bool, pace_ms: int = 0) -> list[bytes]:
        """A request for each key, over all the models."""
        return [
            request_bytes(stream=stream, key=key, model=self.models[number % len(self.models)], pace_ms=pace_ms)
            for number, key in enumerate(self.keys)
        ]


@contextlib.contextmanager
def inglenook(folder: Path, upstream: int, *, house: tuple[int, int] | None = None) -> Iterator[Served]:
    """A server with the mock as its provider.

    Args:
        house: So many keys and routes (`gateway_house.furnish`); None: an administrator's key without limits, which
            asks the mock by its name.
    """
    env = {k: v for k, v in os.environ.items() if not k.startswith("INGLENOOK_") and "proxy" not in k.lower()}
    env |= {"INGLENOOK_STARTER": "", "PYTHONPATH": str(HERE.parent)}
    command = [sys.executable, "-m", "inglenook"]
    data = ["--data", str(folder / "data")]

    def cli(*arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            [*command, *arguments, *data], input=stdin, capture_output=True, text=True, env=env, check=False
        )
        if done.returncode:
            raise SystemExit(f"inglenook {' '.join(arguments)}: {done.stderr}")
        return done.stdout.strip()

    cli("user", "add", "bench", "--admin", "--password-stdin", stdin="correct horse battery\n")
    key = cli("key", "add", "bench")
    keys, asked, models = [key], [MODEL], [MODEL]
    if house is not None:
        keys = asyncio.run(furnish(folder / "data" / "main.db", keys=house[0], routes=house[1], spare=MODEL))
        asked = [f"route-{number:04}" for number in range(house[1])]
        models += [f"mock-{number:04}" for number in range(house[1])]
    log = (folder / "server.log").open("w")
    server = subprocess.Popen(
        [*command, "serve", "--port", "0", *data], stdout=subprocess.PIPE, stderr=log, text=True, env=env
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        if found is None:
            raise SystemExit(f"the server did not start: {line!r} {(folder / 'server.log').read_text()}")
        port = int(found[1])
        add_provider(port, key, upstream, models)
        yield Served(server.pid, port, keys, asked)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
        log.close()


def add_provider(port: int, key: str, upstream: int, models: list[str]) -> None:
    """Make the mock a provider of the server, under these names, for money."""
    prices = {"input": 2_500_000, "output": 10_000_000}
    body = {
        "kind": "openai-compatible",
        "name": "bench",
        "settings": {"base_url": f"http://127.0.0.1:{upstream}/v1", "api_key": "sk-upstream"},
        "models": [{"name": name, "prices": prices} for name in models],
    }
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/providers",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(request, timeout=60).close()
    except urllib.error.HTTPError as error:
        raise SystemExit(f"the provider was refused: {error.read().decode()}") from None


def pss_mb(pid: int) -> float:
    """Proportional memory of a process, in MB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024 / 1e6


@contextlib.contextmanager
def nginx(folder: Path, upstream: int) -> Iterator[tuple[list[int], int] | None]:
    """nginx with one worker as a plain proxy, if it is installed."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        yield None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"""worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
        events {{ worker_connections 4096; }}
        http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
          fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
          keepalive_requests 1000000000;
          upstream mock {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000000; }}
          server {{ listen 127.0.0.1:{port};
            location / {{ proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection "";
              proxy_buffering off; }} }} }}"""
    )
    process = subprocess.Popen([program, "-c", str(configuration), "-p", str(folder)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield [int(pid) for pid in children], port
    finally:
        process.terminate()
        process.wait(10)
