"""Invitations and forgotten passwords, from the page through the letter to the page of its link."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.support.chat_page import api, button, composer
from tests.support.mail import MailThread, link_of, text_of
from tests.support.running import RunningServer

OLD, NEW = "an old phrase of theirs", "a new phrase of theirs"


@pytest.fixture
def post(server: RunningServer) -> Iterator[MailThread]:
    """A mail server, entered in the settings beside the public address."""
    with MailThread() as post:
        with server.log_in() as client:
            client.put("/api/v1/settings/site", json={"settings": {"public_url": server.url}}).raise_for_status()
            client.put("/api/v1/settings/mail", json={"settings": post.server.settings}).raise_for_status()
        yield post
        with server.log_in() as client:
            for section in ("site", "mail"):
                client.put(f"/api/v1/settings/{section}", json={"settings": {}}).raise_for_status()


def sign_in_by_form(page: Page, name: str, password: str) -> None:
    page.locator("[name=username]").fill(name)
    page.locator("[type=password]").fill(password)
    page.locator("[type=submit]").click()


def path_of(link: str) -> str:
    """The way of a link under its server."""
    parts = urlsplit(link)
    return f"{parts.path}#{parts.fragment}"


def test_who_is_invited_makes_an_account_by_the_letter(open_page: OpenPage, post: MailThread) -> None:
    page = open_page("/admin/people")
    api(page, "POST", "groups", {"name": "Guests"})
    page.reload()
    button(page, "Invite somebody").click()
    window = page.get_by_role("dialog")
    window.get_by_label("E-mail address").fill("guest@example.com")
    window.get_by_role("checkbox", name="Guests").check()
    window.get_by_label("Language of the letter").select_option("zh-CN")
    button(window, "Invite").click()
    expect(window).to_contain_text("A letter to guest@example.com is on its way.")
    shown = window.locator("code").inner_text()
    button(window, "Done").click()
    row = page.get_by_role("listitem").filter(has_text="guest@example.com")
    expect(row).to_contain_text("Guests")
    expect(row).to_contain_text("invited by ada")
    (letter,) = post.came()
    assert letter["to"] == "guest@example.com"
    assert letter["subject"] == "邀请您使用 Inglenook"
    assert link_of(letter) == shown

    guest = open_page(path_of(link_of(letter)), signed_in=False, locale="zh-CN", width=375)
    expect(guest.get_by_text("ada 邀请你加入。")).to_be_visible()
    expect(guest.get_by_text("guest@example.com")).to_be_visible()
    referers: list[str] = []
    guest.on("request", lambda request: referers.append(request.url + request.headers.get("referer", "")))
    guest.get_by_label("用户名").fill("guest")
    guest.get_by_label("密码").fill(OLD)
    button(guest, "创建账号").click()
    expect(composer(guest)).to_be_visible()
    assert "token" not in guest.url
    assert [seen for seen in referers if "token" in seen] == []
    me = api(guest, "GET", "session")["user"]
    assert (me["email"], me["language"], [group["name"] for group in me["groups"]]) == (
        "guest@example.com",
        "zh-CN",
        ["Guests"],
    )

    again = open_page(path_of(shown), signed_in=False)
    expect(again.get_by_role("alert")).to_contain_text("This link was used already, or has run out")
    again.get_by_role("link", name="Sign in").click()
    sign_in_by_form(again, "guest", OLD)
    expect(composer(again)).to_be_visible()
    page.reload()
    expect(page.get_by_text("guest", exact=True).first).to_be_visible()
    expect(row).to_be_hidden()


def test_without_a_mail_server_the_link_is_copied(open_page: OpenPage) -> None:
    page = open_page("/admin/people")
    button(page, "Invite somebody").click()
    window = page.get_by_role("dialog")
    expect(window).to_contain_text("this server sends no e-mails yet")
    button(window, "Invite").click()
    link = window.locator("code").inner_text()
    button(window, "Done").click()
    row = page.get_by_role("listitem").filter(has_text="somebody with the link")
    expect(row).to_be_visible()
    button(row, "New link for somebody with the link").click()
    renewed = window.locator("code").inner_text()
    assert renewed != link
    button(window, "Done").click()
    former = open_page(path_of(link), signed_in=False)
    expect(former.get_by_role("alert")).to_contain_text("Ask whoever invited you for a new link.")
    visitor = open_page(path_of(renewed), signed_in=False)
    visitor.get_by_label("User name").fill("ADA")
    visitor.get_by_label("Password").fill(OLD)
    button(visitor, "Create account").click()
    expect(visitor.get_by_label("User name")).to_have_attribute("aria-invalid", "true")
    button(row, "Take back the invitation of somebody with the link").click()
    button(page.get_by_role("alertdialog"), "Take back").click()
    expect(row).to_be_hidden()
    visitor.get_by_label("User name").fill("late")
    button(visitor, "Create account").click()
    expect(visitor.get_by_role("alert")).to_contain_text("used already, or has run out")

    forgetful = open_page("/login", signed_in=False)
    forgetful.get_by_role("link", name="Forgot your password?").click()
    expect(forgetful.get_by_text("This server sends no e-mails.")).to_be_visible()


def test_a_forgotten_password_is_chosen_anew_by_the_letter(open_page: OpenPage, post: MailThread) -> None:
    admin = open_page("/admin/people")
    body = {"name": "scatter", "password": OLD, "role": "member", "email": "scatter@example.com"}
    api(admin, "POST", "users", body)
    old = open_page("/login", signed_in=False)
    sign_in_by_form(old, "scatter", OLD)
    expect(composer(old)).to_be_visible()

    page = open_page("/login", signed_in=False)
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("User name or e-mail address").fill("Scatter@example.com")
    button(page, "Send the link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Look into your mailbox")
    (letter,) = post.came()
    assert letter["to"] == "scatter@example.com"
    assert "within 60 minutes" in text_of(letter)

    page.goto(link_of(letter))
    expect(page.get_by_text("You sign in as scatter.")).to_be_visible()
    page.get_by_label("New password").fill(NEW)
    button(page, "Change password").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert "token" not in page.url
    old.reload()
    expect(old.get_by_role("heading", level=1)).to_have_text("Sign in")
    sign_in_by_form(page, "scatter", OLD)
    expect(page.get_by_role("alert")).to_be_visible()
    sign_in_by_form(page, "scatter", NEW)
    expect(composer(page)).to_be_visible()
    page.goto(link_of(letter))
    expect(page.get_by_role("alert")).to_contain_text("used already")


def test_an_administrator_hands_a_link_on(open_page: OpenPage) -> None:
    page = open_page("/admin/people")
    api(page, "POST", "users", {"name": "distant", "password": OLD, "role": "member"})
    page.reload()
    button(page, "More for distant").click()
    page.get_by_role("menuitem", name="New password").click()
    window = page.get_by_role("dialog")
    button(window, "Make a link").click()
    link = window.locator("code").inner_text()
    user = open_page(path_of(link), signed_in=False)
    user.get_by_label("New password").fill(NEW)
    button(user, "Change password").click()
    sign_in_by_form(user, "distant", NEW)
    expect(composer(user)).to_be_visible()


def test_e_mail_is_set_up_and_tried(open_page: OpenPage, server: RunningServer) -> None:
    with MailThread() as post:
        page = open_page("/admin/mail")
        expect(button(page, "Send a test letter")).to_be_disabled()
        mail = page.get_by_role("region", name="E-mail")
        mail.get_by_label("Mail server").fill("mail.example.com")
        mail.get_by_label("Encryption").select_option("none")
        mail.get_by_label("Sender").fill("Inglenook <ai@house.test>")
        button(mail, "Save").click()
        expect(mail.get_by_label("Encryption")).to_have_attribute("aria-invalid", "true")
        mail.get_by_label("Mail server").fill("127.0.0.1")
        mail.get_by_label("Port").fill("1")
        button(mail, "Save").click()
        expect(page.get_by_text("Saved.")).to_be_visible()
        test = page.get_by_role("region", name="Test")
        test.get_by_label("Send a test letter to").fill("bob@example.com")
        button(test, "Send a test letter").click()
        expect(test.get_by_role("alert")).to_contain_text("Nobody listens at that port.")
        mail.get_by_label("Port").fill(str(post.server.port))
        with page.expect_response(lambda response: response.request.method == "PUT" and response.ok):
            button(mail, "Save").click()
        expect(mail.get_by_label("Port")).to_have_value(str(post.server.port))
        test.get_by_label("Send a test letter to").fill("bob@example.com")
        button(test, "Send a test letter").click()
        expect(test.get_by_role("status")).to_contain_text("bob@example.com")
        (letter,) = post.came()
        assert letter["subject"] == "E-mails from Inglenook arrive"

        post.server.refuse = "550 nobody of that name"
        site = page.get_by_role("region", name="This server")
        site.get_by_label("Public address").fill(server.url)
        with page.expect_response(lambda response: response.request.method == "PUT" and response.ok):
            button(site, "Save").click()
        api(page, "POST", "invitations", {"email": "lost@example.com"})
        post.asked()
        page.reload()
        row = page.get_by_role("listitem").filter(has_text="lost@example.com")
        expect(row).to_contain_text(re.compile("nobody of that name"))
        expect(row).to_contain_text("given up")
        button(row, "Throw away: lost@example.com").click()
        expect(row).to_be_hidden()
    with server.log_in() as client:
        for section in ("site", "mail"):
            client.put(f"/api/v1/settings/{section}", json={"settings": {}}).raise_for_status()


def test_ones_own_address_is_changed_with_the_password(open_page: OpenPage) -> None:
    admin = open_page("/admin/people")
    api(admin, "POST", "users", {"name": "mover", "password": OLD, "role": "member"})
    page = open_page("/login", signed_in=False)
    sign_in_by_form(page, "mover", OLD)
    expect(composer(page)).to_be_visible()
    page.goto(page.url.rstrip("/") + "/settings/profile")
    section = page.get_by_role("region", name="E-mail")
    section.get_by_label("E-mail address").fill("mover@example.com")
    section.get_by_label("Your password").fill("not this one at all")
    button(section, "Save").click()
    expect(section.get_by_label("Your password")).to_have_attribute("aria-invalid", "true")
    section.get_by_label("Your password").fill(OLD)
    button(section, "Save").click()
    expect(page.get_by_text("Saved")).to_be_visible()
    assert api(page, "GET", "session")["user"]["email"] == "mover@example.com"
