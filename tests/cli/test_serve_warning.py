"""Listening for other machines without TLS is allowed, and said."""

from pathlib import Path

import pytest

from tests.support.certificates import make_certificate
from tests.support.running import RunningServer

pytestmark = pytest.mark.slow


def test_listening_on_every_address_is_warned_about(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data", "--host", "0.0.0.0") as server:
        assert "warning: listening on 0.0.0.0 without TLS" in server.log()
        assert "--tls-cert" in server.log()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_listening_on_this_machine_alone_is_not(tmp_path: Path, host: str) -> None:
    with RunningServer(tmp_path / "data", "--host", host) as server:
        assert "warning" not in server.log()


def test_listening_with_a_certificate_is_not(tmp_path: Path) -> None:
    files = make_certificate(tmp_path)
    arguments = ("--host", "0.0.0.0", "--tls-cert", str(files.cert), "--tls-key", str(files.key))
    with RunningServer(tmp_path / "data", *arguments) as server:
        assert server.url.startswith("https://")
        assert "warning" not in server.log()
