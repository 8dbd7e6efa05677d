"""Letters, from the transaction they are written in to the mail server."""

import asyncio
import ssl
from pathlib import Path

import pytest
from sqlalchemy import select, update

from inglenook.accounts.mail import outbox as module
from inglenook.accounts.mail import smtp
from inglenook.accounts.mail.letters import INVITATION, RESET, TEST, Letter
from inglenook.accounts.mail.smtp import MailFailed
from inglenook.accounts.principal import CONSOLE
from inglenook.accounts.service import Accounts
from inglenook.accounts.tables import Audit, MailRow
from inglenook.kit.errors import BadInput, Conflict, NotFound
from inglenook.kit.time import now_ms
from tests.support.certificates import make_certificate
from tests.support.mail import MailServer, html_of, open_mail_server, text_of

LETTER = Letter("Grüße, 您好", "A line, <b>您好</b>.\n\nhttps://ai.example.com/invite#token=a&b\n", "zh-CN")


async def write(accounts: Accounts, address: str = "bob@example.com", **more: int) -> None:
    await accounts.store.write(lambda session: accounts.outbox.add(session, "test", address, LETTER, **more))


async def use(accounts: Accounts, server: MailServer, **more: object) -> None:
    await accounts.settings.put(CONSOLE, "mail", {**server.settings, **more})


async def test_a_letter_is_on_its_way_once_it_is_written(accounts: Accounts, server: MailServer) -> None:
    await use(accounts, server)
    await write(accounts)
    (letter,) = await server.came()
    assert letter["subject"] == LETTER.subject
    assert letter["from"] == "Inglenook <ai@house.test>"
    assert letter["to"] == "bob@example.com"
    assert letter["auto-submitted"] == "auto-generated"
    assert letter["message-id"].endswith("@house.test>")
    assert letter["date"].datetime is not None
    assert letter["content-language"] == "zh-CN"
    assert text_of(letter) == LETTER.text
    page = html_of(letter)
    assert "A line, &lt;b&gt;您好&lt;/b&gt;." in page
    assert '<a href="https://ai.example.com/invite#token=a&amp;b"' in page
    await accounts.outbox.stop()
    assert await accounts.outbox.waiting() == []


async def test_a_write_that_fails_sends_nothing(accounts: Accounts, server: MailServer) -> None:
    await use(accounts, server)

    def fail(session: object) -> None:
        accounts.outbox.add(session, "test", "bob@example.com", LETTER)  # type: ignore[arg-type]
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        await accounts.store.write(fail)
    await accounts.outbox.send_due()
    assert server.letters == []


async def test_letters_wait_encrypted_until_they_can_be_sent(accounts: Accounts, server: MailServer) -> None:
    await write(accounts)
    (row,) = await accounts.store.read(lambda s: s.scalars(select(MailRow)).all())
    assert "token" not in row.ciphertext
    assert "Gr" not in row.ciphertext
    assert [(letter.address, letter.attempts) for letter in await accounts.outbox.waiting()] == [("bob@example.com", 0)]
    await use(accounts, server)  # new settings wake it
    assert len(await server.came()) == 1


async def test_what_is_not_taken_now_is_tried_again(accounts: Accounts, server: MailServer) -> None:
    await accounts.outbox.stop()
    server.refuse = "451 try again later"
    await use(accounts, server)
    await write(accounts)
    before = now_ms()
    await accounts.outbox.send_due()
    (letter,) = await accounts.outbox.waiting()
    assert (letter.attempts, letter.failed) == (1, False)
    assert "try again later" in (letter.error or "")
    (row,) = await accounts.store.read(lambda s: s.scalars(select(MailRow)).all())
    assert 50_000 < row.next_at - before < 70_000
    await accounts.outbox.send_due()  # it is not due
    assert server.letters == []
    server.refuse = None
    await accounts.store.write(lambda s: s.execute(update(MailRow).values(next_at=0)))
    await accounts.outbox.send_due()
    assert len(server.letters) == 1
    assert await accounts.outbox.waiting() == []


@pytest.mark.parametrize("how", ["never", "tries", "useless"])
async def test_what_is_never_taken_is_given_up_and_shown(accounts: Accounts, server: MailServer, how: str) -> None:
    await accounts.outbox.stop()
    server.refuse = "550 nobody of that name" if how == "never" else "451 later"
    await use(accounts, server)
    await write(accounts, **({"expires_at": now_ms() + 30_000} if how == "useless" else {}))
    if how == "tries":
        await accounts.store.write(lambda s: s.execute(update(MailRow).values(attempts=len(module.AGAIN))))
    await accounts.outbox.send_due()
    (letter,) = await accounts.outbox.waiting()
    assert letter.failed
    await accounts.store.write(lambda s: s.execute(update(MailRow).values(created_at=now_ms() - 8 * 86_400_000)))
    accounts.outbox.start()
    await accounts.outbox.stop()
    assert await accounts.outbox.waiting() == []


async def test_what_is_of_no_use_any_more_is_not_sent(accounts: Accounts, server: MailServer) -> None:
    await accounts.outbox.stop()
    await use(accounts, server)
    await write(accounts, expires_at=now_ms() - 1)
    await accounts.outbox.send_due()
    assert server.letters == []
    assert await accounts.outbox.waiting() == []


async def test_two_servers_do_not_send_a_letter_twice(accounts: Accounts, server: MailServer) -> None:
    await accounts.outbox.stop()
    await use(accounts, server)
    for number in range(9):
        await write(accounts, f"bob{number}@example.com")
    await asyncio.gather(*(accounts.outbox.send_due() for _ in range(3)))
    assert sorted(server.recipients) == [f"bob{number}@example.com" for number in range(9)]


async def test_after_a_restart_it_goes_on(accounts: Accounts, server: MailServer) -> None:
    await accounts.outbox.stop()
    await use(accounts, server)
    await write(accounts)
    accounts.outbox.start()
    assert len(await server.came()) == 1


@pytest.mark.parametrize("at_once", [False, True])
async def test_over_tls_with_a_password(
    accounts: Accounts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    certificate = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    async with open_mail_server(context, at_once=at_once) as server:
        security = "tls" if at_once else "starttls"
        await use(accounts, server, host="localhost", security=security, user="ai", password="let me in")
        with pytest.raises(MailFailed, match="certificate of localhost"):
            await accounts.outbox.try_out("bob@example.com", LETTER)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.cert))
        await accounts.outbox.try_out("bob@example.com", LETTER)
        assert server.logins == [("ai", "let me in")]
        await use(accounts, server, host="localhost", security=security, user="ai", password="wrong")
        with pytest.raises(MailFailed, match="user name and password"):
            await accounts.outbox.try_out("bob@example.com", LETTER)
        assert len(server.letters) == 1


async def why_not(accounts: Accounts, address: str = "bob@example.com") -> MailFailed:
    with pytest.raises(MailFailed) as caught:
        await accounts.outbox.try_out(address, LETTER)
    return caught.value


async def test_errors_say_what_the_mail_server_said(accounts: Accounts, server: MailServer) -> None:
    with pytest.raises(Conflict, match="no mail server"):
        await accounts.outbox.try_out("bob@example.com", LETTER)
    await use(accounts, server)
    server.refuse = "550 nobody of that name"
    error = await why_not(accounts)
    assert "does not take e-mails to bob@example.com: nobody of that name" in error.message
    assert error.details == {"cause": "rejected", "final": True}
    server.refuse = None
    for address in ("bob@example.com\r\nBcc: eve@example.com", "bob\n@example.com", "a@b.c, d@e.f", "nobody"):
        error = await why_not(accounts, address)
        assert error.details == {"cause": "address", "final": True}
    await use(accounts, server, host="localhost", security="starttls")
    assert (await why_not(accounts)).details == {"cause": "unsupported", "final": False}
    await use(accounts, server, host="localhost", security="tls")
    error = await why_not(accounts)
    assert error.details["cause"] == "tls"
    assert "port and encryption must fit" in error.message
    await use(accounts, server, port=1)
    error = await why_not(accounts)
    assert error.details["cause"] == "refused"
    assert error.message.startswith("127.0.0.1:1 refuses the connection")
    await use(accounts, server, host="no.such.host.invalid", security="tls")
    assert (await why_not(accounts)).details["cause"] == "unreachable"
    assert server.letters == []


async def test_a_mail_server_that_says_nothing_holds_up_nothing(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "WHOLE", 0.2)
    monkeypatch.setattr(module, "GRACE", 0.1)
    connected = asyncio.Event()
    ended = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await reader.read()
        ended.set()
        writer.close()

    deaf = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with deaf:
        port = deaf.sockets[0].getsockname()[1]
        settings = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "ai@house.test"}
        await accounts.settings.put(CONSOLE, "mail", settings)
        error = await why_not(accounts)
        assert error.details["cause"] == "timeout"
        await asyncio.wait_for(ended.wait(), 5)
        connected.clear()
        ended.clear()
        monkeypatch.setattr(smtp, "WHOLE", 60.0)
        await write(accounts)
        await asyncio.wait_for(connected.wait(), 5)
        await asyncio.wait_for(accounts.outbox.stop(), 5)  # nobody waits for it when the server stops
        await asyncio.wait_for(ended.wait(), 5)
    (letter,) = await accounts.outbox.waiting()
    assert letter.attempts == 1


async def test_a_letter_that_was_taken_is_sent_whatever_the_farewell(accounts: Accounts, server: MailServer) -> None:
    server.hang_up = True
    await use(accounts, server)
    await write(accounts)
    await server.came()
    await accounts.outbox.stop()
    await accounts.outbox.send_due()
    assert len(server.letters) == 1
    assert await accounts.outbox.waiting() == []


async def test_subjects_and_names_cannot_add_headers(accounts: Accounts, server: MailServer) -> None:
    await use(accounts, server)
    await accounts.outbox.try_out("bob@example.com", Letter("One\r\nBcc: eve@example.com\n\nand <more>", "Text."))
    (letter,) = server.letters
    assert letter["subject"] == "One Bcc: eve@example.com and <more>"
    assert letter["bcc"] is None
    assert server.recipients == ["bob@example.com"]


async def test_new_settings_try_again_what_was_given_up(accounts: Accounts, server: MailServer) -> None:
    server.refuse = "550 relaying denied"
    await use(accounts, server)
    await write(accounts)
    await server.asked()
    server.refuse = None
    await accounts.outbox.stop()
    await accounts.outbox.send_due()
    (letter,) = await accounts.outbox.waiting()
    assert letter.failed
    accounts.outbox.start()
    await use(accounts, server, sender="other@house.test")
    (came,) = await server.came()
    assert came["from"] == "other@house.test"


async def test_an_administrator_tries_again_or_throws_away(accounts: Accounts, server: MailServer) -> None:
    await accounts.outbox.stop()
    server.refuse = "550 nobody of that name"
    await use(accounts, server)
    for name in ("bob", "eve"):
        await write(accounts, f"{name}@example.com")
    await accounts.outbox.send_due()
    eve, bob = await accounts.outbox.waiting()
    server.refuse = None
    await accounts.outbox.again(CONSOLE, bob.id)
    await accounts.outbox.drop(CONSOLE, eve.id)
    await accounts.outbox.send_due()
    assert server.recipients == ["bob@example.com"]
    for act in (accounts.outbox.again, accounts.outbox.drop):
        with pytest.raises(NotFound):
            await act(CONSOLE, bob.id)
    acts = await accounts.store.read(lambda s: [*s.scalars(select(Audit.act).order_by(Audit.id))])
    assert acts[-2:] == ["mail.retried", "mail.dropped"]


@pytest.mark.parametrize(
    ("section", "settings", "why"),
    [
        ("mail", {"host": "mail.example.com", "security": "none"}, "this machine only"),
        ("mail", {"host": "https://mail.example.com"}, "name of the mail server alone"),
        ("mail", {"sender": "Inglenook"}, "write an address"),
        ("mail", {"sender": "Inglenook <a@b.c>, x@y.z"}, "write an address"),
        ("mail", {"sender": "a@b.c\nBcc: x@y.z"}, "line breaks"),
        ("mail", {"port": 0}, "at least 1"),
        ("site", {"public_url": "ai.example.com"}, "https://"),
        ("site", {"public_url": "javascript:alert(1)"}, "https://"),
        ("site", {"public_url": "https://a.example/?x"}, "https://"),
        ("site", {"public_url": "https://a.example/a b"}, "spaces"),
        ("site", {"public_url": "https://ada:secret@a.example"}, "leave out"),
    ],
)
async def test_settings_that_will_not_do(
    accounts: Accounts, section: str, settings: dict[str, object], why: str
) -> None:
    with pytest.raises(BadInput, match=why) as caught:
        await accounts.settings.put(CONSOLE, section, settings)
    assert (caught.value.field or "").startswith("settings.")


async def test_links_begin_with_the_public_address(accounts: Accounts) -> None:
    assert accounts.outbox.site.now.link("/invite") is None
    await accounts.settings.put(CONSOLE, "site", {"public_url": "https://house.test/ai/"})
    assert accounts.outbox.site.now.link("/invite#token=x") == "https://house.test/ai/invite#token=x"


def test_every_letter_is_in_both_languages() -> None:
    values = {"inviter": "ada", "link": "https://x", "days": 7, "name": "bob", "minutes": 60}
    for words in (INVITATION, RESET, TEST):
        english, chinese = words.fill("en-GB", **values), words.fill("zh-TW", **values)
        assert words.fill(None, **values) == english
        assert english != chinese
        for letter in (english, chinese):
            assert "{" not in letter.subject + letter.text
            assert ("https://x" in letter.text) == (words is not TEST)
        assert any("一" <= char <= "鿿" for char in chinese.subject)
