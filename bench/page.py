"""What the chat page weighs, and how quick it stays, in a real Chromium against a real server.

`python bench/page.py [--json]`:
- `chat_initial_js_gzip`, `login_initial_js_gzip`: all JavaScript the browser loads until the chat page, or the page to
  sign in, is usable, in the gzip form the server sends (gzip -9 of what it would send plain).
- with 500 conversations, one of them of 1,000 messages: `long_chat_open`, the time from navigation, with an empty
  cache, until that conversation's last message and the composer are shown (median of five);
  `long_chat_longest_task`, the longest task of the main thread (from a trace of the browser) while 100 characters
  are typed into it, while it is scrolled from end to beginning, and while a question is sent, its answer comes in
  and the next one is typed.
"""

import argparse
import asyncio
import gzip
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx
from playwright.sync_api import Browser, Page
from sqlalchemy.orm import Session

from inglenook.conversations import service as conversations
from inglenook.store.database import Store
from tests.support.browser import open_browser
from tests.support.running import ADMIN, PASSWORD, RunningServer

CONVERSATIONS = 500
MESSAGES = 1000
OPENINGS = 5
#: A new window of Chromium loads pages of its own (the address bar's list), which would compete with ours.
SETTLING_MS = 2000
ANSWER = """Here is **one** way to do it, with a list:

1. Look at the *size* of the thing, then at its `shape`.
2. Compare both with the table below.

| size | shape | verdict |
|---|---|---|
| small | round | keep |
| large | flat | return |

```python
def verdict(size: float, shape: str) -> str:
    return "keep" if size < 3 and shape == "round" else "return"
```

The rest follows from there, and it takes a sentence or two more to say why it does so in most of the cases.
"""
#: A model that says the answer three times over, in about eight seconds.
MODEL = "stream"
STREAM = {
    "steps": [
        step
        for at in range(0, len(ANSWER) * 3, 15)
        for step in ({"text": (ANSWER * 3)[at : at + 15]}, {"delay_ms": 50})
    ]
    + [{"text": "\n\nAnd the story ends here"}]
}
OPENED = """() => {
  const note = () => {
    const rows = document.querySelectorAll('[data-message]');
    const shown = rows.length && rows[rows.length - 1].checkVisibility({visibilityProperty: true});
    const composer = document.querySelector('[data-composer]');
    if (composer && shown) document.documentElement.dataset.opened = performance.now();
    else requestAnimationFrame(note);
  };
  note();
}"""
SCROLL = """async () => {
  const scroller = document.querySelector('[data-message]').closest('[class*=overflow-y-auto]');
  let frames = 0;
  while (scroller.scrollTop > 0 && frames < 3000) {
    // The page holds the end of a chat until the reader turns the wheel.
    scroller.dispatchEvent(new WheelEvent('wheel', {deltaY: -scroller.clientHeight / 2, bubbles: true}));
    scroller.scrollTop -= scroller.clientHeight / 2;
    await new Promise(requestAnimationFrame);
    frames += 1;
  }
  return [frames, scroller.scrollTop];
}"""


class Weight(NamedTuple):
    """JavaScript that a browser loads for a page."""

    gzip_kb: float
    files: int


class Figures(NamedTuple):
    """Kilobytes (1,000 bytes) and milliseconds."""

    chat: Weight
    login: Weight
    open_ms: float
    typing_ms: float
    scrolling_ms: float
    streaming_ms: float


def fill(data: Path, owner: str) -> str:
    """Write the conversations into a data directory without a server; returns the long one's id."""

    def write(session: Session) -> str:
        for number in range(CONVERSATIONS - 1):
            conversations.create(session, owner, title=f"Conversation {number} about this and that")
        long = conversations.create(session, owner, title="The long one")
        parent = None
        for number in range(MESSAGES // 2):
            question = conversations.add_question(session, long, parent, f"Question {number}: what about it?")
            answer = conversations.add_answer(session, long, question.id, model="echo", run_id=f"run_{number}")
            answer.text, answer.status, answer.finish_reason = f"Answer {number}. {ANSWER}", "complete", "stop"
            answer.usage = {"input": 100, "output": 120, "tokens_per_second": 40.0, "duration_ms": 3000}
            parent = answer.id
        return long.id

    async def run() -> str:
        store = Store.open(Store.sqlite_url(data / "main.db"))
        try:
            return await store.write(write)
        finally:
            await store.close()

    return asyncio.run(run())


def open_page(browser: Browser, url: str, *, signed_in: bool = True) -> Page:
    """A page of a fresh profile."""
    context = browser.new_context(base_url=url, viewport={"width": 1280, "height": 800}, locale="en-US")
    if not signed_in:
        return context.new_page()
    body = {"name": ADMIN, "password": PASSWORD}
    response = context.request.post("/api/v1/session", data=body, headers={"X-Inglenook": "1"})
    if not response.ok:
        raise SystemExit(f"cannot sign in: {response.text()}")
    return context.new_page()


def weigh(browser: Browser, url: str, path: str, usable: str, *, signed_in: bool) -> Weight:
    """The JavaScript that is loaded for the page at `path` until `usable` (a selector) is there and all is quiet."""
    page = open_page(browser, url, signed_in=signed_in)
    scripts: set[str] = set()

    def note(response: Any) -> None:
        if "javascript" in response.headers.get("content-type", ""):
            scripts.add(response.url)

    page.on("response", note)
    page.goto(path)
    page.locator(usable).wait_for()
    page.wait_for_load_state("networkidle")
    page.context.close()
    total = 0
    with httpx.Client(headers={"accept-encoding": "gzip"}, trust_env=False) as client:
        for script in scripts:
            with client.stream("GET", script) as response:
                body = b"".join(response.iter_raw())
                plain = response.headers.get("content-encoding") != "gzip"
                total += len(gzip.compress(body, 9)) if plain else len(body)
    return Weight(total / 1000, len(scripts))


def opening(browser: Browser, url: str, chat: str) -> float:
    """Milliseconds from navigation to the long conversation's last message and the composer."""
    page = open_page(browser, url)
    page.add_init_script(f"({OPENED})()")
    page.wait_for_timeout(SETTLING_MS)
    page.goto(f"/c/{chat}")
    page.locator("html[data-opened]").wait_for()
    opened = float(page.locator("html").get_attribute("data-opened") or "nan")
    page.context.close()
    return opened


def longest_task(browser: Browser, page: Page, act: Any) -> float:
    """Milliseconds of the longest task of the page's main thread during `act`."""
    browser.start_tracing(page=page, categories=["toplevel", "__metadata", "disabled-by-default-devtools.timeline"])
    act()
    events = json.loads(browser.stop_tracing())["traceEvents"]
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event.get("name") == "thread_name" and event["args"].get("name") == "CrRendererMain"
    }
    tasks = [
        event["dur"] / 1000
        for event in events
        if event.get("name", "").endswith("RunTask") and event.get("dur") and (event["pid"], event["tid"]) in mains
    ]
    if not tasks:
        raise SystemExit("the browser's trace holds no task of a page")
    return max(tasks)


def work(browser: Browser, url: str, chat: str) -> tuple[float, float, float]:
    """The longest task in the long conversation while typing, while scrolling, and while an answer comes in."""
    page = open_page(browser, url)
    page.goto(f"/c/{chat}")
    page.locator("[data-message]").last.wait_for()
    page.wait_for_load_state("networkidle")
    composer = page.locator("[data-composer]")
    composer.click()
    text = ("the quick brown fox jumps over the lazy dog " * 3)[:100]
    typing = longest_task(browser, page, lambda: page.keyboard.type(text, delay=20))
    if composer.input_value() != text:
        raise SystemExit("the text was not typed")
    reached: list[float] = []
    scrolling = longest_task(browser, page, lambda: reached.extend(page.evaluate(SCROLL)))
    if reached[1] > 0:
        raise SystemExit(f"the beginning was not reached: {reached}")

    def converse() -> None:
        page.keyboard.press("Enter")
        page.locator('[data-status="streaming"] .prose').wait_for()
        page.keyboard.type(text, delay=20)
        if not page.locator('[data-status="streaming"]').count():
            raise SystemExit("the answer ended before the text was typed")
        page.locator('[data-status="streaming"]').wait_for(state="detached")
        page.wait_for_load_state("networkidle")

    streaming = longest_task(browser, page, converse)
    if composer.input_value() != text or not page.get_by_text("And the story ends here").count():
        raise SystemExit("the answer or the text is not what it should be")
    page.context.close()
    return typing, scrolling, streaming


def measure() -> Figures:
    """Everything."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        with RunningServer(data) as server, server.set_up() as client:
            owner = client.get("/api/v1/session").json()["user"]["id"]
        chat = fill(data, owner)
        with RunningServer(data) as server, open_browser() as browser:
            with server.log_in() as client:
                server.add_fake_provider(client, scripts={MODEL: STREAM})
                client.patch(f"/api/v1/conversations/{chat}", json={"settings": {"model": MODEL}}).raise_for_status()
            chat_js = weigh(browser, server.url, "/", "[data-composer]", signed_in=True)
            login_js = weigh(browser, server.url, "/login", "[name=username]", signed_in=False)
            opened = statistics.median(opening(browser, server.url, chat) for _ in range(OPENINGS))
            tasks = work(browser, server.url, chat)
    return Figures(chat_js, login_js, opened, *tasks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    began = time.monotonic()
    found = measure()
    rows = [
        ("chat_initial_js_gzip", found.chat.gzip_kb, "KB"),
        ("login_initial_js_gzip", found.login.gzip_kb, "KB"),
        ("long_chat_longest_task", max(found.typing_ms, found.scrolling_ms, found.streaming_ms), "ms"),
        ("long_chat_open", found.open_ms, "ms"),
    ]
    if given.json:
        print(json.dumps([{"metric": name, "value": round(value, 1), "unit": unit} for name, value, unit in rows]))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for name, weight in (("first screen of the chat", found.chat), ("the page to sign in", found.login)):
        print(f"{name}: {weight.gzip_kb:.1f} KB of JavaScript (gzip) in {weight.files} files")
    print(f"{CONVERSATIONS} conversations, one of {MESSAGES} messages:")
    print(f"  opened after {found.open_ms:.0f} ms (median of {OPENINGS}, cache empty)")
    print(f"  longest task {found.typing_ms:.0f} ms while typing, {found.scrolling_ms:.0f} ms while scrolling,")
    print(f"  {found.streaming_ms:.0f} ms while a question is sent and its answer comes in")
    print(f"measured in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
