"""What runs now, in a browser: seen as it changes, and stopped."""

import threading
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import BrowserContext, expect

from tests.e2e.conftest import OpenPage, sign_in
from tests.support.running import RunningServer
from tests.support.teller import MODEL, Teller


class Asking:
    """A streamed call to the teller's model over the API, in a thread; `text` is all that came back."""

    def __init__(self, server: RunningServer, key: str) -> None:
        self.text = ""
        self._server = server
        self._key = key
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        body = {"model": MODEL, "messages": [{"role": "user", "content": "a secret word"}], "stream": True}
        head = {"authorization": f"Bearer {self._key}"}
        url = f"{self._server.url}/v1/chat/completions"
        with httpx.stream("POST", url, json=body, headers=head, trust_env=False, timeout=60) as answer:
            try:
                for piece in answer.iter_text():
                    self.text += piece
            except httpx.RemoteProtocolError:
                pass

    def join(self) -> None:
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.mark.parametrize(("width", "dark", "locale"), [(1280, False, "en-US"), (375, True, "zh-CN")])
def test_a_call_shows_while_it_runs_and_can_be_stopped(
    open_page: OpenPage, server: RunningServer, teller: Teller, width: int, dark: bool, locale: str
) -> None:
    words = {
        "en-US": ("Nothing runs at the moment", "waits for its first token", "Running now", "Stop", "first token"),
        "zh-CN": ("目前没有正在进行的调用", "等待首字", "正在运行", "停止", "首字"),
    }[locale]
    page = open_page("/admin/running", width=width, dark=dark, locale=locale)
    expect(page.get_by_text(words[0])).to_be_visible()
    with server.log_in() as client:
        asking = Asking(server, server.key(client, "watched"))
    telling = teller.next()
    calls = page.get_by_role("list", name=words[2])
    row = calls.get_by_role("listitem")
    expect(row).to_contain_text(MODEL)
    expect(row).to_contain_text("ada")
    expect(row).to_contain_text(words[1])
    telling.say(*(f"word {number} " for number in range(40)))
    expect(row).to_contain_text(words[4])
    expect(row).not_to_contain_text(words[1])
    assert "a secret word" not in (page.text_content("body") or "")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    row.get_by_role("button").click()
    page.get_by_role("alertdialog").get_by_role("button", name=words[3], exact=True).click()
    expect(page.get_by_text(words[0])).to_be_visible()
    assert telling.left.wait(10)
    asking.join()
    assert "an administrator stopped the call" in asking.text or "the call was stopped" in asking.text
    assert "[DONE]" not in asking.text


def test_others_see_their_own_alone(
    new_context: Callable[..., BrowserContext], server: RunningServer, teller: Teller
) -> None:
    with server.log_in() as client:
        client.post("/api/v1/users", json={"name": "eve", "password": "correct horse battery"}).raise_for_status()
        asking = Asking(server, server.key(client, "admin's"))
    telling = teller.next()
    context = new_context()
    sign_in(context, server.url, "eve", "correct horse battery")
    page = context.new_page()
    page.goto(f"{server.url}/settings/running")
    expect(page.get_by_text("Nothing runs at the moment")).to_be_visible()
    telling.say("on and on")
    telling.end()
    asking.join()
    assert "[DONE]" in asking.text
