"""Keys, teams and limits, as people handle them in a browser."""

from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.support.chat_page import api, button
from tests.support.running import RunningServer

PHRASE = "first pass phrase"


@pytest.fixture
def page_of(open_page: OpenPage, server: RunningServer) -> Callable[..., Page]:
    """Opens a page as a person of their own: `page_of(name, path, role=…)`."""

    def page_of(name: str, path: str, *, role: str = "member", **more: object) -> Page:
        with server.log_in() as client:
            client.post("/api/v1/users", json={"name": name, "password": PHRASE, "role": role}).raise_for_status()
        page = open_page("/login", signed_in=False, **more)
        page.locator("[name=username]").fill(name)
        page.locator("[type=password]").fill(PHRASE)
        page.locator("[type=submit]").click()
        expect(page.locator("[data-composer]")).to_be_visible()
        page.goto(server.url + path)
        return page

    return page_of


def chat(server: RunningServer, key: str, model: str = "echo") -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    head = {"authorization": f"Bearer {key}"}
    return httpx.post(f"{server.url}/v1/chat/completions", json=body, headers=head, trust_env=False)


def test_a_key_is_made_with_models_limits_and_tags_and_edited(
    page_of: Callable[..., Page], server: RunningServer
) -> None:
    page = page_of("limiter", "/settings/keys")
    button(page, "Create a key").click()
    window = page.get_by_role("dialog")
    window.get_by_label("Name").fill("my editor")
    window.get_by_label("Valid").select_option("until a day")
    window.get_by_label("Last day").fill("2099-12-31")
    window.locator("summary", has_text="Models").click()
    window.get_by_label("Only these").check()
    window.get_by_label("Search models").fill("ech")
    window.get_by_role("checkbox", name="echo", exact=True).check()
    window.locator("summary", has_text="Limits").click()
    window.get_by_label("Requests a minute").fill("many")
    expect(window.get_by_label("Requests a minute")).to_have_attribute("aria-invalid", "true")
    expect(button(window, "Create")).to_be_disabled()
    window.get_by_label("Requests a minute").fill("2")
    window.get_by_label("Tokens a minute").fill("100k")
    expect(window.get_by_text("100,000")).to_be_visible()
    window.locator("summary", has_text="Tags").click()
    window.get_by_label("Tags").fill("eu, private")
    button(window, "Create").click()
    key = window.locator("pre").first.inner_text().strip()
    window.get_by_label("Ready to paste").select_option("Environment variables")
    for line in (f"OPENAI_BASE_URL={server.url}/v1", f"ANTHROPIC_BASE_URL={server.url}", f"OLLAMA_HOST={server.url}"):
        expect(window.locator("pre").last).to_contain_text(line)
    window.get_by_label("Ready to paste").select_option("curl")
    expect(window.locator("pre").last).to_contain_text('"model": "echo"')
    assert chat(server, key).status_code == 200
    assert chat(server, key, "slow").status_code == 404
    button(window, "I have copied it").click()

    row = page.get_by_role("listitem").filter(has_text="my editor").first
    for fact in ("1 model", "tags: eu, private", "expires"):
        expect(row).to_contain_text(fact)
    page.reload()
    expect(row.get_by_role("meter", name="Requests in the last minute: 1 of 2")).to_be_visible()
    assert chat(server, key).status_code == 200
    refused = chat(server, key)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limited")

    button(row, "More for my editor").click()
    page.get_by_role("menuitem", name="Edit").click()
    window.locator("summary", has_text="Limits").click()
    window.get_by_label("Requests a minute").fill("")
    window.get_by_label("Tokens a minute").fill("")
    window.locator("summary", has_text="Models").click()
    window.get_by_label("All that its owner may use").check()
    button(window, "Save").click()
    expect(window).to_be_hidden()
    expect(row.get_by_role("meter")).to_have_count(0)
    assert chat(server, key, "echo").status_code == 200
    button(row, "More for my editor").click()
    page.get_by_role("menuitem", name="What limits it").click()
    expect(window).to_contain_text("Nothing")


def test_a_key_gets_a_new_secret_by_keyboard(page_of: Callable[..., Page], server: RunningServer) -> None:
    page = page_of("rotator", "/settings/keys")
    former = api(page, "POST", "keys", {"name": "old"})["key"]
    page.reload()
    button(page, "More for old").focus()
    page.keyboard.press("Enter")
    page.get_by_role("menuitem", name="New secret").press("Enter")
    window = page.get_by_role("dialog")
    button(window, "Make a new secret").press("Enter")
    expect(window.get_by_text("Copy the key now")).to_be_visible()
    key = window.locator("pre").first.inner_text().strip()
    assert chat(server, former).status_code == 401
    assert chat(server, key).status_code == 200
    page.keyboard.press("Escape")
    expect(window).to_be_hidden()


def test_very_many_keys_come_in_pages_and_are_searched(page_of: Callable[..., Page], server: RunningServer) -> None:
    page = page_of("crowd", "/admin/keys", role="admin")
    team = api(page, "POST", "groups", {"name": "Crowded"})["id"]
    for number in range(120):
        api(page, "POST", f"groups/{team}/keys", {"name": f"machine {number}"})
    page.reload()
    expect(page.get_by_role("listitem").filter(has_text="machine 119")).to_be_visible()
    expect(page.get_by_text("machine 69")).to_have_count(0)
    button(page, "Show more").click()
    expect(page.get_by_text("machine 69")).to_be_visible()
    page.get_by_label("Search keys").fill("machine 3")
    expect(page.get_by_text("machine 119")).to_have_count(0)
    expect(page.get_by_role("listitem").filter(has_text="team Crowded")).to_have_count(11)
    page.get_by_label("Search keys").fill("crowded")
    expect(page.get_by_text("machine 119")).to_be_visible()
    page.get_by_label("Search keys").fill("nobody's")
    expect(page.get_by_text("No key is found.")).to_be_visible()


def test_one_sees_what_one_may_still_use(page_of: Callable[..., Page], server: RunningServer) -> None:
    page = page_of("spender", "/settings/limits")
    expect(page.get_by_text("You have no limits here.")).to_be_visible()
    me = api(page, "GET", "session")["user"]["id"]
    with server.log_in() as client:
        limits = {"amount_per_day": 2_000_000_000, "requests_per_minute": 30}
        client.put(f"/api/v1/limits/user/{me}", json=limits).raise_for_status()
    page.reload()
    expect(page.get_by_role("meter", name="Today: $0.00 of $2.00")).to_be_visible()
    expect(page.get_by_text("begins anew")).to_be_visible()
