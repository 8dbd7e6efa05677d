"""Everything below `/ai`, as behind a reverse proxy that passes the path on."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, expect

from tests.e2e.conftest import add_teller
from tests.support.chat_page import answers, ask, button, composer, open_chat, prose
from tests.support.running import RunningServer
from tests.support.teller import MODEL, Teller


def test_everything_works_under_a_base_path(
    tmp_path: Path, new_context: Callable[..., BrowserContext], teller: Teller
) -> None:
    env = {"INGLENOOK_ALLOW_PRIVATE": '["127.0.0.1"]'}
    with RunningServer(tmp_path / "data", "--base-path", "/ai", **env) as server:
        assert server.url.endswith("/ai")
        page = new_context().new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(urlsplit(request.url).path))
        page.goto(f"{server.url}/setup#token={server.token}")
        page.get_by_label("User name").fill("ada")
        page.get_by_label("Password").fill("correct horse battery")
        button(page, "Create account").click()
        expect(composer(page)).to_be_visible()
        with server.log_in() as client:
            add_teller(client, teller)
        page.reload()
        open_chat(page, MODEL)
        ask(page, "Tell me, with $x^2$")
        story = teller.next()
        story.say("It ", "works: $x^2$")
        story.end()
        expect(answers(page, "complete")).to_be_visible()
        expect(prose(page).locator(".katex")).to_be_visible()
        page.reload()
        expect(answers(page, "complete")).to_be_visible()
        page.get_by_role("link", name="Models").click()
        expect(page).to_have_url(f"{server.url}/models")
        expect(page.get_by_role("heading", name="Models", exact=True)).to_be_visible()
        expect(page.get_by_role("main").get_by_text(MODEL, exact=True)).to_be_visible()
        page.get_by_role("link", name="Settings").click()
        page.get_by_role("link", name="API keys").click()
        button(page, "Create a key").click()
        window = page.get_by_role("dialog")
        window.get_by_label("Name").fill("a program")
        button(window, "Create").click()
        expect(window.locator("pre").nth(1)).to_have_text(f"{server.url}/v1")
        key = window.locator("pre").first.inner_text().strip()
        got = page.context.request.get(f"{server.url}/v1/models", headers={"authorization": f"Bearer {key}"})
        assert got.ok
        button(window, "I have copied it").click()
        page.get_by_role("button", name=re.compile("Your account")).click()
        page.get_by_role("menuitem", name="Sign out").click()
        expect(page).to_have_url(f"{server.url}/login")
        assert [path for path in asked if not path.startswith("/ai/")] == []
