"""Storing a model's weights in fewer bits, in a process of its own (`quantize_child`)."""

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from inglenook.kit.errors import BadInput
from inglenook.models.engine import machine
from inglenook.models.engine.model_file import inspect
from inglenook.models.engine.process import child_environment
from inglenook.models.engine.quantization import FULL, LEVELS
from inglenook.models.errors import BadModelFile, DiskFull, ModelFailed

Progress = Callable[[int, int], None]


class Stopped(Exception):
    """Whoever wanted it has gone."""


def level_of(name: str) -> str:
    """The level of that name, in any case.

    Raises:
        BadInput: there is none.
    """
    if name.upper() not in LEVELS:
        raise BadInput(f"unsupported quantization type {name}; there are {', '.join(sorted(LEVELS))}", field="quantize")
    return name.upper()


def quantize(
    source: Path,
    target: Path,
    level: str,
    *,
    progress: Progress = lambda done, total: None,
    stop: threading.Event | None = None,
) -> None:
    """Write the weights of `source` at `level` to `target`, which must not exist. Blocks for as long as it takes.

    Args:
        progress: Called with (bytes done, bytes in all) of the source.
        stop: Ends the work when it is set.

    Raises:
        BadInput: there is no such level, or the weights are in few bits already.
        BadModelFile: the file cannot be used.
        DiskFull, ModelFailed, Stopped: nothing of `target` is left.
    """
    level = level_of(level)
    found = inspect(source)
    if found.quantization not in FULL:
        raise BadInput(
            f"quantization is only supported for F16, BF16 and F32 models; this one is {found.quantization}",
            field="quantize",
        )
    if (free := shutil.disk_usage(target.parent).free) < found.size:
        raise DiskFull(
            f"{target.parent} has {free >> 20} MiB free, and quantising may need {found.size >> 20} MiB; free some"
        )
    config = {
        "source": str(source.absolute()),
        "target": str(target.absolute()),
        "level": level,
        "threads": machine.threads(),
        "parent": os.getpid(),
    }
    try:
        _run(config, progress, stop or threading.Event())
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _run(config: dict[str, object], progress: Progress, stop: threading.Event) -> None:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "inglenook.models.engine.quantize_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=child_environment(),
        cwd="/",
    )
    assert process.stdin is not None
    assert process.stdout is not None
    said: deque[str] = deque(maxlen=20)
    drain = threading.Thread(
        target=lambda: said.extend(line.decode("utf-8", "replace") for line in process.stderr or ())
    )
    drain.start()
    ended = threading.Event()
    watch = threading.Thread(target=_kill_when_stopped, args=(process, stop, ended))
    watch.start()
    last: dict[str, object] = {}
    try:
        try:
            process.stdin.write(json.dumps(config).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass  # it is gone already; the end tells
        for line in process.stdout:
            last = json.loads(line)
            if "done" in last:
                progress(int(str(last["done"])), int(str(last["total"])))
    finally:
        ended.set()
        process.kill()
        process.wait()
        watch.join()
        drain.join()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    if stop.is_set():
        raise Stopped
    if last.get("ok"):
        return
    if last.get("errno") in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        raise DiskFull(f"{Path(str(config['target'])).parent} has no room left; free some and try again")
    if "error" in last:
        raise BadModelFile(f"the model could not be quantised: {last['error']}")
    raise ModelFailed(f"quantising ended unexpectedly: {' '.join(said).strip()[-300:] or process.returncode}")


def _kill_when_stopped(process: "subprocess.Popen[bytes]", stop: threading.Event, ended: threading.Event) -> None:
    while not ended.wait(0.1):
        if stop.is_set():
            process.kill()
            return
