"""A real nginx as the user who runs the tests, with `deploy/nginx.conf` in front of a server."""

import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from tests.support.certificates import Certificate
from tests.support.running import ROOT

_CONFIG = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr notice;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{tls_port} ssl;
        ssl_certificate {certificate.cert};
        ssl_certificate_key {certificate.key};
        include {folder}/inglenook.conf;
    }}
}}
"""


def find_nginx() -> str | None:
    """nginx's path, if this machine has it."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


class Nginx:
    """Use as a context manager. `port` speaks HTTP, `tls_port` HTTPS.

    Args:
        folder: Its prefix; must be empty.
        upstream_port: Where the server listens on loopback.
        strip: Whether the path is stripped before the request is passed on.
    """

    def __init__(self, folder: Path, upstream_port: int, certificate: Certificate, *, strip: bool = False) -> None:
        folder.mkdir(parents=True)
        self.port, self.tls_port = _free_ports()
        ours = (ROOT / "deploy" / "nginx.conf").read_text()
        assert ours.count("http://127.0.0.1:8642;") == 1
        address = f"http://127.0.0.1:{upstream_port}{'/' if strip else ''};"
        (folder / "inglenook.conf").write_text(ours.replace("http://127.0.0.1:8642;", address))
        (folder / "nginx.conf").write_text(
            _CONFIG.format(folder=folder, port=self.port, tls_port=self.tls_port, certificate=certificate)
        )
        self._folder = folder

    def __enter__(self) -> Self:
        program = find_nginx()
        assert program is not None
        self._process = subprocess.Popen(
            [program, "-p", str(self._folder), "-c", str(self._folder / "nginx.conf"), "-e", "stderr"],
            stderr=subprocess.PIPE,
            text=True,
        )
        said = ""
        # It says its version once it listens.
        for line in cast("IO[str]", self._process.stderr):
            said += line
            if "] nginx/" in line or ": nginx/" in line:
                return self
        raise RuntimeError(f"nginx did not start:\n{said}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate(timeout=20)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]
