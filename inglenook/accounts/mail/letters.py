"""What letters say, in English and in Chinese. A letter of another room is written there, with `Words`."""

from html import escape
from typing import NamedTuple

CHINESE, ENGLISH = "zh-CN", "en"


class Letter(NamedTuple):
    """A letter in one language: paragraphs with an empty line between; a link stands alone in its own."""

    subject: str
    text: str
    language: str = ENGLISH


class Words(NamedTuple):
    """A letter in each language, with places (`{link}`) to fill in."""

    english: Letter
    chinese: Letter

    def fill(self, language: str | None, **values: object) -> Letter:
        """The letter in a reader's language (`zh`, `zh-CN`, …: Chinese; else English)."""
        is_chinese = (language or ENGLISH).lower().startswith("zh")
        letter = self.chinese if is_chinese else self.english
        subject, text = letter.subject.format(**values), letter.text.format(**values)
        return Letter(subject, text, CHINESE if is_chinese else ENGLISH)


def as_html(letter: Letter) -> str:
    """The letter as a page of HTML: its text and nothing else, no pictures that tell when it is read."""
    paragraphs = "\n".join(map(_paragraph, letter.text.strip().split("\n\n")))
    return (
        f'<!doctype html>\n<html lang="{escape(letter.language)}">\n<head><meta charset="utf-8">'
        f"<title>{escape(letter.subject)}</title></head>\n<body>\n"
        f'<div style="{_PAGE}">\n{paragraphs}\n</div>\n</body>\n</html>\n'
    )


def _paragraph(text: str) -> str:
    words = escape(text)
    if text.startswith(("https://", "http://")) and not any(char.isspace() for char in text):
        return f'<p><a href="{words}" style="{_LINK}">{words}</a></p>'
    return "<p>" + words.replace("\n", "<br>\n") + "</p>"


_PAGE = "max-width:36em;font:15px/1.6 system-ui,sans-serif;color:#1f1d1a"
_LINK = "color:#b4481e;word-break:break-all"


INVITATION = Words(
    Letter(
        "You are invited to Inglenook",
        """Hello,

{inviter} invites you to Inglenook, a private place to work with AI models.

Choose a name and a password here:

{link}

The link works once, within {days} days. If this letter is not meant for you, leave it be.
""",
    ),
    Letter(
        "邀请您使用 Inglenook",
        """您好：

{inviter} 邀请您使用 Inglenook（私有 AI 工作台）。

请打开下面的链接，设置用户名和密码：

{link}

链接只能使用一次，{days} 天内有效。如果这封邮件与您无关，请忽略。
""",
    ),
)

RESET = Words(
    Letter(
        "A new password for Inglenook",
        """Hello {name},

somebody asked for a new password for your account on Inglenook. If it was you, choose one here:

{link}

The link works once, within {minutes} minutes. If it was not you, leave this letter be: your password stays as it is.
""",
    ),
    Letter(
        "重置 Inglenook 密码",
        """{name}，您好：

有人请求重置您在 Inglenook 的密码。如果是您本人，请打开下面的链接设置新密码：

{link}

链接只能使用一次，{minutes} 分钟内有效。如果不是您本人操作，请忽略这封邮件，密码不会改变。
""",
    ),
)

TEST = Words(
    Letter("E-mails from Inglenook arrive", "Hello,\n\nthis is a test. E-mails from Inglenook reach you.\n"),
    Letter("Inglenook 邮件测试", "您好：\n\n这是一封测试邮件。收到它说明 Inglenook 的邮件设置正确。\n"),
)
