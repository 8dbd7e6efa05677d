"""A mail server on loopback, to which letters are sent as to any other."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Self, TypeVar

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

T = TypeVar("T")


class MailServer:
    """The running server. `letters` holds what came; `refuse` is what it says to every recipient, if that is set;
    with `hang_up` it breaks the connection off when it has taken a letter; with `hold` it does not answer."""

    def __init__(self) -> None:
        self.port = 0
        self.letters: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.logins: list[tuple[str, str]] = []
        self.refuse: str | None = None
        self.hang_up = False
        self.hold: asyncio.Event | None = None
        self._refused = asyncio.Event()
        self._came = asyncio.Condition()

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the section `mail` with which letters come here."""
        return {"host": "127.0.0.1", "port": self.port, "security": "none", "sender": "Inglenook <ai@house.test>"}

    async def handle_RCPT(  # noqa: N802 - the name aiosmtpd calls
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.hold is not None:
            self._refused.set()
            await self.hold.wait()
        if self.refuse is not None:
            self._refused.set()
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        letter = message_from_bytes(content, policy=policy.default)
        assert isinstance(letter, EmailMessage)
        async with self._came:
            self.letters.append(letter)
            self.recipients += envelope.rcpt_tos
            self._came.notify_all()
        return "250 OK"

    async def handle_QUIT(self, server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        if self.hang_up:
            assert server.transport is not None
            server.transport.abort()
        return "221 Bye"

    async def asked(self) -> None:
        """Return once a letter was refused, or is held."""
        async with asyncio.timeout(10):
            await self._refused.wait()

    async def came(self, number: int = 1) -> list[EmailMessage]:
        """Return once so many letters have come."""
        async with asyncio.timeout(10), self._came:
            await self._came.wait_for(lambda: len(self.letters) >= number)
        return self.letters

    def authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=data.password == b"let me in", handled=False)


@asynccontextmanager
async def open_mail_server(tls: ssl.SSLContext | None = None, *, at_once: bool = False) -> AsyncIterator[MailServer]:
    """A mail server on a free port.

    Args:
        tls: Its certificate: it offers STARTTLS, and then wants a user name and password.
        at_once: It speaks TLS from the first byte.
    """
    mail = MailServer()

    def protocol() -> SMTP:
        return SMTP(
            mail,
            hostname="mail.test",
            enable_SMTPUTF8=True,
            tls_context=None if at_once else tls,
            authenticator=mail.authenticate,
            auth_required=tls is not None and not at_once,  # it takes no TLS for that which it did not begin itself
            auth_require_tls=not at_once,
        )

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, ssl=tls if at_once else None)
    mail.port = server.sockets[0].getsockname()[1]
    try:
        yield mail
    finally:
        server.close()
        await server.wait_closed()


def text_of(letter: EmailMessage) -> str:
    """What a letter says."""
    body = letter.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def html_of(letter: EmailMessage) -> str:
    """What it says as HTML."""
    body = letter.get_body(("html",))
    assert body is not None
    return str(body.get_content())


def link_of(letter: EmailMessage) -> str:
    """The link in it."""
    (link,) = (line for line in text_of(letter).splitlines() if line.startswith("http"))
    return link


class MailThread:
    """A mail server in a thread of its own, for tests that wait with their whole thread. Use as a context manager."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mail-server", daemon=True)
        self._thread.start()
        self._opened = open_mail_server()
        self.server = self._do(self._opened.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._opened.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def came(self, number: int = 1) -> list[EmailMessage]:
        """Return once so many letters have come."""
        return self._do(self.server.came(number))

    def asked(self) -> None:
        """Return once a letter was refused."""
        self._do(self.server.asked())

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)
