"""What the gateway costs: a mock upstream asked directly, through `inglenook serve`, and through nginx.

`python bench/gateway.py [--json]`: starts a mock upstream and a real server with the mock as an openai-compatible
provider; then asks `POST /v1/chat/completions`, whole and streamed, over 1, 16 and 64 connections. Then: 64 streams of
a token each 10 ms, 2,000 streams of a token a second, and a server with 10,000 keys and 1,000 model names beside one
with ten of each, all of them used in turn.

CPU per request is the server process's own (/proc/<pid>/stat: all threads, user and system). The mock and the load
generator are C where gcc is at hand, otherwise asyncio (slower, so that fewer requests per second come through; the
CPU of a request hardly changes). On a shared machine look at CPU and ratios rather than at requests per second.
"""

import argparse
import json
import os
import platform
import tempfile
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from gateway_rig import MODEL, Result, Served, Tools, inglenook, nginx, pss_mb, request_bytes

CONNECTIONS = (1, 16, 64)
REPEATS = 3  # of the figures that have a bar; the others are taken once
SECONDS = 1.2
PACE_MS = 10
PACED_STREAMS = 64
OPEN_STREAMS = 2000


class Row(NamedTuple):
    """One line of the table."""

    name: str
    stream: bool
    connections: int
    result: Result


class Figures(NamedTuple):
    """What is measured beside the table."""

    paced_direct: Result
    paced: Result
    open_memory_mb: float
    cpu_few_us: float
    cpu_many_us: float


def measure(tools: Tools, folder: Path) -> tuple[list[Row], Figures]:
    """All runs, each way next to the others so that a busy machine troubles them alike."""
    rows = []
    with (
        tools.mock() as upstream,
        inglenook(_made(folder / "one"), upstream) as served,
        nginx(folder, upstream) as proxy,
    ):
        tools.run(served.port, 16, served.requests(stream=False))  # warm
        for stream in (False, True):
            bare = [request_bytes(stream=stream)]
            for connections in CONNECTIONS:
                repeats = REPEATS if connections in (1, 64) else 1
                runs: dict[str, list[Result]] = {"direct": [], "inglenook": [], "nginx": []}
                for _ in range(repeats):
                    runs["direct"].append(tools.run(upstream, connections, bare, seconds=SECONDS))
                    asked = served.requests(stream=stream)
                    runs["inglenook"].append(
                        tools.run(served.port, connections, asked, pids=[served.pid], seconds=SECONDS)
                    )
                    if proxy is not None:
                        runs["nginx"].append(tools.run(proxy[1], connections, bare, pids=proxy[0], seconds=SECONDS))
                rows += [Row(name, stream, connections, middle(found)) for name, found in runs.items() if found]
        paced_direct = _paced(tools, upstream, [request_bytes(stream=True, pace_ms=PACE_MS)])
        paced = _paced(tools, served.port, served.requests(stream=True, pace_ms=PACE_MS))
        memory = _open_streams(tools, served)
        few, many = _keys(tools, folder, upstream)
    return rows, Figures(paced_direct, paced, memory, few, many)


def middle(runs: list[Result]) -> Result:
    """The median run by CPU, by time to the first byte where no process was watched."""
    ordered = sorted(runs, key=lambda run: run.cpu_us if run.cpu_us == run.cpu_us else run.first_ms)
    return ordered[len(ordered) // 2]


def _paced(tools: Tools, port: int, requests: list[bytes]) -> Result:
    """Streams that begin one after the other, as people do."""
    return tools.run(port, PACED_STREAMS, requests, seconds=6, stagger_ms=PACE_MS)


def _open_streams(tools: Tools, served: Served) -> float:
    """MB of the server while so many streams are open, each with a token a second."""
    requests = served.requests(stream=True, pace_ms=1000)
    result = tools.run(served.port, OPEN_STREAMS, requests, seconds=8, stagger_ms=1, during=lambda: pss_mb(served.pid))
    # All are open when the memory is read: each has had its first tokens, and none has ended.
    if result.per_second or result.chunks_per_second * 8 < OPEN_STREAMS * 5:
        raise SystemExit(f"not all {OPEN_STREAMS} streams were open")
    return result.extra


def _keys(tools: Tools, folder: Path, upstream: int) -> tuple[float, float]:
    """CPU of a request with few keys and names, and with many."""
    with (
        inglenook(_made(folder / "few"), upstream, keys=10, models=10) as few,
        inglenook(_made(folder / "many"), upstream, keys=10_000, models=1_000) as many,
    ):
        spent: dict[str, list[float]] = {"few": [], "many": []}
        for number in range(REPEATS + 1):
            for name, served in (("few", few), ("many", many)):
                result = tools.run(
                    served.port, 64, served.requests(stream=False), pids=[served.pid], seconds=2 if number else 1
                )
                if number:  # the first one only warms
                    spent[name].append(result.cpu_us)
    return median(spent["few"]), median(spent["many"])


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def table(rows: list[Row], figures: Figures) -> str:
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
    paced, alone = figures.paced, figures.paced_direct
    lines += [
        "",
        f"{PACED_STREAMS} streams of a token each {PACE_MS} ms: first byte after {paced.first_ms:.2f} ms (p50) and "
        f"{paced.first_p99_ms:.2f} ms (p99), directly {alone.first_ms:.2f} and {alone.first_p99_ms:.2f}; "
        f"{paced.fewest_chunks} of {alone.fewest_chunks} chunks in the shortest answer",
        f"{OPEN_STREAMS:,} open streams: {figures.open_memory_mb:.0f} MB",
        f"10,000 keys and 1,000 names: {figures.cpu_many_us:.1f} us of CPU a request, ten of each: "
        f"{figures.cpu_few_us:.1f}",
    ]
    return "\n".join(lines)


def metrics(rows: list[Row], figures: Figures) -> list[dict[str, Any]]:
    """For machines. Chunks a second are compared where several streams run at once and nginx is furthest ahead; over
    one connection, waiting for each other decides, and the table shows it."""
    found = {(row.name, row.stream, row.connections): row.result for row in rows}
    paced, alone = figures.paced, figures.paced_direct
    if paced.fewest_chunks < alone.fewest_chunks:
        raise SystemExit(f"chunks were lost: {paced.fewest_chunks} of {alone.fewest_chunks} arrived")
    first = {name: found[name, True, 1].first_ms for name in ("direct", "inglenook")}
    values = [
        ("unary_cpu_c64", found["inglenook", False, 64].cpu_us, "us"),
        ("added_ttft_c1", first["inglenook"] - first["direct"], "ms"),
        ("cpu_10k_keys_vs_10_keys", figures.cpu_many_us / figures.cpu_few_us, "ratio"),
        ("paced64_added_ttft", paced.first_p99_ms - alone.first_p99_ms, "ms"),
        ("open_streams_2000_memory", figures.open_memory_mb, "MB"),
    ]
    if ("nginx", True, 16) in found:
        ratios = [
            found["inglenook", True, count].chunks_per_second / found["nginx", True, count].chunks_per_second
            for count in CONNECTIONS[1:]
        ]
        values.append(("stream_chunks_vs_nginx", min(ratios), "ratio"))
    return [{"metric": name, "value": round(value, 3), "unit": unit} for name, value, unit in values]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the figures that have a bar, for machines")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        tools = Tools(Path(name))
        rows, figures = measure(tools, Path(name))
    if arguments.json:
        print(json.dumps(metrics(rows, figures)))
        return
    print(table(rows, figures))
    if not tools.compiled:
        print("\nno gcc: mock and load generator in Python")
    print(f"\nmodel {MODEL}; medians of {REPEATS} over 1 and 64 connections")
    for line in metrics(rows, figures):
        print(f"{line['metric']:28}{line['value']:10g} {line['unit']}")


if __name__ == "__main__":
    main()
