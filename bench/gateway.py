"""What the gateway costs: a mock upstream asked directly, through `inglenook serve`, and through nginx.

`python bench/gateway.py [--json]`: starts a mock upstream and a real server with one user, one key and the mock as an
openai-compatible provider; then asks `POST /v1/chat/completions`, whole and streamed, over 1, 16 and 64 connections.
CPU per request is the server process's own (/proc/<pid>/stat: all threads, user and system). The mock and the load
generator are C where gcc is at hand, otherwise asyncio (slower, so that fewer requests per second come through; the
CPU of a request hardly changes). On a shared machine look at CPU and ratios rather than at requests per second.
"""

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
CONNECTIONS = (1, 16, 64)
SECONDS = 3.0
REPEATS = 3  # of the one figure that has a bar; the others are taken once
MODEL = "mock"


class Result(NamedTuple):
    """One run. `cpu_us` is the CPU of the measured process for one request; nan where there is none."""

    per_second: float
    chunks_per_second: float
    first_ms: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


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

    def run(self, port: int, connections: int, *, stream: bool, key: str = "", pids: list[int] | None = None) -> Result:
        """Load a port and watch the CPU of processes."""
        file = self.folder / "request"
        file.write_bytes(request_bytes(stream=stream, key=key))
        command = [*self.load_command, str(port), str(connections), str(SECONDS), str(file)]
        before = cpu_seconds(pids or [])
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        spent = cpu_seconds(pids or []) - before
        if done.returncode:
            raise SystemExit(f"the load generator failed: {done.stderr}")
        got = json.loads(done.stdout)
        if got["failed"] or not got["finished"]:
            raise SystemExit(f"{got['failed']} requests failed, {got['finished']} were answered")
        return Result(
            per_second=got["finished"] / got["seconds"],
            chunks_per_second=got["events"] / got["seconds"],
            first_ms=got["first_p50"],
            p50_ms=got["total_p50"],
            p99_ms=got["total_p99"],
            cpu_us=spent / got["finished"] * 1e6 if pids else float("nan"),
        )


def request_bytes(*, stream: bool, key: str) -> bytes:
    """The request every run repeats."""
    body = json.dumps(
        {
            "model": MODEL,
            "messages": [
                {"role": "system", "content": "You are a helpful assistant that answers briefly."},
                {"role": "user", "content": "Write a sentence with every letter of the alphabet, then two more."},
            ],
            "temperature": 0.7,
            "stream": stream,
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
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of processes, all their threads included."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def inglenook(folder: Path, upstream: int) -> Iterator[tuple[int, int, str]]:
    """A server with the mock as its provider; gives its process id, its port and an API key."""
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
        add_provider(port, key, upstream)
        yield server.pid, port, key
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
        log.close()


def add_provider(port: int, key: str, upstream: int) -> None:
    """Make the mock a provider of the server, with its one model."""
    body = {
        "kind": "openai-compatible",
        "name": "bench",
        "settings": {"base_url": f"http://127.0.0.1:{upstream}/v1", "api_key": "sk-upstream"},
        "models": [{"name": MODEL}],
    }
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/providers",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(request, timeout=10).close()
    except urllib.error.HTTPError as error:
        raise SystemExit(f"the provider was refused: {error.read().decode()}") from None


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


class Row(NamedTuple):
    """One line of the table."""

    name: str
    stream: bool
    connections: int
    result: Result


def measure(tools: Tools, folder: Path) -> list[Row]:
    """All runs, each way next to the others so that a busy machine troubles them alike."""
    rows = []
    with (
        tools.mock() as upstream,
        inglenook(folder, upstream) as (pid, port, key),
        nginx(folder, upstream) as proxy,
    ):
        tools.run(port, 16, stream=False, key=key)  # warm
        for stream in (False, True):
            for connections in CONNECTIONS:
                rows.append(Row("direct", stream, connections, tools.run(upstream, connections, stream=stream)))
                repeats = REPEATS if (stream, connections) == (False, 64) else 1
                runs = [tools.run(port, connections, stream=stream, key=key, pids=[pid]) for _ in range(repeats)]
                runs.sort(key=lambda run: run.cpu_us)
                rows.append(Row("inglenook", stream, connections, runs[repeats // 2]))
                if proxy is not None:
                    result = tools.run(proxy[1], connections, stream=stream, pids=proxy[0])
                    rows.append(Row("nginx", stream, connections, result))
    return rows


def table(rows: list[Row]) -> str:
    """For people."""
    lines = [
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "",
        f"{'':22}{'requests/s':>12}{'of direct':>11}{'CPU us':>9}{'first ms':>10}{'p50 ms':>9}{'p99 ms':>9}",
    ]
    direct = {(row.stream, row.connections): row.result.per_second for row in rows if row.name == "direct"}
    for row in rows:
        result, way = row.result, "stream" if row.stream else "whole"
        share = result.per_second / direct[row.stream, row.connections]
        lines.append(
            f"{way:7}{row.connections:3} {row.name:11}{result.per_second:12,.0f}{share:11.2f}{result.cpu_us:9.1f}"
            f"{result.first_ms:10.2f}{result.p50_ms:9.2f}{result.p99_ms:9.2f}"
        )
    return "\n".join(lines)


def metrics(rows: list[Row]) -> list[dict[str, Any]]:
    """For machines."""
    found = {(row.name, row.stream, row.connections): row.result for row in rows}
    return [
        {"metric": "unary_cpu_c64", "value": round(found["inglenook", False, 64].cpu_us, 1), "unit": "us"},
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the figures that have a bar, for machines")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        tools = Tools(Path(name))
        rows = measure(tools, Path(name))
    if arguments.json:
        print(json.dumps(metrics(rows)))
        return
    print(table(rows))
    if not tools.compiled:
        print("\nno gcc: mock and load generator in Python")
    print(f"\nCPU of one unary request over 64 connections: {metrics(rows)[0]['value']} us (median of {REPEATS})")


if __name__ == "__main__":
    main()
