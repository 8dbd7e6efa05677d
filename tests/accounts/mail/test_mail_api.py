"""The administrator's routes of e-mail."""

from inglenook.accounts.principal import CONSOLE, Role
from tests.accounts.conftest import Web
from tests.support.mail import MailServer


async def test_a_test_letter(web: Web, post: MailServer) -> None:
    admin = await web.signed_in("ada", Role.ADMIN)
    none = await admin.post("mail/test", json={})
    assert (none.status_code, none.json()["error"]["field"]) == (400, "address")
    await web.accounts.users.change(CONSOLE, admin.user["id"], {"email": "ada@example.com", "language": "zh-CN"})  # type: ignore[attr-defined]
    assert (await admin.post("mail/test", json={})).status_code == 204
    assert (await admin.post("mail/test", json={"address": "bob@example.com"})).status_code == 204
    assert [letter["to"] for letter in post.letters] == ["ada@example.com", "bob@example.com"]
    assert post.letters[0]["subject"] == "Inglenook 邮件测试"
    post.refuse = "554 no thanks"
    refused = await admin.post("mail/test", json={})
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (502, "mail_failed")
    assert "no thanks" in error["message"]
    assert error["details"]["cause"] == "rejected"
    trail = (await admin.get("audit")).json()
    assert [record["act"] for record in trail].count("mail.tested") == 2


async def test_what_waits_is_seen_tried_again_and_thrown_away(web: Web, post: MailServer) -> None:
    admin = await web.signed_in("ada", Role.ADMIN)
    await web.accounts.outbox.stop()
    for name in ("bob", "eve"):
        await admin.post("invitations", json={"email": f"{name}@example.com"})
    eve, bob = (await admin.get("mail/waiting")).json()
    assert (eve["address"], eve["kind"], eve["failed"]) == ("eve@example.com", "invitation", False)
    assert "token" not in str(eve)
    assert (await admin.delete(f"mail/waiting/{eve['id']}")).status_code == 204
    assert (await admin.post(f"mail/waiting/{bob['id']}/again")).status_code == 204
    await web.accounts.outbox.send_due()
    assert post.recipients == ["bob@example.com"]
    assert (await admin.post(f"mail/waiting/{bob['id']}/again")).status_code == 404


async def test_members_have_no_business_here(web: Web, post: MailServer) -> None:
    member = await web.signed_in("eve")
    for method, path in (
        ("POST", "mail/test"),
        ("GET", "mail/waiting"),
        ("POST", "mail/waiting/x/again"),
        ("DELETE", "mail/waiting/x"),
    ):
        answer = await member.request(method, path, json={} if method == "POST" else None)
        assert answer.status_code == 403
    assert post.letters == []
