"""Titles made from questions."""

import pytest

from inglenook.conversations.titles import AUTO_COLUMNS, auto_title, search_key


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("Hello", "Hello"),
        ("\n\n  What is\ta   fire? \nMore of it", "What is a fire?"),
        ("## Heading", "Heading"),
        ("```python\ncode here\n```", "code here"),
        ("> - quoted point", "quoted point"),
        ("---\n**bold** words", "**bold** words"),
        ("-5 + 3 = ?", "-5 + 3 = ?"),
        ("#!/bin/sh", "#!/bin/sh"),
        ("# \nnext", "next"),
        ("怎么煮一壶好茶？\n谢谢", "怎么煮一壶好茶？"),
        ("a\x00b\x07c", "a b c"),
        ("", ""),
        ("   \n \n", ""),
    ],
)
def test_the_first_line_that_says_something(question: str, title: str) -> None:
    assert auto_title(question) == title


def test_a_long_line_is_cut_at_a_space() -> None:
    title = auto_title("word " * 40)
    assert title.endswith("word…")
    assert len(title) <= AUTO_COLUMNS + 1


def test_a_chinese_character_takes_two_columns() -> None:
    assert auto_title("火" * 200) == "火" * 30 + "…"
    assert auto_title("火" * 30) == "火" * 30


def test_one_long_word_is_cut_where_it_must() -> None:
    assert auto_title("x" * 500) == "x" * 60 + "…"


def test_search_folds_case_and_width() -> None:
    assert search_key("ＡＢＣ Straße ПРИВЕТ") == "abc strasse привет"
