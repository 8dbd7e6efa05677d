"""Somebody is invited, and makes their account by the link."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from inglenook.accounts.principal import CONSOLE, Role
from inglenook.accounts.service import Accounts
from inglenook.accounts.tables import Audit, Invitation
from inglenook.kit.time import now_ms
from tests.accounts.conftest import PASSWORD, Web
from tests.support.mail import MailServer, link_of, text_of


async def invite(admin: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await admin.post("invitations", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    made: dict[str, Any] = answer.json()
    return made


def token_of(link: str) -> str:
    return link.partition("#token=")[2]


async def accept(browser: httpx.AsyncClient, token: str, name: str = "bob", **body: Any) -> httpx.Response:
    return await browser.post("invitations/accept", json={"token": token, "name": name, "password": PASSWORD, **body})


async def test_who_is_invited_gets_a_letter_and_makes_an_account(web: Web, post: MailServer) -> None:
    admin = await web.signed_in("ada", Role.ADMIN)
    group = (await admin.post("groups", json={"name": "Research"})).json()["id"]
    body = {"email": "Bob@example.com", "groups": [group], "days": 3, "language": "zh-CN"}
    made = await invite(admin, **body)
    assert made["sent"]
    assert made["link"] == f"https://house.test/ai{made['path']}"
    (letter,) = await post.came()
    assert letter["to"] == "Bob@example.com"
    assert letter["subject"] == "邀请您使用 Inglenook"
    assert "ada" in text_of(letter)
    assert "3 天" in text_of(letter)
    assert link_of(letter) == made["link"]

    browser = await web.browser()
    token = token_of(link_of(letter))
    look = await browser.post("invitations/look", json={"token": token})
    assert look.json() == {"email": "Bob@example.com", "invited_by": "ada", "expires_at": made["expires_at"]}
    answer = await accept(browser, token, display_name="Bob B.")
    assert answer.status_code == 201, answer.text
    user = answer.json()["user"]
    assert (user["name"], user["display_name"], user["role"]) == ("bob", "Bob B.", "member")
    assert (user["email"], user["language"]) == ("Bob@example.com", "zh-CN")
    assert [one["name"] for one in user["groups"]] == ["Research"]
    assert (await browser.get("me/../session")).json()["user"]["name"] == "bob"  # signed in at once

    again = await accept(await web.browser(), token, "eve")
    assert (again.status_code, again.json()["error"]["code"]) == (403, "link_spent")
    assert (await admin.get("invitations")).json() == []


async def test_without_a_mail_server_the_link_is_handed_on(web: Web) -> None:
    admin = await web.signed_in("ada", Role.ADMIN)
    made = await invite(admin, role="admin")
    assert (made["sent"], made["link"], made["email"]) == (False, None, None)
    assert made["path"].startswith("/invite#token=")
    answer = await accept(await web.browser(), token_of(made["path"]))
    assert answer.json()["user"]["role"] == "admin"
    assert await web.accounts.outbox.waiting() == []


async def test_the_link_is_never_made_of_what_a_request_says(web: Web, accounts: Accounts, server: MailServer) -> None:
    await accounts.settings.put(CONSOLE, "mail", server.settings)  # but our own address is not known
    await web.signed_in("ada", Role.ADMIN)
    admin = await web.browser(host="evil.test", **{"x-forwarded-host": "evil.test"})
    await admin.post("session", json={"name": "ada", "password": PASSWORD})
    made = await invite(admin, email="bob@example.com")
    assert (made["link"], made["sent"]) == (None, False)
    assert server.letters == []


async def test_a_new_link_ends_the_old_one_and_an_invitation_can_be_taken_back(web: Web, post: MailServer) -> None:
    admin = await web.signed_in("ada", Role.ADMIN)
    first = await invite(admin, email="bob@example.com")
    await post.came(1)
    second = (await admin.post(f"invitations/{first['id']}/renew")).json()
    assert second["id"] == first["id"]
    letters = await post.came(2)
    assert [link_of(letter) for letter in letters] == [first["link"], second["link"]]
    browser = await web.browser()
    look = await browser.post("invitations/look", json={"token": token_of(first["path"])})
    assert look.status_code == 403
    assert [one["id"] for one in (await admin.get("invitations")).json()] == [first["id"]]
    assert (await admin.delete(f"invitations/{first['id']}")).status_code == 204
    assert (await accept(browser, token_of(second["path"]))).status_code == 403
    assert (await admin.delete(f"invitations/{first['id']}")).status_code == 404
    assert (await admin.post(f"invitations/{first['id']}/renew")).status_code == 404


async def test_a_letter_still_waiting_goes_with_its_invitation(web: Web, post: MailServer) -> None:
    await web.accounts.outbox.stop()
    admin = await web.signed_in("ada", Role.ADMIN)
    made = await invite(admin, email="bob@example.com")
    await admin.post(f"invitations/{made['id']}/renew")
    assert len((await admin.get("mail/waiting")).json()) == 1  # the first one's link is worthless
    await admin.delete(f"invitations/{made['id']}")
    assert (await admin.get("mail/waiting")).json() == []


async def test_an_invitation_runs_out(web: Web, accounts: Accounts) -> None:
    admin = await web.signed_in("ada", Role.ADMIN)
    made = await invite(admin, days=1)
    assert made["expires_at"] - made["created_at"] == 86_400_000
    await accounts.store.write(lambda s: s.execute(update(Invitation).values(expires_at=now_ms())))
    assert (await accept(await web.browser(), token_of(made["path"]))).status_code == 403
    renewed = (await admin.post(f"invitations/{made['id']}/renew")).json()
    assert (await accept(await web.browser(), token_of(renewed["path"]))).status_code == 201


async def test_one_link_makes_one_account(web: Web) -> None:
    admin = await web.signed_in("ada", Role.ADMIN)
    made = await invite(admin)
    token = token_of(made["path"])
    answers = await asyncio.gather(*[accept(await web.browser(), token, f"bob{n}") for n in range(5)])
    assert sorted(answer.status_code for answer in answers) == [201, 403, 403, 403, 403]


async def test_a_name_that_is_taken_leaves_the_link_good(web: Web) -> None:
    admin = await web.signed_in("ada", Role.ADMIN)
    token = token_of((await invite(admin))["path"])
    browser = await web.browser()
    for name, password, code in (("ADA", PASSWORD, "name_taken"), ("bob", "short", "bad_input")):
        answer = await browser.post("invitations/accept", json={"token": token, "name": name, "password": password})
        assert answer.json()["error"]["code"] == code
    assert (await accept(browser, token)).status_code == 201


async def test_what_cannot_be_invited(web: Web) -> None:
    admin = await web.signed_in("ada", Role.ADMIN)
    await web.accounts.users.create(CONSOLE, "bob", PASSWORD, Role.MEMBER, email="bob@example.com")
    for body, status, field in (
        ({"email": "BOB@example.com"}, 409, "email"),
        ({"email": "bob@example.com\r\nBcc: eve@example.com"}, 422, "email"),
        ({"email": "nobody"}, 400, "email"),
        ({"groups": ["grp_none"]}, 404, "groups"),
        ({"days": 91}, 422, "days"),
        ({"role": "owner"}, 422, "role"),
    ):
        answer = await admin.post("invitations", json=body)
        assert answer.status_code in (status, 400), answer.text
        assert answer.json()["error"]["field"] == field
    member = await web.signed_in("eve")
    assert (await member.post("invitations", json={})).status_code == 403
    assert (await member.get("invitations")).status_code == 403


async def test_another_site_cannot_use_a_link(web: Web) -> None:
    admin = await web.signed_in("ada", Role.ADMIN)
    token = token_of((await invite(admin))["path"])
    forged = await web.browser(**{"sec-fetch-site": "cross-site"})
    assert (await accept(forged, token)).json()["error"]["code"] == "not_same_origin"


@pytest.mark.parametrize("token", ["", "x", "é" * 40])
async def test_a_made_up_token_is_worth_nothing(web: Web, token: str) -> None:
    browser = await web.browser()
    assert (await browser.post("invitations/look", json={"token": token})).status_code == 403
    assert (await accept(browser, token)).status_code == 403


async def test_what_was_done_is_in_the_audit_trail_without_the_token(web: Web, accounts: Accounts) -> None:
    admin = await web.signed_in("ada", Role.ADMIN)
    made = await invite(admin, email="bob@example.com")
    renewed = (await admin.post(f"invitations/{made['id']}/renew")).json()
    await accept(await web.browser(), token_of(renewed["path"]))
    other = await invite(admin)
    await admin.delete(f"invitations/{other['id']}")
    rows = await accounts.store.read(lambda s: [*s.scalars(select(Audit).order_by(Audit.id))])
    acts = [(row.act, row.actor_name) for row in rows if row.act.startswith(("invitation", "user"))][1:]
    assert acts == [
        ("invitation.created", "ada"),
        ("invitation.renewed", "ada"),
        ("user.created", "ada"),
        ("invitation.accepted", "bob"),
        ("invitation.created", "ada"),
        ("invitation.revoked", "ada"),
    ]
    for row in rows:
        assert token_of(renewed["path"]) not in str(row.details)
