"""What the browser tests do on the chat page again and again, in the words of its user."""

from typing import Any

from playwright.sync_api import Locator, Page

HEADERS = {"X-Inglenook": "1"}


def api(page: Page, method: str, path: str, body: Any = None) -> Any:
    """Ask the API as the page's user."""
    response = page.context.request.fetch(f"{root(page)}/api/v1/{path}", method=method, data=body, headers=HEADERS)
    assert response.ok, f"{method} {path}: {response.status} {response.text()}"
    return response.json() if response.body() else None


def root(page: Page) -> str:
    """The address of the page's server, base path included."""
    return str(page.evaluate("document.baseURI")).rstrip("/")


def open_chat(page: Page, model: str, **settings: Any) -> str:
    """Begin a conversation with a model and show it; returns its id."""
    made = api(page, "POST", "conversations", {"settings": {"model": model, **settings}})
    page.goto(f"{root(page)}/c/{made['id']}")
    composer(page).wait_for()
    return str(made["id"])


def composer(page: Page) -> Locator:
    """Where one writes."""
    return page.locator("[data-composer]")


def ask(page: Page, text: str) -> None:
    """Send a message."""
    composer(page).fill(text)
    composer(page).press("Enter")


def answers(page: Page, status: str | None = None) -> Locator:
    """The answers in view, perhaps only those in a state."""
    return page.locator('[data-role="assistant"]' + (f'[data-status="{status}"]' if status else ""))


def prose(page: Page) -> Locator:
    """The text of the last answer."""
    return answers(page).last.locator(".prose").last


def button(page: Page | Locator, name: str) -> Locator:
    """A button by its whole name."""
    return page.get_by_role("button", name=name, exact=True)
