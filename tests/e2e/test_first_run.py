"""From the address the terminal prints to the first answer."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from inglenook.models.hub.layout import ModelStore
from tests.support.chat_page import answers, api, ask, button, composer, prose
from tests.support.engine import starter_gguf
from tests.support.gguf import tiny_llama
from tests.support.running import RunningServer

NewContext = Callable[..., BrowserContext]


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[RunningServer]:
    """A server that nobody has set up."""
    with RunningServer(tmp_path / "data") as server:
        yield server


@pytest.fixture
def with_starter(tmp_path: Path) -> Iterator[RunningServer]:
    """A server that nobody has set up, with a small model that stands for the starter: it speaks English only."""
    file = tiny_llama(tmp_path / "tiny.gguf", **{"general.languages": ["en"]})
    ModelStore(tmp_path / "data" / "models").import_gguf(file, "tiny")
    with RunningServer(tmp_path / "data") as server:
        yield server


def set_up(page: Page, *, name: str = "User name", password: str = "Password") -> None:
    page.get_by_label(name).fill("grace")
    page.get_by_label(password).fill("amazing grace and more")


def test_the_printed_address_leads_to_the_chat(fresh: RunningServer, new_context: NewContext) -> None:
    page = new_context().new_page()
    page.goto(f"{fresh.url}/setup#token={fresh.token}")
    expect(page.get_by_role("heading", name="Welcome to Inglenook")).to_be_visible()
    expect(page.get_by_label("Set-up token")).to_be_hidden()  # the address has it
    set_up(page)
    button(page, "Create account").click()
    expect(page.get_by_role("heading", name=re.compile("Good to see you, grace"))).to_be_visible()
    expect(composer(page)).to_be_focused()
    expect(page.get_by_text("There is no model to talk to yet.")).to_be_visible()
    assert "token" not in page.url

    page.goto(f"{fresh.url}/setup")  # there is no second administrator to be had
    expect(composer(page)).to_be_visible()


def test_every_page_leads_to_the_set_up_first(fresh: RunningServer, new_context: NewContext) -> None:
    page = new_context().new_page()
    page.goto(f"{fresh.url}/models")
    expect(page.get_by_label("Set-up token")).to_be_visible()


def test_a_wrong_token_is_told(fresh: RunningServer, new_context: NewContext) -> None:
    page = new_context().new_page()
    page.goto(f"{fresh.url}/setup#token=wrong")
    set_up(page)
    button(page, "Create account").click()
    token = page.get_by_label("Set-up token")
    expect(token).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert")).to_contain_text("token")
    token.fill(str(fresh.token))
    button(page, "Create account").click()
    expect(composer(page)).to_be_visible()


def test_a_short_password_is_told(fresh: RunningServer, new_context: NewContext) -> None:
    page = new_context().new_page()
    page.goto(f"{fresh.url}/setup#token={fresh.token}")
    page.get_by_label("User name").fill("grace")
    field = page.get_by_label("Password")
    expect(page.get_by_text("At least 8 characters.")).to_be_visible()
    field.press_sequentially("short")
    button(page, "Create account").click()
    assert field.evaluate("field => field.validity.tooShort && field === document.activeElement")
    field.fill(" " * 300)  # what only the server knows to be wrong
    button(page, "Create account").click()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert")).to_contain_text("A password has at most")


def test_a_chinese_browser_is_spoken_to_in_chinese(with_starter: RunningServer, new_context: NewContext) -> None:
    page = new_context(locale="zh-CN").new_page()
    page.goto(f"{with_starter.url}/setup#token={with_starter.token}")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    fields = page.get_by_role("textbox")
    fields.nth(0).fill("小明")
    page.locator("input[type=password]").fill("这是一个足够长的密码。")
    page.locator("button[type=submit]").click()
    hint = page.locator("[data-first-steps]")
    expect(hint).to_contain_text("英")
    offered = hint.locator("[data-suggestion]").first
    expect(offered).to_contain_text(re.compile("中文|中英文"))
    expect(offered.get_by_role("button").first).to_be_enabled()
    expect(hint.locator('a[href$="/models/providers"]')).to_be_visible()


def test_the_starter_says_what_it_cannot_do(with_starter: RunningServer, new_context: NewContext) -> None:
    page = new_context().new_page()
    page.goto(f"{with_starter.url}/setup#token={with_starter.token}")
    set_up(page)
    button(page, "Create account").click()
    hint = page.locator("[data-first-steps]")
    expect(hint).to_contain_text("It speaks English only")
    expect(hint.locator("[data-suggestion]").first).to_contain_text("recommended")
    expect(button(hint, "Get")).to_be_enabled()
    hint.get_by_role("link", name="add an API key").click()
    expect(page).to_have_url(re.compile("/models/providers$"))
    expect(button(page, "Add a provider")).to_be_visible()


def test_signing_in_and_out(fresh: RunningServer, new_context: NewContext) -> None:
    with fresh.set_up():
        page = new_context().new_page()
    page.goto(f"{fresh.url}/models")
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill("not this one")
    button(page, "Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Password").fill("correct horse battery")
    button(page, "Sign in").click()
    expect(page.get_by_role("heading", name="Models", exact=True)).to_be_visible()  # where one wanted to go
    page.get_by_role("button", name="Your account: ada").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(button(page, "Sign in")).to_be_visible()
    page.goto(fresh.url)
    expect(button(page, "Sign in")).to_be_visible()


def test_the_starter_answers(tmp_path: Path, new_context: NewContext) -> None:
    """The real one, from the first page to the last word."""
    ModelStore(tmp_path / "data" / "models").import_gguf(starter_gguf(), "smollm2:135m")
    with RunningServer(tmp_path / "data") as server:
        page = new_context().new_page()
        page.goto(f"{server.url}/setup#token={server.token}")
        set_up(page)
        button(page, "Create account").click()
        expect(button(page, "Model: smollm2:135m")).to_be_visible()
        # So small a model may repeat itself to the end of its context.
        api(page, "PUT", "models/defaults", {"name": "smollm2:135m", "defaults": {"max_tokens": 200}})
        ask(page, "What is the capital of France?")
        expect(answers(page, "complete")).to_be_visible(timeout=120_000)
        expect(prose(page)).to_contain_text(re.compile(r"\w+ \w+"))  # what it says is its own affair: it samples
        expect(page.locator("[data-usage]")).to_contain_text("tokens/s")
