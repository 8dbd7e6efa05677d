"""The chat page against a real server: what one does there, and what may go wrong meanwhile."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.e2e.conftest import OpenPage, add_teller, sign_in
from tests.support.chat_page import answers, api, ask, button, composer, open_chat, prose, root
from tests.support.relay import Relay
from tests.support.running import RunningServer
from tests.support.teller import MODEL, Teller

LONG = " ".join(f"word{number}" for number in range(200))


def script(*steps: dict[str, object]) -> str:
    """A prompt that the scripted provider's models follow."""
    return json.dumps({"steps": steps})


def test_an_answer_appears_piece_by_piece(open_page: OpenPage, teller: Teller) -> None:
    page = open_page()
    open_chat(page, MODEL)
    ask(page, "Tell me a story")
    story = teller.next()
    assert story.prompt == "Tell me a story"
    expect(answers(page, "streaming")).to_be_visible()
    story.say("Once ", "upon ")
    expect(prose(page)).to_have_text("Once upon")
    story.say("a time.\n\nThe ", "end")
    expect(prose(page)).to_have_text(re.compile(r"Once upon a time\.\s*The end"))
    story.end()
    expect(answers(page, "complete")).to_be_visible()
    expect(prose(page)).to_have_text(re.compile(r"^Once upon a time\.\s*The end$"))
    expect(page.locator("[data-usage]")).to_contain_text("12 tokens")
    expect(composer(page)).to_have_value("")


def test_an_answer_stays_drawn_when_it_is_whole(open_page: OpenPage, teller: Teller) -> None:
    page = open_page()
    open_chat(page, MODEL)
    ask(page, "Tell me a story")
    story = teller.next()
    story.say("First part.\n\nSecond part.\n\nThird")
    expect(prose(page)).to_contain_text("Third")
    block = prose(page).locator(".block").first
    block.evaluate("block => { block.drawnBefore = true; }")
    story.say(" part.")
    story.end()
    expect(answers(page, "complete")).to_be_visible()
    expect(prose(page)).to_contain_text("Third part.")
    assert block.evaluate("block => block.drawnBefore === true")


def test_markdown_code_and_formulas(open_page: OpenPage) -> None:
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_chat(page, "echo")
    ask(
        page,
        "# Title\n\n**bold** and `code`\n\n```python\nprint('hi')\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
        "Euler: $e^{i\\pi}+1=0$ and \\[\\int_0^1 x\\,dx\\]\n\nIt costs $5 or $6.",
    )
    text = prose(page)
    expect(answers(page, "complete")).to_be_visible()
    expect(text.locator("h1")).to_have_text("Title")
    expect(text.locator("strong")).to_have_text("bold")
    expect(text.locator("table td").first).to_have_text("1")
    expect(text.locator(".katex")).to_have_count(2)
    expect(text).to_contain_text("It costs $5 or $6.")
    block = text.locator(".code-block")
    expect(block).to_contain_text("python")
    expect(block.locator("code span").first).to_be_visible()  # coloured
    button(block, "Copy").click()
    expect(button(block, "Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "print('hi')"


def test_stop_keeps_what_arrived_and_continue_goes_on(open_page: OpenPage, teller: Teller) -> None:
    page = open_page()
    open_chat(page, MODEL)
    ask(page, "Count")
    story = teller.next()
    story.say("one ", "two ")
    expect(prose(page)).to_have_text("one two")
    button(page, "Stop the answer").click()
    expect(page.get_by_text("You stopped this answer.")).to_be_visible()
    assert story.left.wait(15)  # the provider was let go
    expect(prose(page)).to_have_text("one two")

    button(page, "Continue").click()
    more = teller.next()
    more.say("three ", "four")
    expect(prose(page)).to_have_text("one two three four")
    more.end()
    expect(answers(page, "complete")).to_have_count(1)
    expect(prose(page)).to_have_text("one two three four")


def test_escape_stops(open_page: OpenPage, teller: Teller) -> None:
    page = open_page()
    open_chat(page, MODEL)
    ask(page, "Count")
    teller.next().say("one ")
    expect(prose(page)).to_have_text("one")
    composer(page).press("Escape")
    expect(answers(page, "stopped")).to_be_visible()


def test_regenerate_makes_another_version(open_page: OpenPage, teller: Teller) -> None:
    page = open_page()
    open_chat(page, MODEL)
    ask(page, "Pick a number")
    for number in ("seven", "eight"):
        story = teller.next()
        story.say(number)
        story.end()
        expect(answers(page, "complete")).to_be_visible()
        expect(prose(page)).to_have_text(number)
        if number == "seven":
            button(page, "Answer again").click()
    versions = page.get_by_role("group", name="Version 2/2")
    expect(versions).to_be_visible()
    button(versions, "Previous version").click()
    expect(prose(page)).to_have_text("seven")
    page.reload()
    expect(prose(page)).to_have_text("seven")
    button(page, "Next version").click()
    expect(prose(page)).to_have_text("eight")


def test_editing_a_question_keeps_the_old_one(open_page: OpenPage) -> None:
    page = open_page()
    open_chat(page, "echo")
    ask(page, "first thought")
    expect(prose(page)).to_have_text("first thought")
    expect(answers(page, "complete")).to_be_visible()
    composer(page).press("ArrowUp")
    field = page.get_by_role("textbox", name="Edit your message")
    field.fill("second thought")
    field.press("Enter")
    expect(prose(page)).to_have_text("second thought")
    expect(answers(page)).to_have_count(1)
    button(page.get_by_role("group", name="Version 2/2"), "Previous version").click()
    expect(prose(page)).to_have_text("first thought")


def test_settings_of_a_chat_reach_the_model(open_page: OpenPage, teller: Teller) -> None:
    page = open_page()
    chat = open_chat(page, MODEL)
    button(page, "Chat settings").click()
    page.get_by_label("System prompt").fill("You are a pirate.")
    page.get_by_label("Temperature").fill("3")
    expect(page.get_by_role("alert")).to_contain_text("from 0 to 2")
    expect(button(page, "Save")).to_be_disabled()
    page.get_by_label("Temperature").fill("0.3")
    page.get_by_label("Longest answer, in tokens").fill("55")
    button(page, "Save").click()
    expect(page.get_by_label("System prompt")).to_be_hidden()
    ask(page, "Hello")
    story = teller.next()
    assert story.body["messages"][0] == {"role": "system", "content": "You are a pirate."}
    assert (story.body["temperature"], story.body["max_tokens"]) == (0.3, 55)
    story.say("Arr")
    story.end("length")
    expect(page.get_by_text("The answer reached its longest length.")).to_be_visible()
    assert api(page, "GET", f"conversations/{chat}")["settings"]["sampling"]["temperature"] == 0.3


def test_the_model_is_picked_in_the_header(open_page: OpenPage, teller: Teller) -> None:
    page = open_page()
    page.get_by_role("button", name=re.compile("^Model|^Choose a model")).click()
    page.get_by_role("combobox", name="Search models").fill(MODEL)
    page.get_by_role("option", name=re.compile(MODEL)).click()
    expect(button(page, f"Model: {MODEL}")).to_be_visible()
    ask(page, "Who are you?")
    story = teller.next()
    story.say("A story.")
    story.end()
    expect(page).to_have_url(re.compile("/c/conv"))
    expect(answers(page, "complete")).to_be_visible()


def test_conversations_are_renamed_found_and_deleted(open_page: OpenPage) -> None:
    page = open_page()
    for title in ("Bread recipes", "Sailing knots"):
        api(page, "POST", "conversations", {"title": title})
    page.reload()
    titles = page.get_by_role("region", name="Conversations")
    titles.get_by_role("link", name="Bread recipes").hover()
    button(page, "Rename or delete “Bread recipes”").click()
    page.get_by_role("menuitem", name="Rename").click()
    page.get_by_role("textbox", name="Title").fill("Cake recipes")
    page.get_by_role("textbox", name="Title").press("Enter")
    expect(titles.get_by_role("link", name="Cake recipes")).to_be_visible()

    search = page.get_by_role("searchbox", name="Search conversations by title")
    search.fill("KNOTS")
    expect(titles.get_by_role("link", name="Sailing knots")).to_be_visible()
    expect(titles.get_by_role("link", name="Cake recipes")).to_be_hidden()
    search.fill("zebra")
    expect(titles.get_by_text("No title contains this.")).to_be_visible()
    search.fill("")

    def delete() -> None:
        titles.get_by_role("link", name="Cake recipes").hover()
        button(page, "Rename or delete “Cake recipes”").click()
        page.get_by_role("menuitem", name="Delete").click()
        expect(titles.get_by_role("link", name="Cake recipes")).to_be_hidden()

    delete()
    button(page, "Undo").click()
    expect(titles.get_by_role("link", name="Cake recipes")).to_be_visible()
    delete()
    with page.context.expect_event("request", lambda request: request.method == "DELETE", timeout=15_000):
        pass
    page.reload()
    expect(titles.get_by_role("link", name="Sailing knots")).to_be_visible()
    expect(titles.get_by_role("link", name="Cake recipes")).to_be_hidden()


def test_leaving_the_page_carries_out_a_deletion(open_page: OpenPage) -> None:
    page = open_page()
    home = root(page)
    made = api(page, "POST", "conversations", {"title": "Short-lived"})
    page.reload()
    page.get_by_role("link", name="Short-lived").hover()
    button(page, "Rename or delete “Short-lived”").click()
    page.get_by_role("menuitem", name="Delete").click()
    page.goto("about:blank")
    _until_gone(page, f"{home}/api/v1/conversations/{made['id']}")


def _until_gone(page: Page, url: str) -> None:
    """The request that a leaving page sends is seen by nobody but the server, which may get it a moment later."""
    deadline = time.monotonic() + 10
    while page.context.request.get(url).status != 404:
        assert time.monotonic() < deadline


def test_a_conversation_is_asked_for_beside_the_session(open_page: OpenPage) -> None:
    page = open_page()
    chat = open_chat(page, "echo")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    held: list[Route] = []
    page.route("**/api/v1/session", lambda route: held.append(route))
    # Nobody has been told yet who is signed in.
    with page.expect_request(re.compile(f"/api/v1/conversations/{chat}$")), page.expect_request("**/api/v1/session"):
        page.reload(wait_until="commit")
    expect(composer(page)).to_be_hidden()
    held[0].continue_()
    expect(composer(page)).to_be_visible()
    assert len([url for url in asked if url.endswith(chat) and "/api/" in url]) == 1


def test_a_reload_and_a_second_tab_catch_up(open_page: OpenPage, teller: Teller) -> None:
    page = open_page()
    open_chat(page, MODEL)
    ask(page, "Tell me a long story")
    story = teller.next()
    words = LONG.split(" ")
    story.say(*(f"{word} " for word in words[:80]))
    expect(prose(page)).to_contain_text("word79")
    page.reload()
    expect(prose(page)).to_have_text(" ".join(words[:80]))
    other = page.context.new_page()
    other.goto(page.url)
    expect(prose(other)).to_have_text(" ".join(words[:80]))
    story.say(*(f"{word} " for word in words[80:150]))
    for tab in (page, other):
        expect(prose(tab)).to_have_text(" ".join(words[:150]))
        expect(answers(tab, "streaming")).to_be_visible()
    story.say(*(f"{word} " for word in words[150:]))
    story.end()
    for tab in (page, other):
        expect(answers(tab, "complete")).to_be_visible()
        expect(prose(tab)).to_have_text(LONG)


def test_a_broken_network_costs_nothing(
    server: RunningServer, new_context: Callable[..., BrowserContext], teller: Teller
) -> None:
    with Relay(server.url) as relay:
        context = new_context()
        sign_in(context, relay.url)
        page = context.new_page()
        page.goto(relay.url)
        open_chat(page, MODEL)
        ask(page, "Go on")
        story = teller.next()
        story.say("before ")
        expect(prose(page)).to_have_text("before")
        relay.cut()
        expect(page.get_by_text("The connection broke; it is being restored.")).to_be_visible()
        story.say("meanwhile ")
        relay.mend()
        story.say("after")
        expect(prose(page)).to_have_text("before meanwhile after", timeout=20_000)
        expect(page.get_by_text("The connection broke; it is being restored.")).to_be_hidden()
        story.end()
        expect(answers(page, "complete")).to_be_visible()
        expect(prose(page)).to_have_text("before meanwhile after")


def test_closing_the_tab_does_not_stop_the_answer(open_page: OpenPage, teller: Teller) -> None:
    page = open_page()
    chat = open_chat(page, MODEL)
    ask(page, "Go on without me")
    story = teller.next()
    story.say("begun ")
    expect(prose(page)).to_have_text("begun")
    context, url = page.context, page.url
    page.close()
    story.say("and finished")
    story.end()
    again = context.new_page()
    again.goto(url)
    expect(answers(again, "complete")).to_be_visible()
    expect(prose(again)).to_have_text("begun and finished")
    assert api(again, "GET", f"conversations/{chat}")["messages"][1]["text"] == "begun and finished"


def test_a_killed_server_leaves_an_answer_that_can_be_continued(
    tmp_path: Path, new_context: Callable[..., BrowserContext], teller: Teller
) -> None:
    env = {"INGLENOOK_ALLOW_PRIVATE": '["127.0.0.1"]'}
    with RunningServer(tmp_path / "data", **env) as server:
        with server.set_up() as client:
            add_teller(client, teller)
        context = new_context()
        sign_in(context, server.url)
        page = context.new_page()
        page.goto(server.url)
        open_chat(page, MODEL)
        ask(page, "Tell me")
        story = teller.next()
        story.say("What had ", "arrived ")
        expect(prose(page)).to_have_text("What had arrived")
        _until_journaled(page)
        path = page.url.removeprefix(server.url)
        server.kill()
    with RunningServer(tmp_path / "data", "--port", server.url.rpartition(":")[2], **env) as server:
        page.goto(server.url + path)
        expect(answers(page, "interrupted")).to_be_visible()
        expect(prose(page)).to_have_text("What had arrived")
        expect(page.get_by_text("The server stopped while it wrote this.")).to_be_visible()
        button(page, "Continue").click()
        more = teller.next()
        more.say("is kept.")
        more.end()
        expect(answers(page, "complete")).to_be_visible()
        expect(prose(page)).to_have_text("What had arrived is kept.")


def _until_journaled(page: Page) -> None:
    """Slices are written about ten times a second: a tab that begins now is shown the journal and the tail."""
    other = page.context.new_page()
    other.goto(page.url)
    expect(prose(other)).to_have_text("What had arrived")
    other.close()


@pytest.mark.parametrize(
    ("model", "says"),
    [("error-429", "429"), ("error-500", "500"), ("cut", "The line broke"), ("silent-cut", "")],
)
def test_a_failing_provider_is_told_and_can_be_tried_again(open_page: OpenPage, model: str, says: str) -> None:
    page = open_page()
    open_chat(page, model)
    ask(page, "Hello")
    failed = answers(page, "failed")
    expect(failed).to_be_visible()
    expect(failed).to_contain_text(says)
    expect(failed.get_by_role("button", name=re.compile("Try again|Continue"))).to_be_visible()


def test_a_failure_is_explained_in_the_readers_language(open_page: OpenPage) -> None:
    page = open_page(locale="zh-CN")
    open_chat(page, "echo")
    details = {"prompt_tokens": 9000, "context_length": 4096}
    ask(page, script({"text": "Half of it"}, {"error": {"status": 502, "message": "the line broke"}}))
    failed = answers(page, "failed")
    expect(failed).to_contain_text("服务商没有正常响应：the line broke")
    ask(page, script({"error": {"code": "context_too_long", "message": "too long", "details": details}}))
    expect(failed.last).to_contain_text("共 9000 个 token，而模型一次最多读 4096 个")
    expect(failed.last).not_to_contain_text("too long")


def test_a_cut_prompt_is_told(open_page: OpenPage) -> None:
    page = open_page()
    open_chat(page, "notice")
    ask(page, "Hello")
    expect(answers(page, "complete")).to_contain_text(re.compile("longer than the model can read.*9,000.*4,096"))
    page.reload()
    expect(answers(page, "complete")).to_contain_text("answered without the 3 oldest messages")


def test_thoughts_are_folded_away(open_page: OpenPage) -> None:
    page = open_page()
    open_chat(page, "think")
    ask(page, "Why?")
    expect(prose(page)).to_have_text("I have thought about it.")
    page.get_by_text("Thoughts", exact=True).click()
    expect(answers(page)).to_contain_text("They said: Why?")


EVIL = """
<script>window.pwned = 1</script>
<img src=x onerror="window.pwned = 2">
<iframe srcdoc="<script>parent.pwned = 3</script>"></iframe>
<svg onload="window.pwned = 4"></svg>
<a href="javascript:window.pwned=5">html link</a>

[markdown link](javascript:window.pwned=6) [data](data:text/html,<script>window.pwned=7</script>)

![picture](https://example.com/tracker.png)

```html"><img src=x onerror=window.pwned=8>
<script>window.pwned = 9</script>
```

$\\href{javascript:window.pwned=10}{x}$
"""


def test_an_evil_answer_does_nothing(open_page: OpenPage) -> None:
    page = open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_chat(page, "echo")
    ask(page, EVIL)
    expect(answers(page, "complete")).to_be_visible()
    text = prose(page)
    expect(text.locator(".katex")).to_be_visible()
    for link in text.locator("a").all():
        assert not re.match(r"\s*(javascript|data):", link.get_attribute("href") or "", re.IGNORECASE)
    expect(text.locator("script, iframe, img, svg[onload]")).to_have_count(0)
    for name in ("markdown link", "data"):
        text.get_by_text(name, exact=True).click(modifiers=["Control"])
    assert page.evaluate("window.pwned ?? null") is None
    assert not [url for url in asked if "example.com" in url]


def test_two_tabs_show_the_same(open_page: OpenPage, teller: Teller) -> None:
    page = open_page()
    open_chat(page, MODEL)
    other = page.context.new_page()
    other.goto(page.url)
    expect(composer(other)).to_be_visible()
    ask(page, "Tell me a story")
    story = teller.next()
    story.say("Once upon a time")
    for tab in (page, other):
        expect(prose(tab)).to_have_text("Once upon a time")
    expect(other).to_have_title("Tell me a story · Inglenook")
    story.end()
    for tab in (page, other):
        expect(answers(tab, "complete")).to_be_visible()

    row = page.get_by_role("region", name="Conversations").get_by_role("link", name="Tell me a story").first
    row.dblclick()
    page.get_by_role("textbox", name="Title").fill("The story")
    page.get_by_role("textbox", name="Title").press("Enter")
    expect(other).to_have_title("The story · Inglenook")
    api(page, "DELETE", f"conversations/{page.url.rsplit('/', 1)[1]}")
    other.bring_to_front()
    ask(other, "And then?")  # it was deleted elsewhere, on another device
    expect(other.get_by_role("link", name="Start a new chat")).to_be_visible()


def test_a_server_that_comes_back_is_found_without_a_reload(
    tmp_path: Path, new_context: Callable[..., BrowserContext], teller: Teller
) -> None:
    env = {"INGLENOOK_ALLOW_PRIVATE": '["127.0.0.1"]'}
    with RunningServer(tmp_path / "data", **env) as server:
        with server.set_up() as client:
            add_teller(client, teller)
        port = server.url.rsplit(":", 1)[1]
        context = new_context()
        sign_in(context, server.url)
        page = context.new_page()
        page.goto(server.url)
        open_chat(page, MODEL)
        ask(page, "Tell me")
        teller.next().say("What had ", "arrived ")
        expect(prose(page)).to_have_text("What had arrived")
        _until_journaled(page)
        server.kill()
        expect(page.get_by_text("The connection broke; it is being restored.")).to_be_visible()
        composer(page).fill("Written meanwhile")
    with RunningServer(tmp_path / "data", "--port", port, **env):
        expect(answers(page, "interrupted")).to_be_visible(timeout=30_000)
        expect(prose(page)).to_have_text("What had arrived")
        expect(composer(page)).to_have_value("Written meanwhile")
        composer(page).press("Enter")
        story = teller.next()
        assert story.prompt == "Written meanwhile"
        story.say("Here again")
        story.end()
        expect(answers(page, "complete")).to_be_visible()


def test_pages_work_without_a_network(open_page: OpenPage) -> None:
    """The server may be this very machine: that it is offline says nothing about reaching it."""
    page = open_page()
    expect(composer(page)).to_be_visible()
    page.evaluate("window.dispatchEvent(new Event('offline'))")
    page.get_by_role("link", name="Models").click()
    expect(page.get_by_role("heading", name="On this machine")).to_be_visible()
    page.get_by_role("link", name="Settings").click()
    page.get_by_label("Name shown here").fill("Ada")
    button(page, "Save").first.click()
    expect(page.get_by_text("Saved")).to_be_visible()


def test_the_last_question_is_edited_from_below_a_long_answer(open_page: OpenPage) -> None:
    page = open_page()
    open_chat(page, "echo")
    ask(page, "\n\n".join(f"Paragraph {number}" for number in range(80)))
    expect(answers(page, "complete")).to_contain_text("Paragraph 79")
    expect(page.locator('[data-role="user"]')).not_to_be_in_viewport()
    composer(page).press("ArrowUp")
    field = page.get_by_role("textbox", name="Edit your message")
    expect(field).to_be_in_viewport()
    field.fill("Shorter")
    field.press("Enter")
    expect(prose(page)).to_have_text("Shorter")


def test_on_touch_enter_begins_a_line(open_page: OpenPage) -> None:
    page = open_page(width=375, has_touch=True, is_mobile=True)
    open_chat(page, "echo")
    composer(page).tap()
    page.keyboard.type("one")
    page.keyboard.press("Enter")
    page.keyboard.type("two")
    expect(composer(page)).to_have_value("one\ntwo")
    button(page, "Send").tap()
    expect(prose(page)).to_have_text(re.compile(r"one\s+two"))
