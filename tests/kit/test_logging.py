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
