"""Usage and the server's settings, in a browser."""

import httpx
import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import OpenPage
from tests.support.running import RunningServer


@pytest.fixture(autouse=True)
def used(server: RunningServer) -> None:
    """One call was made, over the API."""
    with server.log_in() as client:
        key = server.key(client, "usage")
    body = {"model": "echo", "messages": [{"role": "user", "content": "one two three"}]}
    head = {"authorization": f"Bearer {key}"}
    httpx.post(f"{server.url}/v1/chat/completions", json=body, headers=head, trust_env=False).raise_for_status()


@pytest.mark.parametrize("width", [1280, 375])
def test_what_was_used_is_shown_by_model_and_by_key(open_page: OpenPage, width: int) -> None:
    page = open_page("/admin/usage", width=width)
    table = page.get_by_role("table")
    expect(table.get_by_role("row", name="echo")).to_be_visible()
    expect(page.get_by_role("img", name="Use over time")).to_be_visible()
    page.get_by_label("By", exact=True).select_option("API key")
    expect(table.get_by_role("row", name="usage").first).to_be_visible()
    page.get_by_label("Period").select_option("Today")
    expect(table.get_by_role("row", name="usage").first).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Every call as CSV").click()
    assert download.value.suggested_filename == "inglenook-usage.csv"
    assert "echo" in download.value.path().read_text()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_settings_of_the_server_are_drawn_from_their_schema_and_saved(
    open_page: OpenPage, server: RunningServer
) -> None:
    page = open_page("/admin/server", locale="zh-CN")
    billing = page.get_by_role("region", name="计费")
    billing.get_by_label("本机价格").fill("1200")
    billing.get_by_role("button", name="保存").click()
    expect(page.get_by_text("已保存。")).to_be_visible()
    with server.log_in() as client:
        assert client.get("/api/v1/settings/billing").json()["settings"]["machine_price"] == 1200
    billing.get_by_label("折旧年数").fill("0")
    billing.get_by_role("button", name="保存").click()
    expect(billing.get_by_label("折旧年数")).to_have_attribute("aria-invalid", "true")
