"""How much of the disk models take, and freeing what nothing uses any more.

Three kinds of files are looked at in the store's own folder: blobs that manifests name, blobs that none names (what an
upload left that no model was made of, or a model that was deleted by hand), and the beginnings of downloads. A folder
of Ollama's that is lent (`layout.ModelStore.lent`) is never touched here.
"""

import logging
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.manifest import parse_manifest

log = logging.getLogger(__name__)

#: Seconds that an upload gets to become a model.
GRACE = 3600.0
_DAY = 86_400.0
_BLOB = re.compile(r"sha256-[0-9a-f]{64}")
#: What a killed process leaves of copies; they do not go on.
_COPY = re.compile(r"(?:import-tmp_|\.tmp_).*-partial")
#: Downloads of ours on their way, with their notes; Ollama's own partial files have other names.
_DOWNLOAD = re.compile(r"(?:sha256-[0-9a-f]{64}-ink|download-[0-9a-f]+)-partial(?:-note)?")


class ModelSpace(Struct, frozen=True, kw_only=True):
    """A model on the disk. `size` is all it needs, `own` what would be freed without it; both in bytes."""

    name: str
    size: int
    own: int
    lent: bool = False


class Space(Struct, frozen=True, kw_only=True):
    """Bytes on the disk of the store.

    Attributes:
        used: By models, what they share counted once.
        unused: In blobs that no model uses.
        partial: In downloads that have not come to their end.
        free: What the disk has left.
    """

    models: tuple[ModelSpace, ...]
    used: int
    unused: int
    partial: int
    free: int


class Pruned(Struct, frozen=True, kw_only=True):
    """What was removed: files, and their bytes."""

    files: int = 0
    freed: int = 0


def measure(models: ModelStore) -> Space:
    """Look at the disk. Blocks for some milliseconds."""
    named: dict[str, dict[str, int]] = {}
    lent: set[str] = set()
    for name, path, is_lent in models.manifest_files():
        with suppress(OSError, ValueError):
            named[name.short] = {layer.digest: layer.size for layer in parse_manifest(path.read_bytes()).blobs}
            if is_lent:
                lent.add(name.short)
    users = Counter(digest for digests in named.values() for digest in digests)
    here = {digest for digests in named.values() for digest in digests if models.owns(digest)}
    sizes = {digest: size for digests in named.values() for digest, size in digests.items()}
    return Space(
        models=tuple(
            ModelSpace(
                name=name,
                size=sum(digests.values()),
                own=sum(size for digest, size in digests.items() if users[digest] == 1 and digest in here),
                lent=name in lent,
            )
            for name, digests in sorted(named.items())
        ),
        used=sum(sizes[digest] for digest in here),
        unused=sum(_size(path) for path in _unused(models, grace=GRACE)),
        partial=sum(_size(path) for path in _partials(models)),
        free=_free(models.root),
    )


def prune(
    models: ModelStore, in_use: Callable[[], Collection[Path]], active: Callable[[], Collection[str]], *, partials: bool
) -> Pruned:
    """Remove blobs that no model uses.

    Args:
        in_use: Gives files that a loaded model was made from.
        active: Gives the digests and names of files that pulls work on now.
        partials: Whether to remove the beginnings of downloads too.
    """
    removed = []
    used = {path.name for path in in_use()}
    for path in [*_unused(models, grace=GRACE)]:
        size = _size(path)
        if path.name not in used and models.drop(path, older_than=GRACE):
            removed.append(size)
    if partials:
        removed += _drop_partials(models, active(), older_than=0)
    return Pruned(files=len(removed), freed=sum(removed))


def sweep(models: ModelStore, active: Collection[str], days: int) -> Pruned:
    """Remove what nobody will go on with: copies that a killed process left a day ago or earlier, and downloads that
    nothing was added to for `days` (0: these stay)."""
    removed = []
    for path in [*models.blobs.glob("*-partial")]:
        if _COPY.fullmatch(path.name):
            removed += _drop(path, older_than=_DAY)
    if days:
        removed += _drop_partials(models, active, older_than=days * _DAY)
    if removed:
        log.info("removed %d files of stopped downloads, %d bytes", len(removed), sum(removed))
    return Pruned(files=len(removed), freed=sum(removed))


def _drop_partials(models: ModelStore, active: Collection[str], *, older_than: float) -> list[int]:
    removed: list[int] = []
    for path in [*_partials(models)]:
        key = path.name.removesuffix("-note")
        digest = path.name[:71].replace("-", ":", 1)
        if not {key, digest, str(path)} & {*active}:
            removed += _drop_folder(path, older_than) if path.is_dir() else _drop(path, older_than=older_than)
    return removed


def _unused(models: ModelStore, *, grace: float) -> Iterator[Path]:
    """Blobs that no manifest names; none if one manifest cannot be read, since it may name any."""
    named: set[str] = set()
    for _, path, _ in models.manifest_files():
        try:
            named |= models.needed(path)
        except (OSError, ValueError) as error:
            log.warning("unused blobs are kept, since %s cannot be read: %s", path, error)
            return
    for path in models.blobs.glob("sha256-*"):
        if _BLOB.fullmatch(path.name) and path.name.replace("-", ":") not in named and _age(path) > grace:
            yield path


def _partials(models: ModelStore) -> Iterator[Path]:
    yield from (path for path in models.blobs.glob("*-partial*") if _DOWNLOAD.fullmatch(path.name))
    yield from (models.root / "downloads").glob("*")


def _drop(path: Path, *, older_than: float) -> list[int]:
    size = _size(path)
    with suppress(OSError):
        if _age(path) >= older_than:
            path.unlink()
            return [size]
    return []


def _drop_folder(path: Path, older_than: float) -> list[int]:
    if any(_age(inner) < older_than for inner in path.rglob("*")):
        return []
    size = _size(path)
    shutil.rmtree(path, ignore_errors=True)
    return [size]


def _size(path: Path) -> int:
    with suppress(OSError):
        return sum(_size(inner) for inner in path.iterdir()) if path.is_dir() else path.stat().st_size
    return 0


def _age(path: Path) -> float:
    with suppress(OSError):
        return time.time() - path.stat().st_mtime
    return 0.0


def _free(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
