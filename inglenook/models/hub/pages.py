"""Reading a small answer of a place that models come from."""

from msgspec import Struct

from inglenook.models.errors import PullFailed
from inglenook.models.hub.base import Fetcher
from inglenook.models.hub.download import host_of

LIMIT = 32 * 1024 * 1024


class Page(Struct, frozen=True):
    """A whole answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


async def read_page(outbound: Fetcher, url: str, headers: dict[str, str], *, limit: int = LIMIT) -> Page:
    """Read the answer to a GET, whatever its status.

    Raises:
        PullFailed: the host cannot be reached, or sends too much.
    """
    import httpx  # noqa: PLC0415 - heavy, and loaded by the client at its first request

    try:
        async with outbound.stream("GET", url, headers=headers) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > limit:
                    raise PullFailed(f"{host_of(url)} sent more than {limit} bytes where a list or manifest should be")
            told = {name.lower(): value for name, value in response.headers.items()}
            return Page(response.status_code, told, bytes(body))
    except (httpx.TransportError, httpx.TooManyRedirects) as error:
        raise PullFailed(
            f"{host_of(url)} cannot be reached: {error or type(error).__name__}; check the name, the network, and the "
            "mirrors under Where models come from"
        ) from error
