"""Keys, teams and limits, as people handle them in a browser."""

from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.support.chat_page import answers, api, ask, button, open_chat
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
    window.get_by_label("Requests a minute").fill("3")
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
    expect(row.get_by_role("meter", name="Requests in the last minute: 2 of 3")).to_be_visible()
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
    expect(window.get_by_label("The former secret holds")).to_be_focused()  # the window has opened
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


def test_a_team_gets_people_models_limits_and_keys(page_of: Callable[..., Page], server: RunningServer) -> None:
    page = page_of("founder", "/admin/teams", role="admin")
    for name in ("cook", "guest"):
        api(page, "POST", "users", {"name": name, "password": PHRASE})
    button(page, "Add a team").click()
    window = page.get_by_role("dialog")
    window.get_by_label("Name").fill("Kitchen")
    button(window, "Add").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Kitchen")
    expect(page.get_by_text("Everyone here may use all models")).to_be_visible()

    button(page, "Change members").click()
    window.get_by_label("Search people").fill("cook")
    window.get_by_role("checkbox", name="cook is a member").check()
    window.get_by_role("checkbox", name="cook manages the keys").check()
    window.get_by_label("Search people").fill("guest")
    window.get_by_role("checkbox", name="guest is a member").check()
    button(window, "Save").click()
    expect(window).to_be_hidden()
    members = page.get_by_role("region", name="Members").get_by_role("listitem")
    expect(members).to_have_text(["cookmanages the keys", "guest"])

    button(page, "Set limits").click()
    window.get_by_label("Money a month (USD)").fill("1,500")
    button(window, "Save").click()
    expect(page.get_by_role("meter", name="This month: $0.00 of $1,500.00")).to_be_visible()
    team = page.url.rsplit("/", 1)[-1]

    cook = page_of_existing(page, server, "cook", f"/teams/{team}")
    expect(cook.get_by_role("meter", name="This month: $0.00 of $1,500.00")).to_be_visible()
    for name in ("Change members", "Change limits", "More for Kitchen"):
        expect(button(cook, name)).to_have_count(0)
    button(cook, "Create a key").click()
    window = cook.get_by_role("dialog")
    expect(window.get_by_label("Belongs to")).to_have_value(team)
    window.get_by_label("Name").fill("oven")
    button(window, "Create").click()
    key = window.locator("pre").first.inner_text().strip()
    assert chat(server, key).status_code == 200
    button(window, "I have copied it").click()
    expect(cook.get_by_role("listitem").filter(has_text="oven")).to_be_visible()

    guest = page_of_existing(page, server, "guest", f"/teams/{team}")
    expect(guest.get_by_role("alert").or_(guest.get_by_text("no such team"))).to_be_visible()


def page_of_existing(page: Page, server: RunningServer, name: str, path: str) -> Page:
    """A page of another person, in a browser profile of their own."""
    assert page.context.browser is not None
    context = page.context.browser.new_context(locale="en-US", reduced_motion="reduce")
    login = {"name": name, "password": PHRASE}
    signed_in = context.request.post(f"{server.url}/api/v1/session", data=login, headers={"X-Inglenook": "1"})
    assert signed_in.ok
    other = context.new_page()
    page.on("close", lambda _: context.close())
    other.goto(server.url + path)
    return other


def test_a_model_is_kept_to_a_team(page_of: Callable[..., Page], server: RunningServer) -> None:
    page = page_of("models-keeper", "/admin/teams", role="admin")
    team = api(page, "POST", "groups", {"name": "Chosen few"})["id"]
    key = api(page, "POST", f"groups/{team}/keys", {"name": "k"})["key"]
    try:
        page.reload()
        region = page.get_by_role("region", name="Models everyone may use")
        button(region, "Change").click()
        window = page.get_by_role("dialog")
        window.get_by_label("Only these").check()
        window.get_by_label("Search models").fill("slow")
        window.get_by_role("checkbox", name="slow", exact=True).check()
        button(window, "Save").click()
        expect(region).to_contain_text("slow")
        assert chat(server, key).status_code == 404
        page.goto(f"{server.url}/teams/{team}")
        button(page, "Change the team’s models").click()
        window.get_by_label("Search models").fill("echo")
        window.get_by_role("checkbox", name="echo", exact=True).check()
        button(window, "Save").click()
        expect(page.get_by_role("region", name="Models", exact=True)).to_contain_text("echo, slow")
        assert chat(server, key).status_code == 200
    finally:
        api(page, "PUT", "rights/models/everyone/-", {"models": None})


def test_budgets_are_set_and_the_nearest_to_a_limit_comes_first(
    page_of: Callable[..., Page], server: RunningServer
) -> None:
    page = page_of("treasurer", "/admin/budgets", role="admin")
    made = api(page, "POST", "keys", {"name": "nearly there", "limits": {"requests_per_minute": 2}})
    api(page, "POST", "keys", {"name": "far away", "limits": {"requests_per_minute": 200}})
    assert chat(server, made["key"]).status_code == 200
    try:
        page.reload()
        together = page.get_by_role("region", name="Everybody here together")
        button(together, "Set limits").click()
        window = page.get_by_role("dialog")
        window.get_by_label("Money a month (USD)").fill("500")
        button(window, "Save").click()
        expect(together.get_by_role("meter", name="of $500.00")).to_be_visible()
        button(page.get_by_role("region", name="Each user"), "Set limits").click()
        window.get_by_label("Requests a minute").fill("1k")
        button(window, "Save").click()
        listed = page.get_by_role("region", name="Who is limited")
        expect(listed.get_by_text("as each user").first).to_be_visible()
        listed.get_by_label("Shown").select_option("API keys")
        listed.get_by_label("Search").fill("treasurer")
        rows = listed.locator("li.py-3")
        expect(rows).to_have_count(2)
        expect(rows.first).to_contain_text("nearly there")
        listed.get_by_label("Search").fill("far")
        expect(rows).to_have_count(1)
        button(listed, "Change the limits of far away").click()
        window.get_by_label("Requests a minute").fill("300")
        button(window, "Save").click()
        expect(listed.get_by_role("meter", name="Requests in the last minute: 0 of 300")).to_be_visible()
    finally:
        for kind in ("everyone", "default"):
            api(page, "PUT", f"limits/{kind}/-", {})
            api(page, "DELETE", f"limits/{kind}/-")


@pytest.mark.parametrize(
    ("locale", "words", "heading"),
    [
        ("en-US", "Your limit is reached: 0 requests a minute.", "What you may still use"),
        ("zh-CN", "已达到你的限额：每分钟 0 次请求。", "你还能用多少"),
    ],
    ids=["en", "zh"],
)
def test_the_chat_says_which_limit_refused(
    page_of: Callable[..., Page], server: RunningServer, locale: str, words: str, heading: str
) -> None:
    page = page_of(f"refused-{locale}", "/", locale=locale)
    me = api(page, "GET", "session")["user"]["id"]
    with server.log_in() as client:
        client.put(f"/api/v1/limits/user/{me}", json={"requests_per_minute": 0}).raise_for_status()
    open_chat(page, "echo")
    ask(page, "Hello")
    expect(answers(page, "failed")).to_contain_text(words)
    answers(page, "failed").get_by_role("link").last.click()
    expect(page.get_by_role("heading", name=heading)).to_be_visible()
