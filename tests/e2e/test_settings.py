"""The settings: keys, providers, people, and one's own."""

import json
import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.support.chat_page import answers, api, ask, button, composer, open_chat, prose, root
from tests.support.running import RunningServer
from tests.support.teller import MODEL, Teller


@pytest.fixture
def settings(open_page: OpenPage, server: RunningServer) -> Callable[..., Page]:
    """Opens a page as a person of its own, so that nobody else's settings change."""

    def settings(path: str, name: str, **more: object) -> Page:
        with server.log_in() as client:
            made = client.post("/api/v1/users", json={"name": name, "password": "first pass phrase", "role": "admin"})
            made.raise_for_status()
        page = open_page("/login", signed_in=False, **more)
        sign_in_by_form(page, name, "first pass phrase")
        expect(composer(page)).to_be_visible()
        page.goto(f"{server.url}/{path}")
        return page

    return settings


def sign_in_by_form(page: Page, name: str, password: str) -> None:
    page.locator("[name=username]").fill(name)
    page.locator("[type=password]").fill(password)
    page.locator("[type=submit]").click()


def models_for(server: RunningServer, key: str) -> int:
    return httpx.get(f"{server.url}/v1/models", headers={"authorization": f"Bearer {key}"}, trust_env=False).status_code


def test_a_key_is_shown_once_and_revoked_at_once(settings: Callable[..., Page], server: RunningServer) -> None:
    page = settings("settings/keys", "keeper")
    expect(page.get_by_text("You have no keys.")).to_be_visible()
    button(page, "Create a key").click()
    window = page.get_by_role("dialog")
    window.get_by_label("Name").fill("my editor")
    button(window, "Create").click()
    expect(window.get_by_text("Copy the key now: it is not shown again.")).to_be_visible()
    key = window.locator("pre").first.inner_text().strip()
    assert key.startswith("ink-")
    expect(window.locator("pre").nth(1)).to_have_text(f"{server.url}/v1")
    assert models_for(server, key) == 200
    button(window, "I have copied it").click()
    expect(window).to_be_hidden()

    row = page.get_by_role("listitem").filter(has_text="my editor")
    expect(row).to_be_visible()
    assert key not in page.content()
    page.reload()
    expect(row).to_be_visible()
    assert key not in page.content()

    button(row, "More for my editor").click()
    page.get_by_role("menuitem", name="Revoke").click()
    confirm = page.get_by_role("alertdialog").or_(page.get_by_role("dialog"))
    expect(confirm).to_contain_text("refused at once")
    button(confirm, "Revoke").click()
    expect(page.get_by_text("You have no keys.")).to_be_visible()
    assert models_for(server, key) == 401


def test_a_provider_is_added_by_the_form_and_used(settings: Callable[..., Page], teller: Teller) -> None:
    page = settings("models/providers", "buyer")
    button(page, "Add a provider").click()
    window = page.get_by_role("dialog")
    window.get_by_label("Search").fill("compat")
    button(window, "OpenAI-compatible API").click()
    expect(window.get_by_label("Name", exact=True)).to_have_value("OpenAI-compatible API")
    window.get_by_label("Name", exact=True).fill("Next door")
    window.get_by_label("Base URL").fill(teller.url)
    window.get_by_label("Key 1", exact=True).fill("sk-very-secret")
    button(window, "Test").click()
    expect(window.locator("[data-test=ok]")).to_contain_text("Reached")
    expect(window.locator("[data-test=ok]")).to_contain_text("Lists 1 model")
    button(window, "Save").click()
    row = page.get_by_role("listitem").filter(has_text="Next door")
    window.get_by_role("checkbox", name=MODEL).check()  # it goes on with the choice of models
    button(window, "Save").click()
    expect(row).to_contain_text("1 model")
    assert "sk-very-secret" not in json.dumps(api(page, "GET", "providers"))

    names = [model["name"] for model in api(page, "GET", "models") if model["provider"] == "Next door"]
    assert len(names) == 1
    open_chat(page, names[0])
    ask(page, "Hello there")
    story = teller.next()
    story.say("Hello yourself")
    story.end()
    expect(prose(page)).to_have_text("Hello yourself")
    expect(answers(page, "complete")).to_be_visible()

    page.goto(page.url.split("/c/")[0] + "/models/providers")
    button(page, "More for Next door").click()
    page.get_by_role("menuitem", name="Remove").click()
    button(page.get_by_role("alertdialog").or_(page.get_by_role("dialog")), "Remove").click()
    expect(row).to_be_hidden()


def test_a_provider_that_cannot_be_asked_says_why(settings: Callable[..., Page]) -> None:
    page = settings("models/providers", "seeker")
    button(page, "Add a provider").click()
    window = page.get_by_role("dialog")
    button(window, "OpenAI-compatible API").click()
    window.get_by_label("Name", exact=True).fill("Nobody home")
    window.get_by_label("Base URL").fill("http://127.0.0.1:9/v1")
    button(window, "Save").click()
    expect(window.get_by_role("alert")).to_contain_text(re.compile("127.0.0.1|refused|reach"))
    expect(button(window, "Try again")).to_be_visible()


def test_language_and_theme_stay(settings: Callable[..., Page], open_page: OpenPage) -> None:
    page = settings("settings/profile", "reader")
    page.get_by_label("Language").select_option("zh-CN")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.get_by_role("heading", level=1)).to_have_text("设置")
    with page.expect_response(lambda response: response.request.method == "PATCH" and response.ok):
        page.locator("select").nth(1).select_option("dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("设置")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(25, 23, 21)"

    other = open_page("/login", signed_in=False)  # another browser of the same person
    sign_in_by_form(other, "reader", "first pass phrase")
    expect(other.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(other.locator("html")).to_have_attribute("data-theme", "dark")
    other.get_by_role("button", name=re.compile("你的账号")).click()
    with other.expect_response(lambda response: response.request.method == "PATCH" and response.ok):
        other.get_by_role("menuitem", name="浅色主题").click()
    other.reload()
    expect(other.get_by_role("button", name=re.compile("你的账号"))).to_be_visible()
    expect(other.locator("html")).to_have_attribute("data-theme", "light")


def test_signing_out_leaves_nothing_to_the_next_one(settings: Callable[..., Page]) -> None:
    page = settings("settings/profile", "leaver")
    made = api(page, "POST", "conversations", {"title": "Short-lived"})
    page.goto(f"{root(page)}/")
    composer(page).fill("a secret thought")
    page.get_by_role("link", name="Short-lived").hover()
    button(page, "Rename or delete “Short-lived”").click()
    page.get_by_role("menuitem", name="Delete").click()
    button(page, "Your account: leaver").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.locator("[name=username]")).to_be_visible()
    assert page.evaluate("Object.keys(sessionStorage).filter((key) => key.startsWith('inglenook.draft'))") == []
    sign_in_by_form(page, "leaver", "first pass phrase")
    expect(composer(page)).to_have_value("")
    assert made["id"] not in [item["id"] for item in api(page, "GET", "conversations")["conversations"]]


def test_the_password_is_changed(settings: Callable[..., Page], open_page: OpenPage) -> None:
    page = settings("settings/profile", "careful")
    page.get_by_label("Current password").fill("not this one at all")
    page.get_by_label("New password").fill("second pass phrase")
    button(page, "Change password").click()
    expect(page.get_by_label("Current password")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Current password").fill("first pass phrase")
    button(page, "Change password").click()
    expect(page.get_by_text("Password changed")).to_be_visible()

    other = open_page("/login", signed_in=False)
    sign_in_by_form(other, "careful", "first pass phrase")
    expect(other.get_by_role("alert")).to_be_visible()
    sign_in_by_form(other, "careful", "second pass phrase")
    expect(composer(other)).to_be_visible()


def test_a_forgotten_password_is_replaced(settings: Callable[..., Page], open_page: OpenPage) -> None:
    page = settings("admin/people", "helper")
    api(page, "POST", "users", {"name": "forgetful", "password": "an old phrase of theirs", "role": "member"})
    page.reload()
    button(page, "More for forgetful").click()
    page.get_by_role("menuitem", name="New password").click()
    window = page.get_by_role("dialog")
    button(window, "Make a new password").click()
    password = window.locator("code").inner_text().strip()
    button(window, "Done").click()

    member = open_page("/login", signed_in=False)
    sign_in_by_form(member, "forgetful", "an old phrase of theirs")
    expect(member.get_by_role("alert")).to_be_visible()
    sign_in_by_form(member, "forgetful", password)
    expect(composer(member)).to_be_visible()


def test_people_are_added_and_members_see_less(settings: Callable[..., Page], open_page: OpenPage) -> None:
    page = settings("admin/people", "host")
    expect(page.get_by_text("host", exact=True).first).to_be_visible()
    api(page, "POST", "users", {"name": "visitor", "password": "a visitor's phrase", "role": "member"})
    page.reload()
    expect(page.get_by_text("visitor").first).to_be_visible()

    member = open_page("/login", signed_in=False)
    sign_in_by_form(member, "visitor", "a visitor's phrase")
    expect(composer(member)).to_be_visible()
    pages = member.get_by_role("navigation", name="Pages").get_by_role("link")
    expect(pages).to_have_text(["Chat", "Models", "Settings"])
    member.goto(page.url)
    expect(member.get_by_text("Only administrators see this page.")).to_be_visible()
    pages.get_by_text("Settings").click()
    sections = member.get_by_role("navigation", name="Sections").get_by_role("link")
    expect(sections).to_have_text(["Profile", "API keys", "Limits", "Usage", "Running now"])
