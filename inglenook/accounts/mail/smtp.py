"""Handing one letter to a mail server.

The host is one an administrator named, so it may be private. It is resolved once, and connected to is what was found;
without encryption that must be this machine. smtplib talks in a thread; whoever stops waiting ends its connection, so
no thread is left behind.
"""

import asyncio
import smtplib
import socket
import ssl
from contextlib import closing, suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from ipaddress import ip_address

from inglenook.accounts.mail.letters import Letter, as_html
from inglenook.accounts.mail.settings import MailSettings
from inglenook.kit.errors import InglenookError, UpstreamFailed
from inglenook.kit.http.guard import AddressGuard

#: Seconds a mail server may take to be reached, for one answer, and for all of a letter.
CONNECT, ANSWER, WHOLE = 10.0, 20.0, 60.0
#: Bytes outside of ASCII are written in it (some mail servers still take no others), lines end as SMTP wants.
_POLICY = SMTP.clone(cte_type="7bit")
_UNSEEN = dict.fromkeys((*range(32), 127), " ")


class MailFailed(UpstreamFailed):
    """The e-mail could not be sent.

    `details["cause"]` is one of `unreachable`, `refused`, `timeout`, `tls`, `auth`, `unsupported`, `rejected`,
    `address`; `details["final"]` says whether the mail server will not take it another time either.
    """

    code = "mail_failed"


async def send(settings: MailSettings, address: str, letter: Letter, *, guard: AddressGuard) -> None:
    """Send a letter.

    Raises:
        MailFailed: the mail server cannot be reached, or refuses; the message says what it said.
    """
    server = f"{settings.host}:{settings.port}"
    try:
        message = write(settings, address, letter)
    except ValueError as error:
        raise _failed("address", f"the address {address!r} cannot be written to: {error}", final=True) from None
    try:
        async with asyncio.timeout(WHOLE):
            connection = await _connect(settings, guard)
            with connection.dup() as lever:  # the connection itself is the thread's, which closes it
                try:
                    await asyncio.to_thread(_talk, settings, connection, message, address)
                finally:  # also when we are told to stop: what the thread waits for ends
                    with suppress(OSError):
                        lever.shutdown(socket.SHUT_RDWR)
    except TimeoutError:
        raise _failed("timeout", f"{server} does not answer in time; is the port right, and is it TLS?") from None
    except OSError as error:
        raise _failed("unreachable", f"the connection to {server} broke: {error.strerror or error}") from None


def write(settings: MailSettings, address: str, letter: Letter) -> EmailMessage:
    """The letter as it is sent: plain text, with HTML beside it.

    Raises:
        ValueError: nobody can be written to at that address.
    """
    message = EmailMessage(policy=_POLICY)
    message["From"] = settings.sender
    message["To"] = address
    if [found.addr_spec for found in message["To"].addresses] != [address] or "@" not in address:
        raise ValueError("it is not one address")
    message["Subject"] = " ".join(letter.subject.translate(_UNSEEN).split())
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=settings.domain)
    message["Auto-Submitted"] = "auto-generated"  # no answer of an absent reader comes back
    message.set_content(letter.text)
    message.add_alternative(as_html(letter), subtype="html")
    message["Content-Language"] = letter.language
    return message


async def _connect(settings: MailSettings, guard: AddressGuard) -> socket.socket:
    server = f"{settings.host}:{settings.port}"
    try:
        addresses = await guard.addresses(settings.host, settings.port, trusted=True)
    except InglenookError as error:
        raise _failed("unreachable", error.message) from None
    if settings.security == "none":
        addresses = [address for address in addresses if ip_address(address.partition("%")[0]).is_loopback]
        if not addresses:
            raise _failed("tls", f"{settings.host} is another machine; it is not written to without encryption")
    failure = _failed("unreachable", f"cannot reach {server}")
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            async with asyncio.timeout(CONNECT):
                await asyncio.get_running_loop().sock_connect(connection, (address, settings.port))
        except TimeoutError:
            connection.close()
            failure = _failed("timeout", f"{server} does not answer; is the port right?")
        except ConnectionRefusedError:
            connection.close()
            failure = _failed("refused", f"{server} refuses the connection; is the port right?")
        except OSError as error:
            connection.close()
            failure = _failed("unreachable", f"cannot reach {server}: {error.strerror or error}")
        except BaseException:
            connection.close()
            raise
        else:
            connection.settimeout(ANSWER)
            return connection
    raise failure


class _Smtp(smtplib.SMTP):
    """smtplib's client on a connection that stands already."""

    def __init__(self, settings: MailSettings, connection: socket.socket) -> None:
        self._connection = connection
        if settings.security == "tls":
            context = ssl.create_default_context()
            self._connection = context.wrap_socket(connection, server_hostname=settings.host)
        name = socket.gethostname()  # smtplib would ask DNS
        name = name if "." in name and name.isascii() else "[127.0.0.1]"
        try:
            super().__init__(settings.host, settings.port, local_hostname=name, timeout=ANSWER)
        except BaseException:
            self._connection.close()
            raise

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._connection


def _talk(settings: MailSettings, connection: socket.socket, message: EmailMessage, address: str) -> None:
    server = f"{settings.host}:{settings.port}"
    try:
        with connection, closing(_Smtp(settings, connection)) as smtp:
            if settings.security == "starttls":
                smtp.starttls(context=ssl.create_default_context())
            if settings.user:
                smtp.login(settings.user, settings.password)
            smtp.send_message(message, settings.address, [address])
            with suppress(OSError, smtplib.SMTPException):  # it has the letter: how it says farewell is all the same
                smtp.quit()
    except smtplib.SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()))
        words = f"{server} does not take e-mails to {address}: {_words(said)}"
        raise _failed("rejected", words, final=code >= 500) from None
    except smtplib.SMTPAuthenticationError as error:
        words = f"{server} does not take this user name and password: {_words(error.smtp_error)}"
        raise _failed("auth", words) from None
    except smtplib.SMTPResponseException as error:
        final = isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= 500
        raise _failed("rejected", f"{server} refuses: {_words(error.smtp_error)}", final=final) from None
    except smtplib.SMTPNotSupportedError as error:
        raise _failed("unsupported", f"{server} cannot do what the settings ask: {error}") from None
    except ssl.SSLCertVerificationError as error:
        raise _failed("tls", f"the certificate of {server} is not valid: {error.verify_message}") from None
    except ssl.SSLError as error:
        words = f"{server} does not speak TLS as the settings say ({error.reason}); port and encryption must fit"
        raise _failed("tls", words) from None
    except TimeoutError:
        raise _failed("timeout", f"{server} does not answer in time; is the port right, and is it TLS?") from None
    except (OSError, smtplib.SMTPException) as error:
        raise _failed("unreachable", f"the connection to {server} broke: {error or type(error).__name__}") from None


def _failed(cause: str, message: str, *, final: bool = False) -> MailFailed:
    return MailFailed(message, details={"cause": cause, "final": final})


def _words(said: bytes | str) -> str:
    words = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return " ".join(words.split())[:500]
