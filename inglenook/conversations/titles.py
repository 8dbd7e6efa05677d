"""Titles: made from a first question, and folded for search."""

import re
import unicodedata

#: Columns of an automatic title; a Chinese character takes two.
AUTO_COLUMNS = 60
#: Characters of a title.
LIMIT = 200
#: Headings, quotes, list points and rules.
_MARKS = re.compile(r"^(?:(?:#{1,6}|>|[-*+])(?:\s+|$)|[-=*_]{3,}$)+")


def auto_title(question: str) -> str:
    """The question's first line that says something, cut to `AUTO_COLUMNS` columns (at a space if one is near)."""
    line = next((clean for line in question.splitlines() if (clean := _clean(line))), "")
    used = 0
    for at, character in enumerate(line):
        used += _columns(character)
        if used > AUTO_COLUMNS:
            return _cut(line[:at])
    return line


def search_key(title: str) -> str:
    """A title, or what is sought in one, folded so that letter case and full-width forms make no difference."""
    return unicodedata.normalize("NFKC", title).casefold()


def _clean(line: str) -> str:
    """A line without the Markdown marks at its start, its white space squeezed; nothing of a code fence."""
    words = " ".join("".join(c if c.isprintable() else " " for c in line).split())
    return "" if words.startswith(("```", "~~~")) else _MARKS.sub("", words)


def _cut(start: str) -> str:
    space = start.rfind(" ")
    if space >= len(start) * 2 // 3:
        start = start[:space]
    return start.rstrip(" ,;:，；：、") + "…"


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
