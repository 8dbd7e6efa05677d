"""The list of commands, and what all of them have in common."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from inglenook.cli import COMMANDS, cli
from inglenook.store.lock import DataLock
from inglenook.store.socket import control_path
from tests.support.running import ROOT, command_environment, inglenook


def modules_after(*arguments: str) -> set[str]:
    """What a command has imported at its end."""
    program = (
        "import json, sys\n"
        "from inglenook.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print('\\n' + json.dumps(list(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=command_environment(),
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_imports_no_command(arguments: list[str]) -> None:
    modules = modules_after(*arguments)
    assert "inglenook.cli" in modules
    assert not modules & {"pydantic", "httpx", "rich", "sqlalchemy", "fastapi", "inglenook.kit.config"}


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_commands_help_does_not_import_the_server(command: str) -> None:
    assert not modules_after(command, "--help") & {"fastapi", "uvicorn", "inglenook.server"}


def test_every_command_is_where_the_list_says() -> None:
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        assert command.help, name


@pytest.mark.slow
def test_a_server_that_is_starting_or_stopping_is_waited_for(tmp_path: Path) -> None:
    with DataLock(tmp_path), control_path(tmp_path).listen() as control:
        control.setblocking(True)
        control.listen()
        command = subprocess.Popen(
            [sys.executable, "-m", "inglenook", "user", "list", "--json", "--data", str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=command_environment(),
        )
        control.accept()[0].close()  # it asks, and gets no answer
        control_path(tmp_path).remove()
    out, err = command.communicate(timeout=60)
    assert (command.returncode, out, err) == (0, "[]\n", "")


@pytest.mark.slow
def test_what_is_printed_for_a_program_may_be_cut_off(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m inglenook list --data {tmp_path} | true; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        env=command_environment(),
        check=False,
    )
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_password_without_a_terminal_comes_by_standard_input(tmp_path: Path) -> None:
    done = inglenook("user", "add", "ada", "--data", str(tmp_path / "data"), stdin="correct horse\n")
    assert done.returncode == 1
    assert "--password-stdin" in done.stderr
    assert "Warning" not in done.stderr
