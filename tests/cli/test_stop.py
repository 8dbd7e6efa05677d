"""How a server ends: at once when nothing is under way, soon when something is, now when asked twice."""

import json
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.deaf import DeafServer
from tests.support.running import RunningServer

pytestmark = pytest.mark.slow

#: Long after every test has given up.
NEVER = 600_000


def script(*steps: dict[str, Any]) -> str:
    """A prompt that the scripted provider follows."""
    return json.dumps({"steps": list(steps)})


def ended_within(server: RunningServer, seconds: float) -> bool:
    """Whether the server ends in time; the limits are far from what it takes, and from each other."""
    begin = time.monotonic()
    assert server.process.wait(40) == 0
    return time.monotonic() - begin < seconds


class Asked:
    """An API call in a thread of its own: `begun` once the first words are here, `lines` when it is over."""

    def __init__(self, url: str, key: str, prompt: str) -> None:
        self.lines: list[str] = []
        self.broken: httpx.HTTPError | None = None
        self.begun = threading.Event()
        self._request = (
            f"{url}/v1/chat/completions",
            {"Authorization": f"Bearer {key}"},
            {"model": "echo", "stream": True, "messages": [{"role": "user", "content": prompt}]},
        )
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        assert self.begun.wait(20)

    def _ask(self) -> None:
        url, headers, body = self._request
        try:
            with httpx.stream("POST", url, headers=headers, json=body, timeout=60, trust_env=False) as response:
                for line in response.iter_lines():
                    self.lines.append(line)
                    if "Once" in line:
                        self.begun.set()
        except httpx.HTTPError as error:
            self.broken = error

    def over(self) -> "Asked":
        self._thread.join(60)
        return self


def test_an_answer_in_a_chat_is_kept_as_it_is_and_can_be_continued(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data") as server:
        with server.set_up() as client:
            server.add_fake_provider(client)
            conversation = client.post("/api/v1/conversations", json={"settings": {"model": "echo"}}).json()["id"]
            question = script({"text": "Once"}, {"delay_ms": NEVER})
            path = f"/api/v1/conversations/{conversation}"
            run = client.post(f"{path}/messages", json={"content": question}).raise_for_status().json()["run_id"]
            with client.stream("GET", f"/api/v1/runs/{run}/events") as events:
                lines = events.iter_lines()
                while "Once" not in next(lines):
                    pass
                server.process.send_signal(signal.SIGTERM)
                rest = "\n".join(lines)
        assert '"interrupted"' in rest
        assert ended_within(server, 8)
        assert "Traceback" not in server.log()
    with RunningServer(tmp_path / "data") as server, server.log_in() as client:
        answer = client.get(path).json()["messages"][-1]
        assert (answer["status"], answer["text"]) == ("interrupted", "Once")


def test_an_answer_to_a_program_may_end(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data") as server:
        with server.set_up() as client:
            server.add_fake_provider(client)
            key = server.key(client)
        prompt = script({"text": "Once"}, {"delay_ms": 3000}, {"text": "more"})
        asked = Asked(server.url, key, prompt)
        server.process.send_signal(signal.SIGINT)
        assert asked.over().broken is None
        assert asked.lines[-2] == "data: [DONE]"
        assert "more" in "".join(asked.lines)
        assert ended_within(server, 5)
        assert "Ctrl-C again" in server.log()


def test_asked_twice_it_ends_now(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data") as server:
        with server.set_up() as client:
            server.add_fake_provider(client)
            key = server.key(client)
        asked = Asked(server.url, key, script({"text": "Once"}, {"delay_ms": NEVER}))
        server.process.send_signal(signal.SIGINT)
        server.process.send_signal(signal.SIGTERM)  # another number, or the two might be delivered as one
        assert ended_within(server, 3)
        asked.over()
        assert "data: [DONE]" not in asked.lines
        assert "Traceback" not in server.log()


def test_a_request_of_the_page_that_is_cut_off_is_told_why(tmp_path: Path) -> None:
    with (
        DeafServer() as elsewhere,
        RunningServer(tmp_path / "data", INGLENOOK_ALLOW_PRIVATE="127.0.0.1") as server,
        server.set_up() as client,
    ):
        body = {"kind": "openai-compatible", "name": "deaf", "settings": {"base_url": elsewhere.url, "api_key": "k"}}
        provider = client.post("/api/v1/providers", json=body).raise_for_status().json()["id"]
        with ThreadPoolExecutor() as threads:
            checking = threads.submit(client.post, f"/api/v1/providers/{provider}/check")
            assert elsewhere.asked.wait(20)
            server.process.send_signal(signal.SIGINT)
            server.process.send_signal(signal.SIGTERM)
            answer = checking.result()
        assert (answer.status_code, answer.json()["error"]["message"]) == (503, "the server is shutting down")
        assert ended_within(server, 3)
        assert "Traceback" not in server.log()


def test_a_pull_and_who_watches_it_are_not_waited_for(tmp_path: Path) -> None:
    with (
        DeafServer() as elsewhere,
        RunningServer(tmp_path / "data", INGLENOOK_ALLOW_PRIVATE="127.0.0.1") as server,
        server.set_up() as client,
    ):
        begun = client.post("/api/v1/hub/pulls", json={"source": f"{elsewhere.url}/x.gguf"})
        pull = begun.raise_for_status().json()["id"]
        with client.stream("GET", f"/api/v1/hub/pulls/{pull}/events") as events:
            lines = events.iter_lines()
            while "running" not in next(lines):
                pass
            server.process.send_signal(signal.SIGTERM)
            assert "cancelled" in "\n".join(lines)
        assert ended_within(server, 5)


def test_nothing_under_way_means_at_once(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data") as server, server.set_up() as client:
        client.get("/api/v1/models").raise_for_status()  # its connection stays open
        server.process.send_signal(signal.SIGINT)
        assert ended_within(server, 3)
        assert server.log() == ""
