"""The wheel of a package, fetched so that a stopped download goes on where it stopped.

pip or uv only resolves: it knows the index, the mirrors and what fits this Python, and tells the wheel's address and
SHA-256. The bytes are then fetched by `download`, which keeps what arrived, through `index`, which goes out as the
tool would.

Where the tool tells no address without downloading (uv, from an index without checksums), has the wheel in its cache,
or our own download is refused (the index wants a keyring, or shows a certificate that only the tool trusts), the tool
does it all, from the start.
"""

import hashlib
import re
import sys
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import orjson

from inglenook.models.errors import PullFailed, WrongChecksum
from inglenook.models.hub.download import Progress, download, forget, host_of
from inglenook.models.hub.files import to_the_end
from inglenook.models.hub.index import IndexClient, Options, options_of
from inglenook.models.hub.installer import (
    Installer,
    fetch_files,
    find_installer,
    pip_version,
    run_tool,
    scratch_of,
)

#: A tool that writes more than this is not asking the index any more but downloading.
_PAGES = 1_000_000
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FOUND = re.compile(r"Found link (\S+?\.whl)(?:#(\S*))? \(from (\S+?)\)")
_DOWNLOADING = re.compile(r"(Downloading|Using cached) (\S+\.whl)(?: \(|$)")


def file_of(url: str) -> str:
    """The file a URL or path ends in."""
    return unquote(PurePosixPath(urlsplit(url).path).name)


class Wheel(NamedTuple):
    """Where a wheel is: its address, and what the index promises of it (`""` and None: nothing).

    Attributes:
        page: The index's page that names it, where the promise may be looked up.
    """

    url: str
    sha256: str = ""
    size: int | None = None
    page: str = ""

    @property
    def file(self) -> str:
        """The file's name."""
        return file_of(self.url)


async def fetch_wheel(package: str, folder: Path, progress: Progress) -> Path:
    """Fetch a package's wheel; return it, or the folder it was unpacked to. It may lie outside `folder`.

    Args:
        package: A requirement that has been checked: a name, perhaps with `==version`.
        folder: Of this package alone; what an earlier try left there is used.
        progress: Called with (bytes here, bytes in all or 0).

    Raises:
        PullFailed: the index cannot be reached, or has no such package; what arrived stays.
        WrongChecksum: it is not what the index promises; it was removed.
        DiskFull, Unavailable.
    """
    tool = find_installer()
    with scratch_of(folder) as scratch:
        wheel = await locate(tool, package, scratch)
        options = await options_of(tool, scratch) if wheel else Options()
    if wheel:
        local = _local(wheel.url)
        fetched = await to_the_end(_checked, local, wheel) if local else await _fetch(wheel, options, folder, progress)
        if fetched:
            return fetched
    return await fetch_files(package, folder, progress)


async def locate(tool: Installer, package: str, scratch: Path) -> Wheel | None:
    """Ask the tool which wheel it would fetch; None if it does not tell without fetching it.

    Raises:
        PullFailed: it says that the index cannot be reached, or has no such package.
        DiskFull.
    """
    try:
        return await (_ask_pip if tool.name == "pip" else _ask_uv)(tool, package, scratch)
    except PullFailed as error:
        if error.details.get("cause") in ("unreachable", "missing"):
            raise
        return None  # perhaps too old for the question


async def _ask_pip(tool: Installer, package: str, scratch: Path) -> Wheel | None:
    """pip's report, or what it says on the way there: most versions fetch the wheel before they report."""
    if pip_version() < (22, 2):
        return None
    report = scratch / "report.json"
    links: dict[str, Wheel] = {}
    fetching: list[str] = []

    def heard(line: str) -> bool:
        if match := _FOUND.search(line):
            link = Wheel(match[1], _hex((match[2] or "").removeprefix("sha256=")), page=match[3])
            links[link.file] = links[link.url] = link  # what counts stands last
        elif match := _DOWNLOADING.match(line):
            if match[1] == "Downloading":
                fetching.append(match[2])  # the address, or for PyPI the file's name
            return True
        return False

    options = ["install", "--dry-run", "--ignore-installed", "--no-deps", "--only-binary=:all:", "--no-input"]
    await run_tool(
        tool,
        [*options, "--disable-pip-version-check", "-vv", f"--report={report}", "--", package],
        scratch,
        package,
        heard=heard,
    )
    if fetching:
        return links.get(fetching[0]) or links.get(file_of(fetching[0]))
    return _reported(await to_the_end(report.read_bytes)) if report.exists() else None


def _reported(report: bytes) -> Wheel | None:
    try:
        source: Any = orjson.loads(report)["install"][0]["download_info"]
        archive = source["archive_info"]
        promised = (archive.get("hashes") or {}).get("sha256") or archive.get("hash", "").removeprefix("sha256=")
        return Wheel(str(source["url"]), _hex(promised))
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


async def _ask_uv(tool: Installer, package: str, scratch: Path) -> Wheel | None:
    """uv's lock file; it needs no more than the index's page for it."""
    wanted = scratch / "wanted.in"
    wanted.write_text(f"{package}\n")
    locked = scratch / "pylock.toml"
    options = ["pip", "compile", "--no-deps", "--only-binary=:all:", "--no-progress", "--format=pylock.toml"]
    here = [f"--python={sys.executable}", f"--cache-dir={scratch / 'cache'}"]
    ended = await run_tool(
        tool, [*options, *here, f"--output-file={locked}", str(wanted)], scratch, package, limit=_PAGES
    )
    return _locked(await to_the_end(locked.read_text), scratch) if ended and locked.exists() else None


def _locked(text: str, folder: Path) -> Wheel | None:
    try:
        (wheel,) = tomllib.loads(text)["packages"][0]["wheels"]
        url = wheel.get("url") or (folder / wheel["path"]).resolve().as_uri()
        return Wheel(str(url), _hex(wheel.get("hashes", {}).get("sha256", "")), wheel.get("size"))
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


async def _fetch(wheel: Wheel, options: Options, folder: Path, progress: Progress) -> Path | None:
    """Download it, going on after what is there; None if the tool had better do it."""
    label = wheel.sha256 or hashlib.sha256(wheel.url.encode()).hexdigest()
    whole, partial = folder / f"{label}.whl", folder / f"{label}.whl-partial"
    if wheel.sha256 and whole.exists() and await to_the_end(_sha256, whole) == wheel.sha256:
        return whole
    try:
        client = await to_the_end(IndexClient, options)
    except (ImportError, OSError, ValueError):
        return None  # a proxy or a certificate that only the tool understands
    async with client:
        if not wheel.sha256 and wheel.page:
            promise = await client.promise(wheel.page, wheel.file)
            if promise is None:
                return None
            wheel = wheel._replace(sha256=_hex(promise.sha256), size=promise.size)
        while True:
            had = await to_the_end(_size, partial)
            try:
                fetched = await download(
                    client,
                    wheel.url,
                    partial,
                    size=wheel.size,
                    content_addressed=bool(wheel.sha256),
                    progress=progress,
                )
            except PullFailed as error:
                if "status" in error.details or not await to_the_end(_size, partial):
                    return None
                raise
            if wheel.sha256 in ("", fetched.sha256):
                await to_the_end(partial.replace, whole)
                await to_the_end(forget, partial)
                return whole
            await to_the_end(forget, partial)
            if not had:
                raise WrongChecksum(_unlike(wheel, fetched.sha256))
            # What was here before may have been at fault: once more, from the start.


def _checked(local: Path, wheel: Wheel) -> Path | None:
    """A wheel that lies on this machine is used where it is."""
    if not local.is_file():
        return None
    if wheel.sha256 and (found := _sha256(local)) != wheel.sha256:
        raise WrongChecksum(_unlike(wheel, found))
    return local


def _unlike(wheel: Wheel, found: str) -> str:
    return (
        f"{wheel.file} of {host_of(wheel.url)} has SHA-256 {found} instead of {wheel.sha256}, which the package index "
        "promises; it is not used. Pull again, or from another index"
    )


def _local(url: str) -> Path | None:
    parts = urlsplit(url)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


def _hex(text: Any) -> str:
    return text if isinstance(text, str) and _SHA256.fullmatch(text) else ""


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
