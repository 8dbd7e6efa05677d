"""Every page at phone width, by keyboard alone, in both languages, and for those who do not see it."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.support.chat_page import answers, api, ask, button, composer, open_chat, prose
from tests.support.teller import MODEL, Teller

PAGES = [
    "/",
    "/models",
    "/models/routes",
    "/models/routes/new",
    "/settings/profile",
    "/settings/keys",
    "/models/providers",
    "/admin/people",
    "/admin/teams",
    "/admin/budgets",
    "/admin/keys",
    "/admin/usage",
    "/admin/mail",
    "/admin/server",
    "/nowhere",
]
LANGUAGES = ["en-US", "zh-CN"]

#: Controls without a name, and pictures without one, as a screen reader would find them.
UNNAMED = """() => [...document.querySelectorAll('button, a[href], input, textarea, select, [role=button], img, svg')]
  .filter((el) => el.checkVisibility() && !el.closest('[aria-hidden=true]') && el.type !== 'hidden')
  .filter((el) => !(el.tagName === 'svg' && !el.hasAttribute('role')))
  .filter((el) => !(el.getAttribute('aria-label') || el.innerText || el.textContent || el.getAttribute('alt')
    || (el.labels && [...el.labels].some((label) => label.textContent.trim()))
    || el.getAttribute('aria-labelledby') || el.querySelector('title')))
  .map((el) => el.outerHTML.slice(0, 200))"""

#: Ids that stand twice, headings that skip a level, and more or fewer than one `h1` and `main`.
STRUCTURE = """() => {
  const found = [];
  const ids = [...document.querySelectorAll('[id]')].map((el) => el.id);
  for (const id of new Set(ids)) if (ids.filter((other) => other === id).length > 1) found.push(`id ${id} twice`);
  const levels = [...document.querySelectorAll('main h1, main h2, main h3, main h4')].map((el) => +el.tagName[1]);
  levels.forEach((level, at) => {
    if (at && level > levels[at - 1] + 1) found.push(`h${level} after h${levels[at - 1]}`);
  });
  for (const one of ['h1', 'main'])
    if (document.querySelectorAll(one).length !== 1) found.push(`${document.querySelectorAll(one).length} ${one}`);
  if (!document.documentElement.lang) found.push('no language');
  if (!document.title) found.push('no title');
  return found;
}"""

#: Sentences of two or more English words among what is shown, placeholders and names for screen readers included.
ENGLISH = r"""() => {
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (parent?.checkVisibility() && !parent.closest('script, style, code, pre')) texts.push(walker.currentNode.data);
  }
  for (const el of document.querySelectorAll('[aria-label], [placeholder], [title], [alt]'))
    for (const name of ['aria-label', 'placeholder', 'title', 'alt']) texts.push(el.getAttribute(name) ?? '');
  return texts.filter((text) => /[a-z]{2,}\s+[a-z]{2,}/i.test(text)).map((text) => text.trim());
}"""
#: Proper names, as they are written everywhere.
NAMES = re.compile(
    r"^(OpenAI-compatible API|Llama 3\.2 Community|Gemma \d.*|DeepSeek-R1 Distill .*|Qwen\S* .*|SmolLM2 .*"
    r"|Hugging Face .{2})$"
)

#: Contrast of every text that is shown with what is behind it, where that is less than WCAG AA asks.
PALE = r"""() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const parse = (css) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = css; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return {r, g, b, a: a / 255}; };
  const light = ({r, g, b}) => { const [R, G, B] = [r, g, b].map((v) => { v /= 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126*R + 0.7152*G + 0.0722*B; };
  const behind = (el) => { for (; el; el = el.parentElement) { const c = parse(getComputedStyle(el).backgroundColor);
    if (c.a > 0.95) return c; } return {r: 255, g: 255, b: 255, a: 1}; };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const el = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !el || !el.checkVisibility({opacityProperty: true})) continue;
    if (el.closest('[disabled], .sr-only, script, style')) continue;
    const style = getComputedStyle(el);
    const [a, b] = [light(parse(style.color)), light(behind(el))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const large = parseFloat(style.fontSize) >= 24;
    if (ratio < (large ? 3 : 4.5)) found.push(`${ratio.toFixed(2)}: ${walker.currentNode.data.trim().slice(0, 60)}`);
  }
  return found;
}"""

MARKDOWN = r"""| column | another | a third one | and a fourth | a fifth column |
|---|---|---|---|---|
| some text here | more of it | and more | still going | the end |

```
a line of code that is far too long for a phone and therefore has to scroll inside its own box, not the page
```

averylongwordwithoutanyspacesatallthatgoesonandonandonandonandonandonandonandonandonandon

$$\sum_{i=1}^{n} \frac{a_i + b_i + c_i + d_i + e_i + f_i}{x_1 + x_2 + x_3 + x_4 + x_5 + x_6 + x_7 + x_8 + x_9}$$
"""


def settled(page: Page) -> None:
    """Everything has been loaded and drawn."""
    expect(page.get_by_role("heading", level=1).first).to_be_attached()
    expect(page.locator("[data-skeleton]")).to_have_count(0)
    page.wait_for_load_state("networkidle")


def no_sideways_scroll(page: Page) -> None:
    width = page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth]")
    assert width[0] <= width[2], width
    assert width[1] <= width[2], width
    wide = """() => [...document.querySelectorAll('main, main > *, main [class*=overflow-y-auto]')]
      .filter((el) => el.scrollWidth > el.clientWidth + 1 && getComputedStyle(el).overflowX !== 'visible')
      .map((el) => `${el.className}: ${el.scrollWidth} > ${el.clientWidth}`)"""
    assert page.evaluate(wide) == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", PAGES)
def test_every_page_fits_a_phone_and_is_named(open_page: OpenPage, path: str, language: str) -> None:
    page = open_page(path, width=375, locale=language)
    settled(page)
    no_sideways_scroll(page)
    assert page.evaluate(UNNAMED) == []
    assert page.evaluate(STRUCTURE) == []
    assert page.evaluate(PALE) == []


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_readable_in_the_dark(open_page: OpenPage, path: str) -> None:
    page = open_page(path, dark=True)
    settled(page)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(25, 23, 21)"
    assert page.evaluate(PALE) == []
    assert page.evaluate(UNNAMED) == []


#: Texts and labels that look like the id of a text that is not there.
IDS = """() => [...document.querySelectorAll('body *')]
  .flatMap((el) => [el.getAttribute('aria-label'), el.getAttribute('placeholder'),
    ...[...el.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data.trim())])
  .filter((text) => text && /^[A-Za-z0-9+/]{6}$/.test(text) && /[A-Z0-9+/]/.test(text.slice(1)) && text !== 'OpenAI')"""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", ["/login", *PAGES])
def test_every_text_of_a_page_comes_with_it(open_page: OpenPage, path: str, language: str) -> None:
    page = open_page(path, locale=language, signed_in=path != "/login")
    settled(page)
    assert page.evaluate(IDS) == []
    page.keyboard.press("?")
    page.keyboard.press("Control+k")
    assert page.evaluate(IDS) == []


@pytest.mark.parametrize("path", ["/login", *PAGES])
def test_a_chinese_page_has_no_english_sentence(open_page: OpenPage, path: str) -> None:
    page = open_page(path, locale="zh-CN", signed_in=path != "/login")
    settled(page)
    assert [text for text in page.evaluate(ENGLISH) if not NAMES.match(text)] == []


@pytest.mark.parametrize(
    ("path", "opener"),
    [
        ("/", "对话设置"),
        ("/settings/keys", "创建密钥"),
        ("/admin/people", "添加用户"),
        ("/admin/teams", "添加团队"),
    ],
)
def test_a_chinese_window_has_no_english_sentence(open_page: OpenPage, path: str, opener: str) -> None:
    page = open_page(path, locale="zh-CN")
    settled(page)
    button(page, opener).click()
    expect(page.get_by_role("dialog").locator("input, textarea").first).to_be_visible()
    assert [text for text in page.evaluate(ENGLISH) if not NAMES.match(text)] == []
    assert page.evaluate(UNNAMED) == []


def test_a_chat_fits_a_phone(open_page: OpenPage) -> None:
    page = open_page(width=375)
    open_chat(page, "echo")
    ask(page, MARKDOWN)
    expect(answers(page, "complete")).to_be_visible()
    expect(prose(page).locator(".katex-display")).to_be_visible()
    no_sideways_scroll(page)
    assert page.evaluate(UNNAMED) == []
    assert page.evaluate(PALE) == []


def test_the_drawer(open_page: OpenPage) -> None:
    page = open_page(width=375)
    expect(page.get_by_role("link", name="Models")).to_be_hidden()
    button(page, "Open navigation").click()
    drawer = page.get_by_role("dialog", name="Navigation")
    expect(drawer).to_be_visible()
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    button(page, "Open navigation").click()
    drawer.get_by_role("link", name="Models").click()
    expect(drawer).to_be_hidden()
    expect(page.get_by_role("heading", name="Models", exact=True, level=1)).to_be_visible()


def test_a_conversation_is_renamed_and_brought_back_on_a_phone(open_page: OpenPage) -> None:
    page = open_page(width=375, has_touch=True, is_mobile=True)
    for title in ("Bread recipes", "Sailing knots"):
        api(page, "POST", "conversations", {"title": title})
    page.reload()
    button(page, "Open navigation").click()
    drawer = page.get_by_role("dialog", name="Navigation")
    button(drawer, "Rename or delete “Bread recipes”").click()
    page.get_by_role("menuitem", name="Rename").click()
    field = drawer.get_by_role("textbox", name="Title")
    expect(field).to_be_focused()
    field.fill("Cake recipes")
    field.press("Enter")
    expect(drawer.get_by_role("link", name="Cake recipes")).to_be_visible()

    button(drawer, "Rename or delete “Sailing knots”").click()
    page.get_by_role("menuitem", name="Delete").click()
    expect(drawer.get_by_role("link", name="Sailing knots")).to_be_hidden()
    button(page, "Undo").click()
    expect(drawer.get_by_role("link", name="Sailing knots")).to_be_visible()


def test_the_whole_chat_by_keyboard(open_page: OpenPage) -> None:
    page = open_page()
    open_chat(page, "echo")
    expect(composer(page)).to_be_focused()
    page.keyboard.type("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    expect(composer(page)).to_have_value("one\ntwo")
    page.keyboard.press("Enter")
    expect(answers(page, "complete")).to_contain_text("two")
    expect(composer(page)).to_be_focused()


def test_tab_reaches_the_composer_and_shows_where_one_is(open_page: OpenPage) -> None:
    page = open_page("/models")
    settled(page)
    page.get_by_role("link", name="Chat").focus()
    page.keyboard.press("Enter")
    expect(composer(page)).to_be_visible()
    page.locator("body").evaluate("document.activeElement.blur()")
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            """() => { const el = document.activeElement; const style = getComputedStyle(el);
            const box = el.closest('form')?.contains(el) && el.matches('[data-composer]') ? el.closest('form') : el;
            return {composer: el.matches('[data-composer]'), shown: el.checkVisibility(),
              mark: style.outlineStyle !== 'none' || style.boxShadow !== 'none' || box !== el,
              what: el.outerHTML.slice(0, 120)}; }"""
        )
        reached.append(seen)
        if seen["composer"]:
            break
    assert reached[-1]["composer"], [seen["what"] for seen in reached]
    lost = [seen["what"] for seen in reached if not (seen["shown"] and seen["mark"])]
    assert [what for what in lost if not what.startswith("<body")] == []  # before the first one


def test_the_windows_by_keyboard(open_page: OpenPage) -> None:
    page = open_page("/models")
    settled(page)
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(sheet).to_be_visible()
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()

    page.keyboard.press("Control+k")
    palette = page.get_by_role("combobox", name="Search and go to")
    expect(palette).to_be_focused()
    page.keyboard.type("sett")
    expect(page.get_by_role("option", selected=True)).to_have_text(re.compile("Settings"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/settings"))
    expect(palette).to_be_hidden()
    page.keyboard.press("Control+k")
    expect(palette).to_be_focused()
    page.keyboard.press("Escape")
    expect(palette).to_be_hidden()
    page.keyboard.press("Control+Shift+o")
    expect(composer(page)).to_be_focused()
    page.keyboard.type("What is this?")  # in the composer, a question mark is one
    expect(composer(page)).to_have_value("What is this?")


def test_the_enter_of_an_input_method_does_not_send(open_page: OpenPage) -> None:
    page = open_page()
    open_chat(page, "echo")
    field = composer(page)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    field.fill("nihao")
    field.dispatch_event("compositionstart")
    field.dispatch_event("keydown", {"key": "Enter", "isComposing": True, "bubbles": True, "cancelable": True})
    field.dispatch_event("keydown", {"key": "Enter", "keyCode": 229, "bubbles": True, "cancelable": True})
    field.dispatch_event("compositionend")
    expect(field).to_have_value("nihao")
    assert sent == []
    field.press("Enter")
    expect(prose(page)).to_have_text("nihao")


def test_an_input_method_writes_into_the_composer(open_page: OpenPage, teller: Teller) -> None:
    """A real composition, as the browser itself reports one."""
    page = open_page(locale="zh-CN")
    open_chat(page, MODEL)
    composer(page).focus()
    session = page.context.new_cdp_session(page)
    session.send("Input.imeSetComposition", {"text": "nihao", "selectionStart": 5, "selectionEnd": 5})
    session.send(
        "Input.dispatchKeyEvent",
        {"type": "rawKeyDown", "key": "Process", "code": "Enter", "windowsVirtualKeyCode": 229},
    )
    expect(answers(page)).to_have_count(0)
    session.send("Input.insertText", {"text": "你好"})
    expect(composer(page)).to_have_value("你好")
    page.keyboard.press("Enter")
    story = teller.next()
    assert story.prompt == "你好"
    story.end()
