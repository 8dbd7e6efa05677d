"""A real server: `python -m inglenook serve` in a child process, on a free port, with a data directory of its own."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

import httpx

ROOT = Path(__file__).parents[2]
#: The administrator that `RunningServer.set_up` makes.
ADMIN, PASSWORD = "ada", "correct horse battery"


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background of a shell, tests inherit that Ctrl-C is ignored, and would pass it on to every command.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def command_environment(**extra: str) -> dict[str, str]:
    """The environment for our own commands: no settings of the machine's user, no proxies."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("INGLENOOK_") and "proxy" not in k.lower()}
    return {**kept, "PYTHONPATH": str(ROOT), **extra}


def inglenook(*arguments: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """Run one command of the CLI to its end."""
    return subprocess.run(
        [sys.executable, "-m", "inglenook", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        env=command_environment(**env),
        check=False,
    )


class RunningServer:
    """Use as a context manager. `url` is the address, `token` the set-up token while there is no user.

    Args:
        data: Data directory; may hold data from an earlier run.
        arguments: Further arguments of `serve`.
        env: Further settings, as environment variables.
    """

    def __init__(self, data: Path, *arguments: str, **env: str) -> None:
        self.data = data
        self._command = [sys.executable, "-m", "inglenook", "serve", "--data", str(data), "--port", "0", *arguments]
        self._env = command_environment(**{"INGLENOOK_STARTER": "", **env})
        self.url = ""
        self.token: str | None = None
        self.process: subprocess.Popen[str]

    def __enter__(self) -> Self:
        self.data.parent.mkdir(parents=True, exist_ok=True)
        self._log = (self.data.parent / f"{self.data.name}.log").open("a+")
        self.process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=self._log, text=True, env=self._env
        )
        line = cast("IO[str]", self.process.stdout).readline()
        match = re.search(r"(https?://\S+?)(?:/setup#token=(\S+)|/)?$", line.strip())
        if match is None:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"the server did not start: {line!r}\n{self.log()}")
        self.url, self.token = match[1], match[2]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            cast("IO[str]", self.process.stdout).close()
            self._log.close()

    def kill(self) -> None:
        """End the server as a power cut would end it, without the power cut."""
        self.process.kill()
        self.process.wait()

    def log(self) -> str:
        """What the server wrote to standard error."""
        self._log.flush()
        return Path(self._log.name).read_text()

    def set_up(self) -> httpx.Client:
        """Create the administrator through the set-up page's route; a client with that session's cookie."""
        return self._signed_in("/api/v1/setup", {"token": self.token, "name": ADMIN, "password": PASSWORD})

    def log_in(self) -> httpx.Client:
        """A client with a session of the administrator."""
        return self._signed_in("/api/v1/session", {"name": ADMIN, "password": PASSWORD})

    def _signed_in(self, path: str, body: dict[str, Any]) -> httpx.Client:
        client = self.client()  # not used here: `with` takes only a client that was never used
        with self.client() as visitor:
            visitor.post(path, json=body).raise_for_status()
            client.cookies.update(visitor.cookies)
        return client

    def client(self, **headers: str) -> httpx.Client:
        """A client of the API, with the header that a page of ours sends."""
        return httpx.Client(base_url=self.url, headers={"X-Inglenook": "1", **headers}, timeout=60, trust_env=False)

    def key(self, client: httpx.Client, name: str = "test") -> str:
        """A new API key of the client's user."""
        response = client.post("/api/v1/keys", json={"name": name})
        response.raise_for_status()
        return str(response.json()["key"])

    def add_fake_provider(self, client: httpx.Client, **settings: Any) -> None:
        """Add the scripted provider with all its models (`echo`, `slow`, …), so that chats need no real model."""
        body = {"kind": "fake", "name": "scripted", "settings": settings}
        added = client.post("/api/v1/providers", json=body).raise_for_status()
        path = f"/api/v1/providers/{added.json()['id']}"
        offered = client.post(f"{path}/check").raise_for_status().json()["models"]
        models = [{k: v for k, v in model.items() if k != "chosen"} for model in offered]
        client.patch(path, json={"models": models}).raise_for_status()
