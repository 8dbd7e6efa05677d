"""One line an event, for people or machines, and no secrets of ours."""

import json
import logging
from collections.abc import Iterator

import httpx
import pytest

from inglenook.kit.logging import configure, event

log = logging.getLogger("inglenook.test")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_lines_are_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info")
    event(log, logging.INFO, "model loaded", model="qwen3", seconds=1.5)
    event(log, logging.DEBUG, "not asked for")
    assert capsys.readouterr().err.partition(" ")[2] == "info inglenook.test: model loaded model=qwen3 seconds=1.5\n"


@pytest.mark.parametrize("style", ["lines", "json"])
@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\x85", "\u2028", "\x0b", "\x1b[2K", "\ud83d", "\0"])
def test_what_others_wrote_cannot_begin_a_line(style: str, end: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", style)  # type: ignore[arg-type]
    forged = f"gpt{end}2026-01-01T00:00:00.000Z info inglenook: all is well"
    event(log, logging.INFO, f"said {forged}", model=forged, level="debug")
    try:
        raise ValueError(forged)
    except ValueError:
        log.exception("it failed")
    written = capsys.readouterr().err
    assert not {"\r", "\x85", "\u2028", "\x0b", "\x1b", "\ud83d", "\0"} & set(written)
    assert not [line for line in written.splitlines() if line.startswith("2026-01-01")]
    if style == "json":
        assert [json.loads(line)["level"] for line in written.split("\n") if line] == ["info", "error"]


def test_a_value_cannot_be_taken_for_another_fact(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info")
    event(log, logging.INFO, "call", asked='echo status=finished "x"', model="千问/qwen3:4b", run=None)
    assert capsys.readouterr().err.partition(": ")[2] == (
        'call asked="echo status=finished \\"x\\"" model=千问/qwen3:4b run=\n'
    )


def test_json_is_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    configure("warning", "json")
    try:
        raise ValueError("no")
    except ValueError:
        log.exception("it failed", extra={"facts": {"model": "qwen3"}})
    entry = json.loads(capsys.readouterr().err)
    assert (entry["level"], entry["message"], entry["model"]) == ("error", "it failed", "qwen3")
    assert "ValueError: no" in entry["exception"]


def test_addresses_that_are_asked_do_not_enter_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    configure("debug")
    transport = httpx.MockTransport(lambda request: httpx.Response(200))
    with httpx.Client(transport=transport) as client:
        client.get("http://models.example/x.gguf?token=secret")
    assert "secret" not in capsys.readouterr().err
