"""Providers: kinds, keys, tests, names, prices, and what a removal breaks."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.e2e import test_layout as layout
from tests.e2e.conftest import OpenPage
from tests.support.chat_page import api, button, root
from tests.support.teller import MODEL, Teller


def provider(page: Page, teller: Teller, name: str, **more: object) -> str:
    """A provider made through the API; returns its id."""
    settings = {"base_url": teller.url, "api_key": "sk-one", "api_keys": ["sk-two"]}
    body = {"kind": "openai-compatible", "name": name, "settings": settings, **more}
    return str(api(page, "POST", "providers", body)["id"])


def saved(page: Page, provider_id: str) -> dict[str, object]:
    return next(dict(each) for each in api(page, "GET", "providers") if each["id"] == provider_id)


def row_of(page: Page, name: str) -> Locator:
    return page.get_by_role("listitem").filter(has=page.get_by_text(name, exact=True))


def edit(page: Page, name: str) -> Locator:
    button(page, f"More for {name}").click()
    page.get_by_role("menuitem", name="Edit").click()
    return page.get_by_role("dialog")


def test_kinds_are_found_by_group_and_name(open_page: OpenPage) -> None:
    page = open_page("/models/providers")
    button(page, "Add a provider").click()
    window = page.get_by_role("dialog")
    expect(button(window.get_by_role("region", name="Vendors"), "Anthropic")).to_be_visible()
    expect(button(window.get_by_role("region", name=re.compile("Servers of your own")), "Ollama")).to_be_visible()
    window.get_by_label("Search").fill("kimi")
    expect(window.get_by_role("button", name="Moonshot AI (Kimi)")).to_be_visible()
    expect(button(window, "Anthropic")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(window.get_by_role("link", name="Get one from the vendor")).to_have_attribute("href", re.compile("^https:"))
    window.get_by_text("More settings").click()
    button(window, "https://api.moonshot.ai/v1").click()
    expect(window.get_by_label("Base URL")).to_have_value("https://api.moonshot.ai/v1")


def test_a_bad_address_is_told_beside_its_field(open_page: OpenPage) -> None:
    page = open_page("/models/providers")
    button(page, "Add a provider").click()
    window = page.get_by_role("dialog")
    button(window, "OpenAI-compatible API").click()
    address = window.get_by_label("Base URL")
    address.fill("ftp://nowhere")
    button(window, "Save").click()
    expect(address).to_have_attribute("aria-invalid", "true")
    address.fill("http://127.0.0.1:9/v1")
    expect(address).not_to_have_attribute("aria-invalid", "true")
    button(window, "Test").click()
    result = window.locator("[data-test=unreachable]")
    expect(result).to_contain_text("Not reached")
    expect(result).to_contain_text("Whether it lets us in is not known")


def test_keys_are_added_ordered_tested_and_removed(open_page: OpenPage, teller: Teller) -> None:
    page = open_page()
    made = provider(page, teller, "keyring")
    page.goto(f"{root(page)}/models/providers")
    window = edit(page, "keyring")
    expect(window.get_by_text("kept, and never shown")).to_have_count(2)
    button(window, "Another key; several share the load").click()
    window.get_by_label("Key 3", exact=True).fill("sk-three")
    button(window, "Move Key 3, 3 of 3").focus()
    page.keyboard.press("Home")
    expect(window.get_by_label("Key 1", exact=True)).to_have_value("sk-three")
    button(window, "Test").click()
    expect(window.get_by_text(re.compile("^works, "))).to_have_count(3)
    button(window, "Remove Key 3").click()
    button(window, "Save").click()
    expect(window).to_be_hidden()
    assert saved(page, made)["keys"] == 2
    button(row_of(page, "keyring"), "Test").click()
    expect(row_of(page, "keyring").locator("[data-test=ok]")).to_contain_text("Lists 1 model")


def test_a_model_gets_a_name_and_a_price_of_its_own(open_page: OpenPage, teller: Teller) -> None:
    page = open_page()
    made = provider(page, teller, "renamer")
    page.goto(f"{root(page)}/models/providers")
    button(row_of(page, "renamer"), "Choose models").click()
    window = page.get_by_role("dialog")
    window.get_by_role("checkbox", name=MODEL).check()
    button(window, f"Name and price of {MODEL}").click()
    window.get_by_label("Name people use").fill("echo")
    button(window, "Save").click()
    expect(window.get_by_label("Name people use")).to_have_attribute("aria-invalid", "true")
    window.get_by_label("Name people use").fill("our-story")
    button(window, "Set an own price").click()
    window.get_by_label("Currency").select_option("CNY")
    window.get_by_label("A million tokens in").fill("0.5")
    window.get_by_label("A million tokens out").fill("2")
    expect(window.get_by_text("CN¥0.5 in, CN¥2 out")).to_be_visible()
    button(window, "Save").click()
    expect(window).to_be_hidden()
    (model,) = saved(page, made)["models"]  # type: ignore[misc]
    assert (model["name"], model["public_name"], model["own"]) == (MODEL, "our-story", ["prices"])
    assert (model["prices"]["input"], model["prices"]["output"]) == (500_000, 2_000_000)

    button(row_of(page, "renamer"), "Choose models").click()
    button(window, f"Name and price of {MODEL}").click()
    button(window, "Back to the vendor’s price").click()
    button(window, "Save").click()
    expect(window).to_be_hidden()
    (model,) = saved(page, made)["models"]  # type: ignore[misc]
    assert (model["public_name"], model["own"]) == ("our-story", [])


def test_a_removal_says_what_it_breaks(open_page: OpenPage, teller: Teller) -> None:
    page = open_page()
    provider(page, teller, "leaving", models=[{"name": MODEL, "public_name": "left-over"}])
    definition = {"targets": [{"model": "left-over"}, {"model": "echo"}]}
    route = api(page, "POST", "routes", {"name": "depends", "definition": definition})
    page.goto(f"{root(page)}/models/providers")
    button(page, "More for leaving").click()
    page.get_by_role("menuitem", name="Remove").click()
    window = page.get_by_role("alertdialog")
    expect(window).to_contain_text("left-over")
    expect(window).to_contain_text("depends")
    button(window, "Remove").click()
    expect(row_of(page, "leaving")).to_be_hidden()
    api(page, "DELETE", f"routes/{route['id']}")


def test_the_windows_fit_a_phone_in_chinese(open_page: OpenPage, teller: Teller) -> None:
    page = open_page(locale="zh-CN", width=375)
    provider(page, teller, "家里")
    page.goto(f"{root(page)}/models/providers")
    button(page, "添加服务商").click()
    window = page.get_by_role("dialog")
    expect(window.get_by_role("button", name="Anthropic")).to_be_visible()
    assert page.evaluate(layout.UNNAMED) == []
    assert page.evaluate(layout.PALE) == []
    button(window, "兼容 OpenAI 的 API").click()
    expect(window.get_by_role("button", name="测试")).to_be_visible()
    layout.no_sideways_scroll(page)
    assert [text for text in page.evaluate(layout.ENGLISH) if not layout.NAMES.match(text)] == []
    assert page.evaluate(layout.UNNAMED) == []
    assert page.evaluate(layout.PALE) == []
