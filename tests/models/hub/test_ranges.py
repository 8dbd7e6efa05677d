"""Large files over several connections: whole, cut, cancelled, killed, changed, and where it is of no use."""

import asyncio
import hashlib
import os
import random
from pathlib import Path

import orjson
import pytest

from inglenook.kit.http.outbound import Outbound
from inglenook.models.hub import download as downloading
from inglenook.models.hub import ranges
from inglenook.models.hub.download import download
from tests.support.files import FileServer

PATH = "/large.gguf"
SIZE = 400_000
PART = 10_000


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "PART", PART)
    monkeypatch.setattr(downloading, "TRY_SECONDS", 0.0)
    monkeypatch.setattr(ranges, "PACE", 0.02)


@pytest.fixture
def data(server: FileServer) -> bytes:
    server.files[PATH] = random.Random(1).randbytes(SIZE)
    server.speed = 400_000  # so that one connection does not have it all at once
    return server.files[PATH]


@pytest.fixture
def partial(tmp_path: Path) -> Path:
    return tmp_path / "large-partial"


def read(path: Path) -> bytes:
    return path.read_bytes()


def leave(partial: Path, data: bytes, *, whole: int) -> None:
    partial.write_bytes(data)
    partial.with_name(f"{partial.name}-note").write_bytes(orjson.dumps({"version": '"1"', "whole": whole}))


async def fetch(outbound: Outbound, server: FileServer, partial: Path, connections: int = 4) -> list[int]:
    """Download it, and return what progress was told."""
    told: list[int] = []
    fetched = await download(
        outbound,
        server.origin + PATH,
        partial,
        connections=connections,
        progress=lambda completed, total: told.append(completed),
    )
    assert fetched.sha256 == hashlib.sha256(server.files[PATH]).hexdigest()
    assert fetched.size == told[-1] == SIZE
    return told


async def test_a_large_file_comes_in_parts_over_several_connections(
    outbound: Outbound, server: FileServer, partial: Path, data: bytes
) -> None:
    told = await fetch(outbound, server, partial)
    assert read(partial) == data
    assert told == sorted(told)
    parts = [asked for asked in server.asked if asked.end is not None]
    starts = sorted(asked.start for asked in parts)
    assert len(starts) == len(set(starts)) > 10  # nothing twice
    assert all(asked.headers["if-range"] == '"1"' for asked in parts)
    assert server.most_at_once >= 3


async def test_one_connection_is_what_was_asked_for(
    outbound: Outbound, server: FileServer, partial: Path, data: bytes
) -> None:
    server.speed = 0
    await fetch(outbound, server, partial, connections=1)
    assert len(server.asked) == 1


async def test_connections_that_bring_nothing_end(
    outbound: Outbound, server: FileServer, partial: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "_GAIN", 1_000_000.0)  # nothing is ever worth it
    await fetch(outbound, server, partial, connections=8)
    assert server.most_at_once <= 3  # the first, which is left, and two
    assert read(partial) == data


async def test_a_broken_part_goes_on_where_it_was(
    outbound: Outbound, server: FileServer, partial: Path, data: bytes
) -> None:
    server.cut[PATH] = [60_000, 3_000, 0, 5_000]  # the beginning, and then parts
    told = await fetch(outbound, server, partial)
    assert read(partial) == data
    assert told == sorted(told)


async def test_who_ignores_the_end_of_a_range_is_asked_over_one_connection(
    outbound: Outbound, server: FileServer, partial: Path, data: bytes
) -> None:
    server.only_rests = True
    await fetch(outbound, server, partial)
    assert read(partial) == data


async def test_a_file_that_changes_on_the_way_is_fetched_anew(
    outbound: Outbound, server: FileServer, partial: Path, data: bytes
) -> None:
    task = asyncio.create_task(fetch(outbound, server, partial))
    await parts_asked(server, 6)
    server.files[PATH], server.etag = bytes(SIZE), '"2"'
    await task
    assert read(partial) == bytes(SIZE)


async def test_a_cancelled_download_keeps_what_is_whole(
    outbound: Outbound, server: FileServer, partial: Path, data: bytes
) -> None:
    task = asyncio.create_task(fetch(outbound, server, partial))
    await parts_asked(server, 8)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    kept = read(partial)
    assert 0 < len(kept) < SIZE
    assert kept == data[: len(kept)]
    server.asked.clear()
    await fetch(outbound, server, partial)
    assert server.asked[0].start == len(kept)


async def test_holes_that_a_killed_server_left_are_filled(
    outbound: Outbound, server: FileServer, partial: Path, data: bytes
) -> None:
    leave(partial, data[:30_000] + bytes(50_000) + data[80_000:90_000], whole=30_000)
    await fetch(outbound, server, partial)
    assert server.asked[0].start == 30_000
    assert read(partial) == data


async def parts_asked(server: FileServer, count: int) -> None:
    async with server.news:
        await server.news.wait_for(lambda: sum(asked.end is not None for asked in server.asked) >= count)


def test_descriptors_are_closed(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    file = downloading.Partial(tmp_path / "x", content_addressed=True)
    file.open()
    file.close()
    assert len(os.listdir("/proc/self/fd")) == before
