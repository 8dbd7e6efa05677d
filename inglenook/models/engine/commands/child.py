"""The process around another engine's program: `python -m inglenook.models.engine.commands.child`.

It starts the program in a session of its own, waits until it is ready, and ends it, with all it started, when it is
told to or when the server is gone. Its key never stands in an argument: it is in an environment variable, or in a file
in memory that only the program's descriptor leads to.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from typing import Any

from inglenook.models.engine.child import run

HOST = "127.0.0.1"
_PAUSE = 0.1
_PATIENCE = 5.0
_PR_SET_PDEATHSIG = 1

_programs: "list[subprocess.Popen[bytes]]" = []


def _listen(config: dict[str, Any]) -> int:
    port = _free_port()
    key = config["api_key"]
    path, passed = _key_file(config["key_text"].replace("{key}", key)) if config["key_text"] else ("", ())
    put_in = {"model": config["model"], "host": HOST, "port": str(port), "key_file": path}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if config["key_variable"]:
        environment[config["key_variable"]] = key
    words = [_filled(word, put_in) for word in config["words"]]
    try:
        program = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            stderr=sys.stderr,
            env={**environment, **config["environment"]},
            start_new_session=True,
            preexec_fn=_die_with_parent,
            pass_fds=passed,
        )
    except OSError as error:
        raise RuntimeError(f"{words[0]} cannot be started: {error.strerror or error}") from None
    _programs.append(program)
    try:
        _wait_until_ready(program, port, config["ready"], key)
    except BaseException:
        _end()
        raise
    finally:
        for descriptor in passed:
            os.close(descriptor)
        if path and not passed:
            os.unlink(path)
    threading.Thread(target=_watch, args=(program,), daemon=True).start()
    return port


def _filled(word: str, put_in: dict[str, str]) -> str:
    for name, value in put_in.items():
        word = word.replace(f"{{{name}}}", value)
    return word


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def _key_file(text: str) -> tuple[str, tuple[int, ...]]:
    """A file that only the program can open: its path, and the descriptor to pass on."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("settings.yaml", 0)
        os.write(descriptor, text.encode())
        return f"/proc/self/fd/{descriptor}", (descriptor,)
    descriptor, path = tempfile.mkstemp(suffix=".yaml")  # mode 0600; gone once it has been read
    os.write(descriptor, text.encode())
    os.close(descriptor)
    return path, ()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait_until_ready(program: "subprocess.Popen[bytes]", port: int, path: str, key: str) -> None:
    """Return once it answers; the server ends us when that takes too long."""
    request = urllib.request.Request(f"http://{HOST}:{port}{path}", headers={"authorization": f"Bearer {key}"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        if (code := program.poll()) is not None:
            raise RuntimeError(f"its program ended with {_shown(code)} before it was ready")
        try:
            with opener.open(request, timeout=_PATIENCE) as answer:
                if answer.status == 200:
                    return
        except (OSError, urllib.error.URLError):
            pass  # not yet
        time.sleep(_PAUSE)


def _shown(code: int) -> str:
    return f"status {code}" if code >= 0 else f"signal {-code}"


def _watch(program: "subprocess.Popen[bytes]") -> None:
    code = program.wait()
    print(f"the program ended with {_shown(code)}", file=sys.stderr, flush=True)
    _end()
    os._exit(1)


def _end() -> None:
    """End the program and what it started."""
    for program in _programs:
        _signal(program, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            program.wait(_PATIENCE)
        _signal(program, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            program.wait(_PATIENCE)


def _signal(program: "subprocess.Popen[bytes]", number: int) -> None:
    with suppress(ProcessLookupError):  # all are gone
        os.killpg(program.pid, number)  # its session has its number as long as one of them lives


if __name__ == "__main__":
    run(_listen, at_end=_end)
