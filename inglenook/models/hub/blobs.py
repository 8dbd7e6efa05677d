"""Fetching what is known by its hash into the store: once, however many pulls want it."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from inglenook.models.errors import PullFailed, WrongChecksum
from inglenook.models.hub.base import Step, Tools
from inglenook.models.hub.download import download, forget, host_of
from inglenook.models.hub.files import put_in_place, to_the_end
from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.manifest import Layer

Headers = Callable[[], dict[str, str]]


async def fetch_blob(
    tools: Tools,
    url: str,
    layer: Layer,
    *,
    headers: Headers = dict,
    renew: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Bring a blob here, unless it is. Who asks for one that is on its way to another pull waits for that one.

    Args:
        headers: What to show the host of `url`.
        renew: Makes `headers` good again when they ran out.

    Raises:
        WrongChecksum: the bytes are not those that `layer` names; they were removed.
        PullFailed, DiskFull: see `download`.
    """
    models = tools.models
    path = models.place(layer.digest)
    status = f"pulling {layer.digest.removeprefix('sha256:')[:12]}"

    def progress(completed: int, total: int) -> None:
        tools.report(Step(status=status, digest=layer.digest, total=layer.size, completed=completed))

    progress(0, layer.size)

    async def work(tell: Callable[[int, int], None]) -> None:
        if is_here(models.blob_path(layer.digest), layer):
            return
        try:
            await _fetch(tools, url, path, layer, headers(), tell)
        except PullFailed as error:
            if renew is None or error.details.get("status") != 401:
                raise
            await renew()
            await _fetch(tools, url, path, layer, headers(), tell)

    await tools.shared(layer.digest, work, progress)
    progress(layer.size, layer.size)


async def _fetch(
    tools: Tools, url: str, path: Path, layer: Layer, headers: dict[str, str], tell: Callable[[int, int], None]
) -> None:
    partial = partial_of(path)
    fetched = await download(
        tools.outbound,
        url,
        partial,
        headers=headers,
        size=layer.size,
        content_addressed=True,
        connections=tools.access.now.connections,
        progress=tell,
    )
    if f"sha256:{fetched.sha256}" != layer.digest:
        forget(partial)
        raise WrongChecksum(
            f"{host_of(url)} sent a blob with SHA-256 {fetched.sha256} instead of {layer.digest[7:]}; it was "
            "removed, pull it again"
        )
    await to_the_end(put_in_place, partial, path)
    forget(partial)


def partial_of(path: Path) -> Path:
    """Where a blob grows. Not Ollama's own `-partial`: those are sparse files of full size."""
    return path.with_name(f"{path.name}-ink-partial")


def is_here(path: Path, layer: Layer) -> bool:
    """Whether a blob is here in full."""
    return path.is_file() and path.stat().st_size == layer.size


def still_to_come(models: ModelStore, layer: Layer) -> int:
    """Bytes of a blob that are not here."""
    if is_here(models.blob_path(layer.digest), layer):
        return 0
    partial = partial_of(models.place(layer.digest))
    return max(0, layer.size - (partial.stat().st_size if partial.is_file() else 0))
