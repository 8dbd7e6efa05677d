"""What the gateway costs: a mock upstream asked directly, through `inglenook serve`, and through nginx.

`python bench/gateway.py [--json] [--only part]`: starts a mock upstream and a real server with the mock as an
openai-compatible provider; then asks `POST /v1/chat/completions`, whole and streamed, over 1, 16 and 64 connections,
with an administrator's key (`ways`). Then 64 streams of a token each 10 ms, and 2,000 streams of a token a second
(`streams`); a server with 10,000 keys and 1,000 routes beside one with ten of each, all used in turn: every key,
its user, their team and all together have limits a minute and a budget a month, and every route has conditions and two
targets (`house`); and other gateways that are installed (`peers`, see peers.md).

CPU per request is the server process's own (/proc/<pid>/stat: all threads, user and system). The mock and the load
generator are C where gcc is at hand, otherwise asyncio (slower, so that fewer requests per second come through; the
CPU of a request hardly changes). On a shared machine look at CPU and ratios rather than at requests per second.
"""

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from gateway_peers import PEERS, Peer
from gateway_rig import MODEL, Result, Served, Tools, inglenook, nginx, pss_mb, request_bytes

CONNECTIONS = (1, 16, 64)
REPEATS = 3  # of the figures that have a bar; the others are taken once
SECONDS = 0.9
PACE_MS = 10
PACED_STREAMS = 64
OPEN_STREAMS = 2000
FEW, MANY = (10, 10), (10_000, 1_000)
PARTS = ("ways", "streams", "house", "peers")


#: nginx's worker processes, and its port.
Proxy = tuple[list[int], int]


class Row(NamedTuple):
    """One line of the table."""

    name: str
    way: str
    connections: int
    result: Result


class Metric(NamedTuple):
    """A figure, perhaps one that has a bar."""

    metric: str
    value: float
    unit: str


class Found(NamedTuple):
    """What was measured."""

    rows: list[Row]
    metrics: list[Metric]
    notes: list[str]


def measure(tools: Tools, folder: Path, parts: Sequence[str]) -> Found:
    """All runs, each way next to the others so that a busy machine troubles them alike."""
    found = Found([], [], [])
    with tools.mock() as upstream, nginx(folder, upstream) as proxy:
        if "ways" in parts or "streams" in parts:
            with inglenook(_made(folder / "one"), upstream) as served:
                tools.run(served.port, 16, served.requests(stream=False))  # warm
                if "ways" in parts:
                    _ways(tools, upstream, served, proxy, found)
                if "streams" in parts:
                    _streams(tools, upstream, served, found)
        if "house" in parts:
            _house(tools, folder, upstream, proxy, found)
        if "peers" in parts:
            _peers(tools, folder, upstream, found)
    return found


def _ways(tools: Tools, upstream: int, served: Served, proxy: Proxy | None, found: Found) -> None:
    """Whole and streamed, over few and many connections."""
    for stream in (False, True):
        bare = [request_bytes(stream=stream)]
        for connections in CONNECTIONS:
            repeats = REPEATS if connections in (1, 64) else 1
            runs: dict[str, list[Result]] = {"direct": [], "inglenook": [], "nginx": []}
            for _ in range(repeats):
                runs["direct"].append(tools.run(upstream, connections, bare, seconds=SECONDS))
                asked = served.requests(stream=stream)
                runs["inglenook"].append(tools.run(served.port, connections, asked, pids=[served.pid], seconds=SECONDS))
                if proxy is not None:
                    runs["nginx"].append(tools.run(proxy[1], connections, bare, pids=proxy[0], seconds=SECONDS))
            way = "stream" if stream else "whole"
            found.rows.extend(Row(name, way, connections, middle(had)) for name, had in runs.items() if had)
    got = {(row.name, row.way, row.connections): row.result for row in found.rows}
    first = {name: got[name, "stream", 1].first_ms for name in ("direct", "inglenook")}
    found.metrics.append(Metric("unary_cpu_c64", got["inglenook", "whole", 64].cpu_us, "us"))
    found.metrics.append(Metric("added_ttft_c1", first["inglenook"] - first["direct"], "ms"))
    if proxy is not None:
        # Where several streams run at once and nginx is furthest ahead; over one connection, waiting for each other
        # decides, and the table shows it.
        ratios = [
            got["inglenook", "stream", count].chunks_per_second / got["nginx", "stream", count].chunks_per_second
            for count in CONNECTIONS[1:]
        ]
        found.metrics.append(Metric("stream_chunks_vs_nginx", min(ratios), "ratio"))


def middle(runs: list[Result]) -> Result:
    """The median run by CPU, by time to the first byte where no process was watched."""
    ordered = sorted(runs, key=lambda run: run.cpu_us if run.cpu_us == run.cpu_us else run.first_ms)
    return ordered[len(ordered) // 2]


def _streams(tools: Tools, upstream: int, served: Served, found: Found) -> None:
    """Streams that begin one after the other, as people do; and many that are open at once."""
    alone, paced = (
        tools.run(port, PACED_STREAMS, requests, seconds=6, stagger_ms=PACE_MS)
        for port, requests in (
            (upstream, [request_bytes(stream=True, pace_ms=PACE_MS)]),
            (served.port, served.requests(stream=True, pace_ms=PACE_MS)),
        )
    )
    if paced.fewest_chunks < alone.fewest_chunks:
        raise SystemExit(f"chunks were lost: {paced.fewest_chunks} of {alone.fewest_chunks} arrived")
    found.metrics.append(Metric("paced64_added_ttft", paced.first_p99_ms - alone.first_p99_ms, "ms"))
    found.notes.append(
        f"{PACED_STREAMS} streams of a token each {PACE_MS} ms: first byte after {paced.first_ms:.2f} ms (p50) and "
        f"{paced.first_p99_ms:.2f} ms (p99), directly {alone.first_ms:.2f} and {alone.first_p99_ms:.2f}; "
        f"{paced.fewest_chunks} of {alone.fewest_chunks} chunks in the shortest answer"
    )
    requests = served.requests(stream=True, pace_ms=1000)
    result = tools.run(served.port, OPEN_STREAMS, requests, seconds=8, stagger_ms=1, during=lambda: pss_mb(served.pid))
    # All are open when the memory is read: each has had its first tokens, and none has ended.
    if result.per_second or result.chunks_per_second * 8 < OPEN_STREAMS * 5:
        raise SystemExit(f"not all {OPEN_STREAMS} streams were open")
    found.metrics.append(Metric("open_streams_2000_memory", result.extra, "MB"))


def _house(tools: Tools, folder: Path, upstream: int, proxy: Proxy | None, found: Found) -> None:
    """CPU of a request with every step on, with few keys and routes and with many."""
    bare = [request_bytes(stream=False)]
    with (
        inglenook(_made(folder / "few"), upstream, house=FEW) as few,
        inglenook(_made(folder / "many"), upstream, house=MANY) as many,
    ):
        runs: dict[str, list[Result]] = {"few": [], "many": [], "nginx": []}
        for served in (few, many):  # every key is asked for
            tools.run(served.port, 64, served.requests(stream=False), seconds=1 + len(served.keys) / 1500)
        for _ in range(REPEATS):
            for name, served in (("few", few), ("many", many)):
                asked = served.requests(stream=False)
                runs[name].append(tools.run(served.port, 64, asked, pids=[served.pid], seconds=2))
            if proxy is not None:
                runs["nginx"].append(tools.run(proxy[1], 64, bare, pids=proxy[0], seconds=SECONDS))
        direct = tools.run(upstream, 64, bare, seconds=SECONDS)
    got = {name: middle(had) for name, had in runs.items() if had}
    found.rows.append(Row("direct", "house", 64, direct))
    found.rows.extend(Row(name, "house", 64, result) for name, result in got.items())
    found.metrics.append(Metric("unary_cpu_c64_all_steps", got["few"].cpu_us, "us"))
    found.metrics.append(Metric("cpu_10k_keys_vs_10_keys", got["many"].cpu_us / got["few"].cpu_us, "ratio"))


def _peers(tools: Tools, folder: Path, upstream: int, found: Found) -> None:
    """Requests a second of CPU through other gateways, beside ours with a key alone, which is what they do, and with
    every step on."""
    peers: list[Peer] = [peer for peer in PEERS if peer.installed]
    if not peers:
        found.notes.append("no other gateway is installed (peers.md)")
        return
    per_cpu: dict[str, float] = {}
    for name, house in (("key_only_", None), ("", FEW)):
        with inglenook(_made(folder / f"peer{name}"), upstream, house=house) as ours:
            asked = ours.requests(stream=False)
            tools.run(ours.port, 64, asked, seconds=1)
            per_cpu[name] = _per_cpu(tools, "inglenook", ours.port, asked, ours.processes, found)
    for peer in peers:
        with peer.serve(_made(folder / peer.name), upstream) as (port, processes, requests):
            tools.run(port, 64, requests, seconds=2)
            theirs = _per_cpu(tools, peer.name, port, requests, processes, found)
        for name, had in per_cpu.items():
            found.metrics.append(Metric(f"{name}requests_per_cpu_second_vs_{peer.name}", had / theirs, "times"))
        found.notes.append(f"{peer.name} {peer.version()}: {theirs:,.0f} requests a second of CPU; {peer.how}")
    found.notes.append(
        f"inglenook: {per_cpu['']:,.0f} requests a second of CPU with every step on, "
        f"{per_cpu['key_only_']:,.0f} with a key alone"
    )


def _per_cpu(
    tools: Tools,
    name: str,
    port: int,
    requests: list[bytes],
    processes: Callable[[], Sequence[int]],
    found: Found,
) -> float:
    result = middle([tools.run(port, 64, requests, pids=processes(), seconds=2) for _ in range(REPEATS)])
    found.rows.append(Row(name, "peers", 64, result))
    return 1e6 / result.cpu_us


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def table(found: Found) -> str:
    """For people."""
    lines = [
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "",
        f"{'':22}{'requests/s':>12}{'of direct':>11}{'CPU us':>9}{'first ms':>10}{'p50 ms':>9}{'p99 ms':>9}",
    ]
    direct = {(row.way, row.connections): row.result.per_second for row in found.rows if row.name == "direct"}
    for row in found.rows:
        result = row.result
        share = result.per_second / direct.get((row.way, row.connections), float("nan"))
        lines.append(
            f"{row.way:7}{row.connections:3} {row.name:11}{result.per_second:12,.0f}{share:11.2f}{result.cpu_us:9.1f}"
            f"{result.first_ms:10.2f}{result.p50_ms:9.2f}{result.p99_ms:9.2f}"
        )
    return "\n".join([*lines, "", *found.notes])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the figures that have a bar, for machines")
    parser.add_argument("--only", choices=PARTS, action="append", help="only this part; may be repeated")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        tools = Tools(Path(name))
        found = measure(tools, Path(name), arguments.only or PARTS)
    if arguments.json:
        print(json.dumps([metric._replace(value=round(metric.value, 3))._asdict() for metric in found.metrics]))
        return
    print(table(found))
    if not tools.compiled:
        print("\nno gcc: mock and load generator in Python")
    print(f"\nmodel {MODEL}; medians of {REPEATS} over 1 and 64 connections")
    for metric in found.metrics:
        print(f"{metric.metric:40}{metric.value:10.3f} {metric.unit}")


if __name__ == "__main__":
    main()
