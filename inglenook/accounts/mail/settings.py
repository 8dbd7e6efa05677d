"""Where people find this server, and how it sends letters."""

import re
from email.utils import getaddresses, parseaddr
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct

from inglenook.accounts.settings import Section

_HOST = re.compile(r"[^\s/@\[\]<>\"',;]{1,255}")
_ADDRESS = re.compile(r"[^\s@<>\"(),:;\\\[\]\x00-\x1f]{1,64}@[^\s@<>\"(),:;\\\[\]\x00-\x1f]+")
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})


class SiteSettings(Struct, frozen=True, kw_only=True):
    """Settings of the place as a whole.

    Attributes:
        public_url: Its address in people's browsers, without a slash at the end; links in letters begin with it.
        language: Of letters to those who chose none.
    """

    public_url: str = ""
    language: Literal["en", "zh-CN"] = "en"

    def __post_init__(self) -> None:
        if not self.public_url:
            return
        parts = urlsplit(self.public_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("public_url: begin with https:// or http://, and name a host, and a path at most")
        if any(char.isspace() or not char.isprintable() or char in '"<>\\' for char in self.public_url):
            raise ValueError("public_url: there are no spaces and quotes in an address")
        if parts.username is not None or parts.password is not None:
            raise ValueError("public_url: leave out user name and password")

    def link(self, path: str) -> str | None:
        """A whole address under the public one; None if that is not known."""
        return f"{self.public_url.rstrip('/')}{path}" if self.public_url else None


SITE: Section[SiteSettings] = Section(
    name="site",
    title="This server",
    kind=SiteSettings,
    settings_schema={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "public_url": {
                "type": "string",
                "title": "Public address",
                "description": "How people reach this server, such as https://ai.example.com; links in e-mails use it.",
                "maxLength": 500,
                "default": "",
            },
            "language": {
                "type": "string",
                "title": "Language of e-mails",
                "description": "For people who have not chosen a language themselves.",
                "enum": ["en", "zh-CN"],
                "titles": {"en": "English", "zh-CN": "简体中文"},
                "default": "en",
            },
        },
    },
    translations={
        "zh-CN": {
            "This server": "本服务器",
            "Public address": "对外地址",
            "How people reach this server, such as https://ai.example.com; links in e-mails use it.": (
                "用户访问本服务器的地址，例如 https://ai.example.com；邮件中的链接以它开头。"
            ),
            "Language of e-mails": "邮件语言",
            "For people who have not chosen a language themselves.": "用于没有自行选择语言的用户。",
        }
    },
)


class MailSettings(Struct, frozen=True, kw_only=True):
    """How letters are sent. Without `host` and `sender` none are.

    Attributes:
        security: `starttls` begins in the clear and changes over, `tls` speaks TLS from the first byte (port 465),
            `none` is for a mail server on this machine, and no other.
        sender: The address letters come from, with or without a name: `Inglenook <ai@example.com>`.
        budget_warnings: Who is told when a budget is used to 80 % and to the end: `all` whom it concerns, only
            administrators (`admins`), or `nobody`.
    """

    host: str = ""
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: str = ""
    sender: str = ""
    budget_warnings: Literal["all", "admins", "nobody"] = "all"

    def __post_init__(self) -> None:
        for name, value in (("host", self.host), ("user", self.user), ("sender", self.sender)):
            if any(ord(char) < 32 for char in value):
                raise ValueError(f"{name}: there are no line breaks in it")
        if self.host and not _HOST.fullmatch(self.host):
            raise ValueError("host: write the name of the mail server alone, such as smtp.example.com")
        if self.host and self.security == "none" and self.host.lower() not in _THIS_MACHINE:
            raise ValueError(
                "security: without encryption e-mails go to this machine only (localhost); choose starttls or tls"
            )
        if self.sender and (not _ADDRESS.fullmatch(self.address) or len(getaddresses([self.sender])) != 1):
            raise ValueError("sender: write an address such as Inglenook <ai@example.com>")

    @property
    def is_ready(self) -> bool:
        """Whether letters can be sent."""
        return bool(self.host and self.sender)

    @property
    def address(self) -> str:
        """The sender's address alone."""
        return parseaddr(self.sender)[1]

    @property
    def domain(self) -> str:
        """The domain of the sender's address."""
        return self.address.rpartition("@")[2]


_WHOM = "Whom to tell, once each, when a budget is used to 80 % and when it is used up."
MAIL: Section[MailSettings] = Section(
    name="mail",
    title="E-mail",
    kind=MailSettings,
    settings_schema={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "host": {
                "type": "string",
                "title": "Mail server",
                "description": "Host name of the SMTP server; without one no e-mails are sent.",
                "maxLength": 255,
                "default": "",
            },
            "port": {"type": "integer", "title": "Port", "minimum": 1, "maximum": 65535, "default": 587},
            "security": {
                "type": "string",
                "title": "Encryption",
                "enum": ["starttls", "tls", "none"],
                "titles": {
                    "starttls": "STARTTLS (mostly port 587)",
                    "tls": "TLS from the start (mostly port 465)",
                    "none": "None (a mail server on this machine only)",
                },
                "default": "starttls",
            },
            "user": {"type": "string", "title": "User name", "maxLength": 255, "default": ""},
            "password": {"type": "string", "title": "Password", "maxLength": 1000, "secret": True},
            "sender": {
                "type": "string",
                "title": "Sender",
                "description": "The address e-mails come from, such as Inglenook <ai@example.com>.",
                "maxLength": 320,
                "default": "",
            },
            "budget_warnings": {
                "type": "string",
                "title": "Budget warnings",
                "description": _WHOM,
                "enum": ["all", "admins", "nobody"],
                "titles": {
                    "all": "Those who use it, and administrators",
                    "admins": "Administrators only",
                    "nobody": "Nobody",
                },
                "default": "all",
            },
        },
    },
    translations={
        "zh-CN": {
            "E-mail": "邮件",
            "Mail server": "邮件服务器",
            "Host name of the SMTP server; without one no e-mails are sent.": "SMTP 服务器的主机名；不填则不发送邮件。",
            "Port": "端口",
            "Encryption": "加密方式",
            "STARTTLS (mostly port 587)": "STARTTLS（通常用 587 端口）",
            "TLS from the start (mostly port 465)": "TLS（通常用 465 端口）",
            "None (a mail server on this machine only)": "不加密（仅限本机的邮件服务器）",
            "User name": "用户名",
            "Password": "密码",
            "Sender": "发件人",
            "The address e-mails come from, such as Inglenook <ai@example.com>.": (
                "邮件的发件地址，例如 Inglenook <ai@example.com>。"
            ),
            "Budget warnings": "预算提醒",
            _WHOM: "预算用到 80% 和用完时，各发一封邮件通知谁。",
            "Those who use it, and administrators": "相关用户和管理员",
            "Administrators only": "仅管理员",
            "Nobody": "不通知",
        }
    },
)
