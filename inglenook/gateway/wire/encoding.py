"""Bodies that come compressed, and how far they may swell."""

import asyncio
import sys
import zlib
from collections.abc import Callable

from inglenook.gateway.wire.errors import Refused
from inglenook.kit.errors import TooLarge

#: Bytes of a compressed body once it is not. Whoever sends more can send it as it is.
LIMIT = 20 * 1024 * 1024

_GZIP = 31  # zlib's word for: with a gzip head
#: Binary logarithm of how far back a zstd frame may refer, as RFC 9659 has it: what a decoder keeps in memory.
_WINDOW = 23


async def decoded(body: bytes, coding: bytes) -> bytes:
    """The body as it was before `coding` (a key of `CODINGS`) was applied to it.

    Raises:
        Refused: it is malformed, or something follows it.
        TooLarge: it swells to more than `LIMIT` bytes.
    """
    # 20 MB take up to 50 ms, and what says it is small may not be.
    return await asyncio.to_thread(CODINGS[coding], body)


def _gunzip(body: bytes) -> bytes:
    decoder = zlib.decompressobj(_GZIP)
    try:
        data = decoder.decompress(body, LIMIT + 1)
    except zlib.error as error:
        raise Refused(f"the body is not gzip: {error}") from None
    return _whole(data, decoder.eof, decoder.unused_data, "gzip")


def _unzstd(body: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415  # 7 ms, which few servers need
    else:
        from backports import zstd  # noqa: PLC0415
    decoder = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW})
    try:
        data = decoder.decompress(body, LIMIT + 1)
    except zstd.ZstdError as error:
        raise Refused(f"the body is not zstd: {error}") from None
    return _whole(data, decoder.eof, decoder.unused_data if decoder.eof else b"", "zstd")


def _whole(data: bytes, ended: bool, rest: bytes, coding: str) -> bytes:
    if len(data) > LIMIT:
        raise TooLarge(f"the body has more than {LIMIT} bytes once {coding} is undone; send it as it is")
    if not ended:
        raise Refused(f"the body is not whole: its {coding} does not end")
    if rest:
        raise Refused(f"something follows the {coding} of the body")
    return data


CODINGS: dict[bytes, Callable[[bytes], bytes]] = {b"gzip": _gunzip, b"x-gzip": _gunzip, b"zstd": _unzstd}
