"""`inglenook run`: one question, or a chat in the terminal."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import pytest

from tests.support.running import RunningServer, command_environment, inglenook
from tests.support.terminal import CTRL_C, CTRL_D, LEFT, UP, Terminal

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The data directory of a running server with the scripted models."""
    with RunningServer(tmp_path_factory.mktemp("run") / "data") as server:
        with server.set_up() as client:
            server.add_fake_provider(client)
        yield str(server.data)


def script(*steps: dict[str, Any]) -> str:
    """A prompt that the scripted models follow."""
    return json.dumps({"steps": list(steps)})


def test_one_question_gets_one_answer(data: str) -> None:
    done = inglenook("run", "echo", "Good evening", "--data", data)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Good evening\n", "")
    done = inglenook("run", "echo", "Review this", "--data", data, stdin="a long text\n")
    assert done.stdout == "a long text\n\nReview this\n"
    answer = json.loads(inglenook("run", "echo", "Good evening", "--json", "--data", data).stdout)
    assert answer["choices"][0]["message"]["content"] == "Good evening"


def test_thoughts_and_notes_are_kept_apart_from_the_answer(data: str) -> None:
    steps = {"notice": {"message": "the beginning was cut"}}, {"reasoning": "Hm."}, {"text": "Yes"}
    done = inglenook("run", "echo", script(*steps), "--data", data)
    assert done.stdout == "Yes\n"
    assert "Hm." in done.stderr
    assert "the beginning was cut" in done.stderr


@pytest.mark.parametrize("arguments", [["run", "echo"], ["run", "echo", "--json"]])
def test_without_a_prompt_and_a_terminal_it_says_how(data: str, arguments: list[str]) -> None:
    done = inglenook(*arguments, "--data", data)
    assert done.returncode == 1
    assert "no prompt" in done.stderr
    assert done.stdout == ""


def test_an_unknown_model_is_said_before_the_chat_begins(data: str) -> None:
    with Terminal("run", "nobody", "--data", data) as terminal:
        assert terminal.end() == 1
        assert "nobody" in terminal.shown
        assert ">>>" not in terminal.shown


def test_a_chat_remembers_and_its_lines_can_be_edited(data: str) -> None:
    with Terminal("run", "echo", "--data", data) as terminal:
        terminal.until(">>> ")
        terminal.type(f"Helo{LEFT}l\n")
        terminal.until("\nHello\r\n>>> ")
        terminal.type(f"{UP}\n")
        terminal.until("\nHello\r\n>>> ")
        terminal.type(CTRL_D)
        assert terminal.end() == 0


def test_ctrl_c_ends_a_chat_that_waits_for_a_question(data: str) -> None:
    with Terminal("run", "echo", "--data", data) as terminal:
        terminal.until(">>> ")
        assert terminal.end(CTRL_C) == 0
        assert "Traceback" not in terminal.shown


def test_ctrl_c_stops_an_answer_and_the_chat_goes_on(data: str) -> None:
    with Terminal("run", "echo", "--data", data) as terminal:
        terminal.until(">>> ")
        terminal.type(script({"text": "Once"}, {"delay_ms": 600_000}) + "\n")
        terminal.until("\nOnce")
        terminal.type(CTRL_C)
        terminal.until(">>> ")
        terminal.type("And now?\n")
        terminal.until("\nAnd now?\r\n>>> ")
        terminal.type("\n")
        assert terminal.end() == 0
        assert "Traceback" not in terminal.shown


def test_an_error_does_not_end_a_chat(data: str) -> None:
    with Terminal("run", "echo", "--data", data) as terminal:
        terminal.until(">>> ")
        terminal.type(script({"error": {"status": 429, "message": "not so fast"}}) + "\n")
        terminal.until("error: not so fast")
        terminal.until(">>> ")
        terminal.type("Again\n")
        terminal.until("\nAgain\r\n>>> ")
        terminal.type(CTRL_D)
        assert terminal.end() == 0


def test_without_a_server_it_is_its_own(tmp_path: Path) -> None:
    with Terminal("run", "nobody", "--data", str(tmp_path / "data")) as terminal:
        assert terminal.end() == 1
        assert "nobody" in terminal.shown
        assert "Traceback" not in terminal.shown


def test_a_server_that_goes_away_is_said(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data") as server:
        with server.set_up() as client:
            server.add_fake_provider(client)
        prompt = script({"text": "Once"}, {"delay_ms": 600_000})
        asking = subprocess.Popen(
            [sys.executable, "-m", "inglenook", "run", "echo", prompt, "--data", str(server.data)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=command_environment(),
            text=True,
        )
        assert cast("IO[str]", asking.stdout).read(4) == "Once"
        server.kill()
        _, said = asking.communicate(timeout=30)
    assert asking.returncode == 1
    assert said == "error: the server stopped before this was done; start it and try again\n"
