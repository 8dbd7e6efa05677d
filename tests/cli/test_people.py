"""Users and keys from the command line: before the first start, and while the server runs."""

import json
import re
from pathlib import Path

import pytest

from tests.support.running import RunningServer, inglenook

pytestmark = pytest.mark.slow


def test_a_server_can_be_set_up_without_a_browser(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    added = inglenook("user", "add", "ada", "--admin", "--password-stdin", "--data", data, stdin="correct horse\n")
    assert added.returncode == 0, added.stderr
    made = inglenook("key", "add", "ada", "--data", data)
    assert re.fullmatch(r"ink-[A-Za-z0-9_-]{43}\n", made.stdout), made
    assert made.stderr == ""
    with RunningServer(tmp_path / "data") as server:
        assert server.token is None
        with server.client(Authorization=f"Bearer {made.stdout.strip()}") as client:
            assert client.get("/v1/models").status_code == 200
            assert client.get("/api/v1/users").json()[0]["name"] == "ada"


def test_the_same_commands_work_while_the_server_runs_and_act_at_once(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data") as server:
        data = str(server.data)
        added = inglenook("user", "add", "bob", "--password-stdin", "--data", data, "--json", stdin="staple battery\n")
        assert json.loads(added.stdout)["role"] == "member", added.stderr
        key = inglenook("key", "add", "BOB", "--data", data).stdout.strip()
        with server.client(Authorization=f"Bearer {key}") as client:
            assert client.get("/v1/models").status_code == 200
        with server.client() as client:
            assert client.post("/api/v1/session", json={"name": "bob", "password": "staple battery"}).is_success
        reset = inglenook("user", "password", "bob", "--password-stdin", "--data", data, stdin="another battery\n")
        assert reset.returncode == 0, reset.stderr
        with server.client() as client:
            assert client.post("/api/v1/session", json={"name": "bob", "password": "staple battery"}).status_code == 401
            assert client.post("/api/v1/session", json={"name": "bob", "password": "another battery"}).is_success


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (["user", "add", "eve", "--password-stdin"], "short\n", "8"),
        (["key", "add", "nobody"], "", "nobody"),
        (["user", "password", "nobody", "--password-stdin"], "long enough\n", "nobody"),
    ],
)
def test_errors_say_what_to_do_and_exit_with_1(tmp_path: Path, arguments: list[str], stdin: str, said: str) -> None:
    done = inglenook(*arguments, "--data", str(tmp_path / "data"), stdin=stdin)
    assert done.returncode == 1
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_errors_are_json_for_scripts(tmp_path: Path) -> None:
    done = inglenook("key", "add", "nobody", "--json", "--data", str(tmp_path / "data"))
    assert done.returncode == 1
    assert "nobody" in json.loads(done.stderr)["error"]["message"]
