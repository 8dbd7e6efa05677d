"""Starting a child process with a model in it, watching it, and ending it."""

import asyncio
import logging
import os
import re
import secrets
import signal
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import psutil
from msgspec import Struct

from inglenook.kit.errors import InglenookError, Unavailable
from inglenook.kit.logging import event
from inglenook.models.engine.openmp import library_folder
from inglenook.models.errors import BadModelFile, ModelFailed

log = logging.getLogger(__name__)

#: Seconds the steps after the weights are in memory may take; a chat template that never ends hangs there.
TEMPLATE_DEADLINE = 20.0
_WEIGHTS_LOADED = b"initializing, n_slots"

#: What llama.cpp puts before its words (time, level, place), and the folders it was built in.
_CLUTTER = re.compile(r"^[\d.]+ [A-Z] (?:\w+ +)?\S+: |/\S*/(?=\w+\.\w+:\d+)")
_LOG_LINES = 200
_LOG_LINE = 600
_LAST_WORDS = 12
_SAMPLE_SECONDS = 0.25
_ROOT = Path(__file__).resolve().parents[3]
_PASSED_ON = re.compile(
    r"PATH|HOME|LANG|LC_.*|TZ|TMPDIR|USER|LD_LIBRARY_PATH|PYTHON.*|VIRTUAL_ENV|CUDA_.*|NVIDIA_.*|HIP_.*|ROCR_.*"
    r"|HSA_.*|GGML_.*|VK_.*"
)


class ChildSpec(Struct, kw_only=True):
    """What to start.

    Attributes:
        module: Python module that speaks the protocol of `engine.child`.
        config: Its configuration, without the key.
        name: Of the model, for messages.
        memory_limit: Bytes that are too many while it loads; 0 for no limit.
        grace: Seconds it gets to end by itself; 0: it holds nothing worth a farewell. One that gets some is a frame
            around a program of others, whose processes count as its own.
        reserved: Bytes that count as taken by it, if it takes less.
        timeout: Seconds it may take until it listens; 0: as the server's settings say.
    """

    module: str
    config: dict[str, Any]
    name: str
    memory_limit: int = 0
    grace: float = 0
    reserved: int = 0
    timeout: float = 0


class Child:
    """A running child that listens on `origin` and takes `api_key`. Made by `start`."""

    def __init__(self, spec: ChildSpec, process: asyncio.subprocess.Process, api_key: str) -> None:
        self.name = spec.name
        self.api_key = api_key
        self.port = 0
        self.pid = process.pid
        self._spec = spec
        self._process = process
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._weights_loaded = asyncio.Event()
        self._ended = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        self._tasks = [asyncio.create_task(self._read_log()), asyncio.create_task(self._wait())]

    @classmethod
    async def start(cls, spec: ChildSpec, timeout: float) -> "Child":
        """Start a child and wait until it listens. Cancelled or failed, nothing is left of it.

        Raises:
            BadModelFile: it could not be loaded, or its template does not come to an end.
            Unavailable: there was not enough memory, no process could be started, or it took longer than `timeout`
                seconds.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                spec.module,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=child_environment(),
                cwd="/",
            )
        except OSError as error:
            raise Unavailable(
                f"the process of model {spec.name} could not be started: {error.strerror or error}; this machine or "
                "its limits (memory, processes, open files) leave no room for it"
            ) from error
        child = cls(spec, process, secrets.token_urlsafe(24))
        timeout = spec.timeout or timeout
        try:
            async with asyncio.timeout(timeout):
                await child._configure()
        except TimeoutError:
            await child.stop()
            if spec.grace:
                raise child._no_start(f"was not ready within {timeout:g} s") from None
            raise Unavailable(
                f"model {spec.name} did not load within {timeout:g} s and was ended; try again, or raise load_timeout"
            ) from None
        except BaseException:
            await child.stop()
            raise
        return child

    @property
    def origin(self) -> str:
        """Where it listens: `http://127.0.0.1:<port>`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def alive(self) -> bool:
        """Whether it still runs, as far as we know."""
        return not self._ended.is_set()

    @property
    def log(self) -> list[str]:
        """The last lines it wrote."""
        return list(self._log)

    def on_end(self, listener: Callable[[], None]) -> None:
        """Call `listener` once it has ended."""
        self._listeners.append(listener)

    def memory(self) -> int:
        """Bytes it takes: its share (PSS) where the system tells, else resident. 0 once it is gone. Blocks for ms."""
        if not self._spec.grace:
            return _proportional(self.pid)
        with suppress(psutil.Error):
            family = psutil.Process(self.pid).children(recursive=True)
            taken = _proportional(self.pid) + sum(_proportional(process.pid) for process in family)
            return max(taken, self._spec.reserved)
        return 0

    async def failure(self, what: str) -> ModelFailed:
        """The error for a caller whose call was lost with this process: says how it ended, if it did."""
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._ended.wait()
        if self.alive:
            return ModelFailed(f"the process of model {self.name} failed to answer: {what}")
        return ModelFailed(
            f"the process of model {self.name} ended unexpectedly ({self._how_it_ended()}) and this call was lost; "
            "the next call loads the model again",
        )

    async def stop(self) -> None:
        """End it and wait until it has."""
        await asyncio.shield(self._finish())

    async def _finish(self) -> None:
        with suppress(ProcessLookupError, TimeoutError):
            if self._spec.grace:
                self._process.terminate()
                async with asyncio.timeout(self._spec.grace):
                    await self._ended.wait()
        with suppress(ProcessLookupError):
            self._process.kill()
        if self._spec.grace:
            await asyncio.wait(self._tasks, timeout=self._spec.grace)
            self._tasks[0].cancel()  # a program that went its own way may hold the log open
            await asyncio.gather(*self._tasks, return_exceptions=True)
        else:
            await asyncio.gather(*self._tasks)
        if self._process.stdin is not None:
            self._process.stdin.close()

    # ------------------------------------------------------------------------------------------ starting

    async def _configure(self) -> None:
        assert self._process.stdin is not None
        config = {**self._spec.config, "api_key": self.api_key, "parent": os.getpid()}
        with suppress(OSError):  # it may be gone already; the answer tells
            self._process.stdin.write(msgspec.json.encode(config) + b"\n")
            await self._process.stdin.drain()
        answer = asyncio.create_task(self._answer())
        watch = asyncio.create_task(self._watch_load())
        try:
            done, _ = await asyncio.wait({answer, watch}, return_when=asyncio.FIRST_COMPLETED)
            self.port = next(iter(done)).result()
        finally:
            answer.cancel()
            watch.cancel()
            await asyncio.gather(answer, watch, return_exceptions=True)

    async def _answer(self) -> int:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        answer = msgspec.json.decode(line) if line else {}
        if "port" in answer:
            return int(answer["port"])
        await self._ended.wait()
        raise self._load_error(answer.get("error", ""))

    async def _watch_load(self) -> int:
        """Ends, by raising, only if the load goes wrong in a way that would not end by itself."""
        deadline = 0.0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_SAMPLE_SECONDS):
                    await self._ended.wait()
                    await asyncio.Event().wait()  # the answer tells the rest
            if not deadline and self._weights_loaded.is_set():
                deadline = time.monotonic() + TEMPLATE_DEADLINE
            if deadline and time.monotonic() > deadline:
                raise BadModelFile(
                    f"model {self.name} cannot be used: its weights loaded, but preparing its chat template "
                    f"(tokenizer.chat_template) did not end within {TEMPLATE_DEADLINE:g} s"
                )
            if self._spec.memory_limit and _resident(self.pid) > self._spec.memory_limit:
                raise BadModelFile(
                    f"model {self.name} cannot be used: it took more than {self._spec.memory_limit >> 20} MiB while "
                    "loading, far more than a file of its size should"
                )

    def _no_start(self, how: str) -> Unavailable:
        """The error for a program of others that did not come to listen, with its last words."""
        last = [line.strip() for line in self._log if line.strip()][-_LAST_WORDS:]
        event(log, logging.WARNING, "model did not load", model=self.name, reason=how)
        said = "; it said:\n" + "\n".join(last) if last else ""
        return Unavailable(f"the program of model {self.name} {how}{said}", details={"log": self.log[-50:]})

    def _load_error(self, said: str) -> InglenookError:
        if self._spec.grace:
            return self._no_start(f"did not start: {said or self._how_it_ended()}")
        lines = [line for line in self._log if re.search(r"\berror\b|GGML_ASSERT|^[\d.]+ E ", line, re.I)]
        reason = _CLUTTER.sub("", lines[0].strip() if lines else said)
        if not reason or (self._process.returncode or 0) < 0:
            reason = f"{reason}, and its process ended with {self._how_it_ended()}".lstrip(", ").removeprefix("and ")
        event(log, logging.WARNING, "model did not load", model=self.name, reason=reason, ended=self._how_it_ended())
        if re.search(r"alloc|out of memory", reason, re.I):
            return Unavailable(f"model {self.name} did not load for want of memory: {reason}")
        return BadModelFile(f"model {self.name} did not load: {reason}")

    # ------------------------------------------------------------------------------------------ watching

    async def _read_log(self) -> None:
        assert self._process.stderr is not None
        rest = b""
        while chunk := await self._process.stderr.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[-_LOG_LINE:]
            for line in lines:
                # Some programs show all their settings.
                self._log.append(line[:_LOG_LINE].decode("utf-8", "replace").replace(self.api_key, "***"))
                if _WEIGHTS_LOADED in line:
                    self._weights_loaded.set()

    async def _wait(self) -> None:
        await self._process.wait()
        self._ended.set()
        for listener in self._listeners:
            listener()

    def _how_it_ended(self) -> str:
        code = self._process.returncode
        if code is None:
            return "still running"
        if code >= 0:
            return f"exit status {code}"
        with suppress(ValueError):
            return f"signal {-code}, {signal.Signals(-code).name}"
        return f"signal {-code}"


def child_environment() -> dict[str, str]:
    """What a child needs of ours, and how OpenMP is to wait: passively, or the machine collapses under load."""
    passed = {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}
    ours = "" if _ROOT.name in ("site-packages", "dist-packages") else str(_ROOT)
    path = os.pathsep.join(part for part in (ours, passed.get("PYTHONPATH")) if part)
    if (folder := library_folder()) is not None:
        passed["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, (folder, passed.get("LD_LIBRARY_PATH"))))
    return {**passed, "PYTHONPATH": path, "OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}


def _proportional(pid: int) -> int:
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return _resident(pid)


def _resident(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
