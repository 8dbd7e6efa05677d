"""Other gateways beside ours: how they are started for `bench/gateway.py`, each as its makers recommend for production.

They are measured where they are installed, in the folders that `peers.md` names.
"""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from gateway_rig import MODEL, request_bytes

#: Where the peers are installed: `litellm` (a virtual environment) and `portkey` (a folder of npm).
FOLDER = Path(os.environ.get("BENCH_PEERS", Path(__file__).parent.parent / ".make" / "peers"))
KEY = "sk-bench-0123456789"
#: Seconds a peer may take to start.
_PATIENCE = 90


class Serving(NamedTuple):
    """A peer that listens: its port, its processes (asked anew each time), and the requests to send."""

    port: int
    processes: Callable[[], Sequence[int]]
    requests: list[bytes]


class Peer:
    """A gateway that may be installed.

    Attributes:
        name: Of its folder, too.
        how: How it runs, in a few words.
    """

    name: str
    how: str

    @property
    def folder(self) -> Path:
        """Where it is installed."""
        return FOLDER / self.name

    @property
    def installed(self) -> bool:
        """Whether it is there."""
        return self.program.exists()

    @property
    def program(self) -> Path:
        """What is started."""
        raise NotImplementedError

    def version(self) -> str:
        """Its version."""
        raise NotImplementedError

    def serve(self, folder: Path, upstream: int) -> contextlib.AbstractContextManager[Serving]:
        """Run it, with the mock on port `upstream` behind it, until it answers."""
        raise NotImplementedError


class LiteLLM(Peer):
    """LiteLLM's proxy: a worker a core, a master key, errors logged only."""

    name = "litellm"
    how = f"{os.cpu_count()} workers, master key, LITELLM_MODE=PRODUCTION, LITELLM_LOG=ERROR, no database"

    @property
    def program(self) -> Path:
        """See `Peer`."""
        return self.folder / "bin" / "litellm"

    def version(self) -> str:
        """See `Peer`."""
        script = "import importlib.metadata as m; print(m.version('litellm'))"
        return _said([str(self.folder / "bin" / "python"), "-c", script])

    @contextlib.contextmanager
    def serve(self, folder: Path, upstream: int) -> Iterator[Serving]:
        """See `Peer`."""
        configuration = folder / "config.yaml"
        configuration.write_text(
            f"""model_list:
  - model_name: {MODEL}
    litellm_params: {{model: openai/{MODEL}, api_base: "http://127.0.0.1:{upstream}/v1", api_key: sk-upstream}}
litellm_settings: {{set_verbose: false, json_logs: true, request_timeout: 600, telemetry: false}}
general_settings: {{master_key: {KEY}}}
router_settings: {{num_retries: 0}}
"""
        )
        port = _free_port()
        command = [str(self.program), "--config", str(configuration), "--host", "127.0.0.1", "--port", str(port)]
        env = {
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOG": "ERROR",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }
        request = request_bytes(stream=False, key=KEY)
        with _running([*command, "--num_workers", str(os.cpu_count())], env, folder, port, request) as processes:
            yield Serving(port, processes, [request])


class Portkey(Peer):
    """Portkey's gateway: one Node process. It has no keys of its own outside its makers' cloud: the provider and the
    provider's key come with each request."""

    name = "portkey"
    how = "node, NODE_ENV=production, headless, provider and host by header; it checks no key"

    @property
    def program(self) -> Path:
        """See `Peer`."""
        return self.folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"

    def version(self) -> str:
        """See `Peer`."""
        package = self.program.parent.parent / "package.json"
        return _said(["node", "-p", f"require({str(package)!r}).version"])

    @contextlib.contextmanager
    def serve(self, folder: Path, upstream: int) -> Iterator[Serving]:
        """See `Peer`."""
        port = _free_port()
        host = f"http://127.0.0.1:{upstream}/v1"
        request = request_bytes(
            stream=False, key=KEY, more=(("x-portkey-provider", "openai"), ("x-portkey-custom-host", host))
        )
        command = ["node", str(self.program), f"--port={port}", "--headless"]
        with _running(command, {"NODE_ENV": "production"}, folder, port, request) as processes:
            yield Serving(port, processes, [request])


PEERS: tuple[Peer, ...] = (LiteLLM(), Portkey())


@contextlib.contextmanager
def _running(
    command: list[str], env: dict[str, str], folder: Path, port: int, request: bytes
) -> Iterator[Callable[[], Sequence[int]]]:
    """Run a peer in a session of its own until it answers `request` with 200; gives what tells its processes."""
    clean = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    log = folder / "peer.log"
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=folder, env=clean | env, start_new_session=True)
    try:
        deadline = time.monotonic() + _PATIENCE
        while (answer := _asked(port, request)) != b"200":
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{command[0]} does not answer ({answer!r}): {log.read_text()[-2000:]}")
            time.sleep(0.5)
        yield lambda: _family(process.pid)
    finally:
        family = _family(process.pid)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        process.wait(10)


def _asked(port: int, request: bytes) -> bytes:
    """The status of an answer to `request`; nothing without one."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as line:
        line.sendall(request)
        return line.recv(4096)[9:12]
    return b""


def _family(pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found.extend(int(child) for child in (task / "children").read_text().split())
    return found


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _said(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
