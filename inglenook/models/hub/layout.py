"""The model store on disk, in Ollama's layout, so that an existing Ollama folder can be used as it is.

    manifests/<host>/<namespace>/<model>/<tag>    a manifest: which blobs make the model
    blobs/sha256-<hex>                            a blob
    blobs/sha256-<hex>-partial                    a blob on its way; never used

A second folder of that layout may be lent to it, such as Ollama's own: its models are here too, and its blobs are used
where they are. Nothing is written or deleted there, unless deleting its models was allowed.

Only whole things are seen: a blob gets its name by a rename once it is complete and checked, and a model its manifest
once all its blobs are there. Nothing is deleted but what a deleted manifest named and no other names.

Every method blocks on the disk: call from a thread, or where milliseconds do not matter. Methods may be called from
several threads at once.
"""

import hashlib
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import orjson

from inglenook.kit.ids import new_id
from inglenook.models.engine.model_file import ModelFile, inspect
from inglenook.models.errors import BadModelFile, BrokenModel, LentModel, ModelNotFound, WrongChecksum
from inglenook.models.hub import manifest as media
from inglenook.models.hub.files import full_disk, put_in_place, sync, write_whole
from inglenook.models.hub.manifest import Layer, Manifest, blob_name, digest_of, encode_manifest, parse_manifest
from inglenook.models.hub.names import ModelName, is_valid
from inglenook.models.hub.stored import Details, StoredModel

log = logging.getLogger(__name__)

CHUNK = 1024 * 1024

Progress = Callable[[int, int], None]


class ModelStore:
    """The models in a folder. The folder and its parts are made when first written to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.manifests = root / "manifests"
        self.blobs = root / "blobs"
        self._lock = threading.RLock()
        self._pins: Counter[str] = Counter()
        self._listeners: list[Callable[[], None]] = []
        self._lent: ModelStore | None = None
        self._may_delete_lent = False

    @property
    def lent(self) -> Path | None:
        """The folder that is lent, if there is one."""
        return self._lent.root if self._lent is not None else None

    def lend(self, folder: Path | None, *, may_delete: bool = False) -> None:
        """Use the models of another folder too, instead of the one before; None: of none.

        Args:
            may_delete: Whether deleting a model of that folder deletes it there.
        """
        same = folder is None or (folder.exists() and self.root.exists() and folder.samefile(self.root))
        with self._lock:
            self._lent = None if folder is None or same else ModelStore(folder)
            self._may_delete_lent = may_delete
        self._changed()

    # -------------------------------------------------------------------------------------------- reading

    def list(self) -> list[StoredModel]:
        """Every whole model, by name. What cannot be used is logged and left out."""
        models = []
        for name, path in sorted(self._names().values()):
            try:
                models.append(self._read(name, path))
            except (BrokenModel, OSError) as error:
                log.warning("model %s is left out: %s", name.short, error)
        return models

    def names(self) -> tuple[ModelName, ...]:
        """The name of every manifest, whether its model is whole or not."""
        return tuple(name for name, _ in sorted(self._names().values()))

    def resolve(self, name: str) -> StoredModel:
        """The model of that name, in any case; host, namespace and tag are the default ones where left out.

        Raises:
            InvalidModelName: no model can have that name.
            ModelNotFound: there is none.
            BrokenModel: there is a manifest, but it cannot be read or a blob it names is not there in full.
        """
        found = self._find(name)
        try:
            return self._read(*found)
        except FileNotFoundError:
            raise ModelNotFound(f"model '{name}' not found") from None

    def find(self, name: str) -> ModelName:
        """The name of the model that `name` means, as it is written on disk, whether the model is whole or not.

        Raises:
            InvalidModelName, ModelNotFound.
        """
        return self._find(name)[0]

    def read_manifest(self, name: str) -> bytes:
        """The manifest of that name as it is on the disk.

        Raises:
            InvalidModelName, ModelNotFound.
        """
        return self._find(name)[1].read_bytes()

    def has(self, name: str) -> bool:
        """Whether there is a manifest of that name."""
        try:
            self._find(name)
        except ModelNotFound:
            return False
        return True

    def blob_path(self, digest: str) -> Path:
        """Where the blob `sha256:<hex>` lies, here or in the folder that is lent, or will lie."""
        own, lent = self.place(digest), self._lent
        if lent is not None and not own.exists() and (other := lent.place(digest)).exists():
            return other
        return own

    def place(self, digest: str) -> Path:
        """Where the blob `sha256:<hex>` is written to."""
        return self.blobs / blob_name(digest)

    def owns(self, digest: str) -> bool:
        """Whether the blob lies in this folder itself."""
        return self.place(digest).exists()

    def is_lent(self, name: str) -> bool:
        """Whether the model of that name is one of the folder that is lent.

        Raises:
            InvalidModelName, ModelNotFound.
        """
        return not self._find(name)[1].is_relative_to(self.manifests)

    def manifest_files(self) -> tuple[tuple[ModelName, Path, bool], ...]:
        """Every manifest: its name, its file, and whether that is in the folder that is lent."""
        return tuple(
            (name, path, not path.is_relative_to(self.manifests)) for name, path in sorted(self._names().values())
        )

    def needed(self, path: Path) -> set[str]:
        """The blobs that the manifest at `path` needs of this folder.

        Raises:
            ValueError, OSError: it cannot be read.
        """
        named = {layer.digest for layer in parse_manifest(path.read_bytes()).blobs}
        if self._lent is None or path.is_relative_to(self.manifests):
            return named
        return {digest for digest in named if not self._lent.owns(digest)}

    # -------------------------------------------------------------------------------------------- writing

    def import_gguf(
        self,
        path: Path,
        name: str,
        *,
        how: Literal["copy", "move"] = "copy",
        sha256: str | None = None,
        hashed: str | None = None,
        layers: dict[str, bytes] | None = None,
        config: dict[str, Any] | None = None,
        progress: Progress = lambda completed, total: None,
    ) -> StoredModel:
        """Make a model of a GGUF file, replacing one of that name.

        Args:
            how: `copy` leaves the file where it is, `move` takes it.
            sha256: What the file's hash must be, in hex.
            hashed: What it is, in hex, where the caller has just hashed it; a moved file is not read again then.
            layers: Further small layers by media type (`manifest.PARAMS`, `manifest.LICENSE`, …).
            config: Further facts for the config blob; those the file itself tells are there already.
            progress: Called with (bytes read, bytes in all), from this thread. It may raise to stop the import.

        Raises:
            BadModelFile: it is not a GGUF file, or one that no process should be started for.
            WrongChecksum: its hash is not `sha256`; nothing was kept.
            DiskFull: nothing was kept.
        """
        target = ModelName.parse(name)
        facts = {**facts_of(inspect(path)), **(config or {})}
        with full_disk(self.root):
            self.blobs.mkdir(parents=True, exist_ok=True)
            weights = self._take(path, how, sha256, hashed, progress)
            with self.pin([weights.digest]):
                written = [self.put_blob(data, kind) for kind, data in (layers or {}).items() if data]
                manifest = Manifest(config=self.put_blob(orjson.dumps(facts), media.CONFIG), layers=[weights, *written])
                self.put_manifest(target, encode_manifest(manifest))
        return self.resolve(target.full)

    def put_blob(self, data: bytes, media_type: str) -> Layer:
        """Keep a small blob and return its layer."""
        digest = digest_of(data)
        path = self.blob_path(digest)
        if not path.exists():
            self.blobs.mkdir(parents=True, exist_ok=True)
            with full_disk(self.root):
                write_whole(path, data)
        return Layer(media_type=media_type, digest=digest, size=len(data))

    def temporary(self) -> Path:
        """Where a blob may be made, to be handed to `adopt`; not there yet."""
        self.blobs.mkdir(parents=True, exist_ok=True)
        return self.blobs / f"import-{new_id('tmp')}-partial"

    def adopt(self, path: Path, media_type: str) -> Layer:
        """Take a file that was made for it among the blobs.

        Raises:
            DiskFull: nothing was kept.
        """
        with full_disk(self.root):
            layer = self._take(path, "move", None, None, lambda completed, total: None)
        return Layer(media_type=media_type, digest=layer.digest, size=layer.size)

    def put_manifest(self, name: ModelName, data: bytes) -> None:
        """Make `data` the manifest of `name` (in any case), and drop blobs that only the old one used.

        Raises:
            ValueError: `data` is not a manifest.
            BrokenModel: a blob it names is not there in full.
        """
        manifest = parse_manifest(data)
        with self._lock:
            for layer in manifest.blobs:
                self._demand(layer, name)
            old = self._own_names().get(name.key)
            path = old[1] if old else self.manifests / name.path
            before = _named_by(path) if old else set()
            path.parent.mkdir(parents=True, exist_ok=True)
            with full_disk(self.root):
                write_whole(path, data)
            self._prune(before)
        self._changed()

    def delete(self, name: str) -> None:
        """Remove a model, and those of its blobs that no other model uses.

        Raises:
            ModelNotFound: there is none of that name.
            LentModel: it is of a folder that is lent for reading only.
        """
        with self._lock:
            found, path = self._find(name)
            if self._lent is not None and not path.is_relative_to(self.manifests):
                if not self._may_delete_lent:
                    raise LentModel(
                        f"model {found.short} is in {self._lent.root}, which is used for reading only; delete it with "
                        f"`ollama rm {found.short}`, or allow it in the settings under Where models come from"
                    )
                self._lent.delete(found.full)
                return self._changed()
            blobs = _named_by(path)
            path.unlink()
            for folder in path.relative_to(self.manifests).parents:
                with suppress(OSError):  # it holds something else
                    if folder != Path():
                        (self.manifests / folder).rmdir()
            self._prune(blobs)
        return self._changed()

    def drop(self, path: Path, *, older_than: float) -> bool:
        """Remove a blob of this folder that no model uses, nobody has pinned, and that is `older_than` seconds old."""
        digest = path.name.replace("-", ":", 1)
        with self._lock:
            if path.parent != self.blobs or time.time() - path.stat().st_mtime < older_than:
                return False
            self._prune([digest])
            return not path.exists()

    def copy(self, source: str, destination: str) -> None:
        """Give a model a second name; the blobs are shared.

        Raises:
            ModelNotFound: there is no `source`.
        """
        target = ModelName.parse(destination)
        with self._lock:
            _, path = self._find(source)
            self.put_manifest(target, path.read_bytes())

    def drop_unused(self, digests: Iterable[str], *, forced: bool = False) -> None:
        """Remove those blobs (`sha256:<hex>`) that no model uses; pinned ones only if `forced`, by who pinned them."""
        with self._lock:
            self._prune(digests, forced=forced)

    @contextmanager
    def pin(self, digests: Iterable[str]) -> Iterator[None]:
        """Keep blobs (`sha256:<hex>`) from being pruned while a manifest that needs them is on its way."""
        held = [*digests]
        with self._lock:
            self._pins.update(held)
        try:
            yield
        finally:
            with self._lock:
                self._pins.subtract(held)
                self._pins = +self._pins

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener()` after every change made through this object, in the thread that made it."""
        self._listeners.append(listener)

    # ------------------------------------------------------------------------------------------- internals

    def _names(self) -> dict[str, tuple[ModelName, Path]]:
        """Every manifest by its name's key, our own before lent ones."""
        lent = self._lent
        return {**(lent._own_names() if lent is not None else {}), **self._own_names()}

    def _own_names(self) -> dict[str, tuple[ModelName, Path]]:
        """The manifests in this folder. What is not named like a model is not ours to look at."""
        found = {}
        for path in self.manifests.glob("*/*/*/*"):
            name = ModelName(*path.relative_to(self.manifests).parts)
            if is_valid(name) and path.is_file():
                found[name.key] = (name, path)
        return found

    def _find(self, text: str) -> tuple[ModelName, Path]:
        name = ModelName.parse(text)
        exact = self.manifests / name.path
        if exact.is_file():
            return name, exact
        names = self._names()
        if name.key in names:
            return names[name.key]
        tags = ", ".join(sorted(other.short for other, _ in names.values() if other.family == name.family))
        raise ModelNotFound(f"model '{text}' not found" + (f"; there is {tags}" if tags else ""))

    def _read(self, name: ModelName, path: Path) -> StoredModel:
        data = path.read_bytes()
        try:
            manifest = parse_manifest(data)
            for layer in manifest.blobs:
                self._demand(layer, name)
            weights = manifest.first(media.MODEL)
            if weights is None:
                raise BrokenModel(f"model {name.short} has no GGUF weights; models of other kinds cannot be run here")
            config = self._json(manifest.config, dict) if manifest.config.digest else {}
            return StoredModel(
                name=name.short,
                full_name=name,
                gguf=self.blob_path(weights.digest),
                digest=hashlib.sha256(data).hexdigest(),
                blob=weights.digest.partition(":")[2],
                size=sum(layer.size for layer in manifest.layers),
                modified_at=path.stat().st_mtime_ns // 1_000_000,
                details=Details.of(config),
                projectors=self._paths(manifest, media.PROJECTOR),
                adapters=self._paths(manifest, media.ADAPTER),
                params=self._json(manifest.first(media.PARAMS), dict),
                template=self._text(manifest, media.TEMPLATE),
                system=self._text(manifest, media.SYSTEM),
                license=self._text(manifest, media.LICENSE),
                messages=self._messages(manifest),
                config=config,
            )
        except ValueError as error:
            raise BrokenModel(f"the manifest of model {name.short} cannot be read: {error}") from None

    def _demand(self, layer: Layer, name: ModelName) -> None:
        try:
            size = self.blob_path(layer.digest).stat().st_size
        except FileNotFoundError:
            raise BrokenModel(f"model {name.short} misses blob {layer.digest}; pull it again") from None
        if size != layer.size:
            raise BrokenModel(
                f"blob {layer.digest} of model {name.short} has {size} bytes instead of {layer.size}; pull it again"
            )

    def _paths(self, manifest: Manifest, kind: str) -> tuple[Path, ...]:
        return tuple(self.blob_path(layer.digest) for layer in manifest.layers if layer.media_type == kind)

    def _text(self, manifest: Manifest, kind: str) -> str:
        return "\n\n".join(path.read_text(errors="replace") for path in self._paths(manifest, kind))

    def _messages(self, manifest: Manifest) -> tuple[dict[str, Any], ...]:
        messages = tuple(self._json(manifest.first(media.MESSAGES), list))
        for message in messages:
            if not isinstance(message, dict) or not all(isinstance(message.get(k), str) for k in ("role", "content")):
                raise ValueError("its messages are not all a role with a content")
        return messages

    def _json(self, layer: Layer | None, kind: type) -> Any:
        """The content of a JSON layer; an empty `kind` where there is none.

        Raises:
            ValueError: it is something else.
        """
        if layer is None:
            return kind()
        value = orjson.loads(self.blob_path(layer.digest).read_bytes())
        if not isinstance(value, kind):
            raise ValueError(f"layer {layer.digest} is not a JSON {kind.__name__}")
        return value

    def _prune(self, digests: Iterable[str], *, forced: bool = False) -> None:
        """Remove those of `digests` that no manifest names; if one cannot be read, all it might name stay."""
        doomed = {digest for digest in digests if self._pins[digest] <= forced}
        for _, path in self._names().values():
            try:
                doomed -= self.needed(path)
            except (ValueError, OSError) as error:
                log.warning("unused blobs are kept, since %s cannot be read: %s", path, error)
                return
        for digest in doomed:
            self.place(digest).unlink(missing_ok=True)

    def _take(self, source: Path, how: str, sha256: str | None, hashed: str | None, progress: Progress) -> Layer:
        """Hash a GGUF file and bring it among the blobs."""
        total = source.stat().st_size
        copy = self.blobs / f"import-{new_id('tmp')}-partial"
        try:
            if how == "move":
                with suppress(OSError):  # it lies on another file system: copy
                    os.link(source, copy, follow_symlinks=True)
            if not copy.exists():
                digest = _hash(source, copy, total, progress)
            else:
                digest = hashed or _hash(copy, None, total, progress)
            if sha256 is not None and digest != sha256.lower():
                raise WrongChecksum(
                    f"{source.name} has SHA-256 {digest} instead of {sha256.lower()}; it was not kept", field="sha256"
                )
            layer = Layer(media_type=media.MODEL, digest=f"sha256:{digest}", size=total)
            put_in_place(copy, self.place(layer.digest))
        finally:
            copy.unlink(missing_ok=True)
        if how == "move":
            source.unlink(missing_ok=True)
        return layer

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()


def _named_by(path: Path) -> set[str]:
    try:
        return {layer.digest for layer in parse_manifest(path.read_bytes()).blobs}
    except ValueError:
        return set()


def facts_of(file: ModelFile) -> dict[str, Any]:
    """A config blob as Ollama writes it, and `languages`."""
    return {
        "model_format": "gguf",
        "model_family": file.architecture,
        "model_families": [file.architecture],
        "model_type": file.parameter_size,
        "file_type": file.quantization,
        "capabilities": sorted(file.capabilities),
        "context_length": file.context_length,
        "embedding_length": file.embedding_length,
        "languages": list(file.languages),
        "architecture": "amd64",
        "os": "linux",
    }


def _hash(source: Path, copy: Path | None, total: int, progress: Progress) -> str:
    """SHA-256 of a file in hex, copying it on the way."""
    sha = hashlib.sha256()
    done = 0
    out = copy.open("xb") if copy else None
    try:
        with source.open("rb") as file:
            while chunk := file.read(CHUNK):
                sha.update(chunk)
                if out:
                    out.write(chunk)
                done += len(chunk)
                progress(done, total)
        if out:
            out.flush()
            sync(out.fileno())
    finally:
        if out:
            out.close()
    if done != total:
        raise BadModelFile(f"{source.name} changed while it was read")
    return sha.hexdigest()
