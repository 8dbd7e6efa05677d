"""Compressed bodies: undone for those who may ask, and never without bounds."""

import gzip
import json
import sys
import tracemalloc

import httpx
import pytest

from inglenook.gateway.faces.registry import routes
from inglenook.gateway.wire.encoding import LIMIT, decoded
from inglenook.gateway.wire.errors import Refused
from inglenook.kit.errors import TooLarge
from tests.support.gateway import Desk, open_wire

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BODY = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "squeezed"}]}).encode()
CODINGS = {b"gzip": gzip.compress, b"x-gzip": gzip.compress, b"zstd": zstd.compress}


@pytest.mark.parametrize("coding", CODINGS)
async def test_what_was_compressed_is_undone(coding: bytes) -> None:
    for body in (BODY, b"", b"x" * LIMIT):
        assert await decoded(CODINGS[coding](body), coding) == body


@pytest.mark.parametrize("coding", CODINGS)
async def test_what_swells_too_far_is_refused_before_it_has(coding: bytes) -> None:
    bomb = CODINGS[coding](b"\0" * (LIMIT * 8))
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match=str(LIMIT)):
            await decoded(bomb, coding)
        assert tracemalloc.get_traced_memory()[1] < LIMIT * 3
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("coding", CODINGS)
async def test_what_is_malformed_is_refused(coding: bytes) -> None:
    whole = CODINGS[coding](BODY)
    for body in (b"", b"no", whole[:-3], whole + b"more", whole + whole):
        with pytest.raises(Refused):
            await decoded(body, coding)


async def test_a_window_that_needs_much_memory_is_refused() -> None:
    options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.content_size_flag: 0}
    compressor = zstd.ZstdCompressor(options=options)
    body = compressor.compress(b"x" * 100) + compressor.flush(zstd.ZstdCompressor.FLUSH_FRAME)
    with pytest.raises(Refused):
        await decoded(body, b"zstd")


@pytest.mark.parametrize("coding", ["gzip", "zstd", "Zstd"])
async def test_every_face_takes_compressed_bodies(desk: Desk, coding: str) -> None:
    async with open_wire(routes(desk.gateway, desk.kept)) as client:
        client.headers["content-encoding"] = coding
        body = CODINGS[coding.lower().encode()](BODY)
        response = await client.post("/v1/chat/completions", content=body)
        assert response.status_code == 401
        client.headers["authorization"] = f"Bearer {desk.key}"
        response = await client.post("/v1/chat/completions", content=body)
        assert response.json()["choices"][0]["message"]["content"] == "squeezed"
        for content, status in ((BODY, 400), (CODINGS[coding.lower().encode()](b" " * (LIMIT + 1)), 413)):
            for path, kind in (("/v1/chat/completions", None), ("/v1/messages", "error")):
                response = await client.post(path, content=content)
                assert response.status_code == status
                assert response.json().get("type") == kind
        form = httpx.Request("POST", str(client.base_url), data={"model": "hear"}, files={"file": ("a", b"x")})
        response = await client.post(
            "/v1/audio/transcriptions",
            content=CODINGS[coding.lower().encode()](form.read()),
            headers={"content-type": form.headers["content-type"]},
        )
        assert response.json()["text"] == "I heard 1 bytes of a."


async def test_bodies_of_strangers_are_not_undone(desk: Desk) -> None:
    async with open_wire(routes(desk.gateway, desk.kept)) as client:
        # Malformed, which nobody would notice who does not look.
        headers = {"content-encoding": "zstd", "authorization": "Bearer ink-wrong"}
        response = await client.post("/v1/chat/completions", content=b"no", headers=headers)
        assert response.status_code == 401
