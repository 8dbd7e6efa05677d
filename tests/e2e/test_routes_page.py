"""Routes: how they are written, put in order, tried, and how their targets are shown to be."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e import test_layout as layout
from tests.e2e.conftest import OpenPage
from tests.support.chat_page import answers, api, ask, button, open_chat, prose, root
from tests.support.running import RunningServer


@pytest.fixture(autouse=True)
def _no_routes_left(server: RunningServer) -> Iterator[None]:
    yield
    with server.log_in() as client:
        for route in client.get("/api/v1/routes").json():
            client.delete(f"/api/v1/routes/{route['id']}").raise_for_status()


def make(page: Page, name: str, *targets: Any, **definition: Any) -> str:
    """A route made through the API; returns its id."""
    models = [target if isinstance(target, dict) else {"model": target} for target in targets]
    made = api(page, "POST", "routes", {"name": name, "definition": {"targets": models, **definition}})
    return str(made["id"])


def saved(page: Page, name: str) -> Any:
    """What a route says now."""
    return next(route for route in api(page, "GET", "routes") if route["name"] == name)["definition"]


def targets(page: Page) -> Locator:
    return page.locator("[data-target]")


def order(page: Page) -> list[str]:
    return [str(name) for name in targets(page).evaluate_all("all => all.map((el) => el.dataset.target)")]


def add_target(page: Page, name: str) -> None:
    button(page, "Add a model").click()
    page.get_by_role("combobox", name="Search models and routes").fill(name)
    page.get_by_role("option").filter(has=page.get_by_text(name, exact=True)).click()


def open_route(page: Page, route_id: str) -> None:
    page.goto(f"{root(page)}/models/routes/{route_id}")
    expect(targets(page).first).to_be_visible()


def test_a_route_is_made_by_the_form_and_used(open_page: OpenPage) -> None:
    page = open_page("/models")
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="Routes").click()
    page.get_by_role("link", name="Add a route").click()
    expect(button(page, "Save")).to_be_disabled()
    page.get_by_label("Name", exact=True).fill("smart")
    add_target(page, "plain")
    add_target(page, "echo")
    expect(targets(page)).to_have_count(2)
    button(page, "Save").click()
    expect(page.get_by_role("heading", name="smart", level=1)).to_be_visible()
    assert [target["model"] for target in saved(page, "smart")["targets"]] == ["plain", "echo"]

    page.get_by_role("link", name="All routes").click()
    row = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="smart", exact=True))
    expect(row).to_contain_text("In this order")
    open_chat(page, "smart")
    ask(page, "Good evening")
    expect(answers(page, "complete")).to_be_visible()
    expect(prose(page)).to_have_text("Good evening")


def test_targets_are_ordered_by_mouse(open_page: OpenPage) -> None:
    page = open_page()
    route_id = make(page, "sorted", "echo", "plain", "slow")
    open_route(page, route_id)
    assert order(page) == ["echo", "plain", "slow"]
    handle = page.locator("[data-handle]").first
    last = targets(page).nth(2).bounding_box()
    handle.hover()
    page.mouse.down()
    assert last is not None
    page.mouse.move(last["x"] + 10, last["y"] + last["height"] / 2 + 8, steps=8)
    assert order(page) == ["plain", "slow", "echo"]
    page.mouse.up()
    button(page, "Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert [target["model"] for target in saved(page, "sorted")["targets"]] == ["plain", "slow", "echo"]

    page.locator("[data-handle]").first.hover()
    page.mouse.down()
    page.mouse.move(last["x"] + 10, last["y"] + last["height"] / 2 + 8, steps=8)
    assert order(page) == ["slow", "echo", "plain"]
    page.keyboard.press("Escape")
    assert order(page) == ["plain", "slow", "echo"]
    page.mouse.up()


def test_targets_are_ordered_by_finger(open_page: OpenPage) -> None:
    page = open_page(width=375, has_touch=True, is_mobile=True)
    route_id = make(page, "fingers", "echo", "plain", "slow")
    open_route(page, route_id)
    handle = page.locator("[data-handle]").nth(2)
    handle.scroll_into_view_if_needed()
    handle.tap(trial=True)  # the page has come to rest
    begin, first = handle.bounding_box(), targets(page).first.bounding_box()
    assert begin is not None
    assert first is not None
    x, y, end = begin["x"] + 12, begin["y"] + 12, first["y"] + 4
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": a, "y": b} for a, b in points]})

    touch("touchStart", (x, y))
    for step in range(1, 9):
        touch("touchMove", (x, y + (end - y) * step / 8))
    touch("touchEnd")
    expect(targets(page).first).to_have_attribute("data-target", "slow")
    assert order(page) == ["slow", "echo", "plain"]


def test_targets_are_ordered_by_keyboard_and_said(open_page: OpenPage) -> None:
    page = open_page()
    route_id = make(page, "keys", "echo", "plain", "slow")
    open_route(page, route_id)
    handle = button(page, "Move echo, 1 of 3")
    handle.focus()
    page.keyboard.press("ArrowDown")
    assert order(page) == ["plain", "echo", "slow"]
    expect(button(page, "Move echo, 2 of 3")).to_be_focused()
    expect(page.get_by_role("status").filter(has_text="echo: place 2 of 3")).to_be_attached()
    page.keyboard.press("End")
    assert order(page) == ["plain", "slow", "echo"]
    button(page, "More for echo").click()
    page.get_by_role("menuitem", name="Move up").click()
    assert order(page) == ["plain", "echo", "slow"]
    button(page, "Undo changes").click()
    assert order(page) == ["echo", "plain", "slow"]


def test_what_is_set_is_kept_and_said_in_words(open_page: OpenPage) -> None:
    page = open_page()
    route_id = make(page, "rules", "echo", "plain")
    open_route(page, route_id)
    button(page, "Conditions of echo").click()
    row = targets(page).first
    row.get_by_label("Prompts up to").fill("4000")
    row.get_by_label("Tagged with none of").fill("hard, confidential")
    row.get_by_label("A call costs at most").fill("0.01")
    button(row, "Add hours").click()
    expect(row).to_contain_text("prompts up to 4,000 tokens")
    expect(row).to_contain_text("not tagged hard, confidential")
    expect(row).to_contain_text("calls for at most $0.01")
    page.get_by_role("radio", name="By share").check()
    row.get_by_label("Share").fill("3")
    expect(row).to_contain_text("75 %")
    page.get_by_role("checkbox", name="Give the very same call the same answer again").check()
    page.get_by_label("Unit of time").select_option("days")
    button(page, "Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()

    kept = saved(page, "rules")
    when = kept["targets"][0]["when"]
    assert (when["max_prompt_tokens"], when["without_tags"]) == (4000, ["hard", "confidential"])
    assert when["max_cost"] == 10_000_000
    assert when["times"][0]["days"] == ["sat", "sun"]
    assert (kept["strategy"], kept["targets"][0]["weight"], kept["cache"]["ttl"]) == ("weighted", 3, 86_400)
    page.reload()
    expect(targets(page).first).to_contain_text("not tagged hard, confidential")
    expect(button(page, "Save")).to_be_disabled()


def test_a_call_is_tried_before_anything_is_saved(open_page: OpenPage) -> None:
    page = open_page("/models/routes/new")
    add_target(page, "plain")
    add_target(page, "echo")
    button(page, "Conditions of plain").click()
    targets(page).first.get_by_label("Prompts up to").fill("100")
    page.get_by_label("Prompt", exact=True).fill("Short.")
    button(page, "Who would answer?").click()
    outcome = page.locator("[data-outcome]")
    expect(outcome).to_contain_text("plain would answer: it is the first in the list that may take this call.")
    expect(outcome).to_contain_text("echo: the one before it failed")

    page.get_by_text("More about the call").click()
    page.get_by_label("Length of the prompt, instead of one").fill("5000")
    button(page, "Who would answer?").click()
    expect(outcome).to_contain_text("echo would answer: it is the only one that may take this call.")
    expect(outcome).to_contain_text("plain: does not take prompts of this length")
    assert api(page, "GET", "routes") == []


def test_what_is_wrong_is_told_beside_its_field(open_page: OpenPage) -> None:
    page = open_page()
    make(page, "taken", "echo")
    page.goto(f"{root(page)}/models/routes/new")
    page.get_by_label("Name", exact=True).fill("taken")
    add_target(page, "echo")
    button(page, "Save").click()
    name = page.get_by_label("Name", exact=True)
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert")).to_contain_text("taken already")

    name.fill("free")
    expect(name).not_to_have_attribute("aria-invalid", "true")
    button(page, "Conditions of echo").click()
    button(page, "Add hours").click()
    page.get_by_label("Time of").fill("Nowhere/Town")
    expect(page.get_by_label("Time of")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert").first).to_contain_text("does not know this time zone")
    button(page, "Save").click()
    expect(page).to_have_url(re.compile("/models/routes/new"))
    page.get_by_label("Time of").fill("Asia/Shanghai")
    expect(page.get_by_label("Time of")).not_to_have_attribute("aria-invalid", "true")
    button(page, "Save").click()
    expect(page.get_by_role("heading", name="free", level=1)).to_be_visible()


def test_how_a_target_is_can_be_seen(open_page: OpenPage, server: RunningServer) -> None:
    page = open_page()
    api(page, "POST", "providers", {"kind": "fake", "name": "broken", "models": [{"name": "error-503"}]})
    route_id = make(page, "shaky", "error-503", "echo", retries={"times": 0})
    with server.log_in() as client:
        key = server.key(client)
    for _ in range(4):
        body = {"model": "shaky", "messages": [{"role": "user", "content": "hello"}]}
        answer = httpx.post(
            f"{server.url}/v1/chat/completions",
            json=body,
            headers={"authorization": f"Bearer {key}"},
            trust_env=False,
        )
        assert answer.status_code == 200
    open_route(page, route_id)
    expect(targets(page).first.locator("[data-health=resting], [data-health=waiting]")).to_be_visible()
    expect(targets(page).nth(1).locator("[data-health=ready]")).to_contain_text("ready")
    page.get_by_role("link", name="All routes").click()
    expect(page.get_by_role("img", name=re.compile("^resting"))).to_be_visible()


def test_leaving_asks_before_work_is_lost(open_page: OpenPage) -> None:
    page = open_page()
    route_id = make(page, "half", "echo")
    open_route(page, route_id)
    page.get_by_label("Description").fill("something new")
    page.get_by_role("link", name="All routes").click()
    window = page.get_by_role("alertdialog")
    button(window, "Cancel").click()
    expect(page.get_by_label("Description")).to_have_value("something new")
    page.get_by_role("link", name="All routes").click()
    button(window, "Leave").click()
    expect(page.get_by_role("link", name="Add a route")).to_be_visible()
    assert next(route for route in api(page, "GET", "routes"))["description"] == ""


def test_a_route_is_removed_after_asking(open_page: OpenPage) -> None:
    page = open_page()
    route_id = make(page, "short-lived", "echo")
    open_route(page, route_id)
    button(page, "Remove this route").click()
    button(page.get_by_role("alertdialog"), "Remove").click()
    expect(page.get_by_text("There is none yet.")).to_be_visible()


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
def test_a_full_editor_fits_a_phone(open_page: OpenPage, language: str) -> None:
    page = open_page(width=375, locale=language)
    hours = {"days": ["sat", "sun"], "start": "22:00", "end": "06:00", "zone": "Asia/Shanghai"}
    when = {"needs": ["tools"], "max_prompt_tokens": 4000, "times": [hours]}
    route_id = make(page, "full", {"model": "echo", "when": when}, "plain", strategy="sticky", cache={"ttl": 90})
    open_route(page, route_id)
    for more in page.locator("summary").all():
        more.click()
    page.locator("[data-target] button[aria-expanded]").first.click()
    page.locator("button").filter(has_text=re.compile("Who would answer|会由谁回答")).click()
    expect(page.locator("[data-outcome]")).to_be_visible()
    layout.no_sideways_scroll(page)
    assert page.evaluate(layout.UNNAMED) == []
    assert page.evaluate(layout.STRUCTURE) == []
    assert page.evaluate(layout.PALE) == []
    if language == "zh-CN":
        assert [text for text in page.evaluate(layout.ENGLISH) if not layout.NAMES.match(text)] == []


def test_an_answer_says_why_its_model_was_asked(open_page: OpenPage) -> None:
    page = open_page()
    make(page, "explained", {"model": "plain", "when": {"tags": ["never"]}}, "echo")
    open_chat(page, "explained")
    ask(page, "Hello")
    expect(answers(page, "complete")).to_be_visible()
    button(page, "Why this model?").click()
    told = page.get_by_role("dialog", name="Why this model answered")
    expect(told).to_contain_text("Through the route explained: In this order")
    expect(told).to_contain_text("plain: does not take calls with these tags")
    expect(told).to_contain_text("echo was asked: it is the only one that may take this call")
    page.reload()
    expect(button(page, "Why this model?")).to_be_visible()
    open_chat(page, "echo")
    ask(page, "Hello")
    expect(answers(page, "complete")).to_be_visible()
    expect(button(page, "Why this model?")).to_be_hidden()
