"""Case mapping and white space: one code point to one, whatever Python's own methods do."""

from __future__ import annotations

import sys

import pytest

from lxdimage.templates._go import _unicode, fields, is_space, lower, title, trim_space, upper


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ß", "ß"),
        ("ŉ", "ŉ"),
        ("ﬁ", "ﬁ"),
        ("ᾀ", "ᾈ"),
        ("ᾳ", "ᾼ"),
        ("ǆ", "Ǆ"),
        ("\u0131", "I"),
        ("\udcff", "\ufffd"),
    ],
)
def test_upper_case_maps_one_character_to_one(text: str, expected: str) -> None:
    assert upper(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("İ", "i"), ("\u0391\u03a3", "\u03b1\u03c3"), ("\udcff", "\ufffd")]
)
def test_lower_case_knows_no_context(text: str, expected: str) -> None:
    assert lower(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("it's", "It'S"),
        ("foo_bar", "Foo_bar"),
        ("2nd x1y", "2nd X1y"),
        ("a\u00a0b a\u200bb", "A\u00a0B A\u200bb"),
        ("ǆ ᾳ", "ǅ ᾼ"),
        ("x\udcffy", "X\ufffdy"),
    ],
)
def test_words_begin_after_ascii_signs_and_white_space(text: str, expected: str) -> None:
    assert title(text) == expected


def test_white_space_lacks_what_only_python_takes_for_it() -> None:
    only_python = {chr(code) for code in range(0x1C, 0x20)}
    assert {chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()} - only_python == {
        chr(code) for code in range(sys.maxunicode + 1) if is_space(chr(code))
    }


def test_words_and_ends_go_by_the_same_white_space() -> None:
    assert fields(" a\x1cb\u3000c\x85") == ["a\x1cb", "c"]
    assert trim_space("\x1c a \u2003") == "\x1c a"


def test_tables_stay_small_on_text_with_every_character() -> None:
    many = "".join(chr(code) for code in range(0x20000) if not 0xD800 <= code < 0xE000)
    for mapping in (upper, lower, title):
        assert len(mapping(many)) == len(many)
    assert max(len(table) for table in (_unicode._UPPER, _unicode._LOWER, _unicode._TITLE)) <= 8192
